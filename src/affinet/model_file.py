"""Model files: the arrays of a network and a description of its layers and loss."""

from __future__ import annotations

import functools
import inspect
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import affinet.layers
import affinet.losses
from affinet._validation import Array
from affinet._version import __version__
from affinet.archive import archive_path, read_archive, write_archive
from affinet.layers import Layer
from affinet.losses import Loss
from affinet.network import Sequential
from affinet.network.inner import (
    arrays_of,
    buffer_names,
    children_of,
    has_methods,
    parameter_names,
    walk,
)

FORMAT = "affinet model"
FORMAT_VERSION = 1
HARMLESS_SIZE = 1 << 16  # a layer with up to this many elements takes little memory
CHILDREN = "children"  # in the description of a layer with children
FIELDS: dict[str, Any] = {  # fields of the description besides format and version, and their types
    "dtype": str,
    "layers": list,
    "loss": (dict, type(None)),
    "input_scale": (float, type(None)),
    "check_finite": bool,
    "shapes": dict,
    "metadata": dict,
}


def save(net: Sequential, path: str | os.PathLike[str]) -> None:
    """Write a whole model: layers, loss, input scale, parameters, buffers, metadata.

    The file is written under a temporary name, flushed to disk and then renamed, so an
    interruption leaves either the old file or the new one.

    Parameters
    ----------
    net : Sequential
        Made of affinet's own layers and loss, or of custom parts with a method
        ``config() -> dict`` that returns their constructor arguments as JSON-compatible values.
        Parameters and buffers may be left out.
    path : path
        A name ending in ``.npz`` or, if that package is installed, ``.safetensors``.

    Raises
    ------
    ImportError
        If the name ends in ``.safetensors`` and the package is missing.
    TypeError
        If a custom part has no ``config``, or its result or the metadata is not JSON-compatible.
    ValueError
        If the name has another ending.

    Examples
    --------
    >>> import affinet as an, tempfile, pathlib
    >>> net = an.Sequential(an.Affine.init(2, 3, rng=0), an.ReLU())
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.npz"
    >>> net.save(path)
    >>> an.load(path)
    Sequential(Affine(2 -> 3), ReLU())
    """
    write_archive(archive_path(path), describe(net), arrays_of(net))


def load(path: str | os.PathLike[str], custom: Mapping[str, type] | None = None) -> Sequential:
    """Read a model that :meth:`Sequential.save` wrote.

    Parameters
    ----------
    path : path
        A ``.npz`` or ``.safetensors`` file.
    custom : dict of str to class, optional
        Classes of custom layers and losses by name; each is built by ``cls(**config)``, then its
        parameters and buffers are set.

    Returns
    -------
    Sequential
        With its ``metadata``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If the name ends in ``.safetensors`` and the package is missing.
    TypeError, ValueError
        If ``custom`` contains anything but classes, or a name of one of affinet's own classes.
    ValueError
        If the file is not a model, is damaged, has a newer format, names an unknown layer, lacks an
        array or has one with the wrong shape; the message names the file and the field.

    Examples
    --------
    >>> import affinet as an, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.npz"
    >>> an.Sequential(an.Affine.init(2, 3, rng=0)).save(path)
    >>> an.load(path).predict([[0.0, 0.0]])
    array([[0., 0., 0.]], dtype=float32)

    A custom layer:

    >>> class Stretch:
    ...     def __init__(self, factor):
    ...         self.factor = factor
    ...     def config(self):
    ...         return {"factor": self.factor}
    ...     def forward(self, x):
    ...         return self.factor * x
    ...     def backward(self, dout):
    ...         return self.factor * dout
    >>> an.Sequential(Stretch(3.0)).save(path)
    >>> an.load(path, custom={"Stretch": Stretch}).predict([[1.0, 2.0]])
    array([[3., 6.]], dtype=float32)
    """
    types = {**known_types(), **require_custom(custom or {})}
    description, arrays = read_archive(path, FORMAT, FORMAT_VERSION, described_arrays)
    try:
        return rebuild(description, arrays, types)
    except (TypeError, ValueError, RecursionError) as error:  # from layers nested too deeply
        raise ValueError(f"{Path(path)}: {error}") from error


