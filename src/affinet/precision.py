"""The precisions of matrix products: their names, and how this processor computes them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from affinet._dispatch import kernels, precisions

PRECISIONS: tuple[str, ...] = kernels.known_precisions()
EMULATED = "emulated"
_warned: set[str] = set()


def usable_precision(value: str | None, dtype: np.dtype[Any]) -> str | None:
    """Return ``precision`` if a network of this dtype can have it."""
    if value is None:
        return None
    if not isinstance(value, str) or value not in PRECISIONS:
        raise ValueError(
            f"precision is {value!r}, wanted None or one of {', '.join(map(repr, PRECISIONS))}"
        )
    if dtype != np.float32:
        raise ValueError(f"precision is {value!r}, which wants float32 parameters, not {dtype}")
    return value


def warn_if_slow(precision: str | None, stacklevel: int) -> None:
    """Warn, once for each precision, if float32 would be faster and as exact."""
    if precision not in ("bfloat16x3", "bfloat16x6") or precision in _warned:
        return
    if precisions()[precision].startswith(EMULATED):
        _warned.add(precision)
        warnings.warn(
            f"precision={precision!r} is emulated on this processor, which has no matrix unit that "
            "affinet uses: the results are the same as with one, but float32 (precision=None) is "
            "faster",
            RuntimeWarning,
            stacklevel=stacklevel + 1,
        )


def layer_precision(precision: str | None, n_inputs: int, n_outputs: int) -> str | None:
    """The precision of a layer's products in a network of this precision.

    None, that is float32, for a layer with fewer than 16 inputs or outputs.

    Examples
    --------
    >>> layer_precision("bfloat16", 784, 50), layer_precision("bfloat16", 50, 10)
    ('bfloat16', None)
    """
    if precision is None or not kernels.multiplies_in_parts(n_inputs, n_outputs):
        return None
    return precision
