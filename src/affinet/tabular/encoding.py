"""The encoding that a recipe needs."""

from __future__ import annotations

from collections.abc import Collection

from affinet._validation import Array
from affinet.tables import Encoding, Table
from affinet.tabular.recipes import Recipe


def encode(
    recipe: Recipe,
    table: Table,
    target: str,
    *,
    rows: Array | None = None,
    categorical: Collection[str] = (),
    ignore: Collection[str] = (),
) -> Encoding:
    """Learn from a table how its columns become the inputs and the target of a recipe's network.

    Missing values get separate inputs, and unknown categories are zeros (before they are scaled,
    if the recipe does so).

    Parameters
    ----------
    recipe : Recipe
    table : Table
    target : str
        Name of the column to predict.
    rows : int array, optional
        Places of the training rows; all by default.
    categorical : collection of str
        Columns that hold categories even if they look like numbers or dates.
    ignore : collection of str
        Columns to leave out.
    """
    return Encoding.fit(
        table,
        target,
        rows=rows,
        task=recipe.task,
        scaling=recipe.scaling,
        one_hot=recipe.one_hot,
        scale_categories=recipe.scale_categories,
        missing="indicator",
        clamp=recipe.clamp,
        categorical=categorical,
        ignore=ignore,
    )
