"""What fit asks of its arguments, before any parameter changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import (
    Array,
    number_array,
    require_finite,
    require_some_weight,
    row_weights,
    whole_number,
)
from affinet.layers import BatchNorm
from affinet.losses import ElementwiseLoss, SoftmaxWithLoss, require_takes_weights
from affinet.network import Sequential
from affinet.training.batches import steps_per_epoch
from affinet.training.callbacks import Callback
from affinet.training.weights import training_weights


def require_callbacks(callbacks: Iterable[Callback]) -> tuple[Any, ...]:
    """Callbacks as a tuple of callables, those that want to come last behind the others."""
    try:
        found = tuple(callbacks)
    except TypeError:
        raise TypeError(f"callbacks is {callbacks!r}, wanted a sequence of callables") from None
    for place, callback in enumerate(found):
        if not callable(callback) or isinstance(callback, type):
            raise TypeError(f"callbacks[{place}] is {callback!r}, wanted a callable")
        every = getattr(callback, "every_steps", None)
        if every is not None:
            whole_number(f"callbacks[{place}].every_steps", every, 1)
        elif hasattr(callback, "next_step") and not callable(getattr(callback, "after_step", None)):
            raise TypeError(f"callbacks[{place}] is {callback!r}: next_step wants an after_step")
    return tuple(sorted(found, key=lambda callback: bool(getattr(callback, "comes_last", False))))


def require_schedule(schedule: Any, optimizer: Any) -> None:
    """Raise unless the schedule can be asked for a rate and the optimizer has one to set."""
    if schedule is None:
        return
    if not callable(schedule) or isinstance(schedule, type):
        raise TypeError(
            f"schedule is {schedule!r}, wanted a callable such as schedules.Cosine(0.1)"
        )
    if not hasattr(optimizer, "lr"):
        raise TypeError(f"schedule was given, but the optimizer {optimizer!r} has no lr to set")


def require_validation_data(net: Sequential, data: Any) -> tuple[Array, ...]:
    """Validation data as checked arrays, two or with weights three."""
    if not isinstance(data, tuple | list) or len(data) not in (2, 3):
        raise TypeError(
            f"validation_data is {type(data).__name__}, wanted a pair (x, t) or (x, t, weights)"
        )
    prefix = "validation_data: "
    x, t = require_data(net, data[0], data[1], prefix)
    if len(data) == 2 or data[2] is None:
        return x, t
    weights = row_weights(f"{prefix}weights", data[2], len(x))
    require_some_weight(f"{prefix}weights", weights)
    require_takes_weights(net.loss, f"{prefix}weights")
    return x, t, weights


def require_weights(
    net: Sequential,
    x: Array,
    t: Array,
    sample_weight: ArrayLike | None,
    class_weight: Mapping[int, float] | str | None,
) -> Array | None:
    """Rows' weights to train with, checked before any parameter changes; None if none came."""
    if sample_weight is None and class_weight is None:
        return None
    require_takes_weights(net.loss, "class_weight" if sample_weight is None else "sample_weight")
    n_outputs = net._predict(x[:1]).reshape(1, -1).shape[1]
    return training_weights(net.loss, t, n_outputs, sample_weight, class_weight)


def require_variances(net: Sequential, n_rows: int, batch_size: int, steps: int) -> None:
    """Raise if a batch would hold one row, of which a BatchNorm can take no variance."""
    reaches_last = steps >= steps_per_epoch(n_rows, batch_size)
    if batch_size > 1 and not (n_rows % batch_size == 1 and reaches_last):
        return
    for place, layer in enumerate(net.layers):
        if isinstance(layer, BatchNorm):
            raise ValueError(
                f"batch_size is {batch_size}: for {n_rows} rows that makes a batch of one, and "
                f"layer {place}, {layer!r}, wants 2 or more in training"
            )


def require_data(
    net: Sequential, x: ArrayLike, t: ArrayLike, prefix: str = ""
) -> tuple[Array, Array]:
    """Data to train on or validate with, checked before any parameter changes."""
    net._require_loss()
    x, t = number_array(f"{prefix}x", x), number_array(f"{prefix}t", t)
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"{prefix}x has shape {x.shape}, wanted at least one row")
    if t.ndim == 0 or len(t) != len(x):
        raise ValueError(f"{prefix}t has shape {t.shape}, wanted {len(x)} targets, one a row of x")
    if net.check_finite:
        require_finite(f"{prefix}x", x)
    require_targets(net, net._predict(x[:1]), t, prefix)
    return x, t


def require_targets(net: Sequential, y: Any, t: Array, prefix: str) -> None:
    """Raise if a target is of a kind, shape or class that the loss will refuse later."""
    if isinstance(net.loss, ElementwiseLoss):
        if t.shape[1:] != y.shape[1:] and (t.ndim, y.shape[1:]) != (1, (1,)):
            raise ValueError(f"{prefix}t has shape {t.shape}, wanted {(len(t), *y.shape[1:])}")
        net.loss.require_range(f"{prefix}t", t)
        return
    if not isinstance(net.loss, SoftmaxWithLoss):
        return
    if t.ndim == 2 and t.shape[1:] == y.shape[1:]:
        return
    if t.ndim != 1:
        raise ValueError(
            f"{prefix}t has shape {t.shape}, wanted ({len(t)},) or {(len(t), *y.shape[1:])}"
        )
    if t.dtype.kind not in "bui":
        raise TypeError(f"{prefix}t has dtype {t.dtype}, wanted integers for class indices")
    low, high = int(t.min()), int(t.max())
    if low < 0 or high >= y.shape[1]:
        bad = low if low < 0 else high
        raise ValueError(
            f"{prefix}t[{int(np.argmax(t == bad))}] is {bad}, wanted a class index "
            f"0..{y.shape[1] - 1}"
        )
