"""The checked entry points of batch and layer normalization."""

from cpython.object cimport PyObject
from libc.math cimport INFINITY


cdef int _require_epsilon(double eps) except -1:
    if not 0 < eps < INFINITY:
        raise ValueError(f"eps is {eps}, wanted a finite number above 0")
    return 0


cdef int _require_momentum(double momentum) except -1:
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum is {momentum}, wanted 0 <= momentum <= 1")
    return 0


cdef enum Normalization:
    NORMALIZE_BATCH
    NORMALIZE_AS_TRAINED
    NORMALIZE_ROWS

cdef struct NormalizationJob:
    Normalization kind
    double eps
    bint train


cdef int _require_positive(void* job, const Held* held) except -1:
    return _require_epsilon((<NormalizationJob*> job).eps)


cdef void _normalize_held(void* job_, const Held* held, real* precision) noexcept nogil:
    """A forward over x, gamma, beta, out, mean and variance, in this order."""
    cdef const NormalizationJob* job = <const NormalizationJob*> job_
    cdef Py_ssize_t B = held_size(held, 0, 0), O = held_size(held, 0, 1)
    cdef const real* x = <real*> held_data(held, 0)
    cdef const real* gamma = <real*> held_data(held, 1)
    cdef const real* beta = <real*> held_data(held, 2)
    cdef real* out = <real*> held_data(held, 3)
    cdef real* mean = <real*> held_data(held, 4)
    cdef real* variance = <real*> held_data(held, 5)
    if job.kind == NORMALIZE_BATCH:
        _batch_norm_forward(B, O, O, x, gamma, beta, job.eps, out, mean, variance)
    elif job.kind == NORMALIZE_AS_TRAINED:
        _batch_norm_predict(B, O, x, gamma, beta, mean, variance, job.eps, out)
    elif job.kind == NORMALIZE_ROWS:
        _layer_norm_forward(B, O, x, gamma, beta, job.eps, out, mean, variance)
    else:
        refuse("normalization", job.kind)


cdef int _normalize_door(Normalization kind, const char* shapes, object x, object gamma,
                         object beta, double eps, object out, object mean,
                         object variance) except -1:
    cdef NormalizationJob job = NormalizationJob(kind, eps, False)
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> gamma, <PyObject*> beta,
                              <PyObject*> out, <PyObject*> mean, <PyObject*> variance]
    return enter(shapes, arrays, _require_positive, _normalize_held, _normalize_held, &job)


cdef void _unnormalize_held(void* job_, const Held* held, real* precision) noexcept nogil:
    """A backward over x, dout, gamma, dx, dgamma, dbeta, mean and variance, in this order."""
    cdef const NormalizationJob* job = <const NormalizationJob*> job_
    cdef Py_ssize_t B = held_size(held, 0, 0), O = held_size(held, 0, 1)
    cdef const real* x = <real*> held_data(held, 0)
    cdef const real* dout = <real*> held_data(held, 1)
    cdef const real* gamma = <real*> held_data(held, 2)
    cdef real* dx = <real*> held_data(held, 3)
    cdef real* dgamma = <real*> held_data(held, 4)
    cdef real* dbeta = <real*> held_data(held, 5)
    cdef const real* mean = <real*> held_data(held, 6)
    cdef const real* variance = <real*> held_data(held, 7)
    if job.kind == NORMALIZE_ROWS:
        _layer_norm_backward(B, O, x, dout, gamma, mean, variance, job.eps, dx, dgamma, dbeta)
    elif job.kind == NORMALIZE_BATCH:
        _batch_norm_backward(B, O, O, x, dout, gamma, mean, variance, job.eps, job.train, dx,
                             dgamma, dbeta)
    else:
        refuse("normalization with a gradient", job.kind)


cdef int _unnormalize_door(Normalization kind, const char* shapes, object x, object dout,
                           object gamma, object mean, object variance, double eps, bint train,
                           object dx, object dgamma, object dbeta) except -1:
    cdef NormalizationJob job = NormalizationJob(kind, eps, train)
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> dout, <PyObject*> gamma,
                              <PyObject*> dx, <PyObject*> dgamma, <PyObject*> dbeta,
                              <PyObject*> mean, <PyObject*> variance]
    return enter(shapes, arrays, _require_positive, _unnormalize_held, _unnormalize_held, &job)


cdef struct StatisticsJob:
    double momentum
    Py_ssize_t rows


cdef void _update_statistics_held(void* job_, const Held* held, real* precision) noexcept nogil:
    """The running statistics over mean, variance, running_mean and running_var, in this order."""
    cdef const StatisticsJob* job = <const StatisticsJob*> job_
    _batch_norm_update(held_size(held, 0, 0), <real*> held_data(held, 0),
                       <real*> held_data(held, 1), job.momentum, job.rows,
                       <real*> held_data(held, 2), <real*> held_data(held, 3))


