"""Update rules over flat buffers: W and its state change in place, dW is only read."""

from libc.math cimport sqrt, sqrtf
from libc.stdint cimport uint64_t


cdef inline real _sqrt(real x) noexcept nogil:
    if real is float:
        return sqrtf(x)
    else:
        return sqrt(x)


cdef void _sgd_update(Py_ssize_t n, const real* dW, real lr, real* W) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        W[i] = fmadd(-lr, dW[i], W[i])


cdef void _momentum_update(Py_ssize_t n, const real* dW, real lr, real momentum, real* v,
                           real* W) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        v[i] = fmadd(-lr, dW[i], momentum * v[i])
        W[i] += v[i]


cdef void _adagrad_update(Py_ssize_t n, const real* dW, real lr, real eps, real* h,
                          real* W) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        h[i] = fmadd(dW[i], dW[i], h[i])
        W[i] -= lr * dW[i] / (_sqrt(h[i]) + eps)


cdef void _adam_update(Py_ssize_t n, const real* dW, real lr, real beta1, real rest1, real beta2,
                       real rest2, real eps, real correction1, real correction2, real* m,
                       real* v, real* W) noexcept nogil:
    """rest = 1 - beta and correction = 1 - beta^step, worked out in double: in single precision
    1 - 0.999 would be off by 5e-5 of itself.
    """
    cdef Py_ssize_t i
    for i in range(n):
        m[i] = fmadd(beta1, m[i], rest1 * dW[i])
        v[i] = fmadd(beta2, v[i], rest2 * (dW[i] * dW[i]))
        W[i] -= lr * (m[i] / correction1) / (_sqrt(v[i] / correction2) + eps)


cdef void _adam_step(Py_ssize_t n, const real* dW, double lr, double beta1, double beta2,
                     double eps, uint64_t step, real* m, real* v, real* W) noexcept nogil:
    """The update number ``step``, 1 or more, from the rule's numbers as users give them."""
    _adam_update(n, dW, <real> lr, <real> beta1, <real> (1 - beta1), <real> beta2,
                 <real> (1 - beta2), <real> eps, <real> (1 - beta1 ** <double> step),
                 <real> (1 - beta2 ** <double> step), m, v, W)


def sgd_update(const real[::1] dW not None, double lr, real[::1] W not None):
    """W -= lr dW.

    dW, W: (n,).
    """
    require_length("W", W.shape[0], dW.shape[0])
    with nogil:
        _sgd_update(dW.shape[0], flat_address(dW), <real> lr, flat_address(W))


def momentum_update(const real[::1] dW not None, double lr, double momentum,
                    real[::1] v not None, real[::1] W not None):
    """v = momentum v - lr dW; W += v.

    dW, v, W: (n,).
    """
    require_length("v", v.shape[0], dW.shape[0])
    require_length("W", W.shape[0], dW.shape[0])
    with nogil:
        _momentum_update(dW.shape[0], flat_address(dW), <real> lr, <real> momentum,
                         flat_address(v), flat_address(W))


def adagrad_update(const real[::1] dW not None, double lr, double eps, real[::1] h not None,
                   real[::1] W not None):
    """h += dW^2; W -= lr dW / (sqrt(h) + eps).

    dW, h, W: (n,). Duchi, Hazan, Singer, JMLR 12 (2011).
    """
    require_length("h", h.shape[0], dW.shape[0])
    require_length("W", W.shape[0], dW.shape[0])
    with nogil:
        _adagrad_update(dW.shape[0], flat_address(dW), <real> lr, <real> eps, flat_address(h),
                        flat_address(W))


def adam_update(const real[::1] dW not None, double lr, double beta1, double beta2, double eps,
                uint64_t step, real[::1] m not None, real[::1] v not None,
                real[::1] W not None):
    """m = beta1 m + (1 - beta1) dW; v = beta2 v + (1 - beta2) dW^2; W -= lr m' / (sqrt(v') + eps).

    m' = m / (1 - beta1^step) and v' = v / (1 - beta2^step), with step = 1, 2, ...
    dW, m, v, W: (n,). Kingma, Ba, "Adam", ICLR 2015, algorithm 1.
    """
    require_length("m", m.shape[0], dW.shape[0])
    require_length("v", v.shape[0], dW.shape[0])
    require_length("W", W.shape[0], dW.shape[0])
    if step < 1:
        raise ValueError(f"step is {step}, wanted 1 or more")
    with nogil:
        _adam_step(dW.shape[0], flat_address(dW), lr, beta1, beta2, eps, step, flat_address(m),
                   flat_address(v), flat_address(W))
