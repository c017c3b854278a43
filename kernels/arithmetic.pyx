"""Lane-wise arithmetic: comparisons, signs, exponents, and 64-bit words.

The order of operations in a lane is fixed, so its result depends only on its operands.
"""

from libc.stdint cimport uint8_t, uint64_t

cdef extern from *:
    """
    typedef uint32_t vwords_f AFFINET_VECTOR(AFFINET_VECTOR_BYTES, AFFINET_VECTOR_BYTES);
    typedef uint64_t vwords_d AFFINET_VECTOR(AFFINET_VECTOR_BYTES, AFFINET_VECTOR_BYTES);

    /* A comparison gives all ones or all zeros in a lane, and zeros where one side is NaN.
       In words, a number is its sign, then its exponent, which starts at bit ``at``. */
    #define AFFINET_LANE_BY_LANE(s, vector, words, bits, at) \
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
    AFFINET_LANE_BY_LANE(f, vfloat, vwords_f, 32, 23)
    AFFINET_LANE_BY_LANE(d, vdouble, vwords_d, 64, 52)
    /* One of the eight numbers at p in each lane: which, say the lowest three bits of t. */
    #define AFFINET_HAS_TABLES 1
    #if defined(__AVX512F__)
    static inline vfloat vlookup_f(const float* p, vfloat t) {
        const __m512 table = (__m512)_mm512_broadcast_f64x4(_mm256_loadu_pd((const double*)p));
        return (vfloat)_mm512_permutexvar_ps((__m512i)t, table);
    }
    #elif defined(__AVX2__)
    static inline vfloat vlookup_f(const float* p, vfloat t) {
        return (vfloat)_mm256_permutevar8x32_ps(_mm256_loadu_ps(p), (__m256i)t);
    }
    #elif defined(__aarch64__)
    static inline vfloat vlookup_f(const float* p, vfloat t) {
        const vwords_f n = (vwords_f)t & 7;
        return (vfloat){p[n[0]], p[n[1]], p[n[2]], p[n[3]]};
    }
    #else
    #undef AFFINET_HAS_TABLES
    #define AFFINET_HAS_TABLES 0    /* number by number, slower than arithmetic */
    static inline vfloat vlookup_f(const float* p, vfloat t) { return (void)p, t; }
    #endif
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
    static inline vfloat vmax_f(vfloat a, vfloat b) { return (vfloat)AFFINET_X86(max_ps)(a, b); }
    static inline vdouble vmax_d(vdouble a, vdouble b) {
        return (vdouble)AFFINET_X86(max_pd)(a, b);
    }
    static inline vfloat vmin_f(vfloat a, vfloat b) { return (vfloat)AFFINET_X86(min_ps)(a, b); }
    static inline vdouble vmin_d(vdouble a, vdouble b) {
        return (vdouble)AFFINET_X86(min_pd)(a, b);
    }
    #define vmultiply_halves(a, b) \
        ((vwords_d)AFFINET_X86(mul_epu32)((vnative_words)(a), (vnative_words)(b)))
    #else
    static inline vfloat vmax_f(vfloat a, vfloat b) { return vselect_less_f(b, a, a, b); }
    static inline vdouble vmax_d(vdouble a, vdouble b) { return vselect_less_d(b, a, a, b); }
    static inline vfloat vmin_f(vfloat a, vfloat b) { return vselect_less_f(a, b, a, b); }
    static inline vdouble vmin_d(vdouble a, vdouble b) { return vselect_less_d(a, b, a, b); }
    #define vmultiply_halves(a, b) (((a) & 0xFFFFFFFFu) * ((b) & 0xFFFFFFFFu))
    #endif

    /* One word in every lane; 0, 1, 2, ... in the lanes; and storing the lower half of each lane,
       side by side. */
    #define vword(x) ((uint64_t)(x) + (vwords_d){0})
    static const uint64_t lane_numbers[] = {0, 1, 2, 3, 4, 5, 6, 7};
    #define vlane_numbers() (*(const vwords_u*)lane_numbers)
    typedef uint64_t vwords_u AFFINET_VECTOR(AFFINET_VECTOR_BYTES, 8);
    typedef uint32_t vhalves AFFINET_VECTOR(AFFINET_VECTOR_BYTES / 2, AFFINET_VECTOR_BYTES / 2);
    typedef uint32_t vhalves_u AFFINET_VECTOR(AFFINET_VECTOR_BYTES / 2, 1);
    /* The single numbers at p, as many as a vector has double ones. */
    typedef float vhalf_u AFFINET_VECTOR(AFFINET_VECTOR_BYTES / 2, 4);
    #define vwiden(p) __builtin_convertvector(*(const vhalf_u*)(p), vdouble)
    #define vstore_halves(p, x) (*(vhalves_u*)(p) = __builtin_convertvector(x, vhalves))

    """
    const bint HAS_TABLES "AFFINET_HAS_TABLES"
    vfloat vlookup_f(const float* p, vfloat t) noexcept nogil
    vdouble vabs_d(vdouble x) noexcept nogil
    vdouble vwiden(const float* p) noexcept nogil
    vdouble vexponent_d(vdouble x) noexcept nogil
    vdouble vmantissa_d(vdouble x) noexcept nogil
    ctypedef uint64_t vwords "vwords_d"
    vwords vword(uint64_t x) noexcept nogil
    vwords vlane_numbers() noexcept nogil
    vwords vmultiply_halves(vwords a, vwords b) noexcept nogil
    void vstore_halves(uint8_t* p, vwords x) noexcept nogil

