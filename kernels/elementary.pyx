"""exp, tanh, the logistic function, the normal distribution's and log, lane by lane.

Each is a fixed sequence of operations that are rounded once, so a result depends on its argument
alone: not on the lane, nor on the level or the compiler as long as they fuse multiply-adds. In
units of eps the error, fused or not, is below 0.7 for exp, 1.5 for the logistic function and 1.7
for tanh over the whole range (measured over a fifth of all single numbers and 14 million double
ones), plus half the least subnormal number; tests/kernels/test_elementary.py holds 1, 2 and 2.
The normal distribution's function is good to 3 eps (in double precision to 3.6, not fused to 4.2),
x times it to 3.1 (4.3), both held to 5; x times the logistic function to 1.9, held to 2, and on top
|x| / 2 least numbers where exp(x) is subnormal (measured over 60 and 25 million numbers).

The polynomials are minimax: found with Remez' exchange in 50 digits for the error relative to the
function, coefficients then rounded to the nearest number.
"""

cdef extern from *:
    """
    /* expm1(r) = r + r^2 (c0 + c1 r + ...) for |r| <= log(2) / 2; relative error after rounding
       the coefficients 2^-28.8 and 2^-59.9. */
    #define EXPM1_DEGREE_F 5
    #define EXPM1_DEGREE_D 10
    static const float EXPM1_F[] = {0x1p-1f, 0x1.555554p-3f, 0x1.5554b2p-5f, 0x1.11118ap-7f,
                                    0x1.6d71fp-10f, 0x1.a032cp-13f};
    static const double EXPM1_D[] = {0x1p-1, 0x1.5555555555559p-3, 0x1.555555555553fp-5,
                                     0x1.111111110f6dcp-7, 0x1.6c16c16c1f070p-10,
                                     0x1.a01a01afd2ea3p-13, 0x1.a01a017bc79c9p-16,
                                     0x1.71ddf8816b261p-19, 0x1.27e5362c69e31p-22,
                                     0x1.af5e6fe9e7e98p-26, 0x1.1ee88360c5c1bp-29};
    /* log(2) as a sum whose first part has so few bits that n times it is exact for every
       exponent n: 9 and 32 of them (Cody, Waite, Software Manual for the Elementary Functions,
       1980, chapter 6). */
    #define LOG2_HIGH_F 0x1.63p-1f
    #define LOG2_LOW_F -0x1.bd0106p-13f
    #define LOG2_HIGH_D 0x1.62e42feep-1
    #define LOG2_LOW_D 0x1.a39ef35793c76p-33
    #define ONE_BY_LOG2 0x1.71547652b82fep+0
    /* log((1 + s) / (1 - s)) = 2 s + s^3 (c0 + c1 s^2 + ...) for |s| <= (2^.5 - 1) / (2^.5 + 1);
       relative error 2^-59. */
    #define LOG_DEGREE 6
    /* Phi(-z) = exp(-z^2 / 2) (c0 + c1 t + ...) / (z + CENTRE) with t = (z - CENTRE) / (z + CENTRE)
       for 0 <= z <= FAR; relative error after rounding the coefficients 2^-27.7 and 2^-55.6. Beyond
       FAR, Phi(-z) is less than half the least number. */
    #define NORMAL_CENTRE_F 3.375f
    #define NORMAL_CENTRE_D 5.0
    #define NORMAL_FAR_F 14.5f
    #define NORMAL_FAR_D 38.75
    #define NORMAL_DEGREE_F 9
    #define NORMAL_DEGREE_D 22
    #define ONE_BY_ROOT_2PI 0x1.9884533d43651p-2
    static const float NORMAL_F[] = {0x1.7b6ee0p-1f, -0x1.1b21ccp-1f, 0x1.2e76fep-2f,
                                     -0x1.92fb62p-4f, 0x1.1dbe34p-7f, 0x1.0064e6p-7f,
                                     -0x1.2773cap-9f, -0x1.bd93e8p-11f, 0x1.47b0e6p-12f,
                                     0x1.1e38b0p-13f};
    static const double NORMAL_D[] = {0x1.89d3abe1f95aep-1, -0x1.54ad03f27ca18p-1,
                                      0x1.fb31653876f4cp-2, -0x1.410ed5f875940p-2,
                                      0x1.51f6329f02ea5p-3, -0x1.1b1c254ca3c43p-4,
                                      0x1.54b4d4f3fade0p-6, -0x1.88590e9aaa38dp-9,
                                      -0x1.a25036f7914eep-11, 0x1.1daf1b747654cp-11,
                                      -0x1.f214ad6bb419dp-15, -0x1.a17056b53f9d1p-15,
                                      0x1.17df20de4471dp-16, 0x1.0b1d22a9e75d4p-18,
                                      -0x1.73d09a3a3e255p-19, -0x1.6869736e76d25p-22,
                                      0x1.d297dbe440ae1p-22, 0x1.635d9de45aaa9p-25,
                                      -0x1.20a5b210601d5p-24, -0x1.307c341d31268p-27,
                                      0x1.1cbdd40778c0ap-27, 0x1.ca2351b22e1a1p-30,
                                      -0x1.37692ff292f23p-32};
    static const double LOG_D[] = {0.66666666666667344, 0.39999999999414672, 0.28571428742388849,
                                   0.22222198573064845, 0.18183564332179156, 0.15314050398730861,
                                   0.14795951235340261};
    """
    const int EXPM1_DEGREE_F
    const int EXPM1_DEGREE_D
    const float[6] EXPM1_F
    const double[11] EXPM1_D
    const float LOG2_HIGH_F
    const float LOG2_LOW_F
    const double LOG2_HIGH_D
    const double LOG2_LOW_D
    const double ONE_BY_LOG2
    const int LOG_DEGREE
    const double[7] LOG_D
    const float NORMAL_CENTRE_F
    const double NORMAL_CENTRE_D
    const float NORMAL_FAR_F
    const double NORMAL_FAR_D
    const int NORMAL_DEGREE_F
    const int NORMAL_DEGREE_D
    const double ONE_BY_ROOT_2PI
    const float[10] NORMAL_F
    const double[23] NORMAL_D


