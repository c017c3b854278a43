"""Rules for forward and backward: do not change arguments or parameters, keep float64."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from affinet.gradcheck.subjects import Subject
from affinet.network.inner import call_forward, walk


def broken_promises(subject: Subject) -> list[str]:
    """Messages about modified x, t, dout or parameters, and about lost precision.

    The layers are called one by one here, so that a message can name the layer.
    """
    found: list[str] = []
    labels = [
        f"{prefix}{type(layer).__name__}"
        for prefix, layer in zip(subject.prefixes, subject.layers, strict=True)
    ]
    chain = list(zip(labels, subject.layers, strict=True))
    subject.value()  # determines the shape of a single layer's dout
    subject.states.put_back()

    x, t = subject.first_input(), copy.deepcopy(subject.t)
    for label, layer in chain:
        with _unchanged(subject, layer, f"{label}.forward", {"x": x}, found):
            out = call_forward(layer, x)
        found += _too_coarse(label, out)
        x = np.array(out)
    dout = 3.0 * subject.last_dout()  # not 1, to detect a backward that keeps its first dx
    if subject.loss is not None:
        label = f"{type(subject.loss).__name__}.forward"
        with _unchanged(subject, None, label, {"x": x, "t": t}, found):
            subject.loss.forward(x, t)
        dout = np.array(subject.loss.backward(dout))
    for label, layer in reversed(chain):
        with _unchanged(subject, layer, f"{label}.backward", {"dout": dout}, found):
            dx = layer.backward(dout)
        if dx is None:
            break
        dout = np.array(dx)
    return found


def _too_coarse(label: str, out: Any) -> list[str]:
    dtype = np.asarray(out).dtype
    if dtype.kind != "f" or dtype.itemsize >= 8:
        return []
    return [f"{label}.forward gives {dtype} for float64, too coarse for a check"]


@contextmanager
def _unchanged(
    subject: Subject, layer: Any, label: str, given: Mapping[str, Any], found: list[str]
) -> Iterator[None]:
    owners = {
        name if inside == "0" else f"{inside.removeprefix('0.')}.{name}": (part, name)
        for inside, part in walk(() if layer is None else (layer,))
        for name in subject.parameters_of(part)
    }
    values = {key: getattr(part, name) for key, (part, name) in owners.items()}
    before = copy.deepcopy(dict(given) | values)
    yield
    after = dict(given) | {key: getattr(part, name) for key, (part, name) in owners.items()}
    for name, value in before.items():
        if not _same(value, after[name]):
            found.append(f"{label} changes {name}, which it must leave alone")


def _same(before: Any, after: Any) -> bool:
    a, b = np.asarray(before), np.asarray(after)
    return a.shape == b.shape and bool(np.all((a == b) | ((a != a) & (b != b))))
