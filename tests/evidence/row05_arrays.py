"""Row 5: every public function that takes arrays, on 14 dtypes in 16 layouts of memory.

The results, or the error, are those of the same call on a clean copy, and no input changes.
"""

from __future__ import annotations

import copy

import numpy as np

import affinet as an
from array_forms import COMPUTED_IN, FORMS, draw, rubbish
from evidence import Row
from parts.layers import LAYERS
from parts.losses import WITH_EVERY_TARGET

CALLS, WIDTH, CLASSES = 25, 5, 5
DTYPES = [*COMPUTED_IN, "complex64", "object"]
ERRORS = (TypeError, ValueError)


def as_view_of_bytes(a):
    """In a buffer of bytes, at an address that suits its element."""
    buffer = np.frombuffer(bytearray(a.tobytes()), a.dtype)
    return buffer.reshape(a.shape)


def transposed_twice(a):
    return np.ascontiguousarray(a.swapaxes(0, -1)).swapaxes(0, -1)


def rows_backwards(a):
    return np.ascontiguousarray(a[::-1])[::-1]


def columns_backwards(a):
    return np.ascontiguousarray(a[..., ::-1])[..., ::-1]


def every_third_row(a):
    spacious = np.full((3 * len(a), *a.shape[1:]), rubbish(a.dtype), a.dtype)
    spacious[::3] = a
    return spacious[::3]


def subclass(a):
    class Subclass(np.ndarray):
        pass

    return np.array(a).view(Subclass)


def nested_lists(a):
    return a.tolist()


def broadcast(a):
    """Rows that are the same memory; the clean copy has equal rows, too."""
    return np.broadcast_to(a[:1], a.shape)


LAYOUTS = {**FORMS} | {
    form.__name__: form
    for form in (
        as_view_of_bytes,
        transposed_twice,
        rows_backwards,
        columns_backwards,
        every_third_row,
        subclass,
        nested_lists,
        broadcast,
    )
}


def network(loss=None, last=CLASSES):
    return an.Sequential(
        an.Affine.init(WIDTH, 6, rng=0),
        an.GELU(),
        an.LayerNorm(6),
        an.Affine.init(6, last, rng=1),
        loss=an.SoftmaxWithLoss() if loss is None else loss,
    )


def trained(x, t):
    net = network()
    history = net.fit(x, t, epochs=2, batch_size=3, seed=1)
    return net.params.flat.copy(), history.to_dict()["epochs"][-1]["loss"]


def stepped(x):
    W = np.ones(np.shape(x))
    an.Adam(0.1).update({"W": W}, {"W": x})
    return W


def layer_call(name):
    return lambda x: LAYERS[name].make(WIDTH, np.dtype("float32")).forward(x)


def loss_call(name):
    make, targets = WITH_EVERY_TARGET[name]

    def call(x):
        loss = make()
        value = loss.forward(x, targets(draw("float64", (6, WIDTH), 9)))
        return value, loss.backward()

    return call


def target_call(name):
    make, _ = WITH_EVERY_TARGET[name]
    return lambda t: make().forward(draw("float32", (6, WIDTH), 8), t)


T = np.arange(6) % CLASSES
FUNCTIONS = {
    "predict": lambda x: network().predict(x),
    "predict_proba": lambda x: network().predict_proba(x),
    "evaluate": lambda x: network().evaluate(x, T),
    "forward": lambda x: network().forward(x, T),
    "gradient": lambda x: network().gradient(x, output=1),
    "integrated_gradients": lambda x: network().integrated_gradients(x, output=2),
    "fit": lambda x: trained(x, T),
    "fit's targets": lambda t: trained(draw("float32", (6, WIDTH), 7), t),
    "an optimizer": stepped,
    "affine weights": lambda W: an.Affine(W, np.zeros(WIDTH)).forward(np.ones((2, 6))),
    **{f"{name}.forward": layer_call(name) for name in LAYERS},
    **{f"{name}.forward": loss_call(name) for name in WITH_EVERY_TARGET},
    **{f"targets of {name}": target_call(name) for name in WITH_EVERY_TARGET},
}


def outcome(function, x):
    """What a call returns, as text and bits; or the kind of its error."""
    try:
        with np.errstate(all="ignore"):
            return bits(function(x))
    except ERRORS as error:
        return type(error).__name__


def bits(result):
    if isinstance(result, tuple | list):
        return [bits(one) for one in result]
    if isinstance(result, np.ndarray):
        return result.dtype.str, result.shape, result.tobytes()
    return repr(result)


def image(x):
    return copy.deepcopy(x) if isinstance(x, list) else (x.tobytes(), x.shape, x.strides)


def values(rng, dtype):
    """Rows of numbers of any size that the dtype holds, or small ones."""
    if dtype == "object":
        return draw("float64", (6, WIDTH), int(rng.integers(1 << 30))).astype(object)
    if dtype == "complex64":
        return np.ones((6, WIDTH), np.complex64)
    x = draw(dtype, (6, WIDTH), int(rng.integers(1 << 30)))
    return abs(x) if rng.random() < 0.5 else x


def batch(b):
    for _ in range(CALLS):
        name, dtype = str(b.rng.choice(list(FUNCTIONS))), str(b.rng.choice(DTYPES))
        layout = str(b.rng.choice(list(LAYOUTS)))
        x = values(b.rng, dtype)
        if dtype == "object" and layout in ("unaligned", "as_view_of_bytes", "every_other"):
            continue
        if dtype in ("object", "complex64") and layout in ("every_third_row", "column_of_larger"):
            continue
        if dtype == "complex64" and layout == "every_other":
            continue
        given = LAYOUTS[layout](x)
        clean = np.array(given if layout in ("broadcast", "nested_lists") else x, order="C")
        what = f"{name}, {dtype}, {layout}"
        attack(b, FUNCTIONS[name], given, clean, what)


def attack(b, function, given, clean, what):
    before = image(given)
    try:
        found, wanted = outcome(function, given), outcome(function, clean)
    except Exception as error:
        b.found(f"{what}: {type(error).__name__}: {error}")
    else:
        b.expect(found == wanted, f"{what}: {str(found)[:80]} for {str(wanted)[:80]}")
    b.expect(image(given) == before, f"{what}: the input changed")
    b.case()


ROW = Row(
    number=5,
    title="Every public function that takes arrays, on 14 dtypes in 16 layouts",
    holds="equal to the bit to the same call on a clean copy, or the same TypeError or ValueError; "
    "inputs unchanged",
    aim=200_000,
    batch=batch,
    cases="calls",
    quick=4,
    also=("tests/test_bad_input.py",),
)
