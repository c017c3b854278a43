"""affinet's side of the comparison with pytabkit: a network with given weights, and 20 steps."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import affinet as an
from affinet.tabular import Recipe, build, recipe_for
from affinet.tabular.options import fit_options

from .reference_rows import EPOCHS, Array, Rows

Weights = dict[str, Array]


def comparable_recipe(method: str, task: str) -> Recipe:
    """The default recipe but for dropout and clipping.

    The random masks of the libraries differ. PyTorch divides by the norm and 1e-6 when it clips,
    which Adam enlarges where gradients are tiny; pytabkit's own default is not to clip.
    """
    recipe = recipe_for(method, "default", task, n_rows=1000)
    return replace(recipe, dropout=0.0, dropout_schedule="constant", clip_norm=None)


def network(recipe: Recipe, rows: Rows, weights: Weights, dtype: str) -> an.Sequential:
    """The recipe's network in ``dtype`` with these weights, by the names of its parameters."""
    made = build(recipe, rows.encoding, rows.x.astype(np.float32), rows.t, seed=0)
    layers = [copy.deepcopy(layer) for layer in made.layers]
    for name, array in made.params.items():
        place, _, own = name.partition(".")
        setattr(layers[int(place)], own, weights[name].reshape(array.shape).astype(dtype))
    return an.Sequential(*layers, loss=made.loss)


def train(net: an.Sequential, recipe: Recipe, rows: Rows, order: Array) -> None:
    """Train by the recipe on batches in a given order, (EPOCHS, N)."""
    options: dict[str, Any] = fit_options(recipe, net, None) | {"sampler": given_order(order)}
    options["batch_size"] = rows.batch * recipe.members
    net.fit(rows.x, rows.t, epochs=EPOCHS, verbose=0, **options)


def given_order(order: Array) -> Callable[..., Array]:
    """A sampler that returns a row of ``order`` for each epoch."""
    return lambda epoch, n_rows, rng: order[epoch]
