"""Several processes that train one network: what they say to each other besides gradients.

A process of them is a rank. All ranks run the same program and meet in the same order; everything
that one of them could decide for itself is told to the others before any of them acts on it, so
none waits for a meeting that another will never come to.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import numpy as np

from affinet._validation import Array
from affinet._version import __version__

LONGEST = 500  # letters of a fact that are shown
HERE, REFUSED, LEFT = 0, 1, 2  # how a rank comes to the beginning of a training
FINE, STOPPED, FAILED = 0, 1, 2  # what a rank's callbacks came to


@runtime_checkable
class Reducer(Protocol):
    """What ``fit(..., reducer=...)`` asks of an engine that connects processes.

    Every rank calls the same methods in the same order with arrays of the same shape and dtype
    (float32, float64, int64 or uint8, contiguous). After :meth:`sum` all ranks hold the same
    bits, and for the same numbers the same bits again.

    It may have more: ``abort(error)``, called on a rank whose training fails and ends, which must
    end the other ranks too; ``sum_patiently(array)``, a sum where other ranks may come much later;
    ``buffer(size, dtype)``, which returns memory for the array of gradients, or None; and
    ``average_every``, None or a number of steps: each rank then updates its own parameters, which
    are averaged after so many steps.

    Attributes
    ----------
    rank : int
        Of this process, 0 .. size - 1.
    size : int
        Number of processes.

    Examples
    --------
    >>> import affinet as an, numpy as np
    >>> class Alone:
    ...     rank, size = 0, 1
    ...     def broadcast(self, array, root=0):
    ...         pass
    ...     def sum(self, array):
    ...         pass
    >>> isinstance(Alone(), Reducer)
    True
    >>> net = an.Sequential(an.Affine.init(1, 1, rng=0), loss=an.MeanSquaredError())
    >>> net.fit(np.ones((8, 1)), np.ones(8), epochs=3, reducer=Alone()).steps
    3
    """

    rank: int
    size: int

    def broadcast(self, array: Array, root: int = 0) -> None:
        """Overwrite the array with that of the rank ``root``."""

    def sum(self, array: Array) -> None:
        """Overwrite the array with its sum over all ranks."""


class Team:
    """One rank's side of the talk between all of them."""

    def __init__(self, reducer: Any) -> None:
        if isinstance(reducer, type) or not isinstance(reducer, Reducer):
            raise TypeError(f"reducer is {reducer!r}, wanted a Reducer such as MPIReducer()")
        self.reducer, self.rank, self.size = reducer, int(reducer.rank), int(reducer.size)
        if not 0 <= self.rank < self.size:
            raise ValueError(f"reducer has rank {self.rank} of {self.size}, wanted 0 .. size - 1")
        self.sum, self.broadcast = reducer.sum, reducer.broadcast

    def part(self, n: int) -> tuple[int, int]:
        """From which of n things in a row to which they are this rank's."""
        return n * self.rank // self.size, n * (self.rank + 1) // self.size

    def gather(self, *own: float, patiently: bool = False) -> Array:
        """Some numbers of every rank, (size, n): exact, and the same on every rank."""
        table = np.zeros((self.size, len(own)))
        table[self.rank] = own
        (getattr(self.reducer, "sum_patiently", self.sum) if patiently else self.sum)(table)
        return table

    def bytes_of(self, root: int, own: bytes = b"") -> bytes:
        """What one rank has, on every rank."""
        length = np.array([len(own)], np.int64)
        self.broadcast(length, root)
        content = np.zeros(int(length[0]), np.uint8)
        if self.rank == root:
            content[:] = np.frombuffer(own, np.uint8)
        if len(content):
            self.broadcast(content, root)
        return content.tobytes()

    def text_of(self, root: int, own: str = "") -> str:
        """A text of one rank, on every rank."""
        return self.bytes_of(root, own.encode()).decode()

    # What must be agreed on ----------------------------------------------------------------------

    @contextmanager
    def setting_up(self) -> Iterator[None]:
        """A block that all ranks end alike: if one of them raises, so do all, before they go on."""
        problem = None
        try:
            yield
        except Exception as error:
            problem = error
        self.meet(HERE if problem is None else REFUSED, problem)

    def meet(self, state: int, problem: Exception | None = None) -> None:
        """Wait for all ranks; raise on all of them if one refuses, has left or is of another kind.

        The first thing that ranks say, so its form is that of every version.
        """
        table = self.gather(state, number_of(__version__), patiently=True)
        gone = np.flatnonzero(table[:, 0] == LEFT)
        if state == LEFT:
            return
        if len(gone):
            raise RuntimeError(f"rank {gone[0]} has ended before this training: all ranks end")
        self.raise_together(table[:, 0] == REFUSED, problem)
        self.compare({"affinet's version": __version__}, table[:, 1:])

    def raise_together(self, failed: Array, problem: BaseException | None) -> None:
        """Raise on every rank if some ``failed``: there their own problem, elsewhere the first."""
        if not failed.any():
            return
        root = int(np.argmax(failed))
        own = "" if problem is None else "".join(traceback.format_exception(problem)).strip()
        text = self.text_of(root, own)
        if problem is None:
            problem = RuntimeError(f"rank {root} of {self.size} failed:\n{text}")
        problem._affinet_agreed = True  # type: ignore[attr-defined]
        raise problem

    def agree(self, facts: Mapping[str, Any]) -> None:
        """Raise on every rank unless they all have the same facts, whose names they share."""
        self.compare(facts, self.gather(*map(number_of, facts.values())))

    def compare(self, facts: Mapping[str, Any], table: Array) -> None:
        """Raise on every rank unless the rows of the table, numbers of the facts, are alike."""
        for column, (name, own) in enumerate(facts.items()):
            other = table[:, column] != table[0, column]
            if other.any():
                rank = int(np.argmax(other))
                texts = [self.text_of(root, f"{own}"[:LONGEST]) for root in (0, rank)]
                error = ValueError(
                    f"the ranks disagree on {name}: {texts[0]} on rank 0, {texts[1]} on rank {rank}"
                )
                error._affinet_agreed = True  # type: ignore[attr-defined]
                raise error

    def abort(self, error: BaseException) -> None:
        """End all ranks, for this one fails where the others do not know of it."""
        if is_agreed(error):
            return
        if self.size > 1:
            text = "".join(traceback.format_exception(error))
            print(f"rank {self.rank} of {self.size} ends all:\n{text}", file=sys.stderr, flush=True)
        if hasattr(self.reducer, "abort"):
            self.reducer.abort(error)


def is_agreed(error: BaseException) -> bool:
    """True if every rank raises at this very place, so that none waits for another."""
    return getattr(error, "_affinet_agreed", False)


def number_of(fact: Any) -> float:
    """A whole number below 2^48 that differs where facts do."""
    return float(int.from_bytes(hashlib.sha256(f"{fact}".encode()).digest()[:6], "big"))
