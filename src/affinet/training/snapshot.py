"""A snapshot: everything that a training needs to continue."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import numpy as np

from affinet._validation import Array
from affinet.network import Sequential
from affinet.network.inner import arrays_of, walk
from affinet.optimizers import Optimizer
from affinet.training.callbacks import name_of
from affinet.training.history import History
from affinet.training.record import SCHEDULES, Training


class Run(Protocol):
    """The run interface that writing and resuming a checkpoint need."""

    training: Training
    net: Sequential
    optimizer: Any
    base_lr: float
    history: History
    sums: Any


def snapshot(run: Run) -> dict[str, Any]:
    """Everything a run needs to continue from here; the arrays are not copies."""
    return {
        "training": identity(run),
        "network": arrays_of(run.net),
        "optimizer": optimizer_state(run),
        **{name: schedule_state(run, name) for name in SCHEDULES},
        "average": average_state(run),
        "callbacks": [
            {"type": name_of(callback), "state": callback.state_dict()}
            for callback in with_state(run)
        ],
        "history": run.history.to_dict(),
        "epoch": vars(run.sums).copy(),
    }


def identity(run: Run) -> dict[str, Any]:
    """The facts that must be equal in a resumed training."""
    parts = {f"layer {path}": layer for path, layer in walk(run.net.layers)}
    described = {name: describe(part) for name, part in (parts | {"loss": run.net.loss}).items()}
    drawing = run.training.drawing
    return {
        "rows": run.training.n_rows,
        "batch_size": run.training.batch_size,
        "seed": run.training.seed,
        "shuffle": run.training.shuffle,
        "sampler": None if drawing is None else drawing.describe(),
        "rows of the first epoch": None if drawing is None else drawing.first_epoch,
        "dtype": run.net.dtype.name,
        "input_scale": run.net.input_scale,
        "precision": run.net.precision,
        "optimizer": type(run.optimizer).__name__,
        "parameters with AdamW": list(getattr(run.optimizer, "adamw", ())),
        **{name: schedule_name(run, name) for name in SCHEDULES},
        "average": None if run.training.average is None else repr(run.training.average),
        "l2": run.training.regularization.l2,
        "clip_norm": run.training.regularization.clip_norm,
        "clip_value": run.training.regularization.clip_value,
        "weights": None if run.training.weights is None else digest(run.training.weights),
        "callbacks with a state": [name_of(callback) for callback in with_state(run)],
        "number of layers": len(parts),
        **described,
    }


def schedule_name(run: Run, name: str) -> str | None:
    """The name of one of the run's schedules, None without it."""
    schedule = run.training.schedules.get(name)
    return None if schedule is None else name_of(schedule)


def schedule_state(run: Run, name: str) -> dict[str, Any] | None:
    """One of the run's schedules with its state, None without it."""
    schedule = run.training.schedules.get(name)
    if schedule is None:
        return None
    lr = run.base_lr if name == "schedule" else 1.0
    return {"type": name_of(schedule), "lr": lr, "state": state_of(schedule)}


def average_state(run: Run) -> dict[str, Any] | None:
    """The average of the weights and its number of updates, None without one."""
    average = run.training.average
    if average is None:
        return None
    return {"steps": average.steps, "network": arrays_of(average.follow(run.net))}


def optimizer_state(run: Run) -> dict[str, Any]:
    """The optimizer's settings, and its state for the network's parameters."""
    if not isinstance(run.optimizer, Optimizer):
        return {"state": state_of(run.optimizer)}
    state = run.optimizer.state_of(run.net.params.flat)
    return {
        "numbers": run.optimizer.config(),
        "groups": [group.config() for group in run.optimizer.groups],
        "decay_bias": run.optimizer.decay_bias,
        "step": state.step,
        "averages": dict(zip(map(str, range(len(state.averages))), state.averages, strict=True)),
        "state": state_of(run.optimizer),
    }


def with_state(run: Run) -> list[Any]:
    """The callbacks that have a state."""
    return [callback for callback in run.training.callbacks if hasattr(callback, "state_dict")]


def state_of(part: Any) -> Any:
    """The state of a user's part, None if it has no state_dict."""
    return part.state_dict() if hasattr(part, "state_dict") else None


def describe(part: Any) -> str:
    """A layer or a loss as text: its class and the arguments in its config."""
    arguments = part.config() if callable(getattr(part, "config", None)) else {}
    return f"{type(part).__name__}({', '.join(f'{k}={v!r}' for k, v in arguments.items())})"


def digest(array: Array) -> str:
    """A short hash of an array's values, the same on every machine."""
    content = np.asarray(array, array.dtype.newbyteorder("<")).tobytes()
    return hashlib.sha256(content).hexdigest()[:16]
