"""The derivative as a limit: secants approach the tangent, until rounding errors dominate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from affinet._validation import Array, any_number
from affinet.diagnostics.study import Study, TextTable, positive_numbers
from affinet.gradcheck import numerical_gradient
from affinet.gradcheck.derivative import (
    along_element,
    extrapolated_derivative,
    first_step,
    rounding_noise,
)
from affinet.gradcheck.numerical import scalar

WIDTHS = (2.0, 1.0, 0.5, 0.25)  # of the secants
STEPS = tuple(float(h) for h in 10.0 ** np.arange(0.0, -15.01, -0.25))
EPS = float(np.finfo(np.float64).eps)
TOLERANCE = 1e-9  # of the extrapolated slope that replaces an exact one
CURVE_POINTS = 300


@dataclass(frozen=True)
class Derivative(Study):
    """A function near a point, its secants and tangent, and the errors of difference quotients.

    Attributes
    ----------
    name : str
        The name of the function, such as "sin x".
    a, value : float
        The point, and f(a).
    slope, slope_error : float
        f'(a) and its uncertainty: 0 if the derivative was given, else the noise of the
        extrapolation.
    x, y : array of shape (P,)
        The function around a.
    widths, secants : array of shape (K,)
        Widths h of the secants from a to a + h, and their slopes ``(f(a + h) - f(a)) / h``.
    steps, forward_errors, central_errors : array of shape (N,)
        Steps h, and ``|difference - f'(a)|`` of ``(f(a + h) - f(a)) / h`` and of
        ``(f(a + h) - f(a - h)) / 2h``.
    second, third : float
        Estimates of f''(a) and f'''(a), good to a few digits.
    """

    name: str
    a: float
    value: float
    slope: float
    slope_error: float
    x: Array
    y: Array
    widths: Array
    secants: Array
    steps: Array
    forward_errors: Array
    central_errors: Array
    second: float
    third: float

    @property
    def truncation(self) -> tuple[Array, Array]:
        """The truncation error at each step: ``h |f''| / 2`` and ``h^2 |f'''| / 6``."""
        return self.steps * abs(self.second) / 2, self.steps**2 * abs(self.third) / 6

    @property
    def rounding(self) -> Array:
        """The error from rounding f by half a unit in the last place: ``eps |f| / h``.

        This is for forward differences; central ones divide by 2h and have half of it.
        """
        return EPS * abs(self.value) / self.steps

    @property
    def best_steps(self) -> tuple[float, float]:
        """The steps that balance truncation and rounding, forward and central; NaN if one is 0.

        ``sqrt(2 eps |f / f''|)`` and ``(3 eps |f / f'''|)^(1/3)``; Press et al., "Numerical
        Recipes", section 5.7.
        """
        f, second, third = abs(self.value), abs(self.second), abs(self.third)
        forward = (2 * EPS * f / second) ** 0.5 if second and f else np.nan
        central = (3 * EPS * f / third) ** (1 / 3) if third and f else np.nan
        return float(forward), float(central)

    def rows(self) -> TextTable:
        """A row for each secant, and one for the tangent."""
        rows: TextTable = [("h", "secant's slope", "error")]
        for h, slope in zip(self.widths, self.secants, strict=True):
            rows.append((f"{h:g}", f"{slope:.6g}", f"{abs(slope - self.slope):.3g}"))
        return [*rows, ("tangent", f"{self.slope:.6g}", f"{self.slope_error:.3g}")]


def derivative(
    f: Callable[[float], Any],
    a: float,
    *,
    df: Callable[[float], Any] | None = None,
    name: str = "f(x)",
    widths: Sequence[float] = WIDTHS,
    steps: Sequence[float] = STEPS,
) -> Derivative:
    """Secants of f that approach its tangent at a, and the errors of difference quotients.

    With a large step a difference quotient is wrong because f is curved (truncation), with a tiny
    one because f is rounded; the best step balances the two errors.

    Parameters
    ----------
    f : callable
        ``f(x) -> number`` for a float x.
    a : float
        The point of the tangent.
    df : callable, optional
        ``df(x)``, the exact derivative. By default it is extrapolated from f, and errors below
        ``slope_error`` are not significant.
    name : str
        The name of f in the picture.
    widths : sequence of float
        Widths of the secants, above 0.
    steps : sequence of float
        Steps at which to measure the errors, above 0; those that are negligible relative to a are
        skipped.

    Returns
    -------
    Derivative

    Raises
    ------
    ValueError
        If f(a) is not a single finite number, or if df is not given and f has a kink at a.

    Examples
    --------
    >>> import math
    >>> from affinet.diagnostics import derivative
    >>> found = derivative(math.sin, 1.0, df=math.cos)
    >>> found.secants.round(3)
    array([-0.35 ,  0.068,  0.312,  0.43 ])
    >>> found.slope == math.cos(1.0)
    True
    >>> bool(found.central_errors.min() < found.forward_errors.min())
    True
    """
    a = any_number("a", a)
    wide, small = positive_numbers("widths", widths), positive_numbers("steps", steps)
    small = np.sort(small[small > np.spacing(abs(a))])[::-1]
    with np.errstate(all="ignore"):  # where f is undefined, its values are NaN
        value = value_at(f, a)
        if not np.isfinite([a, value]).all():
            raise ValueError(f"f({a:g}) is {value}, wanted a finite number")
        slope, slope_error = extrapolate(f, a) if df is None else (value_at(df, a), 0.0)
        x = np.linspace(a - 0.75 * wide.max(), a + 1.25 * wide.max(), CURVE_POINTS)
        return Derivative(
            name=name,
            a=a,
            value=value,
            slope=slope,
            slope_error=slope_error,
            x=x,
            y=np.array([value_at(f, point) for point in x]),
            widths=wide,
            secants=np.array([numerical_gradient(f, a, h, "forward") for h in wide]),
            steps=small,
            forward_errors=errors_of(f, a, small, "forward", slope),
            central_errors=errors_of(f, a, small, "central", slope),
            second=second_derivative(f, a),
            third=third_derivative(f, a),
        )


def value_at(f: Callable[[float], Any], x: float) -> float:
    """f(x) as a float."""
    return float(scalar(f(float(x))))


def errors_of(
    f: Callable[[float], Any],
    a: float,
    steps: Array,
    method: Literal["forward", "central"],
    slope: float,
) -> Array:
    """The error of a difference quotient at every step."""
    found = np.array([numerical_gradient(f, a, float(h), method) for h in steps])
    errors: Array = np.abs(found - slope)
    return errors


def extrapolate(f: Callable[[float], Any], a: float) -> tuple[float, float]:
    """f'(a) extrapolated from values of f, and its noise."""
    point = np.array([a])

    def here() -> float:
        return value_at(f, point[0])

    noise = rounding_noise(here, [point], np.random.default_rng(0))
    step = first_step(2.0**-4, abs(a))
    found = extrapolated_derivative(
        along_element(here, point, (0,)), here(), step, noise, TOLERANCE
    )
    if found is None:
        raise ValueError(f"f has no tangent at {a:g}: it has a kink or is too rough there")
    return found.value, found.noise


def second_derivative(f: Callable[[float], Any], a: float) -> float:
    """f''(a) by central differences, at the step that balances truncation and rounding."""
    h = EPS**0.25 * max(1.0, abs(a))
    values = [value_at(f, a + k * h) for k in (-1, 0, 1)]
    return float(above_rounding(values[0] - 2 * values[1] + values[2], values) / h**2)


def third_derivative(f: Callable[[float], Any], a: float) -> float:
    """f'''(a), likewise."""
    h = EPS**0.2 * max(1.0, abs(a))
    values = [value_at(f, a + k * h) for k in (-2, -1, 1, 2)]
    difference = values[3] - 2 * (values[2] - values[1]) - values[0]
    return float(above_rounding(difference, values) / (2 * h**3))


def above_rounding(difference: float, values: Sequence[float]) -> float:
    """A difference of these values, or 0 if it is within the rounding error of 0."""
    return difference if abs(difference) > 4 * EPS * max(map(abs, values)) else 0.0
