"""Warnings of ``fit`` when the loss or a parameter is not finite."""

from __future__ import annotations

import math
import os
import sys
import warnings
from types import FrameType
from typing import Any

import numpy as np

from affinet._validation import Array, blocks

PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
STOPPED_BY = "the loss is not finite"


def cause_of(x: Any, t: Any, dtype: np.dtype[Any]) -> str | None:
    """The first value of the data that is not finite in the network's dtype, and its index.

    Parameters
    ----------
    x, t : arrays or rows in files
        The N training rows and targets.
    dtype : numpy.dtype
        The network's dtype: a value beyond its range becomes infinite.

    Returns
    -------
    str or None
        None if all values are finite.

    Examples
    --------
    >>> x = np.array([[0.0, 1.0], [2.0, np.nan]])
    >>> cause_of(x, np.array([0, 1]), np.dtype(np.float32))
    'x[1, 1] is nan'
    """
    for name, rows in (("x", x), ("t", t)):
        if rows.dtype.kind != "f":
            continue
        for start, block in blocks(rows, 0, len(rows)):
            place = first_not_finite(block, dtype)
            if place is not None:
                value, shown = block[place], [start + place[0], *place[1:]]
                beyond = f", beyond the range of {dtype}" if math.isfinite(value) else ""
                return f"{name}{shown} is {value}{beyond}"
    return None


def first_not_finite(block: Array, dtype: np.dtype[Any]) -> tuple[int, ...] | None:
    """The index of the first value that is not finite in ``dtype``; None if all are."""
    with np.errstate(over="ignore"):
        bad = ~np.isfinite(block.astype(dtype, copy=False))
    return tuple(int(i) for i in np.argwhere(bad)[0]) if bad.any() else None


def sentence(what: str, cause: str | None, stopped: bool) -> str:
    """The warning: ``what`` is not finite, the cause, and what to do.

    Examples
    --------
    >>> print(sentence("the loss of epoch 2 is nan", "x[1, 1] is nan", True))
    the loss of epoch 2 is nan because x[1, 1] is nan: fill such values or leave their rows out; the
    training stopped, stop_if_not_finite=False continues it
    """
    why = ": the training diverges; try a smaller learning rate, clip_norm or smaller inputs"
    if cause is not None:
        why = f" because {cause}: fill such values or leave their rows out"
    end = "; the training stopped, stop_if_not_finite=False continues it" if stopped else ""
    return f"{what}{why}{end}"


def has_finite(params: Array) -> bool:
    """True if all parameters are finite."""
    return bool(np.isfinite(params).all())


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the calling line outside affinet; a broken stream does not end training.

    Python writes warnings to standard error, which may be closed or a custom object.
    """
    level = 2
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame, level = frame.f_back, level + 1
    try:
        warnings.warn(message, category, stacklevel=level)
    except Warning:
        raise  # a filter makes it an error
    except Exception:
        return
