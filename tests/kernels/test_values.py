"""Every kernel equals the reference: at edges, at random sizes, exactly in small integers."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everywhere import ALL_LANES, everywhere
from kernel_calls import (
    ROW_DIMENSIONS,
    Call,
    check_edges,
    problem,
    reference_results,
    run_and_check,
    solvable,
    vector_edges,
)
from kernel_groups import LINEAR
from kernel_table import KERNELS

every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
RANDOM = settings(max_examples=min(6, settings.default.max_examples), deadline=None)
SEEDS = st.integers(0, 2**32)


def random_sizes(kernel, lanes):
    """Sizes for Hypothesis: edges of vectors more often than chance, and hundreds of columns."""
    rows = st.sampled_from([0, 1, 5]) | st.integers(0, 40)
    columns = st.sampled_from(vector_edges(lanes)) | st.integers(0, 6 * lanes + 1)
    columns |= st.integers(100, 400)
    choices = {
        letter: rows if letter in ROW_DIMENSIONS else columns for letter in kernel.dimensions
    }
    choices |= {letter: st.sampled_from(room) for letter, room in kernel.rooms.items()}
    return st.fixed_dictionaries(choices).filter(lambda sizes: solvable(kernel, sizes))


@every_kernel
@everywhere
def test_at_the_edges(kernels, dtype, lanes, kernel):
    check_edges(kernels, kernel, dtype, lanes)


@everywhere
def check_random_problem(kernels, dtype, kernel, sizes, seed):
    rng = np.random.default_rng(seed)
    run_and_check(kernels, problem(kernel, dtype, sizes, rng), rng)


@every_kernel
@RANDOM
@given(data=st.data())
def test_at_random_sizes(kernel, data):
    lanes = data.draw(st.sampled_from(ALL_LANES), label="lanes")
    sizes = data.draw(random_sizes(kernel, lanes), label="sizes")
    check_random_problem(kernel=kernel, sizes=sizes, seed=data.draw(SEEDS, label="seed"))


@every_kernel
@everywhere
def test_at_a_large_size(kernels, dtype, kernel):
    """One size beyond all blocks and tiles, a little off every round number."""
    odd = {"B": 131, "M": 131, "N": 67, "O": 67, "n": 20_011}
    sizes = kernel.sized(1031, **{n: odd[n] for n in kernel.dimensions if n in odd})
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


def in_integers(kernel, sizes, rng):
    """A problem in small integers, in float64, and its results."""
    made = problem(kernel, "float64", sizes, rng)
    for name, array in made.arrays.items():
        made.arrays[name] = rng.integers(-4, 5, array.shape).astype(np.float64)
    return made, reference_results(made)


def check_exactly(kernels, dtype, sizes, exact, rng):
    exact, wanted = exact
    arrays = {name: array.astype(dtype) for name, array in exact.arrays.items()}
    made = replace(exact, dtype=dtype, arrays=arrays)
    for name, result in Call(made, rng).run(kernels).items():
        np.testing.assert_array_equal(result, wanted[name].astype(dtype), str(sizes), strict=True)


@pytest.mark.parametrize("name", LINEAR)
def test_every_tile_shape_exactly(kernels, dtype, lanes, name):
    kernel, rng = KERNELS[name], np.random.default_rng(4)
    output = kernel.outputs[0].dims
    edges = [0, 1, lanes - 1, lanes, lanes + 1, 2 * lanes - 1, 2 * lanes, 2 * lanes + 1]
    edges += [3 * lanes - 1, 4 * lanes, 4 * lanes + 1, 6 * lanes + 1]
    shapes = [*itertools.product(range(27), edges)]  # all numbers of rows, all rests of a vector
    shapes += itertools.product([1, 7, 26], range(2 * lanes + 2))
    for shape in dict.fromkeys(shapes):
        ours = zip(output[::-1], shape[::-1], strict=False)  # a vector output takes the columns
        sizes = dict.fromkeys(kernel.dimensions, 3) | dict(ours)
        check_exactly(kernels, dtype, sizes, in_integers(kernel, sizes, rng), rng)


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
            check_exactly(kernels, dtype, sizes, in_integers(kernel, sizes, rng), rng)


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
def test_beyond_all_blocks_exactly(name, rows, length, columns):
    kernel, rng = KERNELS[name], np.random.default_rng(6)
    ours = zip(kernel.outputs[0].dims[::-1], (columns, rows), strict=False)
    sizes = dict.fromkeys(kernel.dimensions, length) | dict(ours)
    everywhere(check_exactly)(sizes=sizes, exact=in_integers(kernel, sizes, rng), rng=rng)
