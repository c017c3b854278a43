"""RealMLP: a multilayer perceptron with the tuned defaults of "Better by default".

Holzmüller, Grinsztajn, Steinwart, "Better by default: Strong pre-tuned MLPs and boosted trees on
tabular data", NeurIPS 2024, arXiv 2407.04491. Inputs pass through embeddings of categories and of
numbers, a learned factor each, and layers in the neural tangent parametrization whose initial
weights and biases follow the training rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.layers import Dropout, Embedding, NTKAffine, Parametric, PeriodicEmbedding, Scale
from affinet.layers.activations import activation_classes
from affinet.network import Sequential
from affinet.network.inner import walk
from affinet.optimizers import AdamW, Group, Optimizer
from affinet.tables import Encoding
from affinet.tabular.initialization import BIASES, initialize_from_rows
from affinet.tabular.networks import loss_for, n_outputs
from affinet.tabular.recipes import Recipe

__all__ = ["build_realmlp", "realmlp_optimizer"]


def build_realmlp(recipe: Recipe, encoding: Encoding, x: Array, t: Array, seed: int) -> Sequential:
    """The untrained network; arguments as of :func:`affinet.tabular.build`."""
    rng = np.random.default_rng(seed)
    layers, width = embeddings(recipe, encoding, rng)
    if recipe.input_scale:
        layers.append(Scale(width))
    for hidden in recipe.hidden:
        layers += [NTKAffine.init(width, hidden, rng), activation(recipe, hidden)]
        if recipe.dropout:
            layers.append(Dropout(recipe.dropout, rng))
        width = hidden
    last = NTKAffine.init(width, n_outputs(encoding), rng)
    layers.append(last)
    net = Sequential(*layers, loss=loss_for(recipe, encoding), precision=recipe.precision)
    if recipe.bias_init in BIASES:
        initialize_from_rows(net, x, bias=recipe.bias_init, rng=rng)
    elif recipe.bias_init == "normal":
        for layer in layers:
            if isinstance(layer, NTKAffine):
                layer.b = rng.standard_normal(layer.b.shape).astype(np.float32)
    if recipe.zero_last:
        last.W, last.b = np.zeros_like(last.W), np.zeros_like(last.b)
    return net


def embeddings(
    recipe: Recipe, encoding: Encoding, rng: np.random.Generator
) -> tuple[list[Any], int]:
    """The embedding layers, and the number of values that they make of a row."""
    layers: list[Any] = []
    width, numbers = encoding.width, list(encoding.number_inputs)
    codes = dict(encoding.code_inputs)
    if codes:
        layers.append(Embedding(width, codes, recipe.category_size, rng))
        numbers = [place_after(place, codes, recipe.category_size) for place in numbers]
        width = layers[-1].n_outputs
    if numbers and recipe.number_embedding == "pbld":
        layers.append(
            PeriodicEmbedding(
                width,
                numbers,
                recipe.number_frequencies,
                recipe.number_size,
                "pbld",
                recipe.number_sigma,
                rng,
            )
        )
        width = layers[-1].n_outputs
    return layers, width


def place_after(place: int, columns: Any, size: int) -> int:
    """Where a column stands once each of ``columns`` has become ``size`` columns.

    Examples
    --------
    >>> place_after(3, (0, 2, 5), size=8)
    17
    """
    return int(place + (size - 1) * sum(column < place for column in columns))


def activation(recipe: Recipe, width: int) -> Any:
    """The activation of a hidden layer."""
    if recipe.parametric:
        return Parametric(width, recipe.activation)
    return activation_classes()[recipe.activation]()


def realmlp_optimizer(recipe: Recipe, net: Sequential) -> Optimizer:
    """AdamW with the recipe's factors for each kind of parameter.

    The decay of a parameter is multiplied by the square of its factor of the learning rate, as in
    RealMLP's reference implementation, the package pytabkit.
    """
    biases, scales, numbers, activations = [], [], [], []
    for path, layer in walk(net.layers):
        if isinstance(layer, NTKAffine):
            biases.append(f"{path}.b")
        elif isinstance(layer, Scale):
            scales.append(f"{path}.s")
        elif isinstance(layer, PeriodicEmbedding):
            numbers.append(f"{path}.*")
        elif isinstance(layer, Parametric):
            activations.append(f"{path}.a")
    groups = [Group(biases, recipe.bias_lr, 0.0)]
    for names, factor in (
        (scales, recipe.scale_lr),
        (numbers, recipe.number_lr),
        (activations, recipe.activation_lr),
    ):
        if names:
            groups.append(Group(names, factor, factor))
    beta1, beta2 = recipe.betas
    return AdamW(
        recipe.lr, beta1, beta2, recipe.eps, weight_decay=recipe.weight_decay, groups=groups
    )
