"""The forward pass of a whole network in one call.

It works in blocks of rows with as few buffers as outputs are alive at once, two in a network
without branches, so its memory does not grow with the rows; and it keeps nothing between calls, so
threads may share it.
"""

from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cdef enum:
    BLOCK_ROWS = 256        # rows that go through the whole network together
    ROWS_A_PART = 64        # minimum rows per thread
    SMALL = 8192            # bytes of buffers that a call takes from its own stack
    TO_OUT = -1             # in place of a buffer: the array that the caller gave


# Which buffer each output goes to -----------------------------------------------------------------


cdef int _overwritten(const Graph* graph, int i) noexcept:
    """The operation whose output operation i may overwrite in a prediction; -1 for none.

    All operations except products and embeddings work in place if no later operation reads their
    source.
    """
    cdef const Operation* op = &graph.operations[i]
    cdef int k
    if op.kind not in (AFFINE, PERIODIC, EMBEDDING, PIECEWISE, MEMBER_AFFINE):
        for k in range(op.n_sources - 1, -1, -1):
            if op.sources[k] >= 0 and graph.operations[op.sources[k]].last_reader == i:
                return op.sources[k]
    return -1


cdef void _assign_buffers(Graph* graph) noexcept:
    """The fewest buffers that keep each output until its last reader has read it."""
    cdef char[MAX_OPERATIONS] taken
    cdef int i, k, buffer, source, n = graph.n_operations, last = n - 1
    cdef Operation* op
    for i in range(n):
        graph.operations[i].buffer, taken[i] = 0, False
    while last >= 0:                    # what works in place up to the end does so in out
        graph.operations[last].buffer = TO_OUT
        last = _overwritten(graph, last)
    graph.n_buffers = 0
    for i in range(n):
        op = &graph.operations[i]
        source = _overwritten(graph, i)
        if op.buffer != TO_OUT:
            buffer = 0
            if source >= 0:
                buffer = graph.operations[source].buffer
            else:
                while taken[buffer]:
                    buffer += 1
            op.buffer, taken[buffer] = buffer, True
            graph.n_buffers = max(graph.n_buffers, buffer + 1)
        for k in range(op.n_sources):
            if op.sources[k] >= 0 and op.sources[k] != source:
                buffer = graph.operations[op.sources[k]].buffer
                if graph.operations[op.sources[k]].last_reader == i and buffer != TO_OUT:
                    taken[buffer] = False


# The pass ----------------------------------------------------------------------------------------


