"""Sums in double precision, and the weights of rows that some of them carry.

Every such sum has one order, whatever the vectors' width: SUMS running sums take the terms in
turn, then the upper half of them is added to the lower half until one is left (vsum). Rows are
added from the first to the last.

Rows may have weights, (B,) numbers w >= 0; a mean over rows then divides by their sum, and where
no weights are given each is 1. A row of weight 0 counts nothing, whatever it holds, and if no row
has a weight the loss is 0.
"""

cdef enum:
    SUMS = 8                # running sums in double precision: those of one line of the cache


cdef inline void _clear(Py_ssize_t n, double* sums) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(n):
        sums[k] = 0


cdef double _weight_sum(Py_ssize_t B, const double* weights) noexcept nogil:
    """The sum of B rows' weights, from the first to the last; B without weights."""
    cdef Py_ssize_t i
    cdef double total = 0
    if weights == NULL:
        return <double> B
    for i in range(B):
        total += weights[i]
    return total


cdef inline void _keep_term(double* terms, Py_ssize_t i, double term) noexcept nogil:
    """What row i adds to a sum over rows, for a caller who wants to add the rows up itself."""
    if terms != NULL:
        terms[i] = term


cdef double _sum_in_order(Py_ssize_t B, const double* terms) noexcept nogil:
    """The sum of the rows' terms, from the first to the last."""
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(B):
        total += terms[i]
    return total


cdef inline double _weight_of(const double* weights, Py_ssize_t i) noexcept nogil:
    return 1 if weights == NULL else weights[i]
