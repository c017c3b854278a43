"""The same numbers give the same bits: alone and in a batch, on every level, on every call."""

import importlib
import itertools
from dataclasses import replace

import numpy as np
import pytest

from affinet import _dispatch
from everywhere import everywhere
from kernel_calls import (
    Call,
    check_results,
    problem,
)
from kernel_groups import LINEAR
from kernel_table import KERNELS

every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
ROW_BY_ROW = ["affine_backward_dx", "affine_forward", "affine_relu_forward", "gemm_nn", "gemm_nt"]


@pytest.mark.parametrize("name", [*ROW_BY_ROW, "softmax_forward"])
@pytest.mark.parametrize("columns", [2, 10, 50, 200])
@everywhere
def test_a_row_has_the_same_bits_alone_and_in_a_batch(kernels, dtype, name, columns):
    """So predictions depend neither on the batch size nor on how rows are divided among threads."""
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
    """They only set how a product is cut into blocks."""
    kernel, rng = KERNELS[name], np.random.default_rng(18)
    rows, length, columns = shape
    ours = zip(kernel.outputs[0].dims[::-1], (columns, rows), strict=False)
    made = problem(kernel, dtype, dict.fromkeys(kernel.dimensions, length) | dict(ours), rng)
    results = []
    try:
        for sizes in ((1, 1), (2000, 9000), (48 << 10, 2 << 20), (1 << 30, np.iinfo(np.intp).max)):
            kernels.set_cache_sizes(*sizes)
            results.append(Call(made, rng).run(kernels))
    finally:
        kernels.set_cache_sizes(32 << 10, 512 << 10)
    for other, result in itertools.product(results[1:], kernel.results):
        np.testing.assert_array_equal(other[result], results[0][result], result)


@everywhere
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
        made = problem(kernel, dtype, kernel.sized(columns, B=29), rng)
        first, *others = (Call(made, rng).run(module) for module in fusing)
        for other, name in itertools.product(others, kernel.results):
            np.testing.assert_array_equal(other[name], first[name], name)


def usable_levels():
    return [level for level in _dispatch.compiled_levels() if level in _dispatch.supported_levels()]


@every_kernel
@everywhere
def test_the_same_call_gives_the_same_bits(kernels, dtype, kernel):
    """Wherever in memory the arguments lie."""
    made = problem(kernel, dtype, kernel.sized(45), np.random.default_rng(14))
    first = Call(made, np.random.default_rng(15)).run(kernels)
    for seed in range(16, 20):
        again = Call(made, np.random.default_rng(seed)).run(kernels)
        for name in kernel.results:
            np.testing.assert_array_equal(again[name], first[name], strict=True)
    check_results(made, first)
