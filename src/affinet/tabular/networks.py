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


def outputs(recipe: Recipe, raw: Array) -> Array:
    """Logits (N, C) or numbers (N, 1) that a network's raw outputs stand for.

    They differ for TabM only: its members' probabilities, or numbers, are averaged.
    """
    if recipe.members == 1:
        return raw
    averaged: Array = part_of(recipe, "averaged")(recipe, raw)
    return averaged


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
    return Sequential(*layers, loss=loss_for(recipe, encoding))
