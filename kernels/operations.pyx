"""A network as operations over its flat parameters, each reading the outputs of earlier ones.

An operation is a record (kernel, sources, n_outputs, starts, numbers, key, arrays):

- kernel: its name, one of ``known_operations()``.
- sources: indices of the operations whose outputs it reads; -1 is the network's input. An empty
  tuple means the previous operation, or the input for the first one.
- n_outputs: values per row of its output; None for the same number as its input.
- starts: where its parameters start in the flat buffer: W (I, O) and b (O,) of an affine
  operation, gamma and beta (O,) of a normalization, s (O,) of scale, a (O,) of a parametric
  activation, and those of embeddings (periodic.pyx, embedding.pyx) and of an ensemble's members
  (members.pyx). Together they fill it.
- numbers: the slope of leaky_relu, p of dropout, eps of a normalization, momentum of batch_norm,
  the factor of multiply, the sizes and switches of embeddings, and the number of members.
- key: of dropout's masks; 0 for all others.
- arrays: running_mean and running_var (O,) of batch_norm, read and written where they are; int64
  column indices of embeddings.

The kernel "parametric_<activation>" is x + a (activation(x) - x).

The last operation computes the network's output. Every other operation has a reader.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc

cdef enum:
    MAX_OPERATIONS = 1000
    THE_INPUT = -1          # as a source
    MOST_SOURCES = 2        # per operation, like the next three
    MOST_STARTS = 4
    MOST_OPERATION_NUMBERS = 5
    MOST_ARRAYS = 3

cdef double MOST_SIZE = 1 << 24          # of an embedding's

cdef enum Kind:
    NO_KIND
    AFFINE
    ELEMENTWISE
    DROPOUT
    BATCH_NORM
    LAYER_NORM
    ADD
    IDENTITY
    MULTIPLY
    SCALE
    PARAMETRIC
    PERIODIC
    EMBEDDING
    PIECEWISE
    MEMBER_SCALE            # an ensemble's; with offsets if it has two parameters
    MEMBER_AFFINE

_PARAMETRIC = "parametric_"             # before the name of an elementwise kernel

# By kernel name: the kind, its number of sources, and the names of its parameters, numbers and
# arrays. Elementwise kernels are in _ELEMENTWISE.
_KINDS = {
    "affine": (AFFINE, 1, ("W", "b"), (), ()),
    "dropout": (DROPOUT, 1, (), ("p",), ()),
    "batch_norm": (BATCH_NORM, 1, ("gamma", "beta"), ("eps", "momentum"),
                   ("running_mean", "running_var")),
    "layer_norm": (LAYER_NORM, 1, ("gamma", "beta"), ("eps",), ()),
    "add": (ADD, 2, (), (), ()),
    "identity": (IDENTITY, 1, (), (), ()),
    "multiply": (MULTIPLY, 1, (), ("factor",), ()),
    "scale": (SCALE, 1, ("s",), (), ()),
    "periodic_embedding": (PERIODIC, 1, ("w", "b", "V", "c"),
                           ("K", "M", "sines", "with_x", "rectified"), ("columns",)),
    "embedding": (EMBEDDING, 1, ("E",), ("rows", "d"), ("columns", "firsts")),
    "piecewise_embedding": (PIECEWISE, 1, ("w", "b", "W"), ("T", "d"),
                            ("columns", "counts", "edges")),
    "linear": (AFFINE, 1, ("W",), (), ()),
    "member_scale": (MEMBER_SCALE, 1, ("s",), ("k",), ()),
    "member_scale_shift": (MEMBER_SCALE, 1, ("s", "b"), ("k",), ()),
    "member_affine": (MEMBER_AFFINE, 1, ("W", "b"), ("k",), ()),
}

cdef struct Operation:
    Kind kind
    ElementFunction function            # of an elementwise operation, like the next two
    ElementFunction gradient
    bint needs_input                    # the gradient needs the input, or else the output
    int n_sources
    int[MOST_SOURCES] sources
    Py_ssize_t n_inputs                 # values per row of each source
    Py_ssize_t n_outputs
    Py_ssize_t[MOST_STARTS] starts      # in the flat buffers of parameters and of gradients
    double[MOST_OPERATION_NUMBERS] numbers
    uint64_t key
    char* arrays[MOST_ARRAYS]
    int n_starts
    Py_ssize_t n_columns                # that an embedding replaces
    int readers             # how many sources this operation is; the network's output is one too
    int last_reader         # the last operation that reads it; n_operations for the output
    bint trains             # it has parameters, or something before it has
    bint with_relu          # an affine operation that also does the relu that alone reads it
    bint done_before        # that relu
    bint gradient_done      # a relu whose only reader's dx product also does its gradient
    int buffer              # where a prediction writes its output (forward.pyx)

cdef struct Graph:
    Precision precision     # of the parameters, and so of everything
    char* params
    Py_ssize_t n_parameters
    int n_operations
    Operation* operations
    Py_ssize_t n_inputs
    Py_ssize_t n_outputs
    Py_ssize_t widest       # largest number of values per row anywhere
    int input_readers       # how many sources are the network's input
    Py_ssize_t members      # that a batch's rows are divided among; 0 without an ensemble
    int n_buffers           # of a prediction


def known_operations():
    """The names of all kernels that an operation can name."""
    return (*_KINDS, *_ELEMENTWISE)


cdef int _refuse_kind(Kind kind) except -1:
    """For a switch over kinds, after all that it names."""
    raise NotImplementedError(f"operation kind {kind} is not in every switch over kinds")


cdef int _refuse(int i, object kernel, str what, object came, object wanted) except -1:
    raise ValueError(f"operation {i}, {kernel}, {what} {came}, wanted {wanted}")


cdef int _fill_graph(Graph* graph, dict owners, list records, Py_ssize_t n_inputs) except -1:
    """Check the records and write the operations; the caller frees ``graph.operations``."""
    cdef int i, n = len(records)
    graph.operations = <Operation*> calloc(n, sizeof(Operation))
    if graph.operations == NULL:
        raise MemoryError("no memory for the operations")
    graph.n_operations, graph.n_inputs, graph.widest, graph.members = n, n_inputs, n_inputs, 0
    for i in range(n):
        _write_operation(graph, owners, i, tuple(records[i]))
        graph.widest = max(graph.widest, graph.operations[i].n_outputs)
        _count_members(graph, i)
    graph.n_outputs = graph.operations[n - 1].n_outputs
    _require_all_covered(graph)
    _count_readers(graph)
    _fuse(graph)
    return 0


cdef int _count_members(Graph* graph, int i) except -1:
    """All operations of an ensemble have the same members."""
    cdef const Operation* op = &graph.operations[i]
    if op.kind in (MEMBER_SCALE, MEMBER_AFFINE):
        if graph.members not in (0, <Py_ssize_t> op.numbers[0]):
            raise ValueError(f"operation {i} has {op.numbers[0]:g} members, wanted "
                             f"{graph.members} as an earlier one has")
        graph.members = <Py_ssize_t> op.numbers[0]
    return 0


cdef int _write_operation(Graph* graph, dict owners, int i, tuple record) except -1:
    cdef Operation* op = &graph.operations[i]
    cdef tuple starts, numbers, arrays, parts
    cdef object kernel, n_outputs
    cdef int k
    if len(record) != 7:
        _refuse(i, record, "has the fields", len(record), "7: kernel, sources, n_outputs, "
                "starts, numbers, key, arrays")
    kernel, n_outputs = record[0], record[2]
    parts = _set_kind(op, i, kernel)
    starts = _of_length(i, kernel, "has starts", record[3], parts[0])
    numbers = _of_length(i, kernel, "has numbers", record[4], parts[1])
    arrays = _of_length(i, kernel, "has arrays", record[6], parts[2])
    _set_sources(graph, i, kernel, record[1])
    op.n_outputs = op.n_inputs if n_outputs is None else n_outputs
    for k in range(len(numbers)):
        op.numbers[k] = numbers[k]
    _own_arrays(graph, owners, op, parts[2], arrays)
    _require_numbers(op, graph.precision)
    _require_outputs(op, i, kernel)
    op.n_starts = len(starts)
    for k in range(len(starts)):
        op.starts[k] = starts[k]
    _require_parameters(graph, i, kernel)
    op.key = record[5]
    if op.key != 0 and op.kind != DROPOUT:
        _refuse(i, kernel, "has the key", op.key, "0: only dropout has one")
    return 0


cdef int _own_arrays(const Graph* graph, dict owners, Operation* op, tuple names,
                     tuple arrays) except -1:
    """Statistics (n_outputs,), or an embedding's int64 arrays with one element a column."""
    cdef int k
    for k in range(len(arrays)):
        if op.kind == PIECEWISE and k == 2:
            op.arrays[k] = own_vector(owners, names[k], arrays[k], graph.precision,
                                      op.n_columns * (<Py_ssize_t> op.numbers[0] + 1))
        elif op.kind in (PERIODIC, EMBEDDING, PIECEWISE):
            op.n_columns = len(arrays[0])
            op.arrays[k] = own_indices(owners, names[k], arrays[k], op.n_columns)
        else:
            op.arrays[k] = own_vector(owners, names[k], arrays[k], graph.precision, op.n_outputs)
    return 0


