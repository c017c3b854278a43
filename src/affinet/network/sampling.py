"""Monte-Carlo dropout: predictions with random masks, which differ as the network is unsure."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.layers import Dropout
from affinet.layers.chain import Chain
from affinet.layers.tree import walk

APART = 1  # a spawn key: the masks are not those of a training with the same seed


class DroppingLayer(Dropout):
    """A Dropout that draws a mask in prediction too, at its ``position``."""

    def predict(self, x: Any) -> Array:
        """x with elements dropped."""
        return super().forward(x, True)

    def forward(self, x: Any, train: bool = True) -> Array:
        """The same, whatever the mode."""
        return super().forward(x, True)


class Sampler:
    """Copies of a network's layers that predict with masks of (seed, path, sample, row).

    The copies leave the network as it is, so that several threads may sample at once.
    """

    def __init__(self, layers: tuple[Any, ...], seed: int) -> None:
        twins = copy.deepcopy(layers)
        self._chain = Chain(twins)
        self._drops: list[tuple[Dropout, int]] = []
        for path, layer in walk(twins):
            if isinstance(layer, Dropout):
                if type(layer) is not Dropout:
                    raise TypeError(f"samples: layer {path} is {layer!r}, wanted a Dropout")
                layer.__class__ = DroppingLayer
                self._drops.append((layer, mask_key(seed, path)))
        if not self._drops:
            raise ValueError("samples was given, but the network has no Dropout layer")

    def outputs(self, x: Array, n: int, first_row: int) -> Iterator[Array]:
        """The outputs of rows that start at ``first_row`` of all, n times."""
        for sample in range(n):
            for layer, key in self._drops:
                layer.position = (key, sample, first_row)
            *_, out = self._chain.outputs(x, None)
            yield out


def mask_key(seed: int, path: str) -> int:
    """The 64-bit key of the masks of the dropout layer at this path."""
    numbers = [seed, *map(int, path.split("."))]
    sequence = np.random.SeedSequence(numbers, spawn_key=(APART,))
    return int(sequence.generate_state(1, np.uint64)[0])
