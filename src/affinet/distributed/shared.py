"""Sums in memory shared by the ranks of one machine, using MPI windows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from affinet._validation import Array


class SharedBuffer:
    """One array per rank that the others can read, and their sum.

    Every rank sums one piece over all ranks, starting at the next rank and wrapping around, and
    copies the other pieces from the ranks that summed them: each value is read once from every
    array and copied once, whereas a message would be copied on both sides. Message
    Passing Interface Forum, "MPI: A Message-Passing Interface Standard", 3.1, section 11.2.3.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        The ranks of one machine.
    size : int
        Elements per array.
    dtype : dtype

    Attributes
    ----------
    own : array of shape (size,)
        This rank's.
    """

    def __init__(self, comm: Any, size: int, dtype: np.dtype[Any]) -> None:
        from mpi4py import MPI

        self._comm = comm
        self._window = MPI.Win.Allocate_shared(size * dtype.itemsize, dtype.itemsize, comm=comm)
        self._window.Lock_all()
        memories: list[Any] = [self._window.Shared_query(rank)[0] for rank in range(comm.size)]
        arrays: list[Array] = [np.frombuffer(memory, dtype) for memory in memories]
        self.own: Array = arrays[comm.rank]
        cuts = [size * rank // comm.size for rank in range(comm.size + 1)]
        own = slice(cuts[comm.rank], cuts[comm.rank + 1])
        self._piece = self.own[own]
        around = [*arrays[comm.rank + 1 :], *arrays[: comm.rank]]
        self._to_add = [array[own] for array in around]
        self._to_copy = [
            (self.own[low:high], arrays[rank][low:high])
            for rank, (low, high) in enumerate(pairwise(cuts))
            if rank != comm.rank
        ]

    def sum(self) -> None:
        """Overwrite every rank's array with the sum of all."""
        self._meet()  # all ranks have written their arrays
        for theirs in self._to_add:
            np.add(self._piece, theirs, out=self._piece)
        self._meet()  # all pieces are summed
        for mine, theirs in self._to_copy:
            mine[...] = theirs
        self._meet()  # no rank reads any more

    def _meet(self) -> None:
        """Wait for all ranks; afterwards all see what each wrote before."""
        self._window.Sync()
        self._comm.Barrier()
        self._window.Sync()
