"""Matrix products: the one door through which every layer multiplies.

Each output is one chain of multiply-adds over k in ascending order, from the value that it starts
with: zero, or its bias. No shape, tile or block changes that chain, so a row's bits depend neither
on the batch that it came in nor on the width of the vectors.

A product is cut three times (Goto, van de Geijn, "Anatomy of high-performance matrix
multiplication", ACM TOMS 34, 2008): into blocks of k, so that a panel of B stays in the first
cache; into blocks of rows of A, so that they stay in the second; and into tiles of a few rows by
a few vectors, which stay in registers (tiles.pyx).

Along the lanes of a vector run columns of out; where they would leave most lanes of the last one
empty, out's rows do (_across).
"""

from libc.stdint cimport uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cdef enum:
    MOST_DEPTH = 512        # steps of k in a block, at most,
    DEEP = 1024             # unless out would leave the second cache before the next block
    PACK_A_FROM = 192       # columns from which packing A pays: it is read once for each panel
    SOME_ROWS = 64          # up to which copying rows of B that lie close together costs more
    CROWDED = 512           # bytes: rows so far apart, or a multiple, share few places in a cache
    NEAR = 80               # numbers: rows of B so short lie close enough together to be read there
    ROW_STEPS = 16          # steps of k at a time for one row of many columns
    ROW_AHEAD = 2048        # bytes, or four rows of B: how far ahead it asks for what it reads
    FEW_COLUMNS = 4         # beyond the last full vector, whose rows may run along the lanes
    FEW_ROWS = 96           # rows at a time then: A is read twice, and stays in the second cache
    TURNED_STEPS = 64       # steps of k at a time for rows of A that are turned
    ACROSS_ROWS = 64        # columns of out up to which its rows may run along the lanes
    ENOUGH = 1000000        # multiply-adds a part for which a thread more surely pays,
    ENOUGH_TO_WAKE = 4000000    # and for which a sleeping one does

cdef Py_ssize_t _depth = 128            # steps of k for which a panel stays in the first cache
cdef Py_ssize_t _second = 1 << 19       # bytes of the second cache


def set_cache_sizes(Py_ssize_t first, Py_ssize_t second):
    """Block products for caches of these sizes in bytes; no result depends on them.

    A panel of B and the rows of A that meet it fill most of the first cache, a block of rows half
    of the second, or all of it where panels are deeper. Before the first call they are small: 32
    and 512 KiB.
    """
    global _depth, _second
    if first < 1 or second < 1:
        raise ValueError(f"the caches have {first} and {second} bytes, wanted 1 or more")
    _depth = first * 7 // 8 // (PANEL_BYTES + TILE_ROWS * <Py_ssize_t> sizeof(float)) // 16 * 16
    _depth = max(<Py_ssize_t> 16, min(<Py_ssize_t> MOST_DEPTH, _depth))
    _second = second


cdef struct Product:        # out = start + A B, then what Finish says; steps in numbers
    bint single             # single precision, or double
    bint across             # rows of out run along the lanes
    Py_ssize_t narrow       # if not, how many of its last columns' rows do
    int column_parts        # into how many parts out's columns are cut; its rows into the rest
    Finish finish
    Py_ssize_t M, K, N
    Py_ssize_t A_row, A_k, B_k, B_column
    Py_ssize_t start_row    # 0 where every row has the same start: a bias
    const char* A
    const char* B
    const char* start       # NULL for zeros
    const char* y           # as out
    char* out               # (M, N), contiguous


cdef inline real* _aligned_panel(char* memory, real* precision) noexcept nogil:
    """The first line of the cache in ``memory``, which has one to spare."""
    return <real*> (memory + (LINE - <uintptr_t> memory % LINE) % LINE)


