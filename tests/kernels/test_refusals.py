"""Values that kernels refuse beside shapes, and arrays that are not NumPy's."""

import ctypes

import numpy as np
import pytest


def test_arrays_of_ctypes_are_taken(kernels):
    """Their format names the order of bytes, which NumPy's leaves out."""
    x, out = (ctypes.c_double * 3)(1, -2, 3), np.empty(3)
    kernels.relu_forward(x, out)
    assert out.tolist() == [1, 0, 3]
    with pytest.raises(TypeError, match="x has the wrong dtype"):
        kernels.relu_forward((ctypes.c_short * 3)(1, 2, 3), out)


def test_quantiles_that_do_not_divide_the_columns_are_refused(kernels, dtype):
    y, t, dx = (np.ones((2, 3), dtype) for _ in range(3))
    with pytest.raises(ValueError, match="q has 2 levels for 3 columns, wanted a number of them"):
        kernels.quantile_loss(y, t, None, (0.2, 0.5), dx)
    with pytest.raises(ValueError, match=r"q is 1\.5, wanted 0 < q < 1"):
        kernels.quantile_loss(y, t, None, (0.2, 1.5, 0.5), dx)
    with pytest.raises(ValueError, match="3 columns, wanted pairs of a mean and a logarithm"):
        kernels.gaussian_loss(y, t, None, dx)


@pytest.mark.parametrize("n", [0, 4, 7])
def test_groups_that_do_not_fill_a_row_are_refused(kernels, dtype, n):
    x, out = np.ones((2, 6), dtype), np.ones((2, 6), dtype)
    with pytest.raises(ValueError, match=f"n is {n}, wanted a whole number that divides the 6 col"):
        kernels.increasing_forward(x, n, out)


@pytest.mark.parametrize(
    ("columns", "firsts", "words"),
    [
        ([1, 1], [0, 2], r"columns\[1\] is 1, wanted ascending ones below 3"),
        ([0, 3], [0, 2], r"columns\[1\] is 3, wanted ascending ones below 3"),
        ([0, 1], [1, 2], r"firsts\[0\] is 1, wanted ascending rows of E from 0 on"),
        ([0, 1], [0, 4], r"firsts\[1\] is 4, wanted ascending rows of E from 0 on"),
    ],
)
def test_tables_that_do_not_lie_behind_each_other_are_refused(
    kernels, dtype, columns, firsts, words
):
    x, E, out = np.zeros((2, 3), dtype), np.ones((4, 2), dtype), np.ones((2, 5), dtype)
    with pytest.raises(ValueError, match=words):
        kernels.embedding_forward(x, E, np.array(columns), np.array(firsts), out)


def test_sizes_and_shares_out_of_range_are_refused(kernels, dtype):
    x, mean = np.ones(3, dtype), np.zeros(3, dtype)
    for tau in (-0.1, 1.5, np.nan):
        with pytest.raises(ValueError, match=f"tau is {tau}, wanted 0 <= tau <= 1"):
            kernels.blend(x, tau, mean)
    assert not mean.any()
    with pytest.raises(ValueError, match="the caches have 0 and 1 bytes, wanted 1 or more"):
        kernels.set_cache_sizes(0, 1)
    for n in (0, 257):
        with pytest.raises(ValueError, match=rf"n is {n}, wanted 1\.\.256"):
            kernels.set_threads(n)