def described_arrays(
    description: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """Names of the arrays that the layers need; raises unless the file has them in these shapes."""
    require_fields(description)
    for name in description["shapes"]:
        require_tensor(name, description, shapes)
    require_plausible_sizes(description, shapes)
    return list(description["shapes"])


def require_fields(description: Mapping[str, Any]) -> None:
    """Raise unless every field of a description is present and has the right type."""
    for field, kind in FIELDS.items():
        if field not in description or not isinstance(description[field], kind):
            raise ValueError(f"{field} is {description.get(field)!r:.50}, wanted {names_of(kind)}")


def require_custom(custom: Mapping[str, type]) -> dict[str, type]:
    """The custom classes; raises if one has the name of an affinet class."""
    for name, part in custom.items():
        if not isinstance(part, type):
            raise TypeError(f"custom: {name!r} is {part!r}, wanted a class")
        if name in known_types():
            raise ValueError(
                f"custom: {name!r} is the name of one of affinet's classes, choose another"
            )
    return dict(custom)


def describe(net: Sequential) -> dict[str, Any]:
    """Everything except the arrays, as plain values."""
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "affinet": __version__,
        "dtype": net.dtype.name,
        "layers": [describe_part(layer) for layer in net.layers],
        "loss": None if net.loss is None else describe_part(net.loss),
        "input_scale": net.input_scale,
        "check_finite": net.check_finite,
        **({} if net.precision is None else {"precision": net.precision}),
        "shapes": {name: list(array.shape) for name, array in arrays_of(net).items()},
        "metadata": net.metadata,
    }


def describe_part(part: Any) -> dict[str, Any]:
    """A layer or a loss as its class name and its arguments."""
    kind, known = type(part), known_types()
    if known.get(kind.__name__) is not kind:
        if kind.__name__ in known:
            raise TypeError(
                f"cannot save {part!r}: its class has the name of one of affinet's, rename it"
            )
        # A config inherited from an affinet class need not match this class.
        owner = next((c for c in kind.__mro__ if "config" in vars(c)), None)
        if owner is None or owner in known.values() or owner in (Layer, Loss):
            raise TypeError(
                f"cannot save {part!r}: a custom layer or loss must define config(), which "
                "returns the arguments of its class"
            )
    arguments = part.config() if callable(getattr(part, "config", None)) else {}
    if not isinstance(arguments, Mapping) or "type" in arguments:
        raise TypeError(f"cannot save {part!r}: config() returned {arguments!r:.50}, wanted a dict")
    described = {"type": kind.__name__, **arguments}
    if hasattr(kind, "from_children"):
        described[CHILDREN] = [describe_part(child) for child in children_of(part)]
    return described


def rebuild(
    description: Mapping[str, Any], arrays: Mapping[str, Array], types: Mapping[str, type]
) -> Sequential:
    """The network that a description and its arrays define."""
    described_arrays(description, {name: array.shape for name, array in arrays.items()})
    layers = [
        build_layer(str(place), config, arrays, types, description["dtype"])
        for place, config in enumerate(description["layers"])
    ]
    loss = description["loss"]
    if loss is not None:
        loss = build_part("loss", part_type("loss", loss, types, Loss), loss)
    net = Sequential(
        *layers,
        loss=loss,
        input_scale=description["input_scale"],
        check_finite=description["check_finite"],
        precision=description.get("precision"),
    )
    if arrays_of(net).keys() != description["shapes"].keys():
        raise ValueError(
            f"parameters and buffers {list(description['shapes'])}, the layers want "
            f"{list(arrays_of(net))}"
        )
    net.metadata = description["metadata"]
    return net


