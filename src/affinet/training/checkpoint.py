"""Checkpoints: files from which training continues, bit for bit."""

from __future__ import annotations

import copy
import hashlib
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from affinet._validation import Array, any_number, real_number, whole_number
from affinet._version import __version__
from affinet.archive import archive_path, array_names, pack, read_archive, unpack, write_archive
from affinet.network import Sequential
from affinet.network.inner import arrays_of, is_compiled, set_arrays, walk
from affinet.optimizers import Group, Optimizer
from affinet.training.callbacks import TrainingState, name_of
from affinet.training.history import History
from affinet.training.record import SCHEDULES, Training

FORMAT = "affinet checkpoint"
FORMAT_VERSION = 1
PLACEHOLDER = "{net}"  # stands for a network's number in a path
# Values of training facts that older files lack.
ADDED: dict[str, Any] = {
    "clip_value": None,
    "sampler": None,
    "rows of the first epoch": None,
    "decay_schedule": None,
    "dropout_schedule": None,
    "parameters with AdamW": [],
    "average": None,
}
MOST_STEPS = 2**53  # integers up to here are exact in the rules' float64
FIELDS: dict[str, type | tuple[type, ...]] = {  # of a snapshot, with their types
    "training": dict,
    "network": dict,
    "optimizer": dict,
    "schedule": (dict, type(None)),
    "decay_schedule": (dict, type(None)),
    "dropout_schedule": (dict, type(None)),
    "average": (dict, type(None)),
    "callbacks": list,
    "history": dict,
    "epoch": dict,
}


class Run(Protocol):
    """The run interface that writing and resuming a checkpoint need."""

    training: Training
    net: Sequential
    optimizer: Any
    base_lr: float
    history: History
    sums: Any


class Checkpoint:
    """A callback that writes a file from which an interrupted training can continue.

    ``net.fit(..., resume=path)`` with the same arguments then ends with the same bits as a training
    that was never interrupted. The file holds parameters and buffers, the optimizer's settings and
    averages, the states of schedules and of callbacks that have ``state_dict``, the history, and
    the position in the epoch. It is written under a temporary name, flushed to disk and renamed, so
    the file is complete whenever the process dies. A checkpoint is written after the other
    callbacks due at the same step, whatever their order. With a ``reducer`` only rank 0 writes, and
    any number of ranks can continue from the file. With :func:`affinet.fit_many`, every network has
    a file of its own.

    Parameters
    ----------
    path : path
        A name ending in ``.npz``, or in ``.safetensors`` where that package is installed. Each
        checkpoint replaces the previous one. For :func:`affinet.fit_many` it contains ``{net}``,
        which stands for the network's number.
    every : int
        Number of epochs between checkpoints.
    every_steps : int, optional
        Number of steps between checkpoints, instead of epochs.

    Raises
    ------
    ImportError
        If the name ends in ``.safetensors`` and the package is missing.
    FileNotFoundError
        Before training, if the folder does not exist.
    TypeError
        Before training, if a custom optimizer has no ``state_dict``; when writing, if a state
        cannot be stored as JSON and arrays.
    ValueError
        If the name has another suffix.

    Examples
    --------
    >>> import affinet as an, numpy as np, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "digits.npz"
    >>> (x, t), _ = an.datasets.load_digits()
    >>> def train(**options):
    ...     net = an.Sequential(an.Affine.init(64, 10, rng=0), loss=an.SoftmaxWithLoss())
    ...     net.fit(x, t, optimizer=an.Adam(), **options)
    ...     return net
    >>> part = train(epochs=2, callbacks=[an.Checkpoint(path, every_steps=20)])
    >>> whole, resumed = train(epochs=4), train(epochs=4, resume=path)
    >>> np.array_equal(whole.params.flat, resumed.params.flat)
    True
    """

    comes_last = True
    on_one_rank = True

    def __init__(
        self, path: str | os.PathLike[str], every: int = 1, every_steps: int | None = None
    ) -> None:
        self.path = archive_path(path)
        self.every = whole_number("every", every, 1)
        if every_steps is not None:
            every_steps = whole_number("every_steps", every_steps, 1)
        self.every_steps = every_steps

    def begin(self, state: TrainingState) -> None:
        """Raise if no checkpoint can be written."""
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"Checkpoint: there is no folder {self.path.parent}")
        require_state("optimizer", state.optimizer)

    def __call__(self, state: TrainingState) -> None:
        """Write a checkpoint if one is due."""
        if self.every_steps is not None or state.epoch % self.every == 0:
            write_checkpoint(self.path, state.snapshot())

    def for_network(self, number: int) -> Checkpoint:
        """The same callback for one of the networks of :func:`affinet.fit_many`."""
        return Checkpoint(path_of("Checkpoint's path", self.path, number), self.every,
                          self.every_steps)  # fmt: skip

    def __repr__(self) -> str:
        steps = self.every_steps
        every = f"every={self.every}" if steps is None else f"every_steps={steps}"
        return f"Checkpoint({str(self.path)!r}, {every})"


