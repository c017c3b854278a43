"""Losses that compare outputs y and targets t element by element.

Each is sum_i w_i sum_j l(y_ij, t_ij) / D with a function l of one element, and writes
dx_ij = w_i l'(y_ij, t_ij) / D. D is the sum of the weights times the number of columns where the
loss is a mean over elements. Weights and sums are as in sums.pyx; without weights the rows are
treated as one long row, so weights of 1 give a bit-identical gradient and the same loss up to the
rounding of its sum.

At a kink, where y = t, the slope is 0, the subgradient that leaves y unchanged.

A loss is a name in ``ElementwiseLoss``, a row of ``_ELEMENTWISE_LOSSES``, its terms, a branch in
``_terms`` and in ``_divisor``, and an entry point; the training step uses these.
"""

from cpython.object cimport PyObject
from libc.math cimport INFINITY, NAN, fabs
from libc.string cimport memset

cdef enum ElementwiseLoss:
    NO_LOSS
    MEAN_SQUARED_ERROR
    SUM_SQUARED_ERROR
    SIGMOID_CROSS_ENTROPY
    MEAN_ABSOLUTE_ERROR
    HUBER_LOSS
    POISSON_LOSS
    QUANTILE_LOSS
    LOG_COSH_LOSS
    GAUSSIAN_LOSS

cdef enum:
    MOST_LEVELS = 100       # of quantiles in one loss

cdef enum Hits:             # which outputs of a row must be right
    NO_HITS
    ALL_SIDES               # every output is on its target's side


def _require_delta(double delta, /):
    if not 0 < delta < INFINITY:
        raise ValueError(f"delta is {delta}, wanted a finite number above 0")


def _require_q(q, /):
    """A loss of quantiles has a parameter; ``_set_levels`` checks it."""


cdef int _set_levels(object q, Py_ssize_t O, double* levels) except -1:
    """One q or several, followed by a 0; column j of the O has the (j mod their number)-th."""
    cdef tuple given = tuple(q) if isinstance(q, (list, tuple)) else (q,)
    cdef Py_ssize_t k, n = len(given)
    if not 1 <= n <= MOST_LEVELS or O % n != 0:
        raise ValueError(f"q has {n} levels for {O} columns, wanted a number of them that divides "
                         f"the columns, at most {MOST_LEVELS}")
    for k in range(n):
        levels[k] = given[k]
        if not 0 < levels[k] < 1:
            raise ValueError(f"q is {given[k]}, wanted 0 < q < 1")
    levels[n] = 0
    return 0


cdef int _require_whole_targets(ElementwiseLoss kind, Py_ssize_t O) except -1:
    if kind == GAUSSIAN_LOSS and O % 2 != 0:
        raise ValueError(f"{O} columns, wanted pairs of a mean and a logarithm of a variance")
    return 0


# By kernel name: the loss, its hits, and the check of its parameter, None if it has none.
_ELEMENTWISE_LOSSES = {
    "mean_squared_error": (MEAN_SQUARED_ERROR, NO_HITS, None),
    "sum_squared_error": (SUM_SQUARED_ERROR, NO_HITS, None),
    "sigmoid_cross_entropy": (SIGMOID_CROSS_ENTROPY, ALL_SIDES, None),
    "mean_absolute_error": (MEAN_ABSOLUTE_ERROR, NO_HITS, None),
    "huber_loss": (HUBER_LOSS, NO_HITS, _require_delta),
    "poisson_loss": (POISSON_LOSS, NO_HITS, None),
    "quantile_loss": (QUANTILE_LOSS, NO_HITS, _require_q),
    "log_cosh_loss": (LOG_COSH_LOSS, NO_HITS, None),
    "gaussian_loss": (GAUSSIAN_LOSS, NO_HITS, None),
}


# One block of elements, in double precision ------------------------------------------------------


