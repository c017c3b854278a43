"""Elementwise functions over flat arrays of any length, and their gradients.

Each backward needs one array of its forward: the output y, or for gelu and silu, which rise and
fall, the input x. ``out`` may be ``x`` and ``dx`` may be ``dout``: every element is read before it
is written.

An activation is the two names of its function and its gradient, a row of ``_ELEMENTWISE``, a
formula in ``_element``, a line in ``_map`` for each, and two entry points; whole passes and
products use these.
"""

from cpython.object cimport PyObject
from libc.math cimport NAN

cdef enum ElementFunction:
    NO_FUNCTION
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
    MISH_OF
    MISH_GRADIENT
    SELU_OF
    SELU_GRADIENT
    SOFTPLUS_OF
    SOFTPLUS_GRADIENT

cdef enum Needed:           # what a backward needs of its forward
    NEEDS_INPUT
    NEEDS_OUTPUT

# By the kernel's name: function, gradient, what the gradient needs, and the numbers of both.
_ELEMENTWISE = {
    "relu": (RELU_OF, RELU_GRADIENT, NEEDS_OUTPUT, ()),
    "leaky_relu": (LEAKY_RELU_OF, LEAKY_RELU_GRADIENT, NEEDS_OUTPUT, ("slope",)),
    "sigmoid": (SIGMOID_OF, SIGMOID_GRADIENT, NEEDS_OUTPUT, ()),
    "tanh": (TANH_OF, TANH_GRADIENT, NEEDS_OUTPUT, ()),
    "gelu": (GELU_OF, GELU_GRADIENT, NEEDS_INPUT, ()),
    "silu": (SILU_OF, SILU_GRADIENT, NEEDS_INPUT, ()),
    "mish": (MISH_OF, MISH_GRADIENT, NEEDS_INPUT, ()),
    "selu": (SELU_OF, SELU_GRADIENT, NEEDS_INPUT, ()),
    "softplus": (SOFTPLUS_OF, SOFTPLUS_GRADIENT, NEEDS_INPUT, ()),
}


cdef inline vector _tanh_softplus(vector x, vector* scale, vector* p, vector* e,
                                  vector* d) noexcept nogil:
    """tanh(log(1 + exp(x))) = 1 - m / d, times e for x < 0, where the factor e is left out.

    With e = exp(-|x|) = vscale(p, scale), m is e^2 + e for x < 0 and e^2 else, d is m + e + 2 or
    m + e + 1/2: nothing overflows, and the roundings of the quotient, which is at most 2/5, are
    small beside that of the difference. Writes the others too.
    """
    cdef vector zero = vnumber(&x, 0), m
    p[0] = vexp_unscaled(-vmin(vnumber(&x, 1000), vabs(x)), scale, e)
    m = vfmadd(e[0], e[0], vselect_less(x, zero, e[0], zero))
    d[0] = m + (e[0] + vselect_less(x, zero, vnumber(&x, 2), vnumber(&x, 0.5)))
    return 1 - m / d[0]


cdef inline vector _mish(vector x) noexcept nogil:
    """x times the above: p stands for the factor e, so that the product underflows later than e.

    Cut off where e is 0: -inf gives 0. NaN stays NaN.
    """
    cdef vector scale, p, e, d, t = _tanh_softplus(x, &scale, &p, &e, &d), zero = vnumber(&x, 0)
    cdef vector below = vmin(vnumber(&x, 1000), vabs(x)) * p
    t = vselect_less(x, zero, below, x) * t
    return vselect_less(x, zero, zero - vscale(t, scale), t)


cdef inline vector _mish_slope(vector x) noexcept nogil:
    """t + x (1 - t^2) s(x), s the logistic function.

    (1 - t^2) s(x) is 4 e (1 + e) / d^2 for x < 0, else e^2 (1 + e) / d^2. For x < 0 both terms have
    the factor e.
    """
    cdef vector scale, p, e, d, t = _tanh_softplus(x, &scale, &p, &e, &d), zero = vnumber(&x, 0)
    cdef vector z = vmin(vnumber(&x, 1000), vabs(x))
    cdef vector part = z * (1 + e) * vselect_less(x, zero, vnumber(&x, 4), e * e) / (d * d)
    return vselect_less(x, zero, vscale(p * (t - part), scale), t + part)


cdef double SELU_SCALE = 1.0507009873554804934193349852946      # lambda
cdef double SELU_LIMIT = -1.7580993408473768599402175208123     # -lambda alpha


