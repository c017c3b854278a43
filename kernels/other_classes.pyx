"""Sums of a row's exponentials without that of its maximum, which is 1.

In a confidently predicted row they are far below 1 and lose their digits in the sum of all: the
loss is log(1 + s) for the sum s of the others. x holds the logits, e the exponentials of the
rounded differences d from the row's maximum. The rounding of a difference is found exactly by
Knuth's two-sum; it is the relative error of e. The sums have the order of sums.pyx, and a row has
the same one whether its classes or the rows of a panel run along the lanes.
"""

from libc.math cimport INFINITY

cdef enum:
    ROWS_AT_ONCE = 16       # so that a row's stores complete before it is read again
    FEW_CLASSES = 16        # at most the number of running sums in single precision

cdef double FEW_DIGITS = 1e-30      # below it single exponentials, or many of them, are subnormal


cdef inlined_void _add_others(Py_ssize_t n, real maximum, const real* x, const real* e,
                              double* sums, double* lost) noexcept nogil:
    """sums + lost += exp(x - maximum) where x is below it, n numbers each on its own.

    The rounding of the sums themselves matters only in double precision.
    """
    cdef Py_ssize_t k
    cdef real d, part, rest
    cdef double term, total
    for k in range(n):
        d = x[k] - maximum
        part = d - x[k]
        rest = (x[k] - (d - part)) - (maximum + part)
        term = e[k] + e[k] * <double> rest if d < 0 and e[k] > 0 else 0
        total = sums[k] + term
        if real is double:
            part = total - sums[k]
            lost[k] += (sums[k] - (total - part)) + (term - part)
        sums[k] = total


cdef inlined_void _add_exponentials(Py_ssize_t n, float maximum, const float* x,
                                    double* sums) noexcept nogil:
    """sums += exp(x - maximum) where x is below it, at most SUMS of n numbers, in double."""
    cdef double[SUMS] d
    cdef vdouble e
    cdef Py_ssize_t k, lanes = VECTOR_BYTES // sizeof(double)
    for k in range(SUMS):
        d[k] = x[k] - <double> maximum if k < n and x[k] < maximum else -INFINITY
    for k in range(BLOCK_VECTORS):
        e = vexp(vload(<const vdouble*> (d + k * lanes), lanes))
        e = e + vload(<const vdouble*> (sums + k * lanes), lanes)
        vstore(<vdouble*> (sums + k * lanes), e, lanes)


cdef double _tiny_sum_of_others(Py_ssize_t C, float maximum, const float* x) noexcept nogil:
    """The sum of the others from exponentials in double."""
    cdef double[SUMS] sums
    cdef Py_ssize_t j = 0
    _clear(SUMS, sums)
    while j < C:
        _add_exponentials(C - j, maximum, x + j, sums)
        j += SUMS
    return vsum(<const vdouble*> sums)


cdef double _sum_of_others(Py_ssize_t C, real maximum, const real* x, const real* e) noexcept nogil:
    """The sum of the others from the exponentials in e."""
    cdef double[SUMS] sums, lost
    cdef Py_ssize_t j = 0
    _clear(SUMS, sums)
    _clear(SUMS, lost)
    while j + SUMS <= C:
        _add_others(SUMS, maximum, x + j, e + j, sums, lost)
        j += SUMS
    _add_others(C - j, maximum, x + j, e + j, sums, lost)
    return vsum(<const vdouble*> sums) + vsum(<const vdouble*> lost)


cdef inlined_void _lane_sums_of_others(Py_ssize_t C, vfloat most, const float* x,
                                       const float* e, double* others) noexcept nogil:
    """_sum_of_others in each lane of C <= FEW_CLASSES vectors, ROWS_AT_ONCE numbers apart."""
    cdef vdouble[2 * FEW_CLASSES] terms
    cdef float[ROWS_AT_ONCE] rests, exponentials
    cdef vfloat zero = vnumber(&most, 0), logits, d, part, rest, counted
    cdef vdouble term
    cdef Py_ssize_t j, h, lanes = vlanes(&terms[0]), half = FEW_CLASSES // 2
    for j in range(C):
        logits = vload(<const vfloat*> (x + j * ROWS_AT_ONCE), vlanes(&most))
        d = logits - most
        part = d - logits
        rest = (logits - (d - part)) - (most + part)
        counted = vselect_less(
            d, zero, vload(<const vfloat*> (e + j * ROWS_AT_ONCE), vlanes(&most)), zero)
        vstore(<vfloat*> exponentials, counted, vlanes(&most))
        vstore(<vfloat*> rests, vselect_less(zero, counted, rest, zero), vlanes(&most))
        for h in range(2):
            term = vwiden(exponentials + h * lanes)
            terms[2 * j + h] = term + term * vwiden(rests + h * lanes)
    while half > 0:
        for j in range(2 * min(half, C - half)):
            terms[j] = terms[j] + terms[j + 2 * half]
        half //= 2
    for h in range(2):
        vstore(<vdouble*> (others + h * lanes), terms[h], lanes)
