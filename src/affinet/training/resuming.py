"""Resuming: a training set to the state of a checkpoint, which is checked first."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from affinet._validation import any_number, real_number, whole_number
from affinet.network.inner import arrays_of, is_compiled, set_arrays
from affinet.optimizers import Group, Optimizer
from affinet.training.callbacks import name_of
from affinet.training.checkpoint_file import ADDED, read_checkpoint
from affinet.training.history import History
from affinet.training.snapshot import Run, identity, with_state

MOST_STEPS = 2**53  # integers up to here are exact in the rules' float64


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
    for name in ("step_kind", "step_reason", "stopped_by", "precision"):
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
