"""Matrix products: the only entry point that layers use to multiply.

product.pyx defines how a product is split and the order of its sums; blocked.pyx, rows_in_lanes.pyx
and one_row.pyx are its three access patterns. Products of bfloat16 parts are in parts.pyx.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

cdef enum:
    EDGE_MC = 96            # rows at a time with edge columns: A is read twice, and stays in L2
    WORK_PER_THREAD = 1000000       # multiply-adds per part from which an extra thread pays,
    WORK_TO_WAKE_THREAD = 4000000   # and from which waking a sleeping one pays


cdef void _work_product(void* job, int part, int parts) noexcept nogil:
    """One part of a product, with the kernels for what it stores, multiplies and sums."""
    cdef const Product* p = <const Product*> job
    if _is_in_parts(p) and p.stored == p.summed == SINGLE_PRECISION:
        _work_product_in(p, part, parts, <float*> NULL)
    elif p.stored != p.multiplied or p.multiplied != p.summed:
        refuse("a product whose factors are not stored, multiplied and summed alike:", p.stored)
    elif p.summed == SINGLE_PRECISION:
        _work_product_in(p, part, parts, <float*> NULL)
    elif p.summed == DOUBLE_PRECISION:
        _work_product_in(p, part, parts, <double*> NULL)
    else:
        refuse("precision", p.summed)


cdef void _work_product_in(const Product* p, int part, int parts, real* precision) noexcept nogil:
    """One part of a product: some of out's rows and some of its columns."""
    cdef int row_parts = parts // p.column_parts, row = part // p.column_parts
    cdef int column = part % p.column_parts
    cdef Py_ssize_t lanes = VECTOR_BYTES // sizeof(real), edge, rows
    cdef Py_ssize_t grain = NR_BYTES // sizeof(real) if p.rows_in_lanes else MR
    cdef Py_ssize_t i = _cut(p.M, row, row_parts, grain)
    cdef Py_ssize_t end = _cut(p.M, row + 1, row_parts, grain), M = end - i
    cdef Py_ssize_t j = _cut(p.N, column, p.column_parts, lanes)
    cdef Py_ssize_t N = _cut(p.N, column + 1, p.column_parts, lanes) - j
    if p.rows_in_lanes:
        _rows_in_lanes(p, i, M, 0, N)
        return
    if _is_in_parts(p):
        if not (_has_matrix_unit() and _work_in_unit(p, i, M, j, N)):
            _work_in_parts(p, i, M, j, N)
        return
    edge = p.edge_columns if j + N == p.N else 0
    while i < end:
        rows = end - i if edge == 0 or end - i < 2 * EDGE_MC else <Py_ssize_t> EDGE_MC
        if N > edge:
            _blocked_product(p, i, rows, j, N - edge, precision)
        if edge > 0:
            _rows_in_lanes(p, i, rows, j + N - edge, edge)
        i += rows


