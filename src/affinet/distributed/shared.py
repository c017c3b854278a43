"""Sums in memory that the ranks of one machine share, by MPI's windows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from affinet._validation import Array


class SharedBuffer:
    """An array of each rank that the others can see, and their sum.

    Every rank adds the others' numbers of one piece to its own, from the next rank around to the
    one before, and takes the other pieces from those that have added them up: each number is read
    once from every array and copied once, where a message would be copied on both sides. Message
    Passing Interface Forum, "MPI: A Message-Passing Interface Standard", 3.1, section 11.2.3.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        Ranks of one machine.
    size : int
        Numbers of each array.
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
        self._meet()  # all have written theirs
        for theirs in self._to_add:
            np.add(self._piece, theirs, out=self._piece)
        self._meet()  # all pieces are there
        for mine, theirs in self._to_copy:
            mine[...] = theirs
        self._meet()  # nobody reads any more

    def _meet(self) -> None:
        """Wait for all; what each wrote before is seen by all behind it."""
        self._window.Sync()
        self._comm.Barrier()
        self._window.Sync()
