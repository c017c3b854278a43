"""Activation functions, element by element over flat arrays of any length.

Each backward needs only the output y of its forward. ``out`` may be ``x`` and ``dx`` may be
``dout``: every element is read before it is written.
"""

from libc.math cimport exp, expf, tanh, tanhf


cdef inline real _exp(real x) noexcept nogil:
    if real is float:
        return expf(x)
    else:
        return exp(x)


cdef inline real _tanh(real x) noexcept nogil:
    if real is float:
        return tanhf(x)
    else:
        return tanh(x)


cdef void _relu_forward(Py_ssize_t n, const real* x, real* out) noexcept nogil:
    # x < 0 is false for NaN, so a NaN stays visible.
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = 0 if x[i] < 0 else x[i]


cdef void _relu_backward(Py_ssize_t n, const real* y, const real* dout, real* dx) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        dx[i] = 0 if y[i] <= 0 else dout[i]


cdef void _leaky_relu_forward(Py_ssize_t n, const real* x, real slope, real* out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = slope * x[i] if x[i] < 0 else x[i]


cdef void _leaky_relu_backward(Py_ssize_t n, const real* y, const real* dout, real slope,
                               real* dx) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        dx[i] = slope * dout[i] if y[i] <= 0 else dout[i]


cdef void _sigmoid_forward(Py_ssize_t n, const real* x, real* out) noexcept nogil:
    # exp is only ever taken of -|x|, so it cannot overflow.
    cdef Py_ssize_t i
    cdef real e
    for i in range(n):
        if x[i] < 0:
            e = _exp(x[i])
            out[i] = e / (1 + e)
        else:
            out[i] = 1 / (1 + _exp(-x[i]))


cdef void _sigmoid_backward(Py_ssize_t n, const real* y, const real* dout,
                            real* dx) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        dx[i] = dout[i] * y[i] * (1 - y[i])


cdef void _tanh_forward(Py_ssize_t n, const real* x, real* out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = _tanh(x[i])


cdef void _tanh_backward(Py_ssize_t n, const real* y, const real* dout, real* dx) noexcept nogil:
    # (1 - y)(1 + y) rather than 1 - y^2: no cancellation where y is close to 1.
    cdef Py_ssize_t i
    for i in range(n):
        dx[i] = dout[i] * ((1 - y[i]) * (1 + y[i]))


def relu_forward(const real[::1] x not None, real[::1] out not None):
    """out = x where x >= 0, 0 where x < 0; NaN stays NaN.

    x, out: (n,). out is overwritten and may be x.
    """
    require_length("out", out.shape[0], x.shape[0])
    with nogil:
        _relu_forward(x.shape[0], flat_address(x), flat_address(out))


def relu_backward(const real[::1] y not None, const real[::1] dout not None,
                  real[::1] dx not None):
    """dx = dout where y > 0, 0 where y <= 0; dout passes where y is NaN.

    y, dout, dx: (n,). dx is overwritten and may be dout.
    """
    require_length("dout", dout.shape[0], y.shape[0])
    require_length("dx", dx.shape[0], y.shape[0])
    with nogil:
        _relu_backward(y.shape[0], flat_address(y), flat_address(dout), flat_address(dx))


def leaky_relu_forward(const real[::1] x not None, double slope, real[::1] out not None):
    """out = x where x >= 0, slope * x where x < 0.

    x, out: (n,). out is overwritten and may be x.
    """
    require_length("out", out.shape[0], x.shape[0])
    with nogil:
        _leaky_relu_forward(x.shape[0], flat_address(x), <real> slope, flat_address(out))


def leaky_relu_backward(const real[::1] y not None, const real[::1] dout not None, double slope,
                        real[::1] dx not None):
    """dx = dout where y > 0, slope * dout where y <= 0.

    y, dout, dx: (n,). dx is overwritten and may be dout. slope >= 0, so that the sign of y is
    the sign of x.
    """
    require_length("dout", dout.shape[0], y.shape[0])
    require_length("dx", dx.shape[0], y.shape[0])
    with nogil:
        _leaky_relu_backward(y.shape[0], flat_address(y), flat_address(dout), <real> slope,
                             flat_address(dx))


def sigmoid_forward(const real[::1] x not None, real[::1] out not None):
    """out = 1 / (1 + exp(-x)).

    x, out: (n,). out is overwritten and may be x.
    """
    require_length("out", out.shape[0], x.shape[0])
    with nogil:
        _sigmoid_forward(x.shape[0], flat_address(x), flat_address(out))


def sigmoid_backward(const real[::1] y not None, const real[::1] dout not None,
                     real[::1] dx not None):
    """dx = dout y (1 - y).

    y, dout, dx: (n,). dx is overwritten and may be dout.
    """
    require_length("dout", dout.shape[0], y.shape[0])
    require_length("dx", dx.shape[0], y.shape[0])
    with nogil:
        _sigmoid_backward(y.shape[0], flat_address(y), flat_address(dout), flat_address(dx))


def tanh_forward(const real[::1] x not None, real[::1] out not None):
    """out = tanh(x).

    x, out: (n,). out is overwritten and may be x.
    """
    require_length("out", out.shape[0], x.shape[0])
    with nogil:
        _tanh_forward(x.shape[0], flat_address(x), flat_address(out))


def tanh_backward(const real[::1] y not None, const real[::1] dout not None,
                  real[::1] dx not None):
    """dx = dout (1 - y^2).

    y, dout, dx: (n,). dx is overwritten and may be dout.
    """
    require_length("dout", dout.shape[0], y.shape[0])
    require_length("dx", dx.shape[0], y.shape[0])
    with nogil:
        _tanh_backward(y.shape[0], flat_address(y), flat_address(dout), flat_address(dx))
