"""Finite differences of a scalar function, element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, overload

import numpy as np

from affinet._validation import Array, real_number, require_plain

METHODS = ("central", "forward")


@overload
def numerical_gradient(
    f: Callable[[float], Any],
    x: float,
    h: float = ...,
    method: Literal["central", "forward"] = ...,
) -> float: ...


@overload
def numerical_gradient(
    f: Callable[[Array], Any],
    x: Array,
    h: float = ...,
    method: Literal["central", "forward"] = ...,
) -> Array: ...


def numerical_gradient(
    f: Callable[[Any], Any],
    x: float | Array,
    h: float = 1e-4,
    method: Literal["central", "forward"] = "central",
) -> float | Array:
    """Derivatives of a scalar function with respect to every element of an array.

    Central differences ``(f(x + h) - f(x - h)) / 2h``, with an error of order h^2, or forward
    differences ``(f(x + h) - f(x)) / h``, of order h; Press et al., "Numerical Recipes",
    section 5.7. The divisor is the actual distance between the two points after rounding.

    Parameters
    ----------
    f : callable
        Called as ``f(x)`` with the array x itself, one element of which was changed; it may ignore
        its argument and read the array from elsewhere. Returns one number.
    x : array of any shape, or float
        An array of floats is changed in place and restored bit for bit, element by element, even
        if f raises or is interrupted. float32 is allowed but coarse: differences of a float32
        function are accurate to two or three digits, with an h near 1e-2.
    h : float
        Step for each element, above 0.
    method : {"central", "forward"}
        Two evaluations per element, or one per element and one more.

    Returns
    -------
    array of the shape of x, at least float64; a float for a float

    Raises
    ------
    TypeError
        If x is neither an array of real floats nor a float.
    ValueError
        If x is read-only, adding h to an element of x has no effect, method is unknown or f does
        not return one number.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> an.numerical_gradient(lambda x: np.sum(x**2), np.array([3.0, 4.0])).round(6)
    array([6., 8.])
    >>> W = np.array([[1.0, 2.0]])
    >>> an.numerical_gradient(lambda _: (W**3).sum(), W).round(6)
    array([[ 3., 12.]])
    >>> round(an.numerical_gradient(lambda x: x**2, 3.0), 6)
    6.0
    """
    h = real_number("h", h, np.finfo(np.float64).tiny)
    if method not in METHODS:
        raise ValueError(f"method is {method!r}, wanted one of {', '.join(METHODS)}")
    if isinstance(x, float | np.floating):
        # f gets the plain number that it expects, not this function's array.
        array = np.array(x)
        return float(_gradient(lambda a: f(a[()]), array, h, method)[()])
    return _gradient(f, _movable(x), h, method)


def scalar(value: Any, name: str = "f(x)") -> Any:
    """``value``, the result of a scalar function, as one real number of at least 64 bits."""
    array = np.asarray(value)
    if array.dtype.kind not in "buif":
        raise ValueError(f"{name} is {value!r}, wanted one real number")
    if array.size != 1:
        raise ValueError(f"{name} has shape {array.shape}, wanted one number")
    return array.reshape(()).astype(np.result_type(array.dtype, np.float64))[()]


def _movable(x: Any) -> Array:
    if not isinstance(x, np.ndarray):
        raise TypeError(f"x is {type(x).__name__}, wanted an array of floats or a float")
    if x.dtype.kind != "f":
        raise TypeError(
            f"x has dtype {x.dtype}, wanted floats: no small step can be taken in it; "
            "pass x.astype(float)"
        )
    if not x.flags.writeable:
        raise ValueError("x is read-only, wanted an array that can be changed in place")
    require_plain("x", x)
    return x


def _gradient(f: Callable[[Any], Any], x: Array, h: float, method: str) -> Array:
    gradient = np.empty(x.shape, np.result_type(x.dtype, np.float64))
    centre = scalar(f(x)) if method == "forward" and x.size else None
    for index in np.ndindex(x.shape):
        gradient[index] = _difference(f, x, index, gradient.dtype, h, centre)
    return gradient


def _difference(
    f: Callable[[Any], Any],
    x: Array,
    index: tuple[int, ...],
    dtype: np.dtype[Any],
    h: float,
    centre: Any,
) -> Any:
    """The difference quotient at one element; ``centre`` is f(x), None for central ones."""
    saved = x[index]
    lower, below = dtype.type(saved), centre
    try:
        x[index] = saved + h
        upper, above = dtype.type(x[index]), scalar(f(x))
        if centre is None:
            x[index] = saved - h
            lower, below = dtype.type(x[index]), scalar(f(x))
    finally:
        x[index] = saved
    if upper == lower:
        raise ValueError(f"h is {h:g}, lost in rounding beside x{list(index)} = {saved}")
    with np.errstate(invalid="ignore"):  # inf - inf gives NaN, which is reported
        return (above - below) / (upper - lower)