cdef inlined_void _sigmoid_terms(const double* x, const double* t, double* terms,
                                 double* slopes) noexcept nogil:
    """l = log(1 + exp(x)) - t x = log(1 + e) + |x| s, with e = exp(-|x|) and s the
    probability on the other side of x: 1 - t where x > 0, else t.

    Nothing overflows or cancels, and if s is 0 the loss is 0 even for infinite x.
    """
    cdef vdouble[4] e
    cdef double[SUMS] logs, least
    cdef double other
    cdef int v, k, lanes = VECTOR_BYTES // sizeof(double)
    for v in range(BLOCK_VECTORS):
        e[v] = vexp(-vabs_d(vload_d(<const char*> (x + v * lanes))))
        vstore_d(<char*> (logs + v * lanes), vlog1p(e[v]))
        vstore_d(<char*> (least + v * lanes), e[v] / (1 + e[v]))
    for k in range(SUMS):
        other = 1 - t[k] if x[k] > 0 else t[k]
        terms[k] = logs[k] + (fabs(x[k]) * other if other != 0 else 0)
        slopes[k] = other - least[k] if x[k] > 0 else least[k] - other


cdef inlined_void _poisson_terms(const double* y, const double* t, double* terms,
                                 double* slopes) noexcept nogil:
    """l = exp(y) - t y."""
    cdef double[SUMS] rates
    cdef int v, k, lanes = VECTOR_BYTES // sizeof(double)
    for v in range(BLOCK_VECTORS):
        vstore_d(<char*> (rates + v * lanes), vexp(vload_d(<const char*> (y + v * lanes))))
    for k in range(SUMS):
        terms[k] = rates[k] - t[k] * y[k]
        slopes[k] = rates[k] - t[k]


cdef inlined_void _absolute_terms(const double* y, const double* t, double* terms,
                                  double* slopes) noexcept nogil:
    """l = |y - t|."""
    cdef double d
    cdef int k
    for k in range(SUMS):
        d = y[k] - t[k]
        terms[k] = fabs(d)
        slopes[k] = 1 if d > 0 else -1 if d < 0 else d      # 0, or NaN


cdef inlined_void _huber_terms(const double* y, const double* t, double delta, double* terms,
                               double* slopes) noexcept nogil:
    """l = d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), with d = y - t."""
    cdef double d, size
    cdef int k
    for k in range(SUMS):
        d = y[k] - t[k]
        size = fabs(d)
        terms[k] = delta * (size - 0.5 * delta) if size > delta else 0.5 * d * d
        slopes[k] = delta if d > delta else -delta if d < -delta else d


cdef inlined_void _quantile_terms(const double* y, const double* t, const double* levels,
                                  double* terms, double* slopes) noexcept nogil:
    """l = q (t - y) where y < t, else (1 - q) (y - t)."""
    cdef double d, q
    cdef int k
    for k in range(SUMS):
        d, q = y[k] - t[k], levels[k]
        terms[k] = -q * d if d < 0 else (1 - q) * d
        slopes[k] = 1 - q if d > 0 else -q if d < 0 else d  # 0, or NaN


cdef double LOG_2 = 0.69314718055994530941723212145818


cdef inlined_void _log_cosh_terms(const double* y, const double* t, double* terms,
                                  double* slopes) noexcept nogil:
    """l = log(cosh(d)) with d = y - t; its slope is tanh(d).

    For z = |d| < 1 it is log(1 + (cosh(z) - 1)), with cosh(z) - 1 = m^2 / (2 (1 + m)) and
    m = exp(-z) - 1; else z + log(1 + exp(-2 z)) - log(2). Nothing cancels near 0, nor overflows.
    """
    cdef vdouble d, z, m, near, far
    cdef int v, lanes = VECTOR_BYTES // sizeof(double)
    for v in range(BLOCK_VECTORS):
        d = vload_d(<const char*> (y + v * lanes)) - vload_d(<const char*> (t + v * lanes))
        z = vabs_d(d)
        m = _expm1_below(-z)
        near = vlog1p(m * m / (2 + 2 * m))
        far = (z - LOG_2) + vlog1p((1 + m) * (1 + m))
        vstore_d(<char*> (terms + v * lanes), vselect_less(z, vnumber(&z, 1), near, far))
        vstore_d(<char*> (slopes + v * lanes), vtanh(d))


