"""exp, tanh, the logistic function and log, lane by lane in the vectors of vectors.pyx.

Each is a fixed sequence of operations that are rounded once, so a result depends on its argument
alone: not on the lane, nor on the level or the compiler as long as they fuse multiply-adds. In
units of eps the error, fused or not, is below 0.7 for exp, 1.5 for the logistic function and 1.7
for tanh over the whole range (measured over a fifth of all single numbers and 14 million double
ones), plus half the least subnormal number; tests/kernels/test_elementary.py holds 1, 2 and 2.

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


cdef inline vector vexp(vector x) noexcept nogil:
    """exp(x) = 2^n exp(r) with x = n log(2) + r.

    Where x is so large that exp(x) is infinite we bring it down to where that is still so. Where
    exp(x) is less than half the least subnormal number, n becomes -2 bias, for which vscale
    multiplies by zero: an underflow would cost a hundred cycles. NaN passes both.
    """
    cdef vector t, r
    if vector is vfloat:
        x = vselect_less_f(x, vnumber_f(-104), vnumber_f(-176), vmin_f(vnumber_f(89), x))
        r = _reduce(x, 254, &t)
    else:
        x = vselect_less_d(x, vnumber_d(-746), vnumber_d(-1418), vmin_d(vnumber_d(710), x))
        r = _reduce(x, 2046, &t)
    return vscale(1 + _short_expm1(r), t)


cdef inline vector vsigmoid(vector x) noexcept nogil:
    """1 / (1 + exp(-x)) = e / (1 + e), with e = exp(-|x|) or 1 on top: nothing overflows."""
    cdef vector e = vexp(-vabs(x))
    return vselect_less(x, vnumber(&x, 0), e, vnumber(&x, 1)) / (1 + e)


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
