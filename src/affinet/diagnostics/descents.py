"""Gradient descent on an error E(w): the paths of several learning rates and optimizers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array, require_finite, require_shape, whole_number
from affinet.diagnostics.study import Study, TextTable, positive_numbers
from affinet.gradcheck import numerical_gradient
from affinet.gradcheck.numerical import scalar
from affinet.optimizers import SGD, Muon, Optimizer, optimizer_classes

CONVERGED = 0.01  # a descent has converged if its gradient norm fell to this fraction
CURVE_POINTS = {1: 401, 2: 81}  # of the landscape along each parameter
OWN_RATES = (0.01, 0.1, 1.0)  # for a custom error

Window = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class ErrorFunction:
    """An error to descend on.

    Attributes
    ----------
    name, formula : str
    f : callable
        ``f(w) -> number`` for w of shape (n,), n = 1 or 2.
    gradient : callable or None
        ``gradient(w) -> (n,)``; None: numerical, by central differences.
    start : array of shape (n,)
    rates : array of shape (R,)
        Instructive learning rates: for the errors below too small, good, too large.
    window : tuple of n pairs, or None
        The part of the landscape to show; None: the surroundings of the paths.
    """

    name: str
    formula: str
    f: Callable[[Array], Any]
    gradient: Callable[[Array], Array] | None
    start: Array
    rates: Array
    window: Window | None


@dataclass(frozen=True)
class DescentPath:
    """The path of one descent.

    Attributes
    ----------
    label : str
        The learning rate, or the optimizer.
    w : array of shape (T + 1, n)
        The parameters before the first update and after each; a path ends where they, or E, are
        no longer finite.
    errors : array of shape (T + 1,)
        E(w).
    outcome : str
        ``"diverging"``: E is larger at the end than at the start, or not finite. ``"converged"``:
        the gradient's norm fell to a hundredth. ``"overshooting"``: not converged, and E rose
        again on the way, as beyond the minimum. ``"slow"``: not converged, but E only fell.
    """

    label: str
    w: Array
    errors: Array
    outcome: str


@dataclass(frozen=True)
class Descent(Study):
    """Descents on one error from one start.

    Attributes
    ----------
    error : ErrorFunction
    paths : tuple of DescentPath
    edges : tuple of n arrays (P,)
        Grid points along each parameter.
    landscape : array of shape (P,) or (P, P)
        E on the grid; rows follow the second parameter.
    """

    error: ErrorFunction
    paths: tuple[DescentPath, ...]
    edges: tuple[Array, ...]
    landscape: Array

    def rows(self) -> TextTable:
        """A row for each path."""
        rows: TextTable = [("path", "updates", "E before", "E after", "outcome")]
        for path in self.paths:
            ends = (f"{path.errors[0]:.4g}", f"{path.errors[-1]:.4g}")
            rows.append((path.label, str(len(path.w) - 1), *ends, path.outcome))
        return rows


@dataclass(frozen=True)
class Quadratic:
    """``E = sum lambda_i (w_i - m_i)^2 / 2``."""

    curvature: tuple[float, ...]
    minimum: tuple[float, ...]

    def __call__(self, w: Array) -> Any:
        """E(w)."""
        return 0.5 * np.sum(np.array(self.curvature) * (w - np.array(self.minimum)) ** 2)

    def gradient(self, w: Array) -> Array:
        """dE/dw."""
        gradient: Array = np.array(self.curvature) * (w - np.array(self.minimum))
        return gradient


def quartic(w: Array) -> Any:
    """``sum w_i^4 / 4``, flat around its minimum."""
    return 0.25 * np.sum(w**4)


def quartic_gradient(w: Array) -> Array:
    """The gradient of :func:`quartic`."""
    return w**3


def two_valleys(w: Array) -> Any:
    """``(w1^2 - 1)^2 + 0.3 w1``, and 2 w2^2 if there is a second parameter."""
    return (w[0] ** 2 - 1) ** 2 + 0.3 * w[0] + 2 * np.sum(w[1:] ** 2)


def two_valleys_gradient(w: Array) -> Array:
    """The gradient of :func:`two_valleys`."""
    return np.array([4 * w[0] * (w[0] ** 2 - 1) + 0.3, *(4 * w[1:])])


def known_errors() -> dict[tuple[str, int], ErrorFunction]:
    """Errors to learn on, by name and number of parameters."""
    one, two = Quadratic((1.0,), (1.0,)), Quadratic((1.0, 10.0), (1.0, 0.5))
    errors = [
        ErrorFunction(
            "convex", "½ (w − 1)²", one, one.gradient,
            np.array([-3.0]), np.array([0.1, 0.6, 2.1]), ((-4.5, 6.5),),
        ),
        ErrorFunction(
            "convex", "½ (w₁ − 1)² + 5 (w₂ − ½)²", two, two.gradient,
            np.array([-3.0, 2.0]), np.array([0.02, 0.15, 0.205]), ((-4.0, 5.0), (-2.5, 3.5)),
        ),
        ErrorFunction(
            "flat", "¼ w⁴", quartic, quartic_gradient,
            np.array([-2.0]), np.array([0.01, 0.2, 0.52]), ((-3.0, 3.0),),
        ),
        ErrorFunction(
            "flat", "¼ (w₁⁴ + w₂⁴)", quartic, quartic_gradient,
            np.array([-2.0, 1.5]), np.array([0.01, 0.2, 0.52]), ((-3.0, 3.0), (-3.0, 3.0)),
        ),
        ErrorFunction(
            "two-valley", "(w² − 1)² + 0.3 w", two_valleys, two_valleys_gradient,
            np.array([1.7]), np.array([0.003, 0.05, 0.4]), ((-2.0, 2.0),),
        ),
        ErrorFunction(
            "two-valley", "(w₁² − 1)² + 0.3 w₁ + 2 w₂²", two_valleys, two_valleys_gradient,
            np.array([1.7, 1.0]), np.array([0.003, 0.05, 0.4]), ((-2.0, 2.0), (-1.5, 1.5)),
        ),
    ]  # fmt: skip
    return {(error.name, len(error.start)): error for error in errors}


ERRORS = known_errors()
ERROR_NAMES = ("convex", "flat", "two-valley")


def all_optimizers() -> list[Optimizer]:
    """One of each of affinet's optimizers, with a rate suitable for the errors of this module."""
    return [cls(cls.picture_lr) for cls in optimizer_classes().values()]


