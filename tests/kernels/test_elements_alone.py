"""An element's result depends on its value alone: not on its lane, its neighbours or the level."""

import importlib
import itertools

import numpy as np
import pytest

from affinet import _dispatch
from everywhere import everywhere
from exact_results import FUNCTIONS, apply, logits, same_bits, sweep
from kernel_calls import Call, Problem, problem
from kernel_table import KERNELS

SOFTMAX = ("softmax_forward", "softmax_cross_entropy_labels", "softmax_cross_entropy_rows")
PRODUCTS = ("gemm", "affine_forward", "affine_relu", "affine_backward_dx", "affine_backward_dw")
every_function = pytest.mark.parametrize("name", FUNCTIONS)


@pytest.mark.parametrize(
    "kernel",
    [k for k in KERNELS.values() if k.dimensions == ("n",) and not k.loss],
    ids=lambda kernel: kernel.key,
)
@everywhere
def test_an_element_alone_and_in_its_array(kernels, dtype, lanes, kernel):
    rng = np.random.default_rng(4)
    made = problem(kernel, dtype, {"n": 4 * lanes + 3}, rng)
    together = Call(made, rng).run(kernels)
    ends = [1, 2, lanes - 1, lanes, lanes + 1, 3 * lanes + 2]
    for start, size in itertools.product(range(lanes + 2), ends):
        place = slice(start, start + size)
        arrays = {name: array[place] for name, array in made.arrays.items()}
        part = Problem(kernel, dtype, {"n": min(size, 4 * lanes + 3 - start)}, arrays, made.scalars)
        for name, result in Call(part, rng).run(kernels).items():
            same_bits(result, together[name][place])


@every_function
@everywhere
def test_an_element_of_the_sweep_anywhere(kernels, dtype, name):
    x = sweep(dtype)[:: 97 if dtype.itemsize == 4 else 7].copy()
    together = apply(kernels, name, x)
    for start in range(1, 20):
        same_bits(apply(kernels, name, x[start:].copy()), together[start:])
    same_bits(apply(kernels, name, x[::-1].copy()), together[::-1])


@pytest.mark.parametrize("C", [1, 2, 3, 4, 7, 8, 10, 15, 16, 17, 31, 32, 33, 50, 64, 65, 130])
@everywhere
def test_a_row_alone_and_in_its_batch(kernels, dtype, C):
    rng = np.random.default_rng(5)
    x = logits(rng, (37, C), dtype)
    t = rng.integers(0, C, len(x))
    weights = (rng.random(x.shape) * (rng.random(x.shape) < 0.6)).astype(dtype)
    y, dx = np.empty_like(x), np.empty_like(x)
    kernels.softmax_forward(x, y)
    alone = np.empty_like(x[:1])
    for i in range(len(x)):
        kernels.softmax_forward(x[i : i + 1], alone)
        same_bits(alone[0], y[i])
    for name, targets in ((SOFTMAX[1], t), (SOFTMAX[2], weights)):
        function, in_batch = getattr(kernels, name), np.empty_like(x)
        loss, losses = function(x, targets, None, 0.0, in_batch, dx), []
        same_bits(in_batch, y)
        for i in range(len(x)):
            row = slice(i, i + 1)
            losses.append(function(x[row], targets[row], None, 0.0, alone, dx[:1]))
            same_bits(alone[0], y[i])
        assert loss == np.cumsum(losses)[-1] / len(x)  # from the first row to the last


@pytest.mark.parametrize("C", [1, 4, 10, 16, 17])
@everywhere
def test_a_row_without_a_softmax_spoils_no_other(kernels, dtype, C):
    """Rows whose logits are NaN or infinite, between others in a batch."""
    rng = np.random.default_rng(6)
    x = logits(rng, (53, C), dtype)
    x[3, 0], x[20, -1], x[21], x[37, C // 2] = np.nan, np.inf, -np.inf, -np.inf
    y, alone = np.empty_like(x), np.empty_like(x)
    kernels.softmax_forward(x, y)
    for i in range(len(x)):
        kernels.softmax_forward(x[i : i + 1], alone[i : i + 1])
    np.testing.assert_array_equal(y, alone)
    good = np.isfinite(x).all(axis=1)
    assert good.sum() >= len(x) - 4
    np.testing.assert_allclose(y[good].sum(axis=1), 1, rtol=C * np.finfo(dtype).eps)
    assert np.isnan(y[[3, 20, 21]]).all()


def fused_levels():
    """The modules of all levels that can run here and have a fused multiply-add."""
    names = [name for name in _dispatch.compiled_levels() if name in _dispatch.supported_levels()]
    modules = [importlib.import_module(f"affinet._kernels.{name}") for name in names]
    return [module for module in modules if module.build_level()[1]]


def two_levels():
    modules = fused_levels()
    if len(modules) < 2:
        pytest.skip("this processor runs fewer than two levels that fuse multiply-adds")
    return modules


@pytest.mark.parametrize(
    "kernel",
    [kernel for kernel in KERNELS.values() if not kernel.name.startswith(PRODUCTS)],
    ids=lambda kernel: kernel.key,
)
def test_levels_agree_to_the_bit(dtype, kernel):
    first, *others = two_levels()
    for size in (1, 2, 3, 5, 8, 13, 16, 17, 31, 33, 50, 100, 257):
        sizes, rng = kernel.sized(size), np.random.default_rng(size)
        made = problem(kernel, dtype, sizes, rng)
        wanted = Call(made, np.random.default_rng(6)).run(first)
        for other in others:
            for name, result in Call(made, np.random.default_rng(7)).run(other).items():
                same_bits(result, wanted[name])


@every_function
def test_levels_agree_over_the_whole_range(dtype, name):
    first, *others = two_levels()
    x = np.concatenate([sweep(dtype), np.array([np.nan, np.inf, -np.inf], dtype)])
    for other in others:
        same_bits(apply(other, name, x), apply(first, name, x))
