"""Losses that compare outputs and targets element by element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from affinet._validation import Array, any_number, positive_number
from affinet.layers.operation import OnnxGraph
from affinet.losses import mixtures
from affinet.losses.base import ElementwiseLoss

MOST_LEVELS = 100  # of quantiles in one loss, as in the kernel

__all__ = [
    "Gaussian",
    "Huber",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Poisson",
    "Quantile",
    "SumSquaredError",
]


class MeanSquaredError(ElementwiseLoss):
    """``1/N sum (x - t)^2`` over all N elements; gradient ``2 (x - t) / N``.

    Examples
    --------
    >>> import affinet as an
    >>> loss = an.MeanSquaredError()
    >>> loss.forward([[1.0, 2.0]], [[0.0, 4.0]])
    2.5
    >>> loss.backward()
    array([[ 1., -2.]])
    """

    kernel = "mean_squared_error"
    estimator_name = "squared_error"


class SumSquaredError(ElementwiseLoss):
    """``1/2 sum (x - t)^2`` over all elements; gradient ``x - t``.

    A sum: weights scale the rows' terms, and nothing is divided by their sum.

    Examples
    --------
    >>> import affinet as an
    >>> loss = an.SumSquaredError()
    >>> loss.forward([[1.0, 2.0]], [[0.0, 4.0]])
    2.5
    >>> loss.backward()
    array([[ 1., -2.]])
    """

    kernel = "sum_squared_error"
    is_sum = True


class MeanAbsoluteError(ElementwiseLoss):
    """``1/N sum |x - t|`` over all N elements; gradient ``sign(x - t) / N``, 0 where x is t.

    It is minimized by the median of the targets, so outliers affect it less than squared errors;
    Bloomfield and Steiger, "Least Absolute Deviations", Birkhäuser 1983.

    Examples
    --------
    >>> import affinet as an
    >>> loss = an.MeanAbsoluteError()
    >>> loss.forward([[1.0, 2.0]], [[0.0, 4.0]])
    1.5
    >>> loss.backward()
    array([[ 0.5, -0.5]])
    """

    kernel = "mean_absolute_error"
    estimator_name = "absolute_error"


class Huber(ElementwiseLoss):
    """Quadratic near the target, linear far from it: the mean of ``h(x - t)``.

    ``h(d) = d^2 / 2`` where ``|d| <= delta``, else ``delta (|d| - delta / 2)``; the gradient is
    ``clip(x - t, -delta, delta) / N`` for N elements. Huber, "Robust Estimation of a Location
    Parameter", Annals of Mathematical Statistics 35, 1964.

    Parameters
    ----------
    delta : float
        Distance at which the loss becomes linear, above 0.

    Examples
    --------
    >>> import affinet as an
    >>> loss = an.Huber(delta=1.0)
    >>> loss.forward([[1.0, 2.0]], [[0.5, 5.0]])
    1.3125
    >>> loss.backward()
    array([[ 0.25, -0.5 ]])
    """

    kernel = "huber_loss"
    estimator_name = "huber"

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__()
        self.delta = positive_number("delta", delta)

    def config(self) -> dict[str, Any]:
        """Constructor arguments as plain values, for a model file."""
        return {"delta": self.delta}


class Poisson(ElementwiseLoss):
    """Poisson loss for counts t >= 0 with rates ``exp(x)``: the mean of ``exp(x) - t x``.

    This is the Poisson negative log-likelihood without ``log t!``, which does not depend on x;
    the gradient is ``(exp(x) - t) / N`` for N elements. The network predicts log rates.
    McCullagh and Nelder, "Generalized Linear Models", 2nd edition, 1989, chapter 6.

    Examples
    --------
    >>> import affinet as an
    >>> loss = an.Poisson()
    >>> loss.forward([[0.0, 0.0]], [[3.0, 0.0]])
    1.0
    >>> loss.backward()
    array([[-1. ,  0.5]])
    """

    kernel = "poisson_loss"
    estimator_name = "poisson"
    target_range = (0.0, np.inf)

    def values(self, x: Array) -> Array:
        """Rates, ``exp(x)``."""
        return np.asarray(np.exp(x))

    def combined(self, outputs: Array, weights: Array) -> Array:
        """The logarithm of the members' mean rate."""
        return mixtures.log_mean_exp(outputs, weights)

    def write_onnx_combined(
        self, graph: OnnxGraph, outputs: Sequence[str], weights: Sequence[float]
    ) -> None:
        """Add the nodes of :meth:`combined` to an ONNX graph."""
        mixtures.write_log_mean_exp(graph, outputs, weights)


