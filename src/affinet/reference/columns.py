"""Layers with a parameter for each column: a learned factor, a parametric activation."""

from __future__ import annotations

from typing import Any

import numpy as np

from affinet.reference import activations, gates
from affinet.reference._arrays import Array, require_shape

__all__ = ["parametric_backward", "parametric_forward", "scale_backward", "scale_forward"]


def scale_forward(x: Array, s: Array) -> Array:
    """A factor for each column.

    Parameters
    ----------
    x : array of shape (B, O)
    s : array of shape (O,)

    Returns
    -------
    array of shape (B, O)
        ``s x``

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: Holzmüller, Grinsztajn & Steinwart, "Better by default", NeurIPS 2024, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import scale_forward
    >>> scale_forward(np.array([[1.0, 4.0]]), np.array([2.0, 0.5]))
    array([[2., 2.]])
    """
    require_shape("s", s, x.shape[1:])
    return s * x


def scale_backward(x: Array, dout: Array, s: Array) -> tuple[Array, Array]:
    """Gradients of a factor for each column.

    Parameters
    ----------
    x, dout : arrays of shape (B, O)
    s : array of shape (O,)

    Returns
    -------
    dx : array of shape (B, O)
        ``s dout``
    ds : array of shape (O,)
        The sum of ``x dout`` over the rows.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Source: the chain rule, of `scale_forward`.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import scale_backward
    >>> scale_backward(np.array([[1.0, 4.0]]), np.ones((1, 2)), np.array([2.0, 0.5]))
    (array([[2. , 0.5]]), array([1., 4.]))
    """
    require_shape("dout", dout, x.shape)
    require_shape("s", s, x.shape[1:])
    return s * dout, np.sum(x * dout, axis=0)


def parametric_forward(
    x: Array, a: Array, activation: str, numbers: tuple[float, ...]
) -> tuple[Array, Array]:
    """A parametric activation: a mixture of x and a function f of it.

    Parameters
    ----------
    x : array of shape (B, O)
    a : array of shape (O,)
    activation : str
        The kernel name of f, such as "selu".
    numbers : tuple of float
        The scalars of f, such as a LeakyReLU's slope.

    Returns
    -------
    out : array of shape (B, O)
        ``x + a (f(x) - x)``
    step : array of shape (B, O)
        ``f(x) - x``

    Raises
    ------
    ValueError
        If the shapes do not fit, or there is no such activation.

    Notes
    -----
    Source: Holzmüller, Grinsztajn & Steinwart, "Better by default", NeurIPS 2024, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import parametric_forward
    >>> parametric_forward(np.array([[-2.0, -2.0]]), np.array([1.0, 0.5]), "relu", ())
    (array([[ 0., -1.]]), array([[2., 2.]]))
    """
    require_shape("a", a, x.shape[1:])
    y = _activation(f"{activation}_forward")(x, *numbers)
    return x + a * (y - x), y - x


def parametric_backward(
    x: Array, dout: Array, a: Array, activation: str, numbers: tuple[float, ...], step: Array
) -> tuple[Array, Array, Array]:
    """Gradients of a parametric activation.

    Parameters
    ----------
    x, dout : arrays of shape (B, O)
    a : array of shape (O,)
    activation, numbers
        As for `parametric_forward`.
    step : array of shape (B, O)
        ``f(x) - x``, as `parametric_forward` returned it.

    Returns
    -------
    dx : array of shape (B, O)
        ``dout + a (f'(x) dout - dout)``
    da : array of shape (O,)
        The sum of ``step dout`` over the rows.
    products : array of shape (B, O)
        ``step dout``

    Raises
    ------
    ValueError
        If the shapes do not fit, or there is no such activation.

    Notes
    -----
    Source: the chain rule, of `parametric_forward`.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import parametric_backward
    >>> x, dout, a = np.array([[-2.0, -2.0]]), np.ones((1, 2)), np.array([1.0, 0.5])
    >>> dx, da, _ = parametric_backward(x, dout, a, "relu", (), np.array([[2.0, 2.0]]))
    >>> dx, da
    (array([[0. , 0.5]]), array([2., 2.]))
    """
    require_shape("dout", dout, x.shape)
    require_shape("a", a, x.shape[1:])
    require_shape("step", step, x.shape)
    backward = _activation(f"{activation}_backward")
    kept = x
    if backward.__code__.co_varnames[0] == "y":
        kept = _activation(f"{activation}_forward")(x, *numbers)
    products = step * dout
    slope = backward(kept, dout, *numbers)
    return dout + a * (slope - dout), np.sum(products, axis=0), products


def _activation(name: str) -> Any:
    """A function of this package."""
    for file in (activations, gates):
        if name in file.__all__:
            return getattr(file, name)
    raise ValueError(f"there is no {name}")
