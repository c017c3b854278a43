"""Splitting float32 numbers into bfloat16 parts, for products in parts (parts.pyx).

A number is split into one, two or three parts, each the bfloat16 number nearest to what is left of
it (ties to even).
"""

from libc.string cimport memset

cdef extern from *:
    """
    /* The part of a number that a bfloat16 holds, as float32. Not finite: the number itself. */
    typedef int32_t vints_f AFFINET_VECTOR(AFFINET_VECTOR_BYTES, AFFINET_VECTOR_BYTES);
    static inline vfloat affinet_part_of(vfloat x) {
        const vwords_f word = (vwords_f)x;
        const vints_f size = (vints_f)(word << 1 >> 1);
        const vwords_f tiny = (vwords_f)(size < 0x00800000), odd = word >> 16 & 1;
        const vwords_f infinite = (vwords_f)(size >= 0x7F800000);
        vwords_f near = (word + 0x7FFF + odd) & 0xFFFF0000u;
        near = (tiny & word & 0x80000000u) | (~tiny & near);
        return (vfloat)((infinite & word) | (~infinite & near));
    }
    /* Which parts of A and of B the products multiply, the smallest products first. */
    typedef struct {
        int parts, products;
        int steps;      /* of a chain: a constant in the code would be unrolled 16 times */
        signed char of_A[6], of_B[6];
    } affinet_splitting;
    static const affinet_splitting affinet_splittings[3] = {
        {1, 1, 16, {0}, {0}},
        {2, 3, 16, {0, 0, 1}, {1, 0, 0}},
        {3, 6, 16, {0, 0, 1, 1, 2, 0}, {2, 1, 1, 0, 0, 0}},
    };
    """
    vfloat _part_of "affinet_part_of"(vfloat x) noexcept nogil
    ctypedef struct Splitting "affinet_splitting":
        int parts
        int products
        int steps
        signed char[6] of_A
        signed char[6] of_B
    const Splitting* splittings "affinet_splittings"

cdef enum:
    PART_STEPS = 32         # steps of k in a block


cdef void _pack_parts(const Splitting* splitting, Py_ssize_t steps, Py_ssize_t columns,
                      Py_ssize_t width, const float* source, Py_ssize_t k_step,
                      Py_ssize_t column_step, float* packed) noexcept nogil:
    """Block by block and part by part, (PART_STEPS, width) each, with zeros beyond the source."""
    cdef Py_ssize_t n, i, block = PART_STEPS * width, lanes = VECTOR_BYTES // sizeof(float)
    cdef int part
    cdef vfloat x, near
    while steps > 0:
        n = min(steps, <Py_ssize_t> PART_STEPS)
        _pack(n, columns, width, source, k_step, column_step, packed)
        memset(packed + n * width, 0, (block - n * width) * sizeof(float))
        i = 0
        while i < block:
            x = vload(vectors_of(packed + i), lanes)
            for part in range(splitting.parts):
                near = _part_of(x)
                vstore(vectors_into(packed + part * block + i), near, lanes)
                x = x - near
            i += lanes
        packed += splitting.parts * block
        source += n * k_step
        steps -= n
