"""PyTorch's contenders: as its tutorial writes it, lean, and compiled."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from nets import Array
from torch.nn import functional

from .precisions import product_error
from .tasks import Prediction, Training, Unavailable, threads

VERSION = torch.__version__
torch.set_num_threads(threads())


class ModuleTraining:
    """``nn.Sequential``, autograd and ``optim.SGD``.

    ``foreach`` and ``fused`` updates were slower than the plain loop for so few parameters.
    """

    shuffles = False

    def __init__(self, task: Training) -> None:
        self.task = task
        self.model = module(task.net.widths)
        self.optimizer = torch.optim.SGD(self.model.parameters(), task.lr, foreach=False)
        self.batches = tensor_batches(task)
        self.seen: list[torch.Tensor] = []
        self.reset()

    def run(self, count: int) -> None:
        for _ in range(count):
            self.seen = [self.step(x, t) for x, t in self.batches]

    def step(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        self.optimizer.zero_grad()
        loss = functional.cross_entropy(self.model(x), t)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    @property
    def losses(self) -> list[float]:
        return [float(loss) for loss in self.seen]

    def reset(self) -> None:
        set_module(self.model, self.task.first)

    def parameters(self) -> list[Array]:
        return [
            np.ascontiguousarray(parameter.detach().numpy().T)
            for parameter in self.model.parameters()
        ]


class LeanTraining:
    """W as (I, O), one ``addmm`` a layer, ``autograd.grad``, one update of all parameters."""

    shuffles = False

    def __init__(self, task: Training) -> None:
        self.task = task
        self.tensors = [torch.from_numpy(array.copy()) for array in task.first]
        self.batches = tensor_batches(task)
        self.seen: list[torch.Tensor] = []
        self.step = self.make_step()

    def make_step(self) -> Any:
        for tensor in self.tensors:
            tensor.requires_grad_()

        def step(tensors: list[torch.Tensor], x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            loss = functional.cross_entropy(logits(tensors, x), t)
            gradients = torch.autograd.grad(loss, tensors)
            with torch.no_grad():
                torch._foreach_add_(tensors, gradients, alpha=-self.task.lr)
            return loss.detach()

        return step

    def run(self, count: int) -> None:
        step, tensors = self.step, self.tensors
        for _ in range(count):
            self.seen = [step(tensors, x, t) for x, t in self.batches]

    @property
    def losses(self) -> list[float]:
        return [float(loss) for loss in self.seen]

    def reset(self) -> None:
        with torch.no_grad():
            for tensor, start in zip(self.tensors, self.task.first, strict=True):
                tensor.copy_(torch.from_numpy(start))

    def parameters(self) -> list[Array]:
        return [tensor.detach().numpy() for tensor in self.tensors]


class CompiledTraining(LeanTraining):
    """The whole step, with gradients and update, in one ``torch.compile``."""

    def make_step(self) -> Any:
        require_compiler()
        lr = self.task.lr

        def step(tensors: list[torch.Tensor], x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            def loss_of(tensors: list[torch.Tensor]) -> torch.Tensor:
                return functional.cross_entropy(logits(tensors, x), t)

            gradients, loss = torch.func.grad_and_value(loss_of)(tensors)
            for tensor, gradient in zip(tensors, gradients, strict=True):
                tensor.sub_(gradient, alpha=lr)
            return loss

        return torch.compile(step, fullgraph=True)

    def run(self, count: int) -> None:
        with torch.no_grad():
            super().run(count)


class Precise:
    """PyTorch in float32, beside its other precisions; ``arithmetic`` holds while it computes."""

    precision = "float32"

    def error(self) -> float:
        """Of a product, against float64."""

        def product(A: Array, B: Array) -> Array:
            with self.arithmetic():
                found = torch.from_numpy(A) @ torch.from_numpy(B)
            result: Array = found.float().numpy()
            return result

        return product_error(self.precision, product)

    def arithmetic(self) -> AbstractContextManager[object]:
        return nullcontext()

    def run(self, count: int) -> None:
        with self.arithmetic():
            super().run(count)  # type: ignore[misc]


class Medium(Precise):
    """``torch.set_float32_matmul_precision("medium")``, which the processor may ignore."""

    precision = "bfloat16"

    @contextmanager
    def arithmetic(self) -> Iterator[None]:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("medium")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)


class Autocast(Precise):
    """``torch.autocast`` in bfloat16; each step casts the weights anew, as they have changed."""

    precision = "bfloat16"

    def arithmetic(self) -> AbstractContextManager[object]:
        return torch.autocast("cpu", torch.bfloat16, cache_enabled=False)


class PreciseLean(Precise, LeanTraining):
    """The lean step."""


class PreciseCompiled(Precise, CompiledTraining):
    """The compiled step."""


class MediumLean(Medium, LeanTraining):
    """The lean step."""


class MediumCompiled(Medium, CompiledTraining):
    """The compiled step."""


class AutocastLean(Autocast, LeanTraining):
    """The lean step."""


class AutocastCompiled(Autocast, CompiledTraining):
    """The compiled step."""


class ModulePrediction:
    """``nn.Sequential`` in inference mode."""

    gives = "logits"

    def __init__(self, task: Prediction) -> None:
        self.model: Any = module(task.net.widths)
        set_module(self.model, task.parameters)
        self.model.eval()
        self.x = torch.from_numpy(task.x)

    def run(self, count: int) -> None:
        model, x = self.model, self.x
        with torch.inference_mode():
            for _ in range(count):
                model(x)

    def output(self) -> Array:
        with torch.inference_mode():
            result: Array = self.model(self.x).numpy()
        return result


class LeanPrediction(ModulePrediction):
    """W as (I, O), one ``addmm`` a layer."""

    def __init__(self, task: Prediction) -> None:
        tensors = [torch.from_numpy(array.copy()) for array in task.parameters]
        self.model = partial(logits, tensors)
        self.x = torch.from_numpy(task.x)


class CompiledPrediction(ModulePrediction):
    """The same through ``torch.compile``."""

    def __init__(self, task: Prediction) -> None:
        require_compiler()
        super().__init__(task)
        self.model = torch.compile(self.model, fullgraph=True)


def module(widths: tuple[int, ...]) -> torch.nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[torch.nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def set_module(model: torch.nn.Sequential, first: list[Array]) -> None:
    """Overwrite the module's parameters, whose weights are (O, I)."""
    with torch.no_grad():
        for parameter, start in zip(model.parameters(), first, strict=True):
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(start.T)))


