"""Softmax and the cross-entropy with targets: the mean loss and its gradient in one pass.

Each kernel returns the loss, summed in double precision, and writes the gradient with respect to
its first argument; terms, unless NULL, receives what each row adds to the sum. Weights of rows and
the order of sums are those of sums.pyx.
"""

from libc.stdint cimport int64_t
from libc.string cimport memset

cdef void _logs(Py_ssize_t rows, Py_ssize_t C, const real* x, const double* maxima,
                const double* totals, double* others, double* out) noexcept nogil:
    """out = log(totals), as log(1 + s) for the sum s of the other exponentials where s < 1.

    Where s is tiny it is computed again in double.
    """
    cdef Py_ssize_t i = 0, lanes = VECTOR_BYTES // sizeof(double)
    cdef vdouble total, s
    if real is float:
        for i in range(rows):
            if others[i] < FEW_DIGITS:
                others[i] = _tiny_sum_of_others(C, <float> maxima[i], x + i * C)
    i = 0
    while i < rows:
        total = vload(<const vdouble*> (totals + i), rows - i)
        s = vload(<const vdouble*> (others + i), rows - i)
        vstore(<vdouble*> (out + i), vlog_of_sum(total, s), rows - i)
        i += lanes


cdef inline void _label_gradient(Py_ssize_t C, double scale, double factor, double base, vector* y,
                                 vector* dx) noexcept nogil:
    """y = scale y; dx = factor (y - base), right for all classes but the row's own."""
    cdef vector p
    while C > 0:
        p = vload(y, C) * vnumber(y, scale)
        vstore(y, p, C)
        vstore(dx, (p - vnumber(y, base)) * vnumber(y, factor), C)
        y, dx, C = y + 1, dx + 1, C - vlanes(y)


cdef inline void _row_gradient(Py_ssize_t C, double scale, double factor, double total,
                               double keep, double base, const vector* t, vector* y,
                               vector* dx) noexcept nogil:
    """y = scale y; dx = factor (total y - (keep t + base))."""
    cdef vector p, target
    while C > 0:
        p = vload(y, C) * vnumber(y, scale)
        target = vload(t, C)
        if base != 0:
            target = target * vnumber(y, keep) + vnumber(y, base)
        vstore(y, p, C)
        vstore(dx, (p * vnumber(y, total) - target) * vnumber(y, factor), C)
        t, y, dx, C = t + 1, y + 1, dx + 1, C - vlanes(y)


cdef Py_ssize_t _first_bad_label(Py_ssize_t B, Py_ssize_t C, const int64_t* t) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(B):
        if t[i] < 0 or t[i] >= C:
            return i
    return -1


cdef double _mean_distance(Py_ssize_t C, double maximum, const real* x) noexcept nogil:
    """The mean distance of C logits from their maximum."""
    cdef double[SUMS] sums
    cdef Py_ssize_t n = C
    cdef int k
    for k in range(SUMS):
        sums[k] = 0
    while n >= SUMS:
        for k in range(SUMS):
            sums[k] += maximum - <double> x[k]
        x, n = x + SUMS, n - SUMS
    for k in range(<int> n):
        sums[k] += maximum - <double> x[k]
    return vsum(<const vdouble*> sums) / C


