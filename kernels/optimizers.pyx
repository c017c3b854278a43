"""Update rules over flat buffers: W and its state change in place, dW is only read.

Averages decay towards zero wherever a gradient vanishes, and a processor takes a hundred times as
long over subnormal numbers. An average that falls so low therefore settles at zero. What a step
loses by that is far below its rounding error: against an eps of SETTLING_EPS or more it is less
than 2^-29 of the step, and with a smaller eps averages of squares are left as they are.
"""

from libc.float cimport DBL_EPSILON, DBL_MIN, FLT_EPSILON, FLT_MIN
from libc.math cimport fabs, fabsf, fma, sqrt, sqrtf
from libc.stdint cimport uint64_t

cdef double SETTLING_EPS = 1e-10


cdef inline real _settled(real x, real least) noexcept nogil:
    """x, or 0 where |x| < least; NaN stays NaN."""
    if real is float:
        return 0 if fabsf(x) < least else x
    else:
        return 0 if fabs(x) < least else x


cdef inline real _least_average(real* precision) noexcept nogil:
    """The smallest average of gradients kept: in a product with a rate it is a normal number."""
    if real is float:
        return FLT_MIN / FLT_EPSILON
    else:
        return DBL_MIN / DBL_EPSILON


cdef inline double _least_square(double eps, real* precision) noexcept nogil:
    """The smallest average of squares kept, the smallest normal number; 0 for a tiny eps."""
    if eps < SETTLING_EPS:
        return 0
    if real is float:
        return FLT_MIN
    else:
        return DBL_MIN


cdef inline real _sqrt(real x) noexcept nogil:
    if real is float:
        return sqrtf(x)
    else:
        return sqrt(x)


cdef void _sgd_update(Py_ssize_t n, const real* dW, real lr, real weight_decay,
                      real* W) noexcept nogil:
    cdef Py_ssize_t i
    if weight_decay == 0:
        for i in range(n):
            W[i] = fmadd(-lr, dW[i], W[i])
    else:
        for i in range(n):
            W[i] = fmadd(-lr, fmadd(weight_decay, W[i], dW[i]), W[i])


cdef void _momentum_update(Py_ssize_t n, const real* dW, real lr, real momentum, real* v,
                           real* W) noexcept nogil:
    cdef Py_ssize_t i
    cdef real least = _least_average(W)
    for i in range(n):
        v[i] = _settled(fmadd(-lr, dW[i], momentum * v[i]), least)
        W[i] += v[i]


cdef void _nesterov_update(Py_ssize_t n, const real* dW, real lr, real momentum, real* v,
                           real* W) noexcept nogil:
    cdef Py_ssize_t i
    cdef real least = _least_average(W)
    for i in range(n):
        v[i] = _settled(fmadd(-lr, dW[i], momentum * v[i]), least)
        W[i] += fmadd(-lr, dW[i], momentum * v[i])


cdef void _adagrad_update(Py_ssize_t n, const real* dW, real lr, real eps, real* h,
                          real* W) noexcept nogil:
    cdef Py_ssize_t i
    cdef real least = <real> _least_square(eps, W), dw, low = _sqrt(least)
    for i in range(n):
        dw = _settled(dW[i], low)
        h[i] = fmadd(dw, dw, h[i])
        W[i] -= lr * dW[i] / (_sqrt(h[i]) + eps)


cdef void _rmsprop_update(Py_ssize_t n, const real* dW, real lr, real decay, real rest, real eps,
                          real* h, real* W) noexcept nogil:
    """h = decay h + rest dW^2; W -= lr dW / (sqrt(h) + eps)."""
    cdef Py_ssize_t i
    cdef real least = <real> _least_square(eps, W), dw, low = _sqrt(least / rest)
    for i in range(n):
        dw = _settled(dW[i], low)
        h[i] = _settled(fmadd(rest * dw, dw, decay * h[i]), least)
        W[i] -= lr * dW[i] / (_sqrt(h[i]) + eps)


cdef void _adam_update(Py_ssize_t n, const real* dW, real beta1, real rest1, real beta2,
                       real rest2, real rate, real eps, real least_v, real* m, real* v,
                       real* W) noexcept nogil:
    """m = beta1 m + rest1 dW; v = beta2 v + rest2 dW^2; W -= rate m / (sqrt(v) + eps)."""
    cdef Py_ssize_t i
    cdef real low = _sqrt(least_v / rest2), least_m = _least_average(W), dw
    for i in range(n):
        m[i] = _settled(fmadd(beta1, m[i], rest1 * dW[i]), least_m)
        dw = _settled(dW[i], low)
        v[i] = _settled(fmadd(rest2 * dw, dw, beta2 * v[i]), least_v)
        W[i] -= rate * m[i] / (_sqrt(v[i]) + eps)


cdef void _adamw_update(Py_ssize_t n, const real* dW, real beta1, real rest1, real beta2,
                        real rest2, real rate, real eps, real decay, real least_v, real* m,
                        real* v, real* W) noexcept nogil:
    """m and v as Adam's; W -= decay W + rate m / (sqrt(v) + eps).

    Both are taken off in one sum: rounded to single precision, the factor 1 - decay would be off
    by a good part of a small decay, and at every step to the same side.
    """
    cdef Py_ssize_t i
    cdef real low = _sqrt(least_v / rest2), least_m = _least_average(W), dw
    for i in range(n):
        m[i] = _settled(fmadd(beta1, m[i], rest1 * dW[i]), least_m)
        dw = _settled(dW[i], low)
        v[i] = _settled(fmadd(rest2 * dw, dw, beta2 * v[i]), least_v)
        W[i] -= fmadd(decay, W[i], rate * m[i] / (_sqrt(v[i]) + eps))


