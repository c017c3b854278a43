"""The logistic function and tanh, lane by lane, as exact as one division can make them.

Both are a base that is exact and a quotient that is small beside it, so that of all roundings only
the last one counts in full. Over all single numbers the logistic function is off by at most 1.39
units in the last place and tanh by 0.96, fused or not; tests/kernels/test_last_digits.py measures
it and holds 1.5 and 1. Results that are subnormal are off by at most one least subnormal number.

The polynomials are minimax, found as those in exponential.pyx.
"""

cdef extern from *:
    """
    #define SIGMOID_MOST 9      /* the highest degrees */
    #define TANH_MOST 7
    typedef struct {
        double one_by_log2, log2_high, log2_low;    /* as in exponential.pyx */
        double magic, bias;                         /* as there */
        double zero, shift;     /* exp(-zero) is 0, rounded; shift keeps a power of 2 normal */
        int degree;
        double c[SIGMOID_MOST + 1];
    } affinet_sigmoid;
    /* exp(-r) = 1 - r + r^2 (c0 + c1 r + ...) for -0.4055 <= r <= 0.2885; error relative to exp
       2^-33.9 and 2^-57.7. exp(-zero) = 2^-n with n = bias + shift, whose power has no bits. */
    static const affinet_sigmoid SIGMOID_F = {
        0x1.71547652b82fep+0, 0x1.63p-1f, -0x1.bd0106p-13f, 0x1.8p23, 127, 132.39, 64,
        5, {0x1p-1, -0x1.55555cp-3, 0x1.5554eap-5, -0x1.1105a6p-7, 0x1.6d1a2p-10, -0x1.b5c46ep-13}
    };
    static const affinet_sigmoid SIGMOID_D = {
        0x1.71547652b82fep+0, 0x1.62e42feep-1, 0x1.a39ef35793c76p-33, 0x1.8p52, 1023, 847.7, 200,
        9, {0x1.ffffffffffffep-2, -0x1.55555555556dcp-3, 0x1.5555555555fcep-5,
            -0x1.111111108fbaep-7, 0x1.6c16c16a8dd34p-10, -0x1.a01a0544788dbp-13,
            0x1.a019f520420e0p-16, -0x1.71d337d1522a8p-19, 0x1.28400c13b2aecp-22,
            -0x1.c69b74c635752p-26}
    };
    typedef struct {
        double two_by_log2, half_log2_high, half_log2_low, magic, bias;
        double one;             /* tanh is 1, rounded, from here on */
        int degree;
        double c[TANH_MOST + 1];
    } affinet_tanh;
    /* a / tanh(a) = 1 + a^2 (c0 + c1 a^2 + ...) for |a| <= 0.55; error of the bracket 2^-29.5 and
       2^-57.7. */
    static const affinet_tanh TANH_F = {
        0x1.71547652b82fep+1, 0x1.63p-2f, -0x1.bd0106p-14f, 0x1.8p23, 127, 10,
        3, {0x1.555556p-2, -0x1.6c162ep-6, 0x1.151950p-9, -0x1.a1de1ep-13}
    };
    static const affinet_tanh TANH_D = {
        0x1.71547652b82fep+1, 0x1.62e42feep-2, 0x1.a39ef35793c76p-34, 0x1.8p52, 1023, 20,
        7, {0x1.5555555555555p-2, -0x1.6c16c16c16a14p-6, 0x1.1566abbfcb4cbp-9,
            -0x1.bbd778bf02d6ap-13, 0x1.66a8c34699772p-16, -0x1.2275d15e1b333p-19,
            0x1.d43f5bb01f14fp-23, -0x1.521dd82752563p-26}
    };
    /* tanh(centre) and centre, both single numbers but for 2^-30: found by trying neighbours. */
    static const float TANH_VALUES[8] = {
        0, 0x1.92314cp-1, 0x1.f8eaeap-1, 0x1.ff60e6p-1, 0x1.fff302p-1, 0x1.fffef4p-1, 0x1.ffffd6p-1,
        0x1.fffffap-1
    };
    static const float TANH_CENTRES[8] = {
        0, 0x1.0f45a6p+0, 0x1.3de212p+1, 0x1.da0416p+1, 0x1.3d312ap+2, 0x1.8dc968p+2, 0x1.c917d0p+2,
        0x1.03ae5ap+3
    };
    /* As TANH_F's, for |a| <= 0.8: 2^-27.7. */
    static const double TANH_NEAR[] = {
        0x1.555546p-2, -0x1.6c08e6p-6, 0x1.1355f8p-9, -0x1.7c7c1cp-13
    };
    static inline const affinet_sigmoid* sigmoid_f(const vfloat* kind) {
        return (void)kind, &SIGMOID_F;
    }
    static inline const affinet_sigmoid* sigmoid_d(const vdouble* kind) {
        return (void)kind, &SIGMOID_D;
    }
    static inline const affinet_tanh* tanh_f(const vfloat* kind) { return (void)kind, &TANH_F; }
    static inline const affinet_tanh* tanh_d(const vdouble* kind) { return (void)kind, &TANH_D; }
    """
    ctypedef struct SigmoidConstants "affinet_sigmoid":
        const double one_by_log2, log2_high, log2_low, magic, bias, zero, shift
        const int degree
        const double* c
    ctypedef struct TanhConstants "affinet_tanh":
        const double two_by_log2, half_log2_high, half_log2_low, magic, bias, one
        const int degree
        const double* c
    const float* TANH_VALUES
    const float* TANH_CENTRES
    const double* TANH_NEAR