def descent(
    error: str | Callable[[Array], Any] = "convex",
    start: ArrayLike | None = None,
    *,
    rates: Sequence[float] | None = None,
    optimizers: Sequence[Optimizer] | None = None,
    steps: int = 20,
    parameters: int = 1,
    gradient: Callable[[Array], Array] | None = None,
    name: str = "E(w)",
    window: Window | None = None,
) -> Descent:
    """Follow ``w <- w - rho dE/dw``, or an optimizer's rule, downhill from one start.

    On ``E = lambda w^2 / 2`` an update multiplies w by ``1 - rho lambda``: it converges for
    rho < 2 / lambda and diverges beyond.

    Parameters
    ----------
    error : str or callable
        ``"convex"``, ``"flat"`` or ``"two-valley"``, or ``E(w) -> number`` for an array w (n,).
    start : array of shape (n,), or a number
        The initial w, 1 or 2 numbers; a named error has its own.
    rates : sequence of float, optional
        Learning rates rho of plain gradient descent, one path each; by default one that is too
        small, a good one and one that is too large for a named error, (0.01, 0.1, 1) for others.
    optimizers : sequence of Optimizer, optional
        One path each, instead of ``rates``. Muon, whose rule is for matrices, takes w as a matrix
        of one row.
    steps : int
        Number of updates, 1 or more.
    parameters : int
        1 or 2: the form of a named error, if ``start`` is not given.
    gradient : callable, optional
        ``gradient(w) -> (n,)`` of a custom error; by default it is computed numerically.
    name : str
        The name of a custom error in the picture.
    window : sequence of n pairs, optional
        The part of the landscape to show.

    Returns
    -------
    Descent

    Raises
    ------
    ValueError
        If the name is unknown, or if start is missing or does not have 1 or 2 numbers.

    Examples
    --------
    >>> from affinet.diagnostics import descent
    >>> [(path.label, path.outcome) for path in descent("convex").paths]
    [('ρ = 0.1', 'slow'), ('ρ = 0.6', 'converged'), ('ρ = 2.1', 'diverging')]
    >>> mine = descent(lambda w: abs(w[0]) ** 1.5, start=2.0, rates=[0.1], steps=40)
    >>> round(float(mine.paths[0].w[-1, 0]), 3)
    0.006
    """
    steps = whole_number("steps", steps, 1)
    chosen = choose(error, start, parameters, gradient, name, window)
    if optimizers is not None:
        runs = [(repr_of(rule), rule) for rule in optimizers]
    else:
        known = chosen.rates if rates is None else positive_numbers("rates", rates)
        runs = [(f"ρ = {rho:g}", SGD(float(rho))) for rho in known]
    if not runs:
        raise ValueError("optimizers is empty, wanted at least one")
    paths = tuple(follow(chosen, label, optimizer, steps) for label, optimizer in runs)
    edges = edges_of(chosen, paths)
    return Descent(chosen, paths, edges, landscape_of(chosen.f, edges))


