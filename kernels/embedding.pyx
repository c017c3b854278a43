"""Embeddings of categories: each of some columns holds codes, and becomes a row of a table.

A column's codes are the whole numbers 0, 1, ... below its number of rows; the tables of all columns
lie behind each other in E: (R, d), column p's from row firsts[p] on. The other columns stay as they
are. What is no code of its column becomes NaN.
"""

from cpython.object cimport PyObject
from libc.math cimport NAN
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

cdef struct Tables:
    Py_ssize_t n
    Py_ssize_t d
    Py_ssize_t R            # rows of E
    Py_ssize_t I            # values per row of x
    Py_ssize_t O            # and of out
    const int64_t* columns  # (n,), ascending
    const int64_t* firsts   # (n,), ascending from 0


cdef inline Py_ssize_t _row_of_table(const Tables* e, Py_ssize_t p, real code) noexcept nogil:
    """The row of E for a code of the p-th column; -1 for what is none."""
    cdef Py_ssize_t rows = (e.firsts[p + 1] if p + 1 < e.n else e.R) - e.firsts[p]
    cdef Py_ssize_t row
    if not 0 <= code < rows:
        return -1
    row = <Py_ssize_t> code
    return e.firsts[p] + row if row == code else -1


cdef void _embedding_forward(const Tables* e, Py_ssize_t B, const real* x, const real* E,
                             real* out) noexcept nogil:
    """reference.embedding_forward."""
    cdef Py_ssize_t i, p, k, start, length, row
    for i in range(B):
        start = 0
        for p in range(e.n + 1):
            length = (e.columns[p] if p < e.n else e.I) - start
            memcpy(out, x + i * e.I + start, length * sizeof(real))
            out, start = out + length, start + length + 1
            if p == e.n:
                break
            row = _row_of_table(e, p, x[i * e.I + e.columns[p]])
            for k in range(e.d):
                out[k] = E[row * e.d + k] if row >= 0 else <real> NAN
            out = out + e.d


cdef void _embedding_dx(const Tables* e, Py_ssize_t B, const real* dout, real* dx) noexcept nogil:
    """dx, in other memory than dout: 0 for codes."""
    cdef Py_ssize_t i, p, start, length
    for i in range(B):
        start = 0
        for p in range(e.n + 1):
            length = (e.columns[p] if p < e.n else e.I) - start
            memcpy(dx + i * e.I + start, dout, length * sizeof(real))
            dout, start = dout + length, start + length + 1
            if p < e.n:
                dx[i * e.I + e.columns[p]] = 0
                dout = dout + e.d


cdef void _embedding_rows(const Tables* e, Py_ssize_t first, Py_ssize_t end, Py_ssize_t B,
                          const real* x, const real* dout, real* dE) noexcept nogil:
    """dE of the tables of the columns from ``first`` to before ``end``.

    Each element is one sum over the rows that looked it up, from the first to the last.
    """
    cdef Py_ssize_t i, p, k, row, place
    cdef Py_ssize_t from_ = e.firsts[first] if first < e.n else e.R
    cdef Py_ssize_t to = e.firsts[end] if end < e.n else e.R
    memset(dE + from_ * e.d, 0, (to - from_) * e.d * sizeof(real))
    for i in range(B):
        for p in range(first, end):
            row = _row_of_table(e, p, x[i * e.I + e.columns[p]])
            place = i * e.O + e.columns[p] + p * (e.d - 1)
            for k in range(e.d if row >= 0 else 0):
                dE[row * e.d + k] += dout[place + k]


# Doors -------------------------------------------------------------------------------------------


cdef int _take_tables(void* tables, const Held* held) except -1:
    """x, E or dE, columns, firsts and out or dout: their sizes, and what they may hold."""
    cdef Tables* e = <Tables*> tables
    cdef bint backward = held.n > 5
    cdef Py_ssize_t p
    e.I, e.R, e.d = size_of(held, c"I"), size_of(held, c"R"), size_of(held, c"d")
    e.n, e.columns = size_of(held, c"n"), <int64_t*> held_data(held, 2)
    e.firsts, e.O = <int64_t*> held_data(held, 3), e.I + e.n * (e.d - 1)
    for p in range(e.n):
        if not (e.columns[p - 1] if p > 0 else -1) < e.columns[p] < e.I:
            raise ValueError(f"columns[{p}] is {e.columns[p]}, wanted ascending ones below {e.I}")
        if not (e.firsts[p - 1] if p > 0 else -1) < e.firsts[p] < e.R or e.firsts[0] != 0:
            raise ValueError(f"firsts[{p}] is {e.firsts[p]}, wanted ascending rows of "
                             f"{'dE' if backward else 'E'} from 0 on")
    return require_size(held, 4, b"dout" if backward else b"out", 1, e.O)


cdef void _embedding_held(void* e, const Held* held, real* precision) noexcept nogil:
    _embedding_forward(<const Tables*> e, held_size(held, 0, 0), <real*> held_data(held, 0),
                       <real*> held_data(held, 1), <real*> held_data(held, 4))


cdef void _embedding_backward_held(void* tables, const Held* held,
                                   real* precision) noexcept nogil:
    """x, dE, columns, firsts, dout and dx, in this order."""
    cdef const Tables* e = <const Tables*> tables
    cdef Py_ssize_t B = held_size(held, 0, 0)
    cdef const real* dout = <real*> held_data(held, 4)
    _embedding_rows(e, 0, e.n, B, <real*> held_data(held, 0), dout, <real*> held_data(held, 1))
    _embedding_dx(e, B, dout, <real*> held_data(held, 5))


def embedding_forward(x, E, columns, firsts, out, /):
    """out = x with codes replaced by their rows of E; see embedding.pyx.

    x: (B, I), E: (R, d), columns, firsts: (n,) int64, ascending; out: (B, I + n (d - 1)),
    overwritten, apart from x in memory. Column p's code c becomes row firsts[p] + c of E, what is
    no code NaN.
    """
    cdef Tables e
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> E, <PyObject*> columns,
                              <PyObject*> firsts, <PyObject*> out]
    enter(b"x BI, E Rd, columns n:q, firsts n:q, =out BO", arrays, _take_tables,
          _embedding_held, _embedding_held, &e)


def embedding_backward(x, dout, columns, firsts, dx, dE, /):
    """dE = sum of dout over the rows that looked a row of E up; dx = dout, 0 for codes.

    x, dx: (B, I), dout: (B, I + n (d - 1)), columns, firsts: (n,) int64, dE: (R, d). dx and dE are
    overwritten, apart from the inputs in memory.
    """
    cdef Tables e
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> dE, <PyObject*> columns,
                              <PyObject*> firsts, <PyObject*> dout, <PyObject*> dx]
    enter(b"x BI, =dE Rd, columns n:q, firsts n:q, dout BO, =dx BI", arrays, _take_tables,
          _embedding_backward_held, _embedding_backward_held, &e)
