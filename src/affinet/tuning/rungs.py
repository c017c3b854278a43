"""The rungs of a search: successive halving, and the ensemble that is built on the way."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.ensemble import Ensemble
from affinet.ensemble.selection import combined, greedy_counts
from affinet.losses import loss_of
from affinet.training.crowd import Crowd, train_all
from affinet.training.many_options import OPTIONS, ManyOptions, list_name
from affinet.training.progress import ProgressDisplay, Silent, make_progress
from affinet.tuning.trials import Contender


class Rungs:
    """Trains networks rung by rung.

    Parameters
    ----------
    contenders : list of Contender
    train, validation : tuple
        ``(x, t, weights or None)``.
    epochs, n_rungs, members, seed, deadline
        As in :func:`affinet.search`.

    Attributes
    ----------
    best : (Ensemble, float) or None
        The best ensemble so far and its loss.
    interrupted : bool
    """

    def __init__(
        self,
        contenders: Sequence[Contender],
        train: tuple[Any, ...],
        validation: tuple[Any, ...],
        epochs: int,
        n_rungs: int,
        members: int,
        seed: int,
        deadline: float | None,
    ) -> None:
        self.contenders, self.train, self.validation = contenders, train, validation
        self.members, self.seed, self.deadline = members, seed, deadline
        self.ends = rung_ends(epochs, n_rungs)
        self.best: tuple[Ensemble, float] | None = None
        self.interrupted = False

    def display(self, verbose: int | None) -> ProgressDisplay:
        """One bar over all rungs, for as many rows as halving leaves at most."""
        n, rows, trainings, before = len(self.contenders), 0, 0, 0
        for rung, end in enumerate(self.ends):
            left = kept_after(n, rung)
            rows += left * (end - before) * len(self.train[0])
            trainings, before = trainings + left, end
        return make_progress(verbose, rows, 0, trainings, "trainings")

    def run(self, display: ProgressDisplay) -> None:
        """All rungs; Ctrl-C ends them, and what was trained stays."""
        alive, rung, before, counted = list(self.contenders), 0, 0, 0
        while alive:
            end = self.ends[rung]
            try:
                self.train_rung(alive, rung, end - before, shown_on(display, alive, counted))
            except KeyboardInterrupt:
                self.interrupted = True
            counted, before = counted + len(alive), end
            alive = [contender for contender in alive if not contender.trial.stopped]
            reason = self.reason_to_end(rung)
            if reason:
                for contender in alive:
                    contender.trial.stopped = reason
                alive = []
            self.select()
            rung += 1
            alive = self.ahead(alive, rung)

    def reason_to_end(self, rung: int) -> str:
        """Why no further rung begins; empty if one does."""
        if self.interrupted:
            return "interrupted"
        if rung + 1 == len(self.ends):
            return "epochs"
        late = self.deadline is not None and time.perf_counter() > self.deadline
        return "time limit" if late else ""

    def train_rung(
        self, alive: Sequence[Contender], rung: int, epochs: int, display: ProgressDisplay
    ) -> None:
        """Train these networks for some epochs more, each on a thread."""
        x, t, weights = self.train
        validation = self.validation if self.validation[2] is not None else self.validation[:2]
        options = {
            **own_options([contender.options for contender in alive]),
            "epochs": epochs,
            "optimizers": [contender.optimizer for contender in alive],
            "seeds": [seed_of(self.seed, contender.trial.number, rung) for contender in alive],
            "callback_lists": [[contender] for contender in alive],
            "validation_data": validation,
            "sample_weight": weights,
        }
        crowd = Crowd(
            [contender.net for contender in alive], x, t, None, ManyOptions(options, len(alive))
        )
        crowd.watch.display = display
        try:
            train_all(crowd)
        finally:  # of an interrupted rung, too
            for place, contender in enumerate(alive):
                contender.add(crowd.histories[place])
                if place in crowd.failed:
                    contender.trial.stopped = "failed"
                    contender.trial.error = crowd.failed[place]

    def select(self) -> None:
        """The greedy ensemble of the best epochs of all rungs; kept if its loss is the lowest."""
        able = [kept for contender in self.contenders for kept in contender.kept]
        if not able:
            return
        able = sorted(able, key=lambda kept: kept.score)[: self.members]
        for contender in self.contenders:
            contender.forget(able)
        x, t, weights = self.validation
        outputs = np.stack([kept.predict(x) for kept in able])
        loss = able[0].net.loss
        first = sorted_start(loss, outputs, t, weights)
        counts = greedy_counts(loss, outputs, t, self.members, weights, first)
        places = np.flatnonzero(counts)
        shares = counts[places] / counts.sum()
        score = float(loss_of(copy.copy(loss), combined(loss, outputs[places], shares), t, weights))
        if self.best is None or score < self.best[1]:
            self.best = Ensemble([able[place].twin() for place in places], counts[places]), score

    def ahead(self, alive: list[Contender], rung: int) -> list[Contender]:
        """Those of ``alive`` that continue after ``rung`` rungs; the others are behind."""
        kept = kept_after(len(self.contenders), rung)
        ranked = sorted(self.contenders, key=lambda c: (c.trial.score, c.trial.number))[:kept]
        first = {id(contender) for contender in ranked}
        for contender in alive:
            if id(contender) not in first:
                contender.trial.stopped = "behind"
        return [contender for contender in alive if id(contender) in first]


class RungDisplay:
    """The display of one rung on that of the whole search: networks have their trials' numbers."""

    def __init__(self, display: ProgressDisplay, alive: Sequence[Contender], before: int) -> None:
        self.display, self.before = display, before
        self.numbers = [contender.trial.number for contender in alive]

    def steps(self, rows: int, loss: float, accuracy: float | None) -> None:
        """Count rows."""
        self.display.steps(rows, loss, accuracy)

    def epoch(self, number: int, metrics: dict[str, float]) -> None:
        """Show a network that ended its rung."""
        trial = self.numbers[int(metrics["network"])]
        self.display.epoch(self.before + number, {**metrics, "network": trial})

    def close(self) -> None:
        """Nothing: the display of the search goes on."""


