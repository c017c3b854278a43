# cython: language_level=3
"""What this processor can run. Built for the platform's floor, so it always loads."""

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
    """
    bint affinet_runs_avx2()
    bint affinet_runs_avx512()


def supported_levels():
    """Names of the levels that this processor and its operating system run, best first."""
    levels = []
    if affinet_runs_avx512():
        levels.append("avx512")
    if affinet_runs_avx2():
        levels.append("avx2")
    levels.append("baseline")
    return tuple(levels)
