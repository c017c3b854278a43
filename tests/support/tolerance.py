"""The source of all tolerances in the tests: rounding error bounds, not taste.

A computation of n roundings, each of relative size u = eps/2, ends within
``gamma(n) = n u / (1 - n u)`` of the exact result, measured against the sum of the absolute
values of its terms (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1).
For a product ``A B`` that sum is ``|A| |B|`` and n the inner length, in whatever order and with
whatever fused operations the terms were added.
"""

from __future__ import annotations

import numpy as np

# Roundings granted on top of the reduction: a few elementary operations and one exp, log or tanh
# that is good to some units in the last place.
ELEMENTARY = 8


def gamma(n, dtype):
    """Higham's gamma_n, ``n u / (1 - n u)`` with u the unit roundoff of ``dtype``.

    Examples
    --------
    >>> gamma(1, np.float64) < 1.2e-16
    True
    """
    nu = n * np.finfo(dtype).eps / 2
    if nu >= 0.5:
        raise ValueError(f"{n} roundings in {np.dtype(dtype)} leave nothing to compare")
    return float(nu / (1 - nu))


def rounding_bound(expected, dtype, *, reduction=1, scale=None):
    """How far a result in ``dtype`` may lie from ``expected``, element by element.

    Parameters
    ----------
    expected : array
        Computed in its own dtype with the same number of roundings, which count as well.
    dtype : dtype
        In which the tested result was computed.
    reduction : int
        Number of terms that were added up.
    scale : array, optional
        Sum of the absolute values of those terms; ``|expected|`` if left out, which is right
        where nothing cancels.

    Returns
    -------
    float64 array shaped as expected
    """
    expected = np.asarray(expected)
    scale = np.abs(expected if scale is None else scale).astype(np.float64)
    n = reduction + ELEMENTARY
    relative = gamma(n, dtype) + gamma(n, expected.dtype)
    underflow = float(np.finfo(dtype).tiny)  # below it, digits are lost or flushed to 0
    return np.broadcast_to(relative * scale + underflow, expected.shape)


def assert_close(actual, expected, *, reduction=1, scale=None, dtype=None, name="result"):
    """Fail unless ``actual`` is ``expected`` up to rounding.

    Shapes must agree, NaNs and infinities must stand in the same places, and everything else
    must lie within `rounding_bound`.

    Parameters
    ----------
    actual : array or float
    expected : array or float
        Of a dtype at least as precise as that of actual: best the same inputs in float64.
    reduction, scale
        See `rounding_bound`.
    dtype : dtype, optional
        In which actual was computed, where its own dtype does not say so (a loss is a Python
        float even if it comes from float32).
    name : str
        For the message.

    Examples
    --------
    >>> assert_close(np.float32([0.1, 0.2]), np.array([0.1, 0.2]))
    >>> assert_close(np.float32([0.1, 0.2]), np.array([0.1, -0.2]))
    Traceback (most recent call last):
    AssertionError: result: 1 of 2 elements wrong, worst at (1,): 0.2... against -0.2, ...
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    dtype = actual.dtype if dtype is None else np.dtype(dtype)
    if np.finfo(expected.dtype).eps > np.finfo(dtype).eps:
        raise TypeError(f"{name}: {expected.dtype} is too coarse an oracle for {dtype}")
    if actual.shape != expected.shape:
        raise AssertionError(f"{name}: shape {actual.shape}, wanted {expected.shape}")
    scale = np.abs(expected if scale is None else scale)
    # An infinite scale would allow anything: there only the exact value passes.
    scale = np.where(np.isfinite(expected) & np.isfinite(scale), scale, 0)
    bound = rounding_bound(expected, dtype, reduction=reduction, scale=scale)
    with np.errstate(invalid="ignore"):  # inf - inf: equal() has settled those
        error = np.abs(actual - expected)
    right = np.equal(actual, expected) | (np.isnan(actual) & np.isnan(expected)) | (error <= bound)
    if right.all():
        return
    excess = np.where(right, -1.0, np.nan_to_num(error / bound, nan=np.inf))
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    raise AssertionError(
        f"{name}: {np.count_nonzero(~right)} of {right.size} elements wrong, worst at "
        f"{tuple(map(int, worst))}: {actual[worst]!s} against {expected[worst]!s}, "
        f"error {error[worst]:.3g}, allowed {bound[worst]:.3g}"
    )
