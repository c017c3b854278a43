"""Columns that become several, shared by the embeddings."""

from __future__ import annotations

import numpy as np

from affinet.reference._arrays import Array


def joined(x: Array, pieces: dict[int, Array]) -> Array:
    """x with some columns replaced by several."""
    columns = [pieces.get(column, x[:, [column]]) for column in range(x.shape[1])]
    return np.concatenate([x[:, :0], *columns], axis=1)


def divided(x: Array, dout: Array, columns: Array, width: int) -> tuple[Array, Array]:
    """dout's columns that stay, (B, I) with 0 for embedded ones, and the others, (B, n, width)."""
    dx, pieces = np.zeros_like(x), np.zeros((len(x), len(columns), width), dout.dtype)
    places = {column: p for p, column in enumerate(columns)}
    start = 0
    for column in range(x.shape[1]):
        if column in places:
            pieces[:, places[column]] = dout[:, start : start + width]
            start += width
        else:
            dx[:, column] = dout[:, start]
            start += 1
    return dx, pieces