def logits(tensors: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The network's outputs for x (B, I)."""
    for W, b in zip(tensors[:-2:2], tensors[1:-2:2], strict=True):
        x = torch.relu(torch.addmm(b, x, W))
    return torch.addmm(tensors[-1], x, tensors[-2])


def tensor_batches(task: Training) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The batches as tensors over the same memory."""
    return [(torch.from_numpy(x), torch.from_numpy(t)) for x, t in task.batches()]


def require_compiler() -> None:
    """Raise :class:`Unavailable` if ``torch.compile`` would find no C++ compiler."""
    names = [os.environ.get("CXX", ""), "g++", "clang++", "cl"]
    if not any(name and shutil.which(name) for name in names):
        raise Unavailable("torch.compile needs a C++ compiler")


CONTENDERS = {
    "step": {
        "PyTorch": ModuleTraining,
        "PyTorch lean": LeanTraining,
        "PyTorch compiled": CompiledTraining,
    },
    "precision": {
        "PyTorch": PreciseLean,
        "PyTorch compiled": PreciseCompiled,
        "PyTorch medium": MediumLean,
        "PyTorch medium compiled": MediumCompiled,
        "PyTorch autocast": AutocastLean,
        "PyTorch autocast compiled": AutocastCompiled,
    },
    "predict": {
        "PyTorch": ModulePrediction,
        "PyTorch lean": LeanPrediction,
        "PyTorch compiled": CompiledPrediction,
    },
}
