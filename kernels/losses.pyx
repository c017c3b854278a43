"""Losses: the mean loss and its gradient in one pass.

Each kernel returns the loss, summed in double precision, and writes the gradient with respect to
its first argument. C is the number of classes. Every sum has one order, whatever the vectors'
width: as many running sums as 64 bytes hold numbers take the terms in turn, then the upper half
of them is added to the lower half until one is left; rows are added from the first to the last.
"""

from libc.math cimport INFINITY
from libc.stdint cimport int64_t

cdef enum:
    ROWS_AT_ONCE = 16       # so that a row has long been written when it is read again
    SUMS = 8                # running sums in double precision


# Softmax -----------------------------------------------------------------------------------------


cdef inline double _row_maximum(Py_ssize_t C, const vector* x) noexcept nogil:
    """The greatest of C numbers, C >= 1; any number where one of them is NaN."""
    cdef vector[4] most
    cdef int v
    for v in range(BLOCK_VECTORS):
        most[v] = vnumber(x, -INFINITY)
    while C > 0:
        for v in range(BLOCK_VECTORS):
            if C > v * vlanes(x):
                most[v] = vmax(vload_or(most[v], x + v, C - v * vlanes(x)), most[v])
        x, C = x + BLOCK_VECTORS, C - BLOCK_VECTORS * vlanes(x)
    return vgreatest(<const vector*> most)


cdef inline double _row_exponentials(Py_ssize_t C, const vector* x, double maximum,
                                     vector* e) noexcept nogil:
    """e = exp(x - maximum) for C numbers; returns their sum. e may be x.

    Behind the row's end we read -inf, whose exponential adds 0.
    """
    cdef vector[4] sums
    cdef vector terms, top = vnumber(x, maximum), nothing = vnumber(x, -INFINITY)
    cdef int v
    for v in range(BLOCK_VECTORS):
        sums[v] = vnumber(x, 0)
    while C > 0:
        for v in range(BLOCK_VECTORS):
            if C > v * vlanes(x):
                terms = vexp(vload_or(nothing, x + v, C - v * vlanes(x)) - top)
                sums[v] = sums[v] + terms
                vstore(e + v, terms, C - v * vlanes(x))
        x, e, C = x + BLOCK_VECTORS, e + BLOCK_VECTORS, C - BLOCK_VECTORS * vlanes(x)
    return vsum(<const vector*> sums)


cdef void _exponentials(Py_ssize_t rows, Py_ssize_t C, const real* x, real* e, double* maxima,
                        double* totals) noexcept nogil:
    """e = exp(x - max x) row by row, with each row's maximum and sum of exponentials.

    Subtracting the maximum keeps every exponent at or below zero, so logits of any finite size
    neither overflow nor divide by zero.
    """
    cdef Py_ssize_t i
    for i in range(rows):
        if real is float:
            maxima[i] = _row_maximum(C, <const vfloat*> (x + i * C))
            totals[i] = _row_exponentials(C, <const vfloat*> (x + i * C), maxima[i],
                                          <vfloat*> (e + i * C))
        else:
            maxima[i] = _row_maximum(C, <const vdouble*> (x + i * C))
            totals[i] = _row_exponentials(C, <const vdouble*> (x + i * C), maxima[i],
                                          <vdouble*> (e + i * C))


cdef void _logs(Py_ssize_t n, const double* x, double* out) noexcept nogil:
    """out = log(x) for n normal numbers x > 0."""
    cdef Py_ssize_t i = 0, lanes = VECTOR_BYTES // sizeof(double)
    while i < n:
        vstore(<vdouble*> (out + i), vlog(vload(<const vdouble*> (x + i), n - i)), n - i)
        i += lanes


cdef inline void _scale_row(Py_ssize_t C, double scale, vector* y) noexcept nogil:
    """y = scale y."""
    while C > 0:
        vstore(y, vload(y, C) * vnumber(y, scale), C)
        y, C = y + 1, C - vlanes(y)


cdef inline void _label_gradient(Py_ssize_t C, double scale, double share, vector* y,
                                 vector* dx) noexcept nogil:
    """y = scale y; dx = share y, right for all classes but the row's own."""
    cdef vector p
    while C > 0:
        p = vload(y, C) * vnumber(y, scale)
        vstore(y, p, C)
        vstore(dx, p * vnumber(y, share), C)
        y, dx, C = y + 1, dx + 1, C - vlanes(y)


cdef inline void _row_gradient(Py_ssize_t C, double scale, double share, double weight,
                               const vector* t, vector* y, vector* dx) noexcept nogil:
    """y = scale y; dx = share (weight y - t)."""
    cdef vector p
    while C > 0:
        p = vload(y, C) * vnumber(y, scale)
        vstore(y, p, C)
        vstore(dx, (p * vnumber(y, weight) - vload(t, C)) * vnumber(y, share), C)
        t, y, dx, C = t + 1, y + 1, dx + 1, C - vlanes(y)


cdef void _softmax_forward(Py_ssize_t B, Py_ssize_t C, const real* x, real* y) noexcept nogil:
    cdef Py_ssize_t i = 0, r, rows
    cdef double[ROWS_AT_ONCE] maxima, totals
    while i < B:
        rows = min(<Py_ssize_t> ROWS_AT_ONCE, B - i)
        _exponentials(rows, C, x + i * C, y + i * C, maxima, totals)
        for r in range(rows):
            if real is float:
                _scale_row(C, 1 / totals[r], <vfloat*> (y + (i + r) * C))
            else:
                _scale_row(C, 1 / totals[r], <vdouble*> (y + (i + r) * C))
        i += rows


