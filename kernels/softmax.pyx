"""Softmax row by row. C is the number of classes.

A row's sum of exponentials has one order, whatever the vector width: as many running sums as fit
into 64 bytes take the terms in turn, then the upper half is added to the lower half until one is
left. If a row has few classes, rows run along the lanes, using transposition.pyx and a panel of
product.pyx.
"""

from cpython.object cimport PyObject
from libc.math cimport INFINITY

cdef enum:
    MANY_CLASSES = 128      # up to here a running sum has 16 terms at most


cdef inline double _row_maximum(Py_ssize_t C, const vector* x) noexcept nogil:
    """The maximum of C numbers, C >= 1; unspecified if one of them is NaN."""
    cdef vector[4] most
    cdef int v
    for v in range(BLOCK_VECTORS):
        most[v] = vnumber(x, -INFINITY)
    while C > 0:
        for v in range(BLOCK_VECTORS):
            if C > v * vlanes(x):
                most[v] = vmax(vload_or(most[v], x + v, C - v * vlanes(x)), most[v])
        x, C = x + BLOCK_VECTORS, C - BLOCK_VECTORS * vlanes(x)
    return vgreatest(<const vector*> most)


cdef inline double _row_exponentials(Py_ssize_t C, const vector* x, double maximum,
                                     vector* e) noexcept nogil:
    """e = exp(x - maximum) for C numbers; returns their sum. e may be x.

    Past the row's end -inf is used, whose exponential adds 0. The sums of many classes get back
    what their roundings took, which Knuth's two-sum finds exactly: 0 for a term of 0.
    """
    cdef vector[4] sums, lost
    cdef vector terms, part, total, top = vnumber(x, maximum), nothing = vnumber(x, -INFINITY)
    cdef bint many = C > MANY_CLASSES
    cdef int v
    for v in range(BLOCK_VECTORS):
        sums[v] = lost[v] = vnumber(x, 0)
    while C > 0:
        for v in range(BLOCK_VECTORS):
            if C > v * vlanes(x):
                terms = vexp(vload_or(nothing, x + v, C - v * vlanes(x)) - top)
                total = sums[v] + terms
                if many:
                    part = total - sums[v]
                    lost[v] = lost[v] + ((sums[v] - (total - part)) + (terms - part))
                sums[v] = total
                vstore(e + v, terms, C - v * vlanes(x))
        x, e, C = x + BLOCK_VECTORS, e + BLOCK_VECTORS, C - BLOCK_VECTORS * vlanes(x)
    return vsum(<const vector*> sums) + vsum(<const vector*> lost)


cdef inline void _lane_exponentials(Py_ssize_t C, const vfloat* x, vfloat* e, double* maxima,
                                    double* totals, double* others) noexcept nogil:
    """_exponentials in each lane of C <= FEW_CLASSES vectors, ROWS_AT_ONCE numbers apart."""
    cdef vfloat[FEW_CLASSES] terms
    cdef float[ROWS_AT_ONCE] maximum, total
    cdef const float* logits = <const float*> x
    cdef float* exponentials = <float*> e
    cdef vfloat most = vload(x, vlanes(x))
    cdef Py_ssize_t j, half = FEW_CLASSES // 2
    for j in range(1, C):
        most = vmax(vload(<const vfloat*> (logits + j * ROWS_AT_ONCE), vlanes(x)), most)
    for j in range(C):
        terms[j] = vexp(vload(<const vfloat*> (logits + j * ROWS_AT_ONCE), vlanes(x)) - most)
        vstore(<vfloat*> (exponentials + j * ROWS_AT_ONCE), terms[j], vlanes(x))
    if others != NULL:
        _lane_sums_of_others(C, most, logits, exponentials, others)
    while half > 0:
        for j in range(min(half, C - half)):
            terms[j] = terms[j] + terms[j + half]
        half //= 2
    vstore(<vfloat*> maximum, most, vlanes(x))
    vstore(<vfloat*> total, terms[0], vlanes(x))
    for j in range(vlanes(x)):
        maxima[j], totals[j] = maximum[j], total[j]
        if others != NULL and not totals[j] < 2:
            others[j] = 2


