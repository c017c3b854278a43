"""The file of a checkpoint: what it must hold, written and read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from affinet._validation import Array
from affinet._version import __version__
from affinet.archive import archive_path, array_names, pack, read_archive, unpack, write_archive

FORMAT = "affinet checkpoint"
FORMAT_VERSION = 1
# Values of training facts that older files lack.
ADDED: dict[str, Any] = {
    "clip_value": None,
    "sampler": None,
    "rows of the first epoch": None,
    "decay_schedule": None,
    "dropout_schedule": None,
    "parameters with AdamW": [],
    "average": None,
    "precision": None,
}
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