cdef inline Py_ssize_t _steps(const Product* p, Py_ssize_t size) noexcept nogil:
    """Steps of k in a block of a product with K > 0, for numbers of this size.

    Few enough for a panel to stay in the first cache; but where out leaves the second before the
    next block goes on with it, fetching it again costs more than a panel from there: 4 to 5 % at
    1024 x 1024 x 1024, though nothing where A is turned.
    """
    cdef Py_ssize_t blocks
    if 2 * p.M * p.N * size > _second:
        return DEEP if p.A_k == 1 else MOST_DEPTH
    # An eighth more rather than another block that is a sliver.
    blocks = (p.K + _depth * 9 // 8 - 1) // (_depth * 9 // 8)
    return min(<Py_ssize_t> MOST_DEPTH, ((p.K + blocks - 1) // blocks + 3) // 4 * 4)


cdef void _blocked(const Product* p, Py_ssize_t i_0, Py_ssize_t M, Py_ssize_t j_0, Py_ssize_t N,
                   real* precision) noexcept nogil:
    """The product's block of M rows from i_0 on and N columns from j_0 on."""
    cdef char[MOST_DEPTH * PANEL_BYTES + LINE] memory
    cdef char* deep = NULL
    cdef Py_ssize_t k = 0, depth, rows, i, K = p.K, size = sizeof(real)
    cdef Py_ssize_t steps = min(K, _steps(p, size)), room = _second // 2, most_rows
    cdef real* packed = NULL
    cdef real* panel
    cdef const real* a
    cdef Walk walk
    if steps > MOST_DEPTH:
        deep, room = <char*> malloc(steps * PANEL_BYTES + LINE), _second
        steps = steps if deep != NULL else <Py_ssize_t> MOST_DEPTH
    panel = _aligned_panel(<char*> memory if deep == NULL else deep, <real*> NULL)
    most_rows = min(M, max(room // (steps * size) // TILE_ROWS, <Py_ssize_t> 4) * TILE_ROWS)
    # Without memory for the packed rows they are read in place: slower, with the same result.
    if N >= PACK_A_FROM and M >= TILE_ROWS:
        packed = <real*> malloc(most_rows * steps * size)
    walk.out_row = p.N * size
    while k < K:
        depth = min(steps, K - k)
        walk.depth, walk.finish = depth, p.finish if k + depth == K else NOTHING
        i = 0
        while i < M:
            rows = min(most_rows, M - i)
            a = <const real*> p.A + (i_0 + i) * p.A_row + k * p.A_k
            walk.a_row, walk.a_k = p.A_row * size, p.A_k * size
            if packed != NULL:
                _pack_rows(rows, depth, a, p.A_row, p.A_k, packed)
                a = packed
            _block_of_rows(p, &walk, k, i_0 + i, rows, j_0, N, a, packed != NULL, panel)
            i += rows
        k += depth
    free(packed)
    free(deep)


cdef enum Reading:          # how the tiles of a block of rows read a panel of B
    IN_PLACE
    COPIED                  # the first one in place; the others the copy that it makes meanwhile
    PACKED                  # all from a copy that was made before


cdef inline Reading _reading(const Product* p, Py_ssize_t rows, Py_ssize_t depth, bint partly,
                             Py_ssize_t end) noexcept nogil:
    """How to read a panel of B of ``depth`` steps that ends before step ``end``.

    It is best read in place where few rows do so or its own rows lie close together. One that
    fills its last vector only partly is read beyond its end, which the last row of all does not
    allow. A tile hides the copying as long as the copy stays in the first cache.
    """
    if p.B_column != 1:
        return PACKED
    if rows <= 2 * TILE_ROWS or (p.single and p.N <= NEAR and (partly or rows <= SOME_ROWS)):
        return PACKED if partly and end == p.K else IN_PLACE
    return PACKED if partly or depth > _depth * 9 // 8 else COPIED


cdef void _block_of_rows(const Product* p, Walk* walk, Py_ssize_t k, Py_ssize_t i,
                         Py_ssize_t rows, Py_ssize_t j, Py_ssize_t N, const real* A,
                         bint packed, real* panel) noexcept nogil:
    """One block of A's rows, from row i on, times N columns of B from column j on."""
    cdef char[PANEL_BYTES] zeros
    cdef real* out
    cdef const real* b
    cdef const real* start
    cdef Py_ssize_t columns, end = j + N, lanes = VECTOR_BYTES // sizeof(real)
    cdef int vectors
    cdef Reading reading
    memset(zeros, 0, PANEL_BYTES)
    while j < end:
        vectors = _panel_vectors(end - j, lanes)
        columns = min(vectors * lanes, end - j)
        b, walk.b_k = <const real*> p.B + k * p.B_k + j * p.B_column, p.B_k * sizeof(real)
        reading = _reading(p, rows, walk.depth, columns < vectors * lanes, k + walk.depth)
        walk.copy = <char*> panel if reading == COPIED else NULL
        if reading == PACKED:
            _pack(walk.depth, columns, vectors * lanes, b, p.B_k, p.B_column, panel)
            b, walk.b_k = panel, vectors * VECTOR_BYTES
        out = <real*> p.out + i * p.N + j
        start, walk.start_row = out, walk.out_row  # a later block goes on from the last's result
        if k == 0 and p.start != NULL:
            start = <const real*> p.start + i * p.start_row + j
            walk.start_row = p.start_row * sizeof(real)
        elif k == 0:
            start, walk.start_row = <const real*> zeros, 0
        _panel_product(rows, vectors, columns - (vectors - 1) * lanes, walk, packed, A, b, start,
                       <const real*> p.y + i * p.N + j, out)
        j += columns


cdef void _across(const Product* p, Py_ssize_t i, Py_ssize_t M, Py_ssize_t j,
                  Py_ssize_t N) noexcept nogil:
    """M rows of out from row i on and N columns from j on, with the rows along the lanes.

    out^T = B^T A^T. For few columns, most of which would leave lanes empty.
    """
    cdef char[MOST_DEPTH * PANEL_BYTES + LINE] memory
    cdef char[ACROSS_ROWS * PANEL_BYTES + LINE] sums_memory
    cdef float* panel = _aligned_panel(memory, <float*> NULL)
    cdef float* sums = _aligned_panel(sums_memory, <float*> NULL)
    cdef char[PANEL_BYTES] zeros
    cdef const float* a
    cdef const float* b = <const float*> p.B + j * p.B_column
    cdef const float* start
    cdef Py_ssize_t rows, k, end = i + M, size = sizeof(float), lanes = VECTOR_BYTES // size
    cdef Py_ssize_t steps = _depth if p.A_row == 1 else TURNED_STEPS
    cdef int vectors
    cdef bint turned, crowded           # turned, or filled only partly
    cdef Walk walk
    memset(zeros, 0, PANEL_BYTES)
    walk.a_row, walk.a_k, walk.copy = p.B_column * size, p.B_k * size, NULL
    while i < end:
        vectors = _panel_vectors(end - i, lanes)
        if M >= vectors * lanes:
            i = min(i, end - vectors * lanes)   # the last reach back: the same result once more
        rows = min(vectors * lanes, end - i)
        walk.out_row, walk.start_row = vectors * VECTOR_BYTES, 0
        k, start = 0, <float*> zeros
        if p.start != NULL:
            _spread(N, vectors * lanes, <const float*> p.start + j, sums)
            start, walk.start_row = sums, walk.out_row
        while k < p.K:
            walk.depth = min(steps, p.K - k)
            walk.finish = p.finish if k + walk.depth == p.K else NOTHING
            a, walk.b_k = <const float*> p.A + i * p.A_row + k * p.A_k, p.A_k * size
            turned = p.A_row != 1 or rows < vectors * lanes
            crowded = walk.b_k % CROWDED == 0
            if turned or (crowded and N < TILE_ROWS):
                _pack(walk.depth, rows, vectors * lanes, a, p.A_k, p.A_row, panel)
                a, walk.b_k = panel, vectors * VECTOR_BYTES
            elif crowded:
                walk.copy = <char*> panel           # where the first tile packs it
            _panel_product(N, vectors, lanes, &walk, False, b + k * p.B_k, a, start, sums, sums)
            k += walk.depth
            start, walk.start_row = sums, walk.out_row
        _transpose(N, rows, sums, vectors * lanes, <float*> p.out + i * p.N + j, p.N)
        i += rows


cdef void _spread(Py_ssize_t N, Py_ssize_t M, const float* bias, float* out) noexcept nogil:
    """out[j, i] = bias[j] for i < M."""
    cdef Py_ssize_t i, j
    for j in range(N):
        for i in range(M):
            out[j * M + i] = bias[j]


cdef void _row_product(Py_ssize_t K, Py_ssize_t N, const char* a, Py_ssize_t k_step,
                       const char* B, Py_ssize_t B_step, const char* start,
                       vector* out) noexcept nogil:
    """out = start + a B for one row a; without a start it is zero. Steps in bytes.

    B is read once, where it lies and in the order in which it lies, which is faster where its
    lines are asked for before; many columns take a few steps of k at a time. Up to eight vectors,
    so many chains of multiply-adds, hide each other's latency.
    """
    cdef Py_ssize_t lanes = vlanes(out), size = VECTOR_BYTES // lanes, j, k = 0, left, width
    cdef int vectors
    cdef char* to = <char*> out
    cdef Walk walk
    walk.a_k, walk.b_k, walk.finish = k_step, B_step, NOTHING
    walk.a_row = walk.a_tile = walk.start_row = walk.out_row = 0
    walk.count, walk.copy = 1, NULL
    walk.ahead = max(<Py_ssize_t> ROW_AHEAD, 4 * B_step)
    if start == NULL:
        memset(to, 0, N * size)
    elif start != to:
        memcpy(to, start, N * size)
    while k < K:
        walk.depth = min(ROW_STEPS, K - k) if N > 8 * lanes else K
        j = 0
        while j < N:
            left = (N - j + lanes - 1) // lanes
            vectors = 8 if left >= 8 else 4 if left > 4 else <int> left
            width = min(vectors * lanes, N - j)
            _row_tile(vectors, width - (vectors - 1) * lanes, &walk, a + k * k_step,
                      B + k * B_step + j * size, <vector*> (to + j * size))
            j += width
        k += walk.depth


cdef void _row_tile(int vectors, Py_ssize_t last, const Walk* walk, const char* a, const char* B,
                    vector* out) noexcept nogil:
    """out += a B for some of one row's vectors, the last of which has ``last`` lanes."""
    cdef const char* c = <const char*> out
    if vectors == 8:
        if last == vlanes(out):
            _tiles(1, 8, False, True, ASKING, walk, last, a, B, c, c, out)
        else:
            _tiles(1, 8, False, False, ASKING, walk, last, a, B, c, c, out)
    elif vectors == 4:
        if last == vlanes(out):
            _tiles(1, 4, False, True, ASKING, walk, last, a, B, c, c, out)
        else:
            _tiles(1, 4, False, False, ASKING, walk, last, a, B, c, c, out)
    elif vectors == 3:
        _tiles(1, 3, False, False, ASKING, walk, last, a, B, c, c, out)
    elif vectors == 2:
        _tiles(1, 2, False, False, ASKING, walk, last, a, B, c, c, out)
    else:
        _tiles(1, 1, False, False, ASKING, walk, last, a, B, c, c, out)


cdef void _one_row(const Product* p, real* precision) noexcept nogil:
    """The product for M = 1 and a B whose rows are contiguous."""
    cdef Py_ssize_t size = sizeof(real)
    if real is float:
        _row_product[vfloat](p.K, p.N, p.A, p.A_k * size, p.B, p.B_k * size, p.start,
                             <vfloat*> p.out)
    else:
        _row_product[vdouble](p.K, p.N, p.A, p.A_k * size, p.B, p.B_k * size, p.start,
                              <vdouble*> p.out)
    _finish_rows(p, precision)


cdef void _fill_rows(const Product* p, real* precision) noexcept nogil:
    """out = start: the product over no k at all."""
    cdef Py_ssize_t i, row = p.N * sizeof(real)
    for i in range(p.M):
        if p.start == NULL:
            memset(p.out + i * row, 0, row)
        else:
            memcpy(p.out + i * row, p.start + i * p.start_row * <Py_ssize_t> sizeof(real), row)
    _finish_rows(p, precision)


cdef void _finish_rows(const Product* p, real* precision) noexcept nogil:
    """What Finish says, for sums that were made without tiles."""
    cdef real* out = <real*> p.out
    if p.finish == RELU_OF_SUM:
        _map(RELU_OF, p.M * p.N, out, out, 0, out)
    elif p.finish == WHERE_Y_IS_POSITIVE:
        _map(RELU_GRADIENT, p.M * p.N, <const real*> p.y, out, 0, out)


cdef void _work_product(void* job, int part, int parts) noexcept nogil:
    if (<Product*> job).single:
        _work_product_in(<Product*> job, part, parts, <float*> NULL)
    else:
        _work_product_in(<Product*> job, part, parts, <double*> NULL)


cdef void _work_product_in(const Product* p, int part, int parts, real* precision) noexcept nogil:
    """One part of a product: some of out's rows and some of its columns."""
    cdef int row_parts = parts // p.column_parts, row = part // p.column_parts
    cdef int column = part % p.column_parts
    cdef Py_ssize_t lanes = VECTOR_BYTES // sizeof(real), narrow, rows
    cdef Py_ssize_t tall = PANEL_BYTES // sizeof(real) if p.across else TILE_ROWS
    cdef Py_ssize_t i = _cut(p.M, row, row_parts, tall)
    cdef Py_ssize_t end = _cut(p.M, row + 1, row_parts, tall), M = end - i
    cdef Py_ssize_t j = _cut(p.N, column, p.column_parts, lanes)
    cdef Py_ssize_t N = _cut(p.N, column + 1, p.column_parts, lanes) - j
    if p.across:
        _across(p, i, M, 0, N)
        return
    narrow = p.narrow if j + N == p.N else 0
    while i < end:
        rows = end - i if narrow == 0 or end - i < 2 * FEW_ROWS else <Py_ssize_t> FEW_ROWS
        if N > narrow:
            _blocked(p, i, rows, j, N - narrow, precision)
        if narrow > 0:
            _across(p, i, rows, j + N - narrow, narrow)
        i += rows


cdef bint _pays_across(const Product* p) noexcept nogil:
    """True if the lanes are filled so much better by rows of out that turning it costs less."""
    cdef Py_ssize_t lanes = VECTOR_BYTES // sizeof(float)
    cdef Py_ssize_t by_rows = (p.M + lanes - 1) // lanes * lanes * p.N
    cdef Py_ssize_t by_columns = (p.N + lanes - 1) // lanes * lanes * p.M
    return (p.single and p.A_row == 1 and p.start == NULL and p.finish == NOTHING
            and p.N <= ACROSS_ROWS and by_rows * 9 < by_columns * 8)


cdef Py_ssize_t _narrow(const Product* p) noexcept nogil:
    """How many of the last columns leave most of a vector empty and better have rows in the lanes.

    Turning A for them costs about five multiply-adds a vector of it. One full vector before them
    gains by their company: alone it makes too few chains of multiply-adds.
    """
    cdef Py_ssize_t lanes = VECTOR_BYTES // sizeof(float), left = p.N % lanes
    if (p.single and p.A_k == 1 and p.finish != WHERE_Y_IS_POSITIVE and p.M >= lanes
            and p.N // lanes != 1 and left <= min(<Py_ssize_t> FEW_COLUMNS, lanes // 2)):
        return left
    return 0


cdef int _column_parts(const Product* p, int parts) noexcept nogil:
    """Into how many parts to cut out's columns, so that all parts together read the least.

    Each reads its own rows of A and its own columns of B; of these it gets a whole panel at least.
    """
    cdef Py_ssize_t best = p.M + p.N * parts, read
    cdef Py_ssize_t panels = p.N * (sizeof(float) if p.single else sizeof(double)) // PANEL_BYTES
    cdef int columns, found = 1
    for columns in range(2, parts + 1):
        read = p.M * columns + p.N * (parts // columns)
        if parts % columns == 0 and columns <= panels and read < best:
            best, found = read, columns
    return found


cdef void _gemm(Product* p, real* precision) noexcept nogil:
    """The whole product, by several threads where it is large enough."""
    cdef int parts
    p.single = sizeof(real) == sizeof(float)
    if p.K == 0:
        _fill_rows(p, precision)
    elif p.M == 1 and p.B_column == 1:
        _one_row(p, precision)
    else:
        p.across = _pays_across(p)
        p.narrow = 0 if p.across else _narrow(p)
        parts = _parts(p.M * p.N * (p.K + 1), ENOUGH, ENOUGH_TO_WAKE)
        p.column_parts = 1 if p.across else _column_parts(p, parts)
        _pool_run(_work_product, p, parts)


cdef void _gemm_nn(Py_ssize_t M, Py_ssize_t K, Py_ssize_t N, const real* A, const real* B,
                   const real* bias, Finish finish, real* out) noexcept nogil:
    """out = A B + bias in every row, with A (M, K), B (K, N), bias (N,) or NULL, out (M, N)."""
    cdef Product p
    p.M, p.K, p.N, p.A_row, p.A_k, p.B_k, p.B_column = M, K, N, K, 1, N, 1
    p.A, p.B, p.start, p.start_row, p.out = <char*> A, <char*> B, <char*> bias, 0, <char*> out
    p.finish, p.y = finish, <char*> out
    _gemm(&p, out)


cdef void _gemm_nt(Py_ssize_t M, Py_ssize_t K, Py_ssize_t N, const real* A, const real* B,
                   const real* y, real* out) noexcept nogil:
    """out = A B^T, with A (M, K), B (N, K), out (M, N); 0 where y (M, N), if not NULL, is not > 0.
    """
    cdef Product p
    p.M, p.K, p.N, p.A_row, p.A_k, p.B_k, p.B_column = M, K, N, K, 1, 1, K
    p.A, p.B, p.start, p.start_row, p.out = <char*> A, <char*> B, NULL, 0, <char*> out
    p.finish = NOTHING if y == NULL else WHERE_Y_IS_POSITIVE
    p.y = <char*> out if y == NULL else <char*> y
    _gemm(&p, out)


cdef void _gemm_tn(Py_ssize_t M, Py_ssize_t K, Py_ssize_t N, const real* A, const real* B,
                   real* out) noexcept nogil:
    """out = A^T B, with A (K, M), B (K, N), out (M, N)."""
    cdef Product p
    p.M, p.K, p.N, p.A_row, p.A_k, p.B_k, p.B_column = M, K, N, 1, M, N, 1
    p.A, p.B, p.start, p.start_row, p.out = <char*> A, <char*> B, NULL, 0, <char*> out
    p.finish, p.y = NOTHING, <char*> out
    _gemm(&p, out)


cdef int _product_door(str A_name, object A, str B_name, object B, str out_name, object out,
                       bint A_turned, bint B_turned) except -1:
    """out = A B, or with one of them turned, for arrays still to be checked and their names."""
    cdef Held held
    cdef Product p
    hold_nothing(&held)
    try:
        hold_matrix(&held, A_name, A, READ, ANY, ANY)
        p.M, p.K = held_size(&held, 0, A_turned), held_size(&held, 0, not A_turned)
        p.A_row, p.A_k = 1 if A_turned else p.K, p.M if A_turned else 1
        if B_turned:
            hold_matrix(&held, B_name, B, READ, ANY, p.K)
        else:
            hold_matrix(&held, B_name, B, READ, p.K, ANY)
        p.N = held_size(&held, 1, not B_turned)
        p.B_k, p.B_column = 1 if B_turned else p.N, p.K if B_turned else 1
        hold_matrix(&held, out_name, out, WRITE, p.M, p.N)
        p.A, p.B = <char*> held_data(&held, 0), <char*> held_data(&held, 1)
        p.out = <char*> held_data(&held, 2)
        p.start, p.start_row, p.finish, p.y = NULL, 0, NOTHING, p.out
        with nogil:
            if held.single:
                _gemm(&p, <float*> NULL)
            else:
                _gemm(&p, <double*> NULL)
    finally:
        let_go(&held)
    return 0


def gemm_nn(A, B, out):
    """out = A B.

    A: (M, K), B: (K, N), out: (M, N), overwritten, apart from A and B in memory.
    """
    _product_door("A", A, "B", B, "out", out, False, False)


def gemm_nt(A, B, out):
    """out = A B^T.

    A: (M, K), B: (N, K), out: (M, N), overwritten, apart from A and B in memory.
    """
    _product_door("A", A, "B", B, "out", out, False, True)


def gemm_tn(A, B, out):
    """out = A^T B.

    A: (K, M), B: (K, N), out: (M, N), overwritten, apart from A and B in memory.
    """
    _product_door("A", A, "B", B, "out", out, True, False)
