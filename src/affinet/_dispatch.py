"""Selects the instruction-set level once, at import, and records why.

``kernels`` is the compiled module that the rest of affinet calls. There is no NumPy fallback:
without a compiled module affinet refuses to import.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from affinet._version import __version__

LEVELS = ("avx512", "avx2", "baseline")  # best first
VARIABLE = "AFFINET_ISA"
NOT_BUILT, NATIVE, REFUSED = 0, 1, 2  # of kernels.matrix_unit()


def compiled_levels() -> tuple[str, ...]:
    """Names of the levels that this installation was built with, best first."""
    return tuple(level for level in LEVELS if _spec(level) is not None)


def supported_levels() -> tuple[str, ...]:
    """Names of the levels that this processor can run, best first."""
    levels: tuple[str, ...] = _load("cpu").supported_levels()
    return levels


def choose_level(
    forced: str | None, compiled: Sequence[str], supported: Sequence[str]
) -> tuple[str, str]:
    """The level to load and a short reason.

    Parameters
    ----------
    forced : str or None
        The value of ``AFFINET_ISA``; None or empty means automatic.
    compiled, supported : sequence of str
        Levels built into this installation, and levels that the processor runs, best first.

    Raises
    ------
    ImportError
        If the forced level is unknown, was not built or cannot run here, or if no level can.
    """
    usable = [level for level in compiled if level in supported]
    if forced:
        problem = _problem_with(forced, compiled, supported)
        if problem:
            usable_text = ", ".join(usable) or "none"
            raise ImportError(f"{VARIABLE}={forced} {problem}; usable here: {usable_text}")
        return forced, f"forced by {VARIABLE}"
    if not usable:
        raise ImportError(
            f"affinet's compiled kernels are missing or cannot run here (built: "
            f"{', '.join(compiled) or 'none'}; this processor runs: {', '.join(supported)}); "
            "reinstall affinet with pip, or build it with a C compiler"
        )
    return usable[0], "the best level that is built and that this processor runs"


def runtime_info() -> dict[str, Any]:
    """What affinet runs on: versions, the instruction-set level, and why it was chosen.

    Returns
    -------
    dict
        Keys ``affinet``, ``python``, ``numpy``, ``machine``, ``level`` (the chosen one),
        ``reason``, ``compiled_levels``, ``supported_levels``, ``baseline`` (the vectors of that
        level here: SSE2, NEON, simd128 in a browser, or scalar), ``threads`` (the maximum), and
        ``precisions``: for each precision of products that a :class:`Sequential` can have, whether
        a matrix unit computes it ("native") or ordinary arithmetic ("emulated", and why where that
        is not plain).

    Examples
    --------
    >>> import affinet as an
    >>> an.runtime_info()["level"] in an.runtime_info()["supported_levels"]
    True
    """
    return {
        "affinet": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "level": level,
        "reason": reason,
        "compiled_levels": compiled_levels(),
        "supported_levels": supported_levels(),
        "baseline": _load("cpu").floor,
        "threads": kernels.threads()[0],
        "precisions": precisions(),
    }


def baseline_level() -> Any:
    """The module of the level that every processor runs, whichever level was chosen."""
    return _load("baseline")


def precisions() -> dict[str, str]:
    """How the chosen level computes each precision of products.

    Asks the system for the matrix unit, if there is one, as the first product does.
    """
    unit = kernels.matrix_unit()
    if unit == NATIVE:
        how = "native"
    elif unit == REFUSED:
        how = "emulated, the system does not grant the processor's matrix unit"
    elif level == "avx512" and unit == NOT_BUILT:
        how = "emulated, this build has no instructions of a matrix unit"
    elif kernels.build_level()[1]:
        how = "emulated"
    else:
        how = "emulated, other bits near 2^-126 without fused multiply-add"
    return dict.fromkeys(kernels.known_precisions(), how)


def _problem_with(forced: str, compiled: Sequence[str], supported: Sequence[str]) -> str | None:
    if forced not in LEVELS:
        return f"is not a level (levels: {', '.join(LEVELS)})"
    if forced not in compiled:
        return "was not built into this installation"
    if forced not in supported:
        return "cannot run on this processor"
    return None


def _spec(name: str) -> Any:
    return importlib.util.find_spec(f"affinet._kernels.{name}")


def _load(name: str) -> ModuleType:
    if _spec(name) is None:
        raise ImportError(
            f"affinet's compiled module affinet._kernels.{name} is missing (Python "
            f"{sys.version_info.major}.{sys.version_info.minor}); reinstall affinet with pip, or "
            "build it with a C compiler"
        )
    return importlib.import_module(f"affinet._kernels.{name}")


level, reason = choose_level(os.environ.get(VARIABLE), compiled_levels(), supported_levels())
if TYPE_CHECKING:  # one stub describes all levels
    from affinet._kernels import baseline

    kernels = baseline
else:
    kernels = _load(level)
if (cache_sizes := _load("cpu").cache_sizes()) is not None:  # pragma: no branch - Linux has them
    kernels.set_cache_sizes(*cache_sizes)
