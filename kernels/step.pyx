"""The training step: gather, forward, loss, backward, penalty and clipping, update.

It calls the same kernels as the layers, in the same order, so the results are the same.
If processes split a batch, each computes the gradients of its rows; these are summed outside,
followed by the penalty, the clipping and the update.
"""

from libc.math cimport NAN
from libc.stdint cimport int64_t, uint64_t


cdef int _gradients(Workspace* w, Py_ssize_t rows, const int64_t* order, uint64_t step,
                    uint64_t place, double total, double* loss, double* hits) noexcept nogil:
    """Everything up to the gradients of one batch; -1 for a class index out of range.

    A ``total`` below 0 means the weight of these rows themselves.
    """
    if w.graph.precision == SINGLE_PRECISION:
        return _gradients_in(w, rows, order, step, place, total, loss, hits, <float*> NULL)
    elif w.graph.precision == DOUBLE_PRECISION:
        return _gradients_in(w, rows, order, step, place, total, loss, hits, <double*> NULL)
    refuse("precision", w.graph.precision)
    return -1


cdef int _gradients_in(Workspace* w, Py_ssize_t rows, const int64_t* order, uint64_t step,
                       uint64_t place, double total, double* loss, double* hits,
                       real* precision) noexcept nogil:
    if _batch_loss(w, rows, order, step, place, total, loss, hits, precision) < 0:
        return -1
    _backward(w, rows, precision)
    return 0


cdef double _regularize(Workspace* w) noexcept nogil:
    """Add the penalty's gradient to the weights' gradients, then clip the whole gradient.

    Elements are clipped first, so the norm is that of the gradient that the update receives.
    """
    if w.graph.precision == SINGLE_PRECISION:
        return _regularize_in(w, <float*> NULL)
    elif w.graph.precision == DOUBLE_PRECISION:
        return _regularize_in(w, <double*> NULL)
    refuse("precision", w.graph.precision)
    return NAN


cdef double _regularize_in(Workspace* w, real* precision) noexcept nogil:
    """Penalties are added from the first affine operation to the last."""
    cdef int i
    cdef const Operation* op
    cdef double penalty = 0, scale
    if w.l2 > 0 and w.weight_sum > 0:       # no penalty for a batch of zero weight
        scale = w.l2 / w.weight_sum
        for i in range(w.graph.n_operations):
            op = &w.graph.operations[i]
            if op.kind == AFFINE:
                penalty += _l2_penalty(op.n_inputs * op.n_outputs,
                                       <real*> w.graph.params + op.starts[0], scale,
                                       <real*> w.grads + op.starts[0])
    if w.max_value > 0:
        _clip_value(w.graph.n_parameters, <real*> w.grads, w.max_value, <real*> w.grads)
    if w.max_norm > 0:
        _clip_norm(w.graph.n_parameters, <real*> w.grads, w.max_norm, <real*> w.grads)
    return penalty


cdef void _apply_update(Workspace* w) noexcept nogil:
    """One step of the optimizer over the flat buffers, and its count."""
    w.update.step += 1
    _run_update(&w.update, w.graph.precision)
    if w.update.rule == MUON:
        _run_muon(&w.update, w.graph.precision)
    _blend_buffers(w, w.update.tau)


cdef void _blend_buffers(const Workspace* w, double tau) noexcept nogil:
    """Average what batch normalizations keep, as the parameters; no other buffer changes."""
    cdef int i, k
    cdef const Operation* op
    if tau > 0:
        for i in range(w.graph.n_operations):
            op = &w.graph.operations[i]
            if op.kind == BATCH_NORM:
                for k in range(2):
                    _blend_in(op.n_outputs, tau, op.arrays[k], w.twin.operations[i].arrays[k],
                              w.graph.precision)
