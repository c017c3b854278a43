"""One training step in its three visible parts: forward, backward, update."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from affinet._validation import Array
from affinet.layers import Dropout
from affinet.losses import SoftmaxWithLoss, accuracy
from affinet.network import Sequential
from affinet.optimizers import Optimizer


class LayerwiseStep:
    """The step layer by layer, through each layer's own forward and backward."""

    kind = "layer by layer"

    def __init__(self, net: Sequential, optimizer: Optimizer) -> None:
        self.net = net
        self.optimizer = optimizer
        self.counts_hits = isinstance(net.loss, SoftmaxWithLoss)

    def __call__(self, x: Array, t: Array) -> tuple[float, float]:
        """Train on one batch; returns its loss and, for classes, its accuracy (else NaN)."""
        loss = self.net.forward(x, t, train=True)
        self.net.backward()
        self.optimizer.update(self.net.params, self.net.grads)
        return loss, accuracy(self.net.loss.y, t) if self.counts_hits else np.nan


class DropoutPlaces:
    """While fit runs it decides every mask: key (seed, layer position), counter the step."""

    def __init__(self, net: Sequential, seed: int) -> None:
        self._keys = {
            layer: int(np.random.SeedSequence([seed, place]).generate_state(1, np.uint64)[0])
            for place, layer in enumerate(net.layers)
            if isinstance(layer, Dropout)
        }

    def set_step(self, step: int) -> None:
        """Masks are drawn for this step from now on."""
        for layer, key in self._keys.items():
            layer._place = (key, step)

    @contextmanager
    def held(self) -> Iterator[DropoutPlaces]:
        """Give the layers back to their own keys and counters at the end."""
        try:
            yield self
        finally:
            for layer in self._keys:
                layer._place = None