cdef int _require_outputs(const Operation* op, int i, object kernel) except -1:
    """Raise unless the operation gives as many values as it computes from its input."""
    cdef Py_ssize_t wanted = op.n_inputs
    if op.kind in (AFFINE, MEMBER_AFFINE):
        wanted = max(op.n_outputs, <Py_ssize_t> 1)
    elif op.kind == PERIODIC:
        wanted += op.n_columns * (_periodic_width(op) - 1)
    elif op.kind in (EMBEDDING, PIECEWISE):
        wanted += op.n_columns * (<Py_ssize_t> op.numbers[1] - 1)
    if op.n_outputs < 1 or op.n_outputs != wanted:
        _refuse(i, kernel, "gives numbers a row:", op.n_outputs, wanted)
    return 0


cdef inline Py_ssize_t _periodic_width(const Operation* op) noexcept nogil:
    """Values that a periodic embedding puts in place of one: M, and x itself if asked for."""
    return <Py_ssize_t> (op.numbers[1] + (op.numbers[3] != 0))


cdef Waves _waves_of(const Operation* op) noexcept nogil:
    """A periodic embedding's sizes, switches and columns."""
    cdef Waves e
    e.n, e.K, e.M = op.n_columns, <Py_ssize_t> op.numbers[0], <Py_ssize_t> op.numbers[1]
    e.sines, e.with_x, e.rectified = op.numbers[2] != 0, op.numbers[3] != 0, op.numbers[4] != 0
    e.I, e.O, e.columns = op.n_inputs, op.n_outputs, <int64_t*> op.arrays[0]
    return e


