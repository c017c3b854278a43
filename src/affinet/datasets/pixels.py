"""What the image sets hand out: pixels scaled or raw, rows flat or square."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = tuple[NDArray[Any], NDArray[np.int64]]
Splits: TypeAlias = tuple[Rows, Rows]


def present(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], maximum: int, scaled: bool, flatten: bool
) -> Rows:
    """``(x, t)`` of ``images`` (N, H, W) and ``labels`` (N,); ``maximum`` is the value of full ink.

    x is float32 ``images / maximum`` where ``scaled``, else the uint8 pixels; (N, H*W) where
    ``flatten``, else (N, H, W). t is int64.
    """
    rows, height, width = images.shape
    # Divided, not multiplied by a rounded reciprocal: every pixel is then correctly rounded.
    x: NDArray[Any] = np.divide(images, np.float32(maximum), dtype=np.float32) if scaled else images
    # The width in numbers: -1 cannot be inferred for 0 rows.
    return x.reshape(rows, height * width) if flatten else x, labels.astype(np.int64)
