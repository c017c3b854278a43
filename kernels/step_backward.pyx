"""The training step's backward: from the loss gradient down to the first trained operations.

Each parameter's gradient is written by its one operation. The gradient of an output that several
operations read is the sum of their gradients, from the last reader to the first:
((g_last + g_before) + ...) + g_first. No gradient is computed where no parameter precedes.
"""

from libc.stdint cimport uint8_t
from libc.string cimport memcpy


cdef void _backward(Workspace* w, Py_ssize_t rows, real* precision) noexcept nogil:
    _backward_some(w, w.graph.n_operations - 1, -1, rows, precision)


cdef void _backward_some(Workspace* w, int last, int before, Py_ssize_t rows,
                         real* precision) noexcept nogil:
    """The operations from the last one down to the one after ``before``."""
    cdef int i
    for i in range(last, before, -1):
        if w.graph.operations[i].trains:
            _backward_through(w, i, rows, precision)


cdef void _backward_through(Workspace* w, int i, Py_ssize_t rows,
                            real* precision) noexcept nogil:
    """One operation's gradients; most write dx over dout."""
    cdef const Operation* op = &w.graph.operations[i]
    cdef const Space* space = &w.spaces[i]
    cdef const real* x = <real*> _output(w, op.sources[0])
    cdef const real* y = <real*> space.out
    cdef real* dout = <real*> space.dout
    cdef real* dx = dout
    cdef Py_ssize_t n = rows * op.n_outputs
    if op.kind == AFFINE:
        dx = _affine_backward(w, i, rows, x, dout)
    elif op.kind == ELEMENTWISE:
        if not op.gradient_done:
            _map(op.gradient, n, x if op.needs_input else y, dout, op.numbers[0], dx)
    elif op.kind in (BATCH_NORM, LAYER_NORM):
        if space.dx != NULL:
            dx = <real*> space.dx
        _normalize_backward(w, i, rows, x, dout, dx if _trains(w.graph, op.sources[0]) else NULL)
    elif op.kind == INCREASING:
        _increasing_backward(n, <Py_ssize_t> op.numbers[0], x, dout, dx)
    elif op.kind == MULTIPLY:
        _multiply(n, dout, op.numbers[0], dx)
    elif op.kind in (SCALE, PARAMETRIC, PERIODIC, EMBEDDING, PIECEWISE):
        dx = _learned_backward(w, i, rows, x, dout)
    elif op.kind in (MEMBER_SCALE, MEMBER_AFFINE):
        dx = _members_backward(w, i, rows, x, dout)
    elif op.kind == DROPOUT:
        _dropout_backward(n, dout, <uint8_t*> space.kept[0],
                          <real> (1 / (1 - w.dropout * op.numbers[0])), dx)
    elif op.kind not in (ADD, IDENTITY):
        _fill_with_nan(n, dx)
    _pass_on(w, i, rows, dx)


cdef void _pass_on(Workspace* w, int i, Py_ssize_t rows, const real* dx) noexcept nogil:
    """Pass dx to each source that needs a gradient: the first is stored, others are added."""
    cdef const Operation* op = &w.graph.operations[i]
    cdef real* to
    cdef int k
    cdef Py_ssize_t n = rows * op.n_inputs
    for k in range(op.n_sources):
        if not _trains(w.graph, op.sources[k]):
            continue
        to = <real*> w.spaces[op.sources[k]].dout
        if w.spaces[i].adds[k]:
            _add_forward(n, to, dx, to)
        elif to != dx:
            memcpy(to, dx, n * sizeof(real))


