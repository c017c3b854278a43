"""The training step's forward: gather a batch, run the network, compute the loss."""

from libc.stdint cimport int64_t, uint8_t, uint64_t


cdef int _batch_loss(Workspace* w, Py_ssize_t rows, const int64_t* order, uint64_t step,
                     uint64_t place, double total, double* loss, double* hits,
                     real* precision) noexcept nogil:
    """Gather, forward and loss of one batch, its gradient in the last operation's dout.

    A ``total`` below 0 means the weight of these rows themselves. -1 for a class index out
    of range.
    """
    cdef const double* weights = NULL
    if w.weights != NULL:
        _gather_weights(w.weights, rows, order, w.batch_weights)
        weights = w.batch_weights
    w.weight_sum = total if total >= 0 else _weight_sum(rows, weights)
    w.first_row, w.batch_rows = 0, rows
    _gather(&w.x, rows, order, w.input_scale, <real*> w.batch)
    _forward(w, rows, step, place, precision)
    return _loss_of_batch(w, rows, order, weights, loss, hits, NULL, precision)


cdef int _loss_of_batch(Workspace* w, Py_ssize_t rows, const int64_t* order,
                        const double* weights, double* loss, double* hits, double* terms,
                        real* precision) noexcept nogil:
    """The loss after a forward; -1 for a class index out of range. terms: see losses.pyx."""
    cdef int last = w.graph.n_operations - 1
    cdef Py_ssize_t O = w.graph.n_outputs
    cdef real* out = <real*> w.spaces[last].out
    cdef real* dout = <real*> w.spaces[last].dout
    if w.t.n_columns > 0:
        _gather(&w.t, rows, order, 1, <real*> w.targets)
        loss[0] = _loss_of_rows(&w.loss, rows, O, out, <real*> w.targets, weights, w.weight_sum,
                                <real*> w.y, dout, hits, terms)
        return 0
    _gather_labels(&w.t, rows, order, <int64_t*> w.targets)
    if _first_bad_label(rows, O, <int64_t*> w.targets) >= 0:
        return -1
    loss[0] = _loss_of_labels(&w.loss, rows, O, out, <int64_t*> w.targets, weights, w.weight_sum,
                              <real*> w.y, dout, hits, terms)
    return 0


cdef void _forward(Workspace* w, Py_ssize_t rows, uint64_t step, uint64_t place,
                   real* precision) noexcept nogil:
    """The network's forward in training, which keeps what the backward needs."""
    _forward_some(w, 0, w.graph.n_operations, rows, step, place, precision)


cdef void _forward_some(Workspace* w, int first, int end, Py_ssize_t rows, uint64_t step,
                        uint64_t place, real* precision) noexcept nogil:
    """The operations from the first one to before the end."""
    cdef int i
    cdef const Operation* op
    cdef const real* x
    cdef real* out
    for i in range(first, end):
        op = &w.graph.operations[i]
        x, out = <real*> _output(w, op.sources[0]), <real*> w.spaces[i].out
        if op.kind == DROPOUT:
            _dropout_forward(rows, op.n_outputs, x, w.dropout * op.numbers[0], op.key, step,
                             place, out, <uint8_t*> w.spaces[i].kept[0])
        elif op.kind in (BATCH_NORM, LAYER_NORM):
            _normalize(w, i, rows, x, out)
        elif op.kind == PARAMETRIC:
            _parametric_forward(op.function, op.numbers[0], rows, op.n_outputs, x,
                                <real*> w.graph.params + op.starts[0], out,
                                <real*> w.spaces[i].kept[0])
        else:
            _apply(op, rows, w.first_row, w.batch_rows, <real*> w.graph.params, x,
                   <real*> _output(w, op.sources[op.n_sources - 1]), out)


cdef void _normalize(Workspace* w, int i, Py_ssize_t rows, const real* x,
                     real* out) noexcept nogil:
    """A normalization's forward in training; batch_norm's running statistics follow it."""
    cdef const Operation* op = &w.graph.operations[i]
    cdef const real* gamma = <real*> w.graph.params + op.starts[0]
    cdef const real* beta = <real*> w.graph.params + op.starts[1]
    cdef real* mean = <real*> w.spaces[i].kept[0]
    cdef real* variance = <real*> w.spaces[i].kept[1]
    if op.kind == LAYER_NORM:
        _layer_norm_forward(rows, op.n_outputs, x, gamma, beta, op.numbers[0], out, mean,
                            variance)
    elif op.kind == BATCH_NORM:
        _batch_norm_forward(rows, op.n_outputs, op.n_outputs, x, gamma, beta, op.numbers[0], out,
                            mean, variance)
        _batch_norm_update(op.n_outputs, mean, variance, op.numbers[1], rows,
                           <real*> op.arrays[0], <real*> op.arrays[1])
    else:
        _fill_with_nan(rows * op.n_outputs, out)
