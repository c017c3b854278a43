"""JAX's contender: ``vmap`` over the networks inside ``lax.scan`` over all batches, jitted."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from nets import Array

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp

from .task import Crowd

VERSION = jax.__version__


class VmapScan:
    """All steps of all networks in one jitted call; the networks take the batches in order."""

    def __init__(self, task: Crowd) -> None:
        self.task = task
        x, t = task.data
        batch = task.net.batch
        self.data = jnp.array(x.reshape(-1, batch, x.shape[1])), jnp.array(t.reshape(-1, batch))
        step = jax.vmap(make_step(task), in_axes=(0, None))

        def epoch(arrays: list[Any], data: Any) -> list[Any]:
            return jax.lax.scan(lambda a, b: (step(a, b), None), arrays, data)[0]

        self.train = jax.jit(epoch, donate_argnums=0)
        self.reset()

    def reset(self) -> None:
        """Start again from the initial parameters."""
        self.arrays = jax.block_until_ready([jnp.array(array) for array in self.task.first])

    def run(self, count: int) -> None:
        """Train all networks."""
        for _ in range(count * self.task.epochs):
            self.arrays = self.train(self.arrays, self.data)
        jax.block_until_ready(self.arrays)

    def parameters(self) -> list[Array]:
        """The parameters of all networks, (n, ...) each."""
        return [np.asarray(array) for array in self.arrays]


def make_step(task: Crowd) -> Any:
    """A step of plain gradient descent of one network."""
    n_classes, lr = task.net.widths[-1], task.lr

    def loss_of(arrays: list[Any], x: Any, t: Any) -> Any:
        *hidden, (W, b) = zip(arrays[::2], arrays[1::2], strict=True)
        for V, c in hidden:
            x = jax.nn.relu(x @ V + c)
        logarithms = jax.nn.log_softmax(x @ W + b)
        return -jnp.mean(jnp.sum(logarithms * jax.nn.one_hot(t, n_classes), axis=1))

    def step(arrays: list[Any], batch: Any) -> list[Any]:
        gradients = jax.grad(loss_of)(arrays, *batch)
        return [array - lr * gradient for array, gradient in zip(arrays, gradients, strict=True)]

    return step


CONTENDERS = {"jax.vmap, scan": VmapScan}
