"""Initial weights and biases that follow the training rows."""

from __future__ import annotations

import numpy as np

from affinet._validation import Array, generator
from affinet.layers import Affine, NTKAffine
from affinet.network import Sequential

BIASES = ("zeros", "he+5")
SIMPLEX = 5  # rows that a bias combines
MOST_ROWS = 20_000  # rows that the statistics are taken of

__all__ = ["initialize_from_rows"]


def initialize_from_rows(
    net: Sequential, x: Array, bias: str = "he+5", rng: int | np.random.Generator | None = None
) -> None:
    """Scale each affine layer's weights, and set its biases, by what the layer makes of rows.

    From the first layer to the last: each column of W is divided by the standard deviation that
    its outputs have, so that every unit starts with outputs of variance 1. The bias is then minus
    a random convex combination of the outputs for five random rows ("he+5"): so a unit's kink lies
    among the rows. Holzmüller, Grinsztajn, Steinwart, "Better by default", NeurIPS 2024, after
    Steinwart, "A sober look at neural network initializations", arXiv 1903.11482.

    Parameters
    ----------
    net : Sequential
        Its layers :class:`~affinet.Affine` and :class:`~affinet.NTKAffine` change, outside of
        other layers.
    x : array of shape (N, ...)
        Training rows; the first 20,000 are used.
    bias : str
        "he+5" or "zeros".
    rng : int, numpy.random.Generator or None
        For the rows and weights of the combinations.

    Raises
    ------
    ValueError
        If x has no row, or bias is unknown.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> from affinet.tabular import initialize_from_rows
    >>> x = np.random.default_rng(0).normal(5, 3, (100, 4))
    >>> net = an.Sequential(an.NTKAffine.init(4, 2, rng=0, dtype=np.float64))
    >>> initialize_from_rows(net, x, bias="zeros")
    >>> net.predict(x).std(axis=0)
    array([1., 1.])
    """
    if bias not in BIASES:
        raise ValueError(f"bias is {bias!r}, wanted one of {', '.join(BIASES)}")
    if not len(x):
        raise ValueError("x has no row, wanted one or more")
    rng = generator(rng)
    rows = x[:MOST_ROWS]
    for place, layer in enumerate(net.layers):
        if isinstance(layer, Affine | NTKAffine):
            layer.b = np.zeros_like(layer.b)
            out = layer.predict(rows)
            spread = out.std(axis=0, dtype=np.float64)
            layer.W = layer.W / np.where(spread > 0, spread, 1)
            if bias == "he+5":
                layer.b = -combination(layer.predict(rows), rng)
        rows = net.layers[place].predict(rows)


def combination(out: Array, rng: np.random.Generator) -> Array:
    """For every column a convex combination of its values in random rows."""
    n_rows, n_columns = out.shape
    places = rng.integers(0, n_rows, (SIMPLEX, n_columns))
    shares = rng.exponential(size=(SIMPLEX, n_columns))
    shares /= shares.sum(axis=0)
    found: Array = (out[places, np.arange(n_columns)] * shares).sum(axis=0)
    return found