cdef inline vector _reduce(vector x, int bias, vector* t) noexcept nogil:
    """r = x - n log(2) with n the integer nearest to x / log(2); so |r| <= log(2) / 2.

    Adding 1.5 2^23 (in double 1.5 2^52) to a number rounds it to an integer, which then stands in
    the lowest bits of the sum; t is that sum and holds n + bias there.
    """
    cdef vector magic, n, r
    if vector is vfloat:
        magic = vnumber_f(12582912.0 + bias)
        t[0] = vfmadd_f(x, vnumber_f(ONE_BY_LOG2), magic)
        n = t[0] - magic
        r = vfmadd_f(n, vnumber_f(-LOG2_HIGH_F), x)
        return vfmadd_f(n, vnumber_f(-LOG2_LOW_F), r)
    else:
        magic = vnumber_d(6755399441055744.0 + bias)
        t[0] = vfmadd_d(x, vnumber_d(ONE_BY_LOG2), magic)
        n = t[0] - magic
        r = vfmadd_d(n, vnumber_d(-LOG2_HIGH_D), x)
        return vfmadd_d(n, vnumber_d(-LOG2_LOW_D), r)


cdef inline vector _short_expm1(vector r) noexcept nogil:
    """exp(r) - 1 for |r| <= log(2) / 2."""
    cdef vector q
    cdef int k
    if vector is vfloat:
        q = vnumber_f(EXPM1_F[EXPM1_DEGREE_F])
        for k in range(EXPM1_DEGREE_F - 1, -1, -1):
            q = vfmadd_f(q, r, vnumber_f(EXPM1_F[k]))
    else:
        q = vnumber_d(EXPM1_D[EXPM1_DEGREE_D])
        for k in range(EXPM1_DEGREE_D - 1, -1, -1):
            q = vfmadd_d(q, r, vnumber_d(EXPM1_D[k]))
    return vfmadd(r * r, q, r)