cdef double _softmax_cross_entropy_labels(Py_ssize_t B, Py_ssize_t C, const real* x,
                                          const int64_t* t, const double* weights,
                                          double weight_sum, double smoothing, real* y,
                                          real* dx, double* terms) noexcept nogil:
    cdef Py_ssize_t i = 0, r, rows, start, own
    cdef double[ROWS_AT_ONCE] maxima, totals, others, logs
    cdef real p
    cdef double scale, weight, factor, term, loss = 0, one_row = 1 / weight_sum
    cdef double base = smoothing / C, target = (1 - smoothing) + base
    while i < B:
        rows = min(<Py_ssize_t> ROWS_AT_ONCE, B - i)
        _exponentials(rows, C, x + i * C, y + i * C, maxima, totals, others)
        _logs(rows, C, x + i * C, maxima, totals, others, logs)
        for r in range(rows):
            start, scale = (i + r) * C, 1 / totals[r]
            weight = _weight_of(weights, i + r)
            if weight == 0:
                _scale_row_of(C, scale, y + start)
                memset(dx + start, 0, C * sizeof(real))
                _keep_term(terms, i + r, 0)
                continue
            own, factor = start + t[i + r], weight * one_row
            # (max - x_t) first: both have similar size, so nothing small is lost.
            term = logs[r] + (maxima[r] - <double> x[own])
            if smoothing != 0:
                term = ((1 - smoothing) * term
                        + smoothing * (logs[r] + _mean_distance(C, maxima[r], x + start)))
            term = weight * term
            _keep_term(terms, i + r, term)
            loss += term
            p = y[own] * <real> scale
            if real is float:
                _label_gradient(C, scale, factor, base, <vfloat*> (y + start),
                                <vfloat*> (dx + start))
            else:
                _label_gradient(C, scale, factor, base, <vdouble*> (y + start),
                                <vdouble*> (dx + start))
            dx[own] = (p - <real> target) * <real> factor
        i += rows
    return loss / weight_sum if weight_sum != 0 else 0


cdef inlined_void _add_targets(Py_ssize_t n, double log_total, double maximum, const real* x,
                               const real* t, double* losses, double* targets) noexcept nogil:
    """losses += t (log_total + maximum - x) and targets += t, n numbers each on its own.

    A class whose target is 0 contributes nothing, even if its logit is -inf.
    """
    cdef Py_ssize_t k
    cdef double term
    for k in range(n):
        targets[k] += t[k]
        term = t[k] * (log_total + (maximum - <double> x[k]))
        losses[k] += term if t[k] != 0 else 0


cdef double _row_loss_of(Py_ssize_t C, double log_total, double maximum, const real* x,
                         const real* t, double* total) noexcept nogil:
    """The sum of t_j (log_total + maximum - x_j) over one row; total is the sum of t_j."""
    cdef double[SUMS] losses, targets
    cdef int k
    for k in range(SUMS):
        losses[k] = targets[k] = 0
    while C >= SUMS:
        _add_targets(SUMS, log_total, maximum, x, t, losses, targets)
        x, t, C = x + SUMS, t + SUMS, C - SUMS
    _add_targets(C, log_total, maximum, x, t, losses, targets)
    total[0] = vsum(<const vdouble*> targets)
    return vsum(<const vdouble*> losses)


cdef double _softmax_cross_entropy_rows(Py_ssize_t B, Py_ssize_t C, const real* x,
                                        const real* t, const double* weights,
                                        double weight_sum, double smoothing, real* y,
                                        real* dx, double* terms) noexcept nogil:
    cdef Py_ssize_t i = 0, r, rows, start
    cdef double[ROWS_AT_ONCE] maxima, totals, others, logs
    cdef double scale, weight, factor, total, term, loss = 0, one_row = 1 / weight_sum
    cdef double keep = 1 - smoothing, base = smoothing / C
    while i < B:
        rows = min(<Py_ssize_t> ROWS_AT_ONCE, B - i)
        _exponentials(rows, C, x + i * C, y + i * C, maxima, totals, others)
        _logs(rows, C, x + i * C, maxima, totals, others, logs)
        for r in range(rows):
            start, scale = (i + r) * C, 1 / totals[r]
            weight = _weight_of(weights, i + r)
            if weight == 0:
                _scale_row_of(C, scale, y + start)
                memset(dx + start, 0, C * sizeof(real))
                _keep_term(terms, i + r, 0)
                continue
            factor = weight * one_row
            term = _row_loss_of(C, logs[r], maxima[r], x + start, t + start, &total)
            if smoothing != 0:
                total = keep * total + smoothing
                term = keep * term + smoothing * (logs[r]
                                                  + _mean_distance(C, maxima[r], x + start))
            term = weight * term
            _keep_term(terms, i + r, term)
            loss += term
            if real is float:
                _row_gradient(C, scale, factor, total, keep, base, <const vfloat*> (t + start),
                              <vfloat*> (y + start), <vfloat*> (dx + start))
            else:
                _row_gradient(C, scale, factor, total, keep, base, <const vdouble*> (t + start),
                              <vdouble*> (y + start), <vdouble*> (dx + start))
        i += rows
    return loss / weight_sum if weight_sum != 0 else 0