def require_tensor(
    name: str, description: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise unless the array is present and has the described shape."""
    shape = description["shapes"][name]
    if not isinstance(shape, list):
        raise ValueError(f"shapes: {name} is {shape!r:.50}, wanted a list of numbers")
    if name not in shapes:
        raise ValueError(f"array {name} is missing")
    if shapes[name] != tuple(shape):
        raise ValueError(f"array {name} has shape {shapes[name]}, wanted {tuple(shape)}")


def require_plausible_sizes(
    description: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise if an integer argument of a layer may be a size that its arrays do not have.

    A layer allocates arrays of such sizes before they are compared with those in the file.
    """
    held: Counter[str] = Counter()
    for name, shape in shapes.items():
        held[name.rpartition(".")[0]] += math.prod(shape)
    for path, config in described_layers(description["layers"]):
        if not is_own(config.get("type")):
            continue  # a custom layer's numbers may mean anything
        arguments = {name: value for name, value in config.items() if name != CHILDREN}
        counted = getattr(known_types()[config["type"]], "count_parameters", None)
        if counted is not None:
            del arguments["type"]
            require_count(path, counted, arguments, held[path])
            continue
        size = max(whole_numbers(arguments), default=0)
        if size > max(held[path], HARMLESS_SIZE):
            raise ValueError(
                f"layer {path} has the number {size!r:.30}, but its arrays in the file hold "
                f"{held[path]} numbers"
            )


def require_count(
    path: str, counted: Callable[..., int], arguments: Mapping[str, Any], held: int
) -> None:
    """Raise unless a layer whose arguments are factors of its size has as many parameters."""
    try:
        wanted = counted(**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"layer {path}: {error}") from error
    if wanted != held:
        raise ValueError(
            f"layer {path} has {wanted} parameters by its description, but its arrays in the file "
            f"hold {held} numbers"
        )


def described_layers(layers: list[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every described layer with its path, parents before children."""
    stack = [(str(place), config) for place, config in enumerate(layers)]
    while stack:
        path, config = stack.pop()
        if not isinstance(config, dict):
            continue  # rejected when the layer is built
        yield path, config
        inside = config.get(CHILDREN)
        if isinstance(inside, list):
            stack.extend((f"{path}.{place}", child) for place, child in enumerate(inside))


def is_own(name: Any) -> bool:
    """True if this is the name of one of affinet's own layers or losses."""
    return isinstance(name, str) and name in known_types()


def whole_numbers(value: Any) -> Iterator[int]:
    """All integers in a JSON value, at any depth."""
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, dict | list):
            stack.extend(value.values() if isinstance(value, dict) else value)
        elif type(value) is int:
            yield value


def build_layer(
    path: str,
    config: Any,
    arrays: Mapping[str, Array],
    types: Mapping[str, type],
    dtype: str,
) -> Any:
    """One layer from its description and the arrays whose names begin with its path.

    Parameters that are constructor arguments, such as Affine's, are passed to the class. A layer
    built with ``from_children`` receives its children; any other layer creates its own.
    """
    part = part_type(f"layer {path}", config, types, Layer)
    if hasattr(part, "from_children"):
        layer = build_container(path, part, config, arrays, types, dtype)
    else:
        arguments = inspect.signature(part).parameters
        names = [name for name in parameter_names(part) if name in arguments]
        given = {name: stored(f"{path}.{name}", arrays, dtype) for name in names}
        layer = build_part(f"layer {path}", part, config, given)
        for inner, child in walk(children_of(layer), f"{path}."):
            fill(inner, child, arrays, dtype)
        fill(path, layer, arrays, dtype, done=tuple(given))
    return layer


def build_container(
    path: str,
    part: Any,
    config: Mapping[str, Any],
    arrays: Mapping[str, Array],
    types: Mapping[str, type],
    dtype: str,
) -> Any:
    """A layer built from the child layers in its description."""
    inside = config.get(CHILDREN)
    if not isinstance(inside, list):
        raise ValueError(f"layer {path}: {CHILDREN} is {inside!r:.50}, wanted a list")
    children = tuple(
        build_layer(f"{path}.{place}", child, arrays, types, dtype)
        for place, child in enumerate(inside)
    )
    rest = {name: value for name, value in config.items() if name != CHILDREN}
    layer = build_part(f"layer {path}", part.from_children, rest, {CHILDREN: children})
    fill(path, layer, arrays, dtype)
    return layer


def fill(
    path: str, layer: Any, arrays: Mapping[str, Array], dtype: str, done: tuple[str, ...] = ()
) -> None:
    """Set a layer's own parameters and buffers, except those in ``done``."""
    buffers = buffer_names(layer)
    for name in (*parameter_names(layer), *buffers):
        if name in done:
            continue
        value = stored(f"{path}.{name}", arrays, None if name in buffers else dtype)
        own = np.shape(getattr(layer, name, value))
        if value.shape != own:
            raise ValueError(f"array {path}.{name} has shape {value.shape}, wanted {own}")
        setattr(layer, name, value)


def stored(key: str, arrays: Mapping[str, Array], dtype: str | None) -> Array:
    """An array of the file; raises if ``dtype`` is given and differs."""
    if key not in arrays:
        raise ValueError(f"array {key} is missing")
    if dtype is not None and arrays[key].dtype.name != dtype:
        raise ValueError(f"array {key} has dtype {arrays[key].dtype}, wanted {dtype}")
    return arrays[key]


def build_part(
    place: str,
    part: Callable[..., Any],
    config: Mapping[str, Any],
    given: Mapping[str, Any] | None = None,
) -> Any:
    """A layer or loss from ``{"type": name, argument: value, ...}`` and the arguments ``given``."""
    arguments = {name: value for name, value in config.items() if name != "type"}
    try:
        return part(**arguments, **(given or {}))
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"{place}: {error}") from error


def part_type(place: str, config: Any, types: Mapping[str, type], kind: type) -> type:
    """The class that a description names; raises unless it is the required ``kind`` of part."""
    if not isinstance(config, dict) or "type" not in config:
        raise ValueError(f"{place} is {config!r:.50}, wanted a table with a type")
    name = config["type"]
    part = types.get(name) if isinstance(name, str) else None
    own = part is not None and part not in known_types().values()
    fits = part is not None and (has_methods(part) if own else issubclass(part, kind))
    if part is None or not fits or inspect.isabstract(part):
        raise ValueError(
            f"{place}: {kind.__name__.lower()} {name!r} is unknown to this affinet; pass a custom "
            "class by load(..., custom={name: class})"
        )
    return part


def names_of(kind: Any) -> str:
    """The types that a field may have, in words."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    words = {
        dict: "a table",
        list: "a list",
        str: "a text",
        float: "a number",
        bool: "a boolean",
    }
    return " or ".join(words.get(k, "null") for k in kinds)


@functools.cache
def known_types() -> Mapping[str, type]:
    """The public layers and losses, by class name."""
    modules = (affinet.layers, affinet.losses)
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Layer | Loss)
    }
