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
    PiecewiseEmbedding,
)
from affinet.layers.activations import activation_classes
from affinet.layers.members import random_signs
from affinet.network import Sequential
from affinet.network.inner import walk
from affinet.optimizers import AdamW, Group, Optimizer
from affinet.tables import Encoding
from affinet.tabular.networks import loss_for, n_outputs
from affinet.tabular.recipes import Recipe

__all__ = ["bin_edges", "build_tabm", "tabm_optimizer"]


def build_tabm(recipe: Recipe, encoding: Encoding, x: Array, t: Array, seed: int) -> Sequential:
    """The untrained network; arguments as of :func:`affinet.tabular.build`.

    It takes the rows of all members one after another, see :func:`affinet.tabular.networks.tiled`.
    """
    rng = np.random.default_rng(seed)
    k, width = recipe.members, encoding.width
    layers: list[Any] = []
    edges = edges_of(recipe, encoding, x)
    sizes = [recipe.number_size if place in edges else 1 for place in range(width)]
    if edges:
        layers.append(PiecewiseEmbedding(width, edges, recipe.number_size, rng))
        width = layers[-1].n_outputs
    first = len(layers)
    if recipe.mini:
        layers.append(MemberScale(k, width, rng))
    for hidden in recipe.hidden:
        if recipe.mini:
            layers.append(uniform_affine(width, hidden, rng))
        else:
            layers.append(BatchEnsemble(k, width, hidden, rng, first=False))
        layers.append(activation_classes()[recipe.activation]())
        if recipe.dropout:
            layers.append(Dropout(recipe.dropout, rng))
        width = hidden
    layers.append(MemberAffine(k, width, n_outputs(encoding), rng))
    start_apart(layers[first], sections_of(encoding, sizes), rng, normal=bool(edges))
    return Sequential(*layers, loss=loss_for(recipe, encoding), precision=recipe.precision)


def edges_of(recipe: Recipe, encoding: Encoding, x: Array) -> dict[int, Array]:
    """Bin edges of the inputs that are numbers, if the recipe embeds them."""
    if recipe.number_embedding != "piecewise":
        return {}
    found = {place: bin_edges(x[:, place], recipe.number_bins) for place in encoding.number_inputs}
    return {place: edges for place, edges in found.items() if len(edges) > 1}


def bin_edges(values: Array, bins: int) -> Array:
    """Edges of up to ``bins`` bins that hold about the same number of values: quantiles.

    Quantiles that are equal in single precision are one edge. Fewer values than ``bins`` make
    fewer bins.

    Examples
    --------
    >>> bin_edges(np.arange(9.0), 4)
    array([0., 2., 4., 6., 8.])
    """
    bins = min(bins, len(values) - 1)
    if bins < 1:
        return np.empty(0)
    quantiles = np.quantile(values, np.linspace(0, 1, bins + 1))
    return np.unique(quantiles.astype(np.float32)).astype(np.float64)  # as the layer holds them


def sections_of(encoding: Encoding, sizes: list[int]) -> list[int]:
    """How many values each column of the table becomes, for the sizes of its inputs."""
    ends = np.cumsum([column.width for column in encoding.columns]).tolist()
    return [sum(sizes[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def start_apart(layer: Any, sections: list[int], rng: np.random.Generator, normal: bool) -> None:
    """Make the first factors differ between members: one number for all values of a column.

    From N(0, 1) behind embeddings, else 1 or -1, as TabM's authors do.
    """
    name = "s" if isinstance(layer, MemberScale) else "r"
    shape = layer.members, len(sections)
    numbers = rng.standard_normal(shape) if normal else random_signs(shape, rng)
    setattr(layer, name, np.repeat(numbers, sections, axis=1).astype(np.float32))


def uniform_affine(n_inputs: int, n_outputs: int, rng: np.random.Generator) -> Affine:
    """An affine layer with weights and biases within ±1 / sqrt(I)."""
    bound = n_inputs**-0.5
    W = rng.uniform(-bound, bound, (n_inputs, n_outputs)).astype(np.float32)
    return Affine(W, rng.uniform(-bound, bound, n_outputs).astype(np.float32))


def tabm_optimizer(recipe: Recipe, net: Sequential) -> Optimizer:
    """AdamW, without decay of biases and of the linear part of embeddings, as in pytabkit."""
    exempt = ["*.b"]
    exempt += [f"{path}.w" for path, layer in walk(net.layers) if type(layer) is PiecewiseEmbedding]
    beta1, beta2 = recipe.betas
    return AdamW(
        recipe.lr, beta1, beta2, recipe.eps, weight_decay=recipe.weight_decay,
        groups=[Group(exempt, weight_decay=0.0)],
    )  # fmt: skip
