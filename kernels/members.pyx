"""Layers of an ensemble whose members share a batch: its rows are theirs, one member after another.

Of B rows and k members, member m has the rows from m B / k to before (m + 1) B / k; k divides B.
Here are what each member has for itself: factors and offsets of columns (member_scale), and an
affine map (member_affine). Wen, Tran, Ba, "BatchEnsemble", ICLR 2020; Gorishniy, Kotelnikov,
Babenko, "TabM", ICLR 2025.

A member's sums are over its own rows, from the first to the last. Functions take the members from
``first`` to before ``end``; their rows start at x, their parameters are those of all.
"""

from cpython.object cimport PyObject


cdef inlined_void _member_row(Py_ssize_t n, const vector* x, const vector* s, const vector* b,
                              bint shifts, vector* out) noexcept nogil:
    """out = s x + b, or s x without b, numbers of one row."""
    while n > 0:
        if shifts:
            vstore(out, vfmadd(vload(s, n), vload(x, n), vload(b, n)), n)
            b = b + 1
        else:
            vstore(out, vload(s, n) * vload(x, n), n)
        x, s, out, n = x + 1, s + 1, out + 1, n - vlanes(x)


cdef void _member_scale_forward(Py_ssize_t rows, Py_ssize_t O, Py_ssize_t k, Py_ssize_t row,
                                Py_ssize_t B, const real* x, const real* s, const real* b,
                                real* out) noexcept nogil:
    """out_ij = s_mj x_ij + b_mj for the rows of a batch of B from number ``row`` on; b may be NULL.

    Also dx of dout, without b.
    """
    cdef Py_ssize_t i, m, each = B // k
    cdef const real* own
    for i in range(rows):
        m = (row + i) // each
        own = b + m * O if b != NULL else s
        _member_row(O, vectors_of(x + i * O), vectors_of(s + m * O), vectors_of(own), b != NULL,
                    vectors_into(out + i * O))


cdef inlined_void _add_to_sums(Py_ssize_t n, const real* x, const real* dout, double* products,
                               double* sums) noexcept nogil:
    """products += x dout and sums += dout, numbers of one row."""
    cdef Py_ssize_t j
    for j in range(n):
        products[j] += <double> x[j] * dout[j]
        sums[j] += dout[j]


cdef void _member_scale_parameters(Py_ssize_t first, Py_ssize_t end, Py_ssize_t each,
                                   Py_ssize_t O, const real* x, const real* dout, real* ds,
                                   real* db) noexcept nogil:
    """ds_m = sum of x dout and, unless it is NULL, db_m = sum of dout over a member's rows.

    In double precision; each member has ``each`` rows.
    """
    cdef double[COLUMNS] products, sums
    cdef Py_ssize_t m, i, j, n, l
    for m in range(first, end):
        j = 0
        while j < O:
            n = min(<Py_ssize_t> COLUMNS, O - j)
            _clear(n, products)
            _clear(n, sums)
            for i in range(each):
                if n == COLUMNS:
                    _add_to_sums(COLUMNS, x + i * O + j, dout + i * O + j, products, sums)
                else:
                    _add_to_sums(n, x + i * O + j, dout + i * O + j, products, sums)
            for l in range(n):
                ds[m * O + j + l] = <real> products[l]
                if db != NULL:
                    db[m * O + j + l] = <real> sums[l]
            j += n
        x, dout = x + each * O, dout + each * O


cdef void _member_affine_forward(Precision multiplied, Py_ssize_t rows, Py_ssize_t I,
                                 Py_ssize_t O, Py_ssize_t k, Py_ssize_t row, Py_ssize_t B,
                                 const real* x, const real* W, const real* b,
                                 real* out) noexcept nogil:
    """out_i = x_i W_m + b_m for the rows of a batch of B from number ``row`` on."""
    cdef Py_ssize_t i = 0, m, n, each = B // k
    while i < rows:
        m = (row + i) // each
        n = min(rows - i, (m + 1) * each - row - i)
        _gemm_nn(multiplied, n, I, O, x + i * I, W + m * I * O, b + m * O, NO_EPILOGUE,
                 out + i * O)
        i += n


cdef void _member_affine_dx(Precision multiplied, Py_ssize_t rows, Py_ssize_t I, Py_ssize_t O,
                            Py_ssize_t k, Py_ssize_t row, Py_ssize_t B, const real* dout,
                            const real* W, real* dx) noexcept nogil:
    """dx_i = dout_i W_m^T, in other memory than dout."""
    cdef Py_ssize_t i = 0, m, n, each = B // k
    while i < rows:
        m = (row + i) // each
        n = min(rows - i, (m + 1) * each - row - i)
        _gemm_nt(multiplied, n, O, I, dout + i * O, W + m * I * O, NULL, dx + i * I)
        i += n


cdef void _member_affine_parameters(Precision multiplied, Py_ssize_t first, Py_ssize_t end,
                                    Py_ssize_t each, Py_ssize_t I, Py_ssize_t O, const real* x,
                                    const real* dout, real* dW, real* db) noexcept nogil:
    """dW_m = x^T dout and db_m = sum of dout over a member's ``each`` rows."""
    cdef Py_ssize_t m
    for m in range(first, end):
        _gemm_tn(multiplied, I, each, O, x, dout, dW + m * I * O)
        _affine_backward_db(each, O, dout, db + m * O)
        x, dout = x + each * I, dout + each * O


