"""Element-wise clipping: what the table of kernels does not try."""

import numpy as np
import pytest

from affinet import reference


def clipped(kernels, dW, max_value):
    out = np.full_like(dW, 7)
    assert kernels.clip_value(dW, max_value, out) is None
    return out


def test_every_bit_within_the_bounds_stays(kernels, dtype):
    """The sign of a zero too, and the numbers at the bounds and next to them."""
    most = dtype.type(1.5)
    above, below = np.nextafter(most, dtype.type(9)), np.nextafter(most, dtype.type(0))
    dW = np.array([0, -0.0, below, -below, most, -most, above, -above, 1e30, -1e30], dtype)
    wanted = np.array([0, -0.0, below, -below, most, -most, most, -most, most, -most], dtype)
    assert clipped(kernels, dW, 1.5).tobytes() == wanted.tobytes()


@pytest.mark.parametrize("n", [1, 7, 66_666])
def test_nan_stays_and_infinities_are_clipped(kernels, dtype, n):
    dW = np.ones(n, dtype)
    for place in {0, n // 2, n - 1}:
        for bad, wanted in ((np.nan, np.nan), (np.inf, 2), (-np.inf, -2)):
            dW[place] = bad
            expected = np.ones(n, dtype)
            expected[place] = wanted
            np.testing.assert_array_equal(clipped(kernels, dW, 2.0), expected)
        dW[place] = 1


def test_a_bound_is_rounded_to_the_precision(kernels, dtype):
    """0.1 is larger in single precision; 1e300 is infinite there, 1e-60 is 0."""
    dW = np.array([1, -1, 0.1, -0.25, np.inf], dtype)
    for max_value in (0.1, 1e300, 1e-60, np.inf):
        with np.errstate(over="ignore"):
            most = np.float64(max_value).astype(dtype)
        wanted = np.clip(dW, -most, most)
        np.testing.assert_array_equal(clipped(kernels, dW, max_value), wanted)
        np.testing.assert_array_equal(reference.clip_value(dW, max_value), wanted)
