"""The four networks of the benchmarks, their initial parameters and their data.

The parameters are a list of arrays ``[W1, b1, W2, b2, ...]``. ReLU follows every layer but the
last, softmax with cross-entropy the last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Net:
    """A network and the size of its batches.

    Attributes
    ----------
    name : str
    widths : tuple of int
        Units per layer, from the inputs to the outputs.
    batch : int
        Rows per step.
    batches : int
        Batches per epoch.
    """

    name: str
    widths: tuple[int, ...]
    batch: int
    batches: int

    @property
    def title(self) -> str:
        """Widths and batch size as text: "8-64-64-4, batch 32"."""
        return f"{'-'.join(map(str, self.widths))}, batch {self.batch}"

    @property
    def parameter_names(self) -> list[str]:
        """W1, b1, W2, b2, ...: the order of every list of parameters here."""
        return [f"{kind}{i}" for i in range(1, len(self.widths)) for kind in "Wb"]

    @property
    def forward_flops(self) -> int:
        """Operations in the matrix products of a forward pass of a batch, one product per layer."""
        return 2 * self.batch * sum(n_in * n_out for n_in, n_out in pairwise(self.widths))

    @property
    def step_flops(self) -> int:
        """Operations in the matrix products of a step: three per layer, two in the first."""
        return 3 * self.forward_flops - 2 * self.batch * self.widths[0] * self.widths[1]


NETS = {
    net.name: net
    for net in (
        Net("tiny", (8, 64, 64, 4), 32, 200),
        Net("seed", (784, 50, 10), 100, 100),
        Net("mid", (784, 512, 512, 10), 128, 20),
        Net("big", (1024, 1024, 1024, 1024, 10), 1024, 8),
    )
}


def first_parameters(net: Net, dtype: str) -> list[Array]:
    """Weights after He et al. (ICCV 2015) and small biases; the same values in every dtype.

    The biases are not zero, so that verification detects a network that forgets to add them.
    """
    rng = np.random.default_rng(1)
    parameters = []
    for n_in, n_out in pairwise(net.widths):
        parameters.append(rng.standard_normal((n_in, n_out)) * math.sqrt(2 / n_in))
        parameters.append(rng.standard_normal(n_out) * 0.1)
    return [array.astype(dtype) for array in parameters]


def training_data(net: Net, dtype: str, batches: int) -> tuple[Array, Array]:
    """Normal random rows (batches * batch, I) and a class index for each, int64."""
    rng = np.random.default_rng(2)
    rows = batches * net.batch
    x = rng.standard_normal((rows, net.widths[0])).astype(dtype)
    return x, rng.integers(0, net.widths[-1], rows)