def shown_on(display: ProgressDisplay, alive: Sequence[Contender], before: int) -> ProgressDisplay:
    """The display of a rung that begins after ``before`` trainings have ended."""
    return display if isinstance(display, Silent) else RungDisplay(display, alive, before)


def rung_ends(epochs: int, n_rungs: int) -> list[int]:
    """The epochs after which rungs end: each rung is about twice as long as the one before it.

    As half of the networks go on, all rungs cost about the same.

    Examples
    --------
    >>> rung_ends(256, 5), rung_ends(3, 4)
    ([9, 25, 58, 124, 256], [1, 2, 3])
    """
    whole = (1 << n_rungs) - 1
    return sorted({-(-epochs * ((1 << power) - 1) // whole) for power in range(1, n_rungs + 1)})


def kept_after(n: int, rung: int) -> int:
    """How many of n networks may continue after ``rung`` rungs.

    Examples
    --------
    >>> [kept_after(5, rung) for rung in range(4)]
    [5, 3, 2, 1]
    """
    return -(-n // (1 << rung))


def seed_of(seed: int, number: int, rung: int) -> int:
    """The seed of a network's batches and masks in a rung."""
    return int(np.random.SeedSequence([seed, number, rung + 1]).generate_state(1)[0])


def sorted_start(loss: Any, outputs: Array, t: Any, weights: Array | None) -> int:
    """How many of the best epochs an ensemble starts with, those of the lowest loss in front.

    Few validation rows choose badly: the mean of many networks is better than a greedy choice,
    and so is a greedy choice that begins with it. Half of them, or a half of that, and so on,
    until their mean is better than the first alone.
    """
    first = (len(outputs) + 1) // 2
    best = loss_of(copy.copy(loss), outputs[0], t, weights)
    while first > 1:
        shares = np.full(first, 1 / first)
        if loss_of(copy.copy(loss), combined(loss, outputs[:first], shares), t, weights) < best:
            break
        first //= 2
    return first


def own_options(options: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Options of ``fit`` of each network, as lists for all of them."""
    names = dict.fromkeys(name for own in options for name in own)
    return {list_name(name): [own.get(name, OPTIONS[name]) for own in options] for name in names}
