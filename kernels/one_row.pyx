"""Products of one row, and products with K = 0: each element of B is read once, in place."""

from libc.string cimport memcpy, memset

cdef enum:
    ROW_KC = 16             # steps of k in a block of one row of many columns
    PREFETCH_BYTES = 2048   # or four rows of B: how far ahead of what it reads it prefetches


cdef void _row_product(Py_ssize_t K, Py_ssize_t N, const char* a, Py_ssize_t k_step,
                       const char* B, Py_ssize_t B_step, const char* start,
                       vector* out) noexcept nogil:
    """out = start + a B for one row a; without a start it is zero. Strides in bytes.

    B is read once, in place and in memory order, which is faster with explicit prefetches; wide
    rows take a few steps of k at a time. Up to eight vectors, each one chain of multiply-adds, hide
    each other's latency.
    """
    cdef Py_ssize_t lanes = vlanes(out), size = VECTOR_BYTES // lanes, j, k = 0, left, width
    cdef int vectors
    cdef char* to = <char*> out
    cdef TileOperands tiles
    tiles.a_k, tiles.b_k, tiles.epilogue = k_step, B_step, NO_EPILOGUE
    tiles.a_row = tiles.a_tile = tiles.start_row = tiles.out_row = 0
    tiles.count, tiles.packed_panel = 1, NULL
    tiles.prefetch = max(<Py_ssize_t> PREFETCH_BYTES, 4 * B_step)
    if start == NULL:
        memset(to, 0, N * size)
    elif start != to:
        memcpy(to, start, N * size)
    while k < K:
        tiles.kc = min(ROW_KC, K - k) if N > 8 * lanes else K
        j = 0
        while j < N:
            left = (N - j + lanes - 1) // lanes
            vectors = 8 if left >= 8 else 4 if left > 4 else <int> left
            width = min(vectors * lanes, N - j)
            _row_tile(vectors, width - (vectors - 1) * lanes, &tiles, a + k * k_step,
                      B + k * B_step + j * size, <vector*> (to + j * size))
            j += width
        k += tiles.kc


cdef inlined_void _row_kernel(int vectors, bint whole_vectors, const TileOperands* tiles,
                              Py_ssize_t last, const char* a, const char* B,
                              vector* out) noexcept nogil:
    """The micro-kernel for one row, out += a B."""
    _micro_kernel(1, vectors, False, whole_vectors, PREFETCH_PANEL, tiles, last, a, B,
                  <const char*> out, <const char*> out, out)


cdef void _row_tile(int vectors, Py_ssize_t last, const TileOperands* tiles, const char* a,
                    const char* B, vector* out) noexcept nogil:
    """out += a B for some of one row's vectors, the last of which has ``last`` lanes."""
    if vectors == 8 and last == vlanes(out):
        _row_kernel(8, True, tiles, last, a, B, out)
    elif vectors == 8:
        _row_kernel(8, False, tiles, last, a, B, out)
    elif vectors == 4 and last == vlanes(out):
        _row_kernel(4, True, tiles, last, a, B, out)
    elif vectors == 4:
        _row_kernel(4, False, tiles, last, a, B, out)
    elif vectors == 3:
        _row_kernel(3, False, tiles, last, a, B, out)
    elif vectors == 2:
        _row_kernel(2, False, tiles, last, a, B, out)
    elif vectors == 1:
        _row_kernel(1, False, tiles, last, a, B, out)
    else:
        refuse("a row's number of vectors", vectors)


cdef void _one_row(const Product* p, real* precision) noexcept nogil:
    """The product for M = 1 and a B whose rows are contiguous."""
    cdef Py_ssize_t size = sizeof(real)
    cdef real* out = <real*> p.out
    _row_product(p.K, p.N, p.A, p.A_k * size, p.B, p.B_k * size, p.start, vectors_into(out))
    _apply_epilogue_to_all(p.epilogue, p.N, vectors_of(<const real*> p.y), vectors_into(out))


cdef void _fill_rows(const Product* p, real* precision) noexcept nogil:
    """out = start: the product with K = 0."""
    cdef Py_ssize_t i, row = p.N * sizeof(real)
    cdef real* out = <real*> p.out
    for i in range(p.M):
        if p.start == NULL:
            memset(p.out + i * row, 0, row)
        else:
            memcpy(p.out + i * row, p.start + i * p.start_row * <Py_ssize_t> sizeof(real), row)
    _apply_epilogue_to_all(p.epilogue, p.M * p.N, vectors_of(<const real*> p.y),
                           vectors_into(out))
