"""Pictures of activation functions and their derivatives."""

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

JUMP = 0.2  # a derivative that changes by more between neighbouring points is drawn with a gap


def activation_functions(
    layers: Sequence[Layer | ActivationCurve] | Layer | None = None,
    ax: Any = None,
    *,
    reach: float = 4.0,
) -> Array:
    """Draw activation functions and their derivatives, one panel each; greatest slopes are marked.

    Parameters
    ----------
    layers : Layer or sequence of Layer, optional
        Those to draw; by default, all of affinet's. The result of
        :func:`affinet.diagnostics.activation_functions` is accepted too.
    ax : matplotlib.axes.Axes or array of them, optional
        Where to draw, one for each layer; by default, in a new figure.
    reach : float
        The inputs range from -reach to reach.

    Returns
    -------
    array of matplotlib.axes.Axes, (L,)
        One for each layer.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If something is not a layer, or not an activation.
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
    """The curves to draw, computed unless they were given."""
    ready = isinstance(layers, Sequence) and len(layers) > 0
    if ready and all(isinstance(one, ActivationCurve) for one in layers):
        return list(layers)
    return affinet.diagnostics.activation_functions(layers, reach=reach)


def mark_greatest(ax: Any, curve: ActivationCurve) -> None:
    """Mark the greatest derivative and write its value."""
    everywhere = np.isclose(curve.dy, curve.greatest, rtol=1e-3).mean() > 0.25  # as for a ReLU
    place = curve.x[-1] / 2 if everywhere else curve.at
    if abs(place) <= curve.x[-1]:
        ax.scatter(
            [place], [curve.greatest], marker="D", s=26, color=VERMILION, edgecolors=BLACK, zorder=4
        )
    where = "for x > 0" if everywhere else f"at x = {curve.at:.2f}"
    # Below the panel: inside, some function has a line in every corner.
    ax.set_xlabel(f"input\ngreatest slope {curve.greatest:.4g} {where}", fontsize=9)
