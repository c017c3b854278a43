"""Gradients by layer in deep nets: how they vanish or explode."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array, positive_number, whole_number
from affinet.datasets import load_digits
from affinet.diagnostics.functions import activation_functions
from affinet.diagnostics.study import Study, TextTable
from affinet.initializers import weight_scale
from affinet.layers import Affine, Layer, LeakyReLU, ReLU, Sigmoid, Tanh
from affinet.losses import SoftmaxWithLoss
from affinet.network import Sequential
from affinet.network.inner import errors, outputs, require_loss

ROWS = 64
# Standard deviations of initial weights: affinet's, by the activation that follows, or a number.
INITIALIZATIONS: dict[str, str | float] = {"Xavier": "tanh", "He": "relu", "0.01": 0.01}


@dataclass(frozen=True)
class VanishingGradient(Study):
    """Norms of gradients by layer, for nets of every depth, activation and initialisation.

    Arrays have A activations, I initialisations, D depths, and a layer index l = 0 .. L for the
    Affine layers from the inputs to the outputs. A net of N hidden layers has N + 1 of them; the
    other elements are NaN.

    Attributes
    ----------
    activations, initializations : tuple of str
    depths : array of shape (D,)
        Numbers N of hidden layers.
    weight_norms : array of shape (A, I, D, L + 1)
        Frobenius norms of dW.
    error_norms : array of shape (A, I, D, L + 1)
        Frobenius norms of dout, the gradient of the loss with respect to a layer's output.
    bounds : array of shape (A, I, D, L + 1)
        Upper bounds of error_norms: ``g^k prod ||W|| ||dout||`` with g the greatest
        derivative of the activation (0.25 for sigmoid), k the activations between the layer and
        the last one, the spectral norms of the weights between, and the last layer's dout.
    outputs : array of shape (A, I, L, B, U)
        Outputs of each activation of the deepest net, for B rows and U units.
    """

    activations: tuple[str, ...]
    initializations: tuple[str, ...]
    depths: Array
    weight_norms: Array
    error_norms: Array
    bounds: Array
    outputs: Array

    @property
    def shares(self) -> Array:
        """The norm of the first layer's dout divided by that of the last layer, (A, I, D)."""
        last = np.take_along_axis(
            self.error_norms, self.depths.reshape(1, 1, -1, 1), axis=-1
        ).squeeze(-1)
        shares: Array = self.error_norms[..., 0] / last
        return shares

    def rows(self) -> TextTable:
        """Norms of dW in the first and the last hidden layer of the deepest net."""
        deepest = int(self.depths.argmax())
        n = int(self.depths[deepest])
        rows: TextTable = [
            ("activation, weights", "depth", "dW first layer", "dW last hidden", "ratio")
        ]
        for i, initialization in enumerate(self.initializations):
            for a, activation in enumerate(self.activations):
                first, last = self.weight_norms[a, i, deepest, [0, n - 1]]
                rows.append(
                    (f"{activation}, {initialization}", str(n), f"{first:.2e}", f"{last:.2e}",
                     f"{first / last:.2e}")
                )  # fmt: skip
        return rows


