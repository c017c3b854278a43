"""The MPI reducer, using mpi4py (extra ``mpi``)."""

from __future__ import annotations

import atexit
import os
import sys
import time
from typing import Any

import numpy as np

from affinet._validation import Array, whole_number
from affinet.distributed.shared import SharedBuffer
from affinet.threads import VARIABLES, available_processors, get_num_threads, set_num_threads
from affinet.training.team import LEFT, Team, is_agreed

PAUSE = 0.01  # seconds, at most, between two polls for the other ranks
CONNECTIONS: dict[int, Connection] = {}  # by communicator handle


class MPIReducer:
    """Connects the processes of an ``mpiexec``; see :class:`Reducer`.

    Every rank creates one and passes it to ``fit``. From then on an uncaught error on one rank ends
    all ranks, with its traceback: no rank waits for one that has ended. If neither
    ``AFFINET_NUM_THREADS`` nor ``OMP_NUM_THREADS`` is set, the processors of a machine are divided
    among its ranks' threads.

    A step needs one ``Allreduce`` of the gradients; if all ranks are on one machine, they sum in
    MPI shared memory instead, which copies less.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm, optional
        The processes to connect; all (``MPI.COMM_WORLD``) if left out.
    average_every : int, optional
        Local SGD, for nets so small that a sum of gradients takes longer than a step: each rank
        updates its own parameters with the gradient of its part of a batch; every
        ``average_every`` steps, and whenever they are read, parameters and the optimizer's
        averages are averaged over the ranks. The result differs from that of a single process.
        Stich, "Local SGD Converges Fast and Communicates Little", ICLR 2019.
    shared_memory : bool
        False always uses ``Allreduce``.

    Attributes
    ----------
    rank, size : int
        Rank of this process, and number of processes.

    Raises
    ------
    ImportError
        If mpi4py is missing.

    Examples
    --------
    In a file train.py, for ``mpiexec -n 4 python train.py``; without mpiexec it is one rank:

    >>> import affinet as an
    >>> reducer = an.distributed.MPIReducer()  # doctest: +SKIP
    >>> (x, t), test = an.datasets.load_digits()
    >>> net = an.Sequential(an.Affine.init(64, 10, rng=0), loss=an.SoftmaxWithLoss())
    >>> history = net.fit(x, t, epochs=5, batch_size=64, reducer=reducer)  # doctest: +SKIP
    >>> if reducer.rank == 0:  # doctest: +SKIP
    ...     net.save("digits.npz")
    """

    def __init__(
        self, comm: Any = None, average_every: int | None = None, shared_memory: bool = True
    ) -> None:
        if average_every is not None:
            average_every = whole_number("average_every", average_every, 1)
        self.average_every = average_every
        self._connection = connection_of(import_mpi().COMM_WORLD if comm is None else comm)
        self._comm = self._connection.comm
        self._in_place = import_mpi().IN_PLACE
        self._shares = shared_memory and self._connection.on_one_machine
        self._shared: SharedBuffer | None = None  # of the gradients
        self.rank: int = self._comm.rank
        self.size: int = self._comm.size

    def broadcast(self, array: Array, root: int = 0) -> None:
        """Overwrite the array with that of the rank ``root``."""
        self._comm.Bcast(array, root)

    def sum(self, array: Array) -> None:
        """Overwrite the array with its sum over all ranks."""
        if self._shared is not None and array is self._shared.own:
            self._shared.sum()
        else:
            self._comm.Allreduce(self._in_place, array)

    def sum_patiently(self, array: Array) -> None:
        """The same as :meth:`sum`, without using a processor while waiting for other ranks."""
        request = self._comm.Iallreduce(self._in_place, array)
        pause = 1e-5
        while not request.Test():
            time.sleep(pause)
            pause = min(2 * pause, PAUSE)

    def buffer(self, size: int, dtype: np.dtype[Any]) -> Array | None:
        """Memory for the array that is summed at every step; None if any memory will do.

        It is valid for the current training: the next one may get the same memory.
        """
        if not self._shares or size == 0:
            return None
        self._shared = self._connection.shared_buffer(size, dtype)
        return self._shared.own

    def abort(self, error: BaseException) -> None:
        """End all ranks at once."""
        end_all(self._comm)

    def __repr__(self) -> str:
        return f"MPIReducer(rank {self.rank} of {self.size})"


class Connection:
    """A duplicate of a communicator, so that messages do not mix with others, and its resources.

    Once it exists, the other ranks are notified of this rank's errors and exit.
    """

    def __init__(self, comm: Any) -> None:
        self.comm = comm.Dup()
        self._buffers: dict[tuple[int, np.dtype[Any]], SharedBuffer] = {}
        here = self.comm.Split_type(import_mpi().COMM_TYPE_SHARED)
        self.on_one_machine = 1 < here.size == self.comm.size
        if not any(os.environ.get(name) for name in VARIABLES):
            share_processors(here)
        here.Free()
        if self.comm.size > 1:
            end_all_with_errors(self.comm)
            atexit.register(self.say_goodbye, os.getpid())

    def shared_buffer(self, size: int, dtype: np.dtype[Any]) -> SharedBuffer:
        """A buffer of ``size`` elements; the same one on every call."""
        if (size, dtype) not in self._buffers:
            self._buffers[size, dtype] = SharedBuffer(self.comm, size, dtype)
        return self._buffers[size, dtype]

    def say_goodbye(self, process: int) -> None:
        """Notify the others that this rank exits, and wait until they exit or begin a training.

        A training without this rank could never take a step, so beginning one ends them all.
        """
        if os.getpid() == process:  # not in a forked child
            reducer = MPIReducer.__new__(MPIReducer)
            reducer._comm, reducer._in_place = self.comm, import_mpi().IN_PLACE
            reducer.rank, reducer.size = self.comm.rank, self.comm.size
            Team(reducer).meet(LEFT)


def import_mpi() -> Any:
    """The module ``mpi4py.MPI``; ImportError says how to get it."""
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise ImportError(
            'MPIReducer needs mpi4py and an MPI library: pip install "affinet[mpi]" mpich'
        ) from error
    return MPI


def connection_of(comm: Any) -> Connection:
    """The single connection of a communicator."""
    if comm.handle not in CONNECTIONS:
        CONNECTIONS[comm.handle] = Connection(comm)
    return CONNECTIONS[comm.handle]


def end_all(comm: Any) -> None:
    """End all ranks, if there are others."""
    sys.stdout.flush()
    sys.stderr.flush()
    if comm.size > 1:
        comm.Abort(1)


def end_all_with_errors(comm: Any) -> None:
    """Make an uncaught error end all ranks after it is printed."""
    show = sys.excepthook

    def show_and_end(kind: Any, error: BaseException, trace: Any) -> None:
        show(kind, error, trace)
        if not is_agreed(error):  # else the others raise and end by themselves
            end_all(comm)

    sys.excepthook = show_and_end


def share_processors(here: Any) -> None:
    """Limit threads to this rank's share of the machine's processors.

    Ranks that are bound to separate processors keep all of theirs.
    """
    own = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}
    sharing = sum(bool(own & other) for other in here.allgather(own))
    set_num_threads(max(1, min(get_num_threads(), available_processors() // sharing)))