cdef void _exponentials_in_lanes(Py_ssize_t C, const float* x, float* e, double* maxima,
                                 double* totals, double* others) noexcept nogil:
    """_exponentials for ROWS_AT_ONCE rows of few classes, with the rows along the lanes."""
    cdef char[2 * FEW_CLASSES * LINE + LINE] memory
    cdef float* logits = _aligned_panel(memory, <float*> NULL)
    cdef float* exponentials = logits + FEW_CLASSES * ROWS_AT_ONCE
    cdef Py_ssize_t i = 0
    _transpose(ROWS_AT_ONCE, C, x, C, logits, ROWS_AT_ONCE)
    while i < ROWS_AT_ONCE:
        _lane_exponentials(C, <const vfloat*> (logits + i), <vfloat*> (exponentials + i),
                           maxima + i, totals + i, others + i if others != NULL else NULL)
        i += VECTOR_BYTES // <Py_ssize_t> sizeof(float)
    _transpose(C, ROWS_AT_ONCE, exponentials, ROWS_AT_ONCE, e, C)


cdef void _exponentials(Py_ssize_t rows, Py_ssize_t C, const real* x, real* e, double* maxima,
                        double* totals, double* others) noexcept nogil:
    """e = exp(x - max x) row by row, with each row's maximum and sum of exponentials.

    others, if not NULL, receives the sums without that of the maximum, where they are below 1,
    and 2 elsewhere; e may be x only without them.

    Subtracting the maximum keeps every exponent at or below zero, so logits of any finite size
    neither overflow nor divide by zero.
    """
    cdef Py_ssize_t i
    if real is float and rows == ROWS_AT_ONCE and C <= FEW_CLASSES:
        _exponentials_in_lanes(C, x, e, maxima, totals, others)
        return
    for i in range(rows):
        if real is float:
            maxima[i] = _row_maximum(C, <const vfloat*> (x + i * C))
            totals[i] = _row_exponentials(C, <const vfloat*> (x + i * C), maxima[i],
                                          <vfloat*> (e + i * C))
        else:
            maxima[i] = _row_maximum(C, <const vdouble*> (x + i * C))
            totals[i] = _row_exponentials(C, <const vdouble*> (x + i * C), maxima[i],
                                          <vdouble*> (e + i * C))
        if others != NULL:
            others[i] = 2
            if totals[i] < 2:
                others[i] = _sum_of_others(C, <real> maxima[i], x + i * C, e + i * C)


cdef inline void _scale_row(Py_ssize_t C, double scale, vector* y) noexcept nogil:
    """y = scale y."""
    while C > 0:
        vstore(y, vload(y, C) * vnumber(y, scale), C)
        y, C = y + 1, C - vlanes(y)


cdef inline void _scale_row_of(Py_ssize_t C, double scale, real* y) noexcept nogil:
    """y = scale y."""
    if real is float:
        _scale_row(C, scale, <vfloat*> y)
    else:
        _scale_row(C, scale, <vdouble*> y)


cdef void _softmax_forward(Py_ssize_t B, Py_ssize_t C, const real* x, real* y) noexcept nogil:
    cdef Py_ssize_t i = 0, r, rows
    cdef double[ROWS_AT_ONCE] maxima, totals
    while i < B:
        rows = min(<Py_ssize_t> ROWS_AT_ONCE, B - i)
        _exponentials(rows, C, x + i * C, y + i * C, maxima, totals, NULL)
        for r in range(rows):
            _scale_row_of(C, 1 / totals[r], y + (i + r) * C)
        i += rows


cdef void _softmax_held(void* job, const Held* held, real* precision) noexcept nogil:
    if held_size(held, 0, 1) > 0:
        _softmax_forward(held_size(held, 0, 0), held_size(held, 0, 1), <real*> held_data(held, 0),
                         <real*> held_data(held, 1))


def softmax_forward(x, y, /):
    """y_ij = exp(x_ij) / sum_k exp(x_ik).

    x, y: (B, C). y is overwritten and may be x.
    """
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> y]
    enter(b"x BC, =y BC", arrays, NULL, _softmax_held, _softmax_held, NULL)
