# cython: language_level=3
"""What this processor can run, and its caches; built for the platform's floor, it always loads."""

cdef extern from *:
    """
    #if defined(__x86_64__) || defined(_M_X64)
    static int affinet_runs_avx2(void) {
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    }
    static int affinet_runs_avx512(void) {
        return affinet_runs_avx2() && __builtin_cpu_supports("avx512f")
            && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")
            && __builtin_cpu_supports("avx512dq");
    }
    #else
    static int affinet_runs_avx2(void) { return 0; }
    static int affinet_runs_avx512(void) { return 0; }
    #endif

    /* Bytes of a core's first (data) and second cache, 0 where the system does not tell. */
    #if defined(__linux__)
    #include <unistd.h>
    #endif
    #if defined(__APPLE__)
    #include <stdint.h>
    #include <sys/sysctl.h>
    static long long affinet_cache(int number) {
        int64_t bytes = 0;
        size_t size = sizeof bytes;
        const char* name = number == 1 ? "hw.l1dcachesize" : "hw.l2cachesize";
        return sysctlbyname(name, &bytes, &size, NULL, 0) == 0 ? bytes : 0;
    }
    #elif defined(_SC_LEVEL1_DCACHE_SIZE)
    static long long affinet_cache(int number) {
        return sysconf(number == 1 ? _SC_LEVEL1_DCACHE_SIZE : _SC_LEVEL2_CACHE_SIZE);
    }
    #else
    static long long affinet_cache(int number) { return (void)number, 0; }
    #endif
    """
    bint affinet_runs_avx2()
    bint affinet_runs_avx512()
    long long affinet_cache(int number)


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
    """Bytes of a core's first (data) and second cache; None where the system does not tell."""
    first, second = affinet_cache(1), affinet_cache(2)
    return (first, second) if 0 < first < second else None
