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
    """One operation's gradients; all but an affine one write dx over dout."""
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
    cdef int source = op.sources[0]
    cdef const real* y = NULL
    cdef real* dx
    if not w.of_a_member:
        _gemm_tn(op.n_inputs, rows, op.n_outputs, x, dout, <real*> w.grads + op.starts[0])
        _affine_backward_db(rows, op.n_outputs, dout, <real*> w.grads + op.starts[1])
    if not _trains(w.graph, source):
        return NULL
    if w.graph.operations[source].gradient_done:
        y = <real*> w.spaces[source].out
    dx = <real*> w.spaces[i].dx
    _gemm_nt(rows, op.n_outputs, op.n_inputs, dout, <real*> w.graph.params + op.starts[0], y, dx)
    return dx


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
