"""The contenders in NumPy and affinet: that they compute the same, and how to time them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from affinet.bench import numpy_networks
from affinet.bench.affinet_networks import ClassicNetwork, SequentialNetwork, fit_order
from affinet.bench.nets import Array, Net
from affinet.bench.timing import Runner
from affinet.bench.verification import Outcome, require_equal

LR = 0.01
VERIFIED_STEPS = 3
FIT_SEED = 5
BOOK, IN_PLACE = "NumPy book", "NumPy in place"
CLASSIC, SEQUENTIAL, FIT = "affinet classic", "affinet Sequential", "affinet fit"


def verify_steps(net: Net, first: list[Array], x: Array, t: Array) -> dict[str, float]:
    """Largest deviation of each from the book-style network, after steps on several batches."""
    outcomes = {}
    for name, network in networks(net, first).items():
        batches = [slice(i * net.batch, (i + 1) * net.batch) for i in range(VERIFIED_STEPS)]
        losses = [network.step(x[batch], t[batch]) for batch in batches]
        outcomes[name] = Outcome(network.parameters, losses)
    return deviations_from_book("step", net, first, outcomes)


def verify_fit(net: Net, first: list[Array], x: Array, t: Array) -> dict[str, float]:
    """The same for an epoch over some batches, which NumPy's loops process in fit's order."""
    rows = VERIFIED_STEPS * net.batch
    x, t = x[:rows], t[:rows]
    order = fit_order(rows, net.batch, FIT_SEED)
    every = networks(net, first)
    outcomes = {}
    for name in (BOOK, IN_PLACE):
        losses = numpy_networks.train(every[name], x, t, order)
        outcomes[name] = Outcome(every[name].parameters, [float(np.mean(losses))])
    history = every[SEQUENTIAL].fit(x, t, net.batch, epochs=1, seed=FIT_SEED)
    outcomes[FIT] = Outcome(every[SEQUENTIAL].parameters, history["loss"])
    return deviations_from_book("fit", net, first, outcomes)


def deviations_from_book(
    mode: str, net: Net, first: list[Array], outcomes: dict[str, Outcome]
) -> dict[str, float]:
    """Each contender's largest deviation; a VerificationError if one is too large."""
    return {
        name: require_equal(f"{mode}, {name}", outcome, outcomes[BOOK], first, net.parameter_names)
        for name, outcome in outcomes.items()
        if name != BOOK
    }


def networks(net: Net, first: list[Array]) -> dict[str, Any]:
    """Every contender of the step comparison, all with the same parameters."""
    return {
        BOOK: numpy_networks.BookNetwork(first, LR),
        IN_PLACE: numpy_networks.InPlaceNetwork(first, LR, net.batch),
        CLASSIC: ClassicNetwork(first, LR),
        SEQUENTIAL: SequentialNetwork(first, LR),
    }


@dataclass(frozen=True)
class Contest:
    """Contenders to time, how to reset them all, and the number of steps per unit of work."""

    runners: dict[str, Runner]
    reset: Callable[[], None]
    steps: int


def step_contest(net: Net, first: list[Array], x: Array, t: Array) -> Contest:
    """Repeated steps on the first batch."""
    every = networks(net, first)
    batch = x[: net.batch], t[: net.batch]

    def runner(network: Any) -> Runner:
        def run(count: int) -> None:
            for _ in range(count):
                network.step(*batch)

        return run

    runners = {name: runner(network) for name, network in every.items()}
    return Contest(runners, resetter(every, first), steps=1)


def fit_contest(net: Net, first: list[Array], x: Array, t: Array) -> Contest:
    """Whole epochs over the data in shuffled batches."""
    every = networks(net, first)
    del every[CLASSIC]

    def numpy_runner(network: numpy_networks.Network) -> Runner:
        rng = np.random.default_rng(FIT_SEED)

        def run(count: int) -> None:
            for _ in range(count):
                batches = numpy_networks.shuffled_batches(len(x), net.batch, rng)
                numpy_networks.train(network, x, t, batches)

        return run

    runners = {name: numpy_runner(every[name]) for name in (BOOK, IN_PLACE)}
    runners[FIT] = lambda count: every[SEQUENTIAL].fit(x, t, net.batch, epochs=count)
    return Contest(runners, resetter(every, first), steps=net.batches)


def resetter(every: dict[str, Any], first: list[Array]) -> Callable[[], None]:
    """A function that resets the parameters of all networks, so that all samples start alike."""

    def reset() -> None:
        for network in every.values():
            for parameter, start in zip(network.parameters, first, strict=True):
                parameter[...] = start

    return reset
