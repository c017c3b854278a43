"""Checkpoints: all that a training needs to go on, in a file, bit for bit."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from affinet._validation import Array, real_number, whole_number
from affinet._version import __version__
from affinet.archive import archive_path, pack, read_archive, unpack, write_archive
from affinet.network import Sequential
from affinet.network.inner import arrays_of, set_arrays, walk
from affinet.optimizers import Optimizer
from affinet.training.callbacks import TrainingState, name_of
from affinet.training.history import History
from affinet.training.record import Training

FORMAT = "affinet checkpoint"
FORMAT_VERSION = 1
# Facts of a training that older files lack, as they then were.
ADDED = {"clip_value": None, "sampler": None, "rows of the first epoch": None}
FIELDS: dict[str, type | tuple[type, ...]] = {  # of a snapshot: what each must be
    "training": dict,
    "network": dict,
    "optimizer": dict,
    "schedule": (dict, type(None)),
    "callbacks": list,
    "history": dict,
    "epoch": dict,
}


class Run(Protocol):
    """What a checkpoint asks of a run of a training, which writes it or continues from it."""

    training: Training
    net: Sequential
    optimizer: Any
    base_lr: float
    history: History
    sums: Any


class Checkpoint:
    """A callback that writes all that is needed to go on after an interruption.

    ``net.fit(..., resume=path)`` with the same arguments then ends with the very bits of a training
    that was never interrupted. The file holds parameters and buffers, the optimizer's numbers and
    averages, the state of the schedule and of callbacks that have ``state_dict``, the history, and
    the place in the epoch. It is written under a temporary name, flushed to disk and renamed, so
    there is a whole file whenever the process dies. Checkpoints are written after the other
    callbacks of the moment, wherever they stand among them. With a ``reducer`` rank 0 alone writes,
    and any number of ranks may go on from it.

    Parameters
    ----------
    path : path
        A name ending in ``.npz``, or in ``.safetensors`` where that package is installed. Each
        checkpoint takes the place of the one before.
    every : int
        Epochs between two checkpoints.
    every_steps : int, optional
        Steps between two checkpoints, in place of epochs.

    Raises
    ------
    ImportError
        If the name ends in ``.safetensors`` and the package is missing.
    FileNotFoundError
        Before the training, if the folder does not exist.
    TypeError
        Before the training, if the optimizer is one of one's own without ``state_dict``; when
        writing, if something cannot be held by JSON or an array.
    ValueError
        If the name has another ending.

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
        """Raise if nothing can be written."""
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"Checkpoint: there is no folder {self.path.parent}")
        require_state("optimizer", state.optimizer)

    def __call__(self, state: TrainingState) -> None:
        """Write, if it is time."""
        if self.every_steps is not None or state.epoch % self.every == 0:
            write_checkpoint(self.path, state.snapshot())

    def __repr__(self) -> str:
        steps = self.every_steps
        every = f"every={self.every}" if steps is None else f"every_steps={steps}"
        return f"Checkpoint({str(self.path)!r}, {every})"


def write_checkpoint(path: Path, snapshot: Mapping[str, Any]) -> None:
    """Write a snapshot to a file."""
    arrays: dict[str, Array] = {}
    content = {name: pack(value, name, arrays) for name, value in snapshot.items()}
    head = {"format": FORMAT, "version": FORMAT_VERSION, "affinet": __version__}
    write_archive(path, head | content, arrays)


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The snapshot in a file, with every field that it must have."""
    description, arrays = read_archive(archive_path(path), FORMAT, FORMAT_VERSION)
    for field, kind in FIELDS.items():
        if not isinstance(description.get(field), kind):
            raise ValueError(f"{Path(path)}: {field} is {description.get(field)!r:.50}")
    try:
        return {field: unpack(description[field], arrays) for field in FIELDS}
    except ValueError as error:
        raise ValueError(f"{Path(path)}: {error}") from error


def snapshot(run: Run) -> dict[str, Any]:
    """All that a run needs to go on from where it stands; arrays are the run's own."""
    return {
        "training": identity(run),
        "network": arrays_of(run.net),
        "optimizer": optimizer_state(run),
        "schedule": None
        if run.training.schedule is None
        else {
            "type": name_of(run.training.schedule),
            "lr": run.base_lr,
            "state": state_of(run.training.schedule),
        },
        "callbacks": [
            {"type": name_of(callback), "state": callback.state_dict()}
            for callback in with_state(run)
        ],
        "history": run.history.to_dict(),
        "epoch": vars(run.sums).copy(),
    }


def identity(run: Run) -> dict[str, Any]:
    """What must be the same in the training that goes on."""
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
        "schedule": None if run.training.schedule is None else name_of(run.training.schedule),
        "l2": run.training.regularization.l2,
        "clip_norm": run.training.regularization.clip_norm,
        "clip_value": run.training.regularization.clip_value,
        "weights": None if run.training.weights is None else digest(run.training.weights),
        "callbacks with a state": [name_of(callback) for callback in with_state(run)],
        "number of layers": len(parts),
        **described,
    }


