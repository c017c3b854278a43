"""The checked entry points of batch and layer normalization."""

from libc.math cimport INFINITY


cdef int _require_epsilon(double eps) except -1:
    if not 0 < eps < INFINITY:
        raise ValueError(f"eps is {eps}, wanted a finite number above 0")
    return 0


cdef int _require_momentum(double momentum) except -1:
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum is {momentum}, wanted 0 <= momentum <= 1")
    return 0


cdef int _hold_normalizable(Held* held, object x, object gamma, object beta, double eps,
                            object out) except -1:
    """The first four of a forward."""
    _require_epsilon(eps)
    hold_matrix(held, "x", x, READ, ANY, ANY)
    cdef Py_ssize_t B = held_size(held, 0, 0), O = held_size(held, 0, 1)
    hold_vector(held, "gamma", gamma, READ, O)
    hold_vector(held, "beta", beta, READ, O)
    return hold_matrix(held, "out", out, WRITE, B, O)


cdef int _hold_statistics(Held* held, object mean, object variance, Access access,
                          Py_ssize_t length) except -1:
    """Mean and variance, of this length."""
    hold_vector(held, "mean", mean, access, length)
    return hold_vector(held, "variance", variance, access, held_size(held, held.n - 1, 0))


cdef int _hold_gradients(Held* held, object x, object dout, object gamma, double eps, object dx,
                         object dgamma, object dbeta) except -1:
    """The first six of a backward."""
    _require_epsilon(eps)
    hold_matrix(held, "x", x, READ, ANY, ANY)
    cdef Py_ssize_t B = held_size(held, 0, 0), O = held_size(held, 0, 1)
    hold_matrix(held, "dout", dout, READ, B, O)
    hold_vector(held, "gamma", gamma, READ, O)
    hold_matrix(held, "dx", dx, WRITE, B, O)
    hold_vector(held, "dgamma", dgamma, WRITE, O)
    return hold_vector(held, "dbeta", dbeta, WRITE, O)


cdef enum Normalization:
    NORMALIZE_BATCH
    NORMALIZE_AS_TRAINED
    NORMALIZE_ROWS


cdef void _normalize_held(Normalization kind, const Held* held, double eps,
                          real* precision) noexcept nogil:
    """A forward over x, gamma, beta, out, mean and variance, in this order."""
    cdef Py_ssize_t B = held_size(held, 0, 0), O = held_size(held, 0, 1)
    cdef const real* x = <real*> held_data(held, 0)
    cdef const real* gamma = <real*> held_data(held, 1)
    cdef const real* beta = <real*> held_data(held, 2)
    cdef real* out = <real*> held_data(held, 3)
    cdef real* mean = <real*> held_data(held, 4)
    cdef real* variance = <real*> held_data(held, 5)
    if kind == NORMALIZE_BATCH:
        _batch_norm_forward(B, O, O, x, gamma, beta, eps, out, mean, variance)
    elif kind == NORMALIZE_AS_TRAINED:
        _batch_norm_predict(B, O, x, gamma, beta, mean, variance, eps, out)
    elif kind == NORMALIZE_ROWS:
        _layer_norm_forward(B, O, x, gamma, beta, eps, out, mean, variance)
    else:
        refuse("normalization", kind)


cdef int _normalize_door(Normalization kind, object x, object gamma, object beta, double eps,
                         object out, object mean, object variance) except -1:
    cdef Held held
    hold_nothing(&held)
    try:
        _hold_normalizable(&held, x, gamma, beta, eps, out)
        _hold_statistics(&held, mean, variance, READ if kind == NORMALIZE_AS_TRAINED else WRITE,
                         held_size(&held, 0, 0 if kind == NORMALIZE_ROWS else 1))
        with nogil:
            if held.precision == SINGLE_PRECISION:
                _normalize_held(kind, &held, eps, <float*> NULL)
            elif held.precision == DOUBLE_PRECISION:
                _normalize_held(kind, &held, eps, <double*> NULL)
            else:
                refuse("precision", held.precision)
    finally:
        let_go(&held)
    return 0


cdef void _unnormalize_held(Normalization kind, const Held* held, double eps, bint train,
                            real* precision) noexcept nogil:
    """A backward over x, dout, gamma, dx, dgamma, dbeta, mean and variance, in this order."""
    cdef Py_ssize_t B = held_size(held, 0, 0), O = held_size(held, 0, 1)
    cdef const real* x = <real*> held_data(held, 0)
    cdef const real* dout = <real*> held_data(held, 1)
    cdef const real* gamma = <real*> held_data(held, 2)
    cdef real* dx = <real*> held_data(held, 3)
    cdef real* dgamma = <real*> held_data(held, 4)
    cdef real* dbeta = <real*> held_data(held, 5)
    cdef const real* mean = <real*> held_data(held, 6)
    cdef const real* variance = <real*> held_data(held, 7)
    if kind == NORMALIZE_ROWS:
        _layer_norm_backward(B, O, x, dout, gamma, mean, variance, eps, dx, dgamma, dbeta)
    elif kind == NORMALIZE_BATCH:
        _batch_norm_backward(B, O, O, x, dout, gamma, mean, variance, eps, train, dx, dgamma,
                             dbeta)
    else:
        refuse("normalization with a gradient", kind)


