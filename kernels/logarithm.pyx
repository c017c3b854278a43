"""log and log1p of double numbers, lane by lane."""

cdef extern from *:
    """
    /* log((1 + s) / (1 - s)) = 2 s + s^3 (c0 + c1 s^2 + ...) for |s| <= (2^.5 - 1) / (2^.5 + 1);
       relative error 2^-59. */
    #define LOG_DEGREE 6
    static const double LOG_TERMS[] = {
        0.66666666666667344, 0.39999999999414672, 0.28571428742388849, 0.22222198573064845,
        0.18183564332179156, 0.15314050398730861, 0.14795951235340261
    };
    /* log(2) in two parts, as in exponential.pyx. */
    #define LOG2_HIGH 0x1.62e42feep-1
    #define LOG2_LOW 0x1.a39ef35793c76p-33
    """
    const int LOG_DEGREE
    const double[7] LOG_TERMS
    const double LOG2_HIGH
    const double LOG2_LOW


cdef inline vdouble _log_of_parts(vdouble k, vdouble f) noexcept nogil:
    """k log(2) + log(1 + f) for |log(1 + f)| <= log(2) / 2.

    With s = f / (f + 2) it is k log(2) + f - f^2/2 + s (f^2/2 + s^2 P(s^2)), small terms first
    (the arrangement is that of FreeBSD's e_log.c).
    """
    cdef vdouble s = f / (f + 2), z = s * s, half_square = 0.5 * f * f, p
    p = vpolynomial(LOG_DEGREE, LOG_TERMS, z)
    p = vfmadd(s, vfmadd(z, p, half_square), k * vnumber(&k, LOG2_LOW))
    return vfmadd(k, vnumber(&k, LOG2_HIGH), f - (half_square - p))


cdef inline vdouble _parts_of(vdouble x, vdouble* k) noexcept nogil:
    """f with x = 2^k (1 + f), as _log_of_parts wants it."""
    cdef vdouble root = vnumber(&x, 1.4142135623730951), m = vmantissa_d(x)
    k[0] = vexponent_d(x)
    k[0] = vselect_less(root, m, k[0] + 1, k[0])
    return vselect_less(root, m, m * vnumber(&x, 0.5), m) - 1


cdef inline vdouble _parts_of_1_plus(vdouble x, vdouble* k) noexcept nogil:
    """f with 1 + x = 2^k (1 + f) for 0 <= x <= 1."""
    cdef vdouble most = vnumber(&x, 0.4142135623730951)
    k[0] = vselect_less(most, x, vnumber(&x, 1), vnumber(&x, 0))
    return vselect_less(most, x, (x - 1) * vnumber(&x, 0.5), x)


cdef inline vdouble vlog(vdouble x) noexcept nogil:
    """log(x) for normal x > 0; NaN stays NaN."""
    cdef vdouble k
    cdef vdouble f = _parts_of(x, &k)
    return _log_of_parts(k, f) + (x - x)


cdef inline vdouble vlog1p(vdouble x) noexcept nogil:
    """log(1 + x) for 0 <= x <= 1; NaN stays NaN. Nothing is lost where x is small."""
    cdef vdouble k
    cdef vdouble f = _parts_of_1_plus(x, &k)
    return _log_of_parts(k, f)


cdef inline vdouble vlog_of_sum(vdouble total, vdouble rest) noexcept nogil:
    """vlog1p(rest) where rest < 1, vlog(total) elsewhere."""
    cdef vdouble k, k_of_rest, one = vnumber(&total, 1)
    cdef vdouble f = _parts_of(total, &k), f_of_rest = _parts_of_1_plus(rest, &k_of_rest)
    k = vselect_less(rest, one, k_of_rest, k)
    f = vselect_less(rest, one, f_of_rest, f)
    return _log_of_parts(k, f) + (total - total)
