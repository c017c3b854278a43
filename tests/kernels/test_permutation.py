"""An epoch's order has the numbers of NumPy's own permutation, at every size and level."""

import datetime
import threading

import numpy as np
import pytest

FROM_HERE_WITHOUT_THE_GIL = 16384
SIZES = [0, 1, 2, 3, 4, 5, 31, 32, 33, 1000, 1025, FROM_HERE_WITHOUT_THE_GIL, 70_001]


def filled(kernels, bits, n):
    order = np.full(n, -1, np.int64)
    kernels.permutation(bits, order)
    return order


@pytest.mark.parametrize("make", [np.random.PCG64, np.random.MT19937, np.random.Philox])
def test_it_is_numpys_permutation(kernels, make):
    for n in SIZES:
        for seed in range(20 if n < 100 else 2):
            wanted = np.random.Generator(make([seed, n])).permutation(n)
            np.testing.assert_array_equal(filled(kernels, make([seed, n]), n), wanted)


def test_a_second_one_goes_on_where_the_first_ended(kernels):
    bits, rng = np.random.PCG64(3), np.random.default_rng(3)
    for n in (7, 2, 100):
        np.testing.assert_array_equal(filled(kernels, bits, n), rng.permutation(n))


@pytest.mark.parametrize(
    ("order", "kind", "message"),
    [
        (np.zeros(4, np.int32), TypeError, "order has the wrong dtype, wanted int64"),
        (np.zeros((4, 1), np.int64), TypeError, "order has 2 dimensions, wanted 1"),
        (np.zeros(8, np.int64)[::2], ValueError, "contiguous"),
        (None, TypeError, "order is None, wanted an array"),
        (np.broadcast_to(np.int64(1), 4), ValueError, "read-only|contiguous"),
    ],
)
def test_other_arrays_are_refused(kernels, order, kind, message):
    with pytest.raises((kind, BufferError), match=message):
        kernels.permutation(np.random.PCG64(0), order)


class OtherCapsule:
    capsule = datetime.datetime_CAPI


@pytest.mark.parametrize(
    ("bits", "kind"),
    [
        (None, AttributeError),
        (np.random.PCG64(0).capsule, AttributeError),
        (np.random.default_rng(0), AttributeError),
        (OtherCapsule(), ValueError),
    ],
)
def test_what_is_no_bit_generator_is_refused(kernels, bits, kind):
    order = np.full(3, -1, np.int64)
    with pytest.raises(kind, match=r"capsule|PyCapsule"):
        kernels.permutation(bits, order)
    assert (order == -1).all()


def test_the_bit_generator_lives_as_long_as_it_is_drawn_from(kernels):
    """Nobody but the call holds it, and another thread takes whatever memory becomes free."""
    wanted, over = np.random.default_rng(0).permutation(70_000), threading.Event()

    def take_memory():
        while not over.is_set():
            [np.random.PCG64(1) for _ in range(50)]

    thread = threading.Thread(target=take_memory)
    thread.start()
    try:
        for _ in range(20):
            order = np.empty(70_000, np.int64)
            kernels.permutation(np.random.PCG64(0), order)
            np.testing.assert_array_equal(order, wanted)
    finally:
        over.set()
        thread.join()


def test_many_threads_at_once(kernels):
    wanted = [np.random.default_rng(seed).permutation(20_000) for seed in range(4)]
    found = {}

    def fill(seed):
        found[seed] = [filled(kernels, np.random.PCG64(seed), 20_000) for _ in range(5)]

    threads = [threading.Thread(target=fill, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, orders in found.items():
        for order in orders:
            np.testing.assert_array_equal(order, wanted[seed])
