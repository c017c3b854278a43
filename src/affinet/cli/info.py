"""``affinet info``: the environment that affinet runs in."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
from typing import Any

from affinet._dispatch import runtime_info
from affinet.cli.arguments import add_json
from affinet.cli.output import named_lines, print_json

# Optional packages, and the extra that installs each.
PACKAGES = {
    "tqdm": "cli",
    "matplotlib": "cli",
    "pooch": "data",
    "safetensors": "safetensors",
    "mpi4py": "mpi",
    "pyarrow": "parquet",
}
VARIABLES = ("AFFINET_ISA", "AFFINET_NUM_THREADS", "AFFINET_DATA_DIR")

DESCRIPTION = (
    "Versions, the chosen instruction-set level and the reason, optional packages, and the "
    "environment variables that affinet reads."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``affinet info``."""
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print; 0."""
    info = runtime_info()
    packages = {name: installed_version(name) for name in PACKAGES}
    variables = {name: os.environ.get(name) for name in VARIABLES}
    if options.json:
        print_json({**info, "packages": packages, "environment": variables})
        return 0
    lines = {name.replace("_", " "): in_words(value) for name, value in info.items()}
    for name, version in packages.items():
        lines[name] = version or f'not installed: pip install "affinet[{PACKAGES[name]}]"'
    for name, value in variables.items():
        lines[name] = value or "not set"
    print(named_lines(lines))
    return 0


def installed_version(name: str) -> str | None:
    """The version of a package, None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def in_words(value: Any) -> str:
    """A value of the runtime's table in one line."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
