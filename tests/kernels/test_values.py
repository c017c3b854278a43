"""Every kernel computes what its twin in `affinet.reference` computes, at every size."""

import importlib
import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affinet import _dispatch
from kernel_calls import (
    ROW_DIMENSIONS,
    SPECIAL,
    Call,
    check_edges,
    check_results,
    check_special_values,
    element_by_element,
    problem,
    real_arrays,
    reference_results,
    run_and_check,
    solvable,
    vector_edges,
)
from kernel_table import KERNELS

every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
LINEAR = [
    "affine_backward_db",
    "affine_backward_dw",
    "affine_backward_dx",
    "affine_forward",
    "affine_relu_forward",
    "gemm_nn",
    "gemm_nt",
    "gemm_tn",
]
WITHOUT_WEIGHTS = [kernel for kernel in KERNELS.values() if "weights" in kernel.scalars]
WITH_WEIGHTS = [KERNELS[f"{kernel.name} with weights"] for kernel in WITHOUT_WEIGHTS]
RANDOM = settings(max_examples=min(15, settings.default.max_examples), deadline=None)


def random_sizes(kernel, lanes):
    """Sizes for Hypothesis: edges more often than chance, and up to a few hundred columns."""
    rows = st.sampled_from([0, 1, 5]) | st.integers(0, 40)
    columns = st.sampled_from(vector_edges(lanes)) | st.integers(0, 6 * lanes + 1)
    columns |= st.integers(100, 400)
    choices = {
        letter: rows if letter in ROW_DIMENSIONS else columns for letter in kernel.dimensions
    }
    return st.fixed_dictionaries(choices).filter(lambda sizes: solvable(kernel, sizes))


@every_kernel
def test_at_the_edges(kernels, dtype, lanes, kernel):
    check_edges(kernels, kernel, dtype, lanes)


@every_kernel
@RANDOM
@given(data=st.data())
def test_at_random_sizes(kernels, dtype, lanes, kernel, data):
    sizes = data.draw(random_sizes(kernel, lanes), label="sizes")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), label="seed"))
    run_and_check(kernels, problem(kernel, dtype, sizes, rng), rng)


@every_kernel
def test_at_a_large_size(kernels, dtype, kernel):
    """One size beyond all blocks and tiles, a little off every round number."""
    sizes = dict.fromkeys(kernel.dimensions, 1031)
    sizes |= {"B": 131, "M": 131, "N": 67, "O": 67, "n": 20_011}
    rng = np.random.default_rng(2)
    run_and_check(kernels, problem(kernel, dtype, sizes, rng), rng)


@pytest.mark.parametrize("rows", [1031, 4099])
@pytest.mark.parametrize("name", ["affine_backward_dw", "affine_backward_db", "gemm_tn"])
def test_a_long_sum_over_rows(kernels, dtype, name, rows):
    sizes = {"B": rows, "K": rows, "I": 19, "M": 19, "O": 37, "N": 37}
    rng = np.random.default_rng(3)
    run_and_check(kernels, problem(KERNELS[name], dtype, sizes, rng), rng)


# In small integers everything linear is exact, whatever the order of the additions: these tests
# have no tolerance, and go through all tile shapes and all lengths of sums around a block's end.


def check_exactly(kernels, kernel, dtype, sizes, rng):
    made = problem(kernel, dtype, sizes, rng)
    for name, array in made.arrays.items():
        made.arrays[name] = rng.integers(-4, 5, array.shape).astype(dtype)
    wanted = reference_results(made)
    for name, result in Call(made, rng).run(kernels).items():
        np.testing.assert_array_equal(result, wanted[name].astype(dtype), str(sizes), strict=True)


@pytest.mark.parametrize("name", LINEAR)
def test_every_tile_shape_exactly(kernels, dtype, lanes, name):
    kernel, rng = KERNELS[name], np.random.default_rng(4)
    output = kernel.outputs[0].dims
    across = [*range(2 * lanes + 2), 3 * lanes - 1, 4 * lanes, 4 * lanes + 1, 6 * lanes + 1]
    for shape in itertools.product(range(27), across):
        ours = zip(output[::-1], shape[::-1], strict=False)  # a vector output takes the columns
        sizes = dict.fromkeys(kernel.dimensions, 3) | dict(ours)
        check_exactly(kernels, kernel, dtype, sizes, rng)


