"""Losses: the mean loss and its gradient in one pass; here softmax's, which has rows of classes.

Each kernel returns the loss, summed in double precision, and writes the gradient with respect to
its first argument. C is the number of classes. Rows may have weights, (B,) numbers w >= 0; a mean
over rows then divides by their sum, and where no weights are given each is 1. A row of weight 0
counts nothing, whatever it holds, and if no row has a weight the loss is 0.

Every sum has one order, whatever the vectors' width: as many running sums as 64 bytes hold numbers
take the terms in turn, then the upper half of them is added to the lower half until one is left;
rows are added from the first to the last.
"""

from libc.math cimport INFINITY
from libc.stdint cimport int64_t
from libc.string cimport memset

cdef enum:
    ROWS_AT_ONCE = 16       # so that a row has long been written when it is read again
    FEW_CLASSES = 16        # no more than a sum in single precision has running sums
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


cdef inline void _lane_exponentials(Py_ssize_t C, vfloat* x, double* maxima,
                                    double* totals) noexcept nogil:
    """x = exp(x - max x) in each lane of C <= FEW_CLASSES vectors, ROWS_AT_ONCE numbers apart."""
    cdef vfloat[FEW_CLASSES] terms
    cdef float[ROWS_AT_ONCE] maximum, total
    cdef float* numbers = <float*> x
    cdef vfloat most = vload(x, vlanes(x))
    cdef Py_ssize_t j, half = FEW_CLASSES // 2
    for j in range(1, C):
        most = vmax(vload(<vfloat*> (numbers + j * ROWS_AT_ONCE), vlanes(x)), most)
    for j in range(C):
        terms[j] = vexp(vload(<vfloat*> (numbers + j * ROWS_AT_ONCE), vlanes(x)) - most)
        vstore(<vfloat*> (numbers + j * ROWS_AT_ONCE), terms[j], vlanes(x))
    while half > 0:
        for j in range(min(half, C - half)):
            terms[j] = terms[j] + terms[j + half]
        half //= 2
    vstore(<vfloat*> maximum, most, vlanes(x))
    vstore(<vfloat*> total, terms[0], vlanes(x))
    for j in range(vlanes(x)):
        maxima[j], totals[j] = maximum[j], total[j]


cdef void _exponentials_across(Py_ssize_t C, const float* x, float* e, double* maxima,
                               double* totals) noexcept nogil:
    """_exponentials for ROWS_AT_ONCE rows of few classes, with the rows along the lanes."""
    cdef char[FEW_CLASSES * LINE + LINE] memory
    cdef float* turned = _aligned_panel(memory, <float*> NULL)
    cdef Py_ssize_t i = 0
    _transpose(ROWS_AT_ONCE, C, x, C, turned, ROWS_AT_ONCE)
    while i < ROWS_AT_ONCE:
        _lane_exponentials(C, <vfloat*> (turned + i), maxima + i, totals + i)
        i += VECTOR_BYTES // <Py_ssize_t> sizeof(float)
    _transpose(C, ROWS_AT_ONCE, turned, ROWS_AT_ONCE, e, C)


cdef void _exponentials(Py_ssize_t rows, Py_ssize_t C, const real* x, real* e, double* maxima,
                        double* totals) noexcept nogil:
    """e = exp(x - max x) row by row, with each row's maximum and sum of exponentials.

    Subtracting the maximum keeps every exponent at or below zero, so logits of any finite size
    neither overflow nor divide by zero.
    """
    cdef Py_ssize_t i
    if real is float and rows == ROWS_AT_ONCE and C <= FEW_CLASSES:
        _exponentials_across(C, x, e, maxima, totals)
        return
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


cdef inline void _label_gradient(Py_ssize_t C, double scale, double share, double base, vector* y,
                                 vector* dx) noexcept nogil:
    """y = scale y; dx = share (y - base), right for all classes but the row's own."""
    cdef vector p
    while C > 0:
        p = vload(y, C) * vnumber(y, scale)
        vstore(y, p, C)
        vstore(dx, (p - vnumber(y, base)) * vnumber(y, share), C)
        y, dx, C = y + 1, dx + 1, C - vlanes(y)


cdef inline void _row_gradient(Py_ssize_t C, double scale, double share, double total,
                               double keep, double base, const vector* t, vector* y,
                               vector* dx) noexcept nogil:
    """y = scale y; dx = share (total y - (keep t + base))."""
    cdef vector p, target
    while C > 0:
        p = vload(y, C) * vnumber(y, scale)
        target = vload(t, C)
        if base != 0:
            target = target * vnumber(y, keep) + vnumber(y, base)
        vstore(y, p, C)
        vstore(dx, (p * vnumber(y, total) - target) * vnumber(y, share), C)
        t, y, dx, C = t + 1, y + 1, dx + 1, C - vlanes(y)


