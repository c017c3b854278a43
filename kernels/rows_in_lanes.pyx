"""Products with rows of out along the lanes: out^T = B^T A^T, in single precision.

Along the lanes of a vector run columns of out; where they would leave most lanes of the last one
empty, out's rows do.
"""

from libc.string cimport memset

cdef enum:
    ALIASED_BYTES = 512     # rows a multiple of this apart share few sets of a cache
    EDGE_COLUMNS = 4        # beyond the last full vector, whose rows may run along the lanes
    ROWS_IN_LANES_TO_N = 64     # columns of out up to which its rows may run along the lanes


cdef bint _rows_in_lanes_pay(const Product* p) noexcept nogil:
    """True if rows of out fill the lanes so much better that transposing it costs less."""
    cdef Py_ssize_t lanes = VECTOR_BYTES // sizeof(float)
    cdef Py_ssize_t by_rows = (p.M + lanes - 1) // lanes * lanes * p.N
    cdef Py_ssize_t by_columns = (p.N + lanes - 1) // lanes * lanes * p.M
    return (p.stored == SINGLE_PRECISION and p.A_row == 1 and p.start == NULL
            and p.epilogue == NO_EPILOGUE and p.N <= ROWS_IN_LANES_TO_N
            and by_rows * 9 < by_columns * 8)


cdef Py_ssize_t _edge_columns(const Product* p) noexcept nogil:
    """How many of the last columns leave most of a vector empty and better have rows in the lanes.

    Transposing A for them costs about five multiply-adds a vector of it. One full vector before
    them gains by their company: alone it makes too few chains of multiply-adds.
    """
    cdef Py_ssize_t lanes = VECTOR_BYTES // sizeof(float), left = p.N % lanes
    if (p.stored == SINGLE_PRECISION and p.A_k == 1 and p.epilogue != RELU_GRADIENT_EPILOGUE
            and p.M >= lanes and p.N // lanes != 1
            and left <= min(<Py_ssize_t> EDGE_COLUMNS, lanes // 2)):
        return left
    return 0


cdef void _rows_in_lanes(const Product* p, Py_ssize_t i, Py_ssize_t M, Py_ssize_t j,
                         Py_ssize_t N) noexcept nogil:
    """M rows of out from row i on and N columns from j on, with the rows along the lanes."""
    cdef char[KC_MOST * NR_BYTES + LINE] panel
    cdef char[ROWS_IN_LANES_TO_N * NR_BYTES + LINE] sums_memory
    cdef float* sums = _aligned_panel(sums_memory, <float*> NULL)
    cdef Py_ssize_t rows, end = i + M, size = sizeof(float), lanes = VECTOR_BYTES // size
    cdef int vectors
    cdef TileOperands tiles
    tiles.a_row, tiles.a_k, tiles.packed_panel = p.B_column * size, p.B_k * size, NULL
    while i < end:
        vectors = _panel_vectors(end - i, lanes)
        if M >= vectors * lanes:
            i = min(i, end - vectors * lanes)   # the last reach back: the same result once more
        rows = min(vectors * lanes, end - i)
        tiles.out_row = vectors * VECTOR_BYTES
        _sums_in_lanes(p, &tiles, i, rows, vectors, j, N, _aligned_panel(panel, <float*> NULL),
                       sums)
        _transpose(N, rows, sums, vectors * lanes, <float*> p.out + i * p.N + j, p.N)
        i += rows


cdef void _sums_in_lanes(const Product* p, TileOperands* tiles, Py_ssize_t i, Py_ssize_t rows,
                         int vectors, Py_ssize_t j, Py_ssize_t N, float* panel,
                         float* sums) noexcept nogil:
    """sums (N, vectors) = a panel of out^T: its rows from i on, and its columns from j on."""
    cdef char[NR_BYTES] zeros
    cdef const float* a
    cdef const float* b = <const float*> p.B + j * p.B_column
    cdef const float* start = <float*> zeros
    cdef Py_ssize_t k = 0, size = sizeof(float), lanes = VECTOR_BYTES // size
    cdef Py_ssize_t kc = KC if p.A_row == 1 else TRANSPOSED_KC
    cdef bint pack = p.A_row != 1 or rows < vectors * lanes, aliased
    memset(zeros, 0, NR_BYTES)
    tiles.start_row = 0
    if p.start != NULL:
        _spread(N, vectors * lanes, <const float*> p.start + j, sums)
        start, tiles.start_row = sums, tiles.out_row
    while k < p.K:
        tiles.kc = min(kc, p.K - k)
        tiles.epilogue = p.epilogue if k + tiles.kc == p.K else NO_EPILOGUE
        a, tiles.b_k = <const float*> p.A + i * p.A_row + k * p.A_k, p.A_k * size
        aliased = tiles.b_k % ALIASED_BYTES == 0
        if pack or (aliased and N < MR):
            _pack(tiles.kc, rows, vectors * lanes, a, p.A_k, p.A_row, panel)
            a, tiles.b_k = panel, vectors * VECTOR_BYTES
        elif aliased:
            tiles.packed_panel = <char*> panel      # where the first tile packs it
        _panel_product(N, vectors, lanes, tiles, False, b + k * p.B_k, a, start, sums, sums)
        k += tiles.kc
        start, tiles.start_row = sums, tiles.out_row


cdef void _spread(Py_ssize_t N, Py_ssize_t M, const float* bias, float* out) noexcept nogil:
    """out[j, i] = bias[j] for i < M."""
    cdef Py_ssize_t i, j
    for j in range(N):
        for i in range(M):
            out[j * M + i] = bias[j]
