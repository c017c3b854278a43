"""Losses that compare outputs and targets element by element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from affinet._validation import Array, any_number, positive_number
from affinet.layers.operation import OnnxGraph
from affinet.losses import mixtures
from affinet.losses.base import ElementwiseLoss

__all__ = [
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

    Parameters
    ----------
    q : float
        The quantile, 0 < q < 1.

    Examples
    --------
    >>> import affinet as an
    >>> loss = an.Quantile(0.75)
    >>> loss.forward([[1.0, 2.0]], [[0.0, 4.0]])
    0.875
    >>> loss.backward()
    array([[ 0.125, -0.375]])
    """

    kernel = "quantile_loss"
    estimator_name = "quantile"

    def __init__(self, q: float) -> None:
        super().__init__()
        self.q = any_number("q", q)
        if not 0 < self.q < 1:
            raise ValueError(f"q is {self.q!r}, wanted 0 < q < 1")

    def config(self) -> dict[str, Any]:
        """Constructor arguments as plain values, for a model file."""
        return {"q": self.q}


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