# x where a < b, y elsewhere.
cdef extern vfloat vselect_less "vselect_less_f"(vfloat a, vfloat b, vfloat x,
                                                 vfloat y) noexcept nogil
cdef extern vdouble vselect_less "vselect_less_d"(vdouble a, vdouble b, vdouble x,
                                                  vdouble y) noexcept nogil

# x where a <= b, y elsewhere.
cdef extern vfloat vselect_at_most "vselect_at_most_f"(vfloat a, vfloat b, vfloat x,
                                                       vfloat y) noexcept nogil
cdef extern vdouble vselect_at_most "vselect_at_most_d"(vdouble a, vdouble b, vdouble x,
                                                        vdouble y) noexcept nogil

# a where a > b, b elsewhere, that is, also if they are equal or one is NaN.
cdef extern vfloat vmax "vmax_f"(vfloat a, vfloat b) noexcept nogil
cdef extern vdouble vmax "vmax_d"(vdouble a, vdouble b) noexcept nogil

# a where a < b, b elsewhere, that is, also if they are equal or one is NaN.
cdef extern vfloat vmin "vmin_f"(vfloat a, vfloat b) noexcept nogil
cdef extern vdouble vmin "vmin_d"(vdouble a, vdouble b) noexcept nogil

# |x|.
cdef extern vfloat vabs "vabs_f"(vfloat x) noexcept nogil
cdef extern vdouble vabs "vabs_d"(vdouble x) noexcept nogil

# |x| with the sign of y.
cdef extern vfloat vcopysign "vcopysign_f"(vfloat x, vfloat y) noexcept nogil
cdef extern vdouble vcopysign "vcopysign_d"(vdouble x, vdouble y) noexcept nogil

# x without the lower half of its digits, so that its square is exact.
cdef extern vfloat vhead "vhead_f"(vfloat x) noexcept nogil
cdef extern vdouble vhead "vhead_d"(vdouble x) noexcept nogil

# 2^n, where the lowest bits of t, as an integer, are n + bias (127, in double 1023).
cdef extern vfloat vpower "vpower_f"(vfloat t) noexcept nogil
cdef extern vdouble vpower "vpower_d"(vdouble t) noexcept nogil

# x 2^n, where the lowest bits of t, as an integer, are n + 2 bias. In two products, so that 2^n
# may exceed the range of the type; the first product is exact.
cdef extern vfloat vscale "vscale_f"(vfloat x, vfloat t) noexcept nogil
cdef extern vdouble vscale "vscale_d"(vdouble x, vdouble t) noexcept nogil
