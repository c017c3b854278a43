"""RealMLP with other hyper-parameters: the networks that a search for a table trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from affinet._validation import Array, positive_number, real_number, whole_number
from affinet.layers.activations import activation_classes
from affinet.tables import Encoding
from affinet.tabular import Recipe, build, recipe_for
from affinet.tabular.options import fit_options
from affinet.tabular.recipes import CONSTANT
from affinet.tuning.spaces import Choice, Distribution, Integer, LogUniform

# Hyper-parameters by the recipe's field: those of ``DEFAULTS`` that RealMLP's networks have.
SAME = ("activation", "dropout", "lr", "weight_decay", "batch_size")
RECIPE_NAMES = ("layers", "width", "embedding", "sigma", *SAME)
ONE_CYCLE = "one-cycle"
LOWEST_LR, HIGHEST_LR = 0.4, 1.6  # times the recipe's


def table_space(task: str) -> dict[str, Distribution]:
    """Ranges around RealMLP's defaults, from which searches of a table's networks draw.

    Chosen in the manner of RealMLP-HPO in the appendix of "Better by Default" (see
    :func:`affinet.tabular.recipe_for`), which names other numbers and more expensive networks.

    Parameters
    ----------
    task : {"classification", "regression"}

    Examples
    --------
    >>> table_space("classification")["sigma"]
    LogUniform(0.05, 0.5)
    """
    usual = recipe_for("realmlp", "default", task, n_rows=1)
    return {
        "layers": Integer(2, 3),
        "width": Choice([128, 256]),
        "activation": Choice([usual.activation, "selu", "mish", "relu"]),
        "dropout": Choice([0.0, 0.15, 0.15, 0.3]),
        "lr": LogUniform(LOWEST_LR * usual.lr, HIGHEST_LR * usual.lr),
        "weight_decay": Choice([0.0, usual.weight_decay]),
        "embedding": Choice([3, 3, 6]),
        "sigma": LogUniform(0.05, 0.5),
    }


def varied(recipe: Recipe, params: Mapping[str, Any]) -> Recipe:
    """The recipe with hyper-parameters by the names of ``DEFAULTS``; others stay its own.

    Every rung of a search is a separate training with one wave of the learning rate, as RealMLP
    has four: so all networks that are compared have come to rest.
    """
    own = {"layers": len(recipe.hidden), "width": recipe.hidden[0]} | dict(params)
    layers, width = whole_number("layers", own["layers"], 0), whole_number("width", own["width"], 1)
    size = whole_number("embedding", own.get("embedding", recipe.number_size), 0)
    dropout = real_number("dropout", own.get("dropout", recipe.dropout), 0.0, 1.0)
    known = activation_classes()
    if own.get("activation", recipe.activation) not in known:
        raise ValueError(f"activation is {own['activation']!r}, wanted one of {', '.join(known)}")
    return replace(
        recipe,
        hidden=(width,) * layers,
        number_embedding=recipe.number_embedding if size else None,
        number_size=size,
        number_sigma=positive_number("sigma", own.get("sigma", recipe.number_sigma)),
        dropout_schedule=recipe.dropout_schedule if dropout else CONSTANT,
        lr_schedule=ONE_CYCLE,
        **{name: own[name] for name in SAME if name in own},
    )


def table_build(recipe: Recipe, encoding: Encoding, x: Array, t: Array) -> Callable[..., Any]:
    """The ``build`` of :func:`affinet.search` for encoded rows of a table.

    Parameters
    ----------
    recipe : Recipe
        RealMLP's, from which hyper-parameters that a space lacks come.
    encoding, x, t
        As in :func:`affinet.tabular.build`.
    """

    def made(params: dict[str, Any], seed: int) -> tuple[Any, Any, dict[str, Any]]:
        own = varied(recipe, params)
        net = build(own, encoding, x, t, seed)
        options = fit_options(own, net, None)
        del options["sample_weight"]  # the search has them
        return net, options.pop("optimizer"), options

    return made
