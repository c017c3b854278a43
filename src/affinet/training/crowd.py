"""Many trainings at once: what is trained, checked before the first step, and the threads."""

from __future__ import annotations

import contextvars
import threading
import traceback
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from affinet.network import Sequential
from affinet.network.inner import using_alone
from affinet.thread_limit import thread_limit
from affinet.threads import get_num_threads
from affinet.training.alone import Alone
from affinet.training.checkpoint import path_of
from affinet.training.checks import checked_training
from affinet.training.claims import claimed
from affinet.training.crowd_data import Data, HeldOut
from affinet.training.history import History
from affinet.training.many_options import ManyOptions
from affinet.training.many_parts import OwnParts, groups_of
from affinet.training.progress import ProgressDisplay, Silent
from affinet.training.record import Training
from affinet.training.run import Run

WAIT = 0.1  # seconds between two looks at the threads
STEP_COST = 20_000  # operations that a step takes in addition to those per parameter


class Watch:
    """What the networks report, in their threads, for one display and for whoever ends them."""

    def __init__(self, n: int) -> None:
        self.rows = [0] * n  # trained on, each written by one thread
        self.last: tuple[float, float | None] = (0.0, None)  # loss and accuracy of some network
        self.ended: deque[tuple[int, dict[str, float]]] = deque()
        self.stop = False  # every network ends after its current steps
        self.shown = self.counted = 0
        self.display: ProgressDisplay = Silent()
        self.draws = False  # at every report, as no other thread does

    def draw(self, rows: int | None = None) -> None:
        """Show what is new; ``rows`` are those of other processes too."""
        if isinstance(self.display, Silent):
            return
        rows = sum(self.rows) if rows is None else rows
        if rows > self.shown:
            self.display.steps(rows - self.shown, *self.last)
            self.shown = rows
        while self.ended:
            place, figures = self.ended.popleft()
            self.counted += 1
            self.display.epoch(self.counted, {"network": place, **figures})


class Report(Silent):
    """The progress display of one network: it reports to the watch of all."""

    def __init__(self, watch: Watch, place: int) -> None:
        self.watch, self.place = watch, place

    def steps(self, rows: int, loss: float, accuracy: float | None) -> None:
        """Count rows; raise KeyboardInterrupt, as Ctrl-C would here, if all are to end."""
        watch = self.watch
        watch.rows[self.place] += rows
        watch.last = loss, accuracy
        if watch.stop:
            raise KeyboardInterrupt
        if watch.draws:
            watch.draw()


class NetworkRun(Run):
    """The run of one of many networks, which notes its warnings for the calling thread."""

    def __init__(self, training: Training) -> None:
        super().__init__(training)
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        """Note the warning."""
        self.warnings.append(text)


class Crowd:
    """Networks to train, with their data and options; all arguments are checked.

    Attributes
    ----------
    nets : list of Sequential
    costs : list of float
        Estimates of operations, from sizes.
    groups : list of list of int
        Places of networks that are trained one after the other, the most expensive group first.
    histories : list of History or None
        None for a network whose training has not begun.
    failed : dict of int to Exception
        What ended networks that failed.
    warnings : list of (int, str)
    """

    def __init__(
        self, nets: Sequence[Sequential], x: Any, t: Any, rows: Any, options: ManyOptions
    ) -> None:
        self.nets, self.options = nets, options
        self.data = Data(x, t, rows, len(nets))
        self.held_out = HeldOut(options)
        self.parts = OwnParts(options, self.shared_objects())
        self.paths = self.paths_to_resume()
        self.trainings: list[Training] = []
        self.costs: list[float] = []
        self.rows_to_see = 0  # in all steps of all networks
        self.heavy: list[bool] = []  # whose records would hold arrays as long as the rows
        for place, net in enumerate(nets):
            with noted(place, len(nets)), using_alone(net):
                training = self.checked(place)
                if place == 0:
                    self.parts.of(training, place)  # refuses what cannot be copied
            self.costs.append(cost_of(training))
            self.rows_to_see += training.rows_to_see
            self.heavy.append(training.weights is not None or training.drawing is not None)
            self.trainings.append(light(training) if self.heavy[place] else training)
        self.groups = sorted(groups_of(self.trainings), key=self.group_cost, reverse=True)
        self.watch = Watch(len(nets))
        self.histories: list[History | None] = [None] * len(nets)
        self.failed: dict[int, Exception] = {}
        self.warnings: list[tuple[int, str]] = []
        self.ended_by: BaseException | None = None  # what was raised to end more than a network
        self.errors: dict[str, Any] = {**np.geterr(), "call": np.geterrcall()}
        self.paces: dict[Any, int] = {}  # batches that a call of a kind of training takes

    def shared_objects(self) -> Iterator[Any]:
        """What no copy of a callback or schedule copies."""
        yield from (self.data.x, self.data.t, *self.nets)
        sets = self.options.lists.get("validation_data", [self.options.once.get("validation_data")])
        for held_out in sets:
            yield from held_out if isinstance(held_out, list | tuple) else ()

    def paths_to_resume(self) -> list[Any]:
        """The checkpoint of each network, None where it begins."""
        if "resume" in self.options.lists:
            return self.options.lists["resume"]
        pattern = self.options.once["resume"]
        if pattern is None:
            return [None] * len(self.nets)
        paths = [path_of("resume", pattern, place) for place in range(len(self.nets))]
        if not any(path.is_file() for path in paths):
            raise FileNotFoundError(f"resume: there is no file {paths[0]}, nor one of the others")
        return [path if path.is_file() else None for path in paths]

    def checked(self, place: int) -> Training:
        """The training of one network; raises if an argument cannot be used."""
        options = self.options.checked(place)
        options["sample_weight"] = self.data.weights_of(place, options["sample_weight"])
        net = self.nets[place]
        known, held_out = self.data.values.known(net), self.held_out.known(net)
        return checked_training(
            net, *self.data.of(place), Alone(), known=known, known_held_out=held_out, **options
        )

    def group_cost(self, group: Iterable[int]) -> float:
        """The cost of a group."""
        return sum(self.costs[place] for place in group)

    # Training ------------------------------------------------------------------------------------

    def train(self, place: int) -> None:
        """Train one network; an error ends it alone."""
        try:
            with using_alone(self.nets[place]):
                self.run(place)
        except Exception as error:
            forget_locals(error)
            self.failed[place] = error

    def run(self, place: int) -> None:
        """Make the network's run, from its own parts, and run it to its end."""
        training = self.trainings[place]
        if self.heavy[place]:
            training = replace(self.checked(place), optimizer=training.optimizer)
        training = self.parts.of(training, place)
        run, kind = NetworkRun(training), kind_of(training)
        # Threads wait for each other's Python code, so those who need not try out a pace do not.
        run.batches_a_call = self.paces.get(kind, 1)
        try:
            with claimed(training, run.step.kind == "fused"):
                run.begin(self.paths[place])
                self.histories[place] = run.history
                self.watch.rows[place] += run.rows_done()
                run(Report(self.watch, place))
            self.paces[kind] = run.batches_a_call
        finally:
            run.metrics = {}  # a cycle that would keep the plan
            self.warnings += [(place, text) for text in run.warnings]
        last = run.history.epochs[-1] if run.history.epochs else {}
        self.watch.ended.append((place, last))

    def run_here(self, groups: Iterable[list[int]]) -> None:
        """Train the groups one after the other in this thread."""
        self.watch.draws = True
        for group in groups:
            for place in group:
                self.train(place)
                self.watch.draw()


