"""The order of the rows in each epoch: permutations with the bits of NumPy's.

Those of an epoch are ``np.random.default_rng([seed, epoch]).permutation(n)``; making that
generator alone takes as long as two steps of a small network. NumPy promises to keep its three
algorithms: SeedSequence (M. E. O'Neill, "Developing a seed_seq Alternative", 2015), PCG64 (the
same, "PCG: a family of simple fast space-efficient statistically good algorithms for random number
generation", 2014), and the shuffle (Fisher and Yates, "Statistical tables", 1938).

A call keeps the GIL while it takes less time than giving the GIL to another thread and waiting for
it again: of many networks in training at once, each draws its permutations.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    ENOUGH_TO_LET_GO = 16384    # rows, from which other threads run meanwhile
    POOL = 4                    # words of a SeedSequence

cdef struct Wide:           # 128 bits
    uint64_t high
    uint64_t low

cdef struct Pcg64:
    Wide state
    Wide step
    uint32_t kept           # the upper half of a number whose lower half was taken,
    bint has_kept           # if there is one

cdef struct Hash:           # of a SeedSequence: the next constant, and the factor to the one after
    uint32_t constant
    uint32_t factor


cdef inline uint32_t _hashed(Hash* hash_, uint32_t word) noexcept nogil:
    word ^= hash_.constant
    hash_.constant *= hash_.factor
    word *= hash_.constant
    return word ^ word >> 16


cdef inline void _mix(Hash* hash_, uint32_t word, uint32_t* into) noexcept nogil:
    into[0] = <uint32_t> 0xCA01F9DD * into[0] - <uint32_t> 0x4973F715 * _hashed(hash_, word)
    into[0] ^= into[0] >> 16


cdef inline Wide _sum(Wide a, Wide b) noexcept nogil:
    cdef Wide out
    out.low = a.low + b.low
    out.high = a.high + b.high + (out.low < a.low)
    return out


cdef inline Wide _product(Wide a, Wide b) noexcept nogil:
    """a b modulo 2^128, from products of 32 bits, which every machine has."""
    cdef uint64_t a_0 = a.low & 0xFFFFFFFFU, a_1 = a.low >> 32
    cdef uint64_t b_0 = b.low & 0xFFFFFFFFU, b_1 = b.low >> 32
    cdef uint64_t left = a_1 * b_0 + (a_0 * b_0 >> 32)
    cdef uint64_t right = a_0 * b_1 + (left & 0xFFFFFFFFU)
    cdef Wide out
    out.low = a.low * b.low
    out.high = a.high * b.low + a.low * b.high + a_1 * b_1 + (left >> 32) + (right >> 32)
    return out


cdef inline void _advance(Pcg64* bits) noexcept nogil:
    cdef Wide factor
    factor.high, factor.low = 0x2360ED051FC65DA4ULL, 0x4385DF649FCCF645ULL
    bits.state = _sum(_product(bits.state, factor), bits.step)


cdef inline uint64_t _next_64(Pcg64* bits) noexcept nogil:
    cdef uint64_t mixed
    cdef int turn
    _advance(bits)
    mixed, turn = bits.state.high ^ bits.state.low, <int> (bits.state.high >> 58)
    return mixed >> turn | mixed << (-turn & 63)


cdef inline uint32_t _next_32(Pcg64* bits) noexcept nogil:
    cdef uint64_t both
    bits.has_kept = not bits.has_kept
    if not bits.has_kept:
        return bits.kept
    both = _next_64(bits)
    bits.kept = <uint32_t> (both >> 32)
    return <uint32_t> both


cdef void _seed(Pcg64* bits, const uint8_t* seed, Py_ssize_t words, uint32_t epoch) noexcept nogil:
    """The generator of ``PCG64([seed, epoch])`` for a seed of these words, the lowest first."""
    cdef Hash hash_
    cdef uint32_t[POOL] pool
    cdef uint64_t[POOL] drawn
    cdef Py_ssize_t i
    cdef int k
    cdef uint32_t word
    cdef Wide start
    hash_.constant, hash_.factor = <uint32_t> 0x43B0D7E5, <uint32_t> 0x931E8875
    for i in range(max(<Py_ssize_t> POOL, words + 1)):
        word = epoch if i == words else 0
        if i < words:
            for k in range(4):
                word |= <uint32_t> seed[4 * i + k] << 8 * k
        if i < POOL:
            pool[i] = _hashed(&hash_, word)
        if i == POOL - 1:
            for k in range(POOL * POOL):
                if k // POOL != k % POOL:
                    _mix(&hash_, pool[k // POOL], &pool[k % POOL])
        elif i >= POOL:
            for k in range(POOL):
                _mix(&hash_, word, &pool[k])
    hash_.constant, hash_.factor = <uint32_t> 0x8B51F9DD, <uint32_t> 0x58F38DED
    for k in range(POOL):
        drawn[k] = _hashed(&hash_, pool[2 * k % POOL])
        drawn[k] |= <uint64_t> _hashed(&hash_, pool[(2 * k + 1) % POOL]) << 32
    start.high, start.low = drawn[0], drawn[1]
    bits.step.high, bits.step.low = drawn[2] << 1 | drawn[3] >> 63, drawn[3] << 1 | 1
    bits.state = _sum(bits.step, start)
    bits.has_kept = False
    _advance(bits)


cdef void _permutation(Pcg64* bits, uint64_t n, int64_t* order) noexcept nogil:
    """From the last place to the first."""
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
            j = mask & (_next_32(bits) if mask >> 32 == 0 else _next_64(bits))
        order[i], order[j] = order[j], order[i]


cdef void _permutations(const uint8_t* seed, Py_ssize_t words, uint32_t epoch, Py_ssize_t n,
                        Py_ssize_t rows, int64_t* orders) noexcept nogil:
    cdef Pcg64 bits
    cdef Py_ssize_t i
    for i in range(n):
        _seed(&bits, seed, words, epoch + <uint32_t> i)
        _permutation(&bits, rows, orders + i * rows)


def permutations(bytes seed not None, uint32_t epoch, orders, /):
    """Fill orders (E, N), int64, with the permutations of 0 .. N - 1 of E epochs from this one on.

    seed: a number, its bytes from the lowest on, a multiple of 4.
    """
    cdef Held held
    cdef Py_ssize_t n, rows, words = len(seed) // 4
    cdef const uint8_t* start = seed
    if words == 0 or len(seed) % 4 != 0:
        raise ValueError("seed wants 4 bytes, or a multiple of 4")
    hold_nothing(&held)
    try:
        hold(&held, b"orders", orders, INT64, 2, WRITE)
        n, rows = held_size(&held, 0, 0), held_size(&held, 0, 1)
        if n * rows < ENOUGH_TO_LET_GO:
            _permutations(start, words, epoch, n, rows, <int64_t*> held_data(&held, 0))
        else:
            with nogil:
                _permutations(start, words, epoch, n, rows, <int64_t*> held_data(&held, 0))
    finally:
        let_go(&held)
