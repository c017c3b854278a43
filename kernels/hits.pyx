"""Hits: how many of a batch's rows, by their weights, the network got right.

Rows of few classes run along the lanes, as in softmax.pyx (ROWS_AT_ONCE, FEW_CLASSES), by way of
transposition.pyx and a panel of product.pyx's.
"""

from libc.stdint cimport int64_t


cdef Py_ssize_t _highest(Py_ssize_t n, const real* x) noexcept nogil:
    """Place of the first highest number; a NaN counts as higher than all."""
    cdef Py_ssize_t i, best = 0
    for i in range(1, n):
        if x[best] != x[best]:
            return best
        if not x[i] <= x[best]:
            best = i
    return best


cdef void _highest_in_lanes(Py_ssize_t C, const float* y, float* places) noexcept nogil:
    """_highest of ROWS_AT_ONCE rows of few classes, with the rows along the lanes.

    y: softmax's outputs, of which a row is NaN everywhere or nowhere.
    """
    cdef char[FEW_CLASSES * LINE + LINE] memory
    cdef float* transposed = _aligned_panel(memory, <float*> NULL)
    cdef Py_ssize_t i = 0, j, lanes = VECTOR_BYTES // sizeof(float)
    cdef vfloat numbers, highest, place
    _transpose(ROWS_AT_ONCE, C, y, C, transposed, ROWS_AT_ONCE)
    while i < ROWS_AT_ONCE:
        highest = vload(<vfloat*> (transposed + i), lanes)
        place = vnumber(&highest, 0)
        for j in range(1, C):
            numbers = vload(<vfloat*> (transposed + j * ROWS_AT_ONCE + i), lanes)
            place = vselect_less(highest, numbers, vnumber(&numbers, j), place)
            highest = vselect_less(highest, numbers, numbers, highest)
        vstore(<vfloat*> (places + i), place, lanes)
        i += lanes


cdef double _label_hits(Py_ssize_t B, Py_ssize_t C, const real* y, const int64_t* t,
                        const double* weights) noexcept nogil:
    """The weights of the rows of softmax's outputs whose highest is the label's."""
    cdef float[ROWS_AT_ONCE] places
    cdef Py_ssize_t i = 0, r
    cdef double hits = 0
    while i < B:
        if real is float and C <= FEW_CLASSES and B - i >= ROWS_AT_ONCE:
            _highest_in_lanes(C, y + i * C, places)
            for r in range(ROWS_AT_ONCE):
                hits += _weight_of(weights, i + r) if <int64_t> places[r] == t[i + r] else 0
            i += ROWS_AT_ONCE
        else:
            hits += _weight_of(weights, i) if _highest(C, y + i * C) == t[i] else 0
            i += 1
    return hits


cdef double _row_hits(Py_ssize_t B, Py_ssize_t C, const real* x, const real* t,
                      const double* weights) noexcept nogil:
    cdef Py_ssize_t i
    cdef double hits = 0
    for i in range(B):
        if _highest(C, x + i * C) == _highest(C, t + i * C):
            hits += _weight_of(weights, i)
    return hits


cdef double _side_hits(Py_ssize_t B, Py_ssize_t O, const real* x, const real* t,
                       const double* weights) noexcept nogil:
    """Rows whose numbers are all above 0 where t is above 1/2, and not above it elsewhere."""
    cdef Py_ssize_t i, j
    cdef double hits = 0
    cdef bint right
    for i in range(B):
        right = True
        for j in range(i * O, (i + 1) * O):
            right = right and (x[j] > 0 if t[j] > 0.5 else x[j] <= 0)
        if right:
            hits += _weight_of(weights, i)
    return hits
