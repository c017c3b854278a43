"""A network as a row of operations over its flat parameters, and its forward pass in one call.

The forward pass works in blocks of rows with two buffers that take turns, so its memory does not
grow with the rows, and keeps nothing between calls, so threads may share it.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free, malloc

cdef enum:
    MAX_OPERATIONS = 1000
    BLOCK_ROWS = 256        # rows that go through the whole network together
    ROWS_A_PART = 64        # that a thread gets at least
    SMALL = 8192            # bytes of buffers that a call takes from its own stack

cdef enum Kind:
    AFFINE
    RELU
    LEAKY_RELU
    SIGMOID
    TANH
    DROPOUT
    GELU
    SILU
    BATCH_NORM
    LAYER_NORM

_KINDS = {
    "Affine": AFFINE, "ReLU": RELU, "LeakyReLU": LEAKY_RELU, "Sigmoid": SIGMOID, "Tanh": TANH,
    "Dropout": DROPOUT, "GELU": GELU, "SiLU": SILU, "BatchNorm": BATCH_NORM,
    "LayerNorm": LAYER_NORM,
}

cdef struct Operation:
    Kind kind
    Py_ssize_t n_inputs     # numbers a row that come in
    Py_ssize_t n_outputs    # numbers a row that go out
    Py_ssize_t W            # where W and b (and dW and db) start in the flat buffers; a
    Py_ssize_t b            # normalization's gamma and beta
    double value            # a LeakyReLU's slope, a Dropout's probability, a normalization's eps
    uint64_t key            # a Dropout's key
    bint with_relu          # an affine operation that also does the ReLU behind it
    bint done_before        # a ReLU that the affine operation before it does
    double momentum         # of a BatchNorm's running statistics
    char* running_mean      # a BatchNorm's, n_outputs numbers each, in arrays of their own
    char* running_var


cdef class Operations:
    """A row of operations over a flat buffer of parameters; see ``make_operations``."""

    cdef dict owners        # views of the arrays that the pointers point into
    cdef bint single        # single precision, or double
    cdef char* params
    cdef Py_ssize_t n_parameters
    cdef int n_operations
    cdef int first_trained  # the first with parameters; n_operations where there is none
    cdef int last_affine    # -1 where there is none
    cdef Operation* operations
    cdef readonly Py_ssize_t n_inputs
    cdef readonly Py_ssize_t n_outputs
    cdef Py_ssize_t widest

    def __dealloc__(self):
        free(self.operations)

    def forward(self, x, out):
        """The outputs in evaluation mode: dropout passes everything.

        x: (B, n_inputs), out: (B, n_outputs), overwritten, apart from x in memory; both
        contiguous and of the precision of the parameters.
        """
        cdef Held held
        cdef Py_ssize_t B
        cdef int status
        hold_nothing(&held)
        try:
            hold_matrix(&held, "x", x, READ, ANY, self.n_inputs)
            B = held_size(&held, 0, 0)
            hold_matrix(&held, "out", out, WRITE, B, self.n_outputs)
            if held.single != self.single:
                raise TypeError("x and out want the precision of the parameters")
            with nogil:
                status = _predict(self, B, held_data(&held, 0), held_data(&held, 1))
        finally:
            let_go(&held)
        if status < 0:
            raise MemoryError("no memory for a block of rows")


def make_operations(params, list layers not None, Py_ssize_t n_inputs):
    """Operations over ``params`` for rows of ``n_inputs`` numbers.

    layers: a tuple for each, its class name and then for an Affine (I, O, where W starts, where b
    starts), for a LeakyReLU (slope,), for a Dropout (p, key), for a LayerNorm (n, where gamma
    starts, where beta starts, eps), for a BatchNorm the same and (momentum, running_mean,
    running_var), two arrays (n,) of the parameters' precision; a training overwrites them.
    """
    cdef Held held
    cdef Operations operations = Operations.__new__(Operations)
    if n_inputs < 1 or not 1 <= len(layers) <= MAX_OPERATIONS:
        raise ValueError("operations want at least one input and one layer")
    operations.owners = {}
    hold_nothing(&held)
    try:
        hold_vector(&held, "params", params, WRITE, ANY)
        operations.single, operations.n_parameters = held.single, held_size(&held, 0, 0)
    finally:
        let_go(&held)
    operations.params = own_vector(operations.owners, "params", params, operations.single,
                                   operations.n_parameters)
    _write_operations(operations, layers, n_inputs)
    return operations


cdef int _write_operations(Operations row, list layers, Py_ssize_t width) except -1:
    cdef int i
    cdef Operation* operation
    row.n_inputs = row.widest = width
    row.n_operations = row.first_trained = len(layers)
    row.last_affine = -1
    row.operations = <Operation*> calloc(len(layers), sizeof(Operation))
    if row.operations == NULL:
        raise MemoryError("no memory for the operations")
    for i, (name, *values) in enumerate(layers):
        operation = &row.operations[i]
        operation.kind = _KINDS[name]
        operation.n_inputs = operation.n_outputs = width
        if operation.kind == AFFINE:
            operation.n_inputs, operation.n_outputs, operation.W, operation.b = values
            _require_parameters(row, i, operation, width)
            row.first_trained, row.last_affine = min(row.first_trained, i), i
            width = operation.n_outputs
        elif operation.kind == LEAKY_RELU:
            operation.value, = values
        elif operation.kind == DROPOUT:
            operation.value, operation.key = values
            _require_probability(operation.value)
        elif operation.kind in (BATCH_NORM, LAYER_NORM):
            operation.n_inputs, operation.W, operation.b, operation.value, *values = values
            _require_parameters(row, i, operation, width)
            _require_epsilon(operation.value)
            if operation.kind == BATCH_NORM:
                _set_running(row, operation, values)
            row.first_trained = min(row.first_trained, i)
        row.widest = max(row.widest, width)
        if i > 0 and operation.kind == RELU and row.operations[i - 1].kind == AFFINE:
            row.operations[i - 1].with_relu = operation.done_before = True
    row.n_outputs = width
    return 0


cdef int _require_parameters(Operations row, int place, Operation* operation,
                             Py_ssize_t width) except -1:
    """Raise unless W (I, O), or gamma (O,), and b (O,) lie in the flat buffer."""
    cdef Py_ssize_t n = row.n_parameters, I = operation.n_inputs, O = operation.n_outputs
    if I != width or O < 1:
        raise ValueError(f"layer {place} takes {I} numbers a row, the layer before gives {width}")
    if operation.kind != AFFINE:
        I = 1
    if O > n // I or not (0 <= operation.W <= n - I * O and 0 <= operation.b <= n - O):
        raise ValueError(f"layer {place}: its parameters lie outside the flat buffer")
    return 0


cdef int _set_running(Operations row, Operation* operation, list values) except -1:
    """Take over a BatchNorm's momentum and the two arrays of its running statistics."""
    operation.momentum, running_mean, running_var = values
    _require_momentum(operation.momentum)
    operation.running_mean = own_vector(row.owners, "running_mean", running_mean, row.single,
                                        operation.n_outputs)
    operation.running_var = own_vector(row.owners, "running_var", running_var, row.single,
                                       operation.n_outputs)
    return 0


