"""Gathering a batch: the rows that a shuffled index names, from where the data set lies.

Rows are uint8, float32 or float64, class indices uint8, int32 or int64, with any strides; memory
maps are read in place, so a data set is never copied.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t

cdef enum:
    ENOUGH_NUMBERS = 20000  # numbers to gather a part for which a thread more surely pays

cdef enum Source:
    NO_SOURCE
    UINT8
    INT32
    INT64
    FLOAT
    DOUBLE

ctypedef fused number:      # what rows may be gathered from
    const uint8_t
    const float
    const double

ctypedef fused label:       # what class indices may be gathered from
    const uint8_t
    const int32_t
    const int64_t

cdef struct Rows:
    Source source           # what the numbers are
    const char* data
    Py_ssize_t n_rows
    Py_ssize_t n_columns
    Py_ssize_t row_step     # bytes
    Py_ssize_t column_step


cdef int _set_rows(Rows* rows, number[:, :] array, Py_ssize_t n_columns,
                   str name) except -1:
    """Gather from this array, which its user keeps alive."""
    require_shape(name, array.shape[0], array.shape[1], array.shape[0], n_columns)
    rows.source = UINT8 if sizeof(number) == 1 else FLOAT if sizeof(number) == 4 else DOUBLE
    rows.n_rows, rows.n_columns = array.shape[0], array.shape[1]
    rows.row_step, rows.column_step = array.strides[0], array.strides[1]
    rows.data = <const char*> &array[0, 0] if array.shape[0] else NULL
    return 0


cdef int _set_labels(Rows* rows, label[:] array) except -1:
    """Gather class indices from this array, which its user keeps alive."""
    rows.source = UINT8 if sizeof(label) == 1 else INT32 if sizeof(label) == 4 else INT64
    rows.n_rows, rows.n_columns = array.shape[0], 0
    rows.row_step = array.strides[0]
    rows.data = <const char*> &array[0] if array.shape[0] else NULL
    return 0


cdef struct Gather:
    bint single
    const Rows* rows
    Py_ssize_t B
    const int64_t* order
    double factor
    char* out


cdef void _gather(const Rows* rows, Py_ssize_t B, const int64_t* order, double factor,
                  real* out) noexcept nogil:
    """out[i] = factor * row order[i], in out's precision; by several threads for large ones."""
    cdef Gather job
    job.single = sizeof(real) == sizeof(float)
    job.rows, job.B, job.order, job.factor, job.out = rows, B, order, factor, <char*> out
    _pool_run(_work_gather, &job, _parts(B * rows.n_columns, ENOUGH_NUMBERS))


cdef void _work_gather(void* job, int part, int parts) noexcept nogil:
    if (<Gather*> job).single:
        _work_gather_in(<Gather*> job, part, parts, <float*> NULL)
    else:
        _work_gather_in(<Gather*> job, part, parts, <double*> NULL)


cdef void _work_gather_in(const Gather* job, int part, int parts, real* precision) noexcept nogil:
    """One part of a batch: some of its rows."""
    cdef Py_ssize_t i = _cut(job.B, part, parts, 1), B = _cut(job.B, part + 1, parts, 1) - i
    cdef Py_ssize_t n = job.rows.n_columns
    cdef real* out = <real*> job.out + i * n
    if job.rows.source == UINT8:
        _gather_from(job.rows, B, job.order + i, <const uint8_t*> NULL, out)
    elif job.rows.source == FLOAT:
        _gather_from(job.rows, B, job.order + i, <const float*> NULL, out)
    else:
        _gather_from(job.rows, B, job.order + i, <const double*> NULL, out)
    if job.factor != 1:
        _scale(B * n, <real> job.factor, out)


cdef void _gather_from(const Rows* rows, Py_ssize_t B, const int64_t* order, number* kind,
                       real* out) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef const char* row
    for i in range(B):
        row = rows.data + order[i] * rows.row_step
        if rows.column_step == sizeof(number):
            for j in range(rows.n_columns):
                out[i * rows.n_columns + j] = <real> (<number*> row)[j]
        else:
            for j in range(rows.n_columns):
                out[i * rows.n_columns + j] = <real> (<number*> (row + j * rows.column_step))[0]


cdef void _gather_labels(const Rows* rows, Py_ssize_t B, const int64_t* order,
                         int64_t* out) noexcept nogil:
    cdef Py_ssize_t i
    cdef const char* p
    for i in range(B):
        p = rows.data + order[i] * rows.row_step
        if rows.source == UINT8:
            out[i] = (<const uint8_t*> p)[0]
        elif rows.source == INT32:
            out[i] = (<const int32_t*> p)[0]
        else:
            out[i] = (<const int64_t*> p)[0]


cdef void _gather_weights(const double* weights, Py_ssize_t B, const int64_t* order,
                          double* out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(B):
        out[i] = weights[order[i]]


cdef void _scale(Py_ssize_t n, real factor, real* x) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = x[i] * factor
