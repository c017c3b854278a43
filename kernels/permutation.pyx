"""The order of an epoch's rows: a permutation from a NumPy bit generator.

It takes the same numbers as ``Generator.permutation`` and so has its bits, but keeps the GIL while
that takes less time than giving it to another thread and waiting for it again: of many networks in
training at once, each draws a permutation every epoch.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    ENOUGH_TO_LET_GO = 16384    # rows, from which other threads run meanwhile

cdef struct BitGenerator:   # numpy/random/bitgen.h, up to the functions that are needed here
    void* state
    uint64_t (*next_uint64)(void* state) noexcept nogil
    uint32_t (*next_uint32)(void* state) noexcept nogil


cdef void _permutation(BitGenerator* bits, uint64_t n, int64_t* order) noexcept nogil:
    """Fisher and Yates, "Statistical tables", 1938, from the last place to the first."""
    cdef uint64_t i, j, mask = -1
    for i in range(n):
        order[i] = i
    i = n
    while i > 1:
        i -= 1
        while mask >> 1 >= i:       # to as many bits as i has
            mask >>= 1
        j = -1
        while j > i:                # each of 0 .. i is as likely as the others
            j = mask & (bits.next_uint32(bits.state) if mask >> 32 == 0
                        else bits.next_uint64(bits.state))
        order[i], order[j] = order[j], order[i]


def permutation(bits, order):
    """Fill order (N,), int64, with a permutation of 0 .. N - 1.

    ``bits`` is a ``numpy.random.BitGenerator`` that nobody else uses meanwhile. Not its capsule,
    which points into the bit generator and does not keep it alive.
    """
    cdef Held held
    cdef BitGenerator* found = <BitGenerator*> PyCapsule_GetPointer(bits.capsule, "BitGenerator")
    hold_nothing(&held)
    try:
        hold(&held, b"order", order, INT64, 1, WRITE)
        if held_size(&held, 0, 0) < ENOUGH_TO_LET_GO:
            _permutation(found, held_size(&held, 0, 0), <int64_t*> held_data(&held, 0))
        else:
            with nogil:
                _permutation(found, held_size(&held, 0, 0), <int64_t*> held_data(&held, 0))
    finally:
        let_go(&held)
