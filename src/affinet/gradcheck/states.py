"""Counters and random generators: noted once, put back before every forward."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from affinet.network.inner import children_of


class States:
    """The numbers and random generators that modules hold, at the time of the call.

    Parts of modules count too, and so does NumPy's global generator: a user's own dropout may
    draw from it.
    """

    def __init__(self, modules: Iterable[Any]) -> None:
        self._numbers: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._generators: list[tuple[np.random.Generator, Any]] = []
        self._legacy: list[tuple[np.random.RandomState, Any]] = []
        self._global = np.random.get_state()  # noqa: NPY002
        for module in _with_parts(modules):
            self._note(module)

    def put_back(self) -> None:
        """Give every module, and NumPy's global generator, the state noted at first."""
        for attributes, numbers in self._numbers:
            attributes.update(numbers)
        for generator, state in self._generators:
            generator.bit_generator.state = state
        for legacy, state in self._legacy:
            legacy.set_state(state)
        np.random.set_state(self._global)  # noqa: NPY002

    def _note(self, module: Any) -> None:
        attributes = vars(module)
        numbers = {
            name: value
            for name, value in attributes.items()
            if isinstance(value, int | float | np.number)
        }
        self._numbers.append((attributes, numbers))
        for value in attributes.values():
            if isinstance(value, np.random.Generator):
                self._generators.append((value, copy.deepcopy(value.bit_generator.state)))
            elif isinstance(value, np.random.RandomState):
                self._legacy.append((value, value.get_state()))


def _with_parts(modules: Iterable[Any]) -> Iterator[Any]:
    """Each module once, and all modules that it holds: as children, attributes or in lists."""
    waiting, seen = list(modules), set()
    while waiting:
        module = waiting.pop()
        if isinstance(module, list | tuple):
            waiting += module
        elif id(module) not in seen and _is_module(module):
            seen.add(id(module))
            waiting += [*vars(module).values(), *children_of(module)]
            yield module


def _is_module(value: Any) -> bool:
    return not isinstance(value, type) and hasattr(value, "forward") and hasattr(value, "__dict__")
