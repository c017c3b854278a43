"""exp and x times the logistic function, lane by lane.

Each is a fixed sequence of operations that are rounded once, so a result depends on its argument
alone: not on the lane, nor on the level or the compiler as long as they fuse multiply-adds. In
units of eps the error, fused or not, is below 0.7 for exp over the whole range (measured over a
fifth of all single numbers and 14 million double ones), plus half the least subnormal number;
tests/kernels/test_elementary.py holds 1. x times the logistic function is good to 1.9 eps, held to
2, also where exp(x) is subnormal: x is multiplied before the power of 2.

The polynomials are minimax: found with Remez' exchange in 50 digits for the error relative to the
function, coefficients then rounded to the nearest number.
"""

cdef extern from *:
    """
    #define EXPM1_MOST 10       /* the highest degree */
    typedef struct {
        double one_by_log2, log2_high, log2_low;
        double magic, bias;         /* 1.5 2^23 or 1.5 2^52, and of an exponent, 127 or 1023 */
        double zero_below, zero;    /* exp is 0, rounded, below the first; it is for the second */
        double infinite;            /* exp is infinite from here on */
        int degree;
        double expm1[EXPM1_MOST + 1];
    } affinet_exponential;
    /* expm1(r) = r + r^2 (c0 + c1 r + ...) for |r| <= log(2) / 2; relative error after rounding
       the coefficients 2^-28.8 and 2^-59.9. log(2) is a sum whose first part has so few bits that
       n times it is exact for every exponent n: 9 and 32 of them (Cody, Waite, Software Manual for
       the Elementary Functions, 1980, chapter 6). */
    static const affinet_exponential EXPONENTIAL_F = {
        0x1.71547652b82fep+0, 0x1.63p-1f, -0x1.bd0106p-13f, 0x1.8p23, 127, -104, -176, 89,
        5, {0x1p-1f, 0x1.555554p-3f, 0x1.5554b2p-5f, 0x1.11118ap-7f, 0x1.6d71fp-10f, 0x1.a032cp-13f}
    };
    static const affinet_exponential EXPONENTIAL_D = {
        0x1.71547652b82fep+0, 0x1.62e42feep-1, 0x1.a39ef35793c76p-33, 0x1.8p52, 1023, -746, -1418,
        710, 10, {0x1p-1, 0x1.5555555555559p-3, 0x1.555555555553fp-5, 0x1.111111110f6dcp-7,
                      0x1.6c16c16c1f070p-10, 0x1.a01a01afd2ea3p-13, 0x1.a01a017bc79c9p-16,
                      0x1.71ddf8816b261p-19, 0x1.27e5362c69e31p-22, 0x1.af5e6fe9e7e98p-26,
                      0x1.1ee88360c5c1bp-29}
    };
    static inline const affinet_exponential* exponential_f(const vfloat* kind) {
        return (void)kind, &EXPONENTIAL_F;
    }
    static inline const affinet_exponential* exponential_d(const vdouble* kind) {
        return (void)kind, &EXPONENTIAL_D;
    }
    """
    ctypedef struct Exponential "affinet_exponential":
        const double one_by_log2, log2_high, log2_low, magic, bias, zero_below, zero, infinite
        const int degree
        const double* expm1

# The constants of a type of vectors.
cdef extern const Exponential* _exponential "exponential_f"(const vfloat* kind) noexcept nogil
cdef extern const Exponential* _exponential "exponential_d"(const vdouble* kind) noexcept nogil


cdef inline vector vpolynomial(int degree, const double* c, vector t) noexcept nogil:
    """c0 + c1 t + c2 t^2 + ... by Horner's rule."""
    cdef vector p = vnumber(&t, c[degree])
    cdef int k
    for k in range(degree - 1, -1, -1):
        p = vfmadd(p, t, vnumber(&t, c[k]))
    return p


cdef inline vector _reduce(vector x, double bias, vector* t) noexcept nogil:
    """r = x - n log(2) with n the integer nearest to x / log(2); so |r| <= log(2) / 2.

    Adding 1.5 2^23 (in double 1.5 2^52) to a number rounds it to an integer, which then stands in
    the lowest bits of the sum; t is that sum and holds n + bias there.
    """
    cdef const Exponential* c = _exponential(&x)
    cdef vector magic = vnumber(&x, c.magic + bias), n, r
    t[0] = vfmadd(x, vnumber(&x, c.one_by_log2), magic)
    n = t[0] - magic
    r = vfmadd(n, vnumber(&x, -c.log2_high), x)
    return vfmadd(n, vnumber(&x, -c.log2_low), r)


cdef inline vector _short_expm1(vector r) noexcept nogil:
    """exp(r) - 1 for |r| <= log(2) / 2."""
    cdef const Exponential* c = _exponential(&r)
    return vfmadd(r * r, vpolynomial(c.degree, c.expm1, r), r)


cdef inline vector _reduce_in_range(vector x, vector* t) noexcept nogil:
    """r and, for vscale, t such that exp(x) = 2^n exp(r).

    Where x is so large that exp(x) is infinite we bring it down to where that is still so. Where
    exp(x) is less than half the least subnormal number, n becomes -2 bias, for which vscale
    multiplies by zero: an underflow would cost a hundred cycles. NaN passes both.
    """
    cdef const Exponential* c = _exponential(&x)
    x = vselect_less(x, vnumber(&x, c.zero_below), vnumber(&x, c.zero),
                     vmin(vnumber(&x, c.infinite), x))
    return _reduce(x, 2 * c.bias, t)


cdef inline vector vexp(vector x) noexcept nogil:
    """exp(x) = 2^n exp(r) with x = n log(2) + r."""
    cdef vector t
    cdef vector r = _reduce_in_range(x, &t)
    return vscale(1 + _short_expm1(r), t)


cdef inline vector vexp_unscaled(vector x, vector* t, vector* e) noexcept nogil:
    """p and t such that exp(x) = vscale(p, t), for products with exp(x) that underflow later than
    it: vscale(z p, t) keeps the digits that a subnormal exp(x) has lost. Writes exp(x) to e.

    The product is 0 where exp(x) is less than half the least number by a factor of exp(6) or more.
    """
    cdef const Exponential* c = _exponential(&x)
    cdef vector p
    x = vselect_less(x, vnumber(&x, c.zero_below - 6), vnumber(&x, c.zero), x)
    p = 1 + _short_expm1(_reduce(x, 2 * c.bias, t))
    e[0] = vscale(p, t[0])
    return p


cdef inline vector vsilu(vector x) noexcept nogil:
    """x / (1 + exp(-x)) = max(x, 0) - z e / (1 + e) with z = |x| and e = exp(-z).

    Cut off where e is 0: otherwise -inf would give NaN. NaN stays NaN.
    """
    cdef vector zero = vnumber(&x, 0), z = vmin(vnumber(&x, 1000), vabs(x)), t, e
    cdef vector p = vexp_unscaled(-z, &t, &e)
    return vselect_less(x, zero, zero, x) - vscale(z * (p / (1 + e)), t)


cdef inline vector vsilu_slope(vector x) noexcept nogil:
    """The derivative of vsilu: e / (1 + e) (1 - z / (1 + e)) for x < 0, 1 minus that for -x."""
    cdef vector z = vmin(vnumber(&x, 1000), vabs(x)), t, e
    cdef vector p = vexp_unscaled(-z, &t, &e), inverse = 1 / (1 + e)
    cdef vector slope = vscale(p * inverse * (1 - z * inverse), t)
    return vselect_less(x, vnumber(&x, 0), slope, 1 - slope)
