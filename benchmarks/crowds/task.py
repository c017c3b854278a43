"""Many networks of one shape, with their data: the work of every contender."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from nets import Array, Net, first_parameters, training_data
from verification import Outcome, require_equal


@dataclass(frozen=True)
class Crowd:
    """Networks of one shape that train on the same rows with plain gradient descent.

    Attributes
    ----------
    net : Net
    n : int
        Number of networks; each has initial parameters of its own.
    epochs : int
    lr : float
    """

    net: Net
    n: int
    epochs: int
    lr: float = 0.05
    dtype: str = field(default="float32")

    @property
    def title(self) -> str:
        """The networks as text."""
        return f"{self.n:,} networks {self.net.title}, {self.epochs * self.net.batches} steps each"

    @cached_property
    def data(self) -> tuple[Array, Array]:
        """The rows and their classes."""
        return training_data(self.net, self.dtype, self.net.batches)

    @cached_property
    def first(self) -> list[Array]:
        """The initial parameters of all networks, (n, ...) each."""
        rng = np.random.default_rng(4)
        return [
            array * rng.uniform(0.5, 1.5, (self.n, *[1] * array.ndim)).astype(self.dtype)
            for array in first_parameters(self.net, self.dtype)
        ]

    def require_same(self, name: str, found: list[Array], wanted: list[Array]) -> float:
        """The largest deviation of any network's parameters; an error above the tolerance."""
        return max(
            require_equal(
                f"{name}, network {place}",
                Outcome([array[place] for array in found], []),
                Outcome([array[place] for array in wanted], []),
                [array[place] for array in self.first],
                self.net.parameter_names,
            )
            for place in range(self.n)
        )
