"""What all diagnoses share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from affinet._validation import Array, number_array, require_finite


class Study(ABC):
    """Numbers behind a picture; :mod:`affinet.plotting` has a function that draws each of them.

    Examples
    --------
    >>> from affinet.diagnostics import derivative
    >>> found = derivative(lambda x: x**2, 3.0, df=lambda x: 2 * x, widths=[1.0, 0.5])
    >>> for row in found.rows():
    ...     print(*row)
    h secant's slope error
    1 7 1
    0.5 6.5 0.5
    tangent 6 0
    """

    @abstractmethod
    def rows(self) -> list[tuple[str, ...]]:
        """The figures that matter as a table: rows of texts, the first one of names."""


def positive_numbers(name: str, values: Sequence[float] | Array) -> Array:
    """``values`` as a float64 array (N,) of finite numbers above 0, at least one."""
    array = number_array(name, values).astype(float)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name} has shape {array.shape}, wanted (N,), N >= 1")
    require_finite(name, array)
    if array.min() <= 0:
        raise ValueError(f"{name} has {array.min():g}, wanted numbers above 0")
    return array