cdef inline void _scale_row_of(Py_ssize_t C, double scale, real* y) noexcept nogil:
    """y = scale y."""
    if real is float:
        _scale_row(C, scale, <vfloat*> y)
    else:
        _scale_row(C, scale, <vdouble*> y)


cdef void _softmax_forward(Py_ssize_t B, Py_ssize_t C, const real* x, real* y) noexcept nogil:
    cdef Py_ssize_t i = 0, r, rows
    cdef double[ROWS_AT_ONCE] maxima, totals
    while i < B:
        rows = min(<Py_ssize_t> ROWS_AT_ONCE, B - i)
        _exponentials(rows, C, x + i * C, y + i * C, maxima, totals)
        for r in range(rows):
            _scale_row_of(C, 1 / totals[r], y + (i + r) * C)
        i += rows


cdef Py_ssize_t _first_bad_label(Py_ssize_t B, Py_ssize_t C, const int64_t* t) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(B):
        if t[i] < 0 or t[i] >= C:
            return i
    return -1


cdef double _weight_sum(Py_ssize_t B, const double* weights) noexcept nogil:
    """The sum of B rows' weights, from the first to the last; B without weights."""
    cdef Py_ssize_t i
    cdef double total = 0
    if weights == NULL:
        return <double> B
    for i in range(B):
        total += weights[i]
    return total


cdef inline double _weight_of(const double* weights, Py_ssize_t i) noexcept nogil:
    return 1 if weights == NULL else weights[i]


cdef double _mean_distance(Py_ssize_t C, double maximum, const real* x) noexcept nogil:
    """How far C logits lie below their maximum in the mean."""
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
                                          real* dx) noexcept nogil:
    cdef Py_ssize_t i = 0, r, rows, start, own
    cdef double[ROWS_AT_ONCE] maxima, totals, logs
    cdef real p
    cdef double scale, weight, share, term, loss = 0, share_of_one = 1 / weight_sum
    cdef double base = smoothing / C, target = (1 - smoothing) + base
    while i < B:
        rows = min(<Py_ssize_t> ROWS_AT_ONCE, B - i)
        _exponentials(rows, C, x + i * C, y + i * C, maxima, totals)
        _logs(rows, totals, logs)
        for r in range(rows):
            start, scale = (i + r) * C, 1 / totals[r]
            weight = _weight_of(weights, i + r)
            if weight == 0:
                _scale_row_of(C, scale, y + start)
                memset(dx + start, 0, C * sizeof(real))
                continue
            own, share = start + t[i + r], weight * share_of_one
            # (max - x_t) first: both are of one size, so nothing small is lost.
            term = logs[r] + (maxima[r] - <double> x[own])
            if smoothing != 0:
                term = ((1 - smoothing) * term
                        + smoothing * (logs[r] + _mean_distance(C, maxima[r], x + start)))
            loss += weight * term
            p = y[own] * <real> scale
            if real is float:
                _label_gradient(C, scale, share, base, <vfloat*> (y + start),
                                <vfloat*> (dx + start))
            else:
                _label_gradient(C, scale, share, base, <vdouble*> (y + start),
                                <vdouble*> (dx + start))
            dx[own] = (p - <real> target) * <real> share
        i += rows
    return loss / weight_sum if weight_sum != 0 else 0


