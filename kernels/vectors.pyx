"""Vectors of the level's width, in GNU C's vector types: one source for AVX-512, AVX2 and NEON.

``vfloat`` and ``vdouble`` are one register; Cython takes them for numbers, so ``+ - * /`` are
written as usual and work lane by lane. A pointer to vectors need not be aligned, and ``left`` is
how many numbers are left there: lanes beyond them are read as 0 and not written.

Each operation is two C functions, one for each type, that share one name here: Cython chooses by
the types of the arguments, in fused functions too. They are declared outside of an extern block,
where Cython allows that without a warning.
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
    typedef double pair_u AFFINET_VECTOR(16, 8);

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

    #define AFFINET_MEMORY(s, number, vector) \
        static inline const vector* vectors_of_##s(const number* x) { return (const vector*)x; } \
        static inline vector* vectors_into_##s(number* x) { return (vector*)x; } \
        static inline Py_ssize_t vlanes_##s(const vector* kind) { \
            return (void)kind, AFFINET_VECTOR_BYTES / (Py_ssize_t)sizeof(number); \
        } \
        static inline vector vload_##s(const char* p) { return *(const vector##_u*)p; } \
        static inline void vstore_##s(char* p, vector v) { *(vector##_u*)p = v; } \
        static inline vector vload_first_##s(const vector* p, Py_ssize_t n) { \
            return vload_part_##s((const char*)p, n); \
        } \
        static inline void vstore_first_##s(vector* p, vector v, Py_ssize_t n) { \
            vstore_part_##s((char*)p, v, n); \
        } \
        static inline vector vload_left_##s(const vector* p, Py_ssize_t left) { \
            const int whole = left >= vlanes_##s(p); \
            return whole ? vload_##s((const char*)p) : vload_part_##s((const char*)p, left); \
        } \
        static inline void vstore_left_##s(vector* p, vector v, Py_ssize_t left) { \
            if (left >= vlanes_##s(p)) vstore_##s((char*)p, v); \
            else vstore_part_##s((char*)p, v, left); \
        } \
        /* Subtracting a zero vector changes no bit, not even of -0. */ \
        static inline vector vbroadcast_##s(const vector* p) { \
            return *(const number*)p - (vector){0}; \
        } \
        static inline vector vnumber_##s(const vector* kind, double c) { \
            return (void)kind, (number)c - (vector){0}; \
        }
    AFFINET_MEMORY(f, float, vfloat)
    AFFINET_MEMORY(d, double, vdouble)

    /* For the first cache, or no nearer than the second. An address where there is no memory
       does no harm. */
    #define affinet_prefetch(address) __builtin_prefetch(address, 0, 3)
    #define affinet_prefetch_L2(address) __builtin_prefetch(address, 0, 2)
    """
    const int VECTOR_BYTES "AFFINET_VECTOR_BYTES"
    ctypedef float vfloat
    ctypedef double vdouble
    # A result type that has the function inlined at each call, whatever the compiler's own view:
    # the tile stays in registers only where its constant sizes are seen.
    ctypedef void inlined_void "__attribute__((always_inline)) inline void"
    vdouble vload_d(const char* p) noexcept nogil
    void vstore_d(char* p, vdouble v) noexcept nogil
    void prefetch "affinet_prefetch"(const char* address) noexcept nogil
    void prefetch_L2 "affinet_prefetch_L2"(const char* address) noexcept nogil

ctypedef fused vector:
    vfloat
    vdouble

# The vectors at x, to read, and those at out, to write.
cdef extern const vfloat* vectors_of "vectors_of_f"(const float* x) noexcept nogil
cdef extern const vdouble* vectors_of "vectors_of_d"(const double* x) noexcept nogil
cdef extern vfloat* vectors_into "vectors_into_f"(float* out) noexcept nogil
cdef extern vdouble* vectors_into "vectors_into_d"(double* out) noexcept nogil

# Numbers in one vector.
cdef extern Py_ssize_t vlanes "vlanes_f"(const vfloat* kind) noexcept nogil
cdef extern Py_ssize_t vlanes "vlanes_d"(const vdouble* kind) noexcept nogil

# The numbers at p: ``left`` of them and then zeros, or all.
cdef extern vfloat vload "vload_left_f"(const vfloat* p, Py_ssize_t left) noexcept nogil
cdef extern vdouble vload "vload_left_d"(const vdouble* p, Py_ssize_t left) noexcept nogil

# The same for 0 <= left <= all lanes, without a branch.
cdef extern vfloat vload_part "vload_first_f"(const vfloat* p, Py_ssize_t left) noexcept nogil
cdef extern vdouble vload_part "vload_first_d"(const vdouble* p, Py_ssize_t left) noexcept nogil

# Write the first ``left`` numbers of x, or all.
cdef extern void vstore "vstore_left_f"(vfloat* p, vfloat x, Py_ssize_t left) noexcept nogil
cdef extern void vstore "vstore_left_d"(vdouble* p, vdouble x, Py_ssize_t left) noexcept nogil

# The same for 0 <= left <= all lanes, without a branch.
cdef extern void vstore_part "vstore_first_f"(vfloat* p, vfloat x, Py_ssize_t left) noexcept nogil
cdef extern void vstore_part "vstore_first_d"(vdouble* p, vdouble x, Py_ssize_t left) noexcept nogil

# The one number at p in every lane.
cdef extern vfloat vbroadcast "vbroadcast_f"(const vfloat* p) noexcept nogil
cdef extern vdouble vbroadcast "vbroadcast_d"(const vdouble* p) noexcept nogil

# c, rounded to the precision of ``kind``, in every lane.
cdef extern vfloat vnumber "vnumber_f"(const vfloat* kind, double c) noexcept nogil
cdef extern vdouble vnumber "vnumber_d"(const vdouble* kind, double c) noexcept nogil

# a b + c, rounded once where the level has the instruction.
cdef extern vfloat vfmadd "vfmadd_f"(vfloat a, vfloat b, vfloat c) noexcept nogil
cdef extern vdouble vfmadd "vfmadd_d"(vdouble a, vdouble b, vdouble c) noexcept nogil
