"""Averages of a network's weights over the updates of a training."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from affinet._attributes import KnownAttributes
from affinet._validation import Array, real_number, whole_number
from affinet.network import Sequential
from affinet.network.inner import arrays_of, set_arrays
from affinet.parameters import blend_array
from affinet.training.callbacks import Callback, TrainingState
from affinet.training.finite import warn_caller

__all__ = ["EMA", "SWA", "WeightAverage"]


class WeightAverage(KnownAttributes, ABC):
    """An average of a network's weights, passed as ``fit(..., average=)``.

    It holds a second network, which predicts, evaluates and is saved like any other. After every
    ``every``-th update its parameters, and the running statistics of every
    :class:`~affinet.BatchNorm`, move towards those of the trained network. The compiled step does
    that in the same pass as the update. A later ``fit`` of the same network continues the average.
    """

    #: The average, made by the first ``fit`` as a copy of its network before the first update.
    net: Sequential | None = None
    #: Number of updates that the average has seen.
    steps: int = 0
    start: int
    every: int

    def __init__(self, start: int, every: int) -> None:
        self.start = whole_number("start", start, 0)
        self.every = whole_number("every", every, 1)
        self.net = None
        self.steps = 0

    @abstractmethod
    def weight(self, n: int) -> float:
        """The weight of the parameters in the n-th averaging, n = 1, 2, ..."""

    def config(self) -> dict[str, Any]:
        """The constructor arguments as plain values."""
        return {"start": self.start, "every": self.every}

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({arguments})"

    def weights(self, first: int, n: int) -> Array:
        """The weights after n updates in a row, ``first`` of which came before; 0 for none."""
        found = np.zeros(n)
        if first < self.start <= first + n:
            found[self.start - first - 1] = 1.0  # the average starts from the weights there
        done = (max(first, self.start) - self.start) // self.every
        for averaging in range(done + 1, (first + n - self.start) // self.every + 1):
            place = self.start + averaging * self.every - first - 1
            found[place] = self.weight(averaging)
        return found

    def follow(self, net: Sequential) -> Sequential:
        """The average of this network, a copy of it the first time.

        Raises
        ------
        ValueError
            If the average is that of a network with other parameters.
        """
        if self.net is None:
            self.net = copy.deepcopy(net)
            self.steps = 0
        own, theirs = arrays_of(self.net), arrays_of(net)
        if layout(own) != layout(theirs) or self.net.params.shapes != net.params.shapes:
            raise ValueError(
                f"average: {self!r} is the average of a network with other parameters, wanted a "
                "new one"
            )
        return self.net

    def add(self, net: Sequential, weight: float) -> None:
        """Move the average towards the network's parameters and buffers."""
        own = arrays_of(self.follow(net))
        for name, array in arrays_of(net).items():
            blend_array(own[name], array, weight)


def layout(arrays: dict[str, Array]) -> dict[str, Any]:
    """Shapes and dtypes of arrays by name."""
    return {name: (array.shape, array.dtype) for name, array in arrays.items()}


class EMA(WeightAverage):
    """Exponential moving average of the weights: ``mean = decay mean + (1 - decay) weights``.

    With ``start`` above 0 it begins as the weights after that update, otherwise as those before the
    first. Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", SIAM
    Journal on Control and Optimization 30, 1992, average iterates; Lillicrap et al., "Continuous
    control with deep reinforcement learning", ICLR 2016, section 3, use it for target networks.

    Parameters
    ----------
    decay : float
        0 <= decay < 1.
    start : int
        Number of updates before the average begins.
    every : int
        Number of updates between two averagings.

    Examples
    --------
    >>> import affinet as an
    >>> (x, t), test = an.datasets.load_digits()
    >>> net = an.Sequential(an.Affine.init(64, 10, rng=0), loss=an.SoftmaxWithLoss())
    >>> average = an.EMA(0.9)
    >>> history = net.fit(x, t, epochs=3, optimizer=an.Adam(0.01), average=average)
    >>> average.steps, average.net.evaluate(*test)["accuracy"] > 0.8
    (135, True)
    """

    def __init__(self, decay: float = 0.999, start: int = 0, every: int = 1) -> None:
        super().__init__(start, every)
        self.decay = real_number("decay", decay, 0.0, 1.0)

    def weight(self, n: int) -> float:
        """``1 - decay``."""
        return 1.0 - self.decay

    def config(self) -> dict[str, Any]:
        """The constructor arguments as plain values."""
        return {"decay": self.decay, **super().config()}