@pytest.mark.parametrize("name", LINEAR)
def test_every_length_of_the_sum_exactly(kernels, dtype, lanes, name):
    kernel, rng = KERNELS[name], np.random.default_rng(5)
    output = kernel.outputs[0].dims
    near_blocks = [size + step for size in (64, 128, 256, 384, 512, 1024) for step in (-1, 0, 1)]
    for length in [*range(34), *near_blocks]:
        # Few rows; and rows enough to run along the lanes where the last columns are few.
        for columns, rows in ((2 * lanes + 3, 5), (2 * lanes + 2, 2 * lanes + 1)):
            sizes = dict.fromkeys(kernel.dimensions, length)
            sizes |= dict(zip(output[::-1], (columns, rows), strict=False))
            check_exactly(kernels, kernel, dtype, sizes, rng)


@pytest.mark.parametrize(
    ("rows", "length", "columns"),
    [
        *((241, 257, 193), (487, 131, 389), (250, 515, 205), (13, 300, 195), (513, 1, 2)),
        *((130, 700, 50), (61, 1030, 17), (784, 300, 50), (512, 129, 10), (300, 520, 64)),
        *((500, 140, 50), (333, 70, 3)),  # many rows, with few columns at the end or at all
        *((128, 70, 3), (256, 200, 7)),  # a crowded panel and fewer rows than a tile
        (1100, 530, 700),  # out is larger than half a second cache
    ],
)
@pytest.mark.parametrize("name", LINEAR)
def test_beyond_all_blocks_exactly(kernels, dtype, name, rows, length, columns):
    kernel, rng = KERNELS[name], np.random.default_rng(6)
    ours = zip(kernel.outputs[0].dims[::-1], (columns, rows), strict=False)
    sizes = dict.fromkeys(kernel.dimensions, length) | dict(ours)
    check_exactly(kernels, kernel, dtype, sizes, rng)


# NaN, infinities, extremes -----------------------------------------------------------------------


@every_kernel
@RANDOM
@given(data=st.data())
def test_one_special_value_anywhere(kernels, dtype, lanes, kernel, data):
    """A NaN or an infinity reaches what depends on it and nothing else."""
    choices = {
        letter: st.integers(1, 5) if letter in ROW_DIMENSIONS else st.integers(1, 3 * lanes + 3)
        for letter in kernel.dimensions
    }
    sizes = data.draw(st.fixed_dictionaries(choices), label="sizes")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), label="seed"))
    made = problem(kernel, dtype, sizes, rng)
    name = data.draw(st.sampled_from(real_arrays(made)), label="array")
    place = data.draw(st.integers(0, made.arrays[name].size - 1), label="place")
    made.arrays[name].flat[place] = data.draw(st.sampled_from(SPECIAL), label="value")
    run_and_check(kernels, made, rng)


@pytest.mark.parametrize(
    "kernel", [k for k in KERNELS.values() if element_by_element(k)], ids=lambda k: k.key
)
def test_special_values_in_every_lane(kernels, dtype, lanes, kernel):
    """All special values of all arguments meet, in the vectors and in the rest."""
    check_special_values(kernels, kernel, dtype, lanes)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", [name for name in LINEAR if name != "affine_backward_db"])
def test_zero_times_infinity_is_not_skipped(kernels, dtype, lanes, name, value):
    kernel, rng = KERNELS[name], np.random.default_rng(7)
    made = problem(kernel, dtype, dict.fromkeys(kernel.dimensions, 2 * lanes + 3), rng)
    first, second = (argument.name for argument in kernel.inputs[:2])
    for zeros, specials in ((first, second), (second, first)):
        made.arrays[zeros][:], made.arrays[specials][:] = 0, value
        (result,) = Call(made, rng).run(kernels).values()
        assert np.isnan(result).all()


@pytest.mark.parametrize("name", ["relu_backward", "leaky_relu_backward"])
@pytest.mark.parametrize("value", SPECIAL)
def test_the_kink_belongs_to_the_left(kernels, dtype, lanes, name, value):
    """Where y is 0 the rectifier's gradient is 0 even for an infinite or undefined dout."""
    rng = np.random.default_rng(8)
    made = problem(KERNELS[name], dtype, {"n": 2 * lanes + 3}, rng)
    made.arrays["y"][:], made.arrays["dout"][:] = 0, value
    run_and_check(kernels, made, rng)