def choose(
    error: Any, start: Any, parameters: int, gradient: Any, name: str, window: Window | None
) -> ErrorFunction:
    """The error to descend on, with the given settings in place of its own."""
    w = None if start is None else number_array("start", start).astype(float).reshape(-1)
    if w is not None:
        require_finite("start", w)
    n = parameters if w is None else w.size
    if n not in (1, 2):
        raise ValueError(f"{'parameters' if w is None else 'start'} has {n}, wanted 1 or 2")
    if isinstance(error, str):
        if (error, n) not in ERRORS:
            raise ValueError(f"error is {error!r}, wanted {', '.join(ERROR_NAMES)} or a function")
        own = ERRORS[error, n]
        return ErrorFunction(
            own.name, own.formula, own.f, own.gradient, own.start if w is None else w, own.rates,
            window or (own.window if w is None else None),
        )  # fmt: skip
    if not callable(error):
        raise TypeError(f"error is {error!r}, wanted a name or a function")
    if w is None:
        raise ValueError("start is None, wanted the initial w, which a custom error does not have")
    return ErrorFunction(name, "", error, gradient, w, np.array(OWN_RATES), window)


def repr_of(optimizer: Optimizer) -> str:
    """An optimizer's name and rate."""
    return f"{type(optimizer).__name__}, ρ = {optimizer.lr:g}"


def follow(error: ErrorFunction, label: str, optimizer: Optimizer, steps: int) -> DescentPath:
    """Follow one descent."""
    w = error.start.copy()
    given = w[np.newaxis] if isinstance(optimizer, Muon) else w  # its rule is for matrices
    with np.errstate(all="ignore"):  # if a descent diverges, its path ends
        places, errors = [w.copy()], [value_at(error.f, w)]
        if not np.isfinite(errors[0]):
            raise ValueError(f"E is {errors[0]} at the start, wanted a finite number")
        first = last = gradient_at(error, w)
        for _ in range(steps):
            optimizer.update(given, last.reshape(given.shape))
            value, last = value_at(error.f, w), gradient_at(error, w)
            if not (np.isfinite(w).all() and np.isfinite(value) and np.isfinite(last).all()):
                return DescentPath(label, np.array(places), np.array(errors), "diverging")
            places.append(w.copy())
            errors.append(value)
    return DescentPath(label, np.array(places), np.array(errors), outcome_of(errors, first, last))


def outcome_of(errors: Sequence[float], first: Array, last: Array) -> str:
    """The outcome of a descent, from E along it and the gradients at its ends."""
    if errors[-1] > errors[0]:
        return "diverging"
    if np.linalg.norm(last) <= CONVERGED * np.linalg.norm(first):
        return "converged"
    return "overshooting" if np.diff(errors).max(initial=0.0) > 0 else "slow"


def value_at(f: Callable[[Array], Any], w: Array) -> float:
    """E(w) as a float, infinite if Python's math functions overflow."""
    try:
        return float(scalar(f(w), "E(w)"))
    except OverflowError:
        return float("inf")


def gradient_at(error: ErrorFunction, w: Array) -> Array:
    """dE/dw, as a new array (n,)."""
    if error.gradient is None:
        if not np.isfinite(w).all():
            return np.full(w.shape, np.nan)
        # A large w needs a larger step: 1e-5 would be rounded away beside 1e12.
        h = 1e-5 * max(1.0, float(np.abs(w).max()))
        return numerical_gradient(lambda place: value_at(error.f, place), w.copy(), h)
    found = np.asarray(error.gradient(w), float)
    require_shape("gradient(w)", found, w.shape)
    return found.copy()


def edges_of(error: ErrorFunction, paths: Sequence[DescentPath]) -> tuple[Array, ...]:
    """Grid points along each parameter: of the window, or around the paths that did not diverge."""
    n = CURVE_POINTS[len(error.start)]
    if error.window is not None:
        return tuple(np.linspace(low, high, n) for low, high in error.window)
    stayed = [path for path in paths if path.outcome != "diverging"] or [paths[0]]
    best = min(stayed, key=lambda path: path.errors[-1])
    middle = best.w[-1]
    reach = np.max([np.abs(path.w - middle).max(axis=0) for path in stayed], axis=0)
    reach = 2.0 * np.maximum(reach, 0.3 * reach.max()) if reach.max() else np.ones_like(middle)
    return tuple(np.linspace(c - r, c + r, n) for c, r in zip(middle, reach, strict=True))


def landscape_of(f: Callable[[Array], Any], edges: Sequence[Array]) -> Array:
    """E on the grid of these points; rows follow the second parameter."""
    lattice = np.stack(np.meshgrid(*edges), axis=-1)
    with np.errstate(all="ignore"):
        flat = [value_at(f, w) for w in lattice.reshape(-1, len(edges))]
    return np.array(flat).reshape(lattice.shape[:-1])