cdef inline vector _expm1_below(vector x) noexcept nogil:
    """exp(x) - 1 for x <= 0.

    With x = n log(2) + r it is 2^n (exp(r) - 1) + (2^n - 1): nothing cancels near 0.
    """
    cdef vector t, one = vnumber(&x, 1), rest = _short_expm1(_reduce_in_range(x, &t))
    return vscale(rest, t) + (vscale(one, t) - one)


cdef inline vector _selu(vector x) noexcept nogil:
    """lambda x for x >= 0, else lambda alpha (exp(x) - 1)."""
    cdef vector zero = vnumber(&x, 0), less = _expm1_below(vmin(zero, x))
    return vselect_less(x, zero, vnumber(&x, -SELU_LIMIT) * less, vnumber(&x, SELU_SCALE) * x)


cdef inline vector _selu_slope(vector x) noexcept nogil:
    """lambda for x > 0, else lambda alpha exp(x)."""
    cdef vector zero = vnumber(&x, 0)
    return vselect_at_most(x, zero, vnumber(&x, -SELU_LIMIT) * vexp(vmin(zero, x)),
                           vnumber(&x, SELU_SCALE))


cdef extern from *:
    """
    /* 1, 1/3, 1/5, ...: atanh(s) / s in powers of s^2, for s^2 <= 1/9 in single precision. */
    static const double ATANH[9] = {
        1, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17
    };
    """
    const double* ATANH


cdef inline vector _softplus(vector x) noexcept nogil:
    """max(x, 0) + log(1 + e) with e = exp(-|x|).

    In single precision log(1 + e) is 2 atanh(s), s = e / (2 + e) <= 1/3, as e times 2 / (2 + e)
    times a series in s^2: nothing cancels, and where e is subnormal no bit of it is lost.
    """
    cdef vector e = vexp(-vabs(x)), twice, s
    if vector is vdouble:
        return vrelu(x) + vlog1p(e)
    else:
        twice = 2 / (2 + e)
        s = vnumber(&x, 0.5) * e * twice
        return vrelu(x) + e * twice * vpolynomial(8, ATANH, s * s)


cdef inline vector _element(ElementFunction function, vector x, vector dout,
                            vector slope) noexcept nogil:
    """function(x), or the gradient for dout where x is what the function's backward needs.

    NaN for a function without a formula: never another function's values.
    """
    cdef vector zero = vnumber(&x, 0)
    if function == EXP_OF:
        return vexp(x)
    elif function == RELU_OF:
        return vrelu(x)
    elif function == RELU_GRADIENT:
        return vrelu_gradient(x, dout)
    elif function == LEAKY_RELU_OF:
        return vselect_less(x, zero, slope * x, x)
    elif function == LEAKY_RELU_GRADIENT:
        return vselect_at_most(x, zero, slope * dout, dout)
    elif function == SIGMOID_OF:
        return vsigmoid(x)
    elif function == SIGMOID_GRADIENT:
        return dout * x * (1 - x)
    elif function == TANH_OF:
        return vtanh(x)
    elif function == TANH_GRADIENT:
        # (1 - y)(1 + y) rather than 1 - y^2: no cancellation where y is close to 1.
        return dout * ((1 - x) * (1 + x))
    elif function == NORMAL_OF:
        return vnormal(x)
    elif function == GELU_OF:
        return vgelu(x)
    elif function == GELU_GRADIENT:
        return dout * vgelu_slope(x)
    elif function == SILU_OF:
        return vsilu(x)
    elif function == SILU_GRADIENT:
        return dout * vsilu_slope(x)
    elif function == MISH_OF:
        return _mish(x)
    elif function == MISH_GRADIENT:
        return dout * _mish_slope(x)
    elif function == SELU_OF:
        return _selu(x)
    elif function == SELU_GRADIENT:
        return dout * _selu_slope(x)
    elif function == SOFTPLUS_OF:
        return _softplus(x)
    elif function == SOFTPLUS_GRADIENT:
        return dout * vsigmoid(x)
    else:
        return vnumber(&x, NAN)


cdef inlined_void _map_vectors(ElementFunction function, Py_ssize_t n, const vector* x,
                               const vector* dout, double slope, vector* out) noexcept nogil:
    while n > 0:
        vstore(out, _element(function, vload(x, n), vload(dout, n), vnumber(x, slope)), n)
        x, dout, out, n = x + 1, dout + 1, out + 1, n - vlanes(x)


