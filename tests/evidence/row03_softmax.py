"""Row 3: softmax with cross-entropy, logits up to 3e38, 1 to 5,000 classes.

Every loss is compared with extended precision (double for float32), which adds only positive
terms and so keeps all its digits; where that sees more than three units, and in one case of 50,
the value is computed again in 100 digits.
"""

from __future__ import annotations

import decimal
import importlib

import numpy as np

from affinet import _dispatch
from evidence import Row

CALLS, UNITS = 20, 4.0
CONTEXT = decimal.Context(prec=100)
SCALES = (0.0, 1e-30, 1e-3, 0.1, 1, 1, 1, 5, 5, 30, 100, 1e3, 1e10, 1e38)
FAR = 800  # exp(-800) is below double precision
TINY = decimal.Decimal("1e-30")  # beside which 1 has no digits left


def logits(rng, B, dtype):
    kind = rng.random()
    C = 1 if kind < 0.03 else int(rng.integers(2, 40) if kind < 0.9 else rng.integers(40, 5001))
    x = rng.standard_normal((B, C)) * rng.choice(SCALES) + rng.choice([0, 0, 7.5, -1234.5, 1e6])
    if rng.random() < 0.3:  # a sure row
        x[np.arange(B), rng.integers(0, C, B)] += rng.choice([5, 17.3, 40, 85, 100])
    limit = 3e38
    return np.clip(x, -limit, limit).astype(dtype)


def digits_loss(row, label):
    """The loss of a row in about 100 digits, however small it is."""
    with decimal.localcontext(CONTEXT):
        x = [decimal.Decimal(value) for value in row.tolist()]
        top, own = max(x), x[label]
        x.remove(top)
        rest = sum(((v - top).exp() for v in x if v - top > -FAR), decimal.Decimal(0))
        if rest < TINY:  # log(1 + rest) by its series
            return top - own + (rest - rest**2 / 2 + rest**3 / 3 - rest**4 / 4)
        return top - own + (1 + rest).ln()


def close_loss(x, labels):
    """The losses of rows by sums of positive terms, in extended precision."""
    wide = x.astype(np.longdouble)
    rows, top = np.arange(len(x)), wide.argmax(1)
    gap = wide - wide[rows, top][:, None]
    e = np.exp(gap)
    e[rows, top] = 0
    return np.log1p(e.sum(1)) - gap[rows, labels]


def unit(exact, dtype):
    info = np.finfo(dtype)
    return np.ldexp(1.0, max(np.frexp(float(exact))[1] - info.nmant - 1, info.minexp - info.nmant))


def check(batch, level, x, labels, close):
    """One batch at one level: a loss for each row alone, gradient and outputs for all."""
    kernels = importlib.import_module(f"affinet._kernels.{level}")
    y, dx = np.full_like(x, np.nan), np.full_like(x, np.nan)
    value = kernels.softmax_cross_entropy_labels(x, labels, None, 0.0, y, dx)
    where = f"{x.dtype} at {level}, shape {x.shape}"
    u, (B, C) = np.finfo(x.dtype).eps / 2, x.shape
    batch.expect(np.isfinite(value) and value >= 0, f"loss {value}, {where}")
    batch.expect(np.isfinite(y).all() and np.isfinite(dx).all(), f"y or dx not finite, {where}")
    off = abs(dx.astype(np.float64).sum(1)).max() * B
    batch.measure("sum of a gradient's row, in u per class", off / (C * u))
    batch.expect(off <= (C + 4) * u, lambda: f"a gradient's row sums to {off:.3g}, {where}")
    one, one_dx = np.empty_like(x[:1]), np.empty_like(x[:1])
    for i in range(B):
        alone = kernels.softmax_cross_entropy_labels(
            x[i : i + 1], labels[i : i + 1], None, 0.0, one, one_dx
        )
        exact = close[i]
        units = abs(float(alone - exact)) / unit(exact, x.dtype)
        if units > 3 or batch.rng.random() < 0.02:
            true = digits_loss(x[i], int(labels[i]))
            units = float(abs(decimal.Decimal(alone) - true)) / unit(true, x.dtype)
        batch.measure("largest error of a loss, ulp", units)
        batch.expect(units <= UNITS, f"loss {alone!r} is off by {units:.2f} ulp, {where}, row {i}")


def batch(b):
    for _ in range(CALLS):
        dtype = np.dtype(b.rng.choice(["float32", "float64"]))
        x = logits(b.rng, int(b.rng.integers(1, 4)), dtype)
        labels = b.rng.integers(0, x.shape[1], len(x))
        with np.errstate(all="ignore"):
            close = close_loss(x, labels)
        for level in _dispatch.supported_levels():
            check(b, level, x, labels, close)
            b.case()


ROW = Row(
    number=3,
    title="Softmax with cross-entropy, logits up to 3e38, 1 to 5,000 classes",
    holds="loss within 4 ulp of a value in 100 digits over its whole range; never NaN or infinite; "
    "a gradient's row sums to 0 within (C + 4) u",
    aim=1_000_000,
    batch=batch,
    cases="batches",
    also=("tests/kernels/test_sure_rows.py",),
)
