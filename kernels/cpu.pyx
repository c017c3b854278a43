# cython: language_level=3
"""Processor features and cache sizes; compiled for the platform's baseline, so it always loads."""

cdef extern from *:
    """
    #if defined(__x86_64__)
    /* Asked by hand: __builtin_cpu_supports needs a run-time library that MSVC's linker lacks, and
       whose probe finds nothing under zig. Leaves and bits: Intel's Software
       Developer's Manual, volume 2, CPUID, and volume 1, chapter 13, XCR0. */
    enum { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };
    static void affinet_cpuid(unsigned leaf, unsigned* r) {
        __asm__ volatile("cpuid" : "=a"(r[CPUID_EAX]), "=b"(r[CPUID_EBX]), "=c"(r[CPUID_ECX]),
                         "=d"(r[CPUID_EDX]) : "a"(leaf), "c"(0));
    }
    /* Whether the first two leaves' registers have all these bits, and the system saves the
       registers that XCR0's bits name when it switches tasks. */
    static int affinet_runs(unsigned basic, unsigned extended, unsigned saved) {
        unsigned r[4], enabled, high;
        const unsigned osxsave = 1u << 27;
        affinet_cpuid(0, r);
        if (r[CPUID_EAX] < 7) return 0;
        affinet_cpuid(1, r);
        if ((r[CPUID_ECX] & (basic | osxsave)) != (basic | osxsave)) return 0;
        __asm__ volatile("xgetbv" : "=a"(enabled), "=d"(high) : "c"(0));
        affinet_cpuid(7, r);
        return (enabled & saved) == saved && (r[CPUID_EBX] & extended) == extended;
    }
    #define AFFINET_FMA_AVX (1u << 12 | 1u << 28)
    #define AFFINET_AVX2 (1u << 5)
    #define AFFINET_AVX512 (1u << 16 | 1u << 17 | 1u << 30 | 1u << 31)     /* F, DQ, BW, VL */
    #define AFFINET_YMM (1u << 1 | 1u << 2)
    #if defined(__APPLE__)
    #define AFFINET_ZMM AFFINET_YMM    /* macOS saves the rest from a task's first use on */
    #else
    #define AFFINET_ZMM (AFFINET_YMM | 1u << 5 | 1u << 6 | 1u << 7)
    #endif
    static int affinet_runs_avx2(void) {
        return affinet_runs(AFFINET_FMA_AVX, AFFINET_AVX2, AFFINET_YMM);
    }
    static int affinet_runs_avx512(void) {
        return affinet_runs(AFFINET_FMA_AVX, AFFINET_AVX2 | AFFINET_AVX512, AFFINET_ZMM);
    }
    #else
    static int affinet_runs_avx2(void) { return 0; }
    static int affinet_runs_avx512(void) { return 0; }
    #endif

    /* What the platform's baseline has for vectors. */
    #if defined(__SSE2__)
    #define AFFINET_FLOOR "SSE2"
    #elif defined(__aarch64__)
    #define AFFINET_FLOOR "NEON"
    #elif defined(__EMSCRIPTEN__)
    #define AFFINET_FLOOR "simd128"
    #else
    #define AFFINET_FLOOR "scalar"
    #endif

    /* Bytes of a core's L1 data cache (level 1) and L2, 0 where the system does not report them. */
    #if defined(__linux__)
    #include <unistd.h>
    #endif
    #if defined(__APPLE__)
    #include <stdint.h>
    #include <sys/sysctl.h>
    static long long affinet_cache(int level) {
        int64_t bytes = 0;
        size_t size = sizeof bytes;
        const char* name = level == 1 ? "hw.l1dcachesize" : level == 2 ? "hw.l2cachesize" : "";
        return sysctlbyname(name, &bytes, &size, NULL, 0) == 0 ? bytes : 0;
    }
    #elif defined(_SC_LEVEL1_DCACHE_SIZE)
    static long long affinet_cache(int level) {
        if (level == 1) return sysconf(_SC_LEVEL1_DCACHE_SIZE);
        return level == 2 ? sysconf(_SC_LEVEL2_CACHE_SIZE) : 0;
    }
    #else
    static long long affinet_cache(int level) { return (void)level, 0; }
    #endif
    """
    const char* AFFINET_FLOOR
    bint affinet_runs_avx2()
    bint affinet_runs_avx512()
    long long affinet_cache(int level)


floor = AFFINET_FLOOR.decode("ascii")     # the baseline's vectors


def supported_levels():
    """Names of the levels that this processor and its operating system run, best first."""
    levels = []
    if affinet_runs_avx512():
        levels.append("avx512")
    if affinet_runs_avx2():
        levels.append("avx2")
    levels.append("baseline")
    return tuple(levels)


def cache_sizes():
    """Bytes of a core's L1 data cache and L2; None where the system does not report them."""
    first, second = affinet_cache(1), affinet_cache(2)
    return (first, second) if 0 < first < second else None
