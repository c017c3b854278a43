"""A network as operations over its flat parameters, each reading the outputs of earlier ones.

An operation is a record (kernel, sources, n_outputs, starts, numbers, key, arrays):

- kernel: its name, one of ``known_operations()``.
- sources: indices of the operations whose outputs it reads; -1 is the network's input. An empty
  tuple means the previous operation, or the input for the first one.
- n_outputs: values per row of its output; None for the same number as its input.
- starts: where its parameters start in the flat buffer: W (I, O) and b (O,) of an affine
  operation, gamma and beta (O,) of a normalization. Together they fill it.
- numbers: the slope of leaky_relu, p of dropout, eps of a normalization, and momentum of
  batch_norm.
- key: of dropout's masks; 0 for all others.
- arrays: running_mean and running_var (O,) of batch_norm, read and written where they are.

The last operation computes the network's output. Every other operation has a reader.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc

cdef enum:
    MAX_OPERATIONS = 1000
    THE_INPUT = -1          # as a source
    MOST_SOURCES = 2        # per operation, like the next three
    MOST_STARTS = 2
    MOST_OPERATION_NUMBERS = 2
    MOST_ARRAYS = 2

cdef enum Kind:
    NO_KIND
    AFFINE
    ELEMENTWISE
    DROPOUT
    BATCH_NORM
    LAYER_NORM
    ADD
    IDENTITY

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
    graph.n_operations, graph.n_inputs, graph.widest = n, n_inputs, n_inputs
    for i in range(n):
        _write_operation(graph, owners, i, tuple(records[i]))
        graph.widest = max(graph.widest, graph.operations[i].n_outputs)
    graph.n_outputs = graph.operations[n - 1].n_outputs
    _require_all_covered(graph)
    _count_readers(graph)
    _fuse(graph)
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
    if op.n_outputs < 1 or (op.kind != AFFINE and op.n_outputs != op.n_inputs):
        _refuse(i, kernel, "gives numbers a row:", n_outputs, f"{op.n_inputs}, as it takes")
    for k in range(len(starts)):
        op.starts[k] = starts[k]
    _require_parameters(graph, i, kernel)
    for k in range(len(numbers)):
        op.numbers[k] = numbers[k]
    _require_numbers(op)
    op.key = record[5]
    if op.key != 0 and op.kind != DROPOUT:
        _refuse(i, kernel, "has the key", op.key, "0: only dropout has one")
    for k in range(len(arrays)):
        op.arrays[k] = own_vector(owners, parts[2][k], arrays[k],
                                  graph.precision, op.n_outputs)
    return 0


cdef tuple _set_kind(Operation* op, int i, object kernel):
    """Returns the names of the parameters, numbers and arrays that the kind has."""
    cdef tuple row
    if kernel in _KINDS:
        row = _KINDS[kernel]
        op.kind, op.n_sources = row[0], row[1]
        return row[2:]
    if kernel not in _ELEMENTWISE:
        _refuse(i, kernel, "is", "no kernel", f"one of {', '.join(known_operations())}")
    row = _ELEMENTWISE[kernel]
    op.kind, op.n_sources, op.needs_input = ELEMENTWISE, 1, row[2] == NEEDS_INPUT
    op.function, op.gradient = row[0], row[1]
    return (), row[3], ()


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
    """Raise unless W (I, O), or gamma (O,), and b or beta (O,) are within the flat buffer."""
    cdef const Operation* op = &graph.operations[i]
    cdef Py_ssize_t n = graph.n_parameters, I = _rows_of_parameters(op), O = op.n_outputs
    if I > 0 and (O > n // I or not (0 <= op.starts[0] <= n - I * O
                                     and 0 <= op.starts[1] <= n - O)):
        _refuse(i, kernel, "has parameters at", (op.starts[0], op.starts[1]),
                f"{I} x {O} and {O} numbers within {n}")
    return 0


cdef int _require_all_covered(const Graph* graph) except -1:
    """Check that each element of the flat buffer is a parameter of exactly one operation."""
    cdef const Operation* op
    cdef Py_ssize_t end = 0, start, I
    cdef int i
    cdef list pieces = [(graph.n_parameters, 0)]
    for i in range(graph.n_operations):
        op = &graph.operations[i]
        I = _rows_of_parameters(op)
        if I > 0:
            pieces += [(op.starts[0], I * op.n_outputs), (op.starts[1], op.n_outputs)]
    for start, size in sorted(pieces):
        if start != end:
            raise ValueError(f"the operations' parameters end at {end} and go on at {start}, "
                             f"wanted each of the {graph.n_parameters} numbers to be one's")
        end += size
    return 0


cdef Py_ssize_t _rows_of_parameters(const Operation* op) noexcept nogil:
    """Number of rows of the first parameter, n_outputs values each; 0 without parameters."""
    if op.kind == AFFINE:
        return op.n_inputs
    return 1 if op.kind in (BATCH_NORM, LAYER_NORM) else 0


cdef int _require_numbers(const Operation* op) except -1:
    if op.kind == DROPOUT:
        _require_probability(op.numbers[0])
    elif op.kind == BATCH_NORM:
        _require_epsilon(op.numbers[0])
        _require_momentum(op.numbers[1])
    elif op.kind == LAYER_NORM:
        _require_epsilon(op.numbers[0])
    elif op.kind not in (AFFINE, ELEMENTWISE, ADD, IDENTITY):
        _refuse_kind(op.kind)
    return 0


cdef int _count_readers(Graph* graph) except -1:
    """Find each operation's readers, and which operations need gradients."""
    cdef int i, k, n = graph.n_operations
    cdef Operation* op
    cdef Operation* source
    for i in range(n):
        op = &graph.operations[i]
        op.trains = _rows_of_parameters(op) > 0
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
        if op.function == RELU_OF and source.kind == AFFINE:
            source.with_relu = op.done_before = True
        elif op.kind == AFFINE and source.gradient == RELU_GRADIENT:
            source.gradient_done = True
