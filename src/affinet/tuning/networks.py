"""Networks and optimizers from hyper-parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from affinet._validation import positive_number, real_number, whole_number
from affinet.layers import Affine, Dropout, PeriodicEmbedding
from affinet.layers.activations import activation_classes
from affinet.network import Sequential
from affinet.optimizers import AdamW, Muon, Optimizer
from affinet.tuning.spaces import Choice, Distribution, Integer, LogUniform, Uniform

FREQUENCIES = 16  # of an embedding of numbers, as RealMLP's
TRAINING = ("lr", "weight_decay", "muon_lr", "batch_size")  # what a custom network needs as well
DEFAULTS: dict[str, Any] = {
    "layers": 2,
    "width": 384,
    "activation": "relu",
    "dropout": 0.0,
    "embedding": 0,
    "sigma": 0.1,
    "lr": 1e-3,
    "weight_decay": 0.0,
    "muon_lr": None,
    "batch_size": 256,
}
"""Every hyper-parameter of the networks that :func:`affinet.search` builds, and its value where a
space does not name it.

``layers`` and ``width``: number of hidden layers and units of each; ``activation``: name, such as
"relu"; ``dropout``: probability of dropping a hidden unit; ``embedding``: outputs of the
:class:`~affinet.PeriodicEmbedding` of each number, 0 for none, with ``sigma``, the standard
deviation of its initial frequencies; ``lr`` and ``weight_decay`` of :class:`~affinet.AdamW`;
``muon_lr``: learning rate of :class:`~affinet.Muon` for the hidden layers' matrices, None for AdamW
throughout; ``batch_size``: rows per step."""


def default_space() -> dict[str, Distribution | int]:
    """The ranges of TabPack (2026), which trains 64 networks for a table and keeps an ensemble.

    One to three hidden layers, dropout of 0 or up to a half, Muon for matrices beside AdamW, and
    periodic embeddings of numbers. Layers have 128 units, not 384 as TabPack's: a step of Muon on a
    CPU costs 27 times as much for three times the width.

    Examples
    --------
    >>> default_space()["lr"]
    LogUniform(0.0001, 0.005)
    """
    return {
        "layers": Integer(1, 3),
        "width": 128,
        "dropout": Choice([0.0, Uniform(0.0, 0.5)]),
        "lr": LogUniform(1e-4, 5e-3),
        "weight_decay": LogUniform(1e-3, 1.0),
        "muon_lr": LogUniform(1e-3, 0.1),
        "embedding": Integer(8, 32, 4),
        "sigma": LogUniform(0.01, 10.0),
    }


def require_names(space: Mapping[str, Any]) -> None:
    """Raise ValueError for a name that no hyper-parameter has."""
    for name in space:
        if name not in DEFAULTS:
            raise ValueError(
                f"space has {name!r}, wanted some of {', '.join(DEFAULTS)}; other names need build="
            )


def network_of(
    params: Mapping[str, Any],
    n_inputs: int,
    n_outputs: int,
    numbers: Iterable[int] | None,
    loss: Any,
    seed: int,
) -> Sequential:
    """The untrained network that hyper-parameters describe; those left out are the defaults."""
    own = DEFAULTS | dict(params)
    rng = np.random.default_rng(seed)
    rate = real_number("dropout", own["dropout"], 0.0, 1.0)
    known = activation_classes()
    if own["activation"] not in known:
        raise ValueError(f"activation is {own['activation']!r}, wanted one of {', '.join(known)}")
    layers: list[Any] = []
    width, columns = n_inputs, list(range(n_inputs) if numbers is None else numbers)
    if whole_number("embedding", own["embedding"], 0) and columns:
        sigma = positive_number("sigma", own["sigma"])
        layers.append(
            PeriodicEmbedding(width, columns, FREQUENCIES, own["embedding"], "pbld", sigma, rng)
        )
        width = layers[-1].n_outputs
    for _ in range(whole_number("layers", own["layers"], 0)):
        hidden = whole_number("width", own["width"], 1)
        layers += [Affine.init(width, hidden, rng, own["activation"]), known[own["activation"]]()]
        if rate:
            layers.append(Dropout(rate, rng=0))  # fit draws the masks by its own key
        width = hidden
    return Sequential(*layers, Affine.init(width, n_outputs, rng, "linear"), loss=loss)


def optimizer_of(params: Mapping[str, Any], net: Sequential) -> Optimizer:
    """AdamW, or Muon for the matrices but the last one and AdamW for the rest."""
    own = DEFAULTS | dict(params)
    if own["muon_lr"] is None:
        return AdamW(own["lr"], weight_decay=own["weight_decay"], decay_bias=False)
    last = f"{len(net.layers) - 1}.W"
    return Muon(
        own["muon_lr"], weight_decay=own["weight_decay"], adamw_lr=own["lr"], decay_bias=False,
        adamw=[last] if last in net.params else (),
    )  # fmt: skip
