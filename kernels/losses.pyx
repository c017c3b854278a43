"""Losses: the mean loss and its gradient in one pass.

Each kernel returns the loss, summed in double precision from the first row to the last, and
writes the gradient with respect to its first argument. C is the number of classes.
"""

from libc.math cimport log, logf
from libc.stdint cimport int64_t


cdef inline real _log(real x) noexcept nogil:
    if real is float:
        return logf(x)
    else:
        return log(x)


cdef real _softmax_row(Py_ssize_t C, const real* x, real* y, real* maximum) noexcept nogil:
    """y = exp(x - max x) / sum; returns the sum and stores the maximum. C >= 1.

    Subtracting the maximum keeps every exponent at or below zero, so logits of any finite size
    neither overflow nor divide by zero.
    """
    cdef Py_ssize_t j
    cdef real m = x[0], total = 0
    for j in range(1, C):
        if x[j] > m:
            m = x[j]
    for j in range(C):
        y[j] = _exp(x[j] - m)
        total += y[j]
    for j in range(C):
        y[j] /= total
    maximum[0] = m
    return total


cdef void _softmax_forward(Py_ssize_t B, Py_ssize_t C, const real* x, real* y) noexcept nogil:
    cdef Py_ssize_t i
    cdef real maximum
    for i in range(B):
        _softmax_row(C, x + i * C, y + i * C, &maximum)


cdef Py_ssize_t _first_bad_label(Py_ssize_t B, Py_ssize_t C, const int64_t* t) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(B):
        if t[i] < 0 or t[i] >= C:
            return i
    return -1


cdef double _softmax_cross_entropy_labels(Py_ssize_t B, Py_ssize_t C, const real* x,
                                          const int64_t* t, real* y, real* dx) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef real total, maximum
    cdef const real* x_i
    cdef real* y_i
    cdef real* dx_i
    cdef double loss = 0
    for i in range(B):
        x_i, y_i, dx_i = x + i * C, y + i * C, dx + i * C
        total = _softmax_row(C, x_i, y_i, &maximum)
        # (max - x_t) first: both are of one size, so nothing small is lost.
        loss += <double> _log(total) + (<double> maximum - <double> x_i[t[i]])
        for j in range(C):
            dx_i[j] = y_i[j] / B
        dx_i[t[i]] = (y_i[t[i]] - 1) / B
    return loss / B


cdef double _softmax_cross_entropy_rows(Py_ssize_t B, Py_ssize_t C, const real* x,
                                        const real* t, real* y, real* dx) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef real total, maximum, weight
    cdef double log_total
    cdef const real* x_i
    cdef const real* t_i
    cdef real* y_i
    cdef real* dx_i
    cdef double loss = 0
    for i in range(B):
        x_i, t_i, y_i, dx_i = x + i * C, t + i * C, y + i * C, dx + i * C
        total = _softmax_row(C, x_i, y_i, &maximum)
        log_total = _log(total)
        weight = 0
        for j in range(C):
            weight += t_i[j]
            # A class without weight counts nothing, even where its logit is -inf.
            if t_i[j] != 0:
                loss += t_i[j] * (log_total + (<double> maximum - <double> x_i[j]))
        for j in range(C):
            dx_i[j] = (y_i[j] * weight - t_i[j]) / B
    return loss / B


cdef double _mean_squared_error(Py_ssize_t n, const real* y, const real* t,
                                real* dx) noexcept nogil:
    cdef Py_ssize_t i
    cdef real difference
    cdef double loss = 0
    for i in range(n):
        difference = y[i] - t[i]
        loss += <double> difference * difference
        dx[i] = 2 * difference / n
    return loss / n


cdef double _sum_squared_error(Py_ssize_t n, const real* y, const real* t,
                               real* dx) noexcept nogil:
    cdef Py_ssize_t i
    cdef real difference
    cdef double loss = 0
    for i in range(n):
        difference = y[i] - t[i]
        loss += <double> difference * difference
        dx[i] = difference
    return loss / 2


