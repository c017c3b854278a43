"""Inverted dropout whose mask is a function of (key, step, row, column) alone.

The counter-based generator is Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random
numbers: as easy as 1, 2, 3", SC'11. One block gives the four columns 4q..4q+3 of a row, so masks
do not depend on how threads, batches or ranks split the rows.
"""

from cpython.object cimport PyObject
from libc.math cimport rint
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy


cdef inline void _philox4x32(uint32_t k0, uint32_t k1, vwords* c) noexcept nogil:
    """Ten rounds, in place, over the counter blocks (c[0], ..., c[3]) with the key (k0, k1).

    Each lane holds a block, in the lower halves of its words; the upper halves do not affect them.
    """
    cdef int _round
    cdef vwords product0, product1
    for _round in range(10):
        product0 = vmultiply_halves(c[0], vword(0xD2511F53))
        product1 = vmultiply_halves(c[2], vword(0xCD9E8D57))
        c[0], c[1] = (product1 >> 32) ^ c[1] ^ vword(k0), product1
        c[2], c[3] = (product0 >> 32) ^ c[3] ^ vword(k1), product0
        k0 += <uint32_t> 0x9E3779B9
        k1 += <uint32_t> 0xBB67AE85


cdef inline vwords _reached(const vwords* c, uint64_t threshold) noexcept nogil:
    """Byte w of the result is 1 where word c[w] >= threshold, else 0; threshold <= 2^32."""
    cdef vwords less = vword(0)
    cdef int w
    for w in range(4):
        # Bit 63 of the difference is its sign.
        less = less | ((((c[w] & vword(0xFFFFFFFF)) - vword(threshold)) >> 63)
                       << (8 * (w ^ BYTE_ORDER)))
    return less ^ vword(0x01010101)


cdef void _draw_row(Py_ssize_t O, uint64_t threshold, uint64_t key, uint64_t step, uint32_t row,
                    uint8_t* mask) noexcept nogil:
    """The mask of one row, one block per lane at a time."""
    cdef Py_ssize_t quads = VECTOR_BYTES // sizeof(uint64_t), q = 0
    cdef vwords[4] c
    cdef uint8_t[32] last
    while O > 0:
        c[0] = vlane_numbers() + vword(q)
        c[1], c[2], c[3] = vword(row), vword(step), vword(step >> 32)
        _philox4x32(<uint32_t> key, <uint32_t> (key >> 32), c)
        if O >= 4 * quads:
            vstore_halves(mask, _reached(c, threshold))
        else:
            vstore_halves(last, _reached(c, threshold))
            memcpy(mask, last, O)
        mask, O, q = mask + 4 * quads, O - 4 * quads, q + quads


cdef void _scale_kept(Py_ssize_t n, const real* x, const uint8_t* mask, real scale,
                      real* out) noexcept nogil:
    """out = scale x where mask is not 0, 0 elsewhere; out may be x.

    Select first, then multiply: compilers do not vectorise a conditional product.
    """
    cdef Py_ssize_t i
    cdef real kept
    for i in range(n):
        kept = x[i]
        kept = kept if mask[i] else 0
        out[i] = kept * scale


cdef void _dropout_forward(Py_ssize_t B, Py_ssize_t O, const real* x, double p, uint64_t key,
                           uint64_t step, uint64_t row, real* out, uint8_t* mask) noexcept nogil:
    cdef Py_ssize_t i
    cdef uint64_t threshold = <uint64_t> rint(p * 4294967296.0)
    for i in range(B):
        _draw_row(O, threshold, key, step, <uint32_t> (row + <uint64_t> i), mask + i * O)
    _scale_kept(B * O, x, mask, <real> (1 / (1 - p)), out)


cdef void _dropout_backward(Py_ssize_t n, const real* dout, const uint8_t* mask, real scale,
                            real* dx) noexcept nogil:
    _scale_kept(n, dout, mask, scale, dx)


cdef int _require_probability(double p) except -1:
    if not 0 <= p < 1:
        raise ValueError(f"p is {p}, wanted 0 <= p < 1")
    return 0


cdef struct Drop:
    double p
    uint64_t key
    uint64_t step
    uint64_t row


cdef void _drop_held(void* job_, const Held* held, real* precision) noexcept nogil:
    """Forward over x, out and mask, held in this order."""
    cdef const Drop* job = <const Drop*> job_
    _dropout_forward(held_size(held, 0, 0), held_size(held, 0, 1), <real*> held_data(held, 0),
                     job.p, job.key, job.step, job.row, <real*> held_data(held, 1),
                     <uint8_t*> held_data(held, 2))


cdef void _undrop_held(void* p, const Held* held, real* precision) noexcept nogil:
    """Backward over dout, mask and dx, held in this order."""
    _dropout_backward(held_size(held, 0, 0) * held_size(held, 0, 1),
                      <real*> held_data(held, 0), <uint8_t*> held_data(held, 1),
                      <real> (1 / (1 - (<double*> p)[0])), <real*> held_data(held, 2))


def dropout_forward(x, double p, uint64_t key, uint64_t step, uint64_t row, out, mask, /):
    """mask = 0 with probability p, else 1; out = x / (1 - p) where mask is 1, 0 elsewhere.

    x, out, mask: (B, O); x[0] is row ``row`` of the whole batch. out and mask are
    overwritten; out may be x.
    """
    cdef Drop job = Drop(p, key, step, row)
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> out, <PyObject*> mask]
    _require_probability(p)
    enter(b"x BO, =out BO, =mask BO:B", arrays, NULL, _drop_held, _drop_held, &job)


def dropout_backward(dout, mask, double p, dx, /):
    """dx = dout / (1 - p) where mask is 1, 0 elsewhere.

    dout, mask, dx: (B, O). dx is overwritten and may be dout.
    """
    cdef PyObject** arrays = [<PyObject*> dout, <PyObject*> mask, <PyObject*> dx]
    _require_probability(p)
    enter(b"dout BO, mask BO:B, =dx BO", arrays, NULL, _undrop_held, _undrop_held, &p)