cdef inline vector _reduce_in_range(vector x, vector* t) noexcept nogil:
    """r and, for vscale, t such that exp(x) = 2^n exp(r).

    Where x is so large that exp(x) is infinite we bring it down to where that is still so. Where
    exp(x) is less than half the least subnormal number, n becomes -2 bias, for which vscale
    multiplies by zero: an underflow would cost a hundred cycles. NaN passes both.
    """
    if vector is vfloat:
        x = vselect_less_f(x, vnumber_f(-104), vnumber_f(-176), vmin_f(vnumber_f(89), x))
        return _reduce(x, 254, t)
    else:
        x = vselect_less_d(x, vnumber_d(-746), vnumber_d(-1418), vmin_d(vnumber_d(710), x))
        return _reduce(x, 2046, t)


cdef inline vector vexp(vector x) noexcept nogil:
    """exp(x) = 2^n exp(r) with x = n log(2) + r."""
    cdef vector t
    cdef vector r = _reduce_in_range(x, &t)
    return vscale(1 + _short_expm1(r), t)


cdef inline vector vsigmoid(vector x) noexcept nogil:
    """1 / (1 + exp(-x)) = e / (1 + e), with e = exp(-|x|) or 1 on top: nothing overflows."""
    cdef vector e = vexp(-vabs(x))
    return vselect_less(x, vnumber(&x, 0), e, vnumber(&x, 1)) / (1 + e)


cdef inline vector vsilu(vector x) noexcept nogil:
    """x / (1 + exp(-x)) = max(x, 0) - z e / (1 + e) with z = |x| and e = exp(-z).

    Cut off where e is 0: otherwise -inf would give NaN. NaN stays NaN.
    """
    cdef vector zero = vnumber(&x, 0), z = vmin(vnumber(&x, 1000), vabs(x))
    cdef vector e = vexp(-z)
    return vselect_less(x, zero, zero, x) - z * (e / (1 + e))


cdef inline vector vsilu_slope(vector x) noexcept nogil:
    """The derivative of vsilu: e / (1 + e) (1 - z / (1 + e)) for x < 0, 1 minus that for -x."""
    cdef vector z = vmin(vnumber(&x, 1000), vabs(x)), e = vexp(-z), share = 1 / (1 + e)
    cdef vector slope = e * share * (1 - z * share)
    return vselect_less(x, vnumber(&x, 0), slope, 1 - slope)


cdef inline vector _far(vector x) noexcept nogil:
    """|x|, but no more than where Phi(-|x|) is 0, rounded; NaN stays NaN."""
    if vector is vfloat:
        return vmin_f(vnumber_f(NORMAL_FAR_F), vabs_f(x))
    else:
        return vmin_d(vnumber_d(NORMAL_FAR_D), vabs_d(x))


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
    cdef vector p, t, centre, share
    cdef int k
    if vector is vfloat:
        centre = vnumber_f(NORMAL_CENTRE_F)
    else:
        centre = vnumber_d(NORMAL_CENTRE_D)
    share = 1 / (z + centre)
    t = (z - centre) * share
    t = vfmadd(vfmadd(-t, z + centre, z - centre), share, t)
    if vector is vfloat:
        p = vnumber_f(NORMAL_F[NORMAL_DEGREE_F])
        for k in range(NORMAL_DEGREE_F - 1, -1, -1):
            p = vfmadd_f(p, t, vnumber_f(NORMAL_F[k]))
    else:
        p = vnumber_d(NORMAL_D[NORMAL_DEGREE_D])
        for k in range(NORMAL_DEGREE_D - 1, -1, -1):
            p = vfmadd_d(p, t, vnumber_d(NORMAL_D[k]))
    return p * share