cdef int _column_parts(const Product* p, int parts) noexcept nogil:
    """Into how many parts to cut out's columns, so that all parts together read the least.

    Each reads its own rows of A and its own columns of B; of these it gets a whole panel at least.
    """
    cdef int64_t best = p.M + <int64_t> p.N * parts, read
    cdef Py_ssize_t panels = p.N * bytes_of(p.stored) // NR_BYTES
    cdef int columns, found = 1
    for columns in range(2, parts + 1):
        read = <int64_t> p.M * columns + <int64_t> p.N * (parts // columns)
        if parts % columns == 0 and columns <= panels and read < best:
            best, found = read, columns
    return found


cdef void _cut_product(Product* p, int parts) noexcept nogil:
    """Decide how tiles lie in out, and how it is cut into parts."""
    p.rows_in_lanes = not _is_in_parts(p) and _rows_in_lanes_pay(p)
    p.edge_columns = 0 if p.rows_in_lanes else _edge_columns(p)
    p.column_parts = 1 if p.rows_in_lanes else _column_parts(p, parts)


cdef void _gemm_part(Product* p, int part, int parts) noexcept nogil:
    """One part of a product with K > 0, whose others are computed by other calls."""
    _cut_product(p, parts)
    _work_product(p, part, parts)


cdef void _gemm(Product* p, real* precision) noexcept nogil:
    """The whole product, multithreaded if it is large enough."""
    cdef int parts
    if p.K == 0:
        _fill_rows(p, precision)
    elif p.M == 1 and p.B_column == 1 and not _is_in_parts(p):
        _one_row(p, precision)
    else:
        parts = _parts(<int64_t> p.M * p.N * (p.K + 1), WORK_PER_THREAD, WORK_TO_WAKE_THREAD)
        _cut_product(p, parts)
        _pool_run(_work_product, p, parts)


# ``multiplied`` is the precision of the factors, NO_PRECISION for that of their memory.


cdef void _gemm_nn(Precision multiplied, Py_ssize_t M, Py_ssize_t K, Py_ssize_t N, const real* A,
                   const real* B, const real* bias, Epilogue epilogue, real* out) noexcept nogil:
    """out = A B + bias in every row, with A (M, K), B (K, N), bias (N,) or NULL, out (M, N)."""
    cdef Product p
    _set_nn(&p, precision_of(out), multiplied, M, K, N, <const char*> A, <const char*> B,
            <const char*> bias, epilogue, <char*> out)
    _gemm(&p, out)


cdef void _set_nn(Product* p, Precision stored, Precision multiplied, Py_ssize_t M, Py_ssize_t K,
                  Py_ssize_t N, const char* A, const char* B, const char* bias,
                  Epilogue epilogue, char* out) noexcept nogil:
    """Describe _gemm_nn's product, for _gemm or _gemm_part."""
    _lay_out(p, M, K, N, False, False)
    _store_at(p, stored, multiplied, A, B, out)
    p.start, p.epilogue = bias, epilogue


cdef void _gemm_nt(Precision multiplied, Py_ssize_t M, Py_ssize_t K, Py_ssize_t N, const real* A,
                   const real* B, const real* y, real* out) noexcept nogil:
    """out = A B^T, with A (M, K), B (N, K), out (M, N); 0 where y (M, N), if not NULL, is not > 0.
    """
    cdef Product p
    _set_nt(&p, precision_of(out), multiplied, M, K, N, <const char*> A, <const char*> B,
            <const char*> y, <char*> out)
    _gemm(&p, out)


cdef void _set_nt(Product* p, Precision stored, Precision multiplied, Py_ssize_t M, Py_ssize_t K,
                  Py_ssize_t N, const char* A, const char* B, const char* y,
                  char* out) noexcept nogil:
    """Likewise _gemm_nt's."""
    _lay_out(p, M, K, N, False, True)
    _store_at(p, stored, multiplied, A, B, out)
    if y != NULL:
        p.epilogue, p.y = RELU_GRADIENT_EPILOGUE, y


cdef void _gemm_tn(Precision multiplied, Py_ssize_t M, Py_ssize_t K, Py_ssize_t N, const real* A,
                   const real* B, real* out) noexcept nogil:
    """out = A^T B, with A (K, M), B (K, N), out (M, N)."""
    cdef Product p
    _lay_out(&p, M, K, N, True, False)
    _point_at(&p, multiplied, A, B, out)
    _gemm(&p, out)


cdef void _gemm_tn_rows(Precision multiplied, Py_ssize_t first, Py_ssize_t rows, Py_ssize_t M,
                        Py_ssize_t K, Py_ssize_t N, const real* A, const real* B,
                        real* out) noexcept nogil:
    """Some rows of _gemm_tn's out, from row ``first`` on."""
    cdef Product p
    _lay_out(&p, M, K, N, True, False)
    _point_at(&p, multiplied, A + first, B, out + first * N)
    p.M = rows
    _gemm(&p, out)


cdef struct ProductJob:
    bint A_transposed
    bint B_transposed
    Precision multiplied
    bint has_start          # held behind out; may still be NULL


cdef void _product_held(void* job_, const Held* held, real* precision) noexcept nogil:
    """A product over A, B and out, held in this order."""
    cdef const ProductJob* job = <const ProductJob*> job_
    cdef Product p
    _lay_out(&p, size_of(held, c"M"), size_of(held, c"K"), size_of(held, c"N"),
             job.A_transposed, job.B_transposed)
    _point_at(&p, job.multiplied, <real*> held_data(held, 0), <real*> held_data(held, 1),
              <real*> held_data(held, 2))
    if job.has_start:
        p.start = <const char*> held_data(held, 3)
    _gemm(&p, precision)


cdef int _product_door(const char* shapes, object A, object B, object out, bint A_transposed,
                       bint B_transposed) except -1:
    """out (M, N) = A B, or with one of them transposed, over K."""
    cdef ProductJob job = ProductJob(A_transposed, B_transposed, NO_PRECISION, False)
    cdef PyObject** arrays = [<PyObject*> A, <PyObject*> B, <PyObject*> out]
    return enter(shapes, arrays, NULL, _product_held, _product_held, &job)


def gemm_nn(A, B, out, /):
    """out = A B.

    A: (M, K), B: (K, N), out: (M, N), overwritten, apart from A and B in memory.
    """
    _product_door(b"A MK, B KN, =out MN", A, B, out, False, False)


def gemm_nt(A, B, out, /):
    """out = A B^T.

    A: (M, K), B: (N, K), out: (M, N), overwritten, apart from A and B in memory.
    """
    _product_door(b"A MK, B NK, =out MN", A, B, out, False, True)


def gemm_tn(A, B, out, /):
    """out = A^T B.

    A: (K, M), B: (K, N), out: (M, N), overwritten, apart from A and B in memory.
    """
    _product_door(b"A KM, B KN, =out MN", A, B, out, True, False)


_PATTERNS = {
    "nn": (b"A MK, B KN, =out MN, ?b N", False, False),
    "nt": (b"A MK, B NK, =out MN, ?b N", False, True),
    "tn": (b"A KM, B KN, =out MN, ?b N", True, False),
}


cdef int _require_single(void* job, const Held* held) except -1:
    if held.precision != SINGLE_PRECISION:
        raise TypeError("A and B want float32: products of parts are in single precision")
    return 0


def gemm_in_parts(A, B, b, str precision not None, str pattern not None, out, /):
    """out = A B + b, with factors split into bfloat16 parts; see parts.pyx.

    pattern: "nn" for A (M, K) and B (K, N), "nt" for B (N, K), transposed, "tn" for A (K, M),
    transposed. b: (N,), or None. precision: "bfloat16", "bfloat16x3" or "bfloat16x6". out: (M, N),
    overwritten, apart from the inputs in memory. All are float32.
    """
    if pattern not in _PATTERNS:
        raise ValueError(f"pattern is {pattern!r}, wanted one of {', '.join(_PATTERNS)}")
    cdef bytes shapes
    cdef bint A_transposed, B_transposed
    shapes, A_transposed, B_transposed = _PATTERNS[pattern]
    cdef ProductJob job = ProductJob(A_transposed, B_transposed,
                                     _precision_named(precision, SINGLE_PRECISION), True)
    cdef PyObject** arrays = [<PyObject*> A, <PyObject*> B, <PyObject*> out, <PyObject*> b]
    enter(shapes, arrays, _require_single, _product_held, _product_held, &job)
