"""Dead units: rectified units that are active for no row of a data set, and so learn nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array, real_number, whole_number
from affinet.datasets import load_digits
from affinet.diagnostics.study import Study, TextTable, make_net
from affinet.layers import Layer, LeakyReLU, ReLU
from affinet.network import Sequential
from affinet.network.inner import predictions, walk
from affinet.optimizers import Adam

RATE, LARGE_RATE = 0.002, 0.05  # learning rates of Adam
LARGE_EPOCHS = 5  # epochs with the excessive rate
START_BIAS = -1.0


@dataclass(frozen=True)
class Cause:
    """A cause of dead units.

    Attributes
    ----------
    name : str
    first_rate : float
        Learning rate of the first ``LARGE_EPOCHS`` epochs; later ones use ``RATE``.
    bias : float
        Initial bias of the hidden layers.
    """

    name: str
    first_rate: float
    bias: float


CAUSES = (
    Cause("rate too large at first", LARGE_RATE, 0.0),
    Cause("biases start at -1", RATE, START_BIAS),
)


@dataclass(frozen=True)
class DeadReLU(Study):
    """Fractions of units that are active for no row, by layer, during a training.

    Attributes
    ----------
    causes : tuple of Cause
    activations : tuple of str
    shares : array of shape (C, A, S, E + 1, H)
        Fractions of units that are active for no row, for C causes, A activations, S seeds, before
        the training and after each of E epochs, in H hidden layers.
    accuracies : array of shape (C, A, S)
        Accuracies on the training rows at the end.
    """

    causes: tuple[Cause, ...]
    activations: tuple[str, ...]
    shares: Array
    accuracies: Array

    def rows(self) -> TextTable:
        """A row for each cause and activation: values at the end, averaged over the seeds."""
        layers = [f"dead, layer {h + 1}" for h in range(self.shares.shape[-1])]
        rows: TextTable = [("cause", "activation", *layers, "training accuracy")]
        for c, cause in enumerate(self.causes):
            for a, activation in enumerate(self.activations):
                dead = [f"{share:.2f}" for share in self.shares[c, a, :, -1].mean(axis=0)]
                accuracy = f"{self.accuracies[c, a].mean():.3f}"
                rows.append((cause.name, activation, *dead, accuracy))
        return rows


def dead_units(net: Sequential, x: ArrayLike) -> list[Array]:
    """The units of each rectified layer that are active for no row.

    Such a unit of a ReLU gets no gradient from these rows: its column of dW is 0. With LeakyReLU
    the gradient is only multiplied by ``slope``, so the unit may recover.

    Parameters
    ----------
    net : Sequential
    x : array of shape (N, ...)
        The data set, N >= 1.

    Returns
    -------
    list of bool arrays (O,)
        One for each ReLU or LeakyReLU of the network, True for dead units.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> from affinet.diagnostics import dead_units
    >>> net = an.Sequential(an.Affine(np.array([[1.0, -1.0]]), np.zeros(2)), an.ReLU())
    >>> dead_units(net, [[1.0], [2.0]])
    [array([False,  True])]
    """
    x = number_array("x", x)
    if x.ndim < 2 or not len(x):
        raise ValueError(f"x has shape {x.shape}, wanted (N, ...), N >= 1")
    paths = rectified(net)
    dead: list[Array] = []
    for path, out in predictions(net, x):
        if len(dead) == len(paths):
            break  # the rest of the network is of no interest
        if path in paths:
            dead.append(np.all(out <= 0, axis=0))
    return dead


def rectified(net: Sequential) -> list[str]:
    """Paths of the layers of ReLU or LeakyReLU."""
    return [path for path, layer in walk(net.layers) if isinstance(layer, ReLU | LeakyReLU)]


def dead_relu(
    *,
    hidden: Sequence[int] = (64, 64, 64),
    slope: float = 0.1,
    epochs: int = 25,
    seeds: Sequence[int] = (0, 1, 2),
    causes: Sequence[Cause] = CAUSES,
    data: tuple[ArrayLike, ArrayLike] | None = None,
) -> DeadReLU:
    """Kill units of a net on the digits in two ways, and measure whether they recover.

    Maas, Hannun, Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.

    Parameters
    ----------
    hidden : sequence of int
        Units of the hidden layers.
    slope : float
        Slope of LeakyReLU, the remedy.
    epochs : int
        Passes over the rows, with Adam and batches of 32.
    seeds : sequence of int
        One training for each.
    causes : sequence of Cause
    data : pair of arrays, optional
        Rows (N, I) and classes (N,); by default, the digits' training rows.

    Returns
    -------
    DeadReLU

    Examples
    --------
    >>> from affinet.diagnostics import dead_relu
    >>> found = dead_relu(hidden=[16, 16], epochs=2, seeds=[0])
    >>> found.shares.shape
    (2, 2, 1, 3, 2)
    """
    hidden = [whole_number("hidden", n, 1) for n in hidden]
    if not hidden or not len(seeds) or not len(causes):
        raise ValueError("hidden, seeds or causes is empty, wanted at least one")
    epochs = whole_number("epochs", epochs, 1)
    slope = real_number("slope", slope, 0.0)
    x, t = load_digits()[0] if data is None else data
    x, t = number_array("x", x), number_array("t", t)
    kinds: list[Layer] = [ReLU(), LeakyReLU(slope)]
    runs = [
        [[train(cause, kind, hidden, epochs, seed, x, t) for seed in seeds] for kind in kinds]
        for cause in causes
    ]
    return DeadReLU(
        tuple(causes),
        tuple(map(repr, kinds)),
        np.array([[[shares for shares, _ in kind] for kind in cause] for cause in runs]),
        np.array([[[accuracy for _, accuracy in kind] for kind in cause] for cause in runs]),
    )


def train(
    cause: Cause, kind: Layer, hidden: Sequence[int], epochs: int, seed: int, x: Array, t: Array
) -> tuple[Array, float]:
    """Fractions of dead units (E + 1, H) during one training, and its final accuracy."""
    net = make_net([x.shape[1], *hidden, int(t.max()) + 1], kind, seed)
    for layer in net.layers[:-1:2]:
        layer.b[...] = cause.bias
    shares = [[float(dead.mean()) for dead in dead_units(net, x)]]

    def watch(state: Any) -> None:
        shares.append([float(dead.mean()) for dead in dead_units(state.net, x)])
        if state.epoch == LARGE_EPOCHS:
            state.optimizer.lr = RATE

    adam = Adam(cause.first_rate)
    net.fit(x, t, epochs=epochs, optimizer=adam, seed=seed, callbacks=[watch], verbose=0)
    return np.array(shares), net.evaluate(x, t)["accuracy"]
