"""Many networks on several processes: each rank trains some of them, and all get the results."""

from __future__ import annotations

import json
import traceback
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.network.inner import arrays_of, using_alone
from affinet.optimizers import Optimizer
from affinet.thread_limit import thread_limit
from affinet.threads import get_num_threads
from affinet.training.averaging import WeightAverage
from affinet.training.crowd import Crowd, Threads
from affinet.training.history import History
from affinet.training.progress import make_progress
from affinet.training.team import Team, noting_interrupts
from affinet.training.team_run import config_of, fused_multiply_adds


def dealt(costs: Sequence[float], size: int) -> list[int]:
    """The rank of each task: one after the other goes to the rank with the least to do.

    Graham, "Bounds on Multiprocessing Timing Anomalies", SIAM Journal on Applied Mathematics 17,
    1969, for tasks that are sorted, the longest first.

    Examples
    --------
    >>> dealt([5, 4, 3, 2], 2)
    [0, 1, 1, 0]
    """
    loads, ranks = [0.0] * size, []
    for cost in costs:
        rank = loads.index(min(loads))
        loads[rank] += cost
        ranks.append(rank)
    return ranks


class RankCrowd:
    """One rank's part of the training of many networks."""

    def __init__(self, crowd: Crowd, team: Team) -> None:
        self.crowd, self.team = crowd, team
        self.interrupted = False
        costs = [crowd.group_cost(group) for group in crowd.groups]
        ranks = dealt(costs, team.size)
        self.own = [g for g, rank in zip(crowd.groups, ranks, strict=True) if rank == team.rank]
        self.rank_of = [0] * len(crowd.nets)
        for group, rank in zip(crowd.groups, ranks, strict=True):
            for place in group:
                self.rank_of[place] = rank

    def train(self, verbose: int | None) -> None:
        """Train this rank's networks; the results of all ranks are then on every rank."""
        crowd, team = self.crowd, self.team
        team.agree(self.facts())
        self.share([0] * len(crowd.nets))
        with team.setting_up():
            self.begin_averages()
        self.share_averages([0] * len(crowd.nets))
        n = max(1, min(get_num_threads(), len(self.own)))
        shown = verbose if team.rank == 0 else 0
        networks = sum(map(len, self.own))
        crowd.watch.display = make_progress(shown, crowd.rows_to_see, 0, networks, "networks")
        with (
            closing(crowd.watch.display),
            noting_interrupts(self.note_interrupt),
            thread_limit(1 if n > 1 else None),
        ):
            threads = Threads(crowd, self.own, n)
            try:
                threads.begin()
                self.follow(threads)
            finally:
                threads.end()
        self.exchange()

    def facts(self) -> dict[str, Any]:
        """What must be equal on all ranks."""
        crowd = self.crowd
        trainings = [
            f"{training.steps} steps of {training.batch_size} of {training.rows_per_epoch} rows, "
            f"seed {training.seed}, {config_of(training.optimizer)}"
            for training in crowd.trainings
        ]
        return {
            "networks": len(crowd.nets),
            "parameters": [net.params.shapes for net in crowd.nets],
            "trainings": trainings,
            "ranks of the networks": self.rank_of,
            "averages": [
                None if average is None else f"{average!r} after {average.steps} updates"
                for average in self.averages()
            ],
            "files to resume from": [path is not None for path in crowd.paths],
            "updates before this training": [
                0 if (optimizer := self.optimizer(place)) is None
                else optimizer.state_of(net.params.flat).step
                for place, net in enumerate(crowd.nets)
            ],
            "the instruction-set level": fused_multiply_adds(),
        }  # fmt: skip

    def note_interrupt(self) -> bool:
        """Record a Ctrl-C; True if there was one before."""
        before, self.interrupted = self.interrupted, True
        return before

    def follow(self, threads: Threads) -> None:
        """Wait until all ranks have trained their networks; end together if one must end."""
        crowd, team, running = self.crowd, self.team, True
        while running:
            here = threads.wait()
            broken, rows = crowd.ended_by is not None, sum(crowd.watch.rows)
            said = team.gather(here, self.interrupted, broken, rows, patiently=True)
            crowd.watch.stop = crowd.watch.stop or bool(said[:, 1:3].any())
            crowd.watch.draw(int(said[:, 3].sum()))
            running = bool(said[:, 0].any())
        team.raise_together(said[:, 2] != 0, crowd.ended_by)
        if said[:, 1].any():
            interrupt = KeyboardInterrupt()
            interrupt._affinet_agreed = True  # type: ignore[attr-defined]
            raise interrupt

    # Results -------------------------------------------------------------------------------------

    def exchange(self) -> None:
        """Give every rank the networks, histories and errors of all."""
        team = self.team
        for root in range(team.size):
            places = [place for place, rank in enumerate(self.rank_of) if rank == root]
            own = [self.record(place) for place in places] if root == team.rank else []
            records = json.loads(team.bytes_of(root, json.dumps(own).encode()))
            if root != team.rank:
                for place, record in zip(places, records, strict=True):
                    self.take(place, record, root)
        self.share(self.rank_of)
        self.share_averages(self.rank_of)

    def record(self, place: int) -> dict[str, Any]:
        """What another rank must know of a network besides its arrays, as JSON can hold it."""
        crowd, optimizer = self.crowd, self.optimizer(place)
        shared = "optimizer" not in crowd.options.lists  # then its numbers stay as they were
        history, error = crowd.histories[place], crowd.failed.get(place)
        flat, average = crowd.nets[place].params.flat, crowd.trainings[place].average
        return {
            "history": None if history is None else history.to_dict(),
            "failed": None if error is None else described(error),
            "warnings": [text for own, text in crowd.warnings if own == place],
            "numbers": {} if optimizer is None or shared else optimizer.config(),
            "step": 0 if optimizer is None else optimizer.state_of(flat).step,
            "average's steps": 0 if average is None else average.steps,
        }

    def take(self, place: int, record: dict[str, Any], root: int) -> None:
        """Set what another rank has recorded."""
        crowd, optimizer, net = self.crowd, self.optimizer(place), self.crowd.nets[place]
        if record["history"] is not None:
            net.history = crowd.histories[place] = History.from_dict(record["history"])
        if record["failed"] is not None:
            crowd.failed[place] = RuntimeError(f"on rank {root}: {record['failed']}")
        crowd.warnings += [(place, text) for text in record["warnings"]]
        if optimizer is not None:
            optimizer.state_of(net.params.flat).step = record["step"]
            for name, value in record["numbers"].items():
                setattr(optimizer, name, value)
        average = crowd.trainings[place].average
        if average is not None:
            average.steps = record["average's steps"]

    def share(self, roots: list[int]) -> None:
        """Broadcast each network's arrays, and its optimizer's, from the rank that has them."""
        for place, net in enumerate(self.crowd.nets):
            optimizer = self.optimizer(place)
            arrays = [net.params.flat]
            arrays += [array for name, array in arrays_of(net).items() if name not in net.params]
            if optimizer is not None and optimizer.state_of(net.params.flat).step > 0:
                arrays += optimizer.state_of(net.params.flat).averages
            with using_alone(net):
                for array in arrays:
                    self.broadcast(array, roots[place])

    # Averages of weights --------------------------------------------------------------------------

    def averages(self) -> list[WeightAverage | None]:
        """The average of each network, None without one."""
        return [training.average for training in self.crowd.trainings]

    def begin_averages(self) -> None:
        """Make the averages that have no network yet, as copies of the networks of rank 0."""
        for net, average in zip(self.crowd.nets, self.averages(), strict=True):
            if average is not None:
                with using_alone(net):
                    average.follow(net)

    def share_averages(self, roots: list[int]) -> None:
        """Broadcast the arrays of each average from the rank that has them."""
        for root, average in zip(roots, self.averages(), strict=True):
            if average is None or average.net is None:
                continue
            own = arrays_of(average.net)
            buffers = [array for name, array in own.items() if name not in average.net.params]
            with using_alone(average.net):
                for array in (average.net.params.flat, *buffers):
                    self.broadcast(array, root)

    # Arrays ---------------------------------------------------------------------------------------

    def broadcast(self, array: Array, root: int) -> None:
        """Overwrite an array of any dtype and order with that of the rank ``root``."""
        if array.size == 0:
            return
        flat = np.ascontiguousarray(array).reshape(-1)
        self.team.broadcast(flat.view(np.uint8), root)
        if not np.shares_memory(flat, array):
            array[...] = flat.reshape(array.shape)

    def optimizer(self, place: int) -> Optimizer | None:
        """The optimizer that was given for a network and outlives its training."""
        options = self.crowd.options
        given = options.lists.get("optimizer")
        found = options.once.get("optimizer") if given is None else given[place]
        return found if isinstance(found, Optimizer) else None


def described(error: BaseException) -> str:
    """An error and its traceback as text, for ranks that cannot have the object itself."""
    return "\n".join([repr(error), "".join(traceback.format_exception(error)).strip()])