def digest(array: Array) -> str:
    """A few letters that differ where arrays do."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def describe(part: Any) -> str:
    """A layer or a loss in words: its class and the arguments that it tells."""
    arguments = part.config() if callable(getattr(part, "config", None)) else {}
    return f"{type(part).__name__}({', '.join(f'{k}={v!r}' for k, v in arguments.items())})"


def with_state(run: Run) -> list[Any]:
    """The callbacks that remember something."""
    return [callback for callback in run.training.callbacks if hasattr(callback, "state_dict")]


def state_of(part: Any) -> Any:
    """What a part of the user's remembers, None if it does not tell."""
    return part.state_dict() if hasattr(part, "state_dict") else None


def require_state(name: str, optimizer: Any) -> None:
    """Raise unless it is known how to keep what an optimizer remembers."""
    if not isinstance(optimizer, Optimizer) and not hasattr(optimizer, "state_dict"):
        raise TypeError(
            f"{name} is {optimizer!r}, which a checkpoint cannot hold: wanted an Optimizer, or an "
            "object with state_dict() and load_state_dict()"
        )


def optimizer_state(run: Run) -> dict[str, Any]:
    """The optimizer's numbers, and what it remembers of the network's parameters."""
    if not isinstance(run.optimizer, Optimizer):
        return {"state": state_of(run.optimizer)}
    state = run.optimizer.state_of(run.net.params.flat)
    return {
        "numbers": run.optimizer.config(),
        "step": state.step,
        "averages": dict(zip(map(str, range(len(state.averages))), state.averages, strict=True)),
        "state": state_of(run.optimizer),
    }


def resume(run: Run, path: str | os.PathLike[str]) -> None:
    """Take a run to where a checkpoint stands; if that does not fit it, nothing has changed."""
    content = read_checkpoint(path)
    try:
        require_same(run, content["training"])
        require_arrays(run, content)
        history = History.from_dict(content["history"])
        if history.steps > run.training.steps:
            raise ValueError(
                f"it stands at step {history.steps}, "
                f"this training is to end at step {run.training.steps}"
            )
        sums = type(run.sums)(**content["epoch"])
        require_position(history, sums)
        states = [part["state"] for part in content["callbacks"]]
        schedule = content["schedule"]
        if schedule is not None:
            run.base_lr = float(schedule["lr"])
            if schedule["state"] is not None:
                run.training.schedule.load_state_dict(schedule["state"])
        for callback, state in zip(with_state(run), states, strict=True):
            callback.load_state_dict(state)
        numbers = content["optimizer"].get("numbers", {})
        averages = content["optimizer"].get("averages", {})
        if content["optimizer"]["state"] is not None:
            optimizer: Any = run.optimizer
            optimizer.load_state_dict(content["optimizer"]["state"])
    except ValueError as error:
        raise ValueError(f"resume: {Path(path)}: {error}") from error
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"resume: {Path(path)}: damaged: {error!r}") from error
    set_arrays(run.net, content["network"])
    for name, value in numbers.items():
        setattr(run.optimizer, name, value)
    if isinstance(run.optimizer, Optimizer):
        state = run.optimizer.state_of(run.net.params.flat)
        state.step = content["optimizer"]["step"]
        for average, saved in zip(state.averages, averages.values(), strict=True):
            average[...] = saved
    history.stopped_by = None
    run.history, run.sums = history, sums


def require_same(run: Run, theirs: Mapping[str, Any]) -> None:
    """Raise unless the checkpoint is of such a training as the run."""
    theirs = ADDED | dict(theirs)
    for name, ours in identity(run).items():
        if name not in theirs or theirs[name] != ours:
            raise ValueError(f"{name} is {theirs.get(name)!r}, in this training it is {ours!r}")


def require_position(history: History, sums: Any) -> None:
    """Raise unless the record and the sums of the epoch are such as a run leaves them."""
    if not all(isinstance(epoch, dict) and "seconds" in epoch for epoch in history.epochs):
        raise TypeError("the history has an epoch that is none")
    whole_number("steps", history.steps, 0)
    whole_number("batches", sums.batches, 0)
    real_number("weight", sums.weight, 0.0)
    real_number("hits", sums.hits, 0.0)
    real_number("seconds", sums.seconds, 0.0)
    if not isinstance(sums.loss, float):
        raise TypeError(f"the sum of losses is {sums.loss!r}")


def require_arrays(run: Run, content: Mapping[str, Any]) -> None:
    """Raise unless the arrays of the network and the optimizer are those of the run."""
    wanted: dict[str, Any] = dict(arrays_of(run.net))
    found: dict[str, Any] = dict(content["network"])
    if isinstance(run.optimizer, Optimizer):
        count = run.optimizer.n_averages
        flat = run.net.params.flat
        wanted |= {f"average {i}": flat for i in range(count)}
        averages = content["optimizer"]["averages"]
        found |= {f"average {name}": array for name, array in averages.items()}
        if content["optimizer"]["numbers"].keys() != run.optimizer.config().keys():
            raise ValueError(f"the optimizer's numbers are {content['optimizer']['numbers']}")
        whole_number("the optimizer's step", content["optimizer"]["step"], 0)
    if found.keys() != wanted.keys():
        raise ValueError(f"it has arrays of {', '.join(found)}, wanted {', '.join(wanted)}")
    for name, array in wanted.items():
        shape = np.shape(found[name])
        if not isinstance(found[name], np.ndarray) or shape != array.shape:
            raise ValueError(f"{name} has shape {shape}, wanted {array.shape}")
        if found[name].dtype != array.dtype:
            raise ValueError(f"{name} has dtype {found[name].dtype}, wanted {array.dtype}")
