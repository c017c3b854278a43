"""Rows that both libraries get: a small table, encoded by affinet, and the batches of each step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from affinet.tables import Encoding, Table
from affinet.tabular import Recipe, encode

Array = np.ndarray[Any, Any]

CATEGORIES = {"pair": 2, "few": 5, "many": 12}
EPOCHS, STEPS_PER_EPOCH = 4, 5  # 20 steps, over which the schedules extend


@dataclass(frozen=True)
class Rows:
    """Encoded rows, float64, with the order in which each epoch trains on them.

    Attributes
    ----------
    encoding : Encoding
    x : array of shape (N, width)
    t : array of shape (N,)
    n_classes : int
        0 for numbers.
    order : array of shape (EPOCHS, N)
    batch : int
        Rows of a step.
    """

    encoding: Encoding
    x: Array
    t: Array
    n_classes: int
    order: Array
    batch: int

    def numbers(self) -> Array:
        """The scaled numbers, (N, n)."""
        return self.x[:, list(self.encoding.number_inputs)]

    def categories(self) -> tuple[Array, list[int]]:
        """Categories as whole numbers from 1 on, 0 where missing, and how many codes there are."""
        places, sizes = [], []
        codes = dict(self.encoding.code_inputs)
        for start, column in self.encoding.starts():
            block = self.x[:, start : start + column.width]
            if column.kind == "sign":  # 1 comes first there
                places.append(np.where(block[:, 0] == 0, 0, np.where(block[:, 0] > 0, 1, 2)))
                sizes.append(3)
            elif start in codes:
                places.append(block[:, 0].astype(int))
                sizes.append(codes[start])
            elif column.kind == "one-hot":
                places.append(np.where(block.any(axis=1), block.argmax(axis=1) + 1, 0))
                sizes.append(1 + column.width)
        return np.stack(places, axis=1), sizes


def rows_for(recipe: Recipe, batch: int, seed: int = 0) -> Rows:
    """Rows of a made-up table, with three numbers and columns of 2, 5 and 12 categories."""
    rng = np.random.default_rng(seed)
    n = STEPS_PER_EPOCH * batch
    columns: dict[str, Any] = {f"n{i}": rng.standard_normal(n) * 10.0**i for i in range(3)}
    for name, size in CATEGORIES.items():
        columns[name] = [f"c{k:02}" for k in (np.arange(n) + rng.permutation(n) % 3) % size]
    signal = np.sin(columns["n0"]) + columns["n1"] / 10 + 0.1 * rng.standard_normal(n)
    n_classes = 3 if recipe.task == "classification" else 0
    classes = [f"y{k}" for k in np.digitize(signal, (-0.5, 0.5))]
    table = Table("t", {**columns, "y": classes if n_classes else signal})
    plain = replace(recipe, scale_categories=False)  # as both get them: 0 and 1, or -1 and 1
    encoding = encode(plain, table, "y")
    order = np.stack([rng.permutation(n) for _ in range(EPOCHS)])
    x, t = encoding.inputs(table, dtype=np.float64), encoding.targets(table)
    return Rows(encoding, x, t, n_classes, order, batch)
