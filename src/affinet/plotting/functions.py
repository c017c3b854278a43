"""Activation functions and their derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import affinet.diagnostics
from affinet._validation import Array
from affinet.diagnostics import ActivationCurve
from affinet.layers import Layer
from affinet.plotting.figures import (
    BLACK,
    BLUE,
    VERMILION,
    finish,
    own_or_new_grid,
)

JUMP = 0.2  # of a derivative between neighbouring points, where its line is interrupted


def activation_functions(
    layers: Sequence[Layer | ActivationCurve] | Layer | None = None,
    ax: Any = None,
    *,
    reach: float = 4.0,
) -> Array:
    """Draw activation functions with their derivatives, one panel each; the greatest are marked.

    Parameters
    ----------
    layers : Layer or sequence of Layer, optional
        Those to draw; all of affinet's if left out. What
        :func:`affinet.diagnostics.activation_functions` found will do as well.
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
    curves = curves_of(layers, reach)
    panels = own_or_new_grid(ax, len(curves), 4 if len(curves) in (4, 7, 8) else 3, (2.9, 2.7))
    for panel, curve in zip(panels, curves, strict=True):
        dy = curve.dy.copy()
        dy[1:][np.abs(np.diff(dy)) > JUMP] = np.nan
        panel.plot(curve.x, curve.y, color=BLUE, label="function")
        panel.plot(curve.x, dy, color=VERMILION, linestyle="--", label="derivative")
        mark_greatest(panel, curve)
        finish(panel, panel.get_xlabel(), "output", curve.name)
    panels[0].legend(frameon=False, loc="upper left", fontsize=9)
    return panels


def curves_of(layers: Any, reach: float) -> list[ActivationCurve]:
    """What is to be drawn: worked out, unless it has been."""
    ready = isinstance(layers, Sequence) and len(layers) > 0
    if ready and all(isinstance(one, ActivationCurve) for one in layers):
        return list(layers)
    return affinet.diagnostics.activation_functions(layers, reach=reach)


def mark_greatest(ax: Any, curve: ActivationCurve) -> None:
    """A mark and a number where the derivative is greatest."""
    everywhere = np.isclose(curve.dy, curve.greatest, rtol=1e-3).mean() > 0.25  # a ReLU's is
    place = curve.x[-1] / 2 if everywhere else curve.at
    if abs(place) <= curve.x[-1]:
        ax.scatter(
            [place], [curve.greatest], marker="D", s=26, color=VERMILION, edgecolors=BLACK, zorder=4
        )
    where = "for x > 0" if everywhere else f"at x = {curve.at:.2f}"
    # Below the panel: inside, each corner has a line of one function or another.
    ax.set_xlabel(f"input\ngreatest slope {curve.greatest:.4g} {where}", fontsize=9)