# The constants of a type of vectors.
cdef extern const SigmoidConstants* _sigmoid_constants "sigmoid_f"(const vfloat* kind) \
    noexcept nogil
cdef extern const SigmoidConstants* _sigmoid_constants "sigmoid_d"(const vdouble* kind) \
    noexcept nogil
cdef extern const TanhConstants* _tanh_constants "tanh_f"(const vfloat* kind) noexcept nogil
cdef extern const TanhConstants* _tanh_constants "tanh_d"(const vdouble* kind) noexcept nogil


cdef inline vector vsigmoid(vector x) noexcept nogil:
    """s for x < 0 and 1 - s else, with s = e / (1 + e) and e = exp(-|x|): nothing overflows.

    With e = S E, S = 2^-n, E = exp(-r) = 1 + p we have s = S (b + ((1 + p)(1 - b S) - b) / (1 + e))
    for any b. With b = 1 - S, or 1/2 for n = 0, the quotient is small. n is rounded so that p stays
    between -1/4 and 1/2, where its own rounding is small beside that of the sum: 0.05889 is what
    log(3/2) exceeds log(2) / 2 by.
    """
    cdef const SigmoidConstants* c = _sigmoid_constants(&x)
    cdef vector y = vmin(vnumber(&x, c.zero), vabs(x)), one = vnumber(&x, 1)
    cdef vector t, n, r, p, power, base, s
    t = vfmadd(y + vnumber(&x, 0.05889), vnumber(&x, -c.one_by_log2),
               vnumber(&x, c.magic + c.bias + c.shift))
    n = t - vnumber(&x, c.magic + c.bias + c.shift)
    r = vfmadd(n, vnumber(&x, c.log2_low), vfmadd(n, vnumber(&x, c.log2_high), y))
    p = vfmadd(r * r, vpolynomial(c.degree, c.c, r), -r)
    power = vpower(t) * vpower(vnumber(&x, c.magic + c.bias - c.shift))
    base = vmax(1 - power, vnumber(&x, 0.5))
    s = vfmadd(p, vfmadd(-base, power, one), vfmadd(-base, power, 1 - base))
    s = power * (base + s / vfmadd(power, p, 1 + power))
    return vselect_less(x, vnumber(&x, 0), s, 1 - s)


cdef inline vfloat _tanh_by_table(vfloat x) noexcept nogil:
    """T + s with the sign of x, for |x| = c + a, T = tanh(c) and E = 1 - T^2.

    c is the nearest of eight centres. With a / tanh(a) = 1 + g, s = E a / (1 + w) for w = T a + g,
    computed as E a - E a w / (1 + w): the quotient is smaller, and is 0 where x is subnormal.
    """
    cdef vfloat y = vmin(vnumber(&x, 9.05), vabs(x)), t, T, E, a, g, w
    t = vfmadd(y, vnumber(&x, 0.8064516), vnumber(&x, 1.5 * 2.0**23))
    T = vlookup_f(TANH_VALUES, t)
    a = y - vlookup_f(TANH_CENTRES, t)
    E = vfmadd(-T, T, vnumber(&x, 1)) * a
    g = a * a
    g = g * vpolynomial(3, TANH_NEAR, g)
    w = vfmadd(T, a, g)
    return vcopysign(T + vfmadd(-E, w / (1 + w), E), x)


cdef inline vector vtanh(vector x) noexcept nogil:
    """y - 2 y g / (2 (1 + g)) for y = |x| < 0.55, with y / tanh(y) = 1 + g, and the sign of x.

    Beyond, with y = n log(2) / 2 + a, S = 2^-n, a / tanh(a) = 1 + g and u = 1 - a + g, it is
    (u (1 - S) + 2 a) / (u (1 + S) + 2 a): the base 1 - 2 S plus 2 S (S u + 2 a) / (u + S u + 2 a).
    The first formula has the same denominator for n = 0. Single numbers go by a table, with a third
    less to compute, where vectors can look numbers up.
    """
    if vector is vfloat and HAS_TABLES:
        return _tanh_by_table(x)
    cdef const TanhConstants* c = _tanh_constants(&x)
    cdef vector y = vmin(vnumber(&x, c.one), vabs(x)), magic = vnumber(&x, c.magic + c.bias)
    cdef vector small = vnumber(&x, 0.55), t, n, a, g, minus_u, numerator, denominator, power, base
    t = vfmadd(y, vnumber(&x, -c.two_by_log2), magic)
    t = vselect_less(y, small, magic, t)
    n = t - magic
    a = vfmadd(n, vnumber(&x, c.half_log2_low), vfmadd(n, vnumber(&x, c.half_log2_high), y))
    power = vpower(t)
    g = a * a
    g = g * vpolynomial(c.degree, c.c, g)
    minus_u = (a - 1) - g
    numerator = vfmadd(power, minus_u, -(a + a))
    denominator = minus_u + numerator
    power = power + power
    base = vselect_less(y, small, a, 1 - power)
    numerator = vselect_less(y, small, a * g, numerator)
    return vcopysign(vfmadd(power, numerator / denominator, base), x)