@pytest.mark.parametrize(
    "name", ["sigmoid_forward", "tanh_forward", "gelu_forward", "silu_forward", "softmax_forward"]
)
def test_extreme_arguments(kernels, dtype, lanes, name):
    kernel, rng = KERNELS[name], np.random.default_rng(9)
    ladder = np.concatenate([np.linspace(-120, 120, 481), np.linspace(-760, 760, 381)])
    ends = np.array([1e4, 1e10, 1e30, np.finfo(dtype).max, np.finfo(dtype).tiny, 1e-20, 1e-3, 0.1])
    values = np.concatenate([ladder, ends, -ends]).astype(dtype)
    sizes = {"n": values.size, "B": values.size, "C": lanes + 1}
    made = problem(kernel, dtype, sizes, rng)
    if name == "softmax_forward":
        made.arrays["x"][:] = 0
        made.arrays["x"][np.arange(values.size), np.arange(values.size) % (lanes + 1)] = values
    else:
        made.arrays["x"][:] = values
    actual = run_and_check(kernels, made, rng)
    if name == "softmax_forward":
        np.testing.assert_allclose(actual["y"].sum(axis=1), 1, rtol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("gap", [1e4, 1e30])
def test_a_sure_mistake_costs_its_logit(kernels, dtype, lanes, gap):
    rng = np.random.default_rng(10)
    kernel = KERNELS["softmax_cross_entropy_labels"]
    made = problem(kernel, dtype, {"B": 4, "C": lanes + 2}, rng)
    made.scalars["label_smoothing"] = 0.0
    made.arrays["x"][:], made.arrays["t"][:] = 0, lanes + 1
    made.arrays["x"][:, 0] = gap
    actual = run_and_check(kernels, made, rng)
    assert actual["loss"] == float(dtype.type(gap))


# What only one kernel promises -------------------------------------------------------------------


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
def test_weights_of_one_change_no_bit_of_a_gradient(kernels, dtype, kernel, columns):
    """Of the loss neither where rows are summed one by one; else up to its sum's rounding."""
    rng = np.random.default_rng(18)
    made = problem(kernel, dtype, {"B": 19, "C": columns, "O": columns}, rng)
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
def test_a_row_without_weight_counts_nothing_whatever_it_holds(kernels, dtype, kernel, bad):
    rng = np.random.default_rng(19)
    made = problem(kernel, dtype, {"B": 5, "C": 7, "O": 7}, rng)
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
def test_adam_at_any_step(kernels, dtype, steps, name):
    rng = np.random.default_rng(11)
    made = problem(KERNELS[name], dtype, {"n": 37}, rng)
    made.scalars |= {"step": steps, "beta1": 0.9, "beta2": 0.999}
    run_and_check(kernels, made, rng)


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
def test_a_norm_that_is_not_finite_leaves_nothing_but_nan(kernels, dtype, bad):
    for place in (0, 7, 40_000, 66_665):
        dW = np.zeros(66_666, dtype)
        dW[place] = bad
        norm, out = clipped(kernels, dW, 1.0)
        assert not np.isfinite(norm)
        assert np.isnan(out).all()


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
def test_dropout_at_the_ends_of_its_words(kernels, dtype, lanes, scalars):
    """Thresholds next to the first word, 6627e8d5, and counters about to wrap."""
    rng = np.random.default_rng(12)
    made = problem(KERNELS["dropout_forward"], dtype, {"B": 5, "O": 2 * lanes + 3}, rng)
    made.scalars = scalars
    run_and_check(kernels, made, rng)


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


ROW_BY_ROW = ["affine_backward_dx", "affine_forward", "affine_relu_forward", "gemm_nn", "gemm_nt"]


@pytest.mark.parametrize("name", [*ROW_BY_ROW, "softmax_forward"])
@pytest.mark.parametrize("columns", [2, 10, 50, 200])
def test_a_row_has_the_same_bits_alone_and_in_a_batch(kernels, dtype, name, columns):
    """So predictions depend neither on the size of the batch nor on how it is shared out."""
    kernel, rng = KERNELS[name], np.random.default_rng(16)
    rows = kernel.outputs[0].dims[0]
    sizes = dict.fromkeys(kernel.dimensions, columns) | {"I": 300, "K": 300, rows: 43}
    batch = problem(kernel, dtype, sizes, rng)
    (whole,) = Call(batch, rng).run(kernels).values()
    first = kernel.inputs[0].name
    for start, stop in ((0, 1), (42, 43), (7, 12), (20, 43)):
        part = replace(batch, sizes=sizes | {rows: stop - start})
        part.arrays = batch.arrays | {first: batch.arrays[first][start:stop]}
        (result,) = Call(part, rng).run(kernels).values()
        np.testing.assert_array_equal(result, whole[start:stop])


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("shape", [(100, 300, 50), (100, 300, 200), (70, 1300, 210)])
def test_the_sizes_of_the_caches_change_no_bit(kernels, dtype, name, shape):
    """They only say how a product is cut into blocks."""
    kernel, rng = KERNELS[name], np.random.default_rng(18)
    rows, length, columns = shape
    ours = zip(kernel.outputs[0].dims[::-1], (columns, rows), strict=False)
    made = problem(kernel, dtype, dict.fromkeys(kernel.dimensions, length) | dict(ours), rng)
    results = []
    try:
        for sizes in ((1, 1), (2000, 9000), (48 << 10, 2 << 20), (1 << 30, 1 << 40)):
            kernels.set_cache_sizes(*sizes)
            results.append(Call(made, rng).run(kernels))
    finally:
        kernels.set_cache_sizes(32 << 10, 512 << 10)
    for other, result in itertools.product(results[1:], kernel.results):
        np.testing.assert_array_equal(other[result], results[0][result], result)


def test_caches_have_a_size(kernels):
    for sizes in ((0, 1), (1, 0), (-1, -1)):
        with pytest.raises(ValueError, match="wanted 1 or more"):
            kernels.set_cache_sizes(*sizes)


@pytest.mark.parametrize("offset", [0, 1e3, -1e5])
@pytest.mark.parametrize("way", ["batch", "layer"])
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
def test_equal_numbers_have_no_variance(kernels, dtype, way):
    """The mean is theirs exactly where sums are wide enough, so beta alone is left."""
    x = np.full((7, 7), 0.1, np.float32).astype(dtype)
    out, mean, variance = np.empty_like(x), np.empty(7, dtype), np.empty(7, dtype)
    gamma, beta = np.full(7, 2, dtype), np.arange(7).astype(dtype)
    getattr(kernels, f"{way}_norm_forward")(x, gamma, beta, 1e-5, out, mean, variance)
    np.testing.assert_array_equal(mean, x[0])
    assert not variance.any()
    np.testing.assert_array_equal(out, np.broadcast_to(beta, x.shape))


def test_a_column_alone_and_in_its_batch(kernels, dtype):
    """Blocks of columns and vectors change no bit."""
    rng = np.random.default_rng(19)
    x = rng.standard_normal((9, 200)).astype(dtype)
    dout, gamma, beta = (rng.standard_normal(s).astype(dtype) for s in (x.shape, 200, 200))

    def run(columns):
        part = [np.ascontiguousarray(a[..., columns]) for a in (x, dout, gamma, beta)]
        x_part, dout_part, gamma_part, beta_part = part
        out, dx = np.empty_like(x_part), np.empty_like(x_part)
        mean, variance, dgamma, dbeta = (np.empty_like(gamma_part) for _ in range(4))
        kernels.batch_norm_forward(x_part, gamma_part, beta_part, 1e-5, out, mean, variance)
        kernels.batch_norm_backward(
            x_part, dout_part, gamma_part, mean, variance, 1e-5, True, dx, dgamma, dbeta
        )
        return out, mean, variance, dx, dgamma, dbeta

    together = run(slice(None))
    for start, stop in ((0, 1), (63, 64), (64, 65), (60, 131), (199, 200)):
        for alone, whole in zip(run(slice(start, stop)), together, strict=True):
            np.testing.assert_array_equal(alone, whole[..., start:stop])


@every_kernel
def test_levels_that_fuse_agree_to_the_bit(dtype, kernel):
    modules = [importlib.import_module(f"affinet._kernels.{level}") for level in usable_levels()]
    fusing = [module for module in modules if module.build_level()[1]]
    if len(fusing) < 2:
        pytest.skip("fewer than two levels with a fused multiply-add")
    rng = np.random.default_rng(17)
    for columns in (1, 37, 300):
        made = problem(kernel, dtype, dict.fromkeys(kernel.dimensions, columns) | {"B": 29}, rng)
        first, *others = (Call(made, rng).run(module) for module in fusing)
        for other, name in itertools.product(others, kernel.results):
            np.testing.assert_array_equal(other[name], first[name], name)


def usable_levels():
    return [level for level in _dispatch.compiled_levels() if level in _dispatch.supported_levels()]


@every_kernel
def test_the_same_call_gives_the_same_bits(kernels, dtype, kernel):
    """Wherever in memory the arguments lie."""
    sizes = dict.fromkeys(kernel.dimensions, 45)
    made = problem(kernel, dtype, sizes, np.random.default_rng(14))
    first = Call(made, np.random.default_rng(15)).run(kernels)
    for seed in range(16, 20):
        again = Call(made, np.random.default_rng(seed)).run(kernels)
        for name in kernel.results:
            np.testing.assert_array_equal(again[name], first[name], strict=True)
    check_results(made, first)
