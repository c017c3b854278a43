"""The pictures that ``affinet plot`` draws by name, and the figures that it prints."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from affinet import diagnostics, plotting
from affinet._validation import Array
from affinet.cli.formulas import Formula
from affinet.cli.models import load_named
from affinet.diagnostics.descents import ERROR_NAMES

Drawn = tuple[list[tuple[str, ...]], Array]  # a table, and the axes
OPTIMIZER_STEPS = 40


def draw(name: str, options: dict[str, Any]) -> Drawn:
    """The figures and the picture of this name, for the options that were given."""
    return DRAWERS[name](**options)


def derivative(function: str | None = None, at: float = 1.0) -> Drawn:
    """The sine, whose derivative is known, or a formula."""
    if function is None:
        data = diagnostics.derivative(math.sin, at, df=math.cos, name="sin x")
    else:
        f = read(function, ("x",))
        data = diagnostics.derivative(lambda x: f(**dict.fromkeys(f.names, x)), at, name=function)
    return data.rows(), plotting.derivative(data)


def descent(
    function: str | None = None,
    start: tuple[float, ...] | None = None,
    rates: tuple[float, ...] | None = None,
    steps: int | None = None,
    parameters: int = 1,
    optimizers: bool = False,
) -> Drawn:
    """Descent on named errors or a formula, with several learning rates or optimizers."""
    if optimizers and rates is not None:
        raise ValueError("--rates and --optimizers: only one of them at a time")
    known: dict[str, Any] = {
        "start": start,
        "rates": rates,
        "optimizers": diagnostics.all_optimizers() if optimizers else None,
        "steps": steps or (OPTIMIZER_STEPS if optimizers else 20),
    }
    several = [
        diagnostics.descent(error, parameters=parameters, name=name, **known)
        for error, name in errors_of(function, start, optimizers)
    ]
    rows = [("E", *several[0].rows()[0])]
    rows += [(one.error.name, *row) for one in several for row in one.rows()[1:]]
    return rows, plotting.descent(several)


def errors_of(function: str | None, start: Any, optimizers: bool) -> list[tuple[Any, str]]:
    """The errors to descend on, with their names: one, all of them, or a formula."""
    if function is None:  # the optimizers fill a picture with one error
        names = ERROR_NAMES[:1] if optimizers or start is not None else ERROR_NAMES
        return [(name, name) for name in names]
    if function in ERROR_NAMES:
        return [(function, function)]
    error, n = error_of(function)
    if start is None or len(start) != n:
        came = "nothing" if start is None else f"{len(start)} numbers"
        raise ValueError(f"argument --start: got {came}, {function!r} needs {n}")
    return [(error, f"E = {function}")]


def error_of(text: str) -> tuple[Callable[[Array], Any], int]:
    """An error E(w) from a formula in w, or in w1 and w2, with its number of parameters."""
    f = read(text, ("w", "w1", "w2"))
    if "w" in f.names and len(f.names) > 1:
        raise ValueError(f"argument --function: {text!r} has w and {f.names[1]}, wanted w1 and w2")
    if not f.names:
        raise ValueError(f"argument --function: {text!r} has neither w nor w1 and w2")
    if f.names == ("w",):
        return lambda w: f(w=w[0]), 1
    return lambda w: f(w1=w[0], w2=w[1]), 2


def read(text: str, variables: tuple[str, ...]) -> Formula:
    """A formula, or an error that names the option."""
    try:
        return Formula(text, variables)
    except ValueError as error:
        raise ValueError(f"argument --function: {error}") from None


def gradient_cost() -> Drawn:
    """The cost of numerical gradients and of one backward pass."""
    data = diagnostics.gradient_cost()
    return data.rows(), plotting.gradient_cost(data)


def three_steps() -> Drawn:
    """One batch: forward, backward, update."""
    data = diagnostics.three_steps()
    return data.rows(), plotting.three_steps(data)


def activations(reach: float = 4.0) -> Drawn:
    """All activation functions."""
    curves = diagnostics.activation_functions(reach=reach)
    rows = [curves[0].rows()[0], *(curve.row() for curve in curves)]
    return rows, plotting.activation_functions(curves)


def vanishing_gradient(histograms: bool = False) -> Drawn:
    """Gradients of each layer, or the outputs of each layer."""
    data = diagnostics.vanishing_gradient()
    drawer = plotting.activation_histograms if histograms else plotting.vanishing_gradient
    return data.rows(), drawer(data)


def dead_relu() -> Drawn:
    """Units that die, and units that recover."""
    data = diagnostics.dead_relu()
    return data.rows(), plotting.dead_relu(data)


def overfitting(
    dataset: str = "digits", data_dir: str | None = None, label_noise: float = 0.2
) -> Drawn:
    """A network that memorizes a few images."""
    data = load_named(dataset, data_dir, raw=False)
    found = diagnostics.overfitting(data, label_noise=label_noise)
    return found.rows(), plotting.overfitting(found)


def regions() -> Drawn:
    """The regions that networks of several shapes can separate."""
    data = diagnostics.network_regions()
    return data.rows(), plotting.network_regions(data)


DRAWERS: dict[str, Callable[..., Drawn]] = {
    "derivative": derivative,
    "descent": descent,
    "gradient-cost": gradient_cost,
    "three-steps": three_steps,
    "activations": activations,
    "vanishing-gradient": vanishing_gradient,
    "dead-relu": dead_relu,
    "overfitting": overfitting,
    "regions": regions,
}
