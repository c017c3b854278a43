"""Counters and random generators: saved once, restored before every forward."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from affinet.network.inner import children_of


class States:
    """The numbers and random generators of modules, saved at construction.

    Nested modules are included, and so is NumPy's global generator: a custom dropout may draw from
    it.
    """

    def __init__(self, modules: Iterable[Any]) -> None:
        self._numbers: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._generators: list[tuple[np.random.Generator, Any]] = []
        self._legacy: list[tuple[np.random.RandomState, Any]] = []
        self._global = np.random.get_state()  # noqa: NPY002
        for module in _with_parts(modules):
            self._note(module)

    def put_back(self) -> None:
        """Restore the saved state of every module and of NumPy's global generator."""
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
    """Each module once, with all nested modules: children, attributes or in lists."""
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
