"""Products in parts on a matrix unit (matrix_unit.pyx), with the bits of parts.pyx.

The operands are packed into tiles: 16 rows of A or columns of B by 32 steps of k, one bfloat16 part
after the other. Four tiles of sums are at work at a time, 32 by 32 elements of out.
"""

from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    /* bfloat16 numbers in the upper halves of words, joined: two neighbours of one vector into the
       lower half of the result, or each of a vector with its partner in the next one. */
    #if AFFINET_HAS_TILES
    typedef uint64_t vtwins AFFINET_VECTOR(AFFINET_VECTOR_BYTES, AFFINET_VECTOR_BYTES);
    typedef uint32_t vhalf AFFINET_VECTOR(AFFINET_VECTOR_BYTES / 2, 4);
    static inline void affinet_store_neighbours(char* to, vfloat x) {
        const vtwins twins = (vtwins)x;
        *(vhalf*)to = __builtin_convertvector(
            (twins >> 16 & 0xFFFF) | (twins >> 32 & 0xFFFF0000u), vhalf);
    }
    static inline vfloat affinet_partners(vfloat even, vfloat odd) {
        return (vfloat)((vwords_f)even >> 16 | (vwords_f)odd);
    }
    #else
    #define affinet_store_neighbours(to, x) ((void)(to), (void)(x))
    #define affinet_partners(even, odd) ((void)(odd), (even))
    #endif
    """
    void store_neighbours "affinet_store_neighbours"(char* to, vfloat x) noexcept nogil
    vfloat partners "affinet_partners"(vfloat even, vfloat odd) noexcept nogil

cdef enum:
    TILE = 16               # rows of a tile, and float32 numbers in one
    TILE_ROW = 64           # bytes
    TILE_BYTES = 1024
    # Packed at a time: what is fast depends on the caches of processors with such a unit, whose L2
    # has 2 MiB (a study of 1024 x 1024 x 1024 on one: four blocks of k instead of one took three
    # times as long, since out was fetched and stored for each).
    UNIT_DEPTH = 1024
    UNIT_ROWS = 128
    UNIT_COLUMNS = 512


# Packing -----------------------------------------------------------------------------------------


cdef void _pack_along_k(const Splitting* splitting, Py_ssize_t rows, Py_ssize_t steps,
                        const float* source, Py_ssize_t row_step, char* packed) noexcept nogil:
    """Parts of a tile whose steps of k are neighbours: a row for each of the source's rows."""
    cdef Py_ssize_t lanes = VECTOR_BYTES // sizeof(float), _r, k
    cdef int part
    cdef vfloat x, near
    for _r in range(rows):
        k = 0
        while k < PART_STEPS:
            x = vload(vectors_of(source + k), max(steps - k, <Py_ssize_t> 0))
            for part in range(splitting.parts):
                near = _part_of(x)
                store_neighbours(packed + part * TILE_BYTES + 2 * k, near)
                x = x - near
            k += lanes
        source += row_step
        packed += TILE_ROW


cdef void _pack_across_k(const Splitting* splitting, Py_ssize_t columns, Py_ssize_t steps,
                         const float* source, Py_ssize_t k_step, char* packed) noexcept nogil:
    """Likewise where columns are neighbours: a row for each pair of steps of k."""
    cdef Py_ssize_t lanes = VECTOR_BYTES // sizeof(float), k, j, left
    cdef int part
    cdef vfloat even, odd, near_even, near_odd
    for k in range(0, steps, 2):
        j = 0
        while j < TILE:
            left = max(columns - j, <Py_ssize_t> 0)
            even = vload(vectors_of(source + j), left)
            odd = vload(vectors_of(source + k_step + j), left if k + 1 < steps else 0)
            for part in range(splitting.parts):
                near_even, near_odd = _part_of(even), _part_of(odd)
                vstore(vectors_into(<float*> (packed + part * TILE_BYTES) + j),
                       partners(near_even, near_odd), lanes)
                even, odd = even - near_even, odd - near_odd
            j += lanes
        source += 2 * k_step
        packed += TILE_ROW


