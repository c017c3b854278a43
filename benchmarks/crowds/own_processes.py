"""Single fits divided among processes by hand: the least time that a machine's cores allow.

Cores share caches, memory and power, so two of them seldom halve a time. Processes share nothing
else, and nothing of Python.
"""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from nets import Array

from .affinet_crowds import LoopAlone
from .task import Crowd


class Processes:
    """A process for each core, each with an equal share of the networks and a loop of own fits.

    They end with the object, whose connections they read.
    """

    def __init__(self, task: Crowd) -> None:
        context = multiprocessing.get_context("spawn")
        self.workers: list[Connection] = []
        shares = np.array_split(np.arange(task.n), int(os.environ.get("OMP_NUM_THREADS", "1")))
        for core, share in enumerate(share for share in shares if len(share)):
            here, there = context.Pipe()
            arguments = (there, task, share.tolist(), core)
            context.Process(target=serve, args=arguments, daemon=True).start()
            there.close()
            self.workers.append(here)
        self.reset()

    def ask(self, word: str) -> list[Any]:
        """Every process's answer; all work at the same time."""
        for worker in self.workers:
            worker.send(word)
        return [worker.recv() for worker in self.workers]

    def reset(self) -> None:
        """Start again from the initial parameters."""
        self.ask("reset")

    def run(self, count: int) -> None:
        """Train all networks."""
        for _ in range(count):
            self.ask("train")

    def parameters(self) -> list[Array]:
        """The parameters of all networks, (n, ...) each."""
        return [np.concatenate(parts) for parts in zip(*self.ask("parameters"), strict=True)]


def serve(connection: Connection, task: Crowd, places: list[int], core: int) -> None:
    """Do what is asked for with these networks, on one core, until nobody can ask any more."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[core]})
    loop = LoopAlone(task, places=places)
    while True:
        try:
            word = connection.recv()
        except EOFError:
            return
        if word == "train":
            loop.run(1)
        elif word == "reset":
            loop.reset()
        connection.send(loop.parameters() if word == "parameters" else None)
