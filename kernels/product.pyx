"""A matrix product as the gemm files hand it to each other, and how its blocks are sized.

Each output is one chain of multiply-adds over k in ascending order, from the value that it starts
with: zero, or its bias. No shape, tile or block changes that chain, so a row's bits depend neither
on the batch that it came in nor on the width of the vectors.

A product is cut three times (Goto, van de Geijn, "Anatomy of high-performance matrix
multiplication", ACM TOMS 34, 2008; the names are those of BLIS): into blocks of KC steps of k, so
that a panel of B stays in L1; into blocks of MC rows of A, so that they stay in L2; and into tiles
of MR rows by NR columns, which the micro-kernel keeps in registers.
"""

from libc.stdint cimport uintptr_t

cdef enum:
    KC_MOST = 512           # steps of k in a block, at most,
    KC_STREAMED = 1024      # unless out would leave L2 before the next block
    TRANSPOSED_KC = 64      # steps of k in a block of rows of A that are transposed

cdef Py_ssize_t KC = 128            # steps of k for which a panel stays in L1
cdef Py_ssize_t L2_BYTES = 1 << 19


def set_cache_sizes(Py_ssize_t first, Py_ssize_t second, /):
    """Block products for an L1 data cache and an L2 of these sizes; no result depends on them.

    A panel of B and the rows of A that meet it fill most of L1, a block of rows half of L2, or all
    of it where panels are deeper. Before the first call they are small: 32 and 512 KiB.
    """
    global KC, L2_BYTES
    if first < 1 or second < 1:
        raise ValueError(f"the caches have {first} and {second} bytes, wanted 1 or more")
    KC = first * 7 // 8 // (NR_BYTES + MR * <Py_ssize_t> sizeof(float)) // 16 * 16
    KC = max(<Py_ssize_t> 16, min(<Py_ssize_t> KC_MOST, KC))
    L2_BYTES = second


cdef struct Product:        # out = start + A B, then the epilogue; strides in numbers
    Precision stored        # of A, B, start, y and out,
    Precision multiplied    # of the factors,
    Precision summed        # and of the chains of multiply-adds
    bint rows_in_lanes      # rows of out run along the lanes
    Py_ssize_t edge_columns  # if not, how many of its last columns' rows do
    int column_parts        # into how many parts out's columns are cut; its rows into the rest
    Epilogue epilogue
    Py_ssize_t M, K, N
    Py_ssize_t A_row, A_k, B_k, B_column
    Py_ssize_t start_row    # 0 where every row has the same start: a bias
    const char* A
    const char* B
    const char* start       # NULL for zeros
    const char* y           # as out
    char* out               # (M, N), contiguous


cdef inline void _lay_out(Product* p, Py_ssize_t M, Py_ssize_t K, Py_ssize_t N,
                          bint A_transposed, bint B_transposed) noexcept nogil:
    """out (M, N) = A B for A (M, K), in memory (K, M) if transposed, and B (K, N) or (N, K).

    Without a start or an epilogue.
    """
    p.M, p.K, p.N = M, K, N
    p.A_row, p.A_k = 1 if A_transposed else K, M if A_transposed else 1
    p.B_k, p.B_column = 1 if B_transposed else N, K if B_transposed else 1
    p.start, p.start_row, p.epilogue = NULL, 0, NO_EPILOGUE


cdef void _store_at(Product* p, Precision stored, Precision multiplied, const char* A,
                    const char* B, char* out) noexcept nogil:
    """A product of these arrays, stored and summed in their precision.

    Multiplied in it, too, where ``multiplied`` is NO_PRECISION.
    """
    p.stored = p.summed = stored
    p.multiplied = stored if multiplied == NO_PRECISION else multiplied
    p.A, p.B, p.out, p.y = A, B, out, out


cdef inline void _point_at(Product* p, Precision multiplied, const real* A, const real* B,
                           real* out) noexcept nogil:
    _store_at(p, precision_of(out), multiplied, <const char*> A, <const char*> B, <char*> out)


cdef inline real* _aligned_panel(char* memory, real* precision) noexcept nogil:
    """The first cache line in ``memory``, which has one to spare."""
    return <real*> (memory + (LINE - <uintptr_t> memory % LINE) % LINE)


cdef inline Py_ssize_t _block_kc(const Product* p) noexcept nogil:
    """Steps of k in a block of a product with K > 0.

    Few enough for a panel to stay in L1; but where out leaves L2 before the next block continues
    with it, fetching it again costs more than a panel from there: 4 to 5 % at 1024 x 1024 x 1024,
    though nothing where A is transposed.
    """
    cdef Py_ssize_t blocks
    if p.M * p.N * bytes_of(p.stored) > L2_BYTES // 2:
        return KC_STREAMED if p.A_k == 1 else KC_MOST
    # An eighth more rather than another block that is a sliver.
    blocks = (p.K + KC * 9 // 8 - 1) // (KC * 9 // 8)
    return min(<Py_ssize_t> KC_MOST, ((p.K + blocks - 1) // blocks + 3) // 4 * 4)
