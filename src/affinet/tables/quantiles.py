"""Numbers as normal scores, through a table of the training rows' quantiles."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from affinet._validation import Array
from affinet.tables.columns import LARGEST

ROWS_PER_QUANTILE, FEWEST, MOST = 30, 10, 1000
NOISE, SEED = 1e-5, 0
LAST_PLACES = 2.0**-48  # the least noise, relative to the largest value
EDGE = 1e-7  # probabilities stop this far from 0 and 1, which have no finite score
BREAK, TAIL = 0.425, 5.0  # where the rational functions of AS 241 meet
# Coefficients of AS 241, from the highest power down: central part, tail, far tail.
CENTRAL = (
    (2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987,
     13731.69376550946, 1971.5909503065513, 133.14166789178438, 3.3871328727963665),
    (5226.495278852545, 28729.085735721943, 39307.89580009271, 21213.794301586597,
     5394.196021424751, 687.1870074920579, 42.31333070160091, 1.0),
)  # fmt: skip
NEAR = (
    (7.745450142783414e-4, 0.022723844989269184, 0.2417807251774506, 1.2704582524523684,
     3.6478483247632045, 5.769497221460691, 4.630337846156546, 1.4234371107496835),
    (1.0507500716444169e-9, 5.475938084995345e-4, 0.015198666563616457, 0.14810397642748008,
     0.6897673349851, 1.6763848301838038, 2.053191626637759, 1.0),
)  # fmt: skip
FAR = (
    (2.0103343992922881e-7, 2.7115555687434876e-5, 0.0012426609473880784, 0.026532189526576124,
     0.29656057182850487, 1.7848265399172913, 5.463784911164114, 6.657904643501103),
    (2.0442631033899397e-15, 1.4215117583164459e-7, 1.8463183175100547e-5, 7.868691311456133e-4,
     0.014875361290850615, 0.1369298809227358, 0.599832206555888, 1.0),
)  # fmt: skip


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


def normal_scores(p: Array) -> Array:
    """The inverse of the standard normal distribution function, float64, for 0 < p < 1.

    Algorithm AS 241 (Wichura, Applied Statistics 37, 1988), with a relative error of about 1e-16.

    Examples
    --------
    >>> import numpy as np
    >>> normal_scores(np.array([0.5, 0.975, 1e-7])).round(6).tolist()
    [0.0, 1.959964, -5.199338]
    """
    q = p - 0.5
    r = np.sqrt(-np.log(np.minimum(p, 1 - p)))
    tail = np.where(r <= TAIL, ratio(NEAR, r - 1.6), ratio(FAR, r - TAIL))
    central = q * ratio(CENTRAL, BREAK**2 - q * q)
    return np.where(np.abs(q) <= BREAK, central, np.copysign(tail, q))


def ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Array) -> Array:
    """The quotient of two polynomials."""
    above, below = coefficients
    result: Array = np.polyval(above, x) / np.polyval(below, x)
    return result
