"""Ensembles in one file: the arrays and descriptions of all members, and their weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from affinet import model_file
from affinet._version import __version__
from affinet.archive import archive_path, read_archive, require_format, write_archive
from affinet.ensemble.ensemble import Ensemble
from affinet.network.inner import arrays_of

FORMAT = "affinet ensemble"
FORMAT_VERSION = 1
FIELDS = {"members": list, "weights": list, "metadata": dict}


def save(ensemble: Ensemble, path: str | os.PathLike[str]) -> None:
    """Write an ensemble; see :meth:`affinet.Ensemble.save`."""
    description = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "affinet": __version__,
        "weights": ensemble.weights.tolist(),
        "members": [model_file.describe(net) for net in ensemble.members],
        "metadata": ensemble.metadata,
    }
    arrays = {
        f"{place}/{name}": array
        for place, net in enumerate(ensemble.members)
        for name, array in arrays_of(net).items()
    }
    write_archive(archive_path(path), description, arrays)


def load(path: str | os.PathLike[str], custom: Mapping[str, type] | None = None) -> Ensemble:
    """Read an ensemble; see :meth:`affinet.Ensemble.load`."""
    types = {**model_file.known_types(), **model_file.require_custom(custom or {})}
    description, arrays = read_archive(path, FORMAT, FORMAT_VERSION, described_arrays)
    try:
        nets = [
            in_member(place, model_file.rebuild, member, of_member(place, arrays), types)
            for place, member in enumerate(description["members"])
        ]
        ensemble = Ensemble(nets, description["weights"])
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{Path(path)}: {error}") from error
    ensemble.metadata = description["metadata"]
    return ensemble


def described_arrays(
    description: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """Names of the arrays that the members need; raises if the file lacks one."""
    for field, kind in FIELDS.items():
        if not isinstance(description.get(field), kind):
            raise ValueError(f"{field} is {description.get(field)!r:.50}, wanted a {kind.__name__}")
    if len(description["weights"]) != len(description["members"]):
        raise ValueError(
            f"{len(description['weights'])} weights, wanted {len(description['members'])}"
        )
    names = []
    for place, member in enumerate(description["members"]):
        in_member(place, require_format, member, model_file.FORMAT, model_file.FORMAT_VERSION)
        own = of_member(place, shapes)
        names += [
            f"{place}/{name}" for name in in_member(place, model_file.described_arrays, member, own)
        ]
    return names


def of_member(place: int, entries: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of the file that belong to a member, by their names in its network."""
    prefix = f"{place}/"
    return {
        name.removeprefix(prefix): entry
        for name, entry in entries.items()
        if name.startswith(prefix)
    }


def in_member(place: int, function: Any, *arguments: Any) -> Any:
    """The function's result; a ValueError names the member."""
    try:
        return function(*arguments)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"member {place}: {error}") from error
