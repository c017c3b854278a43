"""Products of float32 matrices whose factors are split into bfloat16 parts (splitting.pyx).

The factors' parts are multiplied in 1, 3 or 6 products. Blocks of 32 steps of k follow each other,
the products of a block too. Each takes two chains of multiply-adds from zero, over the even steps
and over the odd ones, whose sum is added to the element: so does Intel's TDPBF16PS, bit for bit
(Intel's Software Developer's Manual, volume 2). As that instruction, the chains round to nearest
and take what is smaller than 2^-126 for 0, whatever the caller's mode; so does the splitting. K is
filled up with zeros to whole blocks.

The element's start, its bias, is added last, in the caller's mode as everything elementwise. An
element that is not finite then is computed again as one chain in single precision (product.pyx):
so infinities and NaN are what they are there, and parts that overflow do no harm.

Where a multiply-add is rounded twice, products of parts are exact unless they are smaller than
2^-126 or overflow; only there may bits differ from other levels.
"""

from libc.math cimport isfinite
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cdef extern from *:
    """
    /* Rounding to nearest, and what is smaller than 2^-126 is 0: FTZ and DAZ of MXCSR, FZ of
       FPCR. */
    #if defined(__SSE2__)
    #define AFFINET_FLUSH (1u << 15 | 1u << 6)
    #else
    #define AFFINET_FLUSH (1u << 24)
    #endif
    #define affinet_flush_in(mode) \
        affinet_write_mode(((mode) & ~AFFINET_MODE_BITS) | (AFFINET_FLUSH & AFFINET_MODE_BITS))
    """
    ctypedef unsigned long mode_of_thread "affinet_mode"
    mode_of_thread read_mode "affinet_read_mode"() noexcept nogil
    void write_mode "affinet_write_mode"(mode_of_thread mode) noexcept nogil
    void flush_in "affinet_flush_in"(mode_of_thread mode) noexcept nogil
    # Result types of functions that no compiler moves out of the mode in which they are called.
    ctypedef void void_apart "__attribute__((noinline)) void"

cdef enum:
    PART_NUMBERS = 256      # rows of A that are split at a time, and the parts of each
    MOST_PARTS = 3
    LEAST_WIDTH = 16        # inputs and outputs of a layer from which its products are in parts

# Precisions of products, as a network names them.
_PARTS = {"bfloat16": BFLOAT16, "bfloat16x3": BFLOAT16X3, "bfloat16x6": BFLOAT16X6}


cdef inline Precision _multiplied(Precision wanted, Py_ssize_t I, Py_ssize_t O) noexcept nogil:
    """How a layer of I inputs and O outputs multiplies: as wanted, or if it is small, as stored."""
    return wanted if min(I, O) >= LEAST_WIDTH else NO_PRECISION


cdef Precision _precision_named(str name, Precision stored) except *:
    """The precision of products with this name."""
    if name not in _PARTS:
        raise ValueError(f"precision is {name!r}, wanted one of {', '.join(_PARTS)}")
    if stored != SINGLE_PRECISION:
        raise TypeError(f"precision {name!r} wants float32 arrays")
    return _PARTS[name]


def known_precisions():
    """The names of the precisions that products of float32 matrices can have."""
    return tuple(_PARTS)


def multiplies_in_parts(Py_ssize_t I, Py_ssize_t O, /):
    """Whether a layer of I inputs and O outputs is large enough for products in parts."""
    return _multiplied(BFLOAT16, I, O) == BFLOAT16


# Tiles -------------------------------------------------------------------------------------------


cdef inlined_void _chains(int rows, int vectors, int steps, const char* A, const char* B,
                          vfloat* b, vfloat* tile) noexcept nogil:
    """tile = the chains of every second step of a block, from the one that A and B point at."""
    cdef int i, _k
    for i in range(rows * vectors):
        tile[i] = vnumber(tile, 0)
    for _k in range(steps):
        _multiply_add(rows, vectors, True, sizeof(float), vlanes(b), A, B, b, tile)
        A += 2 * rows * sizeof(float)
        B += 2 * vectors * VECTOR_BYTES


