"""The matrix unit of Intel's processors, AMX: whether it may be used, and its instructions.

Eight tile registers hold 16 rows of 64 bytes each. TDPBF16PS adds the product of two tiles of
bfloat16 numbers, with k in pairs, to a tile of float32 numbers. Linux keeps these registers only
for a process that has asked for them, which it grants unless a stack for signals is too small to
save them on (Documentation/arch/x86/xstate.rst); a child of ``fork`` inherits the permission. It is
asked for when the first product could use it. Refused, it is no error: parts.pyx computes the same
bits.

The instructions are in the level avx512, which every processor with them runs. Debug builds have
them in all levels of x86, so that their tests can emulate them anywhere.
"""

cdef extern from *:
    """
    enum { AFFINET_NOT_ASKED, AFFINET_UNIT, AFFINET_UNIT_REFUSED, AFFINET_NO_UNIT };
    #if defined(__clang_major__)
    #define AFFINET_KNOWS_AMX (__clang_major__ >= 12)
    #elif defined(__GNUC__)
    #define AFFINET_KNOWS_AMX (__GNUC__ >= 11)
    #else
    #define AFFINET_KNOWS_AMX 0
    #endif
    #if defined(__x86_64__) && defined(__linux__) && AFFINET_KNOWS_AMX \\
        && (defined(__AVX512F__) || defined(AFFINET_DEBUG_KERNELS))
    #define AFFINET_HAS_TILES 1
    #include <cpuid.h>
    #include <sys/syscall.h>
    #include <unistd.h>

    /* Leaves and bits: Intel's Software Developer's Manual, volume 2, CPUID; volume 1, chapters
       13 (XCR0) and 18 (AMX). The numbers of the call: Linux, asm/prctl.h. */
    static int affinet_ask_for_tiles(void) {
        enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, TILES_SAVED = 3 << 17 };
        enum { TILES = 18, ARCH_REQ_XCOMP_PERM = 0x1023 };
        unsigned a, b, c, d, enabled, high;
        if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return AFFINET_NO_UNIT;
        if ((d & AMX_BF16) == 0 || (d & AMX_TILE) == 0) return AFFINET_NO_UNIT;
        if (!__get_cpuid_count(0x1D, 1, &a, &b, &c, &d)) return AFFINET_NO_UNIT;
        if (b >> 16 < 8 || (b & 0xFFFF) < 64 || (c & 0xFFFF) < 16) return AFFINET_NO_UNIT;
        __asm__ volatile("xgetbv" : "=a"(enabled), "=d"(high) : "c"(0));
        if ((enabled & TILES_SAVED) != TILES_SAVED) return AFFINET_UNIT_REFUSED;
        return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILES) == 0 ? AFFINET_UNIT
                                                                        : AFFINET_UNIT_REFUSED;
    }
    static int affinet_unit;
    static int affinet_matrix_unit(void) {
        int state = __atomic_load_n(&affinet_unit, __ATOMIC_RELAXED);
        if (state == AFFINET_NOT_ASKED) {   /* threads that ask together get the same answer */
            state = affinet_ask_for_tiles();
            __atomic_store_n(&affinet_unit, state, __ATOMIC_RELAXED);
        }
        return state;
    }
    #define affinet_assume_tiles(there) \\
        __atomic_store_n(&affinet_unit, (there) ? AFFINET_UNIT : AFFINET_NO_UNIT, \\
                         __ATOMIC_RELAXED)

    static void affinet_configure_tiles(void) {
        struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; }
            layout = {.palette = 1};
        for (int tile = 0; tile < 8; tile++) {
            layout.bytes[tile] = 64;
            layout.rows[tile] = 16;
        }
        __asm__ volatile("ldtilecfg %0" : : "m"(layout));
    }
    #define affinet_release_tiles() __asm__ volatile("tilerelease" : : : "memory")
    #define affinet_zero_tile(tile) __asm__ volatile("tilezero %%tmm" #tile : :)
    #define affinet_load_tile(tile, from, row) \\
        __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile \\
                         : : "r"(from), "r"((long)(row)) : "memory")
    #define affinet_store_tile(tile, to, row) \\
        __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" \\
                         : : "r"(to), "r"((long)(row)) : "memory")
    #define affinet_add_product(sums, a, b) \\
        __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #sums : :)
    #else
    #define AFFINET_HAS_TILES 0
    #define affinet_matrix_unit() AFFINET_NOT_ASKED
    #define affinet_assume_tiles(there) ((void)(there))
    #define affinet_configure_tiles() ((void)0)
    #define affinet_release_tiles() ((void)0)
    #define affinet_zero_tile(tile) ((void)0)
    #define affinet_load_tile(tile, from, row) ((void)(from), (void)(row))
    #define affinet_store_tile(tile, to, row) ((void)(to), (void)(row))
    #define affinet_add_product(sums, a, b) ((void)0)
    #endif
    """
    const int NATIVE_UNIT "AFFINET_UNIT"
    int affinet_matrix_unit() noexcept nogil
    void affinet_assume_tiles(bint there)
    void configure_tiles "affinet_configure_tiles"() noexcept nogil
    void release_tiles "affinet_release_tiles"() noexcept nogil
    # The numbers of tiles are literals.
    void zero_tile "affinet_zero_tile"(int tile) noexcept nogil
    void load_tile "affinet_load_tile"(int tile, const char* source, Py_ssize_t row) noexcept nogil
    void store_tile "affinet_store_tile"(int tile, char* target, Py_ssize_t row) noexcept nogil
    void add_product "affinet_add_product"(int sums, int a, int b) noexcept nogil


cdef inline bint _has_matrix_unit() noexcept nogil:
    """Whether products in parts may use the unit."""
    return affinet_matrix_unit() == NATIVE_UNIT


def matrix_unit():
    """The matrix unit: 0 if the module has none of its instructions, 1 if it is used, 2 if the
    system refused it, 3 if the processor has none."""
    return affinet_matrix_unit()


def assume_matrix_unit(bint there, /):
    """Use the matrix unit, or do without; for tests, which emulate one where there is none."""
    affinet_assume_tiles(there)
