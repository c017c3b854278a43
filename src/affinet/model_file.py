"""Model files: a NumPy ``.npz`` of the parameters and a JSON description, without pickle."""

from __future__ import annotations

import inspect
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
FIELDS: dict[str, Any] = {  # of the description, beside format and version: what each may be
    "dtype": str,
    "layers": list,
    "loss": (dict, type(None)),
    "input_scale": (float, type(None)),
    "check_finite": bool,
    "shapes": dict,
    "metadata": dict,
}


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

    Examples
    --------
    >>> import affinet as an, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.npz"
    >>> an.Sequential(an.Affine.init(2, 3)).save(path)
    >>> an.load(path).predict([[0.0, 0.0]])
    array([[0., 0., 0.]], dtype=float32)
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
        return rebuild(description, arrays)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{source}: {error}") from error


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
        "check_finite": net.check_finite,
        "shapes": {name: list(shape) for name, shape in net.params.shapes.items()},
        "metadata": net.metadata,
    }


def rebuild(description: dict[str, Any], arrays: dict[str, Array]) -> Sequential:
    """The network that a description and its arrays stand for."""
    for field, kind in FIELDS.items():
        if field not in description or not isinstance(description[field], kind):
            raise ValueError(f"{field} is {description.get(field)!r:.50}, wanted {names_of(kind)}")
    shapes = {name: require_tensor(name, description, arrays) for name in description["shapes"]}
    layers = [
        build_layer(place, config, arrays) for place, config in enumerate(description["layers"])
    ]
    loss = description["loss"]
    net = Sequential(
        *layers,
        loss=None if loss is None else build_part("loss", loss, Loss),
        input_scale=description["input_scale"],
        check_finite=description["check_finite"],
    )
    if net.params.shapes != shapes:
        raise ValueError(f"parameters {list(shapes)}, the layers want {list(net.params)}")
    net.metadata = description["metadata"]
    return net


def require_tensor(
    name: str, description: dict[str, Any], arrays: dict[str, Array]
) -> tuple[int, ...]:
    """The described shape of a parameter, if the array is there and is as described."""
    shape = description["shapes"][name]
    if not isinstance(shape, list):
        raise ValueError(f"shapes: {name} is {shape!r:.50}, wanted a list of numbers")
    if name not in arrays:
        raise ValueError(f"parameter {name} is missing")
    array = arrays[name]
    if array.shape != tuple(shape) or array.dtype.name != description["dtype"]:
        raise ValueError(
            f"parameter {name} has shape {array.shape} and dtype {array.dtype}, "
            f"wanted {tuple(shape)} and {description['dtype']}"
        )
    return array.shape


def build_layer(place: int, config: dict[str, Any], arrays: dict[str, Array]) -> Any:
    """One layer from its description; parameters come from the arrays of its place."""
    if isinstance(config, dict) and config.get("type") == "Affine":
        for name in Affine.parameters:
            if f"{place}.{name}" not in arrays:
                raise ValueError(f"parameter {place}.{name} is missing")
        return Affine(arrays[f"{place}.W"], arrays[f"{place}.b"])
    return build_part(f"layer {place}", config, Layer)


def build_part(place: str, config: Any, kind: type) -> Any:
    """A layer or loss without parameters from ``{"type": name, argument: value, ...}``."""
    if not isinstance(config, dict) or "type" not in config:
        raise ValueError(f"{place} is {config!r:.50}, wanted a table with a type")
    arguments = dict(config)
    name = arguments.pop("type")
    part = known_types().get(name)
    if part is None or not issubclass(part, kind) or inspect.isabstract(part):
        raise ValueError(f"{place}: {kind.__name__.lower()} {name!r} is unknown to this affinet")
    try:
        return part(**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place}: {error}") from error


def names_of(kind: Any) -> str:
    """The kinds of value that a field may have, in words."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    words = {
        dict: "a table",
        list: "a list",
        str: "a text",
        float: "a number",
        bool: "a truth value",
    }
    return " or ".join(words.get(k, "null") for k in kinds)


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
    with source.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                arrays = {
                    name.removesuffix(".npy"): read_array(archive, name)
                    for name in archive.namelist()
                }
            if DESCRIPTION not in arrays:
                raise ValueError(f"it has no entry {DESCRIPTION!r}")
            description = json.loads(str(arrays.pop(DESCRIPTION)[()]))
        # Bytes that are wrong in any place raise almost anything: zlib's, struct's and codecs'
        # errors, RecursionError, MemoryError for a size that was made up.
        except Exception as error:
            raise ValueError(f"{source}: not an affinet model, or damaged: {error}") from error
    if not isinstance(description, dict):
        raise ValueError(f"{source}: {DESCRIPTION} is no table")
    return description, arrays


def read_array(archive: zipfile.ZipFile, name: str) -> Array:
    """One array of the archive; pickled objects are refused."""
    with archive.open(name) as entry:
        array: Array = np.lib.format.read_array(entry, allow_pickle=False)
    return array


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
