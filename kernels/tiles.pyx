"""Selects the micro-kernel: splits panels into tiles of the compiled sizes."""


cdef inlined_void _tiles_of_height(int rows, int vectors, bint adjacent,
                                   const TileOperands* tiles, Py_ssize_t last, const char* A,
                                   const char* B, const char* start, const char* y,
                                   vector* out) noexcept nogil:
    """The tiles with one of the numbers of rows that _tile_height returns."""
    if rows == MR and tiles.packed_panel != NULL:
        _micro_kernel(MR, vectors, adjacent, True, PACK_PANEL, tiles, last, A, B, start, y, out)
    elif rows == MR:
        _micro_kernel(MR, vectors, adjacent, True, READ_PANEL, tiles, last, A, B, start, y, out)
    elif rows < 1 or rows == 3 or rows > 4:
        # In front: of a chain of powers of 2 that ends here clang makes tzcnt, which no level has.
        refuse("a tile's number of rows", rows)
    elif rows == 4:
        _micro_kernel(4, vectors, adjacent, True, READ_PANEL, tiles, last, A, B, start, y, out)
    elif rows == 2:
        _micro_kernel(2, vectors, adjacent, True, READ_PANEL, tiles, last, A, B, start, y, out)
    else:
        _micro_kernel(1, vectors, adjacent, True, READ_PANEL, tiles, last, A, B, start, y, out)


cdef inlined_void _tiles_of_width(int rows, int vectors, bint adjacent, const TileOperands* tiles,
                                  Py_ssize_t last, const char* A, const char* B,
                                  const char* start, const char* y, vector* out) noexcept nogil:
    """The tiles with adjacent or separate rows of A."""
    if adjacent:
        _tiles_of_height(rows, vectors, True, tiles, last, A, B, start, y, out)
    else:
        _tiles_of_height(rows, vectors, False, tiles, last, A, B, start, y, out)


cdef void _any_tiles(int rows, int vectors, bint adjacent, const TileOperands* tiles,
                     Py_ssize_t last, const char* A, const char* B, const char* start,
                     const char* y, vector* out) noexcept nogil:
    """The tiles of one of the sizes that are compiled."""
    if vectors == NR_VECTORS:
        _tiles_of_width(rows, NR_VECTORS, adjacent, tiles, last, A, B, start, y, out)
    elif vectors == 2:
        _tiles_of_width(rows, 2, adjacent, tiles, last, A, B, start, y, out)
    elif vectors == 1:
        _tiles_of_width(rows, 1, adjacent, tiles, last, A, B, start, y, out)
    else:
        refuse("a tile's number of vectors", vectors)


cdef inline int _tile_height(Py_ssize_t left) noexcept nogil:
    """Rows of the next tile if ``left`` rows remain."""
    if left >= MR:
        return MR
    if left >= 4:
        return 4
    return 2 if left >= 2 else 1


cdef inline int _panel_vectors(Py_ssize_t left, Py_ssize_t lanes) noexcept nogil:
    """Vectors per row of the next panel if ``left`` columns remain: balanced at the end."""
    cdef Py_ssize_t vectors = (left + lanes - 1) // lanes
    if vectors == NR_VECTORS + 1:
        return <int> (vectors + 1) // 2
    return <int> min(vectors, <Py_ssize_t> NR_VECTORS)


cdef void _panel_product(Py_ssize_t rows, int vectors, Py_ssize_t last, TileOperands* tiles,
                         bint packed, const real* A, const real* B, const real* start,
                         const real* y, real* out) noexcept nogil:
    """out = start + A B for a block of rows and one panel of B, tile by tile.

    packed: A comes from _pack_rows. last: number of lanes of a row's last vector in out. With
    tiles.packed_panel the first tile has MR rows, and the others read the panel that it packs.
    """
    cdef Py_ssize_t i = 0, size = sizeof(real)
    cdef bint adjacent = packed or tiles.a_row == size
    cdef const char* a = <const char*> A
    cdef const char* b = <const char*> B
    cdef const char* from_
    cdef const char* mask
    cdef char* to
    cdef int height
    while i < rows:
        height = _tile_height(rows - i)
        tiles.count = 1 if height < MR or tiles.packed_panel != NULL else (rows - i) // MR
        tiles.a_tile = height * (tiles.kc * size if packed else tiles.a_row)
        if packed:
            tiles.a_k = height * size
        from_ = <const char*> start + i * tiles.start_row
        mask = <const char*> y + i * tiles.out_row
        to = <char*> out + i * tiles.out_row
        _any_tiles(height, vectors, adjacent, tiles, last, a, b, from_, mask,
                   vectors_into(<real*> to))
        if tiles.packed_panel != NULL:
            b, tiles.b_k = tiles.packed_panel, vectors * VECTOR_BYTES
            tiles.packed_panel = NULL
        a += tiles.count * tiles.a_tile
        i += tiles.count * height
