"""TabM: an ensemble of networks that share most of their weights, trained as one.

Gorishniy, Kotelnikov, Babenko, "TabM: Advancing tabular deep learning with parameter-efficient
ensembling", ICLR 2025, arXiv 2410.24210. Each member sees its own shuffled batches; predictions are
the means of the members' probabilities or numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.layers import (
    Affine,
    BatchEnsemble,
    Dropout,
    MemberAffine,
    MemberScale,
)
from affinet.layers.activations import activation_classes
from affinet.network import Sequential
from affinet.optimizers import AdamW, Optimizer
from affinet.tables import Encoding
from affinet.tabular.networks import loss_for, n_outputs
from affinet.tabular.recipes import Recipe

__all__ = ["build_tabm", "tabm_optimizer"]


def build_tabm(recipe: Recipe, encoding: Encoding, x: Array, t: Array, seed: int) -> Sequential:
    """The untrained network; arguments as of :func:`affinet.tabular.build`.

    It takes the rows of all members one after another, see :func:`affinet.tabular.networks.tiled`.
    """
    rng = np.random.default_rng(seed)
    k, width = recipe.members, encoding.width
    layers: list[Any] = [MemberScale(k, width, rng)] if recipe.mini else []
    for place, hidden in enumerate(recipe.hidden):
        if recipe.mini:
            layers.append(uniform_affine(width, hidden, rng))
        else:
            layers.append(BatchEnsemble(k, width, hidden, rng, first=place == 0))
        layers.append(activation_classes()[recipe.activation]())
        if recipe.dropout:
            layers.append(Dropout(recipe.dropout, rng))
        width = hidden
    layers.append(MemberAffine(k, width, n_outputs(encoding), rng))
    return Sequential(*layers, loss=loss_for(recipe, encoding))


def uniform_affine(n_inputs: int, n_outputs: int, rng: np.random.Generator) -> Affine:
    """An affine layer with weights and biases within ±1 / sqrt(I)."""
    bound = n_inputs**-0.5
    W = rng.uniform(-bound, bound, (n_inputs, n_outputs)).astype(np.float32)
    return Affine(W, rng.uniform(-bound, bound, n_outputs).astype(np.float32))


def tabm_optimizer(recipe: Recipe, net: Sequential) -> Optimizer:
    """AdamW, without decay of biases."""
    beta1, beta2 = recipe.betas
    return AdamW(
        recipe.lr, beta1, beta2, recipe.eps, weight_decay=recipe.weight_decay, decay_bias=False
    )