cdef inlined_void _gaussian_terms(const double* y, const double* t, double* terms,
                                  double* slopes) noexcept nogil:
    """l = (s + d^2 exp(-s)) / 2 for each pair y = (m, s), with d = m - t, t twice.

    The first of a pair's terms is what d adds, and 0 for a d of 0 whatever s is.
    """
    cdef double[SUMS] e
    cdef double d
    cdef int v, k, lanes = VECTOR_BYTES // sizeof(double)
    for k in range(0, SUMS, 2):
        e[k] = e[k + 1] = -y[k + 1]
    for v in range(BLOCK_VECTORS):
        vstore_d(<char*> (e + v * lanes), vexp(vload_d(<const char*> (e + v * lanes))))
    for k in range(0, SUMS, 2):
        d = y[k] - t[k]
        slopes[k] = d * e[k] if d != 0 else 0
        terms[k] = 0.5 * d * slopes[k]
        terms[k + 1], slopes[k + 1] = 0.5 * y[k + 1], 0.5 - terms[k]


cdef inline void _next_levels(const double* q, int* first, double* levels) noexcept nogil:
    """The quantiles of the next SUMS columns, and the place from which the ones after go on."""
    cdef int k
    for k in range(SUMS):
        levels[k] = q[first[0]]
        first[0] = first[0] + 1 if q[first[0] + 1] != 0 else 0


cdef inline void _terms(ElementwiseLoss kind, const double* numbers, int* level, const double* y,
                        const double* t, double* terms, double* slopes) noexcept nogil:
    """SUMS terms and slopes; NaN for a loss without terms here, never another loss's."""
    cdef double[SUMS] levels
    cdef int k
    if kind == SIGMOID_CROSS_ENTROPY:
        _sigmoid_terms(y, t, terms, slopes)
    elif kind == MEAN_ABSOLUTE_ERROR:
        _absolute_terms(y, t, terms, slopes)
    elif kind == HUBER_LOSS:
        _huber_terms(y, t, numbers[0], terms, slopes)
    elif kind == POISSON_LOSS:
        _poisson_terms(y, t, terms, slopes)
    elif kind == QUANTILE_LOSS:
        _next_levels(numbers, level, levels)
        _quantile_terms(y, t, levels, terms, slopes)
    elif kind == LOG_COSH_LOSS:
        _log_cosh_terms(y, t, terms, slopes)
    elif kind == GAUSSIAN_LOSS:
        _gaussian_terms(y, t, terms, slopes)
    else:
        for k in range(SUMS):
            terms[k] = slopes[k] = NAN


