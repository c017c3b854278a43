"""A network's operations from their records: checked, with their sources and readers."""

from libc.stdlib cimport calloc


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
            _require_bin_sizes(op)
            op.arrays[k] = own_vector(owners, names[k], arrays[k], graph.precision,
                                      op.n_columns * (<Py_ssize_t> op.numbers[0] + 1))
        elif op.kind in (PERIODIC, EMBEDDING, PIECEWISE):
            op.n_columns = len(arrays[0])
            op.arrays[k] = own_indices(owners, names[k], arrays[k], op.n_columns)
        else:
            op.arrays[k] = own_vector(owners, names[k], arrays[k], graph.precision, op.n_outputs)
    return 0


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
