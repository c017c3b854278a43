"""The micro-kernel: a tile of MR rows by NR_VECTORS vectors of a product, held in registers.

Each element of a tile is one chain of multiply-adds over k in ascending order, from its start
value. An epilogue is applied before the tile is stored.
"""

cdef extern from *:
    """
    /* MR and NR: as many accumulators as the level's 32 or 16 registers hold. NR is counted in
       vectors and in bytes, as the columns in a vector depend on the precision. */
    #if defined(__AVX512F__) || defined(__aarch64__)
    #define AFFINET_MR 8
    #define AFFINET_NR_VECTORS 3
    #else
    #define AFFINET_MR 6
    #define AFFINET_NR_VECTORS 2
    #endif
    #define AFFINET_NR_BYTES (AFFINET_NR_VECTORS * AFFINET_VECTOR_BYTES)
    #define AFFINET_TILE_BYTES (AFFINET_MR * AFFINET_NR_BYTES)
    """
    const int MR "AFFINET_MR"
    const int NR_VECTORS "AFFINET_NR_VECTORS"
    const int NR_BYTES "AFFINET_NR_BYTES"
    const int MAX_TILE_BYTES "AFFINET_TILE_BYTES"

cdef enum PanelUse:         # what else the micro-kernel does with B
    READ_PANEL
    PACK_PANEL              # packs the panel that it reads in place
    PREFETCH_PANEL          # prefetches what it reads soon

cdef struct TileOperands:   # of the tiles of one size in one block; strides in bytes
    Py_ssize_t kc           # steps of k in this block
    Py_ssize_t count        # tiles of this size, stacked vertically
    Py_ssize_t a_tile       # from a tile's rows of A to the next one's
    Py_ssize_t a_row        # from a row of A to the next
    Py_ssize_t a_k
    Py_ssize_t b_k
    Py_ssize_t start_row
    Py_ssize_t out_row      # of y, too
    Epilogue epilogue
    char* packed_panel      # where the first tile packs the panel of B that it reads, or NULL
    Py_ssize_t prefetch     # how far ahead of B a tile prefetches


cdef inlined_void _load_tile(int rows, int vectors, const TileOperands* tiles, Py_ssize_t last,
                             const char* start, vector* tile, const vector* kind) noexcept nogil:
    cdef int i, j
    cdef const char* from_
    if last == vlanes(kind):
        for i in range(rows):
            for j in range(vectors):
                from_ = start + i * tiles.start_row + j * VECTOR_BYTES
                tile[i * vectors + j] = vload(<const vector*> from_, vlanes(kind))
    else:
        for i in range(rows):
            for j in range(vectors - 1):
                from_ = start + i * tiles.start_row + j * VECTOR_BYTES
                tile[i * vectors + j] = vload(<const vector*> from_, vlanes(kind))
            from_ = start + i * tiles.start_row + (vectors - 1) * VECTOR_BYTES
            tile[(i + 1) * vectors - 1] = vload_part(<const vector*> from_, last)


