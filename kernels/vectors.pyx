"""Vectors of the level's width, in GNU C's vector types: one source for AVX-512, AVX2 and NEON.

``vfloat`` and ``vdouble`` are one register; Cython takes them for numbers, so ``+ - * /`` are
written as usual and work lane by lane. ``p`` is an address without a type, and need not be aligned.
"""

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
    /* The first n lanes only, 0 < n <= all of them: the others are read as 0 and not written. */
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
    static inline vfloat vload_part_f(const char* p, Py_ssize_t n) {
        vfloat v = {0};
        for (Py_ssize_t i = 0; i < n; i++) v[i] = ((const float*)p)[i];
        return v;
    }
    static inline vdouble vload_part_d(const char* p, Py_ssize_t n) {
        vdouble v = {0};
        for (Py_ssize_t i = 0; i < n; i++) v[i] = ((const double*)p)[i];
        return v;
    }
    static inline void vstore_part_f(char* p, vfloat v, Py_ssize_t n) {
        for (Py_ssize_t i = 0; i < n; i++) ((float*)p)[i] = v[i];
    }
    static inline void vstore_part_d(char* p, vdouble v, Py_ssize_t n) {
        for (Py_ssize_t i = 0; i < n; i++) ((double*)p)[i] = v[i];
    }
    #endif
    /* One number in every lane: subtracting a zero vector changes no bit, not even of -0. */
    #define vsplat_f(p) (*(const float*)(p) - (vfloat){0})
    #define vsplat_d(p) (*(const double*)(p) - (vdouble){0})

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
    vfloat vsplat_f(const char* p) noexcept nogil
    vdouble vsplat_d(const char* p) noexcept nogil
    void transpose_quad(const float* source, Py_ssize_t source_step, float* target,
                        Py_ssize_t target_step) noexcept nogil

ctypedef fused vector:
    vfloat
    vdouble