cdef Py_ssize_t _first_bad_label(Py_ssize_t B, Py_ssize_t C, const int64_t* t) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(B):
        if t[i] < 0 or t[i] >= C:
            return i
    return -1


cdef double _softmax_cross_entropy_labels(Py_ssize_t B, Py_ssize_t C, const real* x,
                                          const int64_t* t, real* y, real* dx) noexcept nogil:
    cdef Py_ssize_t i = 0, r, rows, start, own
    cdef double[ROWS_AT_ONCE] maxima, totals, logs
    cdef real p
    cdef double scale, share = 1 / <double> B, loss = 0
    while i < B:
        rows = min(<Py_ssize_t> ROWS_AT_ONCE, B - i)
        _exponentials(rows, C, x + i * C, y + i * C, maxima, totals)
        _logs(rows, totals, logs)
        for r in range(rows):
            start, scale = (i + r) * C, 1 / totals[r]
            own = start + t[i + r]
            # (max - x_t) first: both are of one size, so nothing small is lost.
            loss += logs[r] + (maxima[r] - <double> x[own])
            p = y[own] * <real> scale
            if real is float:
                _label_gradient(C, scale, share, <vfloat*> (y + start), <vfloat*> (dx + start))
            else:
                _label_gradient(C, scale, share, <vdouble*> (y + start), <vdouble*> (dx + start))
            dx[own] = (p - 1) * <real> share
        i += rows
    return loss / B


cdef inlined_void _add_weighted(Py_ssize_t n, double log_total, double maximum, const real* x,
                                const real* t, double* losses, double* weights) noexcept nogil:
    """losses += t (log_total + maximum - x) and weights += t, n numbers each on its own.

    A class without weight counts nothing, even where its logit is -inf.
    """
    cdef Py_ssize_t k
    cdef double term
    for k in range(n):
        weights[k] += t[k]
        term = t[k] * (log_total + (maximum - <double> x[k]))
        losses[k] += term if t[k] != 0 else 0


cdef double _weighted_loss(Py_ssize_t C, double log_total, double maximum, const real* x,
                           const real* t, double* weight) noexcept nogil:
    """The sum of t_j (log_total + maximum - x_j) over one row; weight is the sum of t_j."""
    cdef double[SUMS] losses, weights
    cdef int k
    for k in range(SUMS):
        losses[k] = weights[k] = 0
    while C >= SUMS:
        _add_weighted(SUMS, log_total, maximum, x, t, losses, weights)
        x, t, C = x + SUMS, t + SUMS, C - SUMS
    _add_weighted(C, log_total, maximum, x, t, losses, weights)
    weight[0] = vsum(<const vdouble*> weights)
    return vsum(<const vdouble*> losses)


cdef double _softmax_cross_entropy_rows(Py_ssize_t B, Py_ssize_t C, const real* x,
                                        const real* t, real* y, real* dx) noexcept nogil:
    cdef Py_ssize_t i = 0, r, rows, start
    cdef double[ROWS_AT_ONCE] maxima, totals, logs
    cdef double weight, scale, share = 1 / <double> B, loss = 0
    while i < B:
        rows = min(<Py_ssize_t> ROWS_AT_ONCE, B - i)
        _exponentials(rows, C, x + i * C, y + i * C, maxima, totals)
        _logs(rows, totals, logs)
        for r in range(rows):
            start, scale = (i + r) * C, 1 / totals[r]
            loss += _weighted_loss(C, logs[r], maxima[r], x + start, t + start, &weight)
            if real is float:
                _row_gradient(C, scale, share, weight, <const vfloat*> (t + start),
                              <vfloat*> (y + start), <vfloat*> (dx + start))
            else:
                _row_gradient(C, scale, share, weight, <const vdouble*> (t + start),
                              <vdouble*> (y + start), <vdouble*> (dx + start))
        i += rows
    return loss / B


# Squared errors ----------------------------------------------------------------------------------


cdef double _squared_error(Py_ssize_t n, const real* y, const real* t, real factor,
                           real* dx) noexcept nogil:
    """dx = factor (y - t); returns the sum of (y - t)^2. dx may be y or t.

    Eight at a time, all of them read before one is written: compilers make vectors of that.
    """
    cdef double[SUMS] sums
    cdef real[SUMS] d
    cdef Py_ssize_t i = 0, k
    for k in range(SUMS):
        sums[k] = 0
    while i + SUMS <= n:
        for k in range(SUMS):
            d[k] = y[i + k] - t[i + k]
        for k in range(SUMS):
            sums[k] += <double> d[k] * d[k]
        for k in range(SUMS):
            dx[i + k] = factor * d[k]
        i += SUMS
    for k in range(n - i):
        d[k] = y[i + k] - t[i + k]
        sums[k] += <double> d[k] * d[k]
        dx[i + k] = factor * d[k]
    return vsum(<const vdouble*> sums)


cdef double _mean_squared_error(Py_ssize_t n, const real* y, const real* t,
                                real* dx) noexcept nogil:
    return _squared_error(n, y, t, <real> (2 / <double> n), dx) / n


cdef double _sum_squared_error(Py_ssize_t n, const real* y, const real* t,
                               real* dx) noexcept nogil:
    return _squared_error(n, y, t, <real> 1, dx) / 2


# Doors -------------------------------------------------------------------------------------------


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