cdef inlined_void _prefetch_tile(int rows, int vectors, Py_ssize_t row,
                                 const char* start) noexcept nogil:
    """Prefetch the next tile's start values: its rows are far apart, often in L2 or beyond."""
    cdef int i, j
    for i in range(rows):
        for j in range((vectors * VECTOR_BYTES + LINE - 1) // LINE):
            prefetch(start + i * row + j * LINE)


cdef inlined_void _finish_tile(Epilogue epilogue, int rows, int vectors, Py_ssize_t out_row,
                               Py_ssize_t last, const char* y, vector* tile) noexcept nogil:
    """Apply one epilogue, a compile-time constant in every call, to a whole tile."""
    cdef int i, j
    for i in range(rows):
        for j in range(vectors):
            _apply_epilogue(epilogue, tile + i * vectors + j,
                            <const vector*> (y + i * out_row + j * VECTOR_BYTES),
                            vlanes(tile) if j < vectors - 1 else last)


cdef inlined_void _store_tile(int rows, int vectors, const TileOperands* tiles,
                              Py_ssize_t last, const vector* tile, vector* out) noexcept nogil:
    cdef int i, j
    cdef char* to
    if last == vlanes(out):
        for i in range(rows):
            for j in range(vectors):
                to = <char*> out + i * tiles.out_row + j * VECTOR_BYTES
                vstore(<vector*> to, tile[i * vectors + j], vlanes(out))
    else:
        for i in range(rows):
            for j in range(vectors - 1):
                to = <char*> out + i * tiles.out_row + j * VECTOR_BYTES
                vstore(<vector*> to, tile[i * vectors + j], vlanes(out))
            to = <char*> out + i * tiles.out_row + (vectors - 1) * VECTOR_BYTES
            vstore_part(<vector*> to, tile[(i + 1) * vectors - 1], last)


cdef inlined_void _multiply_add(int rows, int vectors, bint whole_vectors, Py_ssize_t a_row,
                                Py_ssize_t last, const char* A, const char* B, vector* b,
                                vector* tile) noexcept nogil:
    """tile += a b for one column a of A and one row b of B: one step of k."""
    cdef int i, j
    cdef vector a
    cdef const char* from_
    for j in range(vectors):
        from_ = B + j * VECTOR_BYTES
        b[j] = vload(<const vector*> from_,
                     vlanes(b) if whole_vectors or j < vectors - 1 else last)
    for i in range(rows):
        a = vbroadcast(<const vector*> (A + i * a_row))
        for j in range(vectors):
            tile[i * vectors + j] = vfmadd(a, b[j], tile[i * vectors + j])


cdef inlined_void _micro_kernel(int rows, int vectors, bint adjacent, bint whole_vectors,
                                PanelUse use, const TileOperands* tiles, Py_ssize_t last,
                                const char* A, const char* B, const char* start, const char* y,
                                vector* out) noexcept nogil:
    """out = start + A B, tile by tile of ``rows`` by ``vectors``, each in registers throughout.

    adjacent: the rows of A are interleaved, element by element. whole_vectors: B can be read
    to the end of its last vector. last: number of lanes of a row's last vector that belong to out.
    The first five arguments are compile-time constants in every call, so the compiler unrolls the
    loops over them and keeps ``tile`` in registers; gcc does so only for nested loops, which is why
    the loop over the tiles is here.
    """
    cdef vector[24] tile
    cdef vector[8] b
    cdef int j
    cdef Py_ssize_t _k, _tile
    cdef Py_ssize_t a_row = VECTOR_BYTES // vlanes(out) if adjacent else tiles.a_row
    cdef char* packed = tiles.packed_panel
    cdef const char* a_k
    cdef const char* b_k
    for _tile in range(tiles.count):
        _load_tile(rows, vectors, tiles, last, start, tile, out)
        if tiles.start_row != 0:
            _prefetch_tile(rows, vectors, tiles.start_row, start + rows * tiles.start_row)
        a_k, b_k = A, B
        for _k in range(tiles.kc):
            _multiply_add(rows, vectors, whole_vectors, a_row, last, a_k, b_k, b, tile)
            if use == PREFETCH_PANEL:
                for j in range((vectors * VECTOR_BYTES + LINE - 1) // LINE):
                    prefetch(b_k + tiles.prefetch + j * LINE)
            elif use == PACK_PANEL:
                for j in range(vectors):
                    vstore(<vector*> (packed + j * VECTOR_BYTES), b[j], vlanes(out))
                packed += vectors * VECTOR_BYTES
            a_k += tiles.a_k
            b_k += tiles.b_k
        if tiles.epilogue == RELU_EPILOGUE:
            _finish_tile(RELU_EPILOGUE, rows, vectors, 0, last, y, tile)
        elif tiles.epilogue == RELU_GRADIENT_EPILOGUE:
            _finish_tile(RELU_GRADIENT_EPILOGUE, rows, vectors, tiles.out_row, last, y, tile)
        elif tiles.epilogue != NO_EPILOGUE:
            refuse("epilogue", tiles.epilogue)
        _store_tile(rows, vectors, tiles, last, tile, out)
        A += tiles.a_tile
        start += rows * tiles.start_row
        y += rows * tiles.out_row
        out = <vector*> (<char*> out + rows * tiles.out_row)