cdef Tables _tables_of(const Operation* op) noexcept nogil:
    """An embedding's sizes, columns and first rows."""
    cdef Tables e
    e.n, e.R, e.d = op.n_columns, <Py_ssize_t> op.numbers[0], <Py_ssize_t> op.numbers[1]
    e.I, e.O = op.n_inputs, op.n_outputs
    e.columns, e.firsts = <int64_t*> op.arrays[0], <int64_t*> op.arrays[1]
    return e


cdef Bins _bins_of(const Operation* op) noexcept nogil:
    """A piecewise-linear embedding's sizes, columns and edges."""
    cdef Bins e
    e.n, e.T, e.d = op.n_columns, <Py_ssize_t> op.numbers[0], <Py_ssize_t> op.numbers[1]
    e.I, e.O = op.n_inputs, op.n_outputs
    e.columns, e.counts = <int64_t*> op.arrays[0], <int64_t*> op.arrays[1]
    e.edges = op.arrays[2]
    return e


cdef Py_ssize_t _parameter_size(const Operation* op, int k) noexcept nogil:
    """Number of elements of an operation's k-th parameter; 0 if it has no such one."""
    cdef Py_ssize_t n = op.n_columns, K = <Py_ssize_t> op.numbers[0]
    cdef Py_ssize_t M = <Py_ssize_t> op.numbers[1], waves = K * (2 if op.numbers[2] != 0 else 1)
    if k >= op.n_starts:
        return 0
    elif op.kind == AFFINE:
        return op.n_inputs * op.n_outputs if k == 0 else op.n_outputs
    elif op.kind == MEMBER_SCALE:
        return K * op.n_outputs
    elif op.kind == MEMBER_AFFINE:
        return K * op.n_outputs * (op.n_inputs if k == 0 else 1)
    elif op.kind == PERIODIC:
        return n * (K if k < 2 else M * waves if k == 2 else M)
    elif op.kind == EMBEDDING:
        return K * M                    # rows and their length
    elif op.kind == PIECEWISE:
        return n * M * (K if k == 2 else 1)
    return op.n_outputs


