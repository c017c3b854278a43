"""Matrix products: the one door through which every layer multiplies.

Each output is one chain of multiply-adds over k in ascending order, from the value that it starts
with: zero, or its bias. No shape, tile or block changes that chain, so a row's bits depend neither
on the batch that it came in nor on the width of the vectors.

A product is cut three times (Goto, van de Geijn, "Anatomy of high-performance matrix
multiplication", ACM TOMS 34, 2008): into blocks of DEPTH steps of k, so that a panel of B stays in
the first cache; into blocks of ROWS rows of A, so that they stay in the second; and into tiles of
a few rows by two vectors, which stay in registers.
"""

from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    /* Rows of a tile: with two vectors a row, as many as the level's registers hold. */
    #if defined(__AVX512F__) || defined(__aarch64__)
    #define AFFINET_TILE_ROWS 12
    #else
    #define AFFINET_TILE_ROWS 6
    #endif
    """
    const int TILE_ROWS "AFFINET_TILE_ROWS"

cdef enum:
    DEPTH = 256             # steps of k in a block
    ROWS = 240              # rows of A in a block: a multiple of every TILE_ROWS
    PANEL_BYTES = 128       # two of the widest vectors: one row of a panel of B
    PACK_A_FROM = 192       # columns from which packing A pays: it is read once for each panel
    ENOUGH = 2500000        # multiply-adds a part for which a thread more surely pays


cdef inlined_void _tile(int rows, int vectors, bint whole, Py_ssize_t last, Py_ssize_t depth,
                        const char* A, Py_ssize_t row_step, Py_ssize_t k_step, const char* B,
                        Py_ssize_t B_step, const char* start, Py_ssize_t start_step, vector* out,
                        Py_ssize_t out_step) noexcept nogil:
    """out = start + A B for one tile of ``rows`` by ``vectors``, held in registers throughout.

    Unless it is ``whole``, the tile ends after ``last`` lanes of its last vector. The first three
    arguments are constants wherever this is called, so the compiler unrolls the loops over them
    and keeps ``tile`` in registers. Steps are in bytes.
    """
    cdef vector[24] tile
    cdef vector[8] b
    cdef vector a
    cdef int i, j
    cdef Py_ssize_t _k
    cdef const char* from_
    cdef char* to
    for i in range(rows):
        for j in range(vectors):
            from_ = start + i * start_step + j * VECTOR_BYTES
            if vector is vfloat:
                if whole or j < vectors - 1:
                    tile[i * vectors + j] = vload_f(from_)
                else:
                    tile[i * vectors + j] = vload_part_f(from_, last)
            else:
                if whole or j < vectors - 1:
                    tile[i * vectors + j] = vload_d(from_)
                else:
                    tile[i * vectors + j] = vload_part_d(from_, last)
    for _k in range(depth):
        for j in range(vectors):
            from_ = B + j * VECTOR_BYTES
            if vector is vfloat:
                if whole or j < vectors - 1:
                    b[j] = vload_f(from_)
                else:
                    b[j] = vload_part_f(from_, last)
            else:
                if whole or j < vectors - 1:
                    b[j] = vload_d(from_)
                else:
                    b[j] = vload_part_d(from_, last)
        for i in range(rows):
            if vector is vfloat:
                a = vsplat_f(A + i * row_step)
            else:
                a = vsplat_d(A + i * row_step)
            for j in range(vectors):
                if vector is vfloat:
                    tile[i * vectors + j] = vfmadd_f(a, b[j], tile[i * vectors + j])
                else:
                    tile[i * vectors + j] = vfmadd_d(a, b[j], tile[i * vectors + j])
        A += k_step
        B += B_step
    for i in range(rows):
        for j in range(vectors):
            to = <char*> out + i * out_step + j * VECTOR_BYTES
            if vector is vfloat:
                if whole or j < vectors - 1:
                    vstore_f(to, tile[i * vectors + j])
                else:
                    vstore_part_f(to, tile[i * vectors + j], last)
            else:
                if whole or j < vectors - 1:
                    vstore_d(to, tile[i * vectors + j])
                else:
                    vstore_part_d(to, tile[i * vectors + j], last)


cdef inlined_void _tile_of_rows(int rows, int vectors, bint whole, Py_ssize_t last,
                                Py_ssize_t depth, const char* A, Py_ssize_t row_step,
                                Py_ssize_t k_step, const char* B, Py_ssize_t B_step,
                                const char* start, Py_ssize_t start_step, vector* out,
                                Py_ssize_t out_step) noexcept nogil:
    """The tile with one of the numbers of rows that _tile_rows gives."""
    if rows == TILE_ROWS:
        _tile(TILE_ROWS, vectors, whole, last, depth, A, row_step, k_step, B, B_step, start,
              start_step, out, out_step)
    elif rows == 4:
        _tile(4, vectors, whole, last, depth, A, row_step, k_step, B, B_step, start, start_step,
              out, out_step)
    elif rows == 2:
        _tile(2, vectors, whole, last, depth, A, row_step, k_step, B, B_step, start, start_step,
              out, out_step)
    else:
        _tile(1, vectors, whole, last, depth, A, row_step, k_step, B, B_step, start, start_step,
              out, out_step)


cdef void _any_tile(int rows, int vectors, bint whole, Py_ssize_t last, Py_ssize_t depth,
                    const char* A, Py_ssize_t row_step, Py_ssize_t k_step, const char* B,
                    Py_ssize_t B_step, const char* start, Py_ssize_t start_step, vector* out,
                    Py_ssize_t out_step) noexcept nogil:
    """The tile of one of the sizes that are compiled."""
    if vectors == 2:
        if whole:
            _tile_of_rows(rows, 2, True, 0, depth, A, row_step, k_step, B, B_step, start,
                          start_step, out, out_step)
        else:
            _tile_of_rows(rows, 2, False, last, depth, A, row_step, k_step, B, B_step, start,
                          start_step, out, out_step)
    else:
        if whole:
            _tile_of_rows(rows, 1, True, 0, depth, A, row_step, k_step, B, B_step, start,
                          start_step, out, out_step)
        else:
            _tile_of_rows(rows, 1, False, last, depth, A, row_step, k_step, B, B_step, start,
                          start_step, out, out_step)


cdef inline int _tile_rows(Py_ssize_t left) noexcept nogil:
    """Rows of the next tile where ``left`` rows are left."""
    if left >= TILE_ROWS:
        return TILE_ROWS
    if left >= 4:
        return 4
    return 2 if left >= 2 else 1


cdef inline void _copy(Py_ssize_t n, const real* source, real* target) noexcept nogil:
    """target = source for the few numbers of a panel's row: a call of memcpy would cost more."""
    cdef Py_ssize_t j = 0, lanes = VECTOR_BYTES // sizeof(real)
    while n - j >= lanes:
        if real is float:
            vstore_f(<char*> (target + j), vload_f(<const char*> (source + j)))
        else:
            vstore_d(<char*> (target + j), vload_d(<const char*> (source + j)))
        j += lanes
    if j < n:
        if real is float:
            vstore_part_f(<char*> (target + j), vload_part_f(<const char*> (source + j), n - j),
                          n - j)
        else:
            vstore_part_d(<char*> (target + j), vload_part_d(<const char*> (source + j), n - j),
                          n - j)


