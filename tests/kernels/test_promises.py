"""Promises that only one kernel, or one kind of kernel, makes."""

from dataclasses import replace

import numpy as np
import pytest

from everywhere import everywhere
from kernel_calls import (
    Call,
    problem,
    run_and_check,
)
from kernel_table import KERNELS

WITHOUT_WEIGHTS = [kernel for kernel in KERNELS.values() if "weights" in kernel.scalars]
WITH_WEIGHTS = [KERNELS[f"{kernel.name} with weights"] for kernel in WITHOUT_WEIGHTS]


@everywhere
def test_losses_add_their_terms_in_double(kernels):
    """A million equal float32 terms: a float32 sum would be off by whole per cents."""
    n = 2**20 + 1
    y, t = np.full((n, 1), 0.1, np.float32), np.zeros((n, 1), np.float32)
    one = float(np.float32(0.1))
    for weights in (None, np.ones(n)):
        for name, scalars, mean in (
            ("mean_squared_error", (), one**2),
            ("sum_squared_error", (), n * one**2 / 2),
            ("mean_absolute_error", (), one),
            ("huber_loss", (1.0,), one**2 / 2),
            ("poisson_loss", (), np.exp(one)),
            ("quantile_loss", (0.25,), 0.75 * one),
            ("sigmoid_cross_entropy", (), np.log1p(np.exp(one))),
        ):
            loss = getattr(kernels, name)(y, t, weights, *scalars, y.copy())
            assert loss == pytest.approx(mean, rel=3e-7), name
        x, labels = np.zeros((n, 2), np.float32), np.zeros(n, np.int64)
        loss = kernels.softmax_cross_entropy_labels(x, labels, weights, 0.0, x.copy(), x.copy())
        assert loss == pytest.approx(np.log(2), rel=3e-7)


@pytest.mark.parametrize("columns", [1, 3, 8, 21])
@pytest.mark.parametrize("kernel", WITHOUT_WEIGHTS, ids=lambda k: k.key)
@everywhere
def test_weights_of_one_change_no_bit_of_a_gradient(kernels, dtype, kernel, columns):
    """Of the loss neither where rows are summed one by one; else up to its sum's rounding."""
    rng = np.random.default_rng(18)
    made = problem(kernel, dtype, kernel.sized(columns, B=19), rng)
    without = Call(made, rng).run(kernels)
    made.scalars["weights"] = np.ones(19)
    ones = Call(made, rng).run(kernels)
    for name in kernel.results[1:]:
        np.testing.assert_array_equal(ones[name], without[name], strict=True)
    if "softmax" in kernel.name:
        assert ones["loss"] == without["loss"]
    else:
        assert ones["loss"] == pytest.approx(without["loss"], rel=1e-14)


@pytest.mark.parametrize("kernel", WITH_WEIGHTS, ids=lambda k: k.key)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@everywhere
def test_a_row_without_weight_counts_nothing_whatever_it_holds(kernels, dtype, kernel, bad):
    rng = np.random.default_rng(19)
    made = problem(kernel, dtype, kernel.sized(7, B=5), rng)
    first = kernel.inputs[0].name
    made.arrays["weights"][:] = [1, 0, 2, 0, 1]
    wanted = Call(made, rng).run(kernels)
    made.arrays[first][[1, 3]] = bad
    actual = Call(made, rng).run(kernels)
    assert actual["loss"] == wanted["loss"]
    np.testing.assert_array_equal(actual["dx"], wanted["dx"])
    assert not actual["dx"][[1, 3]].any()
    made.arrays["weights"][:] = 0
    nothing = Call(made, rng).run(kernels)
    assert nothing["loss"] == 0
    assert not nothing["dx"].any()