cdef double _divisor(ElementwiseLoss kind, double weight_sum, Py_ssize_t O) noexcept nogil:
    """The divisor of the sum over all elements; NaN for an unknown loss."""
    if kind == SUM_SQUARED_ERROR:
        return 1
    elif kind == SIGMOID_CROSS_ENTROPY:
        return weight_sum
    elif kind in (MEAN_SQUARED_ERROR, MEAN_ABSOLUTE_ERROR, HUBER_LOSS, POISSON_LOSS,
                  QUANTILE_LOSS, LOG_COSH_LOSS):
        return weight_sum * O
    elif kind == GAUSSIAN_LOSS:
        return weight_sum * (O // 2)
    else:
        return NAN


# Rows --------------------------------------------------------------------------------------------


cdef double _sum_of_terms(ElementwiseLoss kind, Py_ssize_t n, const real* y, const real* t,
                          const double* numbers, double factor, real* dx) noexcept nogil:
    """dx = factor l'(y, t); returns the sum of l(y, t). dx may be y or t.

    A block is read before it is written; past the end it is padded with zeros.
    """
    cdef double[SUMS] sums, y_block, t_block, terms, slopes
    cdef Py_ssize_t i = 0
    cdef int k, left, level = 0
    for k in range(SUMS):
        sums[k] = y_block[k] = t_block[k] = 0
    while i + SUMS <= n:
        for k in range(SUMS):
            y_block[k], t_block[k] = <double> y[i + k], <double> t[i + k]
        _terms(kind, numbers, &level, y_block, t_block, terms, slopes)
        for k in range(SUMS):
            sums[k] += terms[k]
            dx[i + k] = <real> (factor * slopes[k])
        i += SUMS
    left = <int> (n - i)
    if left > 0:
        for k in range(SUMS):
            y_block[k] = t_block[k] = 0
        for k in range(left):
            y_block[k], t_block[k] = <double> y[i + k], <double> t[i + k]
        _terms(kind, numbers, &level, y_block, t_block, terms, slopes)
        for k in range(left):
            sums[k] += terms[k]
            dx[i + k] = <real> (factor * slopes[k])
    return vsum(<const vdouble*> sums)


cdef double _squared_error(Py_ssize_t n, const real* y, const real* t, real factor,
                           real* dx) noexcept nogil:
    """dx = factor (y - t); returns the sum of (y - t)^2. dx may be y or t.

    Eight at a time, all read before any is written, so that compilers vectorise the loop.
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


cdef double _row_of_elements(ElementwiseLoss kind, Py_ssize_t n, const real* y, const real* t,
                             const double* numbers, double factor, real* dx) noexcept nogil:
    """dx = factor l'(y, t); returns the sum of l(y, t)."""
    if kind == MEAN_SQUARED_ERROR:
        return _squared_error(n, y, t, <real> (2 * factor), dx)
    if kind == SUM_SQUARED_ERROR:
        return _squared_error(n, y, t, <real> factor, dx) / 2
    return _sum_of_terms(kind, n, y, t, numbers, factor, dx)


cdef double _elementwise_loss(ElementwiseLoss kind, Py_ssize_t B, Py_ssize_t O, const real* y,
                              const real* t, const double* weights, double weight_sum,
                              const double* numbers, real* dx, double* terms) noexcept nogil:
    """The loss of B rows, its gradient in dx, which may be y or t.

    terms, unless NULL, receives what each row adds to the sum, if rows have weights.
    """
    cdef Py_ssize_t i
    cdef double divisor = _divisor(kind, weight_sum, O), factor = 1 / divisor, loss = 0, term
    if weights == NULL:
        return _row_of_elements(kind, B * O, y, t, numbers, factor, dx) / divisor
    for i in range(B):
        if weights[i] == 0:
            memset(dx + i * O, 0, O * sizeof(real))
            _keep_term(terms, i, 0)
        else:
            term = weights[i] * _row_of_elements(kind, O, y + i * O, t + i * O, numbers,
                                                 weights[i] * factor, dx + i * O)
            _keep_term(terms, i, term)
            loss += term
    return loss / divisor if weight_sum != 0 else 0


# Doors -------------------------------------------------------------------------------------------


cdef struct LossJob:
    ElementwiseLoss kind
    PyObject* number        # the loss's parameter
    double[MOST_LEVELS + 1] numbers
    double loss


cdef int _check_loss(void* job_, const Held* held) except -1:
    cdef LossJob* job = <LossJob*> job_
    cdef Py_ssize_t B = size_of(held, c"B"), O = size_of(held, c"O")
    if B == 0 or O == 0:
        name = "x" if job.kind == SIGMOID_CROSS_ENTROPY else "y"
        raise ValueError(f"{name} has shape ({B}, {O}), wanted at least one element")
    _require_whole_targets(job.kind, O)
    if job.kind == QUANTILE_LOSS:
        return _set_levels(<object> job.number, O, job.numbers)
    job.numbers[0] = <object> job.number
    return 0


cdef void _loss_held(void* job_, const Held* held, real* precision) noexcept nogil:
    """The loss of y and t, its gradient in dx, and weights, held in this order."""
    cdef LossJob* job = <LossJob*> job_
    cdef Py_ssize_t B = held_size(held, 0, 0)
    cdef const double* weights = <double*> held_data(held, 3)
    job.loss = _elementwise_loss(job.kind, B, held_size(held, 0, 1), <real*> held_data(held, 0),
                                 <real*> held_data(held, 1), weights, _weight_sum(B, weights),
                                 job.numbers, <real*> held_data(held, 2), NULL)


cdef double _loss_door(ElementwiseLoss kind, object y, object t, object weights, object number,
                       object dx) except? -1:
    """The entry point's body; sigmoid's first argument is called x."""
    cdef LossJob job
    cdef PyObject** arrays = [<PyObject*> y, <PyObject*> t, <PyObject*> dx, <PyObject*> weights]
    job.kind, job.number = kind, <PyObject*> number
    enter(b"x BO, t BO, =dx BO, ?weights B:d" if kind == SIGMOID_CROSS_ENTROPY else
          b"y BO, t BO, =dx BO, ?weights B:d", arrays, _check_loss, _loss_held, _loss_held,
          &job)
    return job.loss


def mean_squared_error(y, t, weights, dx, /):
    """Loss = sum_i w_i sum_j (y - t)^2 / (O sum_i w_i); dx = 2 w_i (y - t) / (O sum_i w_i).

    y, t, dx: (B, O) with B, O >= 1, weights: (B,) or None. dx is overwritten and may be y or t.
    """
    return _loss_door(MEAN_SQUARED_ERROR, y, t, weights, 0, dx)


def sum_squared_error(y, t, weights, dx, /):
    """Loss = 1/2 sum_i w_i sum_j (y - t)^2; dx = w_i (y - t).

    y, t, dx: (B, O) with B, O >= 1, weights: (B,) or None. dx is overwritten and may be y or t.
    """
    return _loss_door(SUM_SQUARED_ERROR, y, t, weights, 0, dx)


def sigmoid_cross_entropy(x, t, weights, dx, /):
    """Loss = sum_i w_i sum_j (log(1 + exp(x)) - t x) / sum_i w_i.

    dx = w_i (sigmoid(x) - t) / sum_i w_i. x, t, dx: (B, O) with B, O >= 1, 0 <= t <= 1, weights:
    (B,) or None. dx is overwritten and may be x or t.
    """
    return _loss_door(SIGMOID_CROSS_ENTROPY, x, t, weights, 0, dx)


def mean_absolute_error(y, t, weights, dx, /):
    """Loss = sum_i w_i sum_j |y - t| / (O sum_i w_i); dx = w_i sign(y - t) / (O sum_i w_i).

    y, t, dx: (B, O) with B, O >= 1, weights: (B,) or None. dx is overwritten and may be y or t.
    """
    return _loss_door(MEAN_ABSOLUTE_ERROR, y, t, weights, 0, dx)


def huber_loss(y, t, weights, double delta, dx, /):
    """Loss = sum_i w_i sum_j h(y - t) / (O sum_i w_i).

    h(d) = d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2); dx = w_i clip(y - t, -delta,
    delta) / (O sum_i w_i). y, t, dx: (B, O) with B, O >= 1, weights: (B,) or None, delta > 0 and
    finite. dx is overwritten and may be y or t.
    """
    _require_delta(delta)
    return _loss_door(HUBER_LOSS, y, t, weights, delta, dx)


def poisson_loss(y, t, weights, dx, /):
    """Loss = sum_i w_i sum_j (exp(y) - t y) / (O sum_i w_i).

    dx = w_i (exp(y) - t) / (O sum_i w_i). y, t, dx: (B, O) with B, O >= 1, weights: (B,) or
    None. dx is overwritten and may be y or t.
    """
    return _loss_door(POISSON_LOSS, y, t, weights, 0, dx)


def quantile_loss(y, t, weights, q, dx, /):
    """Loss = sum_i w_i sum_j max(q (t - y), (q - 1) (t - y)) / (O sum_i w_i).

    dx = w_i (-q where y < t, 1 - q where y > t, else 0) / (O sum_i w_i). y, t, dx: (B, O) with
    B, O >= 1, weights: (B,) or None, 0 < q < 1; a list of n has one q for every n-th column, and n
    divides O. dx is overwritten and may be y or t.
    """
    return _loss_door(QUANTILE_LOSS, y, t, weights, q, dx)


def log_cosh_loss(y, t, weights, dx, /):
    """Loss = sum_i w_i sum_j log(cosh(y - t)) / (O sum_i w_i).

    dx = w_i tanh(y - t) / (O sum_i w_i). y, t, dx: (B, O) with B, O >= 1, weights: (B,) or None.
    dx is overwritten and may be y or t.
    """
    return _loss_door(LOG_COSH_LOSS, y, t, weights, 0, dx)


def gaussian_loss(y, t, weights, dx, /):
    """Loss = sum_i w_i sum_j (s + (m - t)^2 exp(-s)) / (O sum_i w_i), for pairs y = (m, s).

    dx = w_i (2 (m - t) exp(-s), 1 - (m - t)^2 exp(-s)) / (O sum_i w_i). y, t, dx: (B, O) with
    B >= 1 and even O, t twice for each pair, weights: (B,) or None. dx is overwritten and may be y
    or t.
    """
    return _loss_door(GAUSSIAN_LOSS, y, t, weights, 0, dx)
