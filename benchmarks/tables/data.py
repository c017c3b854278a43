"""The tables of a folder, with their splits."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TARGET = "target"
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Part:
    """Rows of a table: their columns, and targets as texts or numbers."""

    X: pd.DataFrame
    y: np.ndarray[Any, Any]

    def __len__(self) -> int:
        return len(self.y)

    def texts(self) -> list[str]:
        """Names of the columns that hold no numbers."""
        return [name for name in self.X.columns if self.X[name].dtype.kind not in "ifub"]


def descriptions(folder: Path) -> dict[str, dict[str, Any]]:
    """What ``tables.json`` says of each table, by name.

    Raises
    ------
    ValueError
        If the folder holds no such file.
    """
    path = folder / "tables.json"
    if not path.is_file():
        raise ValueError(f"{folder} holds no tables.json, wanted a folder of tables (--data-dir)")
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def chosen(parser: argparse.ArgumentParser, options: argparse.Namespace) -> list[str]:
    """The names in ``options.tables``, or of all tables; an unknown one ends the script."""
    known = descriptions(options.data_dir)
    wrong = set(options.tables or ()) - set(known)
    if wrong:
        parser.error(f"--tables: no table {', '.join(sorted(wrong))}, wanted {', '.join(known)}")
    return options.tables or list(known)


def load(folder: Path, name: str, rows: int | None = None) -> dict[str, Part]:
    """The parts "train", "validation" and "test" of a table, with at most ``rows`` rows each."""
    described = descriptions(folder)[name]
    inner = folder / described.get("folder", "")
    place = inner if (inner / f"{name}.csv.gz").is_file() else folder
    frame = pd.read_csv(place / f"{name}.csv.gz", keep_default_na=False, na_values=[""])
    splits = json.loads((place / "splits.json").read_text(encoding="utf-8"))[name]
    kind = str if described["task"] == "classification" else float
    y = frame.pop(TARGET).astype(kind).to_numpy()
    parts = {}
    for part in PARTS:
        places = splits[part][:rows]
        parts[part] = Part(frame.iloc[places].reset_index(drop=True), y[places])
    return parts
