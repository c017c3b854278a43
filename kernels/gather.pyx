"""Gathering a batch: rows by shuffled index, read in place from the data set.

Rows are uint8, float32 or float64, class indices uint8, int32 or int64, with any strides; memory
maps are read in place, so a data set is never copied.
"""

from cpython.buffer cimport Py_buffer, PyBUF_STRIDES
from libc.stdint cimport int32_t, int64_t, uint8_t

cdef enum:
    ENOUGH_NUMBERS = 20000  # elements per part from which an extra thread pays,
    ENOUGH_NUMBERS_TO_WAKE = 320000     # and from which waking a sleeping one pays

ctypedef fused row_number:  # element types of rows
    const uint8_t
    const float
    const double

cdef struct RowSource:
    Numbers source          # element type of the rows
    const char* data
    Py_ssize_t n_rows
    Py_ssize_t n_columns
    Py_ssize_t row_step     # bytes
    Py_ssize_t column_step


cdef object _set_rows(RowSource* rows, object array, Py_ssize_t n_columns, const char* name):
    """Gather from this array (N, n_columns); returns the object that keeps its memory alive."""
    cdef Held held
    cdef const Py_buffer* buffer = &held.buffers[0]
    hold_nothing(&held)
    try:
        take_hold(&held, name, array, 2, PyBUF_STRIDES)
        if numbers_of(buffer) not in (UINT8, FLOAT, DOUBLE):
            raise TypeError(f"{_name_of(name)} has the wrong dtype, wanted uint8, float32 or "
                            "float64")
        require_size(&held, 0, name, 1, n_columns)
        return _gather_from_held(rows, &held, n_columns, buffer.strides[1], array)
    finally:
        let_go(&held)


cdef object _set_labels(RowSource* rows, object array):
    """Gather class indices from this array (N,); returns the object that keeps its memory alive."""
    cdef Held held
    hold_nothing(&held)
    try:
        take_hold(&held, b"t", array, 1, PyBUF_STRIDES)
        if numbers_of(&held.buffers[0]) not in (UINT8, INT32, INT64):
            raise TypeError("t has the wrong dtype, wanted uint8, int32 or int64")
        return _gather_from_held(rows, &held, 0, 0, array)
    finally:
        let_go(&held)


cdef object _gather_from_held(RowSource* rows, const Held* held, Py_ssize_t n_columns,
                              Py_ssize_t column_step, object array):
    keeper = memoryview(array)
    rows.source, rows.data = numbers_of(&held.buffers[0]), <const char*> held_data(held, 0)
    rows.n_rows, rows.n_columns = held_size(held, 0, 0), n_columns
    rows.row_step, rows.column_step = held.buffers[0].strides[0], column_step
    return keeper


cdef struct Gather:
    const RowSource* rows
    Py_ssize_t B
    const int64_t* order
    double factor
    char* out


cdef void _gather(const RowSource* rows, Py_ssize_t B, const int64_t* order, double factor,
                  real* out) noexcept nogil:
    """out[i] = factor * row order[i], in out's precision; multithreaded for large batches."""
    cdef Gather job
    job.rows, job.B, job.order, job.factor, job.out = rows, B, order, factor, <char*> out
    _run_parts(precision_of(out), _gather_part, _gather_part, &job,
               _parts(B * rows.n_columns, ENOUGH_NUMBERS, ENOUGH_NUMBERS_TO_WAKE))


cdef void _gather_part(void* job_, int part, int parts, real* precision) noexcept nogil:
    """Some rows of a batch; NaN for an unknown element type."""
    cdef const Gather* job = <const Gather*> job_
    cdef Py_ssize_t i = _cut(job.B, part, parts, 1), B = _cut(job.B, part + 1, parts, 1) - i
    cdef Py_ssize_t n = job.rows.n_columns
    cdef real* out = <real*> job.out + i * n
    if job.rows.source == UINT8:
        _gather_from(job.rows, B, job.order + i, <const uint8_t*> NULL, out)
    elif job.rows.source == FLOAT:
        _gather_from(job.rows, B, job.order + i, <const float*> NULL, out)
    elif job.rows.source == DOUBLE:
        _gather_from(job.rows, B, job.order + i, <const double*> NULL, out)
    else:
        _fill_with_nan(B * n, out)
    if job.factor != 1:
        _scale(B * n, <real> job.factor, out)


cdef void _gather_from(const RowSource* rows, Py_ssize_t B, const int64_t* order, row_number* kind,
                       real* out) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef const char* row
    for i in range(B):
        row = rows.data + order[i] * rows.row_step
        if rows.column_step == sizeof(row_number):
            if i + 1 < B:
                _prefetch_row(rows.n_columns * sizeof(row_number),
                              rows.data + order[i + 1] * rows.row_step)
            for j in range(rows.n_columns):
                out[i * rows.n_columns + j] = <real> (<row_number*> row)[j]
        else:
            for j in range(rows.n_columns):
                out[i * rows.n_columns + j] = <real> (<row_number*> (row + j * rows.column_step))[0]


cdef inline void _prefetch_row(Py_ssize_t size, const char* row) noexcept nogil:
    """Prefetch the next row: shuffled access defeats the hardware prefetcher."""
    cdef Py_ssize_t at = 0
    while at < size:
        prefetch_L2(row + at)
        at += LINE


cdef void _gather_labels(const RowSource* rows, Py_ssize_t B, const int64_t* order,
                         int64_t* out) noexcept nogil:
    cdef Py_ssize_t i
    cdef const char* p
    for i in range(B):
        p = rows.data + order[i] * rows.row_step
        if rows.source == UINT8:
            out[i] = (<const uint8_t*> p)[0]
        elif rows.source == INT32:
            out[i] = (<const int32_t*> p)[0]
        elif rows.source == INT64:
            out[i] = (<const int64_t*> p)[0]
        else:
            out[i] = -1                 # not a class index, so the loss refuses it


cdef void _gather_weights(const double* weights, Py_ssize_t B, const int64_t* order,
                          double* out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(B):
        out[i] = weights[order[i]]


cdef void _scale(Py_ssize_t n, real factor, real* x) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = x[i] * factor