cdef inlined_void _tile_of_parts(int rows, int vectors, const Splitting* splitting,
                                 Py_ssize_t blocks, const char* A, const char* B,
                                 char* sums) noexcept nogil:
    """sums += A B for packed blocks; rows and vectors are constants in every call."""
    cdef vfloat[24] tile
    cdef vfloat[8] b
    cdef char[MAX_TILE_BYTES] evens
    cdef int i, t, odd
    cdef Py_ssize_t _block, a_block = PART_STEPS * rows * sizeof(float)
    cdef Py_ssize_t b_block = PART_STEPS * vectors * VECTOR_BYTES, bytes_ = VECTOR_BYTES
    cdef const char* a
    cdef const char* panel
    cdef vfloat* to
    cdef vfloat* even
    for _block in range(blocks):
        for t in range(splitting.products):
            a = A + splitting.of_A[t] * a_block
            panel = B + splitting.of_B[t] * b_block
            for odd in range(2):
                _chains(rows, vectors, splitting.steps, a, panel, b, tile)
                for i in range(rows * vectors):
                    to, even = <vfloat*> (sums + i * bytes_), <vfloat*> (evens + i * bytes_)
                    if odd:
                        vstore(to, vload(to, bytes_) + (vload(even, bytes_) + tile[i]), bytes_)
                    else:
                        vstore(even, tile[i], bytes_)
                a, panel = a + rows * sizeof(float), panel + vectors * bytes_
        A += splitting.parts * a_block
        B += splitting.parts * b_block


cdef void _any_tile_of_parts(int rows, int vectors, const Splitting* splitting, Py_ssize_t blocks,
                             const char* A, const char* B, char* sums) noexcept nogil:
    """The tile of one of the sizes that are compiled."""
    if rows == MR and vectors == NR_VECTORS:
        _tile_of_parts(MR, NR_VECTORS, splitting, blocks, A, B, sums)
    elif rows == MR and vectors == 1:
        _tile_of_parts(MR, 1, splitting, blocks, A, B, sums)
    elif rows == 1 and vectors == NR_VECTORS:
        _tile_of_parts(1, NR_VECTORS, splitting, blocks, A, B, sums)
    elif rows == 1 and vectors == 1:
        _tile_of_parts(1, 1, splitting, blocks, A, B, sums)
    else:
        refuse("a tile of parts with rows", rows)


cdef void _sum_tile(const Product* p, const Splitting* splitting, Py_ssize_t k, Py_ssize_t blocks,
                    Py_ssize_t i, Py_ssize_t rows, int height, Py_ssize_t j, Py_ssize_t columns,
                    int vectors, const float* A, const float* B) noexcept nogil:
    """One tile of out's sums: it goes on from out after the first block of k."""
    cdef char[MAX_TILE_BYTES] sums
    cdef Py_ssize_t r, v, left, width = vectors * VECTOR_BYTES
    cdef Py_ssize_t lanes = VECTOR_BYTES // sizeof(float)
    cdef float* out
    memset(sums, 0, height * width)
    if k > 0:
        for r in range(rows):
            out = <float*> p.out + (i + r) * p.N + j
            for v in range(vectors):
                left = max(columns - v * lanes, <Py_ssize_t> 0)
                vstore(<vfloat*> (sums + r * width + v * VECTOR_BYTES),
                       vload(vectors_of(out + v * lanes), left), lanes)
    _any_tile_of_parts(height, vectors, splitting, blocks, <const char*> A, <const char*> B, sums)
    for r in range(rows):
        out = <float*> p.out + (i + r) * p.N + j
        for v in range(vectors):
            left = columns - v * lanes
            if left > 0:
                vstore(vectors_into(out + v * lanes),
                       vload(<vfloat*> (sums + r * width + v * VECTOR_BYTES), lanes), left)


# Blocks ------------------------------------------------------------------------------------------


cdef inline int _part_height(Py_ssize_t rows) noexcept nogil:
    return 1 if rows == 1 else MR