class Threads:
    """Threads that train the groups of a crowd, the first group first.

    They are closed by :meth:`end`, which waits for them.
    """

    def __init__(self, crowd: Crowd, groups: Iterable[list[int]], n: int) -> None:
        self.crowd, self.queue = crowd, deque(groups)
        self.ended: SimpleQueue[None] = SimpleQueue()  # an item for each that has ended
        self.running = n
        self.threads: list[threading.Thread] = []
        for _ in range(n):
            run = contextvars.copy_context().run
            self.threads.append(threading.Thread(target=run, args=(self.work,), daemon=True))

    def begin(self) -> None:
        """Start the threads; Ctrl-C may come before all of them run."""
        for thread in self.threads:
            thread.start()

    def work(self) -> None:
        """Train groups until none is left."""
        crowd = self.crowd
        try:
            with np.errstate(**crowd.errors):
                while not crowd.watch.stop and self.queue:
                    try:
                        group = self.queue.popleft()
                    except IndexError:  # pragma: no cover - another thread was faster
                        return
                    for place in group:
                        if not crowd.watch.stop:
                            crowd.train(place)
        except BaseException as error:
            if not crowd.watch.stop:
                crowd.ended_by = error
            crowd.watch.stop = True
        finally:
            self.ended.put(None)

    def wait(self) -> bool:
        """Wait for a moment, or until a thread ends; False if all have ended."""
        if self.running:
            with suppress(Empty):
                self.ended.get(timeout=WAIT)
                self.running -= 1
        return self.running > 0

    def end(self) -> None:
        """Let all networks end, and wait for the threads."""
        self.crowd.watch.stop = True
        for thread in self.threads:
            if thread.ident is not None:
                thread.join()


def train_all(crowd: Crowd) -> None:
    """Train every network of the crowd on this process's threads."""
    n = min(get_num_threads(), len(crowd.groups))
    if n == 1:
        crowd.run_here(crowd.groups)
        return
    with thread_limit(1):
        threads = Threads(crowd, crowd.groups, n)
        try:
            threads.begin()
            while threads.wait():
                crowd.watch.draw()
        finally:
            threads.end()
    crowd.watch.draw()
    if crowd.ended_by is not None:
        raise crowd.ended_by


def cost_of(training: Training) -> float:
    """An estimate of a training's operations from its sizes.

    A step multiplies every weight three times with the rows of a batch, and updates it.
    """
    parameters = training.net.params.flat.size
    rows = min(training.batch_size, training.rows_per_epoch)
    step = STEP_COST + parameters * (6 * rows + 10)
    return float(training.steps * step + training.epochs * 2 * parameters * training.held_out)


def kind_of(training: Training) -> tuple[Any, ...]:
    """What trainings have in common whose steps take about the same time."""
    net = training.net
    layers = tuple(map(type, net.layers))
    of_net = layers, net.params.flat.size, net.dtype, net.precision
    return *of_net, training.batch_size, type(training.optimizer)


def light(training: Training) -> Training:
    """The training without arrays as long as the rows, which are made when it begins.

    A thousand networks would need a thousand of them.
    """
    return replace(training, weights=None, drawing=None)


@contextmanager
def noted(place: int, n: int) -> Iterator[None]:
    """A context that adds the network's number to an error."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in the arguments of network {place} of {n} (0 .. {n - 1})")
        raise


def forget_locals(error: BaseException) -> None:
    """Free the memory that a traceback keeps: plans, and copies of rows."""
    traceback.clear_frames(error.__traceback__)
