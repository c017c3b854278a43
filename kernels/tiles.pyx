"""Tiles: a few rows by a few vectors of a product, held in registers while k runs.

Each number of a tile is one chain of multiply-adds over k in ascending order, from the value that
it starts with. What follows a product element by element, a ReLU or its gradient, happens here too.
"""

cdef extern from *:
    """
    /* A tile's rows and vectors a row: as many as the level's 32 or 16 registers hold. */
    #if defined(__AVX512F__) || defined(__aarch64__)
    #define AFFINET_TILE_ROWS 8
    #define AFFINET_TILE_VECTORS 3
    #else
    #define AFFINET_TILE_ROWS 6
    #define AFFINET_TILE_VECTORS 2
    #endif
    #define AFFINET_PANEL_BYTES (AFFINET_TILE_VECTORS * AFFINET_VECTOR_BYTES)
    """
    const int MR "AFFINET_TILE_ROWS"
    const int TILE_VECTORS "AFFINET_TILE_VECTORS"
    const int PANEL_BYTES "AFFINET_PANEL_BYTES"     # one row of a panel of B

cdef enum Finish:           # what is done to an element when its sum is complete
    NO_EPILOGUE
    RELU_EPILOGUE             # relu(sum)
    WHERE_Y_IS_POSITIVE     # the sum as ReLU's gradient: 0 where its output y was 0

cdef enum Manner:           # what a tile does besides
    PLAIN
    COPYING                 # packs the panel of B that it reads in place
    ASKING                  # asks for the lines of B that it reads soon

cdef struct Walk:           # from tile to tile through one block; steps in bytes
    Py_ssize_t depth        # steps of k
    Py_ssize_t count        # tiles of the same size, one below the other
    Py_ssize_t a_tile       # from a tile's rows of A to the next one's
    Py_ssize_t a_row        # from a row of A to the next
    Py_ssize_t a_k
    Py_ssize_t b_k
    Py_ssize_t start_row
    Py_ssize_t out_row      # of y, too
    Finish finish
    char* copy              # where the first tile packs the panel of B that it reads, or NULL
    Py_ssize_t ahead        # how far ahead of B a tile asks for lines


cdef inlined_void _load_tile(int rows, int vectors, const Walk* walk, Py_ssize_t last,
                             const char* start, vector* tile, const vector* kind) noexcept nogil:
    cdef int i, j
    cdef const char* from_
    if last == vlanes(kind):
        for i in range(rows):
            for j in range(vectors):
                from_ = start + i * walk.start_row + j * VECTOR_BYTES
                tile[i * vectors + j] = vload(<const vector*> from_, vlanes(kind))
    else:
        for i in range(rows):
            for j in range(vectors - 1):
                from_ = start + i * walk.start_row + j * VECTOR_BYTES
                tile[i * vectors + j] = vload(<const vector*> from_, vlanes(kind))
            from_ = start + i * walk.start_row + (vectors - 1) * VECTOR_BYTES
            tile[(i + 1) * vectors - 1] = vload_part(<const vector*> from_, last)


