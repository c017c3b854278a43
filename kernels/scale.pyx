"""A factor for each column, learned (scale) or one for all and fixed (multiply)."""

from cpython.object cimport PyObject


cdef inlined_void _scale_by_column(Py_ssize_t n, const vector* x, const vector* s,
                                   vector* out) noexcept nogil:
    """out = s x, numbers of one row."""
    while n > 0:
        vstore(out, vload(s, n) * vload(x, n), n)
        x, s, out, n = x + 1, s + 1, out + 1, n - vlanes(x)


cdef void _scale_forward(Py_ssize_t B, Py_ssize_t O, const real* x, const real* s,
                         real* out) noexcept nogil:
    """out_ij = s_j x_ij; also dx of dout. reference.scale_forward, reference.scale_backward."""
    cdef Py_ssize_t i
    for i in range(B):
        _scale_by_column(O, vectors_of(x + i * O), vectors_of(s), vectors_into(out + i * O))


cdef inlined_void _add_column_products(Py_ssize_t n, const real* x, const real* dout,
                                       double* sums) noexcept nogil:
    """sums += x dout, numbers of one row."""
    cdef Py_ssize_t k
    for k in range(n):
        sums[k] += <double> x[k] * dout[k]


cdef void _scale_columns(Py_ssize_t first, Py_ssize_t end, Py_ssize_t B, Py_ssize_t O,
                         const real* x, const real* dout, real* ds) noexcept nogil:
    """ds_j = sum_i x_ij dout_ij, in double precision, from the first row to the last.

    Of the columns from ``first`` to before ``end``.
    """
    cdef double[COLUMNS] sums
    cdef Py_ssize_t i, k, n, j = first
    while j < end:
        n = min(<Py_ssize_t> COLUMNS, end - j)
        _clear(n, sums)
        for i in range(B):
            if n == COLUMNS:
                _add_column_products(COLUMNS, x + i * O + j, dout + i * O + j, sums)
            else:
                _add_column_products(n, x + i * O + j, dout + i * O + j, sums)
        for k in range(n):
            ds[j + k] = <real> sums[k]
        j += n


cdef inlined_void _multiply_vectors(Py_ssize_t n, const vector* x, double factor,
                                    vector* out) noexcept nogil:
    cdef vector f = vnumber(x, factor)
    while n > 0:
        vstore(out, f * vload(x, n), n)
        x, out, n = x + 1, out + 1, n - vlanes(x)


cdef void _multiply(Py_ssize_t n, const real* x, double factor, real* out) noexcept nogil:
    """out = factor x; also dx of dout."""
    _multiply_vectors(n, vectors_of(x), factor, vectors_into(out))


cdef void _scale_held(void* job, const Held* held, real* precision) noexcept nogil:
    """A forward over x, s and out, in this order."""
    _scale_forward(held_size(held, 0, 0), held_size(held, 0, 1), <real*> held_data(held, 0),
                   <real*> held_data(held, 1), <real*> held_data(held, 2))


cdef void _scale_backward_held(void* job, const Held* held, real* precision) noexcept nogil:
    """A backward over x, dout, s, dx and ds, in this order."""
    cdef Py_ssize_t B = held_size(held, 0, 0), O = held_size(held, 0, 1)
    cdef const real* dout = <real*> held_data(held, 1)
    _scale_columns(0, O, B, O, <real*> held_data(held, 0), dout, <real*> held_data(held, 4))
    _scale_forward(B, O, dout, <real*> held_data(held, 2), <real*> held_data(held, 3))


def scale_forward(x, s, out, /):
    """out = s x, column by column.

    x, out: (B, O), s: (O,). out is overwritten and may be x.
    """
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> s, <PyObject*> out]
    enter(b"x BO, s O, =out BO", arrays, NULL, _scale_held, _scale_held, NULL)


def scale_backward(x, dout, s, dx, ds, /):
    """dx = s dout, and ds = sum of x dout over the rows.

    x, dout, dx: (B, O), s, ds: (O,). dx and ds are overwritten; dx may be dout.
    """
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> dout, <PyObject*> s, <PyObject*> dx,
                              <PyObject*> ds]
    enter(b"x BO, dout BO, s O, =dx BO, =ds O", arrays, NULL, _scale_backward_held,
          _scale_backward_held, NULL)
