"""Across lanes: one number from a block of 64 bytes, with one order for every vector width.

A block is BLOCK_VECTORS vectors, 16 single or 8 double numbers. Sums that a kernel promises are
made of it: as many running sums as a block has lanes take the terms in turn, then the upper half
of them is added to the lower half until one is left.
"""

cdef extern from *:
    """
    #if defined(__AVX512F__)
    #define vload_fill_f(p, n, fill) \
        ((vfloat)_mm512_mask_loadu_ps(fill, (__mmask16)((1u << (n)) - 1), p))
    #define vload_fill_d(p, n, fill) \
        ((vdouble)_mm512_mask_loadu_pd(fill, (__mmask8)((1u << (n)) - 1), p))
    #elif defined(__AVX2__)
    #define vload_fill_f(p, n, fill) \
        ((vfloat)_mm256_blendv_ps(fill, vload_part_f(p, n), (__m256)first_bytes(n, 1)))
    #define vload_fill_d(p, n, fill) \
        ((vdouble)_mm256_blendv_pd(fill, vload_part_d(p, n), (__m256d)first_bytes(n, 2)))
    #else
    static inline vfloat vload_fill_f(const char* p, Py_ssize_t n, vfloat fill) {
        const float* x = (const float*)p;
        return (vfloat){n > 0 ? x[0] : fill[0], n > 1 ? x[1] : fill[1], n > 2 ? x[2] : fill[2],
                        n > 3 ? x[3] : fill[3]};
    }
    static inline vdouble vload_fill_d(const char* p, Py_ssize_t n, vdouble fill) {
        const double* x = (const double*)p;
        return (vdouble){n > 0 ? x[0] : fill[0], n > 1 ? x[1] : fill[1]};
    }
    #endif

    /* One number from a block of 64 bytes, however many vectors that is: the upper half of the
       lanes goes onto the lower half until one lane is left. */
    #define AFFINET_BLOCK_VECTORS (64 / AFFINET_VECTOR_BYTES)
    static inline double vsum_f(const vfloat* block) {
        const quad_u* q = (const quad_u*)block;
        quad_u s = (q[0] + q[2]) + (q[1] + q[3]);
        return (s[0] + s[2]) + (s[1] + s[3]);
    }
    static inline double vsum_d(const vdouble* block) {
        const pair_u* q = (const pair_u*)block;
        pair_u s = (q[0] + q[2]) + (q[1] + q[3]);
        return s[0] + s[1];
    }
    #if defined(__SSE2__)
    #define AFFINET_MAX_QUAD _mm_max_ps
    #define AFFINET_MAX_PAIR _mm_max_pd
    #else /* where a vector is a quad */
    #define AFFINET_MAX_QUAD vmax_f
    #define AFFINET_MAX_PAIR vmax_d
    #endif
    #define AFFINET_GREATER(a, b) ((a) > (b) ? (a) : (b))
    static inline double vgreatest_f(const vfloat* block) {
        const quad_u* q = (const quad_u*)block;
        quad_u s = AFFINET_MAX_QUAD(AFFINET_MAX_QUAD(q[0], q[2]), AFFINET_MAX_QUAD(q[1], q[3]));
        return AFFINET_GREATER(AFFINET_GREATER(s[0], s[2]), AFFINET_GREATER(s[1], s[3]));
    }
    static inline double vgreatest_d(const vdouble* block) {
        const pair_u* q = (const pair_u*)block;
        pair_u s = AFFINET_MAX_PAIR(AFFINET_MAX_PAIR(q[0], q[2]), AFFINET_MAX_PAIR(q[1], q[3]));
        return AFFINET_GREATER(s[0], s[1]);
    }
    static inline vfloat vload_or_f(vfloat fill, const vfloat* p, Py_ssize_t left) {
        if (left >= vlanes_f(p)) return vload_f((const char*)p);
        return vload_fill_f((const char*)p, left, fill);
    }
    static inline vdouble vload_or_d(vdouble fill, const vdouble* p, Py_ssize_t left) {
        if (left >= vlanes_d(p)) return vload_d((const char*)p);
        return vload_fill_d((const char*)p, left, fill);
    }
    """
    const int BLOCK_VECTORS "AFFINET_BLOCK_VECTORS"

# The numbers at p: ``left`` of them and then those of ``fill``, or all.
cdef extern vfloat vload_or "vload_or_f"(vfloat fill, const vfloat* p,
                                         Py_ssize_t left) noexcept nogil
cdef extern vdouble vload_or "vload_or_d"(vdouble fill, const vdouble* p,
                                          Py_ssize_t left) noexcept nogil

# The sum of the numbers in a block: lane l + 8, if single, onto l, then l + 4 onto l, ...
cdef extern double vsum "vsum_f"(const vfloat* block) noexcept nogil
cdef extern double vsum "vsum_d"(const vdouble* block) noexcept nogil

# The greatest of the numbers in a block.
cdef extern double vgreatest "vgreatest_f"(const vfloat* block) noexcept nogil
cdef extern double vgreatest "vgreatest_d"(const vdouble* block) noexcept nogil