def path_of(name: str, path: str | os.PathLike[str], number: int) -> Path:
    """The path of one of several networks, its number in place of ``{net}``.

    Examples
    --------
    >>> path_of("resume", "runs/{net}.npz", 7).name
    '7.npz'
    """
    text = os.fspath(path)
    if PLACEHOLDER not in text:
        raise ValueError(
            f"{name} is {text!r}, one file for all networks, wanted a name that contains "
            f"{PLACEHOLDER}, such as 'runs/{PLACEHOLDER}.npz'"
        )
    return Path(text.replace(PLACEHOLDER, str(number)))


def write_checkpoint(path: Path, snapshot: Mapping[str, Any]) -> None:
    """Write a snapshot to a file."""
    arrays: dict[str, Array] = {}
    content = {name: pack(value, name, arrays) for name, value in snapshot.items()}
    head = {"format": FORMAT, "version": FORMAT_VERSION, "affinet": __version__}
    write_archive(path, head | content, arrays)


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The snapshot in a file, with all required fields."""
    description, arrays = read_archive(
        archive_path(path), FORMAT, FORMAT_VERSION, referenced_arrays
    )
    try:
        return {field: unpack(description.get(field), arrays) for field in FIELDS}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{Path(path)}: {error}") from error


def referenced_arrays(
    description: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """Names of the arrays that a description refers to, after checking its fields."""
    for field, kind in FIELDS.items():
        if (field not in description and field not in ADDED) or not isinstance(
            description.get(field), kind
        ):
            raise ValueError(f"{field} is {description.get(field)!r:.50}")
    names = list(dict.fromkeys(array_names([description.get(field) for field in FIELDS])))
    missing = next((name for name in names if name not in shapes), None)
    if missing is not None:
        raise ValueError(f"array {missing} is missing")
    return names


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


def digest(array: Array) -> str:
    """A short hash of an array's values."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def describe(part: Any) -> str:
    """A layer or a loss as text: its class and the arguments in its config."""
    arguments = part.config() if callable(getattr(part, "config", None)) else {}
    return f"{type(part).__name__}({', '.join(f'{k}={v!r}' for k, v in arguments.items())})"


def with_state(run: Run) -> list[Any]:
    """The callbacks that have a state."""
    return [callback for callback in run.training.callbacks if hasattr(callback, "state_dict")]


def state_of(part: Any) -> Any:
    """The state of a user's part, None if it has no state_dict."""
    return part.state_dict() if hasattr(part, "state_dict") else None


def require_state(name: str, optimizer: Any) -> None:
    """Raise unless a checkpoint can hold the optimizer's state."""
    if not isinstance(optimizer, Optimizer) and not hasattr(optimizer, "state_dict"):
        raise TypeError(
            f"{name} is {optimizer!r}, which a checkpoint cannot hold: wanted an Optimizer, or an "
            "object with state_dict() and load_state_dict()"
        )


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