@pytest.mark.parametrize("name", ["adam_update", "adamw_update"])
@pytest.mark.parametrize("steps", [1, 2, 1000, 2**40])
@everywhere
def test_adam_at_any_step(kernels, dtype, steps, name):
    rng = np.random.default_rng(11)
    made = problem(KERNELS[name], dtype, {"n": 37}, rng)
    made.scalars |= {"step": steps, "beta1": 0.9, "beta2": 0.999}
    run_and_check(kernels, made, rng)


@everywhere
def test_without_weight_decay_adamw_is_adam(kernels, dtype):
    made = problem(KERNELS["adamw_update"], dtype, {"n": 67}, np.random.default_rng(17))
    made.scalars["weight_decay"] = 0.0
    adamw = Call(made, np.random.default_rng(18)).run(kernels)
    scalars = {name: value for name, value in made.scalars.items() if name != "weight_decay"}
    adam = replace(made, kernel=KERNELS["adam_update"], scalars=scalars)
    for name, wanted in Call(adam, np.random.default_rng(18)).run(kernels).items():
        np.testing.assert_array_equal(adamw[name], wanted)


def clipped(kernels, dW, max_norm):
    out = np.full_like(dW, np.nan)
    return kernels.clip_norm(dW, max_norm, out), out


@everywhere
def test_a_norm_at_its_bound_is_left_alone(kernels, dtype):
    """Multiplied by 1 or not at all: every bit stays, the sign of a zero too."""
    dW = np.array([3, -4, 0, -0.0, 12], dtype)
    for max_norm in (13, 13.000001, 1e30):
        norm, out = clipped(kernels, dW, max_norm)
        assert norm == 13
        assert out.tobytes() == dW.tobytes()
    norm, out = clipped(kernels, dW, 6.5)
    assert norm == 13
    np.testing.assert_array_equal(out, dW / 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@everywhere
def test_a_norm_that_is_not_finite_leaves_nothing_but_nan(kernels, dtype, bad):
    for place in (0, 7, 40_000, 66_665):
        dW = np.zeros(66_666, dtype)
        dW[place] = bad
        norm, out = clipped(kernels, dW, 1.0)
        assert not np.isfinite(norm)
        assert np.isnan(out).all()


@everywhere
def test_norms_are_added_in_double(kernels, dtype):
    """Beyond and below what a single number can hold as a square, and a million small terms."""
    for size in (1e-30, 1e30):
        dW = np.array([3 * size, 4 * size], dtype)
        norm, out = clipped(kernels, dW, 2.5 * size)
        assert norm == pytest.approx(5 * size, rel=1e-6)
        np.testing.assert_allclose(out, dW / 2, rtol=1e-6)
    dW = np.full(2**20, 0.1, dtype)
    assert clipped(kernels, dW, 1.0)[0] == pytest.approx(2**10 * float(dW[0]), rel=1e-13)
    W, dW = np.full(2**20, 0.1, dtype), np.zeros(2**20, dtype)
    penalty = kernels.l2_penalty(W, 0.5, dW)
    assert penalty == pytest.approx(0.25 * 2**20 * float(W[0]) ** 2, rel=1e-13)


@everywhere
def test_a_clip_by_a_factor_below_all_single_numbers(kernels):
    """1e-30 / 1e38 is 0 in single precision, its product with the gradient is not."""
    norm, out = clipped(kernels, np.array([1e38, -1e37], np.float32), 1e-30)
    assert norm > 9e37
    np.testing.assert_allclose(out, [9.95037e-31, -9.95037e-32], rtol=1e-5)


@pytest.mark.parametrize(
    "scalars",
    [
        {"p": 0.5, "key": 0, "step": 0, "row": 0},
        {"p": 0.5, "key": 2**64 - 1, "step": 2**64 - 1, "row": 2**32 - 2},
        {"p": 0.0, "key": 1, "step": 2, "row": 3},
        {"p": 1 - 2**-40, "key": 1, "step": 2, "row": 3},
        {"p": 0x6627E8D5 / 2**32, "key": 0, "step": 0, "row": 0},
        {"p": (0x6627E8D5 + 1) / 2**32, "key": 0, "step": 0, "row": 0},
        {"p": (0x6627E8D5 + 0.5) / 2**32, "key": 0, "step": 0, "row": 0},
        {"p": (0x6627E8D5 - 0.5) / 2**32, "key": 0, "step": 0, "row": 0},
    ],
)
@everywhere
def test_dropout_at_the_ends_of_its_words(kernels, dtype, lanes, scalars):
    """Thresholds next to the first word, 6627e8d5, and counters about to wrap."""
    rng = np.random.default_rng(12)
    made = problem(KERNELS["dropout_forward"], dtype, {"B": 5, "O": 2 * lanes + 3}, rng)
    made.scalars = scalars
    run_and_check(kernels, made, rng)


@everywhere
def test_part_of_a_batch_gets_its_part_of_the_mask(kernels, dtype):
    rng = np.random.default_rng(13)
    x = rng.standard_normal((23, 29)).astype(dtype)
    whole, mask = np.empty_like(x), np.empty(x.shape, np.uint8)
    kernels.dropout_forward(x, 0.4, 5, 6, 2**32 - 7, whole, mask)
    for start, stop in ((0, 1), (1, 11), (11, 23)):
        part, part_mask = np.empty_like(x[start:stop]), np.empty_like(mask[start:stop])
        kernels.dropout_forward(x[start:stop], 0.4, 5, 6, 2**32 - 7 + start, part, part_mask)
        np.testing.assert_array_equal(part, whole[start:stop])
        np.testing.assert_array_equal(part_mask, mask[start:stop])


@everywhere
def test_caches_have_a_size(kernels):
    for sizes in ((0, 1), (1, 0), (-1, -1)):
        with pytest.raises(ValueError, match="wanted 1 or more"):
            kernels.set_cache_sizes(*sizes)


@pytest.mark.parametrize("offset", [0, 1e3, -1e5])
@pytest.mark.parametrize("way", ["batch", "layer"])
@everywhere
def test_statistics_of_numbers_far_from_zero(kernels, dtype, way, offset):
    """A sum in single precision, or a difference of squares, would be off by whole per cents."""
    rng = np.random.default_rng(18)
    x = (rng.standard_normal((3001, 5)) + offset).astype(dtype)
    x = np.ascontiguousarray(x if way == "batch" else x.T)
    exact = x.astype(np.longdouble)
    axis = 0 if way == "batch" else 1
    mean, variance = np.empty(5, dtype), np.empty(5, dtype)
    ones, zeros = np.ones(x.shape[1], dtype), np.zeros(x.shape[1], dtype)
    kernel = getattr(kernels, f"{way}_norm_forward")
    kernel(x, ones, zeros, 1e-5, np.empty_like(x), mean, variance)
    # Half a unit for the rounding of a float32; 3001 roundings on the way to a float64.
    units = 0.6 if dtype.itemsize == 4 else 3001
    eps = float(np.finfo(dtype).eps)
    size = abs(exact).mean(axis=axis)
    assert (abs(mean - exact.mean(axis=axis)) <= units * eps * size).all()
    assert (abs(variance - exact.var(axis=axis)) <= units * eps * exact.var(axis=axis)).all()


@pytest.mark.parametrize("way", ["batch", "layer"])
@everywhere
def test_equal_numbers_have_no_variance(kernels, dtype, way):
    """The mean is theirs exactly where sums are wide enough, so beta alone is left."""
    x = np.full((7, 7), 0.1, np.float32).astype(dtype)
    out, mean, variance = np.empty_like(x), np.empty(7, dtype), np.empty(7, dtype)
    gamma, beta = np.full(7, 2, dtype), np.arange(7).astype(dtype)
    getattr(kernels, f"{way}_norm_forward")(x, gamma, beta, 1e-5, out, mean, variance)
    np.testing.assert_array_equal(mean, x[0])
    assert not variance.any()
    np.testing.assert_array_equal(out, np.broadcast_to(beta, x.shape))