cdef int _require_logits(const real[:, ::1] x, const real[:, ::1] y,
                         const real[:, ::1] dx) except -1:
    if x.shape[0] == 0 or x.shape[1] == 0:
        raise ValueError(f"x has shape ({x.shape[0]}, {x.shape[1]}), wanted at least one row "
                         "and one class")
    require_shape("y", y.shape[0], y.shape[1], x.shape[0], x.shape[1])
    require_shape("dx", dx.shape[0], dx.shape[1], x.shape[0], x.shape[1])
    return 0


cdef int _require_values(const real[::1] y, const real[::1] t, const real[::1] dx) except -1:
    if y.shape[0] == 0:
        raise ValueError("y has shape (0,), wanted at least one element")
    require_length("t", t.shape[0], y.shape[0])
    require_length("dx", dx.shape[0], y.shape[0])
    return 0


def softmax_forward(const real[:, ::1] x not None, real[:, ::1] y not None):
    """y_ij = exp(x_ij) / sum_k exp(x_ik).

    x, y: (B, C). y is overwritten and may be x.
    """
    require_shape("y", y.shape[0], y.shape[1], x.shape[0], x.shape[1])
    if x.shape[1] == 0:
        return
    with nogil:
        _softmax_forward(x.shape[0], x.shape[1], address(x), address(y))


def softmax_cross_entropy_labels(const real[:, ::1] x not None, const int64_t[::1] t not None,
                                 real[:, ::1] y not None, real[:, ::1] dx not None):
    """Loss = 1/B sum_i (log sum_k exp(x_ik) - x_i,t_i); y = softmax(x); dx = (y - onehot(t)) / B.

    x, y, dx: (B, C) with B, C >= 1, t: (B,) class indices 0..C-1. y and dx are overwritten,
    apart from x and from each other in memory; neither is touched when a label is refused.
    """
    cdef Py_ssize_t bad_row
    cdef double loss
    _require_logits(x, y, dx)
    require_length("t", t.shape[0], x.shape[0])
    with nogil:
        bad_row = _first_bad_label(x.shape[0], x.shape[1], &t[0])
    if bad_row >= 0:
        raise ValueError(f"t[{bad_row}] is {t[bad_row]}, wanted a class index "
                         f"0..{x.shape[1] - 1}")
    with nogil:
        loss = _softmax_cross_entropy_labels(x.shape[0], x.shape[1], address(x), &t[0],
                                             address(y), address(dx))
    return loss


def softmax_cross_entropy_rows(const real[:, ::1] x not None, const real[:, ::1] t not None,
                               real[:, ::1] y not None, real[:, ::1] dx not None):
    """Loss = 1/B sum_ij t_ij (log sum_k exp(x_ik) - x_ij); y = softmax(x).

    dx = (y_ij sum_k t_ik - t_ij) / B, which for rows that sum to one is (y - t) / B.
    x, t, y, dx: (B, C) with B, C >= 1. y and dx are overwritten, apart from x, t and each other
    in memory.
    """
    cdef double loss
    _require_logits(x, y, dx)
    require_shape("t", t.shape[0], t.shape[1], x.shape[0], x.shape[1])
    with nogil:
        loss = _softmax_cross_entropy_rows(x.shape[0], x.shape[1], address(x), address(t),
                                           address(y), address(dx))
    return loss


def mean_squared_error(const real[::1] y not None, const real[::1] t not None,
                       real[::1] dx not None):
    """Loss = 1/n sum (y - t)^2; dx = 2 (y - t) / n.

    y, t, dx: (n,) with n >= 1. dx is overwritten and may be y or t.
    """
    cdef double loss
    _require_values(y, t, dx)
    with nogil:
        loss = _mean_squared_error(y.shape[0], flat_address(y), flat_address(t),
                                   flat_address(dx))
    return loss


def sum_squared_error(const real[::1] y not None, const real[::1] t not None,
                      real[::1] dx not None):
    """Loss = 1/2 sum (y - t)^2; dx = y - t.

    y, t, dx: (n,) with n >= 1. dx is overwritten and may be y or t.
    """
    cdef double loss
    _require_values(y, t, dx)
    with nogil:
        loss = _sum_squared_error(y.shape[0], flat_address(y), flat_address(t),
                                  flat_address(dx))
    return loss