cdef void _apply(const Operation* op, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t B,
                 const real* params, const real* x, const real* other, real* out) noexcept nogil:
    """out = the operation of x, and of ``other`` if it has two sources, in evaluation mode.

    x holds these many rows of a batch of B, from number ``first`` on.
    All but a product and an embedding may work in place; NaN for a kind that is not named here.
    """
    cdef real* nothing = NULL
    cdef Py_ssize_t n = rows * op.n_outputs
    cdef Product p
    cdef Waves waves
    cdef Tables tables
    cdef Bins bins
    if op.kind == AFFINE:
        _set_affine(&p, op, rows, precision_of(out), <const char*> params, <const char*> x,
                    <char*> out)
        _gemm(&p, out)
    elif op.kind == ELEMENTWISE:
        if not op.done_before:
            _map(op.function, n, x, x, op.numbers[0], out)
    elif op.kind == BATCH_NORM:
        _batch_norm_predict(rows, op.n_outputs, x, params + op.starts[0], params + op.starts[1],
                            <real*> op.arrays[0], <real*> op.arrays[1], op.numbers[0], out)
    elif op.kind == LAYER_NORM:
        _layer_norm_forward(rows, op.n_outputs, x, params + op.starts[0], params + op.starts[1],
                            op.numbers[0], out, nothing, nothing)
    elif op.kind == ADD:
        _add_forward(n, x, other, out)
    elif op.kind == MULTIPLY:
        _multiply(n, x, op.numbers[0], out)
    elif op.kind == SCALE:
        _scale_forward(rows, op.n_outputs, x, params + op.starts[0], out)
    elif op.kind == INCREASING:
        _increasing_forward(n, <Py_ssize_t> op.numbers[0], x, out)
    elif op.kind == PARAMETRIC:
        _parametric_forward(op.function, op.numbers[0], rows, op.n_outputs, x,
                            params + op.starts[0], out, nothing)
    elif op.kind == PERIODIC:
        waves = _waves_of(op)
        _periodic_forward(&waves, rows, x, params + op.starts[0], params + op.starts[1],
                          params + op.starts[2], params + op.starts[3], out)
    elif op.kind == EMBEDDING:
        tables = _tables_of(op)
        _embedding_forward(&tables, rows, x, params + op.starts[0], out)
    elif op.kind == PIECEWISE:
        bins = _bins_of(op)
        _piecewise_forward(&bins, rows, x, params + op.starts[0], params + op.starts[1],
                           params + op.starts[2], out)
    elif op.kind in (DROPOUT, IDENTITY):
        if x != out:
            memcpy(out, x, n * sizeof(real))
    elif op.kind == MEMBER_SCALE:
        _member_scale_forward(rows, op.n_outputs, <Py_ssize_t> op.numbers[0], first, B, x,
                              params + op.starts[0],
                              params + op.starts[1] if op.n_starts > 1 else nothing, out)
    elif op.kind == MEMBER_AFFINE:
        _member_affine_forward(op.multiplied, rows, op.n_inputs, op.n_outputs,
                               <Py_ssize_t> op.numbers[0], first, B, x, params + op.starts[0],
                               params + op.starts[1], out)
    else:
        _fill_with_nan(n, out)


cdef struct Prediction:     # one forward pass
    const Graph* graph
    Py_ssize_t B
    const char* x
    char* out
    bint no_memory          # for some part of the rows


cdef int _predict(const Graph* graph, Py_ssize_t B, const void* x, void* out) noexcept nogil:
    """The whole forward pass; -1 if there is no memory for a block.

    Where every thread gets enough rows, threads divide the rows; else they divide each product.
    """
    cdef Prediction job
    # A row takes about one multiply-add per parameter.
    cdef int parts = _parts(<int64_t> B * graph.n_parameters, WORK_PER_THREAD, WORK_TO_WAKE_THREAD)
    job.graph, job.B, job.x, job.out = graph, B, <const char*> x, <char*> out
    job.no_memory = False
    _run_parts(graph.precision, _predict_part, _predict_part, &job,
               parts if B >= parts * <Py_ssize_t> ROWS_A_PART else 1)
    return -1 if job.no_memory else 0


cdef void _predict_part(void* job_, int part, int parts, real* precision) noexcept nogil:
    """One part of the rows, block by block."""
    cdef Prediction* job = <Prediction*> job_
    cdef const Graph* graph = job.graph
    cdef Py_ssize_t i = _cut(job.B, part, parts, MR)
    cdef Py_ssize_t last = _cut(job.B, part + 1, parts, MR), rows
    cdef Py_ssize_t size = min(last - i, <Py_ssize_t> BLOCK_ROWS) * graph.widest
    cdef Py_ssize_t bytes_ = graph.n_buffers * size * <Py_ssize_t> sizeof(real)
    cdef char[SMALL] small
    cdef char* buffers = small
    if bytes_ > SMALL:
        buffers = <char*> malloc(bytes_)
        if buffers == NULL:
            job.no_memory = True
            return
    while i < last:
        rows = min(<Py_ssize_t> BLOCK_ROWS, last - i)
        _predict_block(graph, rows, i, job.B, <const real*> job.x + i * graph.n_inputs,
                       <real*> buffers, size, <real*> job.out + i * graph.n_outputs)
        i += rows
    if buffers != small:
        free(buffers)


