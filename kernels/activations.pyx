"""Activation functions, element by element over flat arrays of any length.

Each backward needs only the output y of its forward. ``out`` may be ``x`` and ``dx`` may be
``dout``: every element is read before it is written.
"""

cdef enum ElementFunction:
    EXP_OF
    RELU_OF
    RELU_GRADIENT
    LEAKY_RELU_OF
    LEAKY_RELU_GRADIENT
    SIGMOID_OF
    SIGMOID_GRADIENT
    TANH_OF
    TANH_GRADIENT


cdef inline vector _element(ElementFunction function, vector x, vector dout,
                            vector slope) noexcept nogil:
    """function(x), or the gradient for dout where x is the function's output."""
    cdef vector zero = vnumber(&x, 0)
    if function == EXP_OF:
        return vexp(x)
    if function == RELU_OF:
        # x < 0 is false for NaN, so a NaN stays visible.
        return vselect_less(x, zero, zero, x)
    if function == RELU_GRADIENT:
        return vselect_at_most(x, zero, zero, dout)
    if function == LEAKY_RELU_OF:
        return vselect_less(x, zero, slope * x, x)
    if function == LEAKY_RELU_GRADIENT:
        return vselect_at_most(x, zero, slope * dout, dout)
    if function == SIGMOID_OF:
        return vsigmoid(x)
    if function == SIGMOID_GRADIENT:
        return dout * x * (1 - x)
    if function == TANH_OF:
        return vtanh(x)
    # (1 - y)(1 + y) rather than 1 - y^2: no cancellation where y is close to 1.
    return dout * ((1 - x) * (1 + x))


cdef inlined_void _map_vectors(ElementFunction function, Py_ssize_t n, const vector* x,
                               const vector* dout, double slope, vector* out) noexcept nogil:
    while n > 0:
        vstore(out, _element(function, vload(x, n), vload(dout, n), vnumber(x, slope)), n)
        x, dout, out, n = x + 1, dout + 1, out + 1, n - vlanes(x)


cdef inlined_void _map(ElementFunction function, Py_ssize_t n, const real* x, const real* dout,
                       double slope, real* out) noexcept nogil:
    """out = function(x, dout, slope) for n elements, each on its own.

    The function is a constant wherever this is called: one loop serves them all, and of
    ``_element`` the compiler keeps the one branch. Compilers' own vectors give up where out is x.
    """
    if real is float:
        _map_vectors(function, n, <const vfloat*> x, <const vfloat*> dout, slope, <vfloat*> out)
    else:
        _map_vectors(function, n, <const vdouble*> x, <const vdouble*> dout, slope,
                     <vdouble*> out)


cdef void _exp_forward(Py_ssize_t n, const real* x, real* out) noexcept nogil:
    _map(EXP_OF, n, x, x, 0, out)


cdef void _relu_forward(Py_ssize_t n, const real* x, real* out) noexcept nogil:
    _map(RELU_OF, n, x, x, 0, out)


cdef void _relu_backward(Py_ssize_t n, const real* y, const real* dout, real* dx) noexcept nogil:
    _map(RELU_GRADIENT, n, y, dout, 0, dx)


cdef void _leaky_relu_forward(Py_ssize_t n, const real* x, real slope, real* out) noexcept nogil:
    _map(LEAKY_RELU_OF, n, x, x, slope, out)


cdef void _leaky_relu_backward(Py_ssize_t n, const real* y, const real* dout, real slope,
                               real* dx) noexcept nogil:
    _map(LEAKY_RELU_GRADIENT, n, y, dout, slope, dx)


cdef void _sigmoid_forward(Py_ssize_t n, const real* x, real* out) noexcept nogil:
    _map(SIGMOID_OF, n, x, x, 0, out)


cdef void _sigmoid_backward(Py_ssize_t n, const real* y, const real* dout,
                            real* dx) noexcept nogil:
    _map(SIGMOID_GRADIENT, n, y, dout, 0, dx)


cdef void _tanh_forward(Py_ssize_t n, const real* x, real* out) noexcept nogil:
    _map(TANH_OF, n, x, x, 0, out)


cdef void _tanh_backward(Py_ssize_t n, const real* y, const real* dout, real* dx) noexcept nogil:
    _map(TANH_GRADIENT, n, y, dout, 0, dx)


def _exp(const real[::1] x not None, real[::1] out not None):
    """out = exp(x): what softmax and sigmoid are made of, alone, for its tests.

    x, out: (n,). out is overwritten and may be x.
    """
    require_length("out", out.shape[0], x.shape[0])
    with nogil:
        _exp_forward(x.shape[0], flat_address(x), flat_address(out))


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
