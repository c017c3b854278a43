"""A product block by block: KC steps of k, MC rows of A, panel by panel of B."""

from libc.stdlib cimport free, malloc
from libc.string cimport memset

cdef enum:
    PACK_A_FROM_N = 192     # columns from which packing A pays: it is read once per panel
    IN_PLACE_TO_M = 64      # up to this many rows, packing B's short rows costs more than it saves;
    IN_PLACE_TO_N = 80      # rows of up to this many floats are short, and so close together

cdef enum PanelSource:      # where a block of rows reads a panel of B
    PANEL_IN_PLACE
    PANEL_PACKED_BY_TILE    # the first one in place; the others what it packs meanwhile
    PANEL_PACKED            # all from a copy that was made before


cdef void _blocked_product(const Product* p, Py_ssize_t i_0, Py_ssize_t M, Py_ssize_t j_0,
                           Py_ssize_t N, real* precision) noexcept nogil:
    """The product's block of M rows from i_0 on and N columns from j_0 on."""
    cdef char[KC_MOST * NR_BYTES + LINE] memory
    cdef char* deep = NULL
    cdef Py_ssize_t k = 0, i, rows, mc, size = sizeof(real), room = L2_BYTES // 2
    cdef Py_ssize_t kc = min(p.K, _block_kc(p))
    cdef real* packed = NULL
    cdef real* panel
    cdef const real* a
    cdef TileOperands tiles
    if kc > KC_MOST:
        deep, room = <char*> malloc(kc * NR_BYTES + LINE), L2_BYTES
        kc = kc if deep != NULL else <Py_ssize_t> KC_MOST
    panel = _aligned_panel(<char*> memory if deep == NULL else deep, <real*> NULL)
    mc = min(M, max(room // (kc * size) // MR, <Py_ssize_t> 4) * MR)
    # Without memory for packed rows, they are read in place: slower, with the same result.
    if N >= PACK_A_FROM_N and M >= MR:
        packed = <real*> malloc(mc * kc * size)
    tiles.out_row = p.N * size
    while k < p.K:
        tiles.kc = min(kc, p.K - k)
        tiles.epilogue = p.epilogue if k + tiles.kc == p.K else NO_EPILOGUE
        i = 0
        while i < M:
            rows = min(mc, M - i)
            a = <const real*> p.A + (i_0 + i) * p.A_row + k * p.A_k
            tiles.a_row, tiles.a_k = p.A_row * size, p.A_k * size
            if packed != NULL:
                _pack_rows(rows, tiles.kc, a, p.A_row, p.A_k, packed)
                a = packed
            _block_of_rows(p, &tiles, k, i_0 + i, rows, j_0, N, a, packed != NULL, panel)
            i += rows
        k += tiles.kc
    free(packed)
    free(deep)


cdef inline PanelSource _panel_source(const Product* p, Py_ssize_t rows, Py_ssize_t kc,
                                      bint partly, Py_ssize_t end) noexcept nogil:
    """Where to read a panel of B of ``kc`` steps that ends before step ``end``.

    Reading in place is best if few rows use the panel or if its own rows are close together. A
    panel that fills its last vector only partly is read past its end, which is not allowed in the
    last row of B. A tile hides the packing as long as the copy stays in L1.
    """
    cdef bint short_rows = p.stored == SINGLE_PRECISION and p.N <= IN_PLACE_TO_N
    if p.B_column != 1:
        return PANEL_PACKED
    if rows <= 2 * MR or (short_rows and (partly or rows <= IN_PLACE_TO_M)):
        return PANEL_PACKED if partly and end == p.K else PANEL_IN_PLACE
    return PANEL_PACKED if partly or kc > KC * 9 // 8 else PANEL_PACKED_BY_TILE


cdef void _block_of_rows(const Product* p, TileOperands* tiles, Py_ssize_t k, Py_ssize_t i,
                         Py_ssize_t rows, Py_ssize_t j, Py_ssize_t N, const real* A,
                         bint packed, real* panel) noexcept nogil:
    """One block of A's rows, from row i on, times N columns of B from column j on."""
    cdef char[NR_BYTES] zeros
    cdef real* out
    cdef const real* b
    cdef const real* start
    cdef Py_ssize_t columns, end = j + N, lanes = VECTOR_BYTES // sizeof(real)
    cdef int vectors
    cdef PanelSource source
    memset(zeros, 0, NR_BYTES)
    while j < end:
        vectors = _panel_vectors(end - j, lanes)
        columns = min(vectors * lanes, end - j)
        b, tiles.b_k = <const real*> p.B + k * p.B_k + j * p.B_column, p.B_k * sizeof(real)
        source = _panel_source(p, rows, tiles.kc, columns < vectors * lanes, k + tiles.kc)
        tiles.packed_panel = <char*> panel if source == PANEL_PACKED_BY_TILE else NULL
        if source == PANEL_PACKED:
            _pack(tiles.kc, columns, vectors * lanes, b, p.B_k, p.B_column, panel)
            b, tiles.b_k = panel, vectors * VECTOR_BYTES
        out = <real*> p.out + i * p.N + j
        start, tiles.start_row = out, tiles.out_row     # a later block continues from the last
        if k == 0 and p.start != NULL:
            start = <const real*> p.start + i * p.start_row + j
            tiles.start_row = p.start_row * sizeof(real)
        elif k == 0:
            start, tiles.start_row = <const real*> zeros, 0
        _panel_product(rows, vectors, columns - (vectors - 1) * lanes, tiles, packed, A, b, start,
                       <const real*> p.y + i * p.N + j, out)
        j += columns