cdef int _unnormalize_door(Normalization kind, object x, object dout, object gamma, object mean,
                           object variance, double eps, bint train, object dx, object dgamma,
                           object dbeta) except -1:
    cdef Held held
    hold_nothing(&held)
    try:
        _hold_gradients(&held, x, dout, gamma, eps, dx, dgamma, dbeta)
        _hold_statistics(&held, mean, variance, READ,
                         held_size(&held, 0, 0 if kind == NORMALIZE_ROWS else 1))
        with nogil:
            if held.precision == SINGLE_PRECISION:
                _unnormalize_held(kind, &held, eps, train, <float*> NULL)
            elif held.precision == DOUBLE_PRECISION:
                _unnormalize_held(kind, &held, eps, train, <double*> NULL)
            else:
                refuse("precision", held.precision)
    finally:
        let_go(&held)
    return 0


cdef void _update_statistics_held(const Held* held, double momentum, Py_ssize_t rows,
                                  real* precision) noexcept nogil:
    """The running statistics over mean, variance, running_mean and running_var, in this order."""
    _batch_norm_update(held_size(held, 0, 0), <real*> held_data(held, 0),
                       <real*> held_data(held, 1), momentum, rows, <real*> held_data(held, 2),
                       <real*> held_data(held, 3))


def batch_norm_forward(x, gamma, beta, double eps, out, mean, variance):
    """out = gamma (x - mean) / sqrt(variance + eps) + beta, with the batch's own statistics.

    x, out: (B, O), gamma, beta, mean, variance: (O,), eps > 0. variance is the mean of the
    squared distances to the mean; both are 0 for no rows. out, mean and variance are overwritten;
    out may be x.
    """
    _normalize_door(NORMALIZE_BATCH, x, gamma, beta, eps, out, mean, variance)


def batch_norm_predict(x, gamma, beta, mean, variance, double eps, out):
    """out = scale x + shift; scale = gamma / sqrt(variance + eps), shift = beta - scale mean.

    x, out: (B, O), gamma, beta, mean, variance: (O,), eps > 0. out is overwritten and may be x.
    """
    _normalize_door(NORMALIZE_AS_TRAINED, x, gamma, beta, eps, out, mean, variance)


def batch_norm_backward(x, dout, gamma, mean, variance, double eps, bint train, dx, dgamma,
                        dbeta):
    """With n = (x - mean) / sqrt(variance + eps): dgamma = sum of dout n, dbeta = sum of dout.

    The sums go over the rows. dx = gamma / sqrt(variance + eps) (dout - dbeta / B - n dgamma / B)
    where mean and variance are those of the batch, and so follow x (train); without the two last
    terms where they are given numbers.
    x, dout, dx: (B, O), gamma, mean, variance, dgamma, dbeta: (O,), eps > 0. dx, dgamma and dbeta
    are overwritten; dx may be dout.
    """
    _unnormalize_door(NORMALIZE_BATCH, x, dout, gamma, mean, variance, eps, train, dx, dgamma,
                      dbeta)


def batch_norm_update(mean, variance, double momentum, Py_ssize_t rows, running_mean,
                      running_var):
    """running_mean += momentum (mean - running_mean), and running_var by the unbiased variance.

    The unbiased variance is variance rows / (rows - 1).
    mean, variance, running_mean, running_var: (O,), 0 <= momentum <= 1, rows >= 2, the number
    that the mean and the variance were taken of. running_mean and running_var are overwritten.
    """
    cdef Held held
    _require_momentum(momentum)
    if rows < 2:
        raise ValueError(f"rows is {rows}, wanted 2 or more")
    hold_nothing(&held)
    try:
        _hold_statistics(&held, mean, variance, READ, ANY)
        hold_vector(&held, "running_mean", running_mean, WRITE, held_size(&held, 0, 0))
        hold_vector(&held, "running_var", running_var, WRITE, held_size(&held, 0, 0))
        with nogil:
            if held.precision == SINGLE_PRECISION:
                _update_statistics_held(&held, momentum, rows, <float*> NULL)
            elif held.precision == DOUBLE_PRECISION:
                _update_statistics_held(&held, momentum, rows, <double*> NULL)
            else:
                refuse("precision", held.precision)
    finally:
        let_go(&held)


def layer_norm_forward(x, gamma, beta, double eps, out, mean, variance):
    """out = gamma (x - mean) / sqrt(variance + eps) + beta, with each row's own statistics.

    x, out: (B, O), gamma, beta: (O,), mean, variance: (B,), eps > 0. variance is the mean of the
    squared distances to the mean. out, mean and variance are overwritten; out may be x.
    """
    _normalize_door(NORMALIZE_ROWS, x, gamma, beta, eps, out, mean, variance)


def layer_norm_backward(x, dout, gamma, mean, variance, double eps, dx, dgamma, dbeta):
    """With n = (x - mean) / sqrt(variance + eps): dgamma = sum of dout n, dbeta = sum of dout.

    The sums go over the rows. dx = (d - mean of d - n mean of d n) / sqrt(variance + eps) for
    d = dout gamma, with means over the numbers of a row.
    x, dout, dx: (B, O), gamma, dgamma, dbeta: (O,), mean, variance: (B,), eps > 0. dx, dgamma and
    dbeta are overwritten; dx may be dout.
    """
    _unnormalize_door(NORMALIZE_ROWS, x, dout, gamma, mean, variance, eps, True, dx, dgamma, dbeta)
