"""The stateful parts of many trainings: each training gets its own objects."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from affinet.network import Sequential
from affinet.network.inner import parameter_names, walk
from affinet.optimizers import Optimizer
from affinet.training.callbacks import EverySteps
from affinet.training.claims import remembers
from affinet.training.many_options import ManyOptions, list_name
from affinet.training.record import SCHEDULES, Training
from affinet.training.step import can_fuse

STATEFUL = ("optimizer", "average")  # options whose objects always keep a state


class OwnParts:
    """Makes each network's own copies of what was given once for all of them.

    Parameters
    ----------
    options : ManyOptions
    shared : iterable of objects
        What copies refer to and must not copy, such as the data.
    """

    def __init__(self, options: ManyOptions, shared: Iterable[Any]) -> None:
        self.options = options
        self.shared = {id(part): part for part in shared}  # the memo of copy.deepcopy
        self.lock = threading.Lock()  # of the states that copies of one optimizer share

    def of(self, training: Training, place: int) -> Training:
        """The training with parts that belong to it alone.

        Raises
        ------
        TypeError, ValueError
            If a stateful part that was given once cannot be copied; the message names it.
        """
        if training.average is not None and "average" not in self.options.lists:
            raise TypeError(
                f"average is {training.average!r}, which is for one network: wanted averages, a "
                "list of one for each network"
            )
        memo = dict(self.shared)
        own: dict[str, Any] = {}
        if "optimizer" not in self.options.lists:
            own["optimizer"] = self.optimizer(training.optimizer, training.net, memo)
        if "callbacks" not in self.options.lists:
            own["callbacks"] = tuple(
                own_callback(callback, place, memo) for callback in training.callbacks
            )
        for name in SCHEDULES:
            schedule = getattr(training, name)
            if schedule is not None and name not in self.options.lists and remembers(schedule):
                own[name] = copied(name, schedule, memo)
        return replace(training, **own)

    def optimizer(self, optimizer: Any, net: Sequential, memo: dict[int, Any]) -> Any:
        """A network's own optimizer; its state also belongs to the one that was given."""
        if not isinstance(optimizer, Optimizer):
            return copied("optimizer", optimizer, memo)
        if self.options.once.get("optimizer") is None:
            return optimizer  # the checks made a new one
        twin = optimizer.sharing_states()
        with self.lock:
            twin.state_of(net.params.flat)
        return twin


def own_callback(callback: Any, place: int, memo: dict[int, Any]) -> Any:
    """A network's own callback; one without a state is shared."""
    if isinstance(callback, EverySteps):
        return EverySteps(callback.every_steps, own_callback(callback.callback, place, memo))
    if getattr(callback, "for_one_network", False):
        raise TypeError(
            f"callbacks has {callback!r}, which is for one network: wanted it in "
            f"{list_name('callbacks')}, a list of callbacks for each network"
        )
    if hasattr(callback, "for_network"):
        return callback.for_network(place)
    return copied("callbacks", callback, memo) if remembers(callback) else callback


def copied(name: str, part: Any, memo: dict[int, Any]) -> Any:
    """A deep copy, except for what is shared; what cannot be copied is refused by name."""
    try:
        return copy.deepcopy(part, memo)
    except Exception as error:  # a custom part may raise anything
        raise TypeError(
            f"{name} has {part!r}, of which each network needs a copy, and it cannot be copied "
            f"({error!r}): give {list_name(name)}, one per network"
        ) from error


def require_separate_parts(options: ManyOptions) -> None:
    """Raise ValueError if lists hold one stateful object for two networks."""
    for option, values in options.lists.items():
        name = list_name(option)
        advice = "" if option == "average" else f": give {option} once, and each gets a copy"
        if option == "callbacks":
            held = [[inner(part) for part in parts] for parts in map(iterated, values)]
        else:
            held = [[value] for value in values]
        seen: dict[int, int] = {}
        for place, parts in enumerate(held):
            for part in parts:
                if part is None or not (option in STATEFUL or remembers(part)):
                    continue
                first = seen.setdefault(id(part), place)
                if first != place:
                    raise ValueError(
                        f"{name}[{first}] and {name}[{place}] hold the same {part!r}, wanted one "
                        f"for each network{advice}"
                    )


def inner(callback: Any) -> Any:
    """The callback that is called every few steps."""
    while isinstance(callback, EverySteps):
        callback = callback.callback
    return callback


def iterated(parts: Any) -> list[Any]:
    """A list of callbacks; nothing if it cannot be one, which the checks of ``fit`` refuse."""
    return list(parts) if isinstance(parts, list | tuple) else []


def groups_of(trainings: Sequence[Training]) -> list[list[int]]:
    """The places of networks that must be trained one after the other, as lists.

    In the layer-by-layer step the loss and layers without parameters store what their backward
    needs. Networks that share such an object form a group; every other network is one alone.
    """
    users: dict[int, list[int]] = {}
    for place, training in enumerate(trainings):
        for part in {id(part): part for part in stateless_in_fused_steps(training.net)}:
            users.setdefault(part, []).append(place)
    together = [places for places in users.values() if len(places) > 1]
    fused: dict[int, bool] = {}
    for place in {place for places in together for place in places}:
        training = trainings[place]
        fused[place] = can_fuse(training.net, training.optimizer, training.x)
    group = {place: [place] for place in range(len(trainings))}
    for places in together:
        found = [group[place] for place in places if not fused[place]]
        merged = sorted({place for own in found for place in own})
        for place in merged:
            group[place] = merged
    return list({id(places): places for places in group.values()}.values())


def stateless_in_fused_steps(net: Sequential) -> list[Any]:
    """The network's loss and its layers without parameters."""
    return [net.loss, *(layer for _, layer in walk(net.layers) if not parameter_names(layer))]
