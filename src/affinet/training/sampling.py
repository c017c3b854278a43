"""The rows that a sampler draws for a training, validated; they depend on (seed, epoch) alone."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.samplers import BALANCED, Shuffled, WithReplacement
from affinet.training.selection import require_row_indices
from affinet.training.snapshot import digest
from affinet.training.weights import classes_of


class Drawing:
    """A sampler over the rows of one training.

    Parameters
    ----------
    sampler : callable
        See :mod:`affinet.samplers`.
    n_rows : int
        Number of rows of the data.
    seed : int

    Raises
    ------
    TypeError, ValueError
        If the rows of the first epoch cannot be used, or differ when they are drawn again.
    """

    def __init__(self, sampler: Any, n_rows: int, seed: int) -> None:
        self.sampler, self.n_rows, self.seed = sampler, n_rows, seed
        self.name = f"sampler {name_of(sampler)}"
        self.length = 0  # rows per epoch, known after the first draw
        first = self.rows(0)
        self.length = len(first)
        if not np.array_equal(first, self.rows(0)):
            raise ValueError(
                f"{self.name} drew other rows when it was called for the same epoch again, wanted "
                "rows that depend on (epoch, n_rows, rng) alone: take random numbers from rng"
            )

    def rows(self, epoch: int) -> Array:
        """The rows of an epoch, (n,) of int64."""
        rng = np.random.default_rng([self.seed, epoch])
        return self.checked(self.sampler(epoch, self.n_rows, rng), epoch)

    def checked(self, drawn: Any, epoch: int) -> Array:
        """A sampler's result as a new array of row indices; raises if it is not valid."""
        what = f"{self.name}: the result for epoch {epoch}"
        rows = require_row_indices(what, drawn, self.n_rows)
        if self.length not in (0, len(rows)):
            raise ValueError(
                f"{what} has {len(rows)} rows, that for epoch 0 has {self.length}, wanted the same "
                "number for every epoch"
            )
        return np.array(rows, np.int64)

    def describe(self) -> str:
        """The sampler as text that differs if its parameters differ."""
        if not callable(getattr(self.sampler, "config", None)):
            return name_of(self.sampler)
        shown = {
            name: f"[{digest(value)}]" if isinstance(value, np.ndarray) else repr(value)
            for name, value in self.sampler.config().items()
        }
        arguments = ", ".join(f"{name}={text}" for name, text in shown.items())
        return f"{name_of(self.sampler)}({arguments})"

    @cached_property
    def first_epoch(self) -> str:
        """A text that differs if the rows of the first epoch differ."""
        return f"{self.length} rows, {digest(self.rows(0))}"


def make_drawing(sampler: Any, loss: Any, t: Array, n_outputs: int, seed: int) -> Drawing | None:
    """The Drawing of a training; None if ``fit`` shuffles the rows itself.

    Parameters
    ----------
    sampler : callable
    loss : loss object
        Determines the classes, together with the targets.
    t : array of N targets
    n_outputs : int
        Number of outputs of the network.
    seed : int
    """
    if not callable(sampler) or isinstance(sampler, type):
        raise TypeError(
            f"sampler is {sampler!r}, wanted a callable such as samplers.WithReplacement()"
        )
    if type(sampler) is Shuffled:
        return None
    if isinstance(sampler, WithReplacement) and isinstance(sampler.weights, str):
        what = f"sampler {name_of(sampler)}: weights={BALANCED!r}"
        classes, _ = classes_of(loss, np.asarray(t), n_outputs, what)
        sampler = sampler.with_classes(classes)
    return Drawing(sampler, len(t), seed)


def name_of(sampler: Any) -> str:
    """A sampler's name: the qualified name of the function or of the object's class."""
    while isinstance(sampler, partial):
        sampler = sampler.func
    named = sampler if hasattr(sampler, "__qualname__") else type(sampler)
    room = named.__module__ or "__main__"  # compiled methods have none
    # A script is __mp_main__ in the processes that it spawns.
    plain = room in ("__main__", "__mp_main__") or room.startswith("affinet.")
    return str(named.__qualname__) if plain else f"{room}.{named.__qualname__}"
