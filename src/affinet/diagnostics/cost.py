"""The cost and error of numerical gradients compared with backpropagation."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from affinet._validation import Array, whole_number
from affinet.datasets import load_digits
from affinet.diagnostics.study import Study, TextTable, make_net
from affinet.gradcheck import numerical_gradient
from affinet.layers import Tanh
from affinet.network import Sequential

HIDDEN = (1, 3, 10, 30, 100)
REPEATS = 15  # backward passes, whose median time counts
STEP = 1e-4


@dataclass(frozen=True)
class GradientCost(Study):
    """Gradients of nets of growing size, numerical and by backpropagation.

    Attributes
    ----------
    parameters : array of shape (K,)
        Number of parameters of each net.
    evaluations : dict of str to array (K,)
        Counted evaluations of the loss, for ``"central"`` and ``"forward"`` differences and for
        ``"backward"``: one forward pass before the one backward pass.
    seconds : dict of str to array (K,)
        Time of each; that of ``"backward"`` includes the forward pass.
    errors : dict of str to array (K,)
        Largest difference between numerical gradient and backpropagation, relative to the largest
        element, for ``"central"`` and ``"forward"``.
    """

    parameters: Array
    evaluations: dict[str, Array]
    seconds: dict[str, Array]
    errors: dict[str, Array]

    def rows(self) -> TextTable:
        """A row for each net."""
        rows: TextTable = [
            ("parameters", "evaluations", "seconds", "of one backward", "ratio", "error")
        ]
        for k, n in enumerate(self.parameters):
            numerical, backward = self.seconds["central"][k], self.seconds["backward"][k]
            rows.append(
                (f"{n:,}", f"{self.evaluations['central'][k]:,}", f"{numerical:.3g}",
                 f"{backward:.3g}", f"{numerical / backward:,.0f}",
                 f"{self.errors['central'][k]:.2g}")
            )  # fmt: skip
        return rows


def gradient_cost(hidden: Sequence[int] = HIDDEN, *, rows: int = 16, seed: int = 0) -> GradientCost:
    """Compute gradients of nets on the digits numerically and by backpropagation, and compare.

    Central differences evaluate the loss twice per parameter; a backward pass costs about as much
    as two forward passes, for any number of parameters.

    Parameters
    ----------
    hidden : sequence of int
        Hidden units of each net ``64 - hidden - 10``, with tanh between and in float64.
    rows : int
        Rows of the batch, at least 1.
    seed : int
        Random seed of the weights.

    Returns
    -------
    GradientCost

    Examples
    --------
    >>> from affinet.diagnostics import gradient_cost
    >>> cost = gradient_cost([1, 2])
    >>> cost.parameters, cost.evaluations["central"], cost.evaluations["backward"]
    (array([ 85, 160]), array([170, 320]), array([1, 1]))
    >>> bool((cost.errors["central"] < 1e-6).all())
    True
    """
    units = [whole_number("hidden", n, 1) for n in hidden]
    rows = whole_number("rows", rows, 1)
    if not units:
        raise ValueError("hidden is empty, wanted at least one width")
    x, t = load_digits()[0]
    nets = [make_net([64, n, 10], Tanh(), seed, np.float64) for n in units]
    measured = [measure(net, x[:rows].astype(float), t[:rows]) for net in nets]
    columns: Any = {
        quantity: {
            method: np.array([one[quantity][method] for one in measured])
            for method in measured[0][quantity]
        }
        for quantity in ("evaluations", "seconds", "errors")
    }
    return GradientCost(np.array([one["parameters"] for one in measured]), **columns)


def measure(net: Sequential, x: Array, t: Array) -> dict[str, Any]:
    """Measure one net."""
    calls = 0

    def loss(_: Any = None) -> float:
        nonlocal calls
        calls += 1
        return net.forward(x, t)

    def backward() -> Array:
        loss()
        net.backward()
        return net.grads.flat.copy()

    analytic = backward()
    evaluations: dict[str, int] = {}
    seconds: dict[str, float] = {}
    errors: dict[str, float] = {}
    methods: tuple[Literal["central", "forward"], ...] = ("central", "forward")
    for method in methods:
        calls = 0
        started = time.perf_counter()
        numerical = numerical_gradient(loss, net.params.flat, STEP, method)
        seconds[method] = time.perf_counter() - started
        evaluations[method] = calls
        errors[method] = float(np.abs(numerical - analytic).max() / np.abs(analytic).max())
    calls = 0
    seconds["backward"] = median_seconds(backward)
    evaluations["backward"] = calls // REPEATS
    return {
        "parameters": net.params.flat.size,
        "evaluations": evaluations,
        "seconds": seconds,
        "errors": errors,
    }


def median_seconds(work: Callable[[], Any]) -> float:
    """Median time of REPEATS calls."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return float(np.median(times))
