"""The normal distribution's function Phi, x times it (GELU) and the slope of that, lane by lane.

As in exponential.pyx each is a fixed sequence of operations that are rounded once. Phi is good to
3 eps (in double precision to 3.6, not fused to 4.2), held to 5 by tests/kernels/test_elementary.py
(measured over 60 million numbers). x Phi(x) in single precision is within 3.5 units in the last
place, not fused within 4 (tests/EVIDENCE.md).
"""

cdef extern from *:
    """
    #define NORMAL_MOST 22      /* the highest degree */
    typedef struct { double centre, far; int degree; double tail[NORMAL_MOST + 1]; } affinet_normal;
    /* Phi(-z) = exp(-z^2 / 2) (c0 + c1 t + ...) / (z + centre) with t = (z - centre) / (z + centre)
       for 0 <= z <= far; relative error after rounding the coefficients 2^-27.7 and 2^-55.6. Beyond
       ``far``, Phi(-z) is less than half the least number. */
    static const affinet_normal NORMAL_F = {3.375, 14.5, 9, {
        0x1.7b6ee0p-1f, -0x1.1b21ccp-1f, 0x1.2e76fep-2f, -0x1.92fb62p-4f, 0x1.1dbe34p-7f,
        0x1.0064e6p-7f, -0x1.2773cap-9f, -0x1.bd93e8p-11f, 0x1.47b0e6p-12f, 0x1.1e38b0p-13f
    }};
    static const affinet_normal NORMAL_D = {5, 38.75, 22, {
        0x1.89d3abe1f95aep-1, -0x1.54ad03f27ca18p-1, 0x1.fb31653876f4cp-2,
        -0x1.410ed5f875940p-2, 0x1.51f6329f02ea5p-3, -0x1.1b1c254ca3c43p-4,
        0x1.54b4d4f3fade0p-6, -0x1.88590e9aaa38dp-9, -0x1.a25036f7914eep-11,
        0x1.1daf1b747654cp-11, -0x1.f214ad6bb419dp-15, -0x1.a17056b53f9d1p-15,
        0x1.17df20de4471dp-16, 0x1.0b1d22a9e75d4p-18, -0x1.73d09a3a3e255p-19,
        -0x1.6869736e76d25p-22, 0x1.d297dbe440ae1p-22, 0x1.635d9de45aaa9p-25,
        -0x1.20a5b210601d5p-24, -0x1.307c341d31268p-27, 0x1.1cbdd40778c0ap-27,
        0x1.ca2351b22e1a1p-30, -0x1.37692ff292f23p-32
    }};
    static inline const affinet_normal* normal_f(const vfloat* kind) {
        return (void)kind, &NORMAL_F;
    }
    static inline const affinet_normal* normal_d(const vdouble* kind) {
        return (void)kind, &NORMAL_D;
    }
    #define ONE_BY_ROOT_2PI 0x1.9884533d43651p-2
    #define TWO_64 0x1p64
    """
    ctypedef struct Normal "affinet_normal":
        const double centre, far
        const int degree
        const double* tail
    const double ONE_BY_ROOT_2PI, TWO_64

# The constants of a type of vectors.
cdef extern const Normal* _normal_constants "normal_f"(const vfloat* kind) noexcept nogil
cdef extern const Normal* _normal_constants "normal_d"(const vdouble* kind) noexcept nogil


cdef inline vector _far(vector x) noexcept nogil:
    """|x|, but no more than where Phi(-|x|) is 0, rounded; NaN stays NaN."""
    return vmin(vnumber(&x, _normal_constants(&x).far), vabs(x))


cdef inline vector _gauss(vector z) noexcept nogil:
    """exp(-z^2 / 2).

    The square's rounding would be multiplied by z^2 / 2, so z is cut in two: with h its upper
    half z^2 = h^2 + (z - h) (z + h), where the first product is exact and the second small.
    """
    cdef vector t, r, h = vhead(z), half = vnumber(&z, 0.5)
    r = _reduce_in_range(-half * h * h, &t)
    return vscale(1 + _short_expm1(vfmadd(-half * (z - h), z + h, r)), t)


cdef inline vector _tail(vector z) noexcept nogil:
    """Phi(-z) / exp(-z^2 / 2): it falls from 1/2 and is near 1 / (z sqrt(2 pi)) for a large z.

    The polynomial is steep where t is near -1, so t gets back what its roundings took.
    """
    cdef const Normal* c = _normal_constants(&z)
    cdef vector t, centre = vnumber(&z, c.centre), inverse = 1 / (z + centre)
    t = (z - centre) * inverse
    t = vfmadd(vfmadd(-t, z + centre, z - centre), inverse, t)
    return vpolynomial(c.degree, c.tail, t) * inverse


cdef inline vector vnormal(vector x) noexcept nogil:
    """Phi(x), the normal distribution's function: the integral of exp(-s^2 / 2) / sqrt(2 pi).

    For x < 0 without a difference: however small it is, all its digits are right.
    """
    cdef vector z = _far(x)
    cdef vector p = _gauss(z) * _tail(z)
    return vselect_less(x, vnumber(&x, 0), p, 1 - p)


cdef inline vector vgelu(vector x) noexcept nogil:
    """x Phi(x) = max(x, 0) - z Phi(-z) with z = |x|: for -inf 0 and not NaN.

    The quotient q = z / (z + centre) is a factor of the result and makes t = 2 q - 1: one rounding
    less than by way of _tail. It is scaled by 2^64, so that a subnormal z loses no digit.
    """
    cdef const Normal* c = _normal_constants(&x)
    cdef vector zero = vnumber(&x, 0), z = _far(x)
    cdef vector q = z * vnumber(&x, TWO_64) / (z + vnumber(&x, c.centre))
    cdef vector t = q * vnumber(&x, 2 / TWO_64) - 1
    cdef vector product = vpolynomial(c.degree, c.tail, t) * q * _gauss(z)
    return vselect_less(x, zero, zero, x) - product * vnumber(&x, 1 / TWO_64)


cdef inline vector vgelu_slope(vector x) noexcept nogil:
    """Phi(x) + x phi(x): exp(-z^2 / 2) (tail - z / sqrt(2 pi)) for x < 0, 1 minus that for -x."""
    cdef vector z = _far(x)
    cdef vector slope = _gauss(z) * vfmadd(-z, vnumber(&x, ONE_BY_ROOT_2PI), _tail(z))
    return vselect_less(x, vnumber(&x, 0), slope, 1 - slope)