def resume(run: Run, path: str | os.PathLike[str]) -> None:
    """Set a run to the state of a checkpoint; nothing changes if the file is refused.

    Raises
    ------
    ValueError
        If the file is damaged or belongs to another training; the message names the file.
    """
    content = read_checkpoint(path)
    try:
        require_same(run, content["training"])
        require_arrays(run, content)
        history = history_of(content["history"])
        sums = type(run.sums)(**content["epoch"])
        require_position(run, history, sums)
        base_lr = schedule_lr(content["schedule"])
        numbers = optimizer_numbers(run, content["optimizer"])
        groups = optimizer_groups(run, content["optimizer"])
        if run.training.average is not None:
            whole_number("the average's steps", content["average"]["steps"], history.steps)
        load_states(parts_with_state(run, content))
    except (ValueError, TypeError) as error:
        raise ValueError(f"resume: {Path(path)}: {error}") from error
    except (ArithmeticError, AttributeError, LookupError, RecursionError) as error:
        raise ValueError(f"resume: {Path(path)}: damaged: {error!r}") from error
    # Everything is checked: what follows cannot fail.
    if base_lr is not None:
        run.base_lr = base_lr
    set_arrays(run.net, content["network"])
    mean = run.training.average
    if mean is not None:
        set_arrays(mean.follow(run.net), content["average"]["network"])
        mean.steps = content["average"]["steps"]
    for name, value in numbers.items():
        setattr(run.optimizer, name, value)
    for name, value in groups.items():
        setattr(run.optimizer, name, value)
    if isinstance(run.optimizer, Optimizer):
        state = run.optimizer.state_of(run.net.params.flat)
        state.step = content["optimizer"]["step"]
        for place, average in enumerate(state.averages):
            average[...] = content["optimizer"]["averages"][str(place)]
    history.stopped_by = None
    run.history, run.sums = history, sums


def require_same(run: Run, theirs: Mapping[str, Any]) -> None:
    """Raise unless the checkpoint comes from the same training as the run."""
    theirs = ADDED | dict(theirs)
    for name, ours in identity(run).items():
        if name not in theirs or theirs[name] != ours:
            raise ValueError(f"{name} is {theirs.get(name)!r}, in this training it is {ours!r}")


def history_of(content: Mapping[str, Any]) -> History:
    """The record of a training, every field checked."""
    history = History.from_dict(content)
    if not isinstance(history.epochs, list):
        raise TypeError(f"the history's epochs are {history.epochs!r:.50}, wanted a list")
    for place, epoch in enumerate(history.epochs):
        if not isinstance(epoch, dict) or not {"epoch", "loss", "seconds"} <= epoch.keys():
            raise TypeError(f"epoch {place} of the history is {epoch!r:.50}, wanted its figures")
        if any(type(epoch[name]) not in (int, float) for name in ("epoch", "loss", "seconds")):
            raise TypeError(f"epoch {place} of the history has figures that are not numbers")
    whole_number("the history's steps", history.steps, 0)
    whole_number("the history's threads", history.threads, 1)
    for name in ("step_kind", "step_reason", "stopped_by"):
        value = getattr(history, name)
        if not isinstance(value, str) and not (value is None and name != "step_kind"):
            raise TypeError(f"the history's {name} is {value!r:.50}, wanted text")
    best = history.best_epoch
    if best is not None and whole_number("best_epoch", best, 1) > len(history.epochs):
        raise ValueError(f"best_epoch is {best}, but there are {len(history.epochs)} epochs")
    return history


def require_position(run: Run, history: History, sums: Any) -> None:
    """Raise unless the position in the history and in the epoch's sums is possible in this run."""
    steps, epoch = run.training.steps, run.training.steps_per_epoch
    if history.steps > steps:
        raise ValueError(
            f"it stands at step {history.steps}, this training is to end at step {steps}"
        )
    batches = whole_number("the epoch's batches", sums.batches, 0)
    before = history.steps - batches
    if batches > epoch or not 0 <= before <= len(history.epochs) * epoch:
        raise ValueError(
            f"it stands at step {history.steps} after {len(history.epochs)} epochs and {batches} "
            f"batches, but an epoch has {epoch}"
        )
    for name in ("weight", "hits", "seconds"):
        real_number(f"the epoch's {name}", getattr(sums, name), 0.0)
    if not isinstance(sums.loss, float):
        raise TypeError(f"the sum of losses is {sums.loss!r:.50}, wanted a number")


def schedule_lr(content: Mapping[str, Any] | None) -> float | None:
    """The learning rate that a schedule started from, None without a schedule."""
    return None if content is None else finite_number("the schedule's lr", content["lr"])


