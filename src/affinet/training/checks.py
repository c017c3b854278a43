"""Validation of fit's arguments, before any parameter changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import (
    Array,
    blocks,
    require_finite,
    require_some_weight,
    row_weights,
    rows_array,
    whole_number,
)
from affinet.layers import (
    Affine,
    BatchEnsemble,
    BatchNorm,
    Dropout,
    Embedding,
    MemberAffine,
    MemberScale,
    NTKAffine,
    Parametric,
    PeriodicEmbedding,
    PiecewiseEmbedding,
    Residual,
    Scale,
)
from affinet.losses import ElementwiseLoss, SoftmaxWithLoss, require_takes_weights
from affinet.metrics import Metric, Metrics, named_metrics
from affinet.metrics.named import require_meaning
from affinet.network import Sequential
from affinet.network.inner import (
    keeps_any_width,
    layer_widths,
    least_rows,
    predict_unguarded,
    require_codes,
    require_loss,
    takes_codes,
    walk,
)
from affinet.optimizers import Adam, Optimizer
from affinet.threads import register_with_threadpoolctl
from affinet.training.alone import AnyTeam
from affinet.training.averaging import WeightAverage
from affinet.training.batches import steps_per_epoch
from affinet.training.callbacks import Callback
from affinet.training.record import Training
from affinet.training.regularization import Regularization
from affinet.training.weights import training_weights

if TYPE_CHECKING:
    from affinet.training.sampling import Drawing

Part = Callable[[int], tuple[int, int]]  # n rows to (start, stop)
DEFAULT_EPOCHS = 10
READERS_OF_ROWS = (
    *(Affine, NTKAffine, Residual, Scale, Parametric, PeriodicEmbedding, Embedding),
    *(BatchEnsemble, MemberAffine, MemberScale, PiecewiseEmbedding),
)


class Known(NamedTuple):
    """What is known of the values of x, so that nobody needs to look at all of them again.

    Attributes
    ----------
    finite : bool
        All are finite.
    codes : bool
        The network's first layer takes all of them.
    """

    finite: bool = False
    codes: bool = False


def checked_training(
    net: Sequential,
    x: ArrayLike,
    t: ArrayLike,
    team: AnyTeam,
    *,
    epochs: int | None,
    steps: int | None,
    batch_size: int,
    optimizer: Any,
    validation_data: Any,
    callbacks: Iterable[Callback],
    metrics: Metrics,
    schedule: Any,
    decay_schedule: Any,
    dropout_schedule: Any,
    seed: int,
    sample_weight: ArrayLike | None,
    class_weight: Mapping[int, float] | str | None,
    l2: float,
    clip_norm: float | None,
    clip_value: float | None,
    shuffle: bool,
    sampler: Any,
    average: Any,
    stop_if_not_finite: bool,
    known: Known | None = None,
    known_held_out: Known | None = None,
) -> Training:
    """The training that ``fit``'s arguments describe; raises if an argument cannot be used.

    ``known`` and ``known_held_out`` say what need not be looked for in the rows.
    """
    optimizer = Adam() if optimizer is None else require_optimizer(optimizer)
    require_one_length(epochs, steps)
    require_schedule("schedule", schedule, optimizer, "lr")
    require_schedule("decay_schedule", decay_schedule, optimizer, "weight_decay")
    require_dropout_schedule(net, dropout_schedule)
    if isinstance(optimizer, Optimizer):
        optimizer.segments(net.params)  # raises if a group matches no parameter
    require_average(average)
    named = require_metrics(metrics, validation_data)
    callbacks = require_callbacks(callbacks)
    batch_size = whole_number("batch_size", batch_size, 1)
    seed = whole_number("seed", seed, 0)
    register_with_threadpoolctl()
    regularization = Regularization(l2, clip_norm, clip_value)
    x, t = require_data(net, x, t, team.part, known=known)
    if validation_data is not None:
        validation_data = require_validation_data(net, validation_data, team.part, known_held_out)
        if named:
            require_meaning(named, predict_unguarded(net, probe(net, x)), net.loss)
    weights = require_weights(net, x, t, sample_weight, class_weight)
    drawing = require_sampler(net, x, t, sampler, shuffle, seed)
    rows = len(x) if drawing is None else drawing.length  # per epoch
    ends_by = "epochs" if steps is None else "steps"
    if steps is None:
        epochs = DEFAULT_EPOCHS if epochs is None else whole_number("epochs", epochs, 1)
        steps = epochs * steps_per_epoch(rows, batch_size)
    steps = whole_number("steps", steps, 1)
    require_variances(net, rows, batch_size, steps)
    return Training(
        net, optimizer, x, t, batch_size, steps, seed, weights, shuffle, regularization,
        schedule, callbacks, validation_data, named, ends_by, bool(stop_if_not_finite),
        drawing=drawing, decay_schedule=decay_schedule, dropout_schedule=dropout_schedule,
        average=average,
    )  # fmt: skip


def require_optimizer(optimizer: Any) -> Any:
    """The optimizer, if it has a callable ``update``."""
    if isinstance(optimizer, type) or not callable(getattr(optimizer, "update", None)):
        raise TypeError(f"optimizer is {optimizer!r}, wanted an object such as Adam()")
    return optimizer


def require_one_length(epochs: int | None, steps: int | None) -> None:
    """Raise if both lengths are given."""
    if epochs is not None and steps is not None:
        raise ValueError("epochs and steps were both given, wanted one of them")


def require_metrics(metrics: Metrics, validation_data: Any) -> Mapping[str, Metric]:
    """Metrics by name; raises if there is no data to evaluate them on."""
    named = named_metrics(metrics)
    if named and validation_data is None:
        raise ValueError("metrics were given without validation_data to evaluate them on")
    return named


def require_callbacks(callbacks: Iterable[Callback]) -> tuple[Any, ...]:
    """Callbacks as a tuple of callables, those with ``comes_last`` at the end."""
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


def require_schedule(name: str, schedule: Any, optimizer: Any, number: str) -> None:
    """Raise unless the schedule is callable and the optimizer has the number that it sets."""
    if schedule is None:
        return
    require_callable(name, schedule)
    if not hasattr(optimizer, number):
        verb = "set" if number == "lr" else "multiply"
        raise TypeError(
            f"{name} was given, but the optimizer {optimizer!r} has no {number} to {verb}"
        )


def require_dropout_schedule(net: Sequential, schedule: Any) -> None:
    """Raise unless the schedule is callable and the network has a Dropout layer."""
    if schedule is None:
        return
    require_callable("dropout_schedule", schedule)
    if not any(isinstance(layer, Dropout) for _, layer in walk(net.layers)):
        raise ValueError("dropout_schedule was given, but the network has no Dropout layer")


def require_average(average: Any) -> None:
    """Raise unless it is None or an average of weights."""
    if average is not None and not isinstance(average, WeightAverage):
        raise TypeError(f"average is {average!r:.60}, wanted an object such as EMA(0.999)")


def require_callable(name: str, schedule: Any) -> None:
    """Raise unless the schedule is a callable object."""
    if not callable(schedule) or isinstance(schedule, type):
        raise TypeError(f"{name} is {schedule!r}, wanted a callable such as schedules.Cosine(0.1)")


def require_validation_data(
    net: Sequential, data: Any, part: Part, known: Known | None = None
) -> tuple[Array, ...]:
    """Validation data as checked arrays: two, or three with weights."""
    if not isinstance(data, tuple | list) or len(data) not in (2, 3):
        raise TypeError(
            f"validation_data is {type(data).__name__}, wanted a pair (x, t) or (x, t, weights)"
        )
    prefix = "validation_data: "
    x, t = require_data(net, data[0], data[1], part, prefix, known)
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
    """Row weights for training, checked before any parameter changes; None if not given."""
    if sample_weight is None and class_weight is None:
        return None
    require_takes_weights(net.loss, "class_weight" if sample_weight is None else "sample_weight")
    n_outputs = predict_unguarded(net, probe(net, x)).reshape(1, -1).shape[1]
    return training_weights(net.loss, t, n_outputs, sample_weight, class_weight)


def require_sampler(
    net: Sequential, x: Array, t: Array, sampler: Any, shuffle: bool, seed: int
) -> Drawing | None:
    """The Drawing of every epoch's rows, tested on the first; None uses each row once."""
    if sampler is None:
        return None
    if not shuffle:
        raise ValueError(
            "sampler was given with shuffle=False, which keeps the order of the data, wanted one "
            "of them"
        )
    from affinet.training.sampling import make_drawing

    n_outputs = predict_unguarded(net, probe(net, x)).reshape(1, -1).shape[1]
    return make_drawing(sampler, net.loss, t, n_outputs, seed)


