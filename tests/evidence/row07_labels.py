"""Row 7: labels of every type and kind, right and wrong, at every function that takes targets.

A judge that shares no code with affinet says what labels mean. A call either returns what they
mean, or raises before it has written anything.
"""

from __future__ import annotations

import warnings

import numpy as np

import affinet as an
from evidence import Row

CALLS, WIDTH = 40, 4
TYPES = (
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64", "bool", "complex64", "object", "U3", "S3",
)  # fmt: skip


def draw(rng, B, C):
    """Labels in some form, valid or not."""
    t = rng.integers(0, C, B).astype(np.float64)
    kind = rng.integers(10)
    if kind == 0 and B:
        t[rng.integers(B)] = rng.choice([-1, C, C + 1, -C, 127, 128, 255, 2**31, 2**40, 0.5])
    elif kind == 1 and B:
        t[rng.integers(B)] = rng.choice([np.nan, np.inf, -np.inf])
    elif kind == 2:
        t = np.resize(t, B + int(rng.choice([-1, 1, 5])))
    elif kind == 3:
        t = np.eye(C)[t.astype(int)]
    elif kind == 4:
        t = rng.dirichlet(np.ones(C), B)
    elif kind == 5:
        t = np.eye(C)[t.astype(int)]
        t[rng.integers(B), rng.integers(C)] = rng.choice([2, -1, 0.5, np.nan])
    elif kind == 6:
        t = (t[:, None], t[None], np.eye(C + 1)[t.astype(int)])[rng.integers(3)]
    return t


def cast(rng, t):
    """As a type that may not hold them, in which case they wrap or round."""
    dtype = str(rng.choice(TYPES))
    with np.errstate(all="ignore"):
        if dtype[0] in "US":
            return t.astype(int, copy=False).astype(dtype) if np.isfinite(t).all() else t
        t = t.astype(dtype)
    return t.tolist() if rng.random() < 0.1 else t


def meaning(t, B, C):
    """Weights of the classes by row, or None for labels without a meaning."""
    t = np.asarray(t)
    if t.dtype.kind not in "iufb":
        return None
    if t.shape == (B,):
        wide = t.astype(np.float64)
        if not (np.isfinite(wide).all() and (wide == np.floor(wide)).all()):
            return None
        return np.eye(C)[wide.astype(int)] if ((wide >= 0) & (wide < C)).all() else None
    if t.shape == (B, C):
        return t.astype(np.float64)  # weights of the classes, which may be any real numbers
    return None


def reference_loss(x, weights):
    """Cross-entropy of softmax in double."""
    z = x.astype(np.float64) - x.max(1, keepdims=True)
    logs = np.log(np.exp(z).sum(1, keepdims=True)) - z
    return float((weights * logs).sum(1).mean())


def batch(b):
    for _ in range(CALLS):
        B, C = int(b.rng.integers(1, 40)), int(b.rng.integers(2, 14))
        t = cast(b.rng, draw(b.rng, B, C))
        dtype = b.rng.choice(["float32", "float64"])
        net = an.Sequential(
            an.Affine.init(WIDTH, C, rng=3, dtype=str(dtype)), loss=an.SoftmaxWithLoss()
        )
        x = b.rng.standard_normal((B, WIDTH)).astype(dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of a loss that is NaN for NaN targets
            attack(b, net, x, t, C)


def attack(b, net, x, t, C):
    """The labels at every function that takes them."""
    weights, outputs = meaning(t, len(x), C), net.predict(x)
    what = f"{type(t).__name__} {np.asarray(t).dtype} {np.shape(t)} for {(len(x), C)}"
    before = net.params.flat.tobytes(), x.tobytes(), outputs.tobytes(), np.asarray(t).tobytes()
    calls = {
        "loss": lambda: net.loss.forward(outputs, t),
        "forward": lambda: net.forward(x, t),
        "evaluate": lambda: net.evaluate(x, t)["loss"],
        "fit": lambda: net.fit(x, t, epochs=1, batch_size=len(x), optimizer=an.SGD(1e-3)),
    }
    for name, call in calls.items():
        b.case()
        try:
            value = call()
        except (TypeError, ValueError, FloatingPointError):
            now = net.params.flat.tobytes(), x.tobytes(), outputs.tobytes(), np.asarray(t).tobytes()
            b.expect(now == before, f"{name}: {what} raised after it had written")
            plain = np.asarray(t).dtype.kind in "iu" and weights is not None
            b.expect(not plain, f"{name}: {what}: valid whole labels were refused")
            continue
        except Exception as error:
            b.found(f"{name}: {what}: {type(error).__name__}: {error}")
            continue
        b.expect(weights is not None, f"{name}: {what} was accepted: {np.asarray(t).ravel()[:9]}")
        if name == "fit":
            net.params.flat[...] = np.frombuffer(before[0], net.params.flat.dtype)
        elif weights is not None:
            wanted = reference_loss(outputs, weights)
            size = abs(weights).sum(1).max(initial=1)
            close = abs(value - wanted) <= 1e-5 * size or (np.isnan(value) and np.isnan(wanted))
            b.expect(close, f"{name}: {what}: {value} for {wanted}")


ROW = Row(
    number=7,
    title="Labels of 16 types: whole, negative, too large, too few, one-hot, soft, invalid",
    holds="what the labels mean by an independent judge, or an error before anything is written",
    aim=1_000_000,
    batch=batch,
    cases="calls",
    quick=4,
    also=("tests/losses/test_softmax.py", "tests/test_bad_input.py"),
)
