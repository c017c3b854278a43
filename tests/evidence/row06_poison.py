"""Row 6: NaN or infinity in one row changes that row alone; earlier contents never show."""

from __future__ import annotations

import importlib

import numpy as np

import affinet as an
from affinet import _dispatch
from evidence import Row
from parts.activations import ACTIVATIONS

POISONS = (np.nan, np.inf, -np.inf)
ROUNDS, MOST_ROWS, MOST_WIDTH = 4, 70, 40


def network(rng, dtype):
    """A network with normalisation, a residual and any activation, and its number of inputs."""
    n, hidden, last = (int(rng.integers(1, MOST_WIDTH)) for _ in range(3))
    make = list(ACTIVATIONS.values())[rng.integers(len(ACTIVATIONS))].make
    norm = an.LayerNorm(hidden, dtype=dtype) if rng.random() < 0.5 else an.BatchNorm(
        hidden, dtype=dtype
    )  # fmt: skip
    seed = int(rng.integers(1 << 30))
    layers = [
        an.Affine.init(n, hidden, rng=seed, dtype=dtype),
        norm,
        make(),
        an.Residual(an.Affine.init(hidden, hidden, rng=seed + 1, dtype=dtype), an.Tanh()),
        an.Affine.init(hidden, last, rng=seed + 2, dtype=dtype),
    ]
    return an.Sequential(*layers, loss=an.MeanSquaredError()), n


def differing_rows(one, two):
    """Numbers of the rows that are not equal to the bit, whatever NaN they hold."""
    same = (one == two) | (np.isnan(one) & np.isnan(two))
    return set(np.flatnonzero(~same.reshape(len(one), -1).all(1)).tolist())


def whole_network(b):
    """Predictions and per-row input gradients of a network."""
    dtype = np.dtype(b.rng.choice(["float32", "float64"]))
    net, n = network(b.rng, dtype)
    B = int(b.rng.integers(1, MOST_ROWS))
    x = b.rng.standard_normal((B, n)).astype(dtype)
    clean = net.predict(x)
    for _ in range(12):
        i, poison = int(b.rng.integers(B)), b.rng.choice(POISONS)
        bad = x.copy()
        bad[i, b.rng.integers(n)] = poison
        out = np.full_like(clean, np.nan)
        found = net.predict(bad, out=out)
        b.case()
        b.expect(
            differing_rows(found, clean) <= {i}, f"predict: {poison} in row {i} of {B} spreads"
        )
    b.expect(differing_rows(net.predict(x), clean) == set(), "predict: an earlier NaN shows")


def row_kernels(b):
    """The kernels that compute a row of their result from a row of their first argument."""
    dtype = np.dtype(b.rng.choice(["float32", "float64"]))
    B, n, last = (int(b.rng.integers(1, MOST_ROWS)) for _ in range(3))
    x = b.rng.standard_normal((B, n)).astype(dtype)
    W = b.rng.standard_normal((n, last)).astype(dtype)
    bias = b.rng.standard_normal(last).astype(dtype)
    calls = {
        "affine_forward": ((W, bias), last),
        "affine_relu_forward": ((W, bias), last),
        "gemm_nn": ((W,), last),
        "affine_backward_dx": ((np.ascontiguousarray(W.T),), last),
        "softmax_forward": ((), n),
    }
    i, poison = int(b.rng.integers(B)), b.rng.choice(POISONS)
    bad = x.copy()
    bad[i, b.rng.integers(n)] = poison
    for level in _dispatch.supported_levels():
        kernels = importlib.import_module(f"affinet._kernels.{level}")
        for name, (others, columns) in calls.items():
            clean, found = (np.full((B, columns), fill, dtype) for fill in (0, np.nan))
            getattr(kernels, name)(x, *others, clean)
            getattr(kernels, name)(bad, *others, found)
            b.case()
            b.expect(
                differing_rows(found, clean) <= {i},
                f"{name} at {level}, {dtype}: {poison} in row {i} of {(B, n, last)} spreads",
            )


def after_nan(b):
    """A training whose workspaces follow one full of NaN has the bits of one that does not."""
    dtype = np.dtype(b.rng.choice(["float32", "float64"]))
    state, seen = b.rng.bit_generator.state, []
    for poisoned in (False, True):
        b.rng.bit_generator.state = state
        net, n = network(b.rng, dtype)
        B = 2 * int(b.rng.integers(2, MOST_ROWS // 2))
        x = b.rng.standard_normal((B, n)).astype(dtype)
        t = np.ones((B, net.predict(x).shape[1]), dtype)
        if poisoned:
            spoiled, _ = network(np.random.default_rng(1), dtype)
            other = np.full((B, spoiled.layers[0].W.shape[0]), np.nan, dtype)
            with np.errstate(all="ignore"):
                spoiled.predict(other)
                spoiled.forward(other, spoiled.predict(other))
                spoiled.backward()
        net.fit(x, t, epochs=1, batch_size=B // int(b.rng.integers(1, 3)), seed=3)
        seen.append(net.params.flat.tobytes())
        b.case()
    b.expect(seen[0] == seen[1], f"{dtype}: a training after NaN differs")


def batch(b):
    for _ in range(1 if b.quick else ROUNDS):
        whole_network(b)
        row_kernels(b)
        after_nan(b)


ROW = Row(
    number=6,
    title="NaN or infinity in one row, and buffers full of NaN",
    holds="only that row changes; everything else is equal to the bit to the unpoisoned result",
    aim=1_000_000,
    batch=batch,
    cases="placements",
    quick=3,
    also=("tests/kernels/test_special_values.py", "tests/training/test_finite.py"),
)
