"""Numbers as normal scores, through a table of the training rows' quantiles."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from affinet._validation import Array
from affinet.tables.graph import NodeGraph
from affinet.tables.scores import EDGE, normal_scores, write_scores
from affinet.tables.statistics import LARGEST

ROWS_PER_QUANTILE, FEWEST, MOST = 30, 10, 1000
NOISE, SEED = 1e-5, 0
LAST_PLACES = 2.0**-48  # the least noise, relative to the largest value


@dataclass(frozen=True)
class QuantileScaling:
    """Maps numbers to normal scores: their place among the training rows' quantiles.

    As in TabM (Gorishniy et al., 2025) and scikit-learn's ``QuantileTransformer`` with
    ``output_distribution="normal"``: a table of ``max(min(n // 30, 1000), 10)`` quantiles of the
    n training values, at most n, to which noise of standard deviation 1e-5 was added, so that
    values that occur often get a place in the middle of their equals. For columns whose own
    standard deviation is below 1, the noise is proportionally smaller; for very large numbers, it
    is a few of their last places. It is drawn from a fixed seed and added to the sorted values, so
    the table does not depend on the order of the rows.

    Attributes
    ----------
    quantiles : tuple of float
        At evenly spaced probabilities from 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> scaling = QuantileScaling.fit(np.arange(1001.0))
    >>> len(scaling.quantiles), scaling.apply(np.array([-9.0, 750.0, 5000.0])).round(3).tolist()
    (33, [-5.199, 0.674, 5.199])
    """

    kind: ClassVar[str] = "quantile"
    quantiles: tuple[float, ...]

    @classmethod
    def fit(cls, values: Array) -> QuantileScaling:
        """Take the quantiles of known, finite values that are not all equal."""
        n = len(values)
        count = min(max(min(n // ROWS_PER_QUANTILE, MOST), FEWEST), n)
        values = np.sort(values)
        # Scaled by a power of two, which rounds nothing, so that nothing overflows.
        largest = float(max(-values[0], values[-1]))
        peak = math.ldexp(1.0, math.frexp(largest)[1] - 1)
        scaled = values / peak
        noise = max(NOISE * min(float(scaled.std()), 1 / max(peak, 1e-300)), LAST_PLACES)
        scaled += np.random.default_rng(SEED).normal(0.0, noise, n)
        table = np.quantile(scaled, np.linspace(0.0, 1.0, count))
        with np.errstate(over="ignore"):
            table = np.clip(table * peak, -LARGEST, LARGEST)
        return cls(tuple(np.maximum.accumulate(table).tolist()))

    def apply(self, values: Array) -> Array:
        """The scores of values, float64."""
        table = np.array(self.quantiles)
        if np.abs(table[[0, -1]]).max() > LARGEST / 4:  # whose differences may overflow
            table, values = table / 16, values / 16
        places = np.linspace(0.0, 1.0, len(table))
        p = np.interp(values, table, places)
        if (table[1:] == table[:-1]).any():  # of equal ones it takes the last, so then the first
            p = 0.5 * (p - np.interp(-values, -table[::-1], -places[::-1]))
        return normal_scores(np.clip(p, EDGE, 1 - EDGE))

    @classmethod
    def write_onnx(cls, graph: NodeGraph, scalings: Sequence[Self]) -> None:
        """Scale the last output (B, n), finite numbers of n columns, each by its scaling."""
        write_scores(graph, [own.quantiles for own in scalings])

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {"kind": self.kind, "quantiles": list(self.quantiles)}

    @classmethod
    def from_json(cls, value: Any) -> QuantileScaling:
        """The scaling that :meth:`to_json` wrote."""
        quantiles = tuple(map(float, value["quantiles"]))
        steps = itertools.pairwise(quantiles)
        if len(quantiles) < 2 or not all(map(math.isfinite, quantiles)):
            raise ValueError(f"{len(quantiles)} quantiles, wanted at least two finite ones")
        if any(low > high for low, high in steps):
            raise ValueError("quantiles that are not in ascending order")
        return cls(quantiles)
