"""Shared by all reference files: the array type and a shape check."""

from __future__ import annotations

from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


def require_shape(name: str, array: Array, shape: tuple[int, ...]) -> None:
    """Reject shapes that NumPy would silently broadcast."""
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, wanted {shape}")