cdef real* _affine_backward(Workspace* w, int i, Py_ssize_t rows, const real* x,
                            const real* dout) noexcept nogil:
    """Compute dW and db, and dx if needed; returns where dx is."""
    cdef const Operation* op = &w.graph.operations[i]
    cdef real* dx = <real*> w.spaces[i].dx
    cdef Product p
    if not w.of_a_member:
        _gemm_tn(op.multiplied, op.n_inputs, rows, op.n_outputs, x, dout,
                 <real*> w.grads + op.starts[0])
        if op.n_starts > 1:
            _affine_backward_db(rows, op.n_outputs, dout, <real*> w.grads + op.starts[1])
    if not _trains(w.graph, op.sources[0]):
        return NULL
    _set_affine_dx(&p, w, i, rows, <const char*> dout)
    _gemm(&p, dx)
    return dx


cdef void _set_affine_dx(Product* p, Workspace* w, int i, Py_ssize_t rows,
                         const char* dout) noexcept nogil:
    """Describe the product of an affine layer's dx, 0 where the ReLU before it was."""
    cdef const Operation* op = &w.graph.operations[i]
    cdef int source = op.sources[0]
    cdef const char* y = NULL
    if w.graph.operations[source].gradient_done:
        y = w.spaces[source].out
    _set_nt(p, w.graph.precision, op.multiplied, rows, op.n_outputs, op.n_inputs, dout,
            w.graph.params + op.starts[0] * bytes_of(w.graph.precision), y, w.spaces[i].dx)


cdef real* _learned_backward(Workspace* w, int i, Py_ssize_t rows, const real* x,
                             real* dout) noexcept nogil:
    """Gradients of a scale, a parametric activation or an embedding; returns where dx is.

    Those of its parameters follow later for a member of a team.
    """
    cdef const Operation* op = &w.graph.operations[i]
    cdef const Space* space = &w.spaces[i]
    cdef const real* params = <real*> w.graph.params
    cdef real* dx = dout if space.dx == NULL else <real*> space.dx
    cdef bint passes = _trains(w.graph, op.sources[0])
    cdef Waves waves
    cdef Tables tables
    cdef Bins bins
    if op.kind == PARAMETRIC:           # its dx leaves what da is the sum of
        _parametric_dx(op.function, op.gradient, op.needs_input, op.numbers[0], rows,
                       op.n_outputs, x, dout, params + op.starts[0], <real*> space.kept[0], dx)
    if not w.of_a_member:
        _learned_columns(w, i, 0, _learned_width(op), rows, x, dout)
    if op.kind == SCALE and passes:
        _scale_forward(rows, op.n_outputs, dout, params + op.starts[0], dx)
    elif op.kind == PERIODIC and passes:
        waves = _waves_of(op)
        _periodic_dx(&waves, rows, x, <real*> space.out, dout, params + op.starts[0],
                     params + op.starts[1], params + op.starts[2], dx)
    elif op.kind == EMBEDDING and passes:
        tables = _tables_of(op)
        _embedding_dx(&tables, rows, dout, dx)
    elif op.kind == PIECEWISE and passes:
        bins = _bins_of(op)
        _piecewise_dx(&bins, rows, x, dout, params + op.starts[0], params + op.starts[2], dx)
    return dx


cdef real* _members_backward(Workspace* w, int i, Py_ssize_t rows, const real* x,
                             real* dout) noexcept nogil:
    """Gradients of what an ensemble's members have for themselves; returns where dx is.

    Threads divide a batch at its members, so each member's rows, and sums over them, are here.
    """
    cdef const Operation* op = &w.graph.operations[i]
    cdef real* grads = <real*> w.grads
    cdef const real* params = <real*> w.graph.params
    cdef real* nothing = NULL
    cdef real* dx = dout if w.spaces[i].dx == NULL else <real*> w.spaces[i].dx
    cdef Py_ssize_t k = <Py_ssize_t> op.numbers[0], each = w.batch_rows // k
    cdef Py_ssize_t first = w.first_row // each, end = first + rows // each
    if op.kind == MEMBER_SCALE:
        _member_scale_parameters(first, end, each, op.n_outputs, x, dout, grads + op.starts[0],
                                 grads + op.starts[1] if op.n_starts > 1 else nothing)
    else:
        _member_affine_parameters(op.multiplied, first, end, each, op.n_inputs, op.n_outputs, x,
                                  dout, grads + op.starts[0], grads + op.starts[1])
    if not _trains(w.graph, op.sources[0]):
        return dx
    if op.kind == MEMBER_SCALE:
        _member_scale_forward(rows, op.n_outputs, k, w.first_row, w.batch_rows, dout,
                              params + op.starts[0], nothing, dx)
    else:
        _member_affine_dx(op.multiplied, rows, op.n_inputs, op.n_outputs, k, w.first_row,
                          w.batch_rows, dout, params + op.starts[0], dx)
    return dx