cdef void_apart _sum_parts(const Product* p, Py_ssize_t i, Py_ssize_t M, Py_ssize_t j_0,
                           Py_ssize_t N, Py_ssize_t depth, float* rows_of_A,
                           float* panel) noexcept nogil:
    """out's sums without its start: M rows from i on, N columns from j_0 on."""
    cdef const Splitting* splitting = &splittings[p.multiplied - BFLOAT16]
    cdef Py_ssize_t k = 0, steps, blocks, r, j, rows, columns
    cdef Py_ssize_t lanes = VECTOR_BYTES // sizeof(float)
    cdef Py_ssize_t tile_numbers = MR * depth * splitting.parts
    cdef int vectors, height
    while k < p.K:
        steps = min(depth, p.K - k)
        blocks = (steps + PART_STEPS - 1) // PART_STEPS
        r = 0
        while r < M:
            height = _part_height(M - r)
            _pack_parts(splitting, steps, min(M - r, <Py_ssize_t> height), height,
                        <const float*> p.A + (i + r) * p.A_row + k * p.A_k, p.A_k, p.A_row,
                        rows_of_A + r // MR * tile_numbers)
            r += MR
        j = j_0
        while j < j_0 + N:
            columns = j_0 + N - j
            vectors = NR_VECTORS if columns > lanes else 1
            columns = min(columns, vectors * lanes)
            _pack_parts(splitting, steps, columns, vectors * lanes,
                        <const float*> p.B + k * p.B_k + j * p.B_column, p.B_k, p.B_column, panel)
            r = 0
            while r < M:
                rows = min(M - r, <Py_ssize_t> MR)
                _sum_tile(p, splitting, k, blocks, i + r, rows, _part_height(M - r), j, columns,
                          vectors, rows_of_A + r // MR * tile_numbers, panel)
                r += MR
            j += columns
        k += steps


cdef float _in_one_chain(const Product* p, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    """An element of out, before its epilogue, in single precision."""
    cdef const float* a = <const float*> p.A + i * p.A_row
    cdef const float* b = <const float*> p.B + j * p.B_column
    cdef float total = 0
    cdef Py_ssize_t k
    if p.start != NULL:
        total = (<const float*> p.start)[i * p.start_row + j]
    for k in range(p.K):
        total = fmadd(a[k * p.A_k], b[k * p.B_k], total)
    return total


cdef void_apart _finish_parts(const Product* p, Py_ssize_t i, Py_ssize_t j,
                              Py_ssize_t N) noexcept nogil:
    """Add the start to one row's sums, replace what is not finite, apply the epilogue."""
    cdef float* out = <float*> p.out + i * p.N + j
    cdef const float* y = <const float*> p.y + i * p.N + j
    cdef const float* start = NULL
    cdef float[16] rest_of_lane
    cdef vfloat x, rests = vnumber(vectors_into(out), 0)
    cdef Py_ssize_t c = 0, lanes = VECTOR_BYTES // sizeof(float)
    cdef float rest = 0
    if p.start != NULL:
        start = <const float*> p.start + i * p.start_row + j
    while c < N:
        x = vload(vectors_of(out + c), N - c)
        if start != NULL:
            x = x + vload(vectors_of(start + c), N - c)
            vstore(vectors_into(out + c), x, N - c)
        rests = rests + (x - x)         # NaN where x is not finite
        c += lanes
    vstore(vectors_into(rest_of_lane), rests, lanes)
    for c in range(lanes):
        rest += rest_of_lane[c]
    if rest != 0:
        for c in range(N):
            if not isfinite(out[c]):
                out[c] = _in_one_chain(p, i, j + c)
    if p.epilogue != NO_EPILOGUE:
        _apply_epilogue_to_all(p.epilogue, N, vectors_of(y), vectors_into(out))


cdef void _work_in_parts(const Product* p, Py_ssize_t i, Py_ssize_t M, Py_ssize_t j,
                         Py_ssize_t N) noexcept nogil:
    """M rows of out from i on and N columns from j on."""
    cdef char[(MR * 4 + NR_BYTES) * PART_STEPS * MOST_PARTS + LINE] small
    cdef Py_ssize_t parts = splittings[p.multiplied - BFLOAT16].parts, r, end = i + M
    cdef Py_ssize_t rows = min((M + MR - 1) // MR * MR, PART_NUMBERS // MR * <Py_ssize_t> MR)
    cdef Py_ssize_t depth = PART_NUMBERS // parts // PART_STEPS * PART_STEPS
    cdef mode_of_thread mode = read_mode()
    cdef char* taken
    cdef char* memory
    cdef float* rows_of_A
    depth = min(depth, (p.K + PART_STEPS - 1) // PART_STEPS * PART_STEPS)
    memory = taken = <char*> malloc((rows * 4 + NR_BYTES) * depth * parts + LINE)
    if taken == NULL:       # one tile and one block at a time: slower, with the same result
        memory, rows, depth = <char*> small, MR, PART_STEPS
    rows_of_A = _aligned_panel(memory, <float*> NULL)
    while i < end:
        M = min(rows, end - i)
        flush_in(mode)
        _sum_parts(p, i, M, j, N, depth, rows_of_A, rows_of_A + rows * depth * parts)
        write_mode(mode)
        for r in range(M):
            _finish_parts(p, i + r, j, N)
        i += M
    free(taken)


cdef inline bint _is_in_parts(const Product* p) noexcept nogil:
    return p.multiplied in (BFLOAT16, BFLOAT16X3, BFLOAT16X6)