cdef inlined_void _add_targets(Py_ssize_t n, double log_total, double maximum, const real* x,
                               const real* t, double* losses, double* targets) noexcept nogil:
    """losses += t (log_total + maximum - x) and targets += t, n numbers each on its own.

    A class whose target is 0 counts nothing, even where its logit is -inf.
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
                                        real* dx) noexcept nogil:
    cdef Py_ssize_t i = 0, r, rows, start
    cdef double[ROWS_AT_ONCE] maxima, totals, logs
    cdef double scale, weight, share, total, term, loss = 0, share_of_one = 1 / weight_sum
    cdef double keep = 1 - smoothing, base = smoothing / C
    while i < B:
        rows = min(<Py_ssize_t> ROWS_AT_ONCE, B - i)
        _exponentials(rows, C, x + i * C, y + i * C, maxima, totals)
        _logs(rows, totals, logs)
        for r in range(rows):
            start, scale = (i + r) * C, 1 / totals[r]
            weight = _weight_of(weights, i + r)
            if weight == 0:
                _scale_row_of(C, scale, y + start)
                memset(dx + start, 0, C * sizeof(real))
                continue
            share = weight * share_of_one
            term = _row_loss_of(C, logs[r], maxima[r], x + start, t + start, &total)
            if smoothing != 0:
                total = keep * total + smoothing
                term = keep * term + smoothing * (logs[r]
                                                  + _mean_distance(C, maxima[r], x + start))
            loss += weight * term
            if real is float:
                _row_gradient(C, scale, share, total, keep, base, <const vfloat*> (t + start),
                              <vfloat*> (y + start), <vfloat*> (dx + start))
            else:
                _row_gradient(C, scale, share, total, keep, base, <const vdouble*> (t + start),
                              <vdouble*> (y + start), <vdouble*> (dx + start))
        i += rows
    return loss / weight_sum if weight_sum != 0 else 0


# Doors -------------------------------------------------------------------------------------------


cdef int _hold_logits(Held* held, object x, object y, object dx) except -1:
    """The logits, what softmax makes of them and their gradient: 0, 1 and 2."""
    hold_matrix(held, "x", x, READ, ANY, ANY)
    cdef Py_ssize_t B = held_size(held, 0, 0), C = held_size(held, 0, 1)
    if B == 0 or C == 0:
        raise ValueError(f"x has shape ({B}, {C}), wanted at least one row and one class")
    hold_matrix(held, "y", y, WRITE, B, C)
    return hold_matrix(held, "dx", dx, WRITE, B, C)


cdef const double* _hold_weights(Held* held, object weights, Py_ssize_t B) except? NULL:
    """The address of the weights of B rows, NULL for None."""
    if weights is None:
        return NULL
    hold(held, "weights", weights, DOUBLE, 1, READ)
    require_held_length(held, "weights", B)
    return <double*> held_data(held, held.n - 1)


cdef int _require_smoothing(double smoothing) except -1:
    if not 0 <= smoothing < 1:
        raise ValueError(f"label_smoothing is {smoothing}, wanted 0 <= label_smoothing < 1")
    return 0


cdef double _softmax_loss_of_held(const Held* held, const double* weights, double smoothing,
                                  real* precision) noexcept nogil:
    """The loss of what _hold_logits holds, and the targets after it: class indices or rows."""
    cdef Py_ssize_t B = held_size(held, 0, 0), C = held_size(held, 0, 1)
    cdef double weight_sum = _weight_sum(B, weights)
    cdef const real* x = <real*> held_data(held, 0)
    cdef real* y = <real*> held_data(held, 1)
    cdef real* dx = <real*> held_data(held, 2)
    if held.buffers[3].ndim == 1:
        return _softmax_cross_entropy_labels(B, C, x, <int64_t*> held_data(held, 3), weights,
                                             weight_sum, smoothing, y, dx)
    return _softmax_cross_entropy_rows(B, C, x, <real*> held_data(held, 3), weights, weight_sum,
                                       smoothing, y, dx)


cdef double _softmax_loss_door(object x, object t, bint labels, object weights, double smoothing,
                               object y, object dx) except? -1:
    cdef Held held
    cdef Py_ssize_t B, C, bad_row
    cdef const double* w
    cdef double loss
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
            if held.single:
                loss = _softmax_loss_of_held(&held, w, smoothing, <float*> NULL)
            else:
                loss = _softmax_loss_of_held(&held, w, smoothing, <double*> NULL)
    finally:
        let_go(&held)
    return loss


def softmax_forward(x, y):
    """y_ij = exp(x_ij) / sum_k exp(x_ik).

    x, y: (B, C). y is overwritten and may be x.
    """
    cdef Held held
    cdef Py_ssize_t B, C
    hold_nothing(&held)
    try:
        hold_matrix(&held, "x", x, READ, ANY, ANY)
        B, C = held_size(&held, 0, 0), held_size(&held, 0, 1)
        hold_matrix(&held, "y", y, WRITE, B, C)
        if C > 0:
            with nogil:
                if held.single:
                    _softmax_forward(B, C, <float*> held_data(&held, 0),
                                     <float*> held_data(&held, 1))
                else:
                    _softmax_forward(B, C, <double*> held_data(&held, 0),
                                     <double*> held_data(&held, 1))
    finally:
        let_go(&held)


def softmax_cross_entropy_labels(x, t, weights, double label_smoothing, y, dx):
    """Loss = sum_i w_i sum_j t'_ij (log sum_k exp(x_ik) - x_ij) / sum_i w_i; y = softmax(x).

    t' = (1 - s) onehot(t) + s / C for s = label_smoothing; dx = w_i (y - t') / sum_i w_i.
    x, y, dx: (B, C) with B, C >= 1, t: (B,) class indices 0..C-1, weights: (B,) or None,
    0 <= s < 1. y and dx are overwritten, apart from x and from each other in memory; neither is
    touched when a label is refused.
    """
    return _softmax_loss_door(x, t, True, weights, label_smoothing, y, dx)


def softmax_cross_entropy_rows(x, t, weights, double label_smoothing, y, dx):
    """Loss = sum_i w_i sum_j t'_ij (log sum_k exp(x_ik) - x_ij) / sum_i w_i; y = softmax(x).

    t' = (1 - s) t + s / C for s = label_smoothing; dx = w_i (y_ij sum_k t'_ik - t'_ij) /
    sum_i w_i. x, t, y, dx: (B, C) with B, C >= 1, weights: (B,) or None, 0 <= s < 1. y and dx are
    overwritten, apart from x, t and each other in memory.
    """
    return _softmax_loss_door(x, t, False, weights, label_smoothing, y, dx)
