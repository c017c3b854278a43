"""Scalings of numbers, learned from the training rows: standard, robust, quantile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np

from affinet._validation import Array
from affinet.tables.graph import NodeGraph
from affinet.tables.quantiles import QuantileScaling
from affinet.tables.statistics import LARGEST, median, statistics

CLIP = 3.0  # the limit of smooth clipping
FAR = 1e100  # where the result is the limit itself, and whose square does not overflow
SMALLEST = 5e-324


@dataclass(frozen=True)
class StandardScaling:
    """``(value - mean) / std``.

    Attributes
    ----------
    mean, std : float
        Of the training rows, with ``std`` the square root of the mean squared deviation.

    Examples
    --------
    >>> import numpy as np
    >>> scaling = StandardScaling.fit(np.array([1.0, 3.0]))
    >>> scaling, scaling.apply(np.array([4.0]))
    (StandardScaling(mean=2.0, std=1.0), array([2.]))
    """

    kind: ClassVar[str] = "standard"
    mean: float
    std: float

    @classmethod
    def fit(cls, values: Array) -> StandardScaling:
        """Take the statistics of known, finite values."""
        return cls(*statistics(values))

    def apply(self, values: Array) -> Array:
        """The values scaled, float64."""
        result: Array = (values - self.mean) / self.std
        return result

    @classmethod
    def write_onnx(cls, graph: NodeGraph, scalings: Sequence[Self]) -> None:
        """Scale the last output (B, n), finite numbers of n columns, each by its scaling."""
        graph.add("Sub", graph.tensor, graph.constant("mean", [own.mean for own in scalings]))
        graph.add("Div", graph.tensor, graph.constant("std", [own.std for own in scalings]))

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {"kind": self.kind, "mean": self.mean, "std": self.std}

    @classmethod
    def from_json(cls, value: Any) -> StandardScaling:
        """The scaling that :meth:`to_json` wrote."""
        return cls(*center_and_spread(value, "mean", "std"))


@dataclass(frozen=True)
class RobustScaling:
    """Median and quartiles, then smooth clipping: ``z / sqrt(1 + (z / 3)^2)``.

    ``z = (value - center) / spread``. As in RealMLP (Holzmüller et al., 2024): values far out
    approach -3 or 3.

    Attributes
    ----------
    center : float
        The median of the training rows.
    spread : float
        The distance of their quartiles; if it is 0, half the distance of minimum and maximum.

    Examples
    --------
    >>> import numpy as np
    >>> scaling = RobustScaling.fit(np.array([1.0, 2.0, 3.0, 4.0, 1000.0]))
    >>> scaling, scaling.apply(np.array([3.0, 5.0, 1e9])).round(3).tolist()
    (RobustScaling(center=3.0, spread=2.0), [0.0, 0.949, 3.0])
    """

    kind: ClassVar[str] = "robust"
    center: float
    spread: float

    @classmethod
    def fit(cls, values: Array) -> RobustScaling:
        """Take the quartiles of known, finite values that are not all equal."""
        low, high = float(values.min()), float(values.max())
        # Scaled by a power of two, which rounds nothing, so that nothing overflows.
        peak = math.ldexp(1.0, math.frexp(max(abs(low), abs(high)))[1] - 1)
        first, third = np.quantile(values / peak, (0.25, 0.75)).tolist()
        spread = (third - first) * peak or (high / peak - low / peak) / 2 * peak
        return cls(median(values), min(spread, LARGEST) or SMALLEST)

    def apply(self, values: Array) -> Array:
        """The values scaled, float64."""
        with np.errstate(over="ignore"):
            u = (values - self.center) / self.spread / CLIP
        u = np.clip(u, -FAR, FAR)
        result: Array = CLIP * u / np.hypot(1.0, u)
        return result

    @classmethod
    def write_onnx(cls, graph: NodeGraph, scalings: Sequence[Self]) -> None:
        """Scale the last output (B, n), finite numbers of n columns, each by its scaling."""
        graph.add("Sub", graph.tensor, graph.constant("center", [own.center for own in scalings]))
        graph.add("Div", graph.tensor, graph.constant("spread", [own.spread for own in scalings]))
        graph.add("Div", graph.tensor, graph.constant("clip", CLIP))
        graph.add("Max", graph.tensor, graph.constant("least", -FAR))
        u = graph.add("Min", graph.tensor, graph.constant("most", FAR))
        above = graph.add("Mul", u, graph.constant("clip", CLIP))
        graph.add("Mul", u, u)
        graph.add("Add", graph.tensor, graph.constant("one", 1.0))
        graph.add("Div", above, graph.add("Sqrt"))

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {"kind": self.kind, "center": self.center, "spread": self.spread}

    @classmethod
    def from_json(cls, value: Any) -> RobustScaling:
        """The scaling that :meth:`to_json` wrote."""
        return cls(*center_and_spread(value, "center", "spread"))


Scaling: TypeAlias = StandardScaling | RobustScaling | QuantileScaling
SCALINGS: dict[str, type[Scaling]] = {
    scaling.kind: scaling for scaling in (StandardScaling, RobustScaling, QuantileScaling)
}


def scaling_from_json(value: Any) -> Scaling:
    """The scaling of a record; KeyError, TypeError or ValueError if it is not one."""
    if value["kind"] not in SCALINGS:
        raise ValueError(f"scaling {value['kind']!r}")
    return SCALINGS[value["kind"]].from_json(value)


def center_and_spread(value: Any, *names: str) -> tuple[float, float]:
    """Two numbers of a record: one finite, one finite and positive."""
    center, spread = (float(value[name]) for name in names)
    if not (math.isfinite(center) and 0 < spread < math.inf):
        raise ValueError(f"{names[0]} {center} and {names[1]} {spread}")
    return center, spread
