"""``affinet info``: the environment that affinet runs in."""

from __future__ import annotations

import argparse
import importlib.metadata
import inspect
import os
from typing import Any

import affinet
from affinet._dispatch import runtime_info
from affinet.cli.arguments import add_json
from affinet.cli.output import named_lines, print_json
from affinet.layers.activations import Activation

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
    "Versions, the chosen instruction-set level and the reason, optional packages, the environment "
    "variables that affinet reads, and the names of its layers, losses and optimizers."
)
# Every public part belongs to the first of these that it is one of.
KINDS = {
    "activations": Activation,
    "layers": affinet.Layer,
    "losses": affinet.Loss,
    "optimizers": affinet.Optimizer,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``affinet info``."""
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print; 0."""
    info = runtime_info()
    packages = {name: installed_version(name) for name in PACKAGES}
    variables = {name: os.environ.get(name) for name in VARIABLES}
    if options.json:
        print_json({**info, "packages": packages, "environment": variables, "parts": parts()})
        return 0
    lines = {name.replace("_", " "): in_words(value) for name, value in info.items()}
    for name, version in packages.items():
        lines[name] = version or f'not installed: pip install "affinet[{PACKAGES[name]}]"'
    for name, value in variables.items():
        lines[name] = value or "not set"
    lines |= {kind: in_words(names) for kind, names in parts().items()}
    print(named_lines(lines))
    return 0


def parts() -> dict[str, list[str]]:
    """The names of all public layers, losses and optimizers, by their kind."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for name in affinet.__all__:
        part = getattr(affinet, name)
        if inspect.isclass(part) and not inspect.isabstract(part):
            kind = next((kind for kind, base in KINDS.items() if issubclass(part, base)), None)
            if kind is not None:
                found[kind].append(name)
    return found


def installed_version(name: str) -> str | None:
    """The version of a package, None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def in_words(value: Any) -> str:
    """A value of the runtime's table in one line."""
    if isinstance(value, dict):
        return "; ".join(f"{name} {what}" for name, what in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