cdef inlined_void _ask_for_tile(int rows, int vectors, const Walk* walk,
                                const char* start) noexcept nogil:
    """Ask for what the next tile goes on from: its rows lie far apart, often in a later cache."""
    cdef int i, j
    for i in range(rows):
        for j in range((vectors * VECTOR_BYTES + LINE - 1) // LINE):
            _ask(start + i * walk.start_row + j * LINE)


cdef inlined_void _finish_tile(int rows, int vectors, const Walk* walk, Py_ssize_t last,
                               const char* y, vector* tile) noexcept nogil:
    cdef int i, j
    cdef vector zero = vnumber(tile, 0), outputs
    for i in range(rows):
        for j in range(vectors):
            if walk.finish == WHERE_Y_IS_POSITIVE:
                outputs = vload(<const vector*> (y + i * walk.out_row + j * VECTOR_BYTES),
                                vlanes(tile) if j < vectors - 1 else last)
                tile[i * vectors + j] = _element(RELU_GRADIENT, outputs, tile[i * vectors + j],
                                                 zero)
            else:
                tile[i * vectors + j] = _element(RELU_OF, tile[i * vectors + j], zero, zero)


cdef inlined_void _store_tile(int rows, int vectors, const Walk* walk, Py_ssize_t last,
                              const vector* tile, vector* out) noexcept nogil:
    cdef int i, j
    cdef char* to
    if last == vlanes(out):
        for i in range(rows):
            for j in range(vectors):
                to = <char*> out + i * walk.out_row + j * VECTOR_BYTES
                vstore(<vector*> to, tile[i * vectors + j], vlanes(out))
    else:
        for i in range(rows):
            for j in range(vectors - 1):
                to = <char*> out + i * walk.out_row + j * VECTOR_BYTES
                vstore(<vector*> to, tile[i * vectors + j], vlanes(out))
            to = <char*> out + i * walk.out_row + (vectors - 1) * VECTOR_BYTES
            vstore_part(<vector*> to, tile[(i + 1) * vectors - 1], last)


cdef inlined_void _tiles(int rows, int vectors, bint side_by_side, bint padded, Manner manner,
                         const Walk* walk, Py_ssize_t last, const char* A, const char* B,
                         const char* start, const char* y, vector* out) noexcept nogil:
    """out = start + A B, tile by tile of ``rows`` by ``vectors``, each in registers throughout.

    side_by_side: the rows of A lie next to each other, number by number. padded: B can be read to
    the end of its last vector. last: how many lanes of a row's last vector are out's. The first
    five arguments are constants wherever this is called, so the compiler unrolls the loops over
    them and keeps ``tile`` in registers; gcc does so only for loops inside another one, which is
    why the loop over the tiles is here.
    """
    cdef vector[24] tile
    cdef vector[8] b
    cdef vector a
    cdef int i, j
    cdef Py_ssize_t _k, _tile, lanes = vlanes(out)
    cdef Py_ssize_t a_row = VECTOR_BYTES // lanes if side_by_side else walk.a_row
    cdef char* copy = walk.copy
    cdef const char* a_k
    cdef const char* b_k
    cdef const char* from_
    for _tile in range(walk.count):
        _load_tile(rows, vectors, walk, last, start, tile, out)
        if walk.start_row != 0:
            _ask_for_tile(rows, vectors, walk, start + rows * walk.start_row)
        a_k, b_k = A, B
        for _k in range(walk.depth):
            for j in range(vectors):
                from_ = b_k + j * VECTOR_BYTES
                b[j] = vload(<const vector*> from_,
                             lanes if padded or j < vectors - 1 else last)
            for i in range(rows):
                if vector is vfloat:
                    a = vsplat_f(a_k + i * a_row)
                else:
                    a = vsplat_d(a_k + i * a_row)
                for j in range(vectors):
                    tile[i * vectors + j] = vfmadd(a, b[j], tile[i * vectors + j])
            if manner == ASKING:
                for j in range((vectors * VECTOR_BYTES + LINE - 1) // LINE):
                    _ask(b_k + walk.ahead + j * LINE)
            elif manner == COPYING:
                for j in range(vectors):
                    vstore(<vector*> (copy + j * VECTOR_BYTES), b[j], lanes)
                copy += vectors * VECTOR_BYTES
            a_k += walk.a_k
            b_k += walk.b_k
        if walk.finish != NO_EPILOGUE:
            _finish_tile(rows, vectors, walk, last, y, tile)
        _store_tile(rows, vectors, walk, last, tile, out)
        A += walk.a_tile
        start += rows * walk.start_row
        y += rows * walk.out_row
        out = <vector*> (<char*> out + rows * walk.out_row)


cdef inlined_void _tiles_of_rows(int rows, int vectors, bint side_by_side, const Walk* walk,
                                 Py_ssize_t last, const char* A, const char* B, const char* start,
                                 const char* y, vector* out) noexcept nogil:
    """The tiles with one of the numbers of rows that _tile_rows gives."""
    if rows == MR:
        if walk.copy != NULL:
            _tiles(MR, vectors, side_by_side, True, COPYING, walk, last, A, B, start, y, out)
        else:
            _tiles(MR, vectors, side_by_side, True, PLAIN, walk, last, A, B, start, y, out)
    elif rows == 4:
        _tiles(4, vectors, side_by_side, True, PLAIN, walk, last, A, B, start, y, out)
    elif rows == 2:
        _tiles(2, vectors, side_by_side, True, PLAIN, walk, last, A, B, start, y, out)
    else:
        _tiles(1, vectors, side_by_side, True, PLAIN, walk, last, A, B, start, y, out)


cdef void _any_tiles(int rows, int vectors, bint side_by_side, const Walk* walk, Py_ssize_t last,
                     const char* A, const char* B, const char* start, const char* y,
                     vector* out) noexcept nogil:
    """The tiles of one of the sizes that are compiled."""
    if vectors == TILE_VECTORS:
        if side_by_side:
            _tiles_of_rows(rows, TILE_VECTORS, True, walk, last, A, B, start, y, out)
        else:
            _tiles_of_rows(rows, TILE_VECTORS, False, walk, last, A, B, start, y, out)
    elif vectors == 2:
        if side_by_side:
            _tiles_of_rows(rows, 2, True, walk, last, A, B, start, y, out)
        else:
            _tiles_of_rows(rows, 2, False, walk, last, A, B, start, y, out)
    else:
        if side_by_side:
            _tiles_of_rows(rows, 1, True, walk, last, A, B, start, y, out)
        else:
            _tiles_of_rows(rows, 1, False, walk, last, A, B, start, y, out)


cdef inline int _tile_rows(Py_ssize_t left) noexcept nogil:
    """Rows of the next tile where ``left`` rows are left."""
    if left >= MR:
        return MR
    if left >= 4:
        return 4
    return 2 if left >= 2 else 1


cdef inline int _panel_vectors(Py_ssize_t left, Py_ssize_t lanes) noexcept nogil:
    """Vectors in a row of the next panel where ``left`` columns are left: evenly at the end."""
    cdef Py_ssize_t vectors = (left + lanes - 1) // lanes
    if vectors == TILE_VECTORS + 1:
        return <int> (vectors + 1) // 2
    return <int> min(vectors, <Py_ssize_t> TILE_VECTORS)


cdef void _panel_product(Py_ssize_t rows, int vectors, Py_ssize_t last, Walk* walk, bint packed,
                         const real* A, const real* B, const real* start, const real* y,
                         real* out) noexcept nogil:
    """out = start + A B for a block of rows and one panel of B, tile by tile.

    packed: A comes from _pack_rows. last: how many lanes of a row's last vector are out's. With a
    walk.copy the first tile has MR, and the others read the panel that it packs there.
    """
    cdef Py_ssize_t i = 0, size = sizeof(real)
    cdef bint side_by_side = packed or walk.a_row == size
    cdef const char* a = <const char*> A
    cdef const char* b = <const char*> B
    cdef const char* from_
    cdef const char* mask
    cdef char* to
    cdef int height
    while i < rows:
        height = _tile_rows(rows - i)
        walk.count = 1 if height < MR or walk.copy != NULL else (rows - i) // MR
        walk.a_tile = height * (walk.depth * size if packed else walk.a_row)
        if packed:
            walk.a_k = height * size
        from_ = <const char*> start + i * walk.start_row
        mask = <const char*> y + i * walk.out_row
        to = <char*> out + i * walk.out_row
        if real is float:
            _any_tiles[vfloat](height, vectors, side_by_side, walk, last, a, b, from_, mask,
                               <vfloat*> to)
        else:
            _any_tiles[vdouble](height, vectors, side_by_side, walk, last, a, b, from_, mask,
                                <vdouble*> to)
        if walk.copy != NULL:
            b, walk.b_k, walk.copy = walk.copy, vectors * VECTOR_BYTES, NULL
        a += walk.count * walk.a_tile
        i += walk.count * height
