"""One batch through the three steps of learning, with every number recorded."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array
from affinet.diagnostics.study import Study, TextTable, make_net
from affinet.layers import ReLU
from affinet.network import Sequential
from affinet.network.inner import errors, outputs, require_loss
from affinet.optimizers import SGD, Optimizer

SEED = 0  # of a net that is small enough to check by hand


@dataclass(frozen=True)
class LayerPass:
    """One layer's part in a training step.

    Attributes
    ----------
    name : str
        The layer's ``repr``.
    out : array of shape (B, O)
        Its output.
    dout, dx : array
        The gradient of the loss with respect to its output and to its input.
    before, gradients, after : dict of str to array
        Its parameters before the update, their gradients, and the parameters after the update.
    """

    name: str
    out: Array
    dout: Array
    dx: Array
    before: dict[str, Array]
    gradients: dict[str, Array]
    after: dict[str, Array]


@dataclass(frozen=True)
class ThreeSteps(Study):
    """One batch forward, backward, and the update.

    Attributes
    ----------
    x, t : array
        The batch and its targets.
    layers : tuple of LayerPass
    y : array or None
        The probabilities, if the loss has any.
    loss, loss_after : float
        Loss of this batch before and after the update.
    optimizer : str
        The ``repr`` of the optimizer.
    """

    x: Array
    t: Array
    layers: tuple[LayerPass, ...]
    y: Array | None
    loss: float
    loss_after: float
    optimizer: str

    def rows(self) -> TextTable:
        """Every number, matrix by matrix, in the order of computation."""
        return [("quantity", "values"), *self._lines()]

    def _lines(self) -> Iterator[tuple[str, ...]]:
        yield "1 forward", ""
        yield from matrix_rows("x", self.x)
        for layer in self.layers:
            yield from matrix_rows(f"{layer.name} out", layer.out)
        if self.y is not None:
            yield from matrix_rows("probabilities y", self.y)
        yield from matrix_rows("targets t", self.t)
        yield "loss", f"{self.loss:.4f}"
        yield "2 backward", ""
        for layer in reversed(self.layers):
            yield from matrix_rows(f"{layer.name} dout", layer.dout)
            for name, gradient in layer.gradients.items():
                yield from matrix_rows(f"{layer.name} d{name}", gradient)
            yield from matrix_rows(f"{layer.name} dx", layer.dx)
        yield f"3 update, {self.optimizer}", ""
        for layer in self.layers:
            for name, value in layer.after.items():
                yield from matrix_rows(f"{layer.name} {name} after", value)
        yield "loss after", f"{self.loss_after:.4f}"


def matrix_rows(name: str, values: Array) -> Iterator[tuple[str, ...]]:
    """The rows of a matrix as texts; the first one has the name."""
    whole = values.dtype.kind in "bui"
    for row in np.atleast_2d(values):
        yield name, "  ".join(f"{v:7d}" if whole else f"{v:7.3f}" for v in row.reshape(-1))
        name = ""


def three_steps(
    net: Sequential | None = None,
    x: ArrayLike | None = None,
    t: ArrayLike | None = None,
    *,
    optimizer: Optimizer | None = None,
) -> ThreeSteps:
    """Run one training step on a batch, and record every number.

    Parameters
    ----------
    net : Sequential, optional
        With a loss; the step runs on a copy, so the net is not changed. By default a net 2 - 3 - 2
        with ReLU and softmax.
    x : array of shape (B, I), optional
        The batch; by default two rows of two numbers.
    t : array, optional
        Its targets.
    optimizer : Optimizer, optional
        By default ``SGD(0.5)``.

    Returns
    -------
    ThreeSteps

    Raises
    ------
    ValueError
        If a net is given without a batch, or a batch without targets.

    Examples
    --------
    >>> from affinet.diagnostics import three_steps
    >>> found = three_steps()
    >>> [layer.name for layer in found.layers]
    ['Affine(2 -> 3)', 'ReLU()', 'Affine(3 -> 2)']
    >>> found.loss_after < found.loss
    True
    """
    if (x is None) != (t is None):
        raise ValueError("x and t must be given together, got only one of them")
    if x is None or t is None:
        if net is not None:
            raise ValueError("x is None, wanted a batch that fits the net")
        x, t = np.array([[1.0, 0.5], [-0.5, 2.0]]), np.array([0, 1])
    net = make_net([2, 3, 2], ReLU(), SEED, np.float64) if net is None else copy.deepcopy(net)
    rule = SGD(0.5) if optimizer is None else copy.deepcopy(optimizer)
    x, t = number_array("x", x), number_array("t", t)

    loss_layer = require_loss(net)
    before = {name: value.copy() for name, value in net.params.items()}
    outs = outputs(net, x, train=True)
    loss = float(loss_layer.forward(outs[-1], t))
    y = getattr(loss_layer, "y", None)
    passed = errors(net, loss_layer.backward())
    rule.update(net.params, net.grads)
    layers = []
    for place, layer in enumerate(net.layers):
        prefix = f"{place}."
        names = {key.removeprefix(prefix): key for key in net.params if key.startswith(prefix)}
        layers.append(
            LayerPass(
                name=repr(layer),
                out=outs[place],
                dout=passed[place + 1],
                dx=passed[place],
                before={name: before[key] for name, key in names.items()},
                gradients={name: net.grads[key].copy() for name, key in names.items()},
                after={name: net.params[key].copy() for name, key in names.items()},
            )
        )
    loss_after = net.forward(x, t)
    return ThreeSteps(x, t, tuple(layers), y, loss, loss_after, repr(rule))
