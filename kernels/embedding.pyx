"""Embeddings of categories: each of some columns holds codes, and becomes a row of a table.

A column's codes are the whole numbers 0, 1, ... below its number of rows; the tables of all columns
lie behind each other in E: (R, d), column p's from row firsts[p] on. The other columns stay as they
are. What is no code of its column becomes NaN.
"""

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


cdef int _hold_tables(Tables* e, Held* held, object x, object E, str name, Access access,
                      object columns, object firsts) except -1:
    """x, E or dE, columns and firsts."""
    cdef Py_ssize_t p
    hold_matrix(held, "x", x, READ, ANY, ANY)
    e.I = held_size(held, 0, 1)
    hold_matrix(held, name, E, access, ANY, ANY)
    e.R, e.d = held_size(held, 1, 0), held_size(held, 1, 1)
    hold(held, "columns", columns, INT64, 1, READ)
    e.n, e.columns = held_size(held, 2, 0), <int64_t*> held_data(held, 2)
    hold(held, "firsts", firsts, INT64, 1, READ)
    require_held_length(held, "firsts", e.n)
    e.firsts = <int64_t*> held_data(held, 3)
    e.O = e.I + e.n * (e.d - 1)
    for p in range(e.n):
        if not (e.columns[p - 1] if p > 0 else -1) < e.columns[p] < e.I:
            raise ValueError(f"columns[{p}] is {e.columns[p]}, wanted ascending ones below {e.I}")
        if not (e.firsts[p - 1] if p > 0 else -1) < e.firsts[p] < e.R or e.firsts[0] != 0:
            raise ValueError(f"firsts[{p}] is {e.firsts[p]}, wanted ascending rows of {name} from "
                             "0 on")
    return 0


cdef void _embedding_held(const Tables* e, const Held* held, real* precision) noexcept nogil:
    _embedding_forward(e, held_size(held, 0, 0), <real*> held_data(held, 0),
                       <real*> held_data(held, 1), <real*> held_data(held, 4))


cdef void _embedding_backward_held(const Tables* e, const Held* held,
                                   real* precision) noexcept nogil:
    """x, dE, columns, firsts, dout and dx, in this order."""
    cdef Py_ssize_t B = held_size(held, 0, 0)
    cdef const real* dout = <real*> held_data(held, 4)
    _embedding_rows(e, 0, e.n, B, <real*> held_data(held, 0), dout, <real*> held_data(held, 1))
    _embedding_dx(e, B, dout, <real*> held_data(held, 5))


def embedding_forward(x, E, columns, firsts, out):
    """out = x with codes replaced by their rows of E; see embedding.pyx.

    x: (B, I), E: (R, d), columns, firsts: (n,) int64, ascending; out: (B, I + n (d - 1)),
    overwritten, apart from x in memory. Column p's code c becomes row firsts[p] + c of E, what is
    no code NaN.
    """
    cdef Held held
    cdef Tables e
    hold_nothing(&held)
    try:
        _hold_tables(&e, &held, x, E, "E", READ, columns, firsts)
        hold_matrix(&held, "out", out, WRITE, held_size(&held, 0, 0), e.O)
        with nogil:
            if held.precision == SINGLE_PRECISION:
                _embedding_held(&e, &held, <float*> NULL)
            elif held.precision == DOUBLE_PRECISION:
                _embedding_held(&e, &held, <double*> NULL)
            else:
                refuse("precision", held.precision)
    finally:
        let_go(&held)


def embedding_backward(x, dout, columns, firsts, dx, dE):
    """dE = sum of dout over the rows that looked a row of E up; dx = dout, 0 for codes.

    x, dx: (B, I), dout: (B, I + n (d - 1)), columns, firsts: (n,) int64, dE: (R, d). dx and dE are
    overwritten, apart from the inputs in memory.
    """
    cdef Held held
    cdef Tables e
    hold_nothing(&held)
    try:
        _hold_tables(&e, &held, x, dE, "dE", WRITE, columns, firsts)
        hold_matrix(&held, "dout", dout, READ, held_size(&held, 0, 0), e.O)
        hold_matrix(&held, "dx", dx, WRITE, held_size(&held, 0, 0), e.I)
        with nogil:
            if held.precision == SINGLE_PRECISION:
                _embedding_backward_held(&e, &held, <float*> NULL)
            elif held.precision == DOUBLE_PRECISION:
                _embedding_backward_held(&e, &held, <double*> NULL)
            else:
                refuse("precision", held.precision)
    finally:
        let_go(&held)