def optimizer_numbers(run: Run, content: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the optimizer's rule, validated by its class."""
    if not isinstance(run.optimizer, Optimizer):
        return {}
    numbers: dict[str, Any] = content["numbers"]
    if numbers.keys() != run.optimizer.config().keys():
        raise ValueError(f"the optimizer's numbers are {numbers!r:.80}")
    for name, value in numbers.items():
        finite_number(f"the optimizer's {name}", value)
    # One of affinet's rules, and no subclass of it.
    if is_compiled(run.optimizer) and numbers != run.optimizer.config():
        type(run.optimizer)(**numbers)  # the constructor validates them
    step = whole_number("the optimizer's step", content["step"], 0)
    if step > MOST_STEPS:
        raise ValueError(f"the optimizer's step is {step:.6g}, wanted at most {MOST_STEPS}")
    return numbers


def optimizer_groups(run: Run, content: Mapping[str, Any]) -> dict[str, Any]:
    """The optimizer's groups, and whether biases decay; older files have neither."""
    if not isinstance(run.optimizer, Optimizer):
        return {}
    groups = tuple(Group(**group) for group in content.get("groups", []))
    decay_bias = content.get("decay_bias", True)
    if not isinstance(decay_bias, bool):
        raise TypeError(f"the optimizer's decay_bias is {decay_bias!r:.50}, wanted a bool")
    for group in groups:
        for pattern in group.parameters:
            if not any(fnmatchcase(name, pattern) for name in run.net.params):
                raise ValueError(f"the optimizer's {group!r:.80} matches no parameter")
    return {"groups": groups, "decay_bias": decay_bias}


def finite_number(name: str, value: Any) -> float:
    """``value`` as a float, refused by name unless it is a finite number."""
    if type(value) not in (int, float):
        raise TypeError(f"{name} is {value!r:.50}, wanted a number")
    number = any_number(name, value)
    if not math.isfinite(number):
        raise ValueError(f"{name} is {number}, wanted a finite number")
    return number


def parts_with_state(run: Run, content: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Schedules, callbacks and custom optimizer, each with the state that the checkpoint holds."""
    parts: list[tuple[Any, Any]] = []
    states = content["callbacks"]
    for name, schedule in run.training.schedules.items():
        if content[name]["state"] is not None:
            parts.append((schedule, content[name]["state"]))
    parts += [
        (callback, part["state"]) for callback, part in zip(with_state(run), states, strict=True)
    ]
    if content["optimizer"]["state"] is not None:
        parts.append((run.optimizer, content["optimizer"]["state"]))
    return parts


def load_states(parts: list[tuple[Any, Any]]) -> None:
    """Load every part's state; if one refuses, restore the previous states of all."""
    before = [(part, copy.deepcopy(part.state_dict())) for part, _ in parts]
    try:
        for part, state in parts:
            try:
                part.load_state_dict(state)
            except Exception as error:  # a custom part may raise anything
                raise ValueError(f"{name_of(part)} cannot load its state: {error!r}") from error
    except BaseException:
        for part, state in before:
            with suppress(Exception):
                part.load_state_dict(state)
        raise


def require_arrays(run: Run, content: Mapping[str, Any]) -> None:
    """Raise unless the arrays match those of the run's network and optimizer."""
    wanted: dict[str, Any] = dict(arrays_of(run.net))
    found: dict[str, Any] = dict(content["network"])
    if isinstance(run.optimizer, Optimizer):
        flat = run.net.params.flat
        wanted |= {f"average {i}": flat for i in range(run.optimizer.n_averages)}
        averages = content["optimizer"]["averages"]
        found |= {f"average {name}": array for name, array in averages.items()}
    if run.training.average is not None:
        own = arrays_of(run.training.average.follow(run.net))
        wanted |= {f"average of {name}": array for name, array in own.items()}
        theirs = content["average"]["network"]
        found |= {f"average of {name}": array for name, array in theirs.items()}
    if found.keys() != wanted.keys():
        raise ValueError(f"it has arrays of {', '.join(found)}, wanted {', '.join(wanted)}")
    for name, array in wanted.items():
        shape = np.shape(found[name])
        if not isinstance(found[name], np.ndarray) or shape != array.shape:
            raise ValueError(f"{name} has shape {shape}, wanted {array.shape}")
        if found[name].dtype != array.dtype:
            raise ValueError(f"{name} has dtype {found[name].dtype}, wanted {array.dtype}")
