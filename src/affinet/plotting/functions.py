"""Activation functions and their derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import affinet.layers
from affinet._validation import Array, positive_number
from affinet.layers import Affine, Dropout, Layer
from affinet.plotting.figures import BLUE, VERMILION, draw_grid, open_frame, own_or_new_grid

POINTS = 400  # an even number, so that 0, where the ReLUs have a corner, is not among them
JUMP = 0.2  # of a derivative between neighbouring points, where its line is interrupted


def activation_functions(
    layers: Sequence[Layer] | Layer | None = None, ax: Any = None, *, reach: float = 4.0
) -> Array:
    """Draw activation functions with their derivatives, one panel each.

    Parameters
    ----------
    layers : Layer or sequence of Layer, optional
        Those to draw; all of affinet's if left out.
    ax : matplotlib.axes.Axes or array of them, optional
        Where to draw, as many axes as layers; left out, a figure of its own is made.
    reach : float
        The inputs go from -reach to reach.

    Returns
    -------
    array of matplotlib.axes.Axes, (L,)
        One for each layer.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If something is no layer, or is not an activation.
    ValueError
        If there is no layer, or there are fewer axes than layers.

    Examples
    --------
    >>> import affinet as an
    >>> from affinet.plotting import activation_functions
    >>> axes = activation_functions([an.Sigmoid(), an.Tanh()])
    >>> [panel.get_title() for panel in axes]
    ['Sigmoid()', 'Tanh()']
    """
    reach = positive_number("reach", reach)
    chosen = all_activations() if layers is None else layers
    chosen = [chosen] if isinstance(chosen, Layer) else list(chosen)
    if not chosen:
        raise ValueError("layers is empty, wanted at least one")
    x = np.linspace(-reach, reach, POINTS).reshape(1, -1)
    drawn = [values_of(layer, x) for layer in chosen]
    panels = own_or_new_grid(ax, len(chosen), 4, (2.9, 2.7))
    for panel, layer, (y, dx) in zip(panels, chosen, drawn, strict=True):
        panel.plot(x[0], y, color=BLUE, label="function")
        panel.plot(x[0], dx, color=VERMILION, linestyle="--", label="derivative")
        panel.set_title(repr(layer), fontsize=11)
        panel.set_xlabel("input")
        panel.set_ylabel("output")
        draw_grid(panel)
        open_frame(panel)
    panels[0].legend(frameon=False, loc="upper left", fontsize=9)
    return panels


def all_activations() -> list[Layer]:
    """One of each of affinet's layers that work on every number by itself and have no parameter."""
    kinds = [value for value in vars(affinet.layers).values() if isinstance(value, type)]
    return [
        kind()
        for kind in kinds
        if issubclass(kind, Layer)
        and kind.__module__ == "affinet.layers.activations"
        and not kind.parameters
        and not getattr(kind, "__abstractmethods__", None)
    ]


def values_of(layer: Layer, x: Array) -> tuple[Array, Array]:
    """The function and its derivative at x (1, N); NaN where the derivative jumps."""
    if not isinstance(layer, Layer) or isinstance(layer, Affine | Dropout):
        raise TypeError(f"layers has {layer!r}, wanted activations such as ReLU()")
    y = layer.forward(x)
    dx = layer.backward(np.ones_like(y))[0].copy()
    dx[1:][np.abs(np.diff(dx)) > JUMP] = np.nan
    return y[0], dx