cdef void_apart _pack_tiles(const Splitting* splitting, Py_ssize_t count, Py_ssize_t steps,
                            const float* source, Py_ssize_t k_step, Py_ssize_t step,
                            bint pairs_in_rows, char* packed) noexcept nogil:
    """Tiles of ``count`` rows of A, or columns of B, each with all its blocks of k in order.

    pairs_in_rows: a tile has a row for each pair of steps of k, as for B, and not, as for A, a pair
    of steps in each column. The source's neighbours may be the other way: such a tile is turned.
    """
    cdef Py_ssize_t blocks = (steps + PART_STEPS - 1) // PART_STEPS
    cdef Py_ssize_t tiles = (count + TILE - 1) // TILE, u, tile, block, n, left
    cdef bint along_k = k_step == 1
    cdef char[TILE_BYTES] turned
    cdef const float* from_
    cdef char* to
    cdef int _part
    for u in range(tiles * blocks):     # in the order in which the source lies in memory
        tile, block = (u // blocks, u % blocks) if along_k else (u % tiles, u // tiles)
        to = packed + (tile * blocks + block) * splitting.parts * TILE_BYTES
        from_ = source + tile * TILE * step + block * PART_STEPS * k_step
        n, left = min(count - tile * TILE, <Py_ssize_t> TILE), steps - block * PART_STEPS
        if n < TILE or left < PART_STEPS:
            memset(to, 0, splitting.parts * TILE_BYTES)
        if along_k:
            _pack_along_k(splitting, n, left, from_, step, to)
        else:
            _pack_across_k(splitting, n, min(left, <Py_ssize_t> PART_STEPS), from_, k_step, to)
        if along_k == pairs_in_rows:
            for _part in range(splitting.parts):
                _transpose(TILE, TILE, <float*> to, TILE, <float*> turned, TILE)
                memcpy(to, turned, TILE_BYTES)
                to += TILE_BYTES


# Products ----------------------------------------------------------------------------------------


cdef inlined_void _multiply_tiles(bint two_rows, bint two_columns, const Splitting* splitting,
                                  Py_ssize_t blocks, const char* A, const char* B, bint go_on,
                                  char* sums, Py_ssize_t row) noexcept nogil:
    """sums = A B, or if they go on sums += A B, for one or two rows and columns of tiles.

    row: bytes from a row of sums to the next. The first two arguments are constants in every call.
    """
    cdef Py_ssize_t next_ = blocks * splitting.parts * TILE_BYTES
    cdef Py_ssize_t _block
    cdef const char* a
    cdef const char* b
    cdef int t
    if go_on:
        load_tile(0, sums, row)
        if two_columns:
            load_tile(1, sums + TILE_ROW, row)
        if two_rows:
            load_tile(2, sums + TILE * row, row)
        if two_rows and two_columns:
            load_tile(3, sums + TILE * row + TILE_ROW, row)
    else:
        zero_tile(0)
        zero_tile(1)
        zero_tile(2)
        zero_tile(3)
    for _block in range(blocks):
        for t in range(splitting.products):
            a, b = A + splitting.of_A[t] * TILE_BYTES, B + splitting.of_B[t] * TILE_BYTES
            load_tile(4, a, TILE_ROW)
            load_tile(6, b, TILE_ROW)
            add_product(0, 4, 6)
            if two_columns:
                load_tile(7, b + next_, TILE_ROW)
                add_product(1, 4, 7)
            if two_rows:
                load_tile(5, a + next_, TILE_ROW)
                add_product(2, 5, 6)
            if two_rows and two_columns:
                add_product(3, 5, 7)
        A += splitting.parts * TILE_BYTES
        B += splitting.parts * TILE_BYTES
    store_tile(0, sums, row)
    if two_columns:
        store_tile(1, sums + TILE_ROW, row)
    if two_rows:
        store_tile(2, sums + TILE * row, row)
    if two_rows and two_columns:
        store_tile(3, sums + TILE * row + TILE_ROW, row)


cdef void _unit_square(const Splitting* splitting, Py_ssize_t rows, Py_ssize_t columns,
                       Py_ssize_t blocks, const char* A, const char* B, bint go_on, float* out,
                       Py_ssize_t N) noexcept nogil:
    """Up to 32 by 32 elements of out, whose rows have N."""
    cdef bint two_rows = rows > TILE, two_columns = columns > TILE, whole
    cdef float[4 * TILE * TILE] square
    cdef float* sums = out
    cdef Py_ssize_t row = N, r
    whole = rows == TILE * (1 + two_rows) and columns == TILE * (1 + two_columns)
    if not whole:
        sums, row = square, 2 * TILE
        if go_on:
            for r in range(rows):
                memcpy(sums + r * row, out + r * N, columns * sizeof(float))
    if two_rows and two_columns:
        _multiply_tiles(True, True, splitting, blocks, A, B, go_on, <char*> sums, 4 * row)
    elif two_rows:
        _multiply_tiles(True, False, splitting, blocks, A, B, go_on, <char*> sums, 4 * row)
    elif two_columns:
        _multiply_tiles(False, True, splitting, blocks, A, B, go_on, <char*> sums, 4 * row)
    else:
        _multiply_tiles(False, False, splitting, blocks, A, B, go_on, <char*> sums, 4 * row)
    if not whole:
        for r in range(rows):
            memcpy(out + r * N, sums + r * row, columns * sizeof(float))


cdef void _unit_block(const Product* p, const Splitting* splitting, Py_ssize_t i, Py_ssize_t rows,
                      Py_ssize_t j, Py_ssize_t columns, Py_ssize_t blocks, const char* A,
                      const char* B, bint go_on) noexcept nogil:
    """A packed block of A by a packed block of B."""
    cdef Py_ssize_t r, c = 0, deep = blocks * splitting.parts * TILE_BYTES
    while c < columns:
        r = 0
        while r < rows:
            _unit_square(splitting, min(rows - r, <Py_ssize_t> (2 * TILE)),
                         min(columns - c, <Py_ssize_t> (2 * TILE)), blocks, A + r // TILE * deep,
                         B + c // TILE * deep, go_on, <float*> p.out + (i + r) * p.N + j + c, p.N)
            r += 2 * TILE
        c += 2 * TILE


cdef void _unit_columns(const Product* p, const Splitting* splitting, Py_ssize_t i, Py_ssize_t M,
                        Py_ssize_t j, Py_ssize_t columns, mode_of_thread mode, char* A,
                        char* B) noexcept nogil:
    """M rows of out from i on and ``columns`` from j on, packed into A and B block by block."""
    cdef Py_ssize_t k = 0, r, steps, blocks, rows, row
    while k < p.K:
        steps = min(p.K - k, <Py_ssize_t> UNIT_DEPTH)
        blocks = (steps + PART_STEPS - 1) // PART_STEPS
        flush_in(mode)
        _pack_tiles(splitting, columns, steps, <const float*> p.B + k * p.B_k + j * p.B_column,
                    p.B_k, p.B_column, True, B)
        r = i
        while r < i + M:
            rows = min(i + M - r, <Py_ssize_t> UNIT_ROWS)
            flush_in(mode)
            _pack_tiles(splitting, rows, steps, <const float*> p.A + r * p.A_row + k * p.A_k,
                        p.A_k, p.A_row, False, A)
            write_mode(mode)
            _unit_block(p, splitting, r, rows, j, columns, blocks, A, B, k > 0)
            if k + steps == p.K:
                for row in range(r, r + rows):
                    _finish_parts(p, row, j, columns)
            r += rows
        k += steps


cdef bint _work_in_unit(const Product* p, Py_ssize_t i, Py_ssize_t M, Py_ssize_t j,
                        Py_ssize_t N) noexcept nogil:
    """_work_in_parts on the matrix unit; False, and nothing done, without memory to pack into."""
    cdef const Splitting* splitting = &splittings[p.multiplied - BFLOAT16]
    cdef Py_ssize_t rows = min((M + TILE - 1) // TILE * TILE, <Py_ssize_t> UNIT_ROWS)
    cdef Py_ssize_t columns = min((N + TILE - 1) // TILE * TILE, <Py_ssize_t> UNIT_COLUMNS)
    cdef Py_ssize_t depth = min((p.K + PART_STEPS - 1) // PART_STEPS * PART_STEPS,
                                <Py_ssize_t> UNIT_DEPTH) * 2 * splitting.parts
    cdef mode_of_thread mode = read_mode()
    cdef char* taken = <char*> malloc((rows + columns) * depth + LINE)
    cdef char* A
    if taken == NULL:
        return False
    A = <char*> _aligned_panel(taken, <float*> NULL)
    configure_tiles()
    while N > 0:
        columns = min(N, <Py_ssize_t> UNIT_COLUMNS)
        _unit_columns(p, splitting, i, M, j, columns, mode, A, A + rows * depth)
        j += columns
        N -= columns
    release_tiles()
    free(taken)
    return True
