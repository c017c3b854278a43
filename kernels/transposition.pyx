"""Transposing blocks of float matrices by way of registers."""

cdef extern from *:
    """
    /* to[4 k + j step] = from[j][k] for a block of 4 by 4 floats, by way of registers. */
    static inline void transpose_quad(const float* from, Py_ssize_t from_step,
                                      float* to, Py_ssize_t to_step) {
        quad_u a = *(const quad_u*)from, b = *(const quad_u*)(from + from_step);
        quad_u c = *(const quad_u*)(from + 2 * from_step);
        quad_u d = *(const quad_u*)(from + 3 * from_step);
        quad_u ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5);
        quad_u ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
        quad_u cd0 = __builtin_shufflevector(c, d, 0, 4, 1, 5);
        quad_u cd1 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
        *(quad_u*)to = __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5);
        *(quad_u*)(to + to_step) = __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7);
        *(quad_u*)(to + 2 * to_step) = __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5);
        *(quad_u*)(to + 3 * to_step) = __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7);
    }
    /* Lanes f, g, h, i of each four of x and y by themselves; 4 to 7 are y's. */
    #define AFFINET_FLOATS (AFFINET_VECTOR_BYTES / 4)
    #define AFFINET_LANE(f, at) ((f) % 4 + (at) + (f) / 4 * AFFINET_FLOATS)
    #define AFFINET_LANES(f, g, h, i, at) \\
        AFFINET_LANE(f, at), AFFINET_LANE(g, at), AFFINET_LANE(h, at), AFFINET_LANE(i, at)
    #if AFFINET_VECTOR_BYTES == 64
    #define AFFINET_FOURS(x, y, f, g, h, i) __builtin_shufflevector( \\
        x, y, AFFINET_LANES(f, g, h, i, 0), AFFINET_LANES(f, g, h, i, 4), \\
        AFFINET_LANES(f, g, h, i, 8), AFFINET_LANES(f, g, h, i, 12))
    #elif AFFINET_VECTOR_BYTES == 32
    #define AFFINET_FOURS(x, y, f, g, h, i) __builtin_shufflevector( \\
        x, y, AFFINET_LANES(f, g, h, i, 0), AFFINET_LANES(f, g, h, i, 4))
    #else
    #define AFFINET_FOURS(x, y, f, g, h, i) __builtin_shufflevector( \\
        x, y, AFFINET_LANES(f, g, h, i, 0))
    #endif
    /* Four numbers of every fourth row, as many rows as fill a vector. */
    static inline vfloat vfours(const float* from, Py_ssize_t step) {
    #if AFFINET_VECTOR_BYTES == 16
        return *(const quad_u*)from;
    #elif AFFINET_VECTOR_BYTES == 32
        return __builtin_shufflevector(*(const quad_u*)from, *(const quad_u*)(from + 4 * step),
                                       0, 1, 2, 3, 4, 5, 6, 7);
    #else
        __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(from));
        v = _mm512_insertf32x4(v, _mm_loadu_ps(from + 4 * step), 1);
        v = _mm512_insertf32x4(v, _mm_loadu_ps(from + 8 * step), 2);
        return (vfloat)_mm512_insertf32x4(v, _mm_loadu_ps(from + 12 * step), 3);
    #endif
    }
    /* to[k to_step + j] = from[j from_step + k] for four k and as many j as fill a vector. */
    static inline void transpose_lanes(const float* from, Py_ssize_t from_step,
                                       float* to, Py_ssize_t to_step) {
        vfloat a = vfours(from, from_step), b = vfours(from + from_step, from_step);
        vfloat c = vfours(from + 2 * from_step, from_step);
        vfloat d = vfours(from + 3 * from_step, from_step);
        vfloat ab0 = AFFINET_FOURS(a, b, 0, 4, 1, 5), ab1 = AFFINET_FOURS(a, b, 2, 6, 3, 7);
        vfloat cd0 = AFFINET_FOURS(c, d, 0, 4, 1, 5), cd1 = AFFINET_FOURS(c, d, 2, 6, 3, 7);
        *(vfloat_u*)to = AFFINET_FOURS(ab0, cd0, 0, 1, 4, 5);
        *(vfloat_u*)(to + to_step) = AFFINET_FOURS(ab0, cd0, 2, 3, 6, 7);
        *(vfloat_u*)(to + 2 * to_step) = AFFINET_FOURS(ab1, cd1, 0, 1, 4, 5);
        *(vfloat_u*)(to + 3 * to_step) = AFFINET_FOURS(ab1, cd1, 2, 3, 6, 7);
    }
    """
    void transpose_lanes(const float* source, Py_ssize_t source_step, float* target,
                         Py_ssize_t target_step) noexcept nogil
    void transpose_quad(const float* source, Py_ssize_t source_step, float* target,
                        Py_ssize_t target_step) noexcept nogil


cdef void _transpose(Py_ssize_t N, Py_ssize_t M, const float* x, Py_ssize_t step,
                     float* out, Py_ssize_t out_step) noexcept nogil:
    """out[i, j] = x[j, i] for j < N and i < M; rows are ``step`` and ``out_step`` apart."""
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
