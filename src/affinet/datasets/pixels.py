"""Images as the data sets return them: pixels scaled or raw, rows flat or square."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

LabelledImages: TypeAlias = tuple[NDArray[Any], NDArray[np.int64]]
Splits: TypeAlias = tuple[LabelledImages, LabelledImages]  # training and test


def present(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], maximum: int, scaled: bool, flatten: bool
) -> LabelledImages:
    """``(x, t)`` of ``images`` (N, H, W) and ``labels`` (N,); ``maximum`` is the largest pixel.

    x is float32 ``images / maximum`` where ``scaled``, else the uint8 pixels; (N, H*W) where
    ``flatten``, else (N, H, W). t is int64.
    """
    rows, height, width = images.shape
    # Division rounds every pixel correctly; multiplication by a rounded reciprocal would not.
    x: NDArray[Any] = np.divide(images, np.float32(maximum), dtype=np.float32) if scaled else images
    # The explicit width, because -1 cannot be inferred for 0 rows.
    return x.reshape(rows, height * width) if flatten else x, labels.astype(np.int64)