cdef double _one_less_power(double beta, uint64_t step) noexcept nogil:
    """1 - beta^step, to the last place.

    The power is worked out by squaring, as high + low (Dekker, "A floating-point technique for
    extending the available precision", Numerische Mathematik 18, 1971): where it is close to 1,
    one double's rounding error would be a large part of what is left.
    """
    cdef double high = 1, low = 0, square = beta, square_low = 0, product
    while step > 0:
        if step & 1:
            product = high * square
            low = fma(high, square, -product) + (high * square_low + low * square)
            high = product
        product = square * square
        square_low = fma(square, square, -product) + 2 * square * square_low
        square = product
        step >>= 1
    return (1 - high) - low


cdef void _rmsprop_step(Py_ssize_t n, const real* dW, double lr, double decay, double eps,
                        real* h, real* W) noexcept nogil:
    """The update from the rule's numbers as users give them: 1 - decay in double precision."""
    _rmsprop_update(n, dW, <real> lr, <real> decay, <real> (1 - decay), <real> eps, h, W)


cdef void _adam_step(Py_ssize_t n, const real* dW, double lr, double beta1, double beta2,
                     double eps, double weight_decay, uint64_t step, real* m, real* v,
                     real* W) noexcept nogil:
    """The update number ``step``, 1 or more, from the rule's numbers as users give them.

    With c1, c2 = 1 - beta^step, lr (m / c1) / (sqrt(v / c2) + eps) is
    (lr sqrt(c2) / c1) m / (sqrt(v) + eps sqrt(c2)): one division for each element. All that is
    the same for all of them is worked out in double precision; in single precision 1 - 0.999
    alone would be off by 5e-5 of itself.
    """
    cdef double root = sqrt(_one_less_power(beta2, step))
    cdef real rate = <real> (lr * root / _one_less_power(beta1, step)), small = <real> (eps * root)
    cdef real least_v = <real> _least_square(eps, W)
    if weight_decay == 0:
        _adam_update(n, dW, <real> beta1, <real> (1 - beta1), <real> beta2, <real> (1 - beta2),
                     rate, small, least_v, m, v, W)
    else:
        _adamw_update(n, dW, <real> beta1, <real> (1 - beta1), <real> beta2, <real> (1 - beta2),
                      rate, small, <real> (lr * weight_decay), least_v, m, v, W)


def sgd_update(dW, double lr, double weight_decay, W):
    """W -= lr (dW + weight_decay W).

    dW, W: (n,).
    """
    cdef double[2] numbers = [lr, weight_decay]
    _update_door(SGD, dW, numbers, 0, None, None, None, None, W)


def momentum_update(dW, double lr, double momentum, v, W):
    """v = momentum v - lr dW; W += v.

    dW, v, W: (n,).
    """
    cdef double[2] numbers = [lr, momentum]
    _update_door(MOMENTUM, dW, numbers, 0, "v", v, None, None, W)


def nesterov_update(dW, double lr, double momentum, v, W):
    """v = momentum v - lr dW; W += momentum v - lr dW.

    dW, v, W: (n,). Sutskever et al., ICML 2013, with W at the point where dW was taken.
    """
    cdef double[2] numbers = [lr, momentum]
    _update_door(NESTEROV, dW, numbers, 0, "v", v, None, None, W)


def adagrad_update(dW, double lr, double eps, h, W):
    """h += dW^2; W -= lr dW / (sqrt(h) + eps).

    dW, h, W: (n,). Duchi, Hazan, Singer, JMLR 12 (2011).
    """
    cdef double[2] numbers = [lr, eps]
    _update_door(ADAGRAD, dW, numbers, 0, "h", h, None, None, W)


def rmsprop_update(dW, double lr, double decay, double eps, h, W):
    """h = decay h + (1 - decay) dW^2; W -= lr dW / (sqrt(h) + eps).

    dW, h, W: (n,). Tieleman, Hinton, Neural Networks for Machine Learning (2012), lecture 6.5.
    """
    cdef double[3] numbers = [lr, decay, eps]
    _update_door(RMSPROP, dW, numbers, 0, "h", h, None, None, W)


def adam_update(dW, double lr, double beta1, double beta2, double eps, uint64_t step, m, v, W):
    """m = beta1 m + (1 - beta1) dW; v = beta2 v + (1 - beta2) dW^2; W -= lr m' / (sqrt(v') + eps).

    m' = m / (1 - beta1^step) and v' = v / (1 - beta2^step), with step = 1, 2, ...
    dW, m, v, W: (n,). Kingma, Ba, "Adam", ICLR 2015, algorithm 1.
    """
    cdef double[4] numbers = [lr, beta1, beta2, eps]
    _require_step(step)
    _update_door(ADAM, dW, numbers, step, "m", m, "v", v, W)


def adamw_update(dW, double lr, double beta1, double beta2, double eps, double weight_decay,
                 uint64_t step, m, v, W):
    """W -= lr weight_decay W, then as adam_update, which it is if weight_decay is 0.

    dW, m, v, W: (n,). Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019,
    algorithm 2, with the decay multiplied by lr.
    """
    cdef double[5] numbers = [lr, beta1, beta2, eps, weight_decay]
    _require_step(step)
    _update_door(ADAMW, dW, numbers, step, "m", m, "v", v, W)


cdef int _require_step(uint64_t step) except -1:
    if step < 1:
        raise ValueError(f"step is {step}, wanted 1 or more")
    return 0