cdef void _apply(const Operation* op, Py_ssize_t rows, const real* params, const real* x,
                 real* out) noexcept nogil:
    """out = the operation of x in evaluation mode; all but an affine one may work in place."""
    cdef real* nothing = NULL
    cdef Py_ssize_t n = rows * op.n_outputs
    if op.kind == AFFINE:
        _gemm_nn(rows, op.n_inputs, op.n_outputs, x, params + op.W, params + op.b,
                 RELU_EPILOGUE if op.with_relu else NO_EPILOGUE, out)
    elif op.kind == RELU:
        if not op.done_before:
            _relu_forward(n, x, out)
    elif op.kind == LEAKY_RELU:
        _leaky_relu_forward(n, x, <real> op.value, out)
    elif op.kind == SIGMOID:
        _sigmoid_forward(n, x, out)
    elif op.kind == TANH:
        _tanh_forward(n, x, out)
    elif op.kind == GELU:
        _gelu_forward(n, x, out)
    elif op.kind == SILU:
        _silu_forward(n, x, out)
    elif op.kind == BATCH_NORM:
        _batch_norm_predict(rows, op.n_outputs, x, params + op.W, params + op.b,
                            <real*> op.running_mean, <real*> op.running_var, op.value, out)
    elif op.kind == LAYER_NORM:
        _layer_norm_forward(rows, op.n_outputs, x, params + op.W, params + op.b, op.value, out,
                            nothing, nothing)
    elif x != out:
        memcpy(out, x, n * sizeof(real))