cdef inlined_void _map_one(ElementFunction function, Py_ssize_t n, const real* x,
                           const real* dout, double slope, real* out) noexcept nogil:
    """_map of a function that is a constant where this is called.

    Of ``_element`` the compiler then keeps the one branch. Compilers' own vectors give up where
    out is x.
    """
    if real is float:
        _map_vectors(function, n, <const vfloat*> x, <const vfloat*> dout, slope, <vfloat*> out)
    else:
        _map_vectors(function, n, <const vdouble*> x, <const vdouble*> dout, slope,
                     <vdouble*> out)


cdef void _map(ElementFunction function, Py_ssize_t n, const real* x, const real* dout,
               double slope, real* out) noexcept nogil:
    """out = function(x, dout, slope) for n elements, each on its own."""
    if function == EXP_OF:
        _map_one(EXP_OF, n, x, dout, slope, out)
    elif function == RELU_OF:
        _map_one(RELU_OF, n, x, dout, slope, out)
    elif function == RELU_GRADIENT:
        _map_one(RELU_GRADIENT, n, x, dout, slope, out)
    elif function == LEAKY_RELU_OF:
        _map_one(LEAKY_RELU_OF, n, x, dout, slope, out)
    elif function == LEAKY_RELU_GRADIENT:
        _map_one(LEAKY_RELU_GRADIENT, n, x, dout, slope, out)
    elif function == SIGMOID_OF:
        _map_one(SIGMOID_OF, n, x, dout, slope, out)
    elif function == SIGMOID_GRADIENT:
        _map_one(SIGMOID_GRADIENT, n, x, dout, slope, out)
    elif function == TANH_OF:
        _map_one(TANH_OF, n, x, dout, slope, out)
    elif function == TANH_GRADIENT:
        _map_one(TANH_GRADIENT, n, x, dout, slope, out)
    elif function == NORMAL_OF:
        _map_one(NORMAL_OF, n, x, dout, slope, out)
    elif function == GELU_OF:
        _map_one(GELU_OF, n, x, dout, slope, out)
    elif function == GELU_GRADIENT:
        _map_one(GELU_GRADIENT, n, x, dout, slope, out)
    elif function == SILU_OF:
        _map_one(SILU_OF, n, x, dout, slope, out)
    elif function == SILU_GRADIENT:
        _map_one(SILU_GRADIENT, n, x, dout, slope, out)
    elif function == MISH_OF:
        _map_one(MISH_OF, n, x, dout, slope, out)
    elif function == MISH_GRADIENT:
        _map_one(MISH_GRADIENT, n, x, dout, slope, out)
    elif function == SELU_OF:
        _map_one(SELU_OF, n, x, dout, slope, out)
    elif function == SELU_GRADIENT:
        _map_one(SELU_GRADIENT, n, x, dout, slope, out)
    elif function == SOFTPLUS_OF:
        _map_one(SOFTPLUS_OF, n, x, dout, slope, out)
    elif function == SOFTPLUS_GRADIENT:
        _map_one(SOFTPLUS_GRADIENT, n, x, dout, slope, out)
    else:
        _map_one(NO_FUNCTION, n, x, dout, slope, out)


cdef struct Map:            # an elementwise function, and its number
    ElementFunction function
    double number


cdef void _map_held(void* job_, const Held* held, real* precision) noexcept nogil:
    """_map over the acquired arrays: its argument, dout in a backward, and its result."""
    cdef const Map* job = <const Map*> job_
    _map(job.function, held_size(held, 0, 0), <real*> held_data(held, 0),
         <real*> held_data(held, held.n - 2), job.number, <real*> held_data(held, held.n - 1))


cdef int _forward_door(ElementFunction function, object x, double number,
                       object out) except -1:
    cdef Map job = Map(function, number)
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> out]
    return enter(b"x n, =out n", arrays, NULL, _map_held, _map_held, &job)


cdef int _backward_door(ElementFunction function, Needed needed, object x, object dout,
                        double number, object dx) except -1:
    """For a backward from the input x, or from the output y."""
    cdef Map job = Map(function, number)
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> dout, <PyObject*> dx]
    return enter(b"x n, dout n, =dx n" if needed == NEEDS_INPUT else b"y n, dout n, =dx n",
                 arrays, NULL, _map_held, _map_held, &job)


def _exp(x, out, /):
    """out = exp(x): what softmax and sigmoid are made of, alone, for its tests.

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(EXP_OF, x, 0, out)


def relu_forward(x, out, /):
    """out = x where x >= 0, 0 where x < 0; NaN stays NaN.

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(RELU_OF, x, 0, out)


