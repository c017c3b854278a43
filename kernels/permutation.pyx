"""The order of an epoch's rows: a permutation from a NumPy bit generator.

It takes the same numbers as ``Generator.permutation`` and so has its bits, but keeps the GIL while
that takes less time than giving it to another thread and waiting for it again: of many networks in
training at once, each draws a permutation every epoch.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int64_t, uint32_t

cdef enum:
    ENOUGH_TO_LET_GO = 16384    # rows, from which other threads run meanwhile

ctypedef uint32_t (*next_bits)(void* state) noexcept nogil

cdef struct BitGenerator:   # numpy/random/bitgen.h, up to the function that is needed here
    void* state
    void* next_uint64
    next_bits next_uint32


cdef void _permutation(BitGenerator* bits, Py_ssize_t n, int64_t* order) noexcept nogil:
    """Fisher and Yates, "Statistical tables", 1938, from the last place to the first."""
    cdef Py_ssize_t i
    cdef uint32_t j, mask = 0xFFFFFFFF
    for i in range(n):
        order[i] = i
    for i in range(n - 1, 0, -1):
        while mask >> 1 >= <uint32_t> i:    # to as many bits as i has
            mask >>= 1
        j = bits.next_uint32(bits.state) & mask
        while j > <uint32_t> i:             # each of 0 .. i is as likely as the others
            j = bits.next_uint32(bits.state) & mask
        order[i], order[j] = order[j], order[i]


def permutation(bits, order):
    """Fill order (N,), int64, with a permutation of 0 .. N - 1, N < 2^32.

    ``bits`` is the attribute ``capsule`` of a ``numpy.random.BitGenerator`` that nobody else uses.
    """
    cdef Held held
    cdef BitGenerator* found = <BitGenerator*> PyCapsule_GetPointer(bits, "BitGenerator")
    cdef Py_ssize_t n
    hold_nothing(&held)
    try:
        hold(&held, b"order", order, INT64, 1, WRITE)
        n = held_size(&held, 0, 0)
        if n >> 31 >> 1:
            raise ValueError(f"order has {n} elements, wanted fewer than 2^32")
        if n < ENOUGH_TO_LET_GO:
            _permutation(found, n, <int64_t*> held_data(&held, 0))
        else:
            with nogil:
                _permutation(found, n, <int64_t*> held_data(&held, 0))
    finally:
        let_go(&held)
