"""Vectors of the level's width, in GNU C's vector types: one source for AVX-512, AVX2 and NEON.

``vfloat`` and ``vdouble`` are one register; Cython takes them for numbers, so ``+ - * /`` are
written as usual and work lane by lane. ``p`` is an address without a type, and need not be aligned.
"""

from libc.stdint cimport uint8_t, uint64_t

cdef enum:
    LINE = 64               # bytes of a line of the cache

cdef extern from *:
    """
    /* Vectors of the level's width, in registers (vfloat) and as they lie in memory (vfloat_u). */
    #if defined(__AVX512F__)
    #define AFFINET_VECTOR_BYTES 64
    #elif defined(__AVX2__)
    #define AFFINET_VECTOR_BYTES 32
    #else
    #define AFFINET_VECTOR_BYTES 16
    #endif
    #define AFFINET_VECTOR(bytes, align) \
        __attribute__((vector_size(bytes), aligned(align), may_alias))
    typedef float vfloat AFFINET_VECTOR(AFFINET_VECTOR_BYTES, AFFINET_VECTOR_BYTES);
    typedef double vdouble AFFINET_VECTOR(AFFINET_VECTOR_BYTES, AFFINET_VECTOR_BYTES);
    typedef float vfloat_u AFFINET_VECTOR(AFFINET_VECTOR_BYTES, 4);
    typedef double vdouble_u AFFINET_VECTOR(AFFINET_VECTOR_BYTES, 8);
    typedef float quad_u AFFINET_VECTOR(16, 4);

    #include <stdint.h>
    #if defined(__AVX512F__) || defined(__FMA__)
    #include <immintrin.h>
    #elif defined(__aarch64__)
    #include <arm_neon.h>
    #endif
    static inline vfloat vfmadd_f(vfloat a, vfloat b, vfloat c) {
    #if defined(__AVX512F__)
        return (vfloat)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
    #elif defined(__FMA__)
        return (vfloat)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
    #elif defined(__aarch64__)
        return (vfloat)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
    #else
        return a * b + c;
    #endif
    }
    static inline vdouble vfmadd_d(vdouble a, vdouble b, vdouble c) {
    #if defined(__AVX512F__)
        return (vdouble)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
    #elif defined(__FMA__)
        return (vdouble)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
    #elif defined(__aarch64__)
        return (vdouble)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
    #else
        return a * b + c;
    #endif
    }
    #define vload_f(p) (*(const vfloat_u*)(p))
    #define vload_d(p) (*(const vdouble_u*)(p))
    #define vstore_f(p, v) (*(vfloat_u*)(p) = (v))
    #define vstore_d(p, v) (*(vdouble_u*)(p) = (v))
    /* The first n lanes only, 0 <= n <= all of them: the others are read as 0 and not written. */
    #if defined(__AVX512F__)
    static inline vfloat vload_part_f(const char* p, Py_ssize_t n) {
        return (vfloat)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
    }
    static inline vdouble vload_part_d(const char* p, Py_ssize_t n) {
        return (vdouble)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
    }
    static inline void vstore_part_f(char* p, vfloat v, Py_ssize_t n) {
        _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
    }
    static inline void vstore_part_d(char* p, vdouble v, Py_ssize_t n) {
        _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
    }
    #elif defined(__AVX2__)
    static const int32_t lane_mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
    static inline __m256i first_bytes(Py_ssize_t n, int words) {
        return _mm256_loadu_si256((const __m256i*)(lane_mask + 8 - n * words));
    }
    static inline vfloat vload_part_f(const char* p, Py_ssize_t n) {
        return (vfloat)_mm256_maskload_ps((const float*)p, first_bytes(n, 1));
    }
    static inline vdouble vload_part_d(const char* p, Py_ssize_t n) {
        return (vdouble)_mm256_maskload_pd((const double*)p, first_bytes(n, 2));
    }
    static inline void vstore_part_f(char* p, vfloat v, Py_ssize_t n) {
        _mm256_maskstore_ps((float*)p, first_bytes(n, 1), (__m256)v);
    }
    static inline void vstore_part_d(char* p, vdouble v, Py_ssize_t n) {
        _mm256_maskstore_pd((double*)p, first_bytes(n, 2), (__m256d)v);
    }
    #else
    /* Number by number: lanes written through memory would have to wait for each other. */
    static inline vfloat vload_part_f(const char* p, Py_ssize_t n) {
        const float* x = (const float*)p;
        return (vfloat){n > 0 ? x[0] : 0, n > 1 ? x[1] : 0, n > 2 ? x[2] : 0, n > 3 ? x[3] : 0};
    }
    static inline vdouble vload_part_d(const char* p, Py_ssize_t n) {
        const double* x = (const double*)p;
        return (vdouble){n > 0 ? x[0] : 0, n > 1 ? x[1] : 0};
    }
    static inline void vstore_part_f(char* p, vfloat v, Py_ssize_t n) {
        if (n > 0) ((float*)p)[0] = v[0];
        if (n > 1) ((float*)p)[1] = v[1];
        if (n > 2) ((float*)p)[2] = v[2];
        if (n > 3) ((float*)p)[3] = v[3];
    }
    static inline void vstore_part_d(char* p, vdouble v, Py_ssize_t n) {
        if (n > 0) ((double*)p)[0] = v[0];
        if (n > 1) ((double*)p)[1] = v[1];
    }
    #endif
    /* One number in every lane: subtracting a zero vector changes no bit, not even of -0. */
    #define vsplat_f(p) (*(const float*)(p) - (vfloat){0})
    #define vsplat_d(p) (*(const double*)(p) - (vdouble){0})

    /* Ask for a line of memory that is read soon: for the first cache, or no nearer than the
       second. An address where there is no memory does no harm. */
    #define affinet_ask(address) __builtin_prefetch(address, 0, 3)
    #define affinet_ask_far(address) __builtin_prefetch(address, 0, 2)

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
    const int VECTOR_BYTES "AFFINET_VECTOR_BYTES"
    ctypedef float vfloat
    ctypedef double vdouble
    # A result type that has the function inlined at each call, whatever the compiler's own view:
    # the tile stays in registers only where its constant sizes are seen.
    ctypedef void inlined_void "__attribute__((always_inline)) inline void"
    vfloat vfmadd_f(vfloat a, vfloat b, vfloat c) noexcept nogil
    vdouble vfmadd_d(vdouble a, vdouble b, vdouble c) noexcept nogil
    vfloat vload_f(const char* p) noexcept nogil
    vdouble vload_d(const char* p) noexcept nogil
    void vstore_f(char* p, vfloat v) noexcept nogil
    void vstore_d(char* p, vdouble v) noexcept nogil
    vfloat vload_part_f(const char* p, Py_ssize_t n) noexcept nogil
    vdouble vload_part_d(const char* p, Py_ssize_t n) noexcept nogil
    void vstore_part_f(char* p, vfloat v, Py_ssize_t n) noexcept nogil
    void vstore_part_d(char* p, vdouble v, Py_ssize_t n) noexcept nogil
    void _ask "affinet_ask"(const char* address) noexcept nogil
    void prefetch_L2 "affinet_ask_far"(const char* address) noexcept nogil
    vfloat vsplat_f(const char* p) noexcept nogil
    vdouble vsplat_d(const char* p) noexcept nogil
    void transpose_lanes(const float* source, Py_ssize_t source_step, float* target,
                         Py_ssize_t target_step) noexcept nogil
    void transpose_quad(const float* source, Py_ssize_t source_step, float* target,
                        Py_ssize_t target_step) noexcept nogil

ctypedef fused vector:
    vfloat
    vdouble


# Lane by lane, and across lanes ------------------------------------------------------------------

cdef extern from *:
    """
    typedef uint32_t vwords_f AFFINET_VECTOR(AFFINET_VECTOR_BYTES, AFFINET_VECTOR_BYTES);
    typedef uint64_t vwords_d AFFINET_VECTOR(AFFINET_VECTOR_BYTES, AFFINET_VECTOR_BYTES);
    typedef double pair_u AFFINET_VECTOR(16, 8);

    /* A comparison gives all ones or all zeros in a lane, and zeros where one side is NaN.
       In words, a number is its sign, then its exponent, which starts at bit ``at``. */
    #define AFFINET_LANE_BY_LANE(s, number, vector, words, bits, at) \
        static inline vector vnumber_##s(number c) { return c - (vector){0}; } \
        static inline vector vchoose_##s(words where, vector x, vector y) { \
            return (vector)((where & (words)x) | (~where & (words)y)); \
        } \
        static inline vector vselect_less_##s(vector a, vector b, vector x, vector y) { \
            return vchoose_##s((words)(a < b), x, y); \
        } \
        static inline vector vselect_at_most_##s(vector a, vector b, vector x, vector y) { \
            return vchoose_##s((words)(a <= b), x, y); \
        } \
        static inline vector vabs_##s(vector x) { return (vector)((words)x << 1 >> 1); } \
        static inline vector vhead_##s(vector x) { \
            return (vector)((words)x >> (at + 2) / 2 << (at + 2) / 2); \
        } \
        static inline vector vcopysign_##s(vector x, vector y) { \
            return (vector)(((words)x << 1 >> 1) | ((words)y >> (bits - 1) << (bits - 1))); \
        } \
        static inline vector vpower_##s(vector t) { return (vector)((words)t << at); } \
        static inline vector vscale_##s(vector x, vector t) { \
            words half = (words)t >> 1, rest = (words)t - half; \
            return x * (vector)(half << at) * (vector)(rest << at); \
        }
    AFFINET_LANE_BY_LANE(f, float, vfloat, vwords_f, 32, 23)
    AFFINET_LANE_BY_LANE(d, double, vdouble, vwords_d, 64, 52)
    /* The exponent e of x = m 2^e by way of 2^52 + 1023 + e, and m. */
    static inline vdouble vexponent_d(vdouble x) {
        return (vdouble)(((vwords_d)x >> 52) + 0x4330000000000000u) - (0x1p52 + 1023);
    }
    static inline vdouble vmantissa_d(vdouble x) {
        return (vdouble)(((vwords_d)x << 12 >> 12) | 0x3FF0000000000000u);
    }

    #if defined(__AVX512F__)
    #define AFFINET_X86(name) _mm512_##name
    typedef __m512i vnative_words;
    #elif defined(__AVX2__)
    #define AFFINET_X86(name) _mm256_##name
    typedef __m256i vnative_words;
    #elif defined(__SSE2__)
    #include <emmintrin.h>
    #define AFFINET_X86(name) _mm_##name
    typedef __m128i vnative_words;
    #endif
    #if defined(AFFINET_X86)
    #define vmax_f(a, b) ((vfloat)AFFINET_X86(max_ps)(a, b))
    #define vmax_d(a, b) ((vdouble)AFFINET_X86(max_pd)(a, b))
    #define vmin_f(a, b) ((vfloat)AFFINET_X86(min_ps)(a, b))
    #define vmin_d(a, b) ((vdouble)AFFINET_X86(min_pd)(a, b))
    #define vmultiply_halves(a, b) \
        ((vwords_d)AFFINET_X86(mul_epu32)((vnative_words)(a), (vnative_words)(b)))
    #else
    #define vmax_f(a, b) vselect_less_f(b, a, a, b)
    #define vmax_d(a, b) vselect_less_d(b, a, a, b)
    #define vmin_f(a, b) vselect_less_f(a, b, a, b)
    #define vmin_d(a, b) vselect_less_d(a, b, a, b)
    #define vmultiply_halves(a, b) (((a) & 0xFFFFFFFFu) * ((b) & 0xFFFFFFFFu))
    #endif

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

    /* One word in every lane; 0, 1, 2, ... in the lanes; and storing the lower half of each lane,
       side by side. */
    #define vword(x) ((uint64_t)(x) + (vwords_d){0})
    static const uint64_t lane_numbers[] = {0, 1, 2, 3, 4, 5, 6, 7};
    #define vlane_numbers() (*(const vwords_u*)lane_numbers)
    typedef uint64_t vwords_u AFFINET_VECTOR(AFFINET_VECTOR_BYTES, 8);
    typedef uint32_t vhalves AFFINET_VECTOR(AFFINET_VECTOR_BYTES / 2, AFFINET_VECTOR_BYTES / 2);
    typedef uint32_t vhalves_u AFFINET_VECTOR(AFFINET_VECTOR_BYTES / 2, 1);
    #define vstore_halves(p, x) (*(vhalves_u*)(p) = __builtin_convertvector(x, vhalves))

    /* One number from a block of 64 bytes, however many vectors that is: the upper half of the
       lanes goes onto the lower half until one lane is left. */
    #define AFFINET_BLOCK_VECTORS (64 / AFFINET_VECTOR_BYTES)
    static inline float vsum_f(const vfloat* block) {
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
    static inline float vgreatest_f(const vfloat* block) {
        const quad_u* q = (const quad_u*)block;
        quad_u s = AFFINET_MAX_QUAD(AFFINET_MAX_QUAD(q[0], q[2]), AFFINET_MAX_QUAD(q[1], q[3]));
        return AFFINET_GREATER(AFFINET_GREATER(s[0], s[2]), AFFINET_GREATER(s[1], s[3]));
    }
    static inline double vgreatest_d(const vdouble* block) {
        const pair_u* q = (const pair_u*)block;
        pair_u s = AFFINET_MAX_PAIR(AFFINET_MAX_PAIR(q[0], q[2]), AFFINET_MAX_PAIR(q[1], q[3]));
        return AFFINET_GREATER(s[0], s[1]);
    }
    """
    const int BLOCK_VECTORS "AFFINET_BLOCK_VECTORS"
    vfloat vnumber_f(float c) noexcept nogil
    vdouble vnumber_d(double c) noexcept nogil
    vfloat vselect_less_f(vfloat a, vfloat b, vfloat x, vfloat y) noexcept nogil
    vdouble vselect_less_d(vdouble a, vdouble b, vdouble x, vdouble y) noexcept nogil
    vfloat vselect_at_most_f(vfloat a, vfloat b, vfloat x, vfloat y) noexcept nogil
    vdouble vselect_at_most_d(vdouble a, vdouble b, vdouble x, vdouble y) noexcept nogil
    vfloat vabs_f(vfloat x) noexcept nogil
    vdouble vabs_d(vdouble x) noexcept nogil
    vfloat vhead_f(vfloat x) noexcept nogil
    vdouble vhead_d(vdouble x) noexcept nogil
    vfloat vcopysign_f(vfloat x, vfloat y) noexcept nogil
    vdouble vcopysign_d(vdouble x, vdouble y) noexcept nogil
    vfloat vpower_f(vfloat t) noexcept nogil
    vdouble vpower_d(vdouble t) noexcept nogil
    vfloat vscale_f(vfloat x, vfloat t) noexcept nogil
    vdouble vscale_d(vdouble x, vdouble t) noexcept nogil
    vdouble vexponent_d(vdouble x) noexcept nogil
    vdouble vmantissa_d(vdouble x) noexcept nogil
    vfloat vmax_f(vfloat a, vfloat b) noexcept nogil
    vdouble vmax_d(vdouble a, vdouble b) noexcept nogil
    vfloat vmin_f(vfloat a, vfloat b) noexcept nogil
    vdouble vmin_d(vdouble a, vdouble b) noexcept nogil
    vfloat vload_fill_f(const char* p, Py_ssize_t n, vfloat fill) noexcept nogil
    vdouble vload_fill_d(const char* p, Py_ssize_t n, vdouble fill) noexcept nogil
    ctypedef uint64_t vwords "vwords_d"
    vwords vword(uint64_t x) noexcept nogil
    vwords vlane_numbers() noexcept nogil
    vwords vmultiply_halves(vwords a, vwords b) noexcept nogil
    void vstore_halves(uint8_t* p, vwords x) noexcept nogil
    float vsum_f(const vfloat* block) noexcept nogil
    double vsum_d(const vdouble* block) noexcept nogil
    float vgreatest_f(const vfloat* block) noexcept nogil
    double vgreatest_d(const vdouble* block) noexcept nogil


# The same for either kind of vector --------------------------------------------------------------


cdef inline Py_ssize_t vlanes(const vector* _kind) noexcept nogil:
    """Numbers in one vector."""
    if vector is vfloat:
        return VECTOR_BYTES // sizeof(float)
    else:
        return VECTOR_BYTES // sizeof(double)


cdef inline vector vload(const vector* p, Py_ssize_t left) noexcept nogil:
    """The numbers at p, which need not be aligned: ``left`` of them and then zeros, or all."""
    if vector is vfloat:
        return vload_f(<char*> p) if left >= vlanes(p) else vload_part_f(<char*> p, left)
    else:
        return vload_d(<char*> p) if left >= vlanes(p) else vload_part_d(<char*> p, left)


cdef inline vector vload_part(const vector* p, Py_ssize_t left) noexcept nogil:
    """``left`` of the numbers at p, at most all, and then zeros."""
    if vector is vfloat:
        return vload_part_f(<char*> p, left)
    else:
        return vload_part_d(<char*> p, left)


cdef inline vector vload_or(vector fill, const vector* p, Py_ssize_t left) noexcept nogil:
    """The numbers at p: ``left`` of them and then those of ``fill``, or all."""
    if vector is vfloat:
        return vload_f(<char*> p) if left >= vlanes(p) else vload_fill_f(<char*> p, left, fill)
    else:
        return vload_d(<char*> p) if left >= vlanes(p) else vload_fill_d(<char*> p, left, fill)


cdef inline void vstore(vector* p, vector x, Py_ssize_t left) noexcept nogil:
    """Write the first ``left`` numbers of x, or all."""
    if vector is vfloat:
        if left >= vlanes(p):
            vstore_f(<char*> p, x)
        else:
            vstore_part_f(<char*> p, x, left)
    else:
        if left >= vlanes(p):
            vstore_d(<char*> p, x)
        else:
            vstore_part_d(<char*> p, x, left)


cdef inline void vstore_part(vector* p, vector x, Py_ssize_t left) noexcept nogil:
    """Write the first ``left`` numbers of x, at most all."""
    if vector is vfloat:
        vstore_part_f(<char*> p, x, left)
    else:
        vstore_part_d(<char*> p, x, left)


cdef inline vector vnumber(const vector* _kind, double c) noexcept nogil:
    """c, rounded to the precision of ``_kind``, in every lane."""
    if vector is vfloat:
        return vnumber_f(<float> c)
    else:
        return vnumber_d(c)


cdef inline vector vfmadd(vector a, vector b, vector c) noexcept nogil:
    """a b + c, rounded once where the level has the instruction."""
    if vector is vfloat:
        return vfmadd_f(a, b, c)
    else:
        return vfmadd_d(a, b, c)


cdef inline vector vselect_less(vector a, vector b, vector x, vector y) noexcept nogil:
    """x where a < b, y elsewhere."""
    if vector is vfloat:
        return vselect_less_f(a, b, x, y)
    else:
        return vselect_less_d(a, b, x, y)


cdef inline vector vselect_at_most(vector a, vector b, vector x, vector y) noexcept nogil:
    """x where a <= b, y elsewhere."""
    if vector is vfloat:
        return vselect_at_most_f(a, b, x, y)
    else:
        return vselect_at_most_d(a, b, x, y)


cdef inline vector vmax(vector a, vector b) noexcept nogil:
    """a where a > b, b elsewhere: where they are equal or one is NaN."""
    if vector is vfloat:
        return vmax_f(a, b)
    else:
        return vmax_d(a, b)


cdef inline vector vmin(vector a, vector b) noexcept nogil:
    """a where a < b, b elsewhere: where they are equal or one is NaN."""
    if vector is vfloat:
        return vmin_f(a, b)
    else:
        return vmin_d(a, b)


cdef inline vector vabs(vector x) noexcept nogil:
    """|x|."""
    if vector is vfloat:
        return vabs_f(x)
    else:
        return vabs_d(x)


cdef inline vector vhead(vector x) noexcept nogil:
    """x without the lower half of its digits: the square of what is left is exact."""
    if vector is vfloat:
        return vhead_f(x)
    else:
        return vhead_d(x)


cdef inline vector vcopysign(vector x, vector y) noexcept nogil:
    """|x| with the sign of y."""
    if vector is vfloat:
        return vcopysign_f(x, y)
    else:
        return vcopysign_d(x, y)


cdef inline vector vpower(vector t) noexcept nogil:
    """2^n, where the lowest bits of t, as an integer, are n + bias (127, in double 1023)."""
    if vector is vfloat:
        return vpower_f(t)
    else:
        return vpower_d(t)


cdef inline vector vscale(vector x, vector t) noexcept nogil:
    """x 2^n, where the lowest bits of t, as an integer, are n + 2 bias.

    In two products, so that 2^n may lie outside the range of numbers; the first one is exact.
    """
    if vector is vfloat:
        return vscale_f(x, t)
    else:
        return vscale_d(x, t)


cdef inline double vsum(const vector* block) noexcept nogil:
    """The sum of the numbers in a block: lane l + 8, if single, onto l, then l + 4 onto l, ..."""
    if vector is vfloat:
        return vsum_f(block)
    else:
        return vsum_d(block)


cdef inline double vgreatest(const vector* block) noexcept nogil:
    """The greatest of the numbers in a block."""
    if vector is vfloat:
        return vgreatest_f(block)
    else:
        return vgreatest_d(block)
