"""Softmax cross-entropy of rows that are nearly certain: log(1 + s) for a small s keeps its digits.

The oracle is Python's decimal module; errors are in units in the last place of the logits' dtype.
"""

import decimal
import functools

import numpy as np
import pytest

from everywhere import everywhere

DIGITS = {4: 100, 8: 360}  # enough for exp(-100) or exp(-700) beside 1, by bytes of a number


def loss_of(kernels, row, label, smoothing=0.0, *, rows=1):
    """The kernel's loss of a row, alone or as the one that counts among others."""
    x = np.tile(row, (rows, 1))
    t, y, dx = np.full(rows, label), np.empty_like(x), np.empty_like(x)
    weights = np.eye(rows)[rows // 2]
    return kernels.softmax_cross_entropy_labels(x, t, weights, smoothing, y, dx)


def exact_loss(row, label):
    """log sum_j exp(x_j - x_label) in ``DIGITS`` digits."""
    return log_sum_exp(tuple(row.tolist()), label, DIGITS[row.dtype.itemsize])


@functools.cache  # the same rows at every level, alone and among others: it takes seconds
def log_sum_exp(logits, label, digits):
    with decimal.localcontext(decimal.Context(prec=digits)):
        x = [decimal.Decimal(value) for value in logits]
        return sum((value - x[label]).exp() for value in x).ln()


def units(loss, exact, dtype):
    """The error of a loss in units in the last place of its dtype."""
    limits = np.finfo(dtype)
    exponent = max(np.frexp(float(exact))[1] - limits.nmant - 1, limits.minexp - limits.nmant)
    return float(abs(decimal.Decimal(loss) - exact) / decimal.Decimal(2) ** int(exponent))


@pytest.mark.parametrize("C", [2, 3, 10, 16, 17, 100])
@everywhere
def test_a_sure_row_is_within_four_units(kernels, dtype, C):
    """From a row that is undecided to one whose loss is subnormal, at round and other logits."""
    rng = np.random.default_rng(C)
    farthest = 100 if dtype.itemsize == 4 else 700
    gaps = [0.1, 0.7, 1, 5, 10, 14, 17, 17.3, 20, 30.1, 36, 40, 77.7, 85, farthest]
    for gap in gaps if C < 100 else gaps[::2]:  # the oracle takes seconds
        for spread, level in ((0, 0), (0.3, 0), (3, 0.1), (1, -1234.567)):
            row = (level - spread * rng.random(C)).astype(dtype)
            label = int(rng.integers(C))
            row[label] = row.max() + gap
            exact = exact_loss(row, label)
            for rows in (1, 16):
                found = units(loss_of(kernels, row, label, rows=rows), exact, dtype)
                assert found <= 4, (found, gap, spread, level, rows)


@pytest.mark.parametrize("C", [2, 3, 10, 16, 17])
def test_a_row_alone_has_the_loss_that_it_has_among_others(kernels, dtype, C):
    """To the bit: sixteen rows of few classes take another way through the lanes than one."""
    rng = np.random.default_rng(C)
    for gap in [0, 0.1, 1, 5, 14, 30.1, 69, 71, 85, 200, np.inf]:
        row = rng.standard_normal(C).astype(dtype)
        row[1] = row.max() + dtype.type(gap) if gap < np.inf else 0
        row[0] = -np.inf if gap == np.inf else row[0]
        assert loss_of(kernels, row, 1) == loss_of(kernels, row, 1, rows=16), gap


def test_targets_as_rows_and_smoothing_use_the_same_logarithm(kernels, dtype):
    row = np.array([20, 0, -1.5, 1], dtype)
    labels = loss_of(kernels, row, 0)
    x, t = row[np.newaxis], np.array([[1, 0, 0, 0]], dtype)
    y, dx = np.empty_like(x), np.empty_like(x)
    assert kernels.softmax_cross_entropy_rows(x, t, None, 0.0, y, dx) == labels
    smoothed = loss_of(kernels, row, 0, 0.1)
    assert smoothed == pytest.approx(0.9 * labels + 0.1 * (labels + np.mean(20 - row)), rel=1e-15)


def test_what_is_not_finite_stays_visible(kernels, dtype):
    assert np.isnan(loss_of(kernels, np.array([9, np.nan, 0], dtype), 0))
    assert loss_of(kernels, np.array([9, -np.inf], dtype), 0) == 0
    assert loss_of(kernels, np.array([9, -np.inf], dtype), 1) == np.inf


@pytest.mark.parametrize("C", [129, 2450])
def test_many_equal_classes(kernels, dtype, C):
    """Equal terms are rounded alike, so that the errors of a plain sum add up."""
    for top in (5, 7.1):
        row = np.zeros(C, dtype)
        row[1] = top
        exact = log_sum_exp(tuple(row.tolist()), 3, 40)
        found = units(loss_of(kernels, row, 3), exact, dtype)
        assert found <= 4, (found, top)