class SWA(WeightAverage):
    """Stochastic weight averaging: the plain mean of the weights at some updates.

    They are those after the updates ``start + every``, ``start + 2 every`` and so on; the learning
    rate should stay high meanwhile. Izmailov, Podoprikhin, Garipov, Vetrov, Wilson, "Averaging
    weights leads to wider optima and better generalization", UAI 2018. Running statistics of a
    BatchNorm are averaged likewise, while the paper computes them anew: ``forward`` of batches of
    ``average.net`` with ``train=True`` does that.

    Parameters
    ----------
    start : int
        Number of updates before the first period.
    every : int
        Number of updates of a period; that of an epoch in the paper.

    Examples
    --------
    >>> import affinet as an
    >>> (x, t), test = an.datasets.load_digits()
    >>> net = an.Sequential(an.Affine.init(64, 10, rng=0), loss=an.SoftmaxWithLoss())
    >>> average = an.SWA(start=90, every=5)
    >>> history = net.fit(x, t, epochs=10, optimizer=an.SGD(0.2), average=average)
    >>> average.net.evaluate(*test)["accuracy"] > 0.9
    True
    """

    def __init__(self, start: int = 0, every: int = 1) -> None:
        super().__init__(start, every)

    def weight(self, n: int) -> float:
        """``1 / n``."""
        return 1.0 / n


# A training whose result is the average ----------------------------------------------------------


def fresh(average: WeightAverage | None) -> WeightAverage | None:
    """The same average before its first update."""
    if average is None:
        return None
    found = copy.copy(average)
    found.net, found.steps = None, 0
    return found


def has_begun(average: WeightAverage) -> bool:
    """True if it holds trained weights."""
    return average.steps >= (average.start or average.every)


def averaged(net: Sequential, average: WeightAverage | None) -> Sequential:
    """The network of the average, or the trained one before the average has begun."""
    if average is None or average.net is None or not has_begun(average):
        return net
    return average.net


def take_average(net: Sequential, average: WeightAverage | None) -> None:
    """Give a trained network the arrays of its average; warn if that has not begun."""
    if average is None:
        return
    if has_begun(average):
        set_arrays(net, arrays_of(averaged(net, average)))
    else:
        warn_not_begun(average)


def warn_not_begun(average: WeightAverage) -> None:
    """Warn that the average is not the result."""
    warn_caller(
        f"average: {average!r} begins after {average.start or average.every} updates, the training "
        f"had {average.steps}: its last weights are kept",
        UserWarning,
    )


def of_average(
    average: WeightAverage | None,
    callback: Any,
    validation: tuple[Array, ...],
    metrics: Mapping[str, Any],
) -> Callback:
    """The callback, which sees the average if there is one."""
    found: Callback = callback
    return found if average is None else OfAverage(average, callback, validation, metrics)


class OfAverage:
    """A callback that sees the average in place of the trained network.

    It measures the validation rows and adds the figures to those of the epoch.
    """

    def __init__(
        self,
        average: WeightAverage,
        callback: Any,
        validation: tuple[Array, ...],
        metrics: Mapping[str, Any],
    ) -> None:
        self.average, self.callback = average, callback
        self.validation, self.metrics = validation, metrics
        self.__name__ = type(callback).__name__  # for the history

    def __call__(self, state: TrainingState) -> None:
        net = averaged(state.net, self.average)
        found = net.evaluate(*self.validation, metrics=self.metrics)
        state.metrics.update({f"val_{name}": value for name, value in found.items()})
        self.callback(replace(state, net=net))

    def __getattr__(self, name: str) -> Any:
        if name == "callback" or name.startswith("__"):  # not set yet while being copied
            raise AttributeError(name)
        return getattr(self.callback, name)
