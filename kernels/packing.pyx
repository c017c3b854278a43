"""Packing: parts of matrices copied into the order in which the micro-kernel reads them."""

from libc.string cimport memcpy

cdef enum:
    TILES_A_LINE = 4        # tiles whose rows are packed side by side: they fill whole lines


cdef inline void _copy(Py_ssize_t n, const real* source, real* target) noexcept nogil:
    """target = source for the few numbers of a panel's row: a call of memcpy would cost more."""
    cdef Py_ssize_t j = 0, lanes = VECTOR_BYTES // sizeof(real)
    while j < n:
        vstore(vectors_into(target + j), vload(vectors_of(source + j), n - j), n - j)
        j += lanes


cdef void _pack_whole(Py_ssize_t kc, Py_ssize_t width, const real* source,
                      Py_ssize_t k_step, real* packed) noexcept nogil:
    """packed = rows of ``width`` elements, k_step apart: whole vectors, as many as in a tile."""
    cdef Py_ssize_t _k, lanes = VECTOR_BYTES // sizeof(real)
    for _k in range(kc):
        if width > lanes:
            _copy(lanes, source + lanes, packed + lanes)
        if width > 2 * lanes:
            _copy(lanes, source + 2 * lanes, packed + 2 * lanes)
        _copy(lanes, source, packed)
        source, packed = source + k_step, packed + width


cdef void _pack(Py_ssize_t kc, Py_ssize_t columns, Py_ssize_t width, const real* source,
                Py_ssize_t k_step, Py_ssize_t column_step, real* packed) noexcept nogil:
    """packed[k, j] = source[k k_step + j column_step] for j < columns, 0 up to j < width."""
    cdef Py_ssize_t j, k, transposed = 0
    cdef Py_ssize_t bytes_ = width * sizeof(real)
    if (column_step == 1 and columns == width and bytes_ % VECTOR_BYTES == 0
            and bytes_ <= NR_BYTES):     # a tile's 8 rows in double precision fill 4 of NEON's
        _pack_whole(kc, width, source, k_step, packed)
    elif column_step == 1:
        for k in range(kc):
            _copy(columns, source + k * k_step, packed + k * width)
    else:
        if real is float and k_step == 1:
            _transpose(columns, kc, source, column_step, packed, width)
            transposed = columns
        for j in range(transposed, columns):
            for k in range(kc):
                packed[k * width + j] = source[k * k_step + j * column_step]
    if columns < width:
        for k in range(kc):
            for j in range(columns, width):
                packed[k * width + j] = 0


cdef void _pack_rows(Py_ssize_t rows, Py_ssize_t kc, const real* A, Py_ssize_t row_step,
                     Py_ssize_t k_step, real* packed) noexcept nogil:
    """The rows of A tile by tile, each tile as (kc, its rows), so that it is read in order."""
    cdef Py_ssize_t i = 0, k
    cdef int height, t
    if row_step == 1:
        # Several tiles at a time, so that their elements of one step of k fill whole lines.
        while rows - i >= TILES_A_LINE * MR:
            for k in range(kc):
                for t in range(TILES_A_LINE):
                    memcpy(packed + (i + t * MR) * kc + k * MR,
                           A + i + t * MR + k * k_step, MR * sizeof(real))
            i += TILES_A_LINE * MR
    while i < rows:
        height = _tile_height(rows - i)
        _pack(kc, height, height, A + i * row_step, k_step, row_step, packed + i * kc)
        i += height