class Quantile(ElementwiseLoss):
    """Mean of ``max(q d, (q - 1) d)`` with ``d = t - x``: minimal at the q-quantile.

    The gradient of an element is ``-q / N`` where x is too low, ``(1 - q) / N`` where it is too
    high and 0 where x is t, for N elements. With q = 1/2 it is half the mean absolute error.
    Koenker and Bassett, "Regression Quantiles", Econometrica 46, 1978.

    With a list of n levels, a network has n outputs for each target, one for each level, next to
    each other; :class:`Increasing` as its last layer keeps them from crossing. Targets are (B,)
    or (B, T) for T n outputs.

    Parameters
    ----------
    q : float, or list of float
        The quantile, 0 < q < 1, or up to 100 of them in increasing order.

    Examples
    --------
    >>> import affinet as an
    >>> loss = an.Quantile(0.75)
    >>> loss.forward([[1.0, 2.0]], [[0.0, 4.0]])
    0.875
    >>> loss.backward()
    array([[ 0.125, -0.375]])

    Intervals that hold nine of ten targets, and the median:

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(0, 1, (2000, 1))
    >>> t = x[:, 0] + x[:, 0] * rng.standard_normal(2000)
    >>> net = an.Sequential(
    ...     an.Affine.init(1, 16, rng=0), an.ReLU(), an.Affine.init(16, 3, rng=1), an.Increasing(3),
    ...     loss=an.Quantile([0.05, 0.5, 0.95]),
    ... )
    >>> history = net.fit(x, t, epochs=40, optimizer=an.Adam(0.01))
    >>> low, median, high = net.predict(x).T
    >>> bool((low <= median).all() and (median <= high).all())
    True
    >>> bool(0.85 < np.mean((low <= t) & (t <= high)) < 0.95)
    True
    """

    kernel = "quantile_loss"
    estimator_name = "quantile"

    def __init__(self, q: float | Sequence[float]) -> None:
        super().__init__()
        self.q: float | tuple[float, ...]
        if not isinstance(q, str | bytes) and isinstance(q, Sequence | np.ndarray):
            self.q = levels_of(q)
            return
        self.q = level = any_number("q", q)  # type: ignore[arg-type]
        if not 0 < level < 1:
            raise ValueError(f"q is {level!r}, wanted 0 < q < 1")

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantiles."""
        return self.q if isinstance(self.q, tuple) else (self.q,)

    @property
    def outputs_per_target(self) -> int:
        """The number of levels."""
        return len(self.levels)

    def values(self, x: Array) -> Array:
        """Predictions of the targets: the outputs of the level closest to 1/2."""
        levels = self.levels
        middle = min(range(len(levels)), key=lambda k: abs(levels[k] - 0.5))
        return x if len(levels) == 1 else x[..., middle :: len(levels)]

    def number(self) -> float | tuple[float, ...]:
        """The level, or all of them."""
        return self.q

    def config(self) -> dict[str, Any]:
        """Constructor arguments as plain values, for a model file."""
        return {"q": list(self.q) if isinstance(self.q, tuple) else self.q}


def levels_of(q: Any) -> tuple[float, ...]:
    """Several levels of quantiles; ValueError unless they are in increasing order within 0..1."""
    levels = tuple(any_number(f"q[{place}]", level) for place, level in enumerate(q))
    if not 1 <= len(levels) <= MOST_LEVELS:
        raise ValueError(f"q has {len(levels)} levels, wanted 1 to {MOST_LEVELS}")
    for place, level in enumerate(levels):
        if not 0 < level < 1:
            raise ValueError(f"q[{place}] is {level!r}, wanted 0 < q < 1")
        if place and not levels[place - 1] < level:
            raise ValueError(f"q is {list(levels)!r}, wanted levels in increasing order")
    return levels


class Gaussian(ElementwiseLoss):
    """Gaussian negative log-likelihood of means and variances: ``(s + (t - m)^2 exp(-s)) / 2``.

    A network has two outputs for each target, next to each other: the mean m and the logarithm s of
    the variance. The loss is the mean over all targets, without the constant ``log(2 pi) / 2``; the
    gradient is ``(m - t) exp(-s) / N`` and ``(1 - (t - m)^2 exp(-s)) / (2 N)`` for N targets. Nix
    and Weigend, "Estimating the mean and variance of the target probability distribution", ICNN
    1994. An :class:`Ensemble` of such networks predicts the mean and the variance of their mixture;
    Lakshminarayanan, Pritzel, Blundell, NIPS 2017, section 2.4.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> loss = an.Gaussian()
    >>> round(loss.forward([[1.0, 0.0], [1.0, np.log(4.0)]], [3.0, 3.0]), 4)
    1.5966
    >>> loss.backward().round(4)
    array([[-1.  , -0.75],
           [-0.25,  0.  ]])
    >>> loss.values(np.array([[1.0, 0.0]])), loss.std(np.array([[1.0, np.log(4.0)]]))
    (array([[1.]]), array([[2.]]))
    """

    kernel = "gaussian_loss"

    @property
    def outputs_per_target(self) -> int:
        """2: a mean and the logarithm of a variance."""
        return 2

    def values(self, x: Array) -> Array:
        """The means (B, T) of outputs (B, 2 T)."""
        return x[..., ::2]

    def std(self, x: Array) -> Array:
        """The standard deviations (B, T) of outputs (B, 2 T)."""
        return np.asarray(np.exp(x[..., 1::2] / 2))

    def combined(self, outputs: Array, weights: Array) -> Array:
        """Mean and logarithm of the variance of the mixture of the members' distributions."""
        outputs = outputs.astype(np.float64)
        means, combined = outputs[..., ::2], np.empty(outputs.shape[1:])
        combined[..., ::2] = mean = mixtures.mean(means, weights)
        spread = mixtures.mean((means - mean) ** 2, weights)
        with np.errstate(divide="ignore"):
            inner = mixtures.log_mean_exp(outputs[..., 1::2], weights)
            combined[..., 1::2] = np.logaddexp(inner, np.log(spread))
        return combined

    def write_onnx_combined(
        self, graph: OnnxGraph, outputs: Sequence[str], weights: Sequence[float]
    ) -> None:
        """Add the nodes of :meth:`combined` to an ONNX graph."""
        axis, step = graph.indices("axis", [1]), graph.indices("step", [2])
        end = graph.indices("end", [np.iinfo(np.int64).max])
        means, logarithms = (
            [graph.add("Slice", tensor, graph.indices(name, [start]), end, axis, step)
             for tensor in outputs]
            for start, name in enumerate(("means", "variances"))
        )  # fmt: skip
        mean = mixtures.write_mean(graph, means, weights)
        steps = [graph.add("Sub", tensor, mean) for tensor in means]
        squares = [graph.add("Mul", tensor, tensor) for tensor in steps]
        spread = graph.add("Log", mixtures.write_mean(graph, squares, weights))
        inner = mixtures.write_log_mean_exp(graph, logarithms, weights)
        highest = graph.add("Max", inner, spread)  # finite, as the spread may be 0
        terms = [graph.add("Exp", graph.add("Sub", term, highest)) for term in (inner, spread)]
        total = graph.add("Add", graph.add("Log", graph.add("Add", *terms)), highest)
        pair = [graph.add("Unsqueeze", tensor, step) for tensor in (mean, total)]
        graph.add("Concat", *pair, axis=2)
        graph.add("Flatten", axis=1)


class LogCosh(ElementwiseLoss):
    """Mean of ``log(cosh(x - t))``: about ``d^2 / 2`` near the target, ``|d| - log 2`` far from it.

    The gradient is ``tanh(x - t) / N`` for N elements: smooth everywhere, unlike
    :class:`Huber`'s, and never larger than that of the mean absolute error. Green, "Bayesian
    Reconstructions from Emission Tomography Data Using a Modified EM Algorithm", IEEE Transactions
    on Medical Imaging 9, 1990, equation 7.

    Examples
    --------
    >>> import affinet as an
    >>> loss = an.LogCosh()
    >>> round(loss.forward([[1.0, 2.0]], [[0.0, 2.0]]), 4)
    0.2169
    >>> loss.backward().round(4)
    array([[0.3808, 0.    ]])
    """

    kernel = "log_cosh_loss"
    estimator_name = "log_cosh"
