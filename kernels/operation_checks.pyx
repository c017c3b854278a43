"""What is refused of an operation's record: numbers, columns, widths and parameters."""

from libc.stdint cimport int64_t


cdef int _require_outputs(const Operation* op, int i, object kernel) except -1:
    """Raise unless the operation gives as many values as it computes from its input."""
    cdef int64_t wanted = op.n_inputs
    if op.kind in (AFFINE, MEMBER_AFFINE):
        wanted = max(op.n_outputs, <Py_ssize_t> 1)
    elif op.kind == PERIODIC:
        wanted += <int64_t> op.n_columns * (_periodic_width(op) - 1)
    elif op.kind in (EMBEDDING, PIECEWISE):
        wanted += op.n_columns * (<int64_t> op.numbers[1] - 1)
    if op.n_outputs < 1 or op.n_outputs != wanted:
        _refuse(i, kernel, "gives numbers a row:", op.n_outputs, wanted)
    return 0


cdef int _require_parameters(const Graph* graph, int i, object kernel) except -1:
    """Raise unless all parameters are within the flat buffer."""
    cdef const Operation* op = &graph.operations[i]
    cdef Py_ssize_t n = graph.n_parameters
    cdef int k
    if op.kind in (AFFINE, MEMBER_AFFINE) and op.n_outputs > n // op.n_inputs:
        _refuse(i, kernel, "has parameters:", f"{op.n_inputs} x {op.n_outputs}",
                f"at most {n}")
    for k in range(op.n_starts):
        if not 0 <= op.starts[k] <= n - _parameter_size(op, k):
            _refuse(i, kernel, "has parameters at", op.starts[k],
                    f"{_parameter_size(op, k)} numbers within {n}")
    return 0


cdef int _require_all_covered(const Graph* graph) except -1:
    """Check that each element of the flat buffer is a parameter of exactly one operation."""
    cdef const Operation* op
    cdef Py_ssize_t end = 0, start
    cdef int i, k
    cdef list pieces = [(graph.n_parameters, 0)]
    for i in range(graph.n_operations):
        op = &graph.operations[i]
        for k in range(op.n_starts):
            pieces.append((op.starts[k], _parameter_size(op, k)))
    for start, size in sorted(pieces):
        if start != end:
            raise ValueError(f"the operations' parameters end at {end} and go on at {start}, "
                             f"wanted each of the {graph.n_parameters} numbers to be one's")
        end += size
    return 0


cdef int _require_numbers(const Operation* op, Precision precision) except -1:
    if op.kind == DROPOUT:
        _require_probability(op.numbers[0])
    elif op.kind == BATCH_NORM:
        _require_epsilon(op.numbers[0])
        _require_momentum(op.numbers[1])
    elif op.kind == LAYER_NORM:
        _require_epsilon(op.numbers[0])
    elif op.kind == PERIODIC:
        _require_periodic(op)
    elif op.kind == EMBEDDING:
        _require_embedding(op)
    elif op.kind == PIECEWISE:
        _require_piecewise(op, precision)
    elif op.kind in (MEMBER_SCALE, MEMBER_AFFINE):
        if not (1 <= op.numbers[0] <= MOST_SIZE and op.numbers[0] == <Py_ssize_t> op.numbers[0]):
            raise ValueError(f"k is {op.numbers[0]:g}, wanted a whole number from 1 on")
    elif op.kind == INCREASING:
        _require_group(op.numbers[0], op.n_inputs)
    elif op.kind not in (AFFINE, ELEMENTWISE, ADD, IDENTITY, MULTIPLY, SCALE, PARAMETRIC):
        _refuse_kind(op.kind)
    return 0


cdef int _require_periodic(const Operation* op) except -1:
    cdef int k
    if not (1 <= op.numbers[0] <= MOST_SIZE and 1 <= op.numbers[1] <= MOST_WAVE_OUTPUTS):
        raise ValueError(f"K is {op.numbers[0]:g} and M {op.numbers[1]:g}, wanted 1 or more and "
                         f"1 to {MOST_WAVE_OUTPUTS}")
    _require_whole("K", op.numbers[0])
    _require_whole("M", op.numbers[1])
    for k in range(2, 5):
        if op.numbers[k] not in (0, 1):
            raise ValueError(f"a switch is {op.numbers[k]:g}, wanted 0 or 1")
    return _require_columns(op)


cdef int _require_embedding(const Operation* op) except -1:
    """The tables of the columns lie behind each other and fill E."""
    cdef const int64_t* firsts = <int64_t*> op.arrays[1]
    cdef int64_t before = 0
    cdef Py_ssize_t p
    _require_columns(op)
    if not (1 <= op.numbers[0] <= MOST_SIZE and 1 <= op.numbers[1] <= MOST_SIZE):
        raise ValueError(f"rows and d are {op.numbers[0]:g} and {op.numbers[1]:g}, wanted 1 or "
                         "more")
    _require_whole("rows", op.numbers[0])
    _require_whole("d", op.numbers[1])
    for p in range(op.n_columns):
        if firsts[p] < before or (p == 0 and firsts[p] != 0) or firsts[p] >= op.numbers[0]:
            raise ValueError(f"firsts[{p}] is {firsts[p]}, wanted ascending rows below "
                             f"{op.numbers[0]:g} from 0 on")
        before = firsts[p] + 1
    return 0


cdef int _require_whole(str name, double size) except -1:
    if size != <double> <Py_ssize_t> size:
        raise ValueError(f"{name} is {size:g}, wanted a whole number")
    return 0


cdef int _require_piecewise(const Operation* op, Precision precision) except -1:
    cdef Bins e = _bins_of(op)
    _require_columns(op)
    return _require_bins(&e, precision)


cdef int _require_bin_sizes(const Operation* op) except -1:
    """Before the edges, whose number follows from them, are looked at."""
    if not (1 <= op.numbers[0] <= MOST_SIZE and 1 <= op.numbers[1] <= MOST_SIZE):
        raise ValueError(f"T and d are {op.numbers[0]:g} and {op.numbers[1]:g}, wanted 1 or more")
    _require_whole("T", op.numbers[0])
    return _require_whole("d", op.numbers[1])


cdef int _require_columns(const Operation* op) except -1:
    cdef const int64_t* columns = <int64_t*> op.arrays[0]
    cdef int64_t before = -1
    cdef Py_ssize_t p
    if op.n_columns < 1:
        raise ValueError("columns is empty, wanted one column or more")
    for p in range(op.n_columns):
        if not before < columns[p] < op.n_inputs:
            raise ValueError(f"columns[{p}] is {columns[p]}, wanted ascending ones below "
                             f"{op.n_inputs}")
        before = columns[p]
    return 0
