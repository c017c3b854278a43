"""What is set for each update: the learning rate, two factors, and a weight in an average."""

from __future__ import annotations

from typing import NamedTuple

from affinet._validation import Array


class Rate(NamedTuple):
    """What is set for one update; None where nothing sets it.

    Attributes
    ----------
    lr : float or None
        The learning rate.
    decay, dropout : float or None
        Factors of the optimizer's weight decay and of each dropout's p.
    average : float or None
        Weight of the new parameters in their average.
    """

    lr: float | None = None
    decay: float | None = None
    dropout: float | None = None
    average: float | None = None


class Rates(NamedTuple):
    """The same for many updates, (n,) each."""

    lrs: Array | None = None
    decays: Array | None = None
    dropouts: Array | None = None
    averages: Array | None = None

    def at(self, update: int) -> Rate:
        """Those of one update, 0 for the first."""
        return Rate(*(None if array is None else float(array[update]) for array in self))

    def part(self, start: int, stop: int | None = None) -> Rates:
        """Those of some updates in a row, as views."""
        return Rates(*(None if array is None else array[start:stop] for array in self))

    @property
    def shortest(self) -> int | None:
        """The number of updates that all arrays have a value for; None without any."""
        return min((len(array) for array in self if array is not None), default=None)
