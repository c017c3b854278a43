"""JAX's trainer: a whole epoch in one jitted ``lax.scan``."""

from __future__ import annotations

from typing import Any

import numpy as np
from nets import Array
from peers.jax_contenders import logits  # sets the number of threads, so before jax

# isort: split
import jax
import jax.numpy as jnp

from .task import ADAM, Setting, order_of

VERSION = jax.__version__


class Scan:
    """One call for each epoch, which gathers each step's rows from the bytes and scales them."""

    precision = "float32"
    early_epsilon = False

    def __init__(self, widths: tuple[int, ...], setting: Setting) -> None:
        self.setting = setting
        self.n_classes = widths[-1]
        self.jitted = jax.jit(self.scan, donate_argnums=0)
        self.compiled: dict[int, Any] = {}  # by the number of rows
        self.outputs = jax.jit(lambda arrays, x: logits(arrays, scaled(x)))
        self.note = ""
        self.losses: list[float] = []

    def start(self, first: list[Array], seed: int) -> None:
        arrays = [jnp.array(array) for array in first]
        zeros = [jnp.zeros_like(array) for array in arrays]
        more_zeros = [jnp.zeros_like(array) for array in arrays]  # donated, so no two are the same
        self.state = jax.block_until_ready((arrays, zeros, more_zeros, jnp.zeros((), jnp.int32)))
        self.rng = np.random.default_rng(seed)

    def warm_up(self, images: Array, classes: Array) -> None:
        self.load(images, classes)
        lowered = self.jitted.lower(*self.arguments(self.setting.lr, shuffle=True))
        self.compiled[len(images)] = lowered.compile()

    def load(self, images: Array, classes: Array) -> None:
        self.x, self.t = jax.block_until_ready((jnp.array(images), jnp.array(classes)))

    def epoch(self, lr: float, shuffle: bool = True) -> None:
        run = self.compiled.get(len(self.x), self.jitted)
        self.state, losses = run(*self.arguments(lr, shuffle))
        jax.block_until_ready(self.state)
        self.losses = np.asarray(losses).tolist()

    def arguments(self, lr: float, shuffle: bool) -> tuple[Any, ...]:
        """Those of an epoch: the state, the images, and the rows of each step."""
        order = order_of(self.rng, len(self.x), shuffle).reshape(-1, self.setting.batch)
        return self.state, self.x, self.t, order.astype(np.int32), np.float32(lr)

    def scan(self, state: Any, images: Any, classes: Any, order: Any, lr: Any) -> Any:
        """All steps of an epoch."""

        def step(state: Any, rows: Any) -> Any:
            arrays, means, squares, count = state
            x, t = scaled(images[rows]), classes[rows]
            loss, gradients = jax.value_and_grad(self.loss)(arrays, x, t)
            state = adam(arrays, means, squares, count + 1, gradients, lr)
            return state, loss

        return jax.lax.scan(step, state, order)

    def loss(self, arrays: list[Any], x: Any, t: Any) -> Any:
        """The mean cross-entropy."""
        logarithms = jax.nn.log_softmax(logits(arrays, x))
        return -jnp.mean(jnp.sum(logarithms * jax.nn.one_hot(t, self.n_classes), axis=1))

    def predict(self, images: Array) -> Array:
        return np.asarray(self.outputs(self.state[0], images))

    def parameters(self) -> list[Array]:
        return [np.asarray(array) for array in self.state[0]]


def scaled(images: Any) -> Any:
    """Bytes as numbers 0..1."""
    return images.astype(jnp.float32) * np.float32(1 / 255)


def adam(
    arrays: list[Any], means: list[Any], squares: list[Any], count: Any, gradients: Any, lr: Any
) -> Any:
    """An update by Adam (Kingma and Ba, ICLR 2015) and the state behind it."""
    beta1, beta2, eps = ADAM["beta1"], ADAM["beta2"], ADAM["eps"]
    means = [beta1 * m + (1 - beta1) * g for m, g in zip(means, gradients, strict=True)]
    squares = [beta2 * v + (1 - beta2) * g * g for v, g in zip(squares, gradients, strict=True)]
    first, second = 1 - beta1**count, 1 - beta2**count
    arrays = [
        W - lr * (m / first) / (jnp.sqrt(v / second) + eps)
        for W, m, v in zip(arrays, means, squares, strict=True)
    ]
    return arrays, means, squares, count


TRAINERS = {"jax": Scan}