cdef inline vector vnormal(vector x) noexcept nogil:
    """Phi(x), the normal distribution's function: the integral of exp(-s^2 / 2) / sqrt(2 pi).

    For x < 0 without a difference: however small it is, all its digits are right.
    """
    cdef vector z = _far(x)
    cdef vector p = _gauss(z) * _tail(z)
    return vselect_less(x, vnumber(&x, 0), p, 1 - p)


cdef inline vector vgelu(vector x) noexcept nogil:
    """x Phi(x) = max(x, 0) - z Phi(-z) with z = |x|: for -inf 0 and not NaN."""
    cdef vector zero = vnumber(&x, 0), z = _far(x)
    return vselect_less(x, zero, zero, x) - z * _tail(z) * _gauss(z)


cdef inline vector vgelu_slope(vector x) noexcept nogil:
    """Phi(x) + x phi(x): exp(-z^2 / 2) (tail - z / sqrt(2 pi)) for x < 0, 1 minus that for -x."""
    cdef vector z = _far(x)
    cdef vector slope = _gauss(z) * vfmadd(-z, vnumber(&x, ONE_BY_ROOT_2PI), _tail(z))
    return vselect_less(x, vnumber(&x, 0), slope, 1 - slope)


cdef inline vector vtanh(vector x) noexcept nogil:
    """tanh(x) = e / (e + 2) with e = exp(2 |x|) - 1 and the sign of x.

    With 2 |x| = n log(2) + r, e = 2^n (exp(r) - 1) + (2^n - 1): nothing cancels, near 0 either.
    """
    cdef vector t, r, power, e, y = vabs(x)
    if vector is vfloat:
        y = vmin_f(vnumber_f(10), y)    # there tanh is 1, rounded
        r = _reduce(2 * y, 127, &t)
    else:
        y = vmin_d(vnumber_d(20), y)
        r = _reduce(2 * y, 1023, &t)
    power = vpower(t)
    e = vfmadd(_short_expm1(r), power, power - 1)
    return vcopysign(e / (e + 2), x)


cdef inline vdouble _log_of_parts(vdouble k, vdouble f) noexcept nogil:
    """k log(2) + log(1 + f) for |log(1 + f)| <= log(2) / 2.

    With s = f / (f + 2) it is k log(2) + f - f^2/2 + s (f^2/2 + s^2 P(s^2)), small terms first
    (the arrangement is that of FreeBSD's e_log.c).
    """
    cdef vdouble s, z, half_square, p
    cdef int i
    s = f / (f + 2)
    z = s * s
    p = vnumber_d(LOG_D[LOG_DEGREE])
    for i in range(LOG_DEGREE - 1, -1, -1):
        p = vfmadd_d(p, z, vnumber_d(LOG_D[i]))
    half_square = vnumber_d(0.5) * f * f
    p = vfmadd_d(s, vfmadd_d(z, p, half_square), k * vnumber_d(LOG2_LOW_D))
    return vfmadd_d(k, vnumber_d(LOG2_HIGH_D), f - (half_square - p))


cdef inline vdouble vlog(vdouble x) noexcept nogil:
    """log(x) for normal x > 0; NaN stays NaN."""
    cdef vdouble root = vnumber_d(1.4142135623730951), k, f
    cdef vdouble m = vmantissa_d(x)
    k = vexponent_d(x)
    k = vselect_less_d(root, m, k + 1, k)
    f = vselect_less_d(root, m, m * vnumber_d(0.5), m) - 1
    return _log_of_parts(k, f) + (x - x)


cdef inline vdouble vlog1p(vdouble x) noexcept nogil:
    """log(1 + x) for 0 <= x <= 1; NaN stays NaN. Nothing is lost where x is small."""
    cdef vdouble most = vnumber_d(0.4142135623730951), k, f
    k = vselect_less_d(most, x, vnumber_d(1), vnumber_d(0))
    f = vselect_less_d(most, x, (x - 1) * vnumber_d(0.5), x)
    return _log_of_parts(k, f)
