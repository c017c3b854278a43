"""The network and the optimizer of a recipe."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.layers import Affine, Dropout
from affinet.layers.activations import activation_classes
from affinet.losses import MeanSquaredError, SoftmaxWithLoss
from affinet.network import Sequential
from affinet.optimizers import Adam, Optimizer
from affinet.tables import ClassTarget, Encoding
from affinet.tabular.recipes import Recipe

TILED_ROWS = 1024  # rows that all members of an ensemble predict at once
SMALLEST_SHARE = 1e-30  # added to a mean of probabilities before the logarithm


def build(recipe: Recipe, encoding: Encoding, x: Array, t: Array, seed: int) -> Sequential:
    """The untrained network of a recipe.

    Parameters
    ----------
    recipe : Recipe
    encoding : Encoding
        Of the rows: which inputs are numbers and which are codes, and what the outputs mean.
    x : array of shape (N, encoding.width)
        Encoded training rows, for initial values that depend on the data.
    t : array of shape (N,)
        Encoded targets.
    seed : int
        Determines the initial values.

    Returns
    -------
    Sequential
        With its loss. For classes it has one logit each.

    Raises
    ------
    ValueError
        If no input is left.
    """
    if not x.shape[1]:
        raise ValueError("no column has values to learn from")
    if recipe.method == "mlp":
        return build_mlp(recipe, encoding, seed)
    net: Sequential = part_of(recipe, "build_{}")(recipe, encoding, x, t, seed)
    return net


def optimizer_for(recipe: Recipe, net: Sequential) -> Optimizer:
    """The optimizer of a recipe, with the learning-rate factors of its groups of parameters."""
    if recipe.method == "mlp":
        return Adam(recipe.lr, *recipe.betas, recipe.eps)
    optimizer: Optimizer = part_of(recipe, "{}_optimizer")(recipe, net)
    return optimizer


def outputs(recipe: Recipe, net: Sequential, x: Array) -> Array:
    """Logits (N, C) or numbers (N, 1) that a recipe's network predicts for encoded rows.

    TabM's members each predict all rows; their probabilities, or numbers, are averaged.

    Parameters
    ----------
    recipe : Recipe
    net : Sequential
        Of this recipe, trained.
    x : array of shape (N, width)
        Encoded rows, N > 0.
    """
    if recipe.members == 1:
        return net.predict(x)
    blocks = [x[start : start + TILED_ROWS] for start in range(0, len(x), TILED_ROWS)]
    return np.concatenate([averaged(recipe, net.predict(tiled(recipe, b))) for b in blocks])


def tiled(recipe: Recipe, x: Array) -> Array:
    """The rows of x for every member of an ensemble, one member after another.

    Examples
    --------
    >>> from affinet.tabular import recipe_for
    >>> recipe = recipe_for("tabm", "default", "regression", n_rows=100)
    >>> tiled(recipe, np.zeros((2, 5))).shape
    (64, 5)
    """
    return np.tile(x, (recipe.members, *([1] * (x.ndim - 1)))) if recipe.members > 1 else x


def averaged(recipe: Recipe, raw: Array) -> Array:
    """Logits (N, C) or numbers (N, 1) of an ensemble, from a network's outputs for tiled rows.

    A class's logit is the logarithm of the mean of the members' probabilities.
    """
    if recipe.members == 1:
        return raw
    of_members = raw.reshape(recipe.members, -1, raw.shape[-1])
    if recipe.task == "regression":
        return np.asarray(of_members.mean(axis=0, dtype=np.float64))
    shifted = of_members - of_members.max(axis=-1, keepdims=True)
    shares = np.exp(shifted, dtype=np.float64)
    shares /= shares.sum(axis=-1, keepdims=True)
    return np.asarray(np.log(shares.mean(axis=0) + SMALLEST_SHARE))


def part_of(recipe: Recipe, name: str) -> Any:
    """A function of the method's own module, which is imported only here."""
    stem = recipe.method.partition("-")[0]
    return getattr(import_module(f"affinet.tabular.{stem}"), name.format(stem))


def n_outputs(encoding: Encoding) -> int:
    """One output for each class, or a single number."""
    target = encoding.target
    return len(target.classes) if isinstance(target, ClassTarget) else 1


def loss_for(recipe: Recipe, encoding: Encoding) -> Any:
    """Softmax with cross-entropy for classes, the squared error for numbers."""
    if isinstance(encoding.target, ClassTarget):
        return SoftmaxWithLoss(recipe.label_smoothing)
    return MeanSquaredError()


def build_mlp(recipe: Recipe, encoding: Encoding, seed: int) -> Sequential:
    """Affine layers with an activation between them."""
    rng = np.random.default_rng(seed)
    activation = activation_classes()[recipe.activation]
    layers: list[Any] = []
    width = encoding.width
    for hidden in recipe.hidden:
        layers += [Affine.init(width, hidden, rng, recipe.activation), activation()]
        if recipe.dropout:
            layers.append(Dropout(recipe.dropout, rng=0))  # fit draws the masks by its own key
        width = hidden
    last = Affine.init(width, n_outputs(encoding), rng, "linear")
    if recipe.zero_last:  # predictions begin at the mean target, or at equal probabilities
        last.W[:] = 0
    layers.append(last)
    return Sequential(*layers, loss=loss_for(recipe, encoding), precision=recipe.precision)
