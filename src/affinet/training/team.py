"""Several processes that train one network: what they exchange besides gradients.

Each process is a rank. All ranks run the same program and communicate in the same order; whatever
one rank could decide alone is sent to the others before any of them acts on it, so no rank waits
for an exchange that another will never join.
"""

from __future__ import annotations

import hashlib
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import numpy as np

from affinet._validation import Array
from affinet._version import __version__

LONGEST = 500  # characters of a fact to show
HERE, REFUSED, LEFT = 0, 1, 2  # a rank's state at the start of a training
FINE, STOPPED, FAILED = 0, 1, 2  # result of a rank's callbacks


@runtime_checkable
class Reducer(Protocol):
    """The interface that ``fit(..., reducer=...)`` needs to connect processes.

    Every rank calls the same methods in the same order with arrays of the same shape and dtype
    (float32, float64, int64 or uint8, contiguous). After :meth:`sum` all ranks hold the same
    bits, and equal inputs give equal bits again.

    Optional members: ``abort(error)``, called on a rank whose training fails, which must end the
    other ranks too; ``sum_patiently(array)``, a sum that other ranks may join much later;
    ``buffer(size, dtype)``, which returns memory for the gradient array, or None; and
    ``average_every``, None or a number of steps: each rank then updates its own parameters, which
    are averaged every ``average_every`` steps.

    Attributes
    ----------
    rank : int
        Rank of this process, 0 .. size - 1.
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
    """One rank's communication with the others."""

    def __init__(self, reducer: Any) -> None:
        if isinstance(reducer, type) or not isinstance(reducer, Reducer):
            raise TypeError(f"reducer is {reducer!r}, wanted a Reducer such as MPIReducer()")
        self.reducer, self.rank, self.size = reducer, int(reducer.rank), int(reducer.size)
        if not 0 <= self.rank < self.size:
            raise ValueError(f"reducer has rank {self.rank} of {self.size}, wanted 0 .. size - 1")
        self.sum, self.broadcast = reducer.sum, reducer.broadcast

    def part(self, n: int) -> tuple[int, int]:
        """The range (start, stop) of n items that belongs to this rank."""
        return n * self.rank // self.size, n * (self.rank + 1) // self.size

    def gather(self, *own: float, patiently: bool = False) -> Array:
        """The n numbers of every rank, (size, n): exact, and equal on every rank."""
        table = np.zeros((self.size, len(own)))
        table[self.rank] = own
        (getattr(self.reducer, "sum_patiently", self.sum) if patiently else self.sum)(table)
        return table

    def bytes_of(self, root: int, own: bytes = b"") -> bytes:
        """The bytes of one rank, on every rank."""
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
        """A context that all ranks leave the same way: if one raises, all raise."""
        problem = None
        try:
            yield
        except Exception as error:
            problem = error
        self.meet(HERE if problem is None else REFUSED, problem)

    def meet(self, state: int, problem: Exception | None = None) -> None:
        """Wait for all ranks; raise on all if one refuses, has left or has another version.

        This is the ranks' first exchange, so its format must not change between versions.
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
        """Raise on every rank if any ``failed``: its own problem there, the first one elsewhere."""
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
        """Raise on every rank unless the facts are equal on all; their names must be the same."""
        self.compare(facts, self.gather(*map(number_of, facts.values())))

    def compare(self, facts: Mapping[str, Any], table: Array) -> None:
        """Raise on every rank unless all rows of the table, the facts' numbers, are equal."""
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
        """End all ranks because this one fails without the others knowing."""
        if is_agreed(error):
            return
        if self.size > 1:
            text = "".join(traceback.format_exception(error))
            print(f"rank {self.rank} of {self.size} ends all:\n{text}", file=sys.stderr, flush=True)
        if hasattr(self.reducer, "abort"):
            self.reducer.abort(error)


def is_agreed(error: BaseException) -> bool:
    """True if every rank raises at the same place, so no rank waits for another."""
    return getattr(error, "_affinet_agreed", False)


def number_of(fact: Any) -> float:
    """A hash of a fact: an integer below 2^48."""
    return float(int.from_bytes(hashlib.sha256(f"{fact}".encode()).digest()[:6], "big"))


@contextmanager
def noting_interrupts(note: Callable[[], bool]) -> Iterator[None]:
    """Call ``note`` at Ctrl-C if this is the main thread; raise if it returns True."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def noted(number: int, frame: Any) -> None:
        if note():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, noted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
