"""PyTorch's contender: stacked parameters, ``torch.func.vmap`` of ``torch.func.grad``."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from nets import Array
from torch.nn import functional

from .task import Crowd

VERSION = torch.__version__
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


class Stacked:
    """One vectorized gradient and one update of all networks for each batch, in order."""

    def __init__(self, task: Crowd) -> None:
        self.task = task
        x, t = task.data
        batch = task.net.batch
        self.batches = list(
            zip(torch.from_numpy(x).split(batch), torch.from_numpy(t).split(batch), strict=True)
        )
        self.gradients = torch.func.vmap(torch.func.grad(loss_of), in_dims=(0, None, None))
        self.reset()

    def reset(self) -> None:
        """Start again from the initial parameters."""
        self.tensors = tuple(torch.from_numpy(array.copy()) for array in self.task.first)

    def run(self, count: int) -> None:
        """Train all networks."""
        for _ in range(count * self.task.epochs):
            for x, t in self.batches:
                gradients = self.gradients(self.tensors, x, t)
                torch._foreach_add_(self.tensors, gradients, alpha=-self.task.lr)

    def parameters(self) -> list[Array]:
        """The parameters of all networks, (n, ...) each."""
        return [np.asarray(tensor) for tensor in self.tensors]


def loss_of(tensors: tuple[Any, ...], x: Any, t: Any) -> Any:
    """The loss of one network on one batch."""
    last = len(tensors) - 2
    for place in range(0, last, 2):
        x = torch.relu(torch.addmm(tensors[place + 1], x, tensors[place]))
    return functional.cross_entropy(torch.addmm(tensors[last + 1], x, tensors[last]), t)


CONTENDERS = {"torch.func, stacked": Stacked}