def relu_backward(y, dout, dx, /):
    """dx = dout where y > 0, 0 where y <= 0; dout passes where y is NaN.

    y, dout, dx: (n,). dx is overwritten and may be dout.
    """
    _backward_door(RELU_GRADIENT, NEEDS_OUTPUT, y, dout, 0, dx)


def leaky_relu_forward(x, double slope, out, /):
    """out = x where x >= 0, slope * x where x < 0.

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(LEAKY_RELU_OF, x, slope, out)


def leaky_relu_backward(y, dout, double slope, dx, /):
    """dx = dout where y > 0, slope * dout where y <= 0.

    y, dout, dx: (n,). dx is overwritten and may be dout. slope >= 0, so that the sign of y is
    the sign of x.
    """
    _backward_door(LEAKY_RELU_GRADIENT, NEEDS_OUTPUT, y, dout, slope, dx)


def sigmoid_forward(x, out, /):
    """out = 1 / (1 + exp(-x)).

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(SIGMOID_OF, x, 0, out)


def sigmoid_backward(y, dout, dx, /):
    """dx = dout y (1 - y).

    y, dout, dx: (n,). dx is overwritten and may be dout.
    """
    _backward_door(SIGMOID_GRADIENT, NEEDS_OUTPUT, y, dout, 0, dx)


def tanh_forward(x, out, /):
    """out = tanh(x).

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(TANH_OF, x, 0, out)


def tanh_backward(y, dout, dx, /):
    """dx = dout (1 - y^2).

    y, dout, dx: (n,). dx is overwritten and may be dout.
    """
    _backward_door(TANH_GRADIENT, NEEDS_OUTPUT, y, dout, 0, dx)


def _normal(x, out, /):
    """out = Phi(x), the normal distribution's function: what gelu is made of, for its tests.

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(NORMAL_OF, x, 0, out)


def gelu_forward(x, out, /):
    """out = x Phi(x), with Phi the normal distribution's function; 0 for -inf.

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(GELU_OF, x, 0, out)


def gelu_backward(x, dout, dx, /):
    """dx = dout (Phi(x) + x phi(x)), with phi(x) = exp(-x^2 / 2) / sqrt(2 pi).

    x, dout, dx: (n,). dx is overwritten and may be dout.
    """
    _backward_door(GELU_GRADIENT, NEEDS_INPUT, x, dout, 0, dx)


def silu_forward(x, out, /):
    """out = x s(x), with s(x) = 1 / (1 + exp(-x)); 0 for -inf.

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(SILU_OF, x, 0, out)


def silu_backward(x, dout, dx, /):
    """dx = dout s(x) (1 + x (1 - s(x))), with s(x) = 1 / (1 + exp(-x)).

    x, dout, dx: (n,). dx is overwritten and may be dout.
    """
    _backward_door(SILU_GRADIENT, NEEDS_INPUT, x, dout, 0, dx)


def mish_forward(x, out, /):
    """out = x tanh(log(1 + exp(x))); 0 for -inf.

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(MISH_OF, x, 0, out)


def mish_backward(x, dout, dx, /):
    """dx = dout (t + x (1 - t^2) s(x)), with t = tanh(log(1 + exp(x))), s(x) = 1 / (1 + exp(-x)).

    x, dout, dx: (n,). dx is overwritten and may be dout.
    """
    _backward_door(MISH_GRADIENT, NEEDS_INPUT, x, dout, 0, dx)


def selu_forward(x, out, /):
    """out = lambda x where x >= 0, else lambda alpha (exp(x) - 1); -lambda alpha for -inf.

    x, out: (n,). out is overwritten and may be x. lambda = 1.0507..., alpha = 1.6732....
    """
    _forward_door(SELU_OF, x, 0, out)


def selu_backward(x, dout, dx, /):
    """dx = dout lambda where x > 0, else dout lambda alpha exp(x).

    x, dout, dx: (n,). dx is overwritten and may be dout.
    """
    _backward_door(SELU_GRADIENT, NEEDS_INPUT, x, dout, 0, dx)


def softplus_forward(x, out, /):
    """out = log(1 + exp(x)).

    x, out: (n,). out is overwritten and may be x.
    """
    _forward_door(SOFTPLUS_OF, x, 0, out)


def softplus_backward(x, dout, dx, /):
    """dx = dout / (1 + exp(-x)).

    x, dout, dx: (n,). dx is overwritten and may be dout.
    """
    _backward_door(SOFTPLUS_GRADIENT, NEEDS_INPUT, x, dout, 0, dx)
