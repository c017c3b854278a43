"""Model files: a NumPy ``.npz`` of the parameters and a JSON description, without pickle."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

import affinet.layers
import affinet.losses
from affinet._validation import Array
from affinet._version import __version__
from affinet.layers import Affine, Layer
from affinet.losses import Loss
from affinet.network import Sequential

FORMAT = "affinet model"
FORMAT_VERSION = 1
DESCRIPTION = "description"  # the archive's entry that holds the JSON text


def save(net: Sequential, path: str | os.PathLike[str]) -> None:
    """Write a whole model: layers, loss, input scale, parameters, metadata.

    The file is written under a temporary name, flushed to disk and then renamed, so an
    interruption leaves either the old file or the new one.

    Parameters
    ----------
    net : Sequential
        Of affinet's own layers and loss.
    path : path
        A name ending in ``.npz``.

    Raises
    ------
    TypeError
        If a layer or the loss is not affinet's own, or JSON cannot hold the metadata.
    ValueError
        If the name does not end in ``.npz``.

    Examples
    --------
    >>> import affinet as an, tempfile, pathlib
    >>> net = an.Sequential(an.Affine.init(2, 3), an.ReLU())
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.npz"
    >>> net.save(path)
    >>> an.load(path)
    Sequential(Affine(2 -> 3), ReLU())
    """
    target = model_path(path)
    entries: dict[str, Any] = {DESCRIPTION: np.array(json.dumps(describe(net))), **net.params}

    def write(file: IO[bytes]) -> None:
        np.savez(file, **entries)

    write_atomically(target, write)


def load(path: str | os.PathLike[str]) -> Sequential:
    """Read a model that :meth:`Sequential.save` wrote.

    Parameters
    ----------
    path : path
        A ``.npz`` file.

    Returns
    -------
    Sequential
        With its ``metadata``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a model, is damaged, is of a newer format, names an unknown layer, or
        lacks a parameter or holds one of another shape; the message names the file and the field.
    """
    source = Path(path)
    description, arrays = read(source)
    if description.get("format") != FORMAT:
        raise ValueError(f"{source}: not an affinet model (format {description.get('format')!r})")
    version = description.get("version")
    if not isinstance(version, int) or not 1 <= version <= FORMAT_VERSION:
        raise ValueError(
            f"{source}: version {version!r} of the format, this affinet reads 1..{FORMAT_VERSION}"
        )
    try:
        net = rebuild(description, arrays)
    except (KeyError, TypeError, ValueError) as error:
        message = error.args[0] if error.args else error
        raise ValueError(f"{source}: {message}") from error
    net.metadata = description.get("metadata") or {}
    return net


def describe(net: Sequential) -> dict[str, Any]:
    """Everything but the arrays, as plain values."""
    for part in (*net.layers, *([] if net.loss is None else [net.loss])):
        if type(part) not in known_types().values():
            raise TypeError(f"cannot save {part!r}, only affinet's own layers and losses")
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "affinet": __version__,
        "dtype": net.dtype.name,
        "layers": [{"type": type(layer).__name__, **layer.config()} for layer in net.layers],
        "loss": None if net.loss is None else {"type": type(net.loss).__name__},
        "input_scale": net.input_scale,
        "shapes": {name: list(shape) for name, shape in net.params.shapes.items()},
        "metadata": net.metadata,
    }


def rebuild(description: dict[str, Any], arrays: dict[str, Array]) -> Sequential:
    """The network that a description and its arrays stand for."""
    dtype = np.dtype(description["dtype"])
    shapes = {name: tuple(shape) for name, shape in description["shapes"].items()}
    for name, shape in shapes.items():
        if name not in arrays:
            raise ValueError(f"parameter {name} is missing")
        if arrays[name].shape != shape or arrays[name].dtype != dtype:
            raise ValueError(
                f"parameter {name} has shape {arrays[name].shape} and dtype {arrays[name].dtype}, "
                f"wanted {shape} and {dtype}"
            )
    layers = [
        build_layer(place, config, arrays) for place, config in enumerate(description["layers"])
    ]
    loss = description["loss"]
    net = Sequential(
        *layers,
        loss=None if loss is None else build_part(loss, Loss),
        input_scale=description["input_scale"],
    )
    if net.params.shapes != shapes:
        raise ValueError(f"parameters {list(shapes)}, the layers want {list(net.params)}")
    return net


def build_layer(place: int, config: dict[str, Any], arrays: dict[str, Array]) -> Any:
    """One layer from its description; parameters come from the arrays of its place."""
    if config.get("type") == "Affine":
        for name in Affine.parameters:
            if f"{place}.{name}" not in arrays:
                raise ValueError(f"parameter {place}.{name} is missing")
        return Affine(arrays[f"{place}.W"], arrays[f"{place}.b"])
    return build_part(config, Layer)


def build_part(config: dict[str, Any], kind: type) -> Any:
    """A layer or loss without parameters from ``{"type": name, argument: value, ...}``."""
    arguments = dict(config)
    name = arguments.pop("type")
    part = known_types().get(name)
    if part is None or not issubclass(part, kind):
        raise ValueError(f"{kind.__name__.lower()} {name!r} is unknown to this affinet")
    return part(**arguments)


def known_types() -> dict[str, type]:
    """The public layers and losses, by class name."""
    modules = (affinet.layers, affinet.losses)
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Layer | Loss)
    }


def read(source: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Description and arrays of a file, checked for damage but not for meaning."""
    try:
        with np.load(source, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        description = json.loads(str(arrays.pop(DESCRIPTION)[()]))
    except FileNotFoundError:
        raise
    except (KeyError, ValueError, EOFError, OSError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{source}: not an affinet model, or damaged ({error})") from error
    if not isinstance(description, dict):
        raise ValueError(f"{source}: the description is not a table")
    return description, arrays


def model_path(path: str | os.PathLike[str]) -> Path:
    """The path of a model file, refused unless its suffix tells a format that is written."""
    target = Path(path)
    if target.suffix != ".npz":
        raise ValueError(f"path is {str(target)!r}, wanted a name that ends in .npz")
    return target


def write_atomically(target: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Let ``write`` fill a temporary file, sync it and rename it to ``target``.

    The file gets the permissions that a plain ``open`` would have given it.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~current_umask())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def current_umask() -> int:
    """The process's file-mode mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
