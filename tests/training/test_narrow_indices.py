"""Where NumPy counts in 32 bits, as in a browser, networks train to the same bits."""

import numpy as np
import pytest

import affinet as an
from affinet._dispatch import kernels

X = np.random.default_rng(0).normal(size=(37, 5)).astype(np.float32)
T = np.arange(37) % 3


class NarrowGenerator(np.random.Generator):
    """Whose permutations have the type that NumPy counts in on a machine of 32 bits."""

    def permutation(self, x, axis=0):
        drawn = super().permutation(x, axis)
        return drawn.astype(np.int32) if np.ndim(x) == 0 else drawn


def narrow(monkeypatch):
    arange, rng = np.arange, np.random.default_rng

    def narrow_arange(*args, **options):
        found = arange(*args, **options)
        return found.astype(np.int32) if found.dtype == np.int64 and not options else found

    monkeypatch.setattr(np, "arange", narrow_arange)
    monkeypatch.setattr(
        np.random,
        "default_rng",
        lambda seed=None: NarrowGenerator(rng(seed).bit_generator),
    )


def trained(x, **options):
    net = an.Sequential(
        an.Affine.init(5, 8, rng=0),
        an.ReLU(),
        an.Affine.init(8, 3, rng=1),
        loss=an.SoftmaxWithLoss(),
    )
    net.fit(x, T.astype(np.int64), epochs=2, batch_size=8, verbose=0, **options)
    return net.params.flat.copy()


@pytest.mark.parametrize("options", [
    {}, {"shuffle": False}, {"sampler": an.samplers.WithReplacement(20)},
    {"sampler": an.samplers.Shuffled()}, {"sample_weight": np.linspace(0.5, 1, 37)},
])  # fmt: skip
def test_the_type_of_indices_changes_no_bit(monkeypatch, options):
    wanted = trained(X, **options)
    narrow(monkeypatch)
    assert np.random.default_rng(0).permutation(3).dtype == np.int32
    np.testing.assert_array_equal(trained(X, **options), wanted)


def test_rows_in_files(monkeypatch):
    rows = an.datasets.Shards([X[:20], X[20:]])
    wanted = trained(rows)
    narrow(monkeypatch)
    np.testing.assert_array_equal(trained(rows), wanted)


@pytest.mark.parametrize("batch_size", [np.iinfo(np.intp).max >> k for k in (0, 1, 2, 5, 8)])
def test_a_batch_that_no_memory_holds_is_refused(batch_size):
    flat = np.zeros(5 * 8 + 8)
    records = [("affine", (-1,), 8, (0, 40), (), 0, ())]
    network = kernels.make_operations(flat, records, 5)
    with pytest.raises(MemoryError, match=f"no memory for a batch of {batch_size} rows"):
        kernels.make_plan(
            network, flat.copy(), "softmax_cross_entropy", "sgd", [], batch_size, None
        )
