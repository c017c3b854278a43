"""The network of an estimator: new, or built around given weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.estimators.parameters import ACTIVATIONS
from affinet.layers import Affine, Dropout
from affinet.network import Sequential
from affinet.network.inner import walk

LOGISTIC_GAIN, GAIN = 2.0, 6.0


def initial_arrays(
    sizes: Sequence[int], activations: Sequence[str], dtype: Any, rng: np.random.RandomState
) -> Iterator[tuple[Array, Array]]:
    """W (I, O) and b (O,) of each layer, drawn as scikit-learn draws them.

    Both are uniform in ±sqrt(gain / (I + O)), gain 6, or 2 for the logistic function: Glorot and
    Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
    2010, equation 16. The last layer takes the gain of the last hidden one.
    """
    for place, (n_inputs, n_outputs) in enumerate(pairwise(sizes)):
        name = activations[min(place, len(activations) - 1)] if activations else "identity"
        gain = LOGISTIC_GAIN if name == "logistic" else GAIN
        bound = np.sqrt(gain / (n_inputs + n_outputs))
        W = rng.uniform(-bound, bound, (n_inputs, n_outputs))
        b = rng.uniform(-bound, bound, n_outputs)
        yield W.astype(dtype), b.astype(dtype)


def build(
    arrays: Sequence[tuple[Array, Array]],
    activations: Sequence[str],
    rates: Sequence[float],
    loss: Any,
    precision: str | None = None,
) -> Sequential:
    """Affine layers with these weights; behind each but the last its activation and dropout."""
    layers: list[Any] = []
    for place, (W, b) in enumerate(arrays):
        if place:
            activation = ACTIVATIONS[activations[place - 1]]
            layers += [] if activation is None else [activation()]
            if rates[place - 1] > 0:  # fit draws the masks by its own key
                layers.append(Dropout(rates[place - 1], rng=0))
        layers.append(Affine(W, b))
    return Sequential(*layers, loss=loss, precision=precision)


def affine_places(net: Sequential) -> list[str]:
    """Paths of the Affine layers."""
    return [path for path, layer in walk(net.layers) if isinstance(layer, Affine)]


def weight_views(net: Sequential) -> tuple[list[Array], list[Array]]:
    """The W of all Affine layers and their b, as views of the network's buffer."""
    places = affine_places(net)
    return [net.params[f"{i}.W"] for i in places], [net.params[f"{i}.b"] for i in places]