def require_variances(net: Sequential, n_rows: int, batch_size: int, steps: int) -> None:
    """Raise if a batch would hold a single row, which has no variance for a BatchNorm."""
    reaches_last = steps >= steps_per_epoch(n_rows, batch_size)
    if batch_size > 1 and not (n_rows % batch_size == 1 and reaches_last):
        return
    for path, layer in walk(net.layers):
        if isinstance(layer, BatchNorm):
            raise ValueError(
                f"batch_size is {batch_size}: for {n_rows} rows that makes a batch of one, and "
                f"layer {path}, {layer!r}, wants 2 or more in training"
            )


def require_data(
    net: Sequential,
    x: ArrayLike,
    t: ArrayLike,
    part: Part,
    prefix: str = "",
    known: Known | None = None,
) -> tuple[Array, Array]:
    """Data to train on or validate with, checked before any parameter changes.

    Values are checked only in this process's ``part`` of the rows.
    """
    known = Known() if known is None else known
    require_loss(net)
    x, t = rows_array(f"{prefix}x", x), rows_array(f"{prefix}t", t)
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"{prefix}x has shape {x.shape}, wanted at least one row")
    if t.ndim == 0 or len(t) != len(x):
        raise ValueError(f"{prefix}t has shape {t.shape}, wanted {len(x)} targets, one a row of x")
    low, high = part(len(x))
    if net.check_finite and not known.finite:
        for start, block in blocks(x, low, high):
            require_finite(f"{prefix}x", block, start)
    require_width(net, x, f"{prefix}x")
    if takes_codes(net) and not known.codes:  # others need not read rows in files for it
        for start, block in blocks(x, low, high):
            require_codes(net, f"{prefix}x", block, start)
    y = predict_unguarded(net, probe(net, x))
    require_targets(net, y, t, prefix)
    for start, block in blocks(t, low, high):
        require_values(net, y.shape[-1], block, f"{prefix}t", start)
    return x, t


