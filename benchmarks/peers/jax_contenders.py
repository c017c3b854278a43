"""JAX's contenders: one jitted step for each call, and a whole epoch in one ``lax.scan``."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from nets import Array

from .tasks import Prediction, Training, threads

if threads() == 1:  # JAX ignores OMP_NUM_THREADS; must precede its import
    os.environ["XLA_FLAGS"] = " ".join(
        [
            os.environ.get("XLA_FLAGS", ""),
            "--xla_cpu_multi_thread_eigen=false",
            "intra_op_parallelism_threads=1",
        ]
    )
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp

VERSION = jax.__version__


class StepTraining:
    """One jitted step for each call, which donates its parameters' memory to the next."""

    shuffles = False

    def __init__(self, task: Training) -> None:
        self.task = task
        self.batches = [(jnp.array(x), jnp.array(t)) for x, t in task.batches()]
        self.step = jax.jit(make_step(task), donate_argnums=0)
        self.seen: list[Any] = []
        self.reset()

    def run(self, count: int) -> None:
        step, arrays = self.step, self.arrays
        for _ in range(count):
            seen = []
            for batch in self.batches:
                arrays, loss = step(arrays, batch)
                seen.append(loss)
        self.arrays, self.seen = arrays, seen
        jax.block_until_ready(arrays)

    @property
    def losses(self) -> list[float]:
        return [float(loss) for loss in self.seen]

    def reset(self) -> None:
        self.arrays = jax.block_until_ready([jnp.array(array) for array in self.task.first])

    def parameters(self) -> list[Array]:
        return [np.asarray(array) for array in self.arrays]


class ScanTraining(StepTraining):
    """One epoch for each call: ``lax.scan`` over all batches inside one jitted function."""

    def __init__(self, task: Training) -> None:
        super().__init__(task)
        step = make_step(task)
        self.epoch = jax.jit(
            lambda arrays, data: jax.lax.scan(step, arrays, data), donate_argnums=0
        )
        n_in, batch = task.net.widths[0], task.net.batch
        self.data = jnp.array(task.x.reshape(-1, batch, n_in)), jnp.array(task.t.reshape(-1, batch))
        self.batches = []

    def run(self, count: int) -> None:
        arrays = self.arrays
        for _ in range(count):
            arrays, losses = self.epoch(arrays, self.data)
        self.arrays, self.seen = arrays, losses
        jax.block_until_ready(arrays)


class JitPrediction:
    """A jitted forward pass of rows that are JAX arrays already."""

    gives = "logits"

    def __init__(self, task: Prediction) -> None:
        self.predict = jax.jit(logits)
        self.arrays = [jnp.array(array) for array in task.parameters]
        self.x = jnp.array(task.x)

    def run(self, count: int) -> None:
        predict, arrays, x = self.predict, self.arrays, self.x
        for _ in range(count):
            predict(arrays, x).block_until_ready()

    def output(self) -> Array:
        return np.asarray(self.predict(self.arrays, self.x))


def logits(arrays: list[Any], x: Any) -> Any:
    """The network's outputs for x (B, I)."""
    for W, b in zip(arrays[:-2:2], arrays[1:-2:2], strict=True):
        x = jax.nn.relu(x @ W + b)
    return x @ arrays[-2] + arrays[-1]


def make_step(task: Training) -> Any:
    """A step of plain gradient descent, with the fastest of three formulas for the loss."""
    n_classes, lr = task.net.widths[-1], task.lr

    def loss_of(arrays: list[Any], x: Any, t: Any) -> Any:
        logarithms = jax.nn.log_softmax(logits(arrays, x))
        return -jnp.mean(jnp.sum(logarithms * jax.nn.one_hot(t, n_classes), axis=1))

    def step(arrays: list[Any], batch: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(arrays, *batch)
        new = [array - lr * gradient for array, gradient in zip(arrays, gradients, strict=True)]
        return new, loss

    return step


CONTENDERS = {
    "step": {"JAX step": StepTraining, "JAX scan": ScanTraining},
    "predict": {"JAX": JitPrediction},
}
