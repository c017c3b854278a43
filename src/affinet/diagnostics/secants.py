"""The derivative as a limit: secants close in on the tangent, until rounding spoils them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from affinet._validation import Array, any_number
from affinet.diagnostics.study import Study, TextTable, positive_numbers
from affinet.gradcheck import numerical_gradient
from affinet.gradcheck.derivative import along_element, first_step, rounding_noise
from affinet.gradcheck.derivative import derivative as extrapolated
from affinet.gradcheck.numerical import scalar

WIDTHS = (2.0, 1.0, 0.5, 0.25)  # of the secants that are drawn
STEPS = tuple(float(h) for h in 10.0 ** np.arange(0.0, -15.01, -0.25))
EPS = float(np.finfo(np.float64).eps)
TOLERANCE = 1e-9  # of the slope that stands in for an exact one
CURVE_POINTS = 300


@dataclass(frozen=True)
class Derivative(Study):
    """A function near a point, its secants and tangent there, and the errors of differences.

    Attributes
    ----------
    name : str
        What the function is called, such as "sin x".
    a, value : float
        The point, and f(a).
    slope, slope_error : float
        f'(a), and how far it may be off: 0 where the derivative was given, else the noise of an
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
        """What Taylor's series leaves out at each step: ``h |f''| / 2`` and ``h^2 |f'''| / 6``."""
        return self.steps * abs(self.second) / 2, self.steps**2 * abs(self.third) / 6

    @property
    def rounding(self) -> Array:
        """What rounding f to half a unit in the last place may do at each step: ``eps |f| / h``.

        It is that of forward differences; central ones divide by 2h and have half of it.
        """
        return EPS * abs(self.value) / self.steps

    @property
    def best_steps(self) -> tuple[float, float]:
        """Where truncation and rounding meet, forward and central; NaN where one of them is 0.

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
    """Secants of f that close in on its tangent at a, and the errors of difference quotients.

    With a large step a difference quotient is wrong because f bends (truncation), with a tiny one
    because f is rounded; the best step lies where the two meet.

    Parameters
    ----------
    f : callable
        ``f(x) -> number`` for a float x.
    a : float
        Where the tangent touches.
    df : callable, optional
        ``df(x)``, the exact derivative. Left out, it is extrapolated from f, and errors below
        ``slope_error`` mean nothing.
    name : str
        What f is called in the picture.
    widths : sequence of float
        Of the secants, above 0.
    steps : sequence of float
        At which the errors are measured, above 0; those that vanish beside a are left out.

    Returns
    -------
    Derivative

    Raises
    ------
    ValueError
        If f is not one finite number at a, or df is left out and f has a kink at a.

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
    with np.errstate(all="ignore"):  # where f is not defined, its values are NaN and say so
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
    """How far a difference quotient is off the slope, at every step."""
    found = np.array([numerical_gradient(f, a, float(h), method) for h in steps])
    errors: Array = np.abs(found - slope)
    return errors


def extrapolate(f: Callable[[float], Any], a: float) -> tuple[float, float]:
    """f'(a) from values of f alone, and its noise."""
    point = np.array([a])

    def here() -> float:
        return value_at(f, point[0])

    noise = rounding_noise(here, [point], np.random.default_rng(0))
    step = first_step(2.0**-4, abs(a))
    found = extrapolated(along_element(here, point, (0,)), here(), step, noise, TOLERANCE)
    if found is None:
        raise ValueError(f"f has a kink at {a:g}, or is too rough there: it has no tangent")
    return found.value, found.noise


def second_derivative(f: Callable[[float], Any], a: float) -> float:
    """f''(a) by central differences, at the step where their truncation and rounding meet."""
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
    """A difference of these values, or 0 where it is no larger than what rounding makes of 0."""
    return difference if abs(difference) > 4 * EPS * max(map(abs, values)) else 0.0
