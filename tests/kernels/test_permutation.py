"""The orders of epochs have the numbers of NumPy's own, at every size and level."""

import threading

import numpy as np
import pytest

FROM_HERE_WITHOUT_THE_GIL = 16384
SIZES = [0, 1, 2, 3, 4, 5, 31, 32, 33, 1000, 1025, FROM_HERE_WITHOUT_THE_GIL, 70_001]
SEEDS = [0, 1, 2**31, 2**32 - 1, 2**32, 2**63 + 5, 2**64, 2**96 - 1, 2**96, 2**128, 2**300 + 7]


def in_bytes(seed):
    """What the kernel wants of a seed."""
    return seed.to_bytes(4 * max(1, (seed.bit_length() + 31) // 32), "little")


def filled(kernels, seed, epochs, n):
    orders = np.full((len(epochs), n), -1, np.int64)
    kernels.permutations(in_bytes(seed), epochs.start, orders)
    return orders


def numpys(seed, epoch, n):
    return np.random.default_rng([seed, epoch]).permutation(n)


def test_it_is_numpys_permutation(kernels):
    for n in SIZES:
        epochs = range(20 if n < 100 else 2)
        for epoch, order in zip(epochs, filled(kernels, n, epochs, n), strict=True):
            np.testing.assert_array_equal(order, numpys(n, epoch, n))


@pytest.mark.parametrize("seed", SEEDS)
def test_of_any_seed_and_epoch(kernels, seed):
    """A seed has as many words as it needs; the epoch is one more."""
    for epochs in range(3), range(1000, 1002), range(2**32 - 2, 2**32):
        for epoch, order in zip(epochs, filled(kernels, seed, epochs, 50), strict=True):
            np.testing.assert_array_equal(order, numpys(seed, epoch, 50))


def test_of_random_seeds(kernels):
    rng = np.random.default_rng(0)
    for _ in range(200):
        seed = int.from_bytes(rng.bytes(int(rng.integers(1, 24))), "little")
        epoch, n = int(rng.integers(2**32)), int(rng.integers(2, 40))
        np.testing.assert_array_equal(
            filled(kernels, seed, range(epoch, epoch + 1), n)[0], numpys(seed, epoch, n)
        )


@pytest.mark.parametrize(
    ("orders", "kind", "message"),
    [
        (np.zeros((1, 4), np.int32), TypeError, "orders has the wrong dtype, wanted int64"),
        (np.zeros(4, np.int64), TypeError, "orders has 1 dimensions, wanted 2"),
        (np.zeros((2, 8), np.int64)[:, ::2], ValueError, "contiguous"),
        (None, TypeError, "orders is None, wanted an array"),
        (np.broadcast_to(np.int64(1), (2, 4)), ValueError, "read-only|contiguous"),
    ],
)
def test_other_arrays_are_refused(kernels, orders, kind, message):
    with pytest.raises((kind, BufferError), match=message):
        kernels.permutations(bytes(4), 0, orders)


@pytest.mark.parametrize(
    ("seed", "epoch", "kind", "message"),
    [
        (b"", 0, ValueError, "seed wants 4 bytes, or a multiple of 4"),
        (bytes(7), 0, ValueError, "seed wants 4 bytes"),
        (None, 0, TypeError, "seed"),
        (3, 0, TypeError, "seed"),
        (bytes(4), -1, OverflowError, "negative|convert"),
        (bytes(4), 2**32, OverflowError, "large|convert"),
    ],
)
def test_other_seeds_and_epochs_are_refused(kernels, seed, epoch, kind, message):
    orders = np.full((1, 3), -1, np.int64)
    with pytest.raises(kind, match=message):
        kernels.permutations(seed, epoch, orders)
    assert (orders == -1).all()


def test_many_threads_at_once(kernels):
    wanted = [numpys(seed, 0, 20_000) for seed in range(4)]
    found = {}

    def fill(seed):
        found[seed] = [filled(kernels, seed, range(1), 20_000)[0] for _ in range(5)]

    threads = [threading.Thread(target=fill, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, orders in found.items():
        for order in orders:
            np.testing.assert_array_equal(order, wanted[seed])
