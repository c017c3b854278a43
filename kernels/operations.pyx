"""A network as operations over its flat parameters, each reading the outputs of earlier ones.

An operation is a record (kernel, sources, n_outputs, starts, numbers, key, arrays):

- kernel: its name, one of ``known_operations()``.
- sources: indices of the operations whose outputs it reads; -1 is the network's input. An empty
  tuple means the previous operation, or the input for the first one.
- n_outputs: values per row of its output; None for the same number as its input.
- starts: where its parameters start in the flat buffer: W (I, O) and b (O,) of an affine
  operation, gamma and beta (O,) of a normalization, s (O,) of scale, a (O,) of a parametric
  activation, and those of embeddings (periodic.pyx, embedding.pyx, piecewise.pyx) and of an
  ensemble's members (members.pyx). Together they fill it.
- numbers: the slope of leaky_relu, p of dropout, eps of a normalization, momentum of batch_norm,
  the factor of multiply, the size of increasing's groups, and the sizes and switches of
  embeddings.
- key: of dropout's masks; 0 for all others.
- arrays: running_mean and running_var (O,) of batch_norm, read and written where they are; int64
  column indices of embeddings.

The kernel "parametric_<activation>" is x + a (activation(x) - x).

The last operation computes the network's output. Every other operation has a reader.
"""

from libc.stdint cimport int64_t, uint64_t

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
    INCREASING

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
    "increasing": (INCREASING, 1, (), ("n",), ()),
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
    Precision multiplied    # an affine operation's factors, NO_PRECISION for as they are stored
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


cdef void _set_affine(Product* p, const Operation* op, Py_ssize_t rows, Precision precision,
                      const char* params, const char* x, char* out) noexcept nogil:
    """Describe an affine layer's product, with the ReLU that follows it."""
    cdef Py_ssize_t size = bytes_of(precision)
    _set_nn(p, precision, op.multiplied, rows, op.n_inputs, op.n_outputs, x,
            params + op.starts[0] * size,
            params + op.starts[1] * size if op.n_starts > 1 else NULL,
            RELU_EPILOGUE if op.with_relu else NO_EPILOGUE, out)


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


cdef int64_t _parameter_size(const Operation* op, int k) noexcept nogil:
    """Number of elements of an operation's k-th parameter; 0 if it has no such one."""
    cdef int64_t n = op.n_columns, K = <int64_t> op.numbers[0]
    cdef int64_t M = <int64_t> op.numbers[1], waves = K * (2 if op.numbers[2] != 0 else 1)
    if k >= op.n_starts:
        return 0
    elif op.kind == AFFINE:
        return <int64_t> op.n_inputs * op.n_outputs if k == 0 else op.n_outputs
    elif op.kind == MEMBER_SCALE:
        return K * op.n_outputs
    elif op.kind == MEMBER_AFFINE:
        return K * op.n_outputs * (op.n_inputs if k == 0 else 1)
    elif op.kind == PIECEWISE:
        return n * M * (K if k == 2 else 1)
    elif op.kind == PERIODIC:
        return n * (K if k < 2 else M * waves if k == 2 else M)
    elif op.kind == EMBEDDING:
        return K * M                    # rows and their length
    return op.n_outputs
