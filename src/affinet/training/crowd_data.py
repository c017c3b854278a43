"""The data of many trainings: converted once, looked at once, and never copied."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from affinet._validation import (
    Array,
    blocks,
    in_files,
    require_finite,
    row_weights,
    rows_array,
)
from affinet.layers import Embedding
from affinet.network import Sequential
from affinet.network.inner import require_codes, takes_codes
from affinet.training.checks import Known
from affinet.training.many_options import ManyOptions
from affinet.training.selection import require_row_indices, selected
from affinet.training.step import flattens


class Values:
    """What is found out once about the values of x, for all networks."""

    def __init__(self, x: Any) -> None:
        self.x = x
        self.codes: dict[str, bool] = {}  # by what a network's first layer takes

    @cached_property
    def finite(self) -> bool:
        """True if all values are finite."""
        return self.passes(lambda block, start: require_finite("x", block, start))

    def known(self, net: Sequential) -> Known:
        """What need not be looked for again.

        If it does not hold for all rows, each network's checks look at its own.
        """
        if self.x.ndim == 0 or len(self.x) == 0:
            return Known()
        return Known(net.check_finite and self.finite, takes_codes(net) and self.has_codes(net))

    def has_codes(self, net: Sequential) -> bool:
        """True if the network's first layer takes every row."""
        layer = net.layers[0]
        if type(layer) is not Embedding:  # a custom one may depend on more than its config
            return False
        key = f"{layer.config()} {net.input_scale} {net.dtype}"
        if key not in self.codes:
            self.codes[key] = self.passes(lambda rows, start: require_codes(net, "x", rows, start))
        return self.codes[key]

    def passes(self, check: Callable[[Array, int], None]) -> bool:
        """True if a check accepts all rows."""
        try:
            for start, block in blocks(self.x, 0, len(self.x)):
                check(block, start)
        except (TypeError, ValueError, IndexError):
            return False
        return True


class Data:
    """The rows, converted once for all networks, and which of them each network trains on."""

    def __init__(self, x: Any, t: Any, rows: Any, n: int) -> None:
        self.x, self.t = rows_array("x", x), rows_array("t", t)
        self.values = Values(self.x)
        self.rows: list[Array | None] = [None] * n
        if rows is None:
            return
        if not isinstance(rows, list | tuple | np.ndarray):
            raise TypeError(f"rows is {rows!r:.80}, wanted a list of one array per network")
        if len(rows) != n:
            raise ValueError(f"rows has {len(rows)} arrays, wanted {n}, one per network")
        n_rows = len(self.x) if self.x.ndim else 0
        if self.t.ndim == 0 or len(self.t) != n_rows:
            raise ValueError(f"t has shape {self.t.shape}, wanted {n_rows} targets, one a row of x")
        rows = list(rows)  # keeps the rows of a matrix, so that each has its own id
        known: dict[int, Array] = {}  # networks may share an array
        for place, own in enumerate(rows):
            if own is None:
                continue
            if id(own) not in known:
                known[id(own)] = require_row_indices(f"rows[{place}]", own, n_rows)
            self.rows[place] = known[id(own)]
        self.x, self.t = gatherable(self.x), gatherable(self.t)

    def of(self, place: int) -> tuple[Any, Any]:
        """The rows and the targets of one network."""
        rows = self.rows[place]
        return selected(self.x, rows), selected(self.t, rows)

    def weights_of(self, place: int, weights: Any) -> Any:
        """The weights of one network's rows, from those of all rows."""
        rows = self.rows[place]
        if weights is None or rows is None:
            return weights
        return row_weights("sample_weight", weights, len(self.x))[rows]


def gatherable(data: Any) -> Any:
    """The array itself, or a copy where the compiled step could gather only from copied rows.

    Copied rows are aligned, and numbers that lay apart are beside each other.
    """
    if in_files(data) or data.ndim == 0 or len(data) == 0:
        return data
    copied = data[np.zeros(2, np.int64)]
    return data if can_gather(data) == can_gather(copied) else data[np.arange(len(data))]


def can_gather(data: Array) -> bool:
    """True if an array's layout is one that the compiled step takes."""
    return data.flags.aligned and flattens(data)


class HeldOut:
    """Validation data that are given once for all networks; their conversion happens here."""

    def __init__(self, options: ManyOptions) -> None:
        self.values: Values | None = None
        data = options.once.get("validation_data")
        if isinstance(data, list | tuple) and len(data) in (2, 3):
            x = rows_array("validation_data: x", data[0])
            t = rows_array("validation_data: t", data[1])
            options.once["validation_data"] = (x, t, *data[2:])
            self.values = Values(x)

    def known(self, net: Sequential) -> Known:
        """What need not be looked for again."""
        return Known() if self.values is None else self.values.known(net)
