"""Every trainer with its module, its package and the name that tables show."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

AFFINET = "affinet"


@dataclass(frozen=True)
class Entry:
    """Where a trainer is found; ``library`` is its key in the module's name."""

    title: str
    library: str

    @property
    def ours(self) -> bool:
        """Whether it is affinet's."""
        return self.library == AFFINET


ENTRIES = {
    "affinet": Entry("affinet", AFFINET),
    "affinet-bfloat16x6": Entry("affinet bfloat16x6", AFFINET),
    "affinet-bfloat16x3": Entry("affinet bfloat16x3", AFFINET),
    "affinet-bfloat16": Entry("affinet bfloat16", AFFINET),
    "torch": Entry("PyTorch", "torch"),
    "torch-bfloat16": Entry("PyTorch bfloat16", "torch"),
    "torch-compiled": Entry("PyTorch compiled", "torch"),
    "torch-compiled-bfloat16": Entry("PyTorch compiled bfloat16", "torch"),
    "jax": Entry("JAX scan", "jax"),
    "sklearn": Entry("scikit-learn", "sklearn"),
}


def module_of(name: str) -> Any:
    """The module of a trainer's library, with ``VERSION`` and ``TRAINERS``."""
    return importlib.import_module(f".{ENTRIES[name].library}_trainers", __package__)


def missing(names: Iterable[str]) -> dict[str, str]:
    """The trainers whose library is not installed, and the reason."""
    libraries = {name: ENTRIES[name].library for name in names}
    return {
        name: f"{library} is not installed"
        for name, library in libraries.items()
        if importlib.util.find_spec(library) is None
    }
