"""Activation functions, their derivatives, and the maxima of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from affinet._validation import Array, positive_number
from affinet.diagnostics.study import Study, TextTable
from affinet.layers import Dropout, Layer
from affinet.layers.activations import activation_classes

POINTS = 400  # an even number, so that 0, where the ReLUs have a corner, is not among them
SEARCHED = 10.0  # the greatest derivative is searched at least this far from 0
SEARCH_POINTS = 40_001  # 0 is one of them


@dataclass(frozen=True)
class ActivationCurve(Study):
    """An activation function and its derivative.

    Attributes
    ----------
    name : str
        The layer's ``repr``.
    x, y, dy : array of shape (P,)
        Inputs, outputs and derivatives.
    greatest, at : float
        The greatest derivative, and the input nearest to 0 where it occurs.
    """

    name: str
    x: Array
    y: Array
    dy: Array
    greatest: float
    at: float

    def rows(self) -> TextTable:
        """The greatest derivative and where it occurs."""
        return [("function", "greatest derivative", "at"), self.row()]

    def row(self) -> tuple[str, ...]:
        """The second row of :meth:`rows`."""
        return (self.name, f"{self.greatest:.4f}", f"{self.at:.3f}")


def activation_functions(
    layers: Sequence[Layer] | Layer | None = None, *, reach: float = 4.0
) -> list[ActivationCurve]:
    """Values and derivatives of activation functions, as their layers compute them.

    Parameters
    ----------
    layers : Layer or sequence of Layer, optional
        By default, all of affinet's.
    reach : float
        The inputs range from -reach to reach.

    Returns
    -------
    list of ActivationCurve

    Raises
    ------
    TypeError
        If something is not a layer, or not an activation.
    ValueError
        If there is no layer.

    Examples
    --------
    >>> import affinet as an
    >>> from affinet.diagnostics import activation_functions
    >>> [(curve.greatest, curve.at) for curve in activation_functions([an.Sigmoid(), an.Tanh()])]
    [(0.25, 0.0), (1.0, 0.0)]
    """
    reach = positive_number("reach", reach)
    chosen = all_activations() if layers is None else layers
    chosen = [chosen] if isinstance(chosen, Layer) else list(chosen)
    if not chosen:
        raise ValueError("layers is empty, wanted at least one")
    x = np.linspace(-reach, reach, POINTS)
    wide = np.linspace(-1.0, 1.0, SEARCH_POINTS) * max(reach, SEARCHED)
    return [curve_of(layer, x, wide) for layer in chosen]


def curve_of(layer: Layer, x: Array, wide: Array) -> ActivationCurve:
    """One function at x, its greatest derivative searched at the points of ``wide``."""
    if not isinstance(layer, Layer) or isinstance(layer, Dropout) or layer.widths() is not None:
        raise TypeError(f"layers has {layer!r}, wanted activations such as ReLU()")
    slopes = values_of(layer, wide)[1]
    greatest = slopes.max()
    places = wide[slopes == greatest]
    at = places[np.abs(places).argmin()]
    y, dy = values_of(layer, x)
    return ActivationCurve(repr(layer), x, y, dy, float(greatest), float(at))


def values_of(layer: Layer, x: Array) -> tuple[Array, Array]:
    """The function and its derivative at x (N,)."""
    y = layer.forward(x.reshape(1, -1))
    dy: Array = layer.backward(np.ones_like(y))[0]
    return y[0], dy


def all_activations() -> list[Layer]:
    """One of each of affinet's activations."""
    return [cls() for cls in activation_classes().values()]