cdef inline Py_ssize_t _learned_width(const Operation* op) noexcept nogil:
    """How many columns the parameters of such an operation belong to."""
    return op.n_columns if op.n_columns > 0 else op.n_outputs


cdef void _learned_columns(Workspace* w, int i, Py_ssize_t first, Py_ssize_t end,
                           Py_ssize_t rows, const real* x, const real* dout) noexcept nogil:
    """Gradients of the parameters of the columns from ``first`` to before ``end``."""
    cdef const Operation* op = &w.graph.operations[i]
    cdef const real* params = <real*> w.graph.params
    cdef real* grads = <real*> w.grads
    cdef Waves waves
    cdef Tables tables
    cdef Bins bins
    if op.kind == SCALE:
        _scale_columns(first, end, rows, op.n_outputs, x, dout, grads + op.starts[0])
    elif op.kind == PARAMETRIC:
        _parametric_columns(first, end, rows, op.n_outputs, <real*> w.spaces[i].kept[0],
                            grads + op.starts[0])
    elif op.kind == PERIODIC:
        waves = _waves_of(op)
        _periodic_parameters(&waves, first, end, rows, x, <real*> w.spaces[i].out, dout,
                             params + op.starts[0], params + op.starts[1], params + op.starts[2],
                             grads + op.starts[0], grads + op.starts[1], grads + op.starts[2],
                             grads + op.starts[3])
    elif op.kind == EMBEDDING:
        tables = _tables_of(op)
        _embedding_rows(&tables, first, end, rows, x, dout, grads + op.starts[0])
    elif op.kind == PIECEWISE:
        bins = _bins_of(op)
        _piecewise_parameters(&bins, first, end, rows, x, dout, grads + op.starts[0],
                              grads + op.starts[1], grads + op.starts[2])


cdef void _normalize_backward(Workspace* w, int i, Py_ssize_t rows, const real* x,
                              const real* dout, real* dx) noexcept nogil:
    """A normalization's gradients from its forward's statistics; no dx if it is NULL."""
    cdef const Operation* op = &w.graph.operations[i]
    cdef const real* gamma = <real*> w.graph.params + op.starts[0]
    cdef real* dgamma = <real*> w.grads + op.starts[0]
    cdef real* dbeta = <real*> w.grads + op.starts[1]
    cdef const real* mean = <real*> w.spaces[i].kept[0]
    cdef const real* variance = <real*> w.spaces[i].kept[1]
    if op.kind == LAYER_NORM and w.of_a_member:
        _layer_norm_dx(rows, op.n_outputs, x, dout, gamma, mean, variance, op.numbers[0], dx)
    elif op.kind == LAYER_NORM:
        _layer_norm_backward(rows, op.n_outputs, x, dout, gamma, mean, variance, op.numbers[0],
                             dx, dgamma, dbeta)
    elif op.kind == BATCH_NORM:
        _batch_norm_backward(rows, op.n_outputs, op.n_outputs, x, dout, gamma, mean, variance,
                             op.numbers[0], True, dx, dgamma, dbeta)
    else:
        _fill_with_nan(op.n_outputs, dgamma)
        _fill_with_nan(op.n_outputs, dbeta)