cdef void _predict_block(const Graph* graph, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t B,
                         const real* x, real* buffers, Py_ssize_t size,
                         real* out) noexcept nogil:
    cdef int i
    cdef const Operation* op
    cdef real* inputs = <real*> x       # only read
    for i in range(graph.n_operations):
        op = &graph.operations[i]
        _apply(op, rows, first, B, <const real*> graph.params,
               _output_of(graph, op.sources[0], inputs, buffers, size, out),
               _output_of(graph, op.sources[op.n_sources - 1], inputs, buffers, size, out),
               _output_of(graph, i, inputs, buffers, size, out))


cdef inline real* _output_of(const Graph* graph, int i, real* x, real* buffers, Py_ssize_t size,
                             real* out) noexcept nogil:
    """Where operation i writes, or the network's input."""
    if i == THE_INPUT:
        return x
    if graph.operations[i].buffer == TO_OUT:
        return out
    return buffers + graph.operations[i].buffer * size


# Doors -------------------------------------------------------------------------------------------


cdef class Operations:
    """Operations over a flat buffer of parameters; see ``make_operations``."""

    cdef dict owners        # views of the arrays that the pointers point into
    cdef Graph graph

    def __dealloc__(self):
        free(self.graph.operations)

    @property
    def n_inputs(self):
        """Values per input row."""
        return self.graph.n_inputs

    @property
    def n_outputs(self):
        """Values per output row."""
        return self.graph.n_outputs

    def multiply_in(self, str precision not None, /):
        """Split the factors of affine operations that are large enough; see parts.pyx.

        To be called before a plan is made.
        """
        cdef Precision wanted = _precision_named(precision, self.graph.precision)
        cdef Operation* op
        cdef int i
        for i in range(self.graph.n_operations):
            op = &self.graph.operations[i]
            if op.kind in (AFFINE, MEMBER_AFFINE):
                op.multiplied = _multiplied(wanted, op.n_inputs, op.n_outputs)

    def forward(self, x, out, /):
        """The outputs in evaluation mode: dropout passes everything.

        x: (B, n_inputs), out: (B, n_outputs), overwritten, apart from x in memory; both
        contiguous and of the precision of the parameters.
        """
        cdef Held held
        cdef Py_ssize_t B
        cdef int status
        hold_nothing(&held)
        try:
            hold(&held, b"x", x, REAL, 2, READ)
            require_size(&held, 0, b"x", 1, self.graph.n_inputs)
            B = held_size(&held, 0, 0)
            hold(&held, b"out", out, REAL, 2, WRITE)
            require_size(&held, 1, b"out", 0, B)
            require_size(&held, 1, b"out", 1, self.graph.n_outputs)
            if held.precision != self.graph.precision:
                raise TypeError("x and out want the precision of the parameters")
            if self.graph.members > 0:
                _require_members(B, self.graph.members)
            with nogil:
                status = _predict(&self.graph, B, held_data(&held, 0), held_data(&held, 1))
        finally:
            let_go(&held)
        if status < 0:
            raise MemoryError("no memory for a block of rows")


def make_operations(params, list operations not None, Py_ssize_t n_inputs, /):
    """Operations over ``params`` for rows of ``n_inputs`` numbers.

    operations: a record (kernel, sources, n_outputs, starts, numbers, key, arrays) for each, as
    operations.pyx describes them. A training overwrites params and the arrays.
    """
    cdef Held held
    cdef Operations self = Operations.__new__(Operations)
    if n_inputs < 1 or not 1 <= len(operations) <= MAX_OPERATIONS:
        raise ValueError(f"{n_inputs} inputs and {len(operations)} operations, wanted 1 input or "
                         f"more and 1 to {MAX_OPERATIONS} operations")
    self.owners = {}
    hold_nothing(&held)
    try:
        hold(&held, b"params", params, REAL, 1, WRITE)
        self.graph.precision = held.precision
        self.graph.n_parameters = held_size(&held, 0, 0)
    finally:
        let_go(&held)
    self.graph.params = own_vector(self.owners, "params", params,
                                   self.graph.precision,
                                   self.graph.n_parameters)
    _fill_graph(&self.graph, self.owners, operations, n_inputs)
    _assign_buffers(&self.graph)
    return self
