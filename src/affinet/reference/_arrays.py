"""What all files of the reference need: the type of their arrays, and a look at a shape."""

from __future__ import annotations

from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


def require_shape(name: str, array: Array, shape: tuple[int, ...]) -> None:
    """Refuse what NumPy would broadcast in silence."""
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, wanted {shape}")
