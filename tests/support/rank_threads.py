"""Ranks that are threads of this process: a reducer for tests, which needs no MPI."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np


class Meeting:
    """What the ranks share."""

    def __init__(self, size):
        self.size = size
        self.barrier = threading.Barrier(size)
        self.arrays = [None] * size


class ThreadReducer:
    """One rank's reducer; sums go from rank to rank, so their bits are always the same."""

    def __init__(self, meeting, rank, average_every=None):
        self.meeting, self.rank, self.size = meeting, rank, meeting.size
        self.average_every = average_every
        self.sums = []  # sizes of what was added up

    def broadcast(self, array, root=0):
        arrays = self._show(array)
        copy = arrays[root].copy()
        self.meeting.barrier.wait()
        array[...] = copy

    def sum(self, array):
        self.sums.append(array.size)
        arrays = self._show(array)
        total = arrays[0].copy()
        for other in arrays[1:]:
            total += other
        self.meeting.barrier.wait()
        array[...] = total

    def abort(self, error):
        self.meeting.barrier.abort()

    def _show(self, array):
        """All ranks' arrays, which must have the same shape and dtype."""
        self.meeting.arrays[self.rank] = array
        self.meeting.barrier.wait(timeout=120)
        arrays = list(self.meeting.arrays)
        shapes = {(other.shape, other.dtype) for other in arrays}
        assert len(shapes) == 1, f"the ranks meet with {shapes}"
        assert array.flags.c_contiguous
        return arrays


def on_ranks(size, work, **options):
    """What ``work(reducer)`` returns on each of ``size`` ranks, or the error that it raises."""
    meeting = Meeting(size)

    def run(rank):
        try:
            return work(ThreadReducer(meeting, rank, **options))
        except BaseException as error:
            return error

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(run, range(size)))


def same_bits(arrays):
    """True if all arrays are equal to the bit."""
    return all(np.array_equal(arrays[0], array) for array in arrays)