cdef tuple _set_kind(Operation* op, int i, object kernel):
    """Returns the names of the parameters, numbers and arrays that the kind has."""
    cdef tuple row
    if kernel in _KINDS:
        row = _KINDS[kernel]
        op.kind, op.n_sources = row[0], row[1]
        return row[2:]
    cdef bint parametric = isinstance(kernel, str) and kernel.startswith(_PARAMETRIC)
    name = kernel[len(_PARAMETRIC):] if parametric else kernel
    if name not in _ELEMENTWISE:
        _refuse(i, kernel, "is", "no kernel", f"one of {', '.join(known_operations())}")
    row = _ELEMENTWISE[name]
    op.kind, op.n_sources = PARAMETRIC if parametric else ELEMENTWISE, 1
    op.needs_input = row[2] == NEEDS_INPUT
    op.function, op.gradient = row[0], row[1]
    return ("a",) if parametric else (), row[3], ()


cdef tuple _of_length(int i, object kernel, str what, object values, tuple names):
    if not isinstance(values, tuple) or len(values) != len(names):
        _refuse(i, kernel, what, values, f"a tuple of {len(names)}: ({', '.join(names)})")
    return values


cdef int _set_sources(Graph* graph, int i, object kernel, object sources) except -1:
    """Sources that exist and share one width, which the operation accepts."""
    cdef Operation* op = &graph.operations[i]
    cdef Py_ssize_t width
    cdef int k, source
    if not isinstance(sources, tuple) or len(sources) not in (0, op.n_sources):
        _refuse(i, kernel, "has sources", sources, f"a tuple of {op.n_sources}")
    if len(sources) == 0 and op.n_sources != 1:
        _refuse(i, kernel, "has", "no sources", op.n_sources)
    for k in range(op.n_sources):
        source = sources[k] if sources else i - 1
        if not THE_INPUT <= source < i:
            _refuse(i, kernel, "reads operation", source, f"an earlier one, or {THE_INPUT}, the "
                    "input")
        width = graph.n_inputs if source < 0 else graph.operations[source].n_outputs
        if k > 0 and width != op.n_inputs:
            _refuse(i, kernel, "reads numbers a row:", f"{op.n_inputs} and {width}",
                    "as many from each source")
        op.sources[k], op.n_inputs = source, width
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


cdef int _require_piecewise(const Operation* op, Precision precision) except -1:
    cdef Bins e = _bins_of(op)
    if not (1 <= op.numbers[0] <= MOST_SIZE and 1 <= op.numbers[1] <= MOST_SIZE):
        raise ValueError(f"T and d are {op.numbers[0]:g} and {op.numbers[1]:g}, wanted 1 or more")
    _require_whole("T", op.numbers[0])
    _require_whole("d", op.numbers[1])
    _require_columns(op)
    return _require_bins(&e, precision)


cdef int _require_whole(str name, double size) except -1:
    if size != <double> <Py_ssize_t> size:
        raise ValueError(f"{name} is {size:g}, wanted a whole number")
    return 0


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


cdef int _count_readers(Graph* graph) except -1:
    """Find each operation's readers, and which operations need gradients."""
    cdef int i, k, n = graph.n_operations
    cdef Operation* op
    cdef Operation* source
    for i in range(n):
        op = &graph.operations[i]
        op.trains = op.n_starts > 0
        for k in range(op.n_sources):
            if op.sources[k] == THE_INPUT:
                graph.input_readers += 1
            else:
                source = &graph.operations[op.sources[k]]
                source.readers, source.last_reader = source.readers + 1, i
                op.trains = op.trains or source.trains
    graph.operations[n - 1].readers, graph.operations[n - 1].last_reader = 1, n
    for i in range(n):
        if graph.operations[i].readers == 0:
            _refuse(i, "", "is read by", "none", "a reader, as it is not the last one")
    return 0


cdef void _fuse(Graph* graph) noexcept:
    """Fuse a relu into the product before it, and its gradient into the product after it.

    Each only if no other operation reads the result in between.
    """
    cdef int i
    cdef Operation* op
    cdef Operation* source
    for i in range(graph.n_operations):
        op = &graph.operations[i]
        if op.sources[0] == THE_INPUT:
            continue
        source = &graph.operations[op.sources[0]]
        if source.readers != 1:
            continue
        if op.kind == ELEMENTWISE and op.function == RELU_OF and source.kind == AFFINE:
            source.with_relu = op.done_before = True
        elif (op.kind == AFFINE and source.kind == ELEMENTWISE
              and source.gradient == RELU_GRADIENT):
            source.gradient_done = True
