"""Packing: parts of matrices, copied into the order in which tiles read them."""

from libc.string cimport memcpy

cdef enum:
    TILES_AT_ONCE = 4       # tiles whose rows are packed side by side


cdef inline void _copy(Py_ssize_t n, const real* source, real* target) noexcept nogil:
    """target = source for the few numbers of a panel's row: a call of memcpy would cost more."""
    cdef Py_ssize_t j = 0, lanes = VECTOR_BYTES // sizeof(real)
    while j < n:
        if real is float:
            vstore(<vfloat*> (target + j), vload(<const vfloat*> (source + j), n - j), n - j)
        else:
            vstore(<vdouble*> (target + j), vload(<const vdouble*> (source + j), n - j), n - j)
        j += lanes


cdef void _pack_whole(Py_ssize_t depth, Py_ssize_t width, const real* source,
                      Py_ssize_t k_step, real* packed) noexcept nogil:
    """packed = rows of ``width`` numbers, k_step apart: whole vectors, as many as a tile has."""
    cdef Py_ssize_t _k, lanes = VECTOR_BYTES // sizeof(real)
    for _k in range(depth):
        if width > lanes:
            _copy(lanes, source + lanes, packed + lanes)
        if width > 2 * lanes:
            _copy(lanes, source + 2 * lanes, packed + 2 * lanes)
        _copy(lanes, source, packed)
        source, packed = source + k_step, packed + width


cdef void _transpose(Py_ssize_t N, Py_ssize_t M, const float* x, Py_ssize_t step,
                     float* out, Py_ssize_t out_step) noexcept nogil:
    """out[i, j] = x[j, i] for j < N and i < M; the rows lie ``step`` and ``out_step`` apart."""
    cdef Py_ssize_t i, j = 0, k, width, lanes = VECTOR_BYTES // sizeof(float), whole = M // 4 * 4
    while N - j >= 4:
        width = lanes if N - j >= lanes else 4
        if width == lanes:
            for i in range(0, whole, 4):
                transpose_lanes(x + j * step + i, step, out + i * out_step + j, out_step)
        else:
            for i in range(0, whole, 4):
                transpose_quad(x + j * step + i, step, out + i * out_step + j, out_step)
        for i in range(whole, M):
            for k in range(j, j + width):
                out[i * out_step + k] = x[k * step + i]
        j += width
    for j in range(j, N):
        for i in range(M):
            out[i * out_step + j] = x[j * step + i]


cdef void _pack(Py_ssize_t depth, Py_ssize_t columns, Py_ssize_t width, const real* source,
                Py_ssize_t k_step, Py_ssize_t column_step, real* packed) noexcept nogil:
    """packed[k, j] = source[k k_step + j column_step] for j < columns, 0 up to j < width."""
    cdef Py_ssize_t j, k, turned = 0
    cdef Py_ssize_t bytes_ = width * sizeof(real)
    if (column_step == 1 and columns == width and bytes_ % VECTOR_BYTES == 0
            and bytes_ <= PANEL_BYTES):     # a tile's 8 rows in double precision fill 4 of NEON's
        _pack_whole(depth, width, source, k_step, packed)
    elif column_step == 1:
        for k in range(depth):
            _copy(columns, source + k * k_step, packed + k * width)
    else:
        if real is float and k_step == 1:
            _transpose(columns, depth, source, column_step, packed, width)
            turned = columns
        for j in range(turned, columns):
            for k in range(depth):
                packed[k * width + j] = source[k * k_step + j * column_step]
    if columns < width:
        for k in range(depth):
            for j in range(columns, width):
                packed[k * width + j] = 0


cdef void _pack_rows(Py_ssize_t rows, Py_ssize_t depth, const real* A, Py_ssize_t row_step,
                     Py_ssize_t k_step, real* packed) noexcept nogil:
    """The rows of A tile by tile, each tile as (depth, its rows), so that it is read in order."""
    cdef Py_ssize_t i = 0, k
    cdef int height, t
    if row_step == 1:
        # Several tiles at a time: what one step of k holds for them fills whole lines.
        while rows - i >= TILES_AT_ONCE * MR:
            for k in range(depth):
                for t in range(TILES_AT_ONCE):
                    memcpy(packed + (i + t * MR) * depth + k * MR,
                           A + i + t * MR + k * k_step, MR * sizeof(real))
            i += TILES_AT_ONCE * MR
    while i < rows:
        height = _tile_rows(rows - i)
        _pack(depth, height, height, A + i * row_step, k_step, row_step, packed + i * depth)
        i += height