def probe(net: Sequential, x: Array) -> Array:
    """As few rows as the network takes, repeated if there are fewer, to see what it returns."""
    least = least_rows(net)
    rows = x[:least]
    return rows if len(rows) == least else np.resize(rows, (least, *x.shape[1:]))


def require_width(net: Sequential, x: Array, name: str) -> None:
    """Raise if the first layer that reads the raw rows takes rows of another width."""
    first = next((layer for layer in net.layers if not keeps_any_width(layer)), None)
    came = math.prod(x.shape[1:])
    widths = layer_widths(first) if type(first) in READERS_OF_ROWS else None
    if widths is not None and came != widths[0]:
        raise ValueError(f"{name} has shape {x.shape}: {came} numbers a row, wanted {widths[0]}")


def require_targets(net: Sequential, y: Any, t: Array, prefix: str) -> None:
    """Raise if the loss would later refuse the targets' dtype or shape."""
    if isinstance(net.loss, ElementwiseLoss):
        row = y.shape[1:]
        if net.loss.outputs_per_target > 1:
            row = (*row[:-1], net.loss.target_width(y.shape[-1]))
        if t.shape[1:] != row and (t.ndim, row) != (1, (1,)):
            raise ValueError(f"{prefix}t has shape {t.shape}, wanted {(len(t), *row)}")
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


def require_values(net: Sequential, n_outputs: int, t: Array, name: str, first_row: int) -> None:
    """Raise if a target is out of range; the first one is ``t[first_row]``."""
    if len(t) == 0:
        return
    if isinstance(net.loss, ElementwiseLoss):
        net.loss.require_range(name, t, first_row)
        return
    if not isinstance(net.loss, SoftmaxWithLoss) or t.ndim != 1:
        return
    low, high = int(t.min()), int(t.max())
    if low < 0 or high >= n_outputs:
        bad = low if low < 0 else high
        raise ValueError(
            f"{name}[{first_row + int(np.argmax(t == bad))}] is {bad}, wanted a class index "
            f"0..{n_outputs - 1}"
        )
