"""Activation functions, element by element over flat arrays of any length.

Each backward needs one array of its forward: the output y, or for gelu and silu, which rise and
fall, the input x. ``out`` may be ``x`` and ``dx`` may be ``dout``: every element is read before it
is written.
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
    NORMAL_OF
    GELU_OF
    GELU_GRADIENT
    SILU_OF
    SILU_GRADIENT


cdef inline vector _element(ElementFunction function, vector x, vector dout,
                            vector slope) noexcept nogil:
    """function(x), or the gradient for dout where x is what the function's backward needs."""
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
    if function == TANH_GRADIENT:
        # (1 - y)(1 + y) rather than 1 - y^2: no cancellation where y is close to 1.
        return dout * ((1 - x) * (1 + x))
    if function == NORMAL_OF:
        return vnormal(x)
    if function == GELU_OF:
        return vgelu(x)
    if function == GELU_GRADIENT:
        return dout * vgelu_slope(x)
    if function == SILU_OF:
        return vsilu(x)
    return dout * vsilu_slope(x)


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


cdef void _normal_forward(Py_ssize_t n, const real* x, real* out) noexcept nogil:
    _map(NORMAL_OF, n, x, x, 0, out)


cdef void _gelu_forward(Py_ssize_t n, const real* x, real* out) noexcept nogil:
    _map(GELU_OF, n, x, x, 0, out)


cdef void _gelu_backward(Py_ssize_t n, const real* x, const real* dout, real* dx) noexcept nogil:
    _map(GELU_GRADIENT, n, x, dout, 0, dx)


cdef void _silu_forward(Py_ssize_t n, const real* x, real* out) noexcept nogil:
    _map(SILU_OF, n, x, x, 0, out)


cdef void _silu_backward(Py_ssize_t n, const real* x, const real* dout, real* dx) noexcept nogil:
    _map(SILU_GRADIENT, n, x, dout, 0, dx)


cdef void _element_held(ElementFunction function, const Held* held, double slope,
                        real* precision) noexcept nogil:
    """Any of them, over the arrays held: what it needs, dout in a backward, and its result."""
    cdef Py_ssize_t n = held_size(held, 0, 0)
    cdef const real* x = <real*> held_data(held, 0)
    cdef const real* dout = <real*> held_data(held, held.n - 2)
    cdef real* out = <real*> held_data(held, held.n - 1)
    if function == EXP_OF:
        _exp_forward(n, x, out)
    elif function == RELU_OF:
        _relu_forward(n, x, out)
    elif function == RELU_GRADIENT:
        _relu_backward(n, x, dout, out)
    elif function == LEAKY_RELU_OF:
        _leaky_relu_forward(n, x, <real> slope, out)
    elif function == LEAKY_RELU_GRADIENT:
        _leaky_relu_backward(n, x, dout, <real> slope, out)
    elif function == SIGMOID_OF:
        _sigmoid_forward(n, x, out)
    elif function == SIGMOID_GRADIENT:
        _sigmoid_backward(n, x, dout, out)
    elif function == TANH_OF:
        _tanh_forward(n, x, out)
    elif function == TANH_GRADIENT:
        _tanh_backward(n, x, dout, out)
    elif function == NORMAL_OF:
        _normal_forward(n, x, out)
    elif function == GELU_OF:
        _gelu_forward(n, x, out)
    elif function == GELU_GRADIENT:
        _gelu_backward(n, x, dout, out)
    elif function == SILU_OF:
        _silu_forward(n, x, out)
    else:
        _silu_backward(n, x, dout, out)


cdef int _apply_to_held(ElementFunction function, Held* held, double slope) except -1:
    with nogil:
        if held.single:
            _element_held(function, held, slope, <float*> NULL)
        else:
            _element_held(function, held, slope, <double*> NULL)
    return 0


cdef int _forward_door(ElementFunction function, object x, double slope, object out) except -1:
    cdef Held held
    hold_nothing(&held)
    try:
        hold_vector(&held, "x", x, READ, ANY)
        hold_vector(&held, "out", out, WRITE, held_size(&held, 0, 0))
        _apply_to_held(function, &held, slope)
    finally:
        let_go(&held)
    return 0


cdef int _backward_door(ElementFunction function, str name, object x, object dout, double slope,
                        object dx) except -1:
    """For a backward whose first argument is called ``name``."""
    cdef Held held
    hold_nothing(&held)
    try:
        hold_vector(&held, name, x, READ, ANY)
        hold_vector(&held, "dout", dout, READ, held_size(&held, 0, 0))
        hold_vector(&held, "dx", dx, WRITE, held_size(&held, 0, 0))
        _apply_to_held(function, &held, slope)
    finally:
        let_go(&held)
    return 0


def _exp(x, out):
    """out = exp(x): what softmax and sigmoid are made of, alone, for its tests.

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(EXP_OF, x, 0, out)


def relu_forward(x, out):
    """out = x where x >= 0, 0 where x < 0; NaN stays NaN.

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(RELU_OF, x, 0, out)


def relu_backward(y, dout, dx):
    """dx = dout where y > 0, 0 where y <= 0; dout passes where y is NaN.

    y, dout, dx: (n,). dx is overwritten and may be dout.
    """
    _backward_door(RELU_GRADIENT, "y", y, dout, 0, dx)


def leaky_relu_forward(x, double slope, out):
    """out = x where x >= 0, slope * x where x < 0.

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(LEAKY_RELU_OF, x, slope, out)


def leaky_relu_backward(y, dout, double slope, dx):
    """dx = dout where y > 0, slope * dout where y <= 0.

    y, dout, dx: (n,). dx is overwritten and may be dout. slope >= 0, so that the sign of y is
    the sign of x.
    """
    _backward_door(LEAKY_RELU_GRADIENT, "y", y, dout, slope, dx)


def sigmoid_forward(x, out):
    """out = 1 / (1 + exp(-x)).

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(SIGMOID_OF, x, 0, out)


def sigmoid_backward(y, dout, dx):
    """dx = dout y (1 - y).

    y, dout, dx: (n,). dx is overwritten and may be dout.
    """
    _backward_door(SIGMOID_GRADIENT, "y", y, dout, 0, dx)


def tanh_forward(x, out):
    """out = tanh(x).

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(TANH_OF, x, 0, out)


def tanh_backward(y, dout, dx):
    """dx = dout (1 - y^2).

    y, dout, dx: (n,). dx is overwritten and may be dout.
    """
    _backward_door(TANH_GRADIENT, "y", y, dout, 0, dx)


def _normal(x, out):
    """out = Phi(x), the normal distribution's function: what gelu is made of, for its tests.

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(NORMAL_OF, x, 0, out)


def gelu_forward(x, out):
    """out = x Phi(x), with Phi the normal distribution's function; 0 for -inf.

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(GELU_OF, x, 0, out)


def gelu_backward(x, dout, dx):
    """dx = dout (Phi(x) + x phi(x)), with phi(x) = exp(-x^2 / 2) / sqrt(2 pi).

    x, dout, dx: (n,). dx is overwritten and may be dout.
    """
    _backward_door(GELU_GRADIENT, "x", x, dout, 0, dx)


def silu_forward(x, out):
    """out = x s(x), with s(x) = 1 / (1 + exp(-x)); 0 for -inf.

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(SILU_OF, x, 0, out)


def silu_backward(x, dout, dx):
    """dx = dout s(x) (1 + x (1 - s(x))), with s(x) = 1 / (1 + exp(-x)).

    x, dout, dx: (n,). dx is overwritten and may be dout.
    """
    _backward_door(SILU_GRADIENT, "x", x, dout, 0, dx)
