"""PyTorch's trainers: float32 and bfloat16 autocast, as they are and compiled."""

from __future__ import annotations

import numpy as np
import torch
from nets import Array
from peers.torch_contenders import module, require_compiler, set_module
from torch.nn import functional

from .task import ADAM, Setting, order_of

VERSION = torch.__version__
PREDICTED = 1000  # rows at once


class Module:
    """``nn.Sequential``, autograd and the fused Adam; rows of images scaled once are gathered."""

    precision = "float32"
    early_epsilon = False
    compiled = False

    def __init__(self, widths: tuple[int, ...], setting: Setting) -> None:
        self.setting = setting
        self.model = module(widths)
        self.loss_of = self.loss
        if self.compiled:
            require_compiler()
            self.loss_of = torch.compile(self.loss, fullgraph=True)
        self.note = ""
        self.losses: list[float] = []

    def loss(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        with self.arithmetic():
            return functional.cross_entropy(self.model(x), t)

    def arithmetic(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bfloat16")

    def start(self, first: list[Array], seed: int) -> None:
        set_module(self.model, first)
        betas = ADAM["beta1"], ADAM["beta2"]
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), self.setting.lr, betas, ADAM["eps"], fused=True
        )
        self.rng = np.random.default_rng(seed)

    def warm_up(self, images: Array, classes: Array) -> None:
        self.load(images[: self.setting.batch], classes[: self.setting.batch])
        self.epoch(self.setting.lr)

    def load(self, images: Array, classes: Array) -> None:
        self.x = torch.from_numpy(images).to(torch.float32).mul_(1 / 255)
        self.t = torch.from_numpy(classes)

    def epoch(self, lr: float, shuffle: bool = True) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        order = torch.from_numpy(order_of(self.rng, len(self.x), shuffle))
        seen = []
        for rows in order.split(self.setting.batch):
            self.optimizer.zero_grad()
            loss = self.loss_of(self.x.index_select(0, rows), self.t.index_select(0, rows))
            loss.backward()
            self.optimizer.step()
            seen.append(loss.detach())
        self.losses = torch.stack(seen).tolist()

    def predict(self, images: Array) -> Array:
        parts = torch.from_numpy(images).split(PREDICTED)
        with torch.inference_mode(), self.arithmetic():
            found = [self.model(x.to(torch.float32).mul_(1 / 255)).float() for x in parts]
        result: Array = torch.cat(found).numpy()
        return result

    def parameters(self) -> list[Array]:
        return [
            np.ascontiguousarray(parameter.detach().numpy().T)
            for parameter in self.model.parameters()
        ]


class Autocast(Module):
    """The same under ``torch.autocast``."""

    precision = "bfloat16"


class Compiled(Module):
    """Forward, loss and backward in ``torch.compile``, if there is a C++ compiler."""

    compiled = True


class CompiledAutocast(Compiled):
    """The same under ``torch.autocast``."""

    precision = "bfloat16"


TRAINERS = {
    "torch": Module,
    "torch-bfloat16": Autocast,
    "torch-compiled": Compiled,
    "torch-compiled-bfloat16": CompiledAutocast,
}