cdef struct Prediction:     # one forward pass
    bint single
    const Operation* operations
    int n_operations
    int last_affine
    const char* params
    Py_ssize_t n_inputs
    Py_ssize_t n_outputs
    Py_ssize_t widest
    Py_ssize_t B
    const char* x
    char* out
    bint no_memory          # for some part of the rows


cdef int _predict(Operations row, Py_ssize_t B, const void* x, void* out) noexcept nogil:
    """The whole forward pass; -1 if there is no memory for a block.

    Where every thread gets rows enough, threads share the rows out; else each product is theirs.
    """
    cdef Prediction job
    # A row takes about one multiply-add a parameter.
    cdef int parts = _parts(B * row.n_parameters, WORK_PER_THREAD, WORK_TO_WAKE_THREAD)
    job.single, job.operations, job.n_operations = row.single, row.operations, row.n_operations
    job.last_affine, job.params, job.widest = row.last_affine, row.params, row.widest
    job.n_inputs, job.n_outputs, job.B = row.n_inputs, row.n_outputs, B
    job.x, job.out, job.no_memory = <const char*> x, <char*> out, False
    _pool_run(_work_prediction, &job, parts if B >= parts * <Py_ssize_t> ROWS_A_PART else 1)
    return -1 if job.no_memory else 0


cdef void _work_prediction(void* job, int part, int parts) noexcept nogil:
    if (<Prediction*> job).single:
        _work_prediction_in(<Prediction*> job, part, parts, <float*> NULL)
    else:
        _work_prediction_in(<Prediction*> job, part, parts, <double*> NULL)


cdef void _work_prediction_in(Prediction* job, int part, int parts, real* precision) noexcept nogil:
    """One part of the rows, block by block."""
    cdef Py_ssize_t i = _cut(job.B, part, parts, MR)
    cdef Py_ssize_t last = _cut(job.B, part + 1, parts, MR), rows
    cdef Py_ssize_t size = min(last - i, <Py_ssize_t> BLOCK_ROWS) * job.widest
    cdef char[SMALL] small
    cdef char* buffers = small
    if 2 * size * <Py_ssize_t> sizeof(real) > SMALL:
        buffers = <char*> malloc(2 * size * sizeof(real))
        if buffers == NULL:
            job.no_memory = True
            return
    while i < last:
        rows = min(<Py_ssize_t> BLOCK_ROWS, last - i)
        _predict_block(job, rows, <const real*> job.x + i * job.n_inputs, <real*> buffers,
                       <real*> buffers + size, <real*> job.out + i * job.n_outputs)
        i += rows
    if buffers != small:
        free(buffers)


cdef void _predict_block(const Prediction* job, Py_ssize_t rows, const real* x, real* buffer,
                         real* other, real* out) noexcept nogil:
    cdef int i
    cdef const Operation* op
    cdef const real* now = x
    cdef real* to
    for i in range(job.n_operations):
        op = &job.operations[i]
        if i >= job.last_affine:
            to = out                # what comes behind the last affine works in place there
        elif op.kind == AFFINE or now == x:
            to = buffer
            buffer, other = other, buffer
        else:
            to = <real*> now
        _apply(op, rows, <const real*> job.params, now, to)
        now = to
