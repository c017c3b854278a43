"""The checked entry points of softmax_losses.pyx."""

from libc.stdint cimport int64_t


cdef int _hold_logits(Held* held, object x, object y, object dx) except -1:
    """Acquire logits, softmax outputs and gradient as arrays 0, 1 and 2."""
    hold_matrix(held, "x", x, READ, ANY, ANY)
    cdef Py_ssize_t B = held_size(held, 0, 0), C = held_size(held, 0, 1)
    if B == 0 or C == 0:
        raise ValueError(f"x has shape ({B}, {C}), wanted at least one row and one class")
    hold_matrix(held, "y", y, WRITE, B, C)
    return hold_matrix(held, "dx", dx, WRITE, B, C)


def _require_smoothing(double smoothing):
    if not 0 <= smoothing < 1:
        raise ValueError(f"label_smoothing is {smoothing}, wanted 0 <= label_smoothing < 1")


cdef double _softmax_loss_of_held(const Held* held, const double* weights, double smoothing,
                                  real* precision) noexcept nogil:
    """The loss of the arrays from _hold_logits and the targets: class indices or rows."""
    cdef Py_ssize_t B = held_size(held, 0, 0), C = held_size(held, 0, 1)
    cdef double weight_sum = _weight_sum(B, weights)
    cdef const real* x = <real*> held_data(held, 0)
    cdef real* y = <real*> held_data(held, 1)
    cdef real* dx = <real*> held_data(held, 2)
    if held.buffers[3].ndim == 1:
        return _softmax_cross_entropy_labels(B, C, x, <int64_t*> held_data(held, 3), weights,
                                             weight_sum, smoothing, y, dx, NULL)
    return _softmax_cross_entropy_rows(B, C, x, <real*> held_data(held, 3), weights, weight_sum,
                                       smoothing, y, dx, NULL)


cdef double _softmax_loss_door(object x, object t, bint labels, object weights, double smoothing,
                               object y, object dx) except? -1:
    cdef Held held
    cdef Py_ssize_t B, C, bad_row
    cdef const double* w
    cdef double loss = 0
    _require_smoothing(smoothing)
    hold_nothing(&held)
    try:
        _hold_logits(&held, x, y, dx)
        B, C = held_size(&held, 0, 0), held_size(&held, 0, 1)
        if labels:
            hold(&held, "t", t, INT64, 1, READ)
            require_held_length(&held, "t", B)
            bad_row = _first_bad_label(B, C, <int64_t*> held_data(&held, 3))
            if bad_row >= 0:
                raise ValueError(f"t[{bad_row}] is {(<int64_t*> held_data(&held, 3))[bad_row]}, "
                                 f"wanted a class index 0..{C - 1}")
        else:
            hold_matrix(&held, "t", t, READ, B, C)
        w = _hold_weights(&held, weights, B)
        with nogil:
            if held.precision == SINGLE_PRECISION:
                loss = _softmax_loss_of_held(&held, w, smoothing, <float*> NULL)
            elif held.precision == DOUBLE_PRECISION:
                loss = _softmax_loss_of_held(&held, w, smoothing, <double*> NULL)
            else:
                refuse("precision", held.precision)
    finally:
        let_go(&held)
    return loss


def softmax_cross_entropy_labels(x, t, weights, double label_smoothing, y, dx):
    """Loss = sum_i w_i sum_j t'_ij (log sum_k exp(x_ik) - x_ij) / sum_i w_i; y = softmax(x).

    t' = (1 - s) onehot(t) + s / C for s = label_smoothing; dx = w_i (y - t') / sum_i w_i.
    x, y, dx: (B, C) with B, C >= 1, t: (B,) class indices 0..C-1, weights: (B,) or None,
    0 <= s < 1. y and dx are overwritten and must not overlap x or each other; neither is
    touched when a label is refused.
    """
    return _softmax_loss_door(x, t, True, weights, label_smoothing, y, dx)


def softmax_cross_entropy_rows(x, t, weights, double label_smoothing, y, dx):
    """Loss = sum_i w_i sum_j t'_ij (log sum_k exp(x_ik) - x_ij) / sum_i w_i; y = softmax(x).

    t' = (1 - s) t + s / C for s = label_smoothing; dx = w_i (y_ij sum_k t'_ik - t'_ij) /
    sum_i w_i. x, t, y, dx: (B, C) with B, C >= 1, weights: (B,) or None, 0 <= s < 1. y and dx are
    overwritten and must not overlap x, t or each other.
    """
    return _softmax_loss_door(x, t, False, weights, label_smoothing, y, dx)
