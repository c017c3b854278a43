"""Shared by all kernel files: precisions, the multiply-add, and checks of arguments."""

cdef extern from *:
    """
    #if defined(_MSC_VER) && !defined(__clang__)
    #error "affinet needs GNU vector types: on Windows build it with clang-cl"
    #endif

    /* One rounding everywhere: a multiply-add is fused where the level has the instruction and
       written out where it has not; the compiler is told never to decide (-ffp-contract=off). */
    #if defined(__FMA__) || defined(__aarch64__)
    #define AFFINET_HAS_FMA 1
    static inline float affinet_fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
    static inline double affinet_fma(double a, double b, double c) {
        return __builtin_fma(a, b, c);
    }
    #else
    #define AFFINET_HAS_FMA 0
    static inline float affinet_fmaf(float a, float b, float c) { return a * b + c; }
    static inline double affinet_fma(double a, double b, double c) { return a * b + c; }
    #endif

    /* A kind that a switch does not name: nothing that could be computed now would be right. */
    #include <stdio.h>
    #include <stdlib.h>
    static void affinet_refuse(const char* what, int kind) {
        fprintf(stderr, "affinet: %s %d has no kernel; this is a fault in affinet\\n", what, kind);
        abort();
    }

    /* Byte i of four in memory is bits 8 (i ^ this) and up of their word. */
    #define AFFINET_BYTE_ORDER (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 3 : 0)

    #if defined(__AVX512F__)
    #define AFFINET_LEVEL "avx512"
    #elif defined(__AVX2__)
    #define AFFINET_LEVEL "avx2"
    #else
    #define AFFINET_LEVEL "baseline"
    #endif
    """
    void refuse "affinet_refuse"(const char* what, int kind) noexcept nogil
    const char* AFFINET_LEVEL
    bint AFFINET_HAS_FMA
    int BYTE_ORDER "AFFINET_BYTE_ORDER"
    float affinet_fmaf(float a, float b, float c) noexcept nogil
    double affinet_fma(double a, double b, double c) noexcept nogil


cdef enum:
    LINE = 64               # bytes of a cache line

cdef enum Precision:        # element type of an array
    NO_PRECISION            # not known yet
    SINGLE_PRECISION
    DOUBLE_PRECISION
    BFLOAT16                # of a product's factors only: parts.pyx
    BFLOAT16X3
    BFLOAT16X6

ctypedef fused real:
    float
    double


cdef inline Precision precision_of(const real* numbers) noexcept nogil:
    """The precision of a fused function's arrays; the pointer may be NULL."""
    return SINGLE_PRECISION if real is float else DOUBLE_PRECISION


cdef inline Py_ssize_t bytes_of(Precision precision) noexcept nogil:
    """The size of one element in bytes."""
    if precision == SINGLE_PRECISION:
        return sizeof(float)
    if precision == DOUBLE_PRECISION:
        return sizeof(double)
    refuse("precision", precision)
    return 0


def build_level():
    """The instruction-set level that this module was compiled for, and whether it has FMA."""
    return AFFINET_LEVEL.decode("ascii"), bool(AFFINET_HAS_FMA)


cdef inline real fmadd(real a, real b, real c) noexcept nogil:
    """a * b + c, rounded once where the level has the instruction."""
    if real is float:
        return affinet_fmaf(a, b, c)
    else:
        return affinet_fma(a, b, c)