def vanishing_gradient(
    depths: Sequence[int] = tuple(range(1, 21)),
    *,
    layers: Sequence[Layer] | None = None,
    initializations: Mapping[str, str | float] | None = None,
    width: int = 64,
    data: tuple[ArrayLike, ArrayLike] | None = None,
    seed: int = 0,
) -> VanishingGradient:
    """Measure the gradients by layer of untrained nets, shallow to deep.

    On its way back through N hidden layers the error is multiplied by N derivatives. Those of the
    sigmoid are at most 0.25, so the error is multiplied by at most ``0.25^N`` times the product of
    the norms of the weights; Bengio, Simard, Frasconi, "Learning long-term dependencies with
    gradient descent is difficult", IEEE Trans. Neural Networks 5, 1994; Glorot and Bengio, AISTATS
    2010. Nets of one initialisation share their weights; a deeper one adds more layers.

    Parameters
    ----------
    depths : sequence of int
        Numbers of hidden layers, 1 or more.
    layers : sequence of Layer, optional
        Activations; by default sigmoid, tanh, ReLU and LeakyReLU.
    initializations : dict of str to str or float, optional
        Named initialisations: an activation for :func:`affinet.initializers.weight_scale`, or a
        standard deviation. By default Xavier, He and 0.01.
    width : int
        Units of each hidden layer.
    data : pair of arrays, optional
        Rows (B, I) and classes (B,); by default, 64 of the digits.
    seed : int
        Random seed of the weights.

    Returns
    -------
    VanishingGradient

    Examples
    --------
    >>> from affinet.diagnostics import vanishing_gradient
    >>> found = vanishing_gradient([1, 10])
    >>> found.activations[0], found.initializations[0]
    ('Sigmoid()', 'Xavier')
    >>> bool(found.shares[0, 0, 1] < 1e-4), bool(found.shares[2, 1, 1] > 0.1)
    (True, True)
    """
    counts = np.array([whole_number("depths", n, 1) for n in depths])
    if not counts.size:
        raise ValueError("depths is empty, wanted at least one")
    width = whole_number("width", width, 1)
    kinds = [Sigmoid(), Tanh(), ReLU(), LeakyReLU()] if layers is None else list(layers)
    curves = activation_functions(kinds)
    scales = INITIALIZATIONS if initializations is None else dict(initializations)
    x, t = [a[:ROWS] for a in load_digits()[0]] if data is None else data
    x, t = number_array("x", x).astype(float), number_array("t", t)

    most = int(counts.max())
    shape = (len(kinds), len(scales), len(counts), most + 1)
    weight_norms, error_norms, bounds = (np.full(shape, np.nan) for _ in range(3))
    samples = np.full((*shape[:2], most, len(x), width), np.nan)
    for i, scale in enumerate(scales.values()):
        weights = draw_weights([x.shape[1], *[width] * most, int(t.max()) + 1], scale, seed)
        gains = [float(np.linalg.norm(W, 2)) for W in weights]
        for a, curve in enumerate(curves):
            for d, n in enumerate(counts):
                found = measure(make_net(weights, int(n), kinds[a]), x, t)
                error_norms[a, i, d, : n + 1], weight_norms[a, i, d, : n + 1] = found[:2]
                path = [*gains[1:n], gains[-1]]  # the weights between the layers
                bounds[a, i, d, : n + 1] = bounds_of(path, curve.greatest, found[0][-1])
                if n == most:
                    samples[a, i] = found[2]
    names = tuple(curve.name for curve in curves)
    return VanishingGradient(
        names, tuple(scales), counts, weight_norms, error_norms, bounds, samples
    )


def measure(net: Sequential, x: Array, t: Array) -> tuple[list[float], list[float], list[Array]]:
    """Norms of dout and dW of every Affine layer, and the outputs of every activation."""
    loss = require_loss(net)
    outs = outputs(net, x)
    loss.forward(outs[-1], t)
    passed = errors(net, loss.backward())
    error_norms = [float(np.linalg.norm(error)) for error in passed[1::2]]
    weight_norms = [float(np.linalg.norm(W)) for W in matrices(net)]
    return error_norms, weight_norms, outs[1::2]


def draw_weights(widths: Sequence[int], scale: str | float, seed: int) -> list[Array]:
    """Normal random weights of all layers; the last ones are those of the outputs."""
    rng = np.random.default_rng(seed)
    drawn = []
    for n_inputs, n_outputs in pairwise(widths):
        deviation = (
            weight_scale(n_inputs, n_outputs, scale)
            if isinstance(scale, str)
            else positive_number("initializations", scale)
        )
        drawn.append(rng.standard_normal((n_inputs, n_outputs)) * deviation)
    return drawn


def make_net(weights: Sequence[Array], n_hidden: int, activation: Layer) -> Sequential:
    """A net with the weights of the first hidden layers and of the outputs; biases are 0."""
    layers: list[Layer] = []
    for W in weights[:n_hidden]:
        layers += [Affine(W, np.zeros(W.shape[1])), copy.deepcopy(activation)]
    W = weights[-1]
    return Sequential(*layers, Affine(W, np.zeros(W.shape[1])), loss=SoftmaxWithLoss())


def matrices(net: Sequential) -> list[Array]:
    """The gradients of all weights, from the inputs to the outputs."""
    return [gradient for name, gradient in net.grads.items() if name.endswith(".W")]


def bounds_of(gains: Sequence[float], slope: float, last: float) -> list[float]:
    """The bound of every layer's dout, computed backwards from the last one."""
    found = [last]
    for gain in reversed(gains):
        found.append(found[-1] * gain * slope)
    return found[::-1]


def derivative_bound(depths: Array, slope: float = 0.25) -> Array:
    """``slope^N``: the largest factor by which N derivatives of at most this slope scale an error.

    Examples
    --------
    >>> import numpy as np
    >>> derivative_bound(np.array([1, 2]))
    array([0.25  , 0.0625])
    """
    bound: Array = slope ** np.asarray(depths, float)
    return bound