# Doors -------------------------------------------------------------------------------------------


cdef int _require_members(Py_ssize_t B, Py_ssize_t k) except -1:
    if k < 1 or B % k != 0:
        raise ValueError(f"x has {B} rows, wanted a multiple of the {k} members: each has as many")
    return 0


cdef int _require_members_held(void* job, const Held* held) except -1:
    return _require_members(size_of(held, c"B"), size_of(held, c"k"))


cdef void _member_scale_held(void* job, const Held* held, real* precision) noexcept nogil:
    """x, s, out and b, which may be NULL, in this order."""
    cdef Py_ssize_t B = held_size(held, 0, 0)
    _member_scale_forward(B, held_size(held, 0, 1), held_size(held, 1, 0), 0, B,
                          <real*> held_data(held, 0), <real*> held_data(held, 1),
                          <real*> held_data(held, 3), <real*> held_data(held, 2))


cdef void _member_scale_backward_held(void* job, const Held* held,
                                      real* precision) noexcept nogil:
    """x, s, dout, dx, ds and db, which may be NULL, in this order."""
    cdef Py_ssize_t B = held_size(held, 0, 0), O = held_size(held, 0, 1), k = held_size(held, 1, 0)
    cdef const real* dout = <real*> held_data(held, 2)
    _member_scale_parameters(0, k, B // k, O, <real*> held_data(held, 0), dout,
                             <real*> held_data(held, 4), <real*> held_data(held, 5))
    _member_scale_forward(B, O, k, 0, B, dout, <real*> held_data(held, 1), NULL,
                          <real*> held_data(held, 3))


def member_scale_forward(x, s, b, out, /):
    """out = s_m x + b_m with the factors and offsets of each row's member; see members.pyx.

    x, out: (B, O), s, b: (k, O), b may be None: no offsets; k divides B. out is overwritten and may
    be x.
    """
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> s, <PyObject*> out, <PyObject*> b]
    enter(b"x BO, s kO, =out BO, ?b kO", arrays,
          _require_members_held, _member_scale_held, _member_scale_held, NULL)


def member_scale_backward(x, dout, s, dx, ds, db, /):
    """dx = s_m dout, and for each member ds = sum of x dout and db = sum of dout over its rows.

    x, dout, dx: (B, O), s, ds, db: (k, O), db may be None; k divides B. dx, ds and db are
    overwritten; dx may be dout.
    """
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> s, <PyObject*> dout, <PyObject*> dx,
                              <PyObject*> ds, <PyObject*> db]
    enter(b"x BO, s kO, dout BO, =dx BO, =ds kO, =?db kO", arrays,
          _require_members_held, _member_scale_backward_held, _member_scale_backward_held, NULL)


cdef void _member_affine_held(void* job, const Held* held, real* precision) noexcept nogil:
    """x, W, b and out, in this order."""
    cdef Py_ssize_t B = held_size(held, 0, 0)
    _member_affine_forward(NO_PRECISION, B, held_size(held, 0, 1), held_size(held, 1, 2),
                           held_size(held, 1, 0), 0, B, <real*> held_data(held, 0),
                           <real*> held_data(held, 1),
                           <real*> held_data(held, 2), <real*> held_data(held, 3))


cdef void _member_affine_backward_held(void* job, const Held* held,
                                       real* precision) noexcept nogil:
    """x, dout, W, dx, dW and db, in this order."""
    cdef Py_ssize_t B = held_size(held, 0, 0), I = held_size(held, 0, 1)
    cdef Py_ssize_t k = held_size(held, 2, 0), O = held_size(held, 1, 1)
    cdef const real* dout = <real*> held_data(held, 1)
    _member_affine_parameters(NO_PRECISION, 0, k, B // k, I, O, <real*> held_data(held, 0), dout,
                              <real*> held_data(held, 4), <real*> held_data(held, 5))
    _member_affine_dx(NO_PRECISION, B, I, O, k, 0, B, dout, <real*> held_data(held, 2),
                      <real*> held_data(held, 3))


def member_affine_forward(x, W, b, out, /):
    """out = x W_m + b_m with the weights of each row's member; see members.pyx.

    x: (B, I), W: (k, I, O), b: (k, O), out: (B, O), overwritten, apart from the inputs in memory;
    k divides B.
    """
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> W, <PyObject*> b, <PyObject*> out]
    enter(b"x BI, W kIO, b kO, =out BO", arrays,
          _require_members_held, _member_affine_held, _member_affine_held, NULL)


def member_affine_backward(x, dout, W, dx, dW, db, /):
    """dx = dout W_m^T, and for each member dW = x^T dout and db = sum of dout over its rows.

    x, dx: (B, I), dout: (B, O), W, dW: (k, I, O), db: (k, O); k divides B. dx, dW and db are
    overwritten, apart from the inputs in memory.
    """
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> dout, <PyObject*> W, <PyObject*> dx,
                              <PyObject*> dW, <PyObject*> db]
    enter(b"x BI, dout BO, W kIO, =dx BI, =dW kIO, =db kO", arrays,
          _require_members_held, _member_affine_backward_held, _member_affine_backward_held, NULL)