def batch_norm_forward(x, gamma, beta, double eps, out, mean, variance, /):
    """out = gamma (x - mean) / sqrt(variance + eps) + beta, with the batch's own statistics.

    x, out: (B, O), gamma, beta, mean, variance: (O,), eps > 0. variance is the mean of the
    squared distances to the mean; both are 0 for no rows. out, mean and variance are overwritten;
    out may be x.
    """
    _normalize_door(NORMALIZE_BATCH, b"x BO, gamma O, beta O, =out BO, =mean O, =variance O", x,
                    gamma, beta, eps, out, mean, variance)


def batch_norm_predict(x, gamma, beta, mean, variance, double eps, out, /):
    """out = scale x + shift; scale = gamma / sqrt(variance + eps), shift = beta - scale mean.

    x, out: (B, O), gamma, beta, mean, variance: (O,), eps > 0. out is overwritten and may be x.
    """
    _normalize_door(NORMALIZE_AS_TRAINED, b"x BO, gamma O, beta O, =out BO, mean O, variance O", x,
                    gamma, beta, eps, out, mean, variance)


def batch_norm_backward(x, dout, gamma, mean, variance, double eps, bint train, dx, dgamma,
                        dbeta, /):
    """With n = (x - mean) / sqrt(variance + eps): dgamma = sum of dout n, dbeta = sum of dout.

    The sums go over the rows. dx = gamma / sqrt(variance + eps) (dout - dbeta / B - n dgamma / B)
    where mean and variance are those of the batch, and so follow x (train); without the two last
    terms where they are given numbers.
    x, dout, dx: (B, O), gamma, mean, variance, dgamma, dbeta: (O,), eps > 0. dx, dgamma and dbeta
    are overwritten; dx may be dout.
    """
    _unnormalize_door(NORMALIZE_BATCH, b"x BO, dout BO, gamma O, =dx BO, =dgamma O, =dbeta O, "
                      b"mean O, variance O", x, dout, gamma, mean, variance, eps, train, dx,
                      dgamma, dbeta)


def batch_norm_update(mean, variance, double momentum, Py_ssize_t rows, running_mean,
                      running_var, /):
    """running_mean += momentum (mean - running_mean), and running_var by the unbiased variance.

    The unbiased variance is variance rows / (rows - 1).
    mean, variance, running_mean, running_var: (O,), 0 <= momentum <= 1, rows >= 2, the number
    that the mean and the variance were taken of. running_mean and running_var are overwritten.
    """
    cdef StatisticsJob job = StatisticsJob(momentum, rows)
    cdef PyObject** arrays = [<PyObject*> mean, <PyObject*> variance, <PyObject*> running_mean,
                              <PyObject*> running_var]
    _require_momentum(momentum)
    if rows < 2:
        raise ValueError(f"rows is {rows}, wanted 2 or more")
    enter(b"mean O, variance O, =running_mean O, =running_var O", arrays, NULL,
          _update_statistics_held, _update_statistics_held, &job)


def layer_norm_forward(x, gamma, beta, double eps, out, mean, variance, /):
    """out = gamma (x - mean) / sqrt(variance + eps) + beta, with each row's own statistics.

    x, out: (B, O), gamma, beta: (O,), mean, variance: (B,), eps > 0. variance is the mean of the
    squared distances to the mean. out, mean and variance are overwritten; out may be x.
    """
    _normalize_door(NORMALIZE_ROWS, b"x BO, gamma O, beta O, =out BO, =mean B, =variance B", x,
                    gamma, beta, eps, out, mean, variance)


def layer_norm_backward(x, dout, gamma, mean, variance, double eps, dx, dgamma, dbeta, /):
    """With n = (x - mean) / sqrt(variance + eps): dgamma = sum of dout n, dbeta = sum of dout.

    The sums go over the rows. dx = (d - mean of d - n mean of d n) / sqrt(variance + eps) for
    d = dout gamma, with means over the numbers of a row.
    x, dout, dx: (B, O), gamma, dgamma, dbeta: (O,), mean, variance: (B,), eps > 0. dx, dgamma and
    dbeta are overwritten; dx may be dout.
    """
    _unnormalize_door(NORMALIZE_ROWS, b"x BO, dout BO, gamma O, =dx BO, =dgamma O, =dbeta O, "
                      b"mean B, variance B", x, dout, gamma, mean, variance, eps, True, dx,
                      dgamma, dbeta)