cdef void _pack(Py_ssize_t depth, Py_ssize_t columns, Py_ssize_t width, const real* source,
                Py_ssize_t k_step, Py_ssize_t column_step, real* packed) noexcept nogil:
    """packed[k, j] = source[k k_step + j column_step] for j < columns, 0 up to j < width."""
    cdef Py_ssize_t j, k, quads = 0
    if column_step == 1:
        for k in range(depth):
            _copy(columns, source + k * k_step, packed + k * width)
    else:
        if real is float:
            if k_step == 1:
                quads = columns // 4 * 4
                for j in range(0, quads, 4):
                    for k in range(0, depth // 4 * 4, 4):
                        transpose_quad(source + j * column_step + k, column_step,
                                       packed + k * width + j, width)
                for k in range(depth // 4 * 4, depth):
                    for j in range(quads):
                        packed[k * width + j] = source[j * column_step + k]
        for j in range(quads, columns):
            for k in range(depth):
                packed[k * width + j] = source[k * k_step + j * column_step]
    if columns < width:
        for k in range(depth):
            for j in range(columns, width):
                packed[k * width + j] = 0


cdef void _pack_rows(Py_ssize_t rows, Py_ssize_t depth, const real* A, Py_ssize_t row_step,
                     Py_ssize_t k_step, real* packed) noexcept nogil:
    """The rows of A tile by tile, each tile as (depth, its rows), so that it is read in order."""
    cdef Py_ssize_t i = 0
    cdef int height
    while i < rows:
        height = _tile_rows(rows - i)
        _pack(depth, height, height, A + i * row_step, k_step, row_step, packed + i * depth)
        i += height


cdef void _panel_product(Py_ssize_t rows, int vectors, Py_ssize_t columns, Py_ssize_t depth,
                         const real* A, Py_ssize_t row_step, Py_ssize_t k_step, bint packed,
                         const real* B, Py_ssize_t B_step, const real* start,
                         Py_ssize_t start_step, real* out, Py_ssize_t out_step) noexcept nogil:
    """out = start + A B for a block of rows and one panel of B, tile by tile.

    ``packed``: A comes from _pack_rows. Steps are in numbers.
    """
    cdef Py_ssize_t i = 0, lanes = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t last = columns - (vectors - 1) * lanes
    cdef Py_ssize_t a_row = row_step * sizeof(real), a_k = k_step * sizeof(real)
    cdef const real* a
    cdef int height
    while i < rows:
        height = _tile_rows(rows - i)
        a = A + i * row_step
        if packed:
            a, a_row, a_k = A + i * depth, sizeof(real), height * sizeof(real)
        if real is float:
            _any_tile[vfloat](height, vectors, last == lanes, last, depth, <const char*> a, a_row,
                              a_k, <const char*> B, B_step * sizeof(real),
                              <const char*> (start + i * start_step), start_step * sizeof(real),
                              <vfloat*> (out + i * out_step), out_step * sizeof(real))
        else:
            _any_tile[vdouble](height, vectors, last == lanes, last, depth, <const char*> a,
                               a_row, a_k, <const char*> B, B_step * sizeof(real),
                               <const char*> (start + i * start_step), start_step * sizeof(real),
                               <vdouble*> (out + i * out_step), out_step * sizeof(real))
        i += height


cdef void _row_product(Py_ssize_t K, Py_ssize_t N, const char* a, Py_ssize_t k_step,
                       const char* B, Py_ssize_t B_step, const char* start,
                       vector* out) noexcept nogil:
    """out = start + a B for one row a; without a start it is zero.

    B is read once, where it lies, up to eight vectors at a time: so many chains of multiply-adds
    hide each other's latency.
    """
    cdef Py_ssize_t size = sizeof(float) if vector is vfloat else sizeof(double)  # of one number
    cdef Py_ssize_t lanes = VECTOR_BYTES // size, j = 0, left, width
    cdef int vectors
    cdef char* to = <char*> out
    if start == NULL:
        memset(to, 0, N * size)
    elif start != to:
        memcpy(to, start, N * size)
    while j < N:
        left = (N - j + lanes - 1) // lanes
        vectors = 8 if left >= 8 else 4 if left > 4 else <int> left
        width = min(vectors * lanes, N - j)
        _row_tile(vectors, width - (vectors - 1) * lanes, K, a, k_step, B + j * size, B_step,
                  <vector*> (to + j * size))
        j += width


cdef void _row_tile(int vectors, Py_ssize_t last, Py_ssize_t depth, const char* a,
                    Py_ssize_t k_step, const char* B, Py_ssize_t B_step,
                    vector* out) noexcept nogil:
    """out += a B for some of one row's vectors, the last of which has ``last`` lanes."""
    cdef Py_ssize_t size = sizeof(float) if vector is vfloat else sizeof(double)  # of one number
    cdef bint whole = last * size == VECTOR_BYTES
    cdef const char* c = <const char*> out
    if vectors == 8:
        if whole:
            _tile(1, 8, True, 0, depth, a, 0, k_step, B, B_step, c, 0, out, 0)
        else:
            _tile(1, 8, False, last, depth, a, 0, k_step, B, B_step, c, 0, out, 0)
    elif vectors == 4:
        if whole:
            _tile(1, 4, True, 0, depth, a, 0, k_step, B, B_step, c, 0, out, 0)
        else:
            _tile(1, 4, False, last, depth, a, 0, k_step, B, B_step, c, 0, out, 0)
    elif vectors == 3:
        _tile(1, 3, False, last, depth, a, 0, k_step, B, B_step, c, 0, out, 0)
    elif vectors == 2:
        _tile(1, 2, False, last, depth, a, 0, k_step, B, B_step, c, 0, out, 0)
    else:
        _tile(1, 1, False, last, depth, a, 0, k_step, B, B_step, c, 0, out, 0)


cdef void _fill_rows(Py_ssize_t M, Py_ssize_t N, const real* start, Py_ssize_t start_step,
                     real* out, Py_ssize_t out_step) noexcept nogil:
    """out = start, the product over no k at all."""
    cdef Py_ssize_t i
    for i in range(M):
        if start == NULL:
            memset(out + i * out_step, 0, N * sizeof(real))
        else:
            memcpy(out + i * out_step, start + i * start_step, N * sizeof(real))


cdef void _gemm_part(Py_ssize_t M, Py_ssize_t K, Py_ssize_t N, const real* A, Py_ssize_t A_row,
                     Py_ssize_t A_k, const real* B, Py_ssize_t B_k, Py_ssize_t B_column,
                     const real* start, Py_ssize_t start_step, real* out,
                     Py_ssize_t out_step) noexcept nogil:
    """out_ij = start_ij + sum_k A_ik B_kj, with A_ik = A[i A_row + k A_k] and so on.

    Start NULL stands for zeros, and step 0 gives every row the same start: a bias.
    """
    cdef Py_ssize_t i, j, k = 0, rows, depth, columns, b_step
    cdef Py_ssize_t width = 2 * VECTOR_BYTES // sizeof(real)
    cdef int vectors
    cdef char[DEPTH * PANEL_BYTES] panel
    cdef const real* a
    cdef const real* b
    cdef const real* from_
    cdef Py_ssize_t from_step
    cdef real* packed = NULL
    cdef char[PANEL_BYTES] zeros
    memset(zeros, 0, PANEL_BYTES)
    if K == 0:
        _fill_rows(M, N, start, start_step, out, out_step)
        return
    if M == 1 and B_column == 1:
        if real is float:
            _row_product[vfloat](K, N, <const char*> A, A_k * sizeof(real), <const char*> B,
                                 B_k * sizeof(real), <const char*> start, <vfloat*> out)
        else:
            _row_product[vdouble](K, N, <const char*> A, A_k * sizeof(real), <const char*> B,
                                  B_k * sizeof(real), <const char*> start, <vdouble*> out)
        return
    # Without memory for the packed rows they are read in place: slower, with the same result.
    if N >= PACK_A_FROM and M >= TILE_ROWS:
        packed = <real*> malloc(min(M, <Py_ssize_t> ROWS) * min(K, <Py_ssize_t> DEPTH)
                                * sizeof(real))
    while k < K:
        depth = min(<Py_ssize_t> DEPTH, K - k)
        i = 0
        while i < M:
            rows = min(<Py_ssize_t> ROWS, M - i)
            a = A + i * A_row + k * A_k
            if packed != NULL:
                _pack_rows(rows, depth, a, A_row, A_k, packed)
                a = packed
            j = 0
            while j < N:
                columns = min(width, N - j)
                vectors = 2 if 2 * columns > width else 1
                b, b_step = B + k * B_k + j * B_column, B_k
                # A panel that few rows read is read where it lies.
                if B_column != 1 or rows > 2 * TILE_ROWS or columns < vectors * width // 2:
                    b_step = vectors * width // 2
                    _pack(depth, columns, b_step, b, B_k, B_column, <real*> panel)
                    b = <real*> panel
                # A later block goes on from the last one's result.
                from_, from_step = out + i * out_step + j, out_step
                if k == 0:
                    from_, from_step = start + i * start_step + j, start_step
                    if start == NULL:
                        from_, from_step = <const real*> zeros, 0
                _panel_product(rows, vectors, columns, depth, a, A_row, A_k, packed != NULL, b,
                               b_step, from_, from_step, out + i * out_step + j, out_step)
                j += width
            i += rows
        k += depth
    free(packed)


cdef struct Product:
    bint single             # single precision, or double
    bint by_rows            # parts are rows of out, or columns
    Py_ssize_t M, K, N, A_row, A_k, B_k, B_column, start_step
    const char* A
    const char* B
    const char* start
    char* out


cdef void _work_product(void* job, int part, int parts) noexcept nogil:
    if (<Product*> job).single:
        _work_product_in(<Product*> job, part, parts, <float*> NULL)
    else:
        _work_product_in(<Product*> job, part, parts, <double*> NULL)


cdef void _work_product_in(const Product* p, int part, int parts, real* precision) noexcept nogil:
    """One part of a product: some of out's rows, or some of its columns."""
    cdef Py_ssize_t i = 0, j = 0, M = p.M, N = p.N
    cdef const real* start = <const real*> p.start
    if p.by_rows:
        i = _cut(p.M, part, parts, TILE_ROWS)
        M = _cut(p.M, part + 1, parts, TILE_ROWS) - i
    else:
        j = _cut(p.N, part, parts, 2 * VECTOR_BYTES // sizeof(real))
        N = _cut(p.N, part + 1, parts, 2 * VECTOR_BYTES // sizeof(real)) - j
    if start != NULL:
        start += i * p.start_step + j
    _gemm_part(M, p.K, N, <const real*> p.A + i * p.A_row, p.A_row, p.A_k,
               <const real*> p.B + j * p.B_column, p.B_k, p.B_column, start, p.start_step,
               <real*> p.out + i * p.N + j, p.N)


cdef void _gemm(Py_ssize_t M, Py_ssize_t K, Py_ssize_t N, const real* A, Py_ssize_t A_row,
                Py_ssize_t A_k, const real* B, Py_ssize_t B_k, Py_ssize_t B_column,
                const real* start, Py_ssize_t start_step, real* out) noexcept nogil:
    """_gemm_part over all of a contiguous out, by several threads where it is large enough.

    Rows are shared out where there are more tiles of them than panels of columns.
    """
    cdef int parts = _parts(M * N * (K + 1), ENOUGH)
    cdef Product p
    if parts == 1:
        _gemm_part(M, K, N, A, A_row, A_k, B, B_k, B_column, start, start_step, out, N)
        return
    p.single = sizeof(real) == sizeof(float)
    p.by_rows = M // TILE_ROWS >= N * <Py_ssize_t> sizeof(real) // (2 * VECTOR_BYTES)
    p.M, p.K, p.N, p.A_row, p.A_k, p.B_k, p.B_column = M, K, N, A_row, A_k, B_k, B_column
    p.A, p.B, p.start, p.start_step = <char*> A, <char*> B, <char*> start, start_step
    p.out = <char*> out
    _pool_run(_work_product, &p, parts)


cdef void _gemm_nn(Py_ssize_t M, Py_ssize_t K, Py_ssize_t N, const real* A, const real* B,
                   const real* bias, real* out) noexcept nogil:
    """out = A B + bias in every row, with A (M, K), B (K, N), bias (N,) or NULL, out (M, N)."""
    _gemm(M, K, N, A, K, 1, B, N, 1, bias, 0, out)


cdef void _gemm_nt(Py_ssize_t M, Py_ssize_t K, Py_ssize_t N, const real* A, const real* B,
                   real* out) noexcept nogil:
    """out = A B^T, with A (M, K), B (N, K), out (M, N)."""
    _gemm(M, K, N, A, K, 1, B, 1, K, NULL, 0, out)


cdef void _gemm_tn(Py_ssize_t M, Py_ssize_t K, Py_ssize_t N, const real* A, const real* B,
                   real* out) noexcept nogil:
    """out = A^T B, with A (K, M), B (K, N), out (M, N)."""
    _gemm(M, K, N, A, 1, M, B, N, 1, NULL, 0, out)


def gemm_nn(const real[:, ::1] A not None, const real[:, ::1] B not None,
            real[:, ::1] out not None):
    """out = A B.

    A: (M, K), B: (K, N), out: (M, N), overwritten, apart from A and B in memory.
    """
    cdef Py_ssize_t M = A.shape[0], K = A.shape[1], N = B.shape[1]
    require_shape("B", B.shape[0], N, K, N)
    require_shape("out", out.shape[0], out.shape[1], M, N)
    with nogil:
        _gemm_nn(M, K, N, address(A), address(B), <real*> NULL, address(out))


def gemm_nt(const real[:, ::1] A not None, const real[:, ::1] B not None,
            real[:, ::1] out not None):
    """out = A B^T.

    A: (M, K), B: (N, K), out: (M, N), overwritten, apart from A and B in memory.
    """
    cdef Py_ssize_t M = A.shape[0], K = A.shape[1], N = B.shape[0]
    require_shape("B", N, B.shape[1], N, K)
    require_shape("out", out.shape[0], out.shape[1], M, N)
    with nogil:
        _gemm_nt(M, K, N, address(A), address(B), address(out))


def gemm_tn(const real[:, ::1] A not None, const real[:, ::1] B not None,
            real[:, ::1] out not None):
    """out = A^T B.

    A: (K, M), B: (K, N), out: (M, N), overwritten, apart from A and B in memory.
    """
    cdef Py_ssize_t M = A.shape[1], K = A.shape[0], N = B.shape[1]
    require_shape("B", B.shape[0], N, K, N)
    require_shape("out", out.shape[0], out.shape[1], M, N)
    with nogil:
        _gemm_tn(M, K, N, address(A), address(B), address(out))
