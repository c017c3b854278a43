"""Decision regions of linear, wide and deep nets on problems that no straight line solves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from affinet._validation import Array, whole_number
from affinet.datasets import spiral, two_moons, xor
from affinet.diagnostics.study import Study, TextTable, make_net
from affinet.layers import ReLU
from affinet.network import Sequential
from affinet.optimizers import Adam

WIDTHS: dict[str, tuple[int, ...]] = {"linear": (), "wide": (128,), "deep": (16, 16, 16)}
# Rows of each problem by random seed: one seed for training, another for testing.
PROBLEMS: dict[str, Callable[[int], tuple[Array, Array]]] = {
    "XOR": lambda rng: xor(50, rng=rng),
    "two moons": lambda rng: two_moons(100, rng=rng),
    "spiral": lambda rng: spiral(100, rng=rng),
}


@dataclass(frozen=True)
class Trial:
    """One net on one problem.

    Attributes
    ----------
    problem, name : str
        Names of the problem and the net.
    widths : tuple of int
        Units of its hidden layers.
    net : Sequential
        The trained net.
    x, t : array
        Training rows (N, 2) and their classes (N,).
    train, test : float
        Accuracy on the training rows and on the same number of other rows.
    """

    problem: str
    name: str
    widths: tuple[int, ...]
    net: Sequential
    x: Array
    t: Array
    train: float
    test: float


@dataclass(frozen=True)
class NetworkRegions(Study):
    """Nets of several shapes, trained on several problems.

    Attributes
    ----------
    trials : tuple of tuples of Trial
        One tuple for each problem, with one trial for each net.
    """

    trials: tuple[tuple[Trial, ...], ...]

    def rows(self) -> TextTable:
        """A row for each net on each problem."""
        rows: TextTable = [("problem", "net", "hidden units", "parameters", "training", "test")]
        for row in self.trials:
            for trial in row:
                units = "-".join(map(str, trial.widths)) or "none"
                size = f"{trial.net.params.flat.size:,}"
                figures = f"{trial.train:.3f}", f"{trial.test:.3f}"
                rows.append((trial.problem, trial.name, units, size, *figures))
        return rows


def network_regions(
    problems: Sequence[str] = tuple(PROBLEMS),
    *,
    widths: Mapping[str, Sequence[int]] | None = None,
    steps: int = 2000,
    seed: int = 0,
) -> NetworkRegions:
    """Train nets with no, one and several hidden layers on points in a plane.

    Without a hidden layer, straight lines separate the regions. They cannot solve XOR: at most
    three of its four corners are on the right side (Minsky, Papert, "Perceptrons", 1969).

    Parameters
    ----------
    problems : sequence of str
        Some of ``"XOR"``, ``"two moons"`` and ``"spiral"``.
    widths : dict of str to sequences of int, optional
        Hidden units of each named net; by default a linear, a wide and a deep one.
    steps : int
        Number of updates, with Adam(0.01) and batches of 32.
    seed : int
        Random seed of the weights and the order of the rows.

    Returns
    -------
    NetworkRegions

    Examples
    --------
    >>> from affinet.diagnostics import network_regions
    >>> found = network_regions(["XOR"], steps=500)
    >>> linear, wide, deep = found.trials[0]
    >>> linear.train < 0.8, wide.train > 0.95
    (True, True)
    """
    steps = whole_number("steps", steps, 1)
    unknown = [name for name in problems if name not in PROBLEMS]
    if unknown or not len(problems):
        raise ValueError(f"problems is {problems!r}, wanted some of {', '.join(PROBLEMS)}")
    forms = {name: tuple(units) for name, units in (WIDTHS if widths is None else widths).items()}
    if not forms:
        raise ValueError("widths is empty, wanted at least one net")
    return NetworkRegions(
        tuple(
            tuple(try_net(problem, name, units, steps, seed) for name, units in forms.items())
            for problem in problems
        )
    )


def try_net(problem: str, name: str, units: tuple[int, ...], steps: int, seed: int) -> Trial:
    """Train one net on one problem and measure it."""
    (x, t), test = PROBLEMS[problem](0), PROBLEMS[problem](1)
    net = make_net([2, *units, int(t.max()) + 1], ReLU(), seed)
    net.fit(x, t, steps=steps, optimizer=Adam(0.01), seed=seed, verbose=0)
    figures = [net.evaluate(*part)["accuracy"] for part in ((x, t), test)]
    return Trial(problem, name, units, net, x, t, figures[0], figures[1])
