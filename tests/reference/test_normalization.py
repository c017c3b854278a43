"""The reference's batch and layer normalization."""

import numpy as np
import pytest

from affinet import reference
from kernel_table import KERNELS


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("name", ["batch", "layer"])
def test_what_is_normalized_has_mean_0_and_variance_1(name):
    x = 3 * normal(6, 8) + normal(6, 8, seed=1) + 5
    axis = 0 if name == "batch" else 1
    forward = getattr(reference, f"{name}_norm_forward")
    out, mean, variance = forward(x, np.ones(8), np.zeros(8), 1e-12)
    np.testing.assert_allclose(out.mean(axis=axis), 0, atol=1e-12)
    np.testing.assert_allclose(out.var(axis=axis), 1, rtol=1e-9)
    np.testing.assert_allclose(mean, x.mean(axis=axis))
    np.testing.assert_allclose(variance, x.var(axis=axis))
    scaled, _, _ = forward(x, np.full(8, 2.0), np.full(8, 7.0), 1e-12)
    np.testing.assert_allclose(scaled, 2 * out + 7)


def test_running_statistics_of_equal_batches_go_to_theirs():
    x = normal(5, 3)
    _, mean, variance = reference.batch_norm_forward(x, np.ones(3), np.zeros(3), 1e-5)
    running = np.zeros(3), np.ones(3)
    for _ in range(200):
        running = reference.batch_norm_update(mean, variance, 0.2, 5, *running)
    np.testing.assert_allclose(running[0], x.mean(axis=0))
    np.testing.assert_allclose(running[1], x.var(axis=0, ddof=1))


def test_one_row_gives_no_unbiased_variance():
    with pytest.raises(ValueError, match="rows is 1"):
        reference.batch_norm_update(*np.ones((2, 3)), 0.1, 1, *np.ones((2, 3)))


@pytest.mark.parametrize("name", ["gamma", "beta", "mean", "variance", "dout"])
def test_numpy_does_not_broadcast_in_normalizations(name):
    arrays = {a: np.ones(4) for a in ("gamma", "beta", "mean", "variance")}
    arrays |= {"x": np.ones((4, 4)), "dout": np.ones((4, 4)), name: np.ones(1)}
    for kernel in KERNELS.values():
        names = [argument.name for argument in kernel.inputs]
        if "_norm_" in kernel.name and "x" in names and name in names:
            scalars = {"eps": 1e-5, "train": True}
            given = [arrays[n] for n in names] + [scalars[s] for s in kernel.scalars]
            with pytest.raises(ValueError, match=rf"^{name} has shape \(1,\)"):
                getattr(reference, kernel.name)(*given)
