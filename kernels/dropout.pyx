"""Inverted dropout whose mask is a function of (key, step, row, column) and of nothing else.

The counter-based generator is Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random
numbers: as easy as 1, 2, 3", SC'11. One block gives the four columns 4q..4q+3 of a row, so masks
do not depend on how rows are shared out among threads, batches or ranks.
"""

from libc.math cimport rint
from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef inline void _philox4x32(uint32_t k0, uint32_t k1, uint32_t* c) noexcept nogil:
    """Ten rounds over the counter block c (4 words), in place, with the key (k0, k1)."""
    cdef int _round
    cdef uint64_t product0, product1
    for _round in range(10):
        product0 = <uint64_t> 0xD2511F53 * c[0]
        product1 = <uint64_t> 0xCD9E8D57 * c[2]
        c[0] = <uint32_t> (product1 >> 32) ^ c[1] ^ k0
        c[1] = <uint32_t> product1
        c[2] = <uint32_t> (product0 >> 32) ^ c[3] ^ k1
        c[3] = <uint32_t> product0
        k0 += <uint32_t> 0x9E3779B9
        k1 += <uint32_t> 0xBB67AE85


cdef void _dropout_forward(Py_ssize_t B, Py_ssize_t O, const real* x, double p, uint64_t key,
                           uint64_t step, uint64_t row, real* out, uint8_t* mask) noexcept nogil:
    cdef Py_ssize_t i, j, lane
    cdef uint64_t threshold = <uint64_t> rint(p * 4294967296.0)
    cdef real scale = <real> (1 / (1 - p))
    cdef uint32_t[4] block
    for i in range(B):
        for j in range(0, O, 4):
            block[0] = <uint32_t> (j // 4)
            block[1] = <uint32_t> (row + <uint64_t> i)
            block[2] = <uint32_t> step
            block[3] = <uint32_t> (step >> 32)
            _philox4x32(<uint32_t> key, <uint32_t> (key >> 32), block)
            for lane in range(min(<Py_ssize_t> 4, O - j)):
                mask[i * O + j + lane] = block[lane] >= threshold
    for i in range(B * O):
        out[i] = x[i] * scale if mask[i] else 0


cdef void _dropout_backward(Py_ssize_t n, const real* dout, const uint8_t* mask, real scale,
                            real* dx) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        dx[i] = dout[i] * scale if mask[i] else 0


cdef int _require_probability(double p) except -1:
    if not 0 <= p < 1:
        raise ValueError(f"p is {p}, wanted 0 <= p < 1")
    return 0


def dropout_forward(const real[:, ::1] x not None, double p, uint64_t key, uint64_t step,
                    uint64_t row, real[:, ::1] out not None, uint8_t[:, ::1] mask not None):
    """mask = 0 with probability p, else 1; out = x / (1 - p) where mask is 1, 0 elsewhere.

    x, out, mask: (B, O); x[0] stands at place ``row`` of the whole batch. out and mask are
    overwritten; out may be x.
    """
    cdef Py_ssize_t B = x.shape[0], O = x.shape[1]
    _require_probability(p)
    require_shape("out", out.shape[0], out.shape[1], B, O)
    require_shape("mask", mask.shape[0], mask.shape[1], B, O)
    if B == 0 or O == 0:
        return
    with nogil:
        _dropout_forward(B, O, address(x), p, key, step, row, address(out), &mask[0, 0])


def dropout_backward(const real[:, ::1] dout not None, const uint8_t[:, ::1] mask not None,
                     double p, real[:, ::1] dx not None):
    """dx = dout / (1 - p) where mask is 1, 0 elsewhere.

    dout, mask, dx: (B, O). dx is overwritten and may be dout.
    """
    cdef Py_ssize_t B = dout.shape[0], O = dout.shape[1]
    _require_probability(p)
    require_shape("mask", mask.shape[0], mask.shape[1], B, O)
    require_shape("dx", dx.shape[0], dx.shape[1], B, O)
    if B == 0 or O == 0:
        return
    with nogil:
        _dropout_backward(B * O, address(dout), &mask[0, 0], <real> (1 / (1 - p)), address(dx))
