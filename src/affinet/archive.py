"""Files of named arrays and a description, as ``.npz`` or ``.safetensors``, without pickle.

The suffix selects the format. The description is JSON text: a separate entry in a ``.npz`` file,
a metadata string with the same name in a ``.safetensors`` file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from affinet._npy import Npz
from affinet._validation import Array
from affinet.atomic import write_atomically as write_atomically  # re-exported

DESCRIPTION = "description"  # the entry that holds the JSON text
READERS = {  # of the formats
    "affinet model": "affinet.load",
    "affinet ensemble": "affinet.Ensemble.load",
    "affinet checkpoint": "fit(..., resume=path)",
}
SUFFIXES = (".npz", ".safetensors")
# Entries may be compressed, though not by affinet. Trained parameters compress poorly; only zeros
# exceed this ratio, and below this number of bytes even they are harmless.
PLAUSIBLE_RATIO, PLAUSIBLE_BYTES = 100, 1 << 26


def archive_path(path: str | os.PathLike[str]) -> Path:
    """The path of a file; raises unless its suffix is a format that can be written here."""
    target = Path(path)
    if target.suffix not in SUFFIXES:
        wanted = " or ".join(SUFFIXES)
        other = "; affinet.onnx.export writes ONNX" if target.suffix == ".onnx" else ""
        raise ValueError(f"path is {str(target)!r}, wanted a name that ends in {wanted}{other}")
    if target.suffix == ".safetensors":
        import_safetensors()
    return target


def write_archive(
    target: Path, description: Mapping[str, Any], arrays: Mapping[str, Array]
) -> None:
    """Write a file atomically: if anything fails, an existing file stays unchanged."""
    text = json.dumps(description)
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"array {name} has dtype {array.dtype}, wanted numbers or text")

    def write(file: IO[bytes]) -> None:
        if target.suffix == ".npz":
            entries: dict[str, Any] = {DESCRIPTION: np.array(text), **arrays}
            np.savez(file, **entries)
        else:
            ready = {
                name: np.ascontiguousarray(array, array.dtype.newbyteorder("="))
                for name, array in arrays.items()
            }
            file.write(import_safetensors().numpy.save(ready, {DESCRIPTION: text}))

    write_atomically(target, write)


# Chooses the arrays to read from the description and the shapes of all arrays in the file. Raises
# ValueError for a mismatch before any array is read.
Choice = Callable[[dict[str, Any], Mapping[str, tuple[int, ...]]], Iterable[str]]


def read_archive(
    path: str | os.PathLike[str], kind: str, version: int, choose: Choice | None = None
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Description and arrays of a file, checked for corruption but not for content.

    Memory is allocated only for the description and the chosen arrays, and only after their sizes
    were checked against the file.

    Parameters
    ----------
    path : path
    kind : str
        The required format in the description, such as ``"affinet model"``.
    version : int
        The newest readable version of that format; 1 is the oldest.
    choose : callable, optional
        ``choose(description, shapes) -> names`` of the arrays to read; by default all of them.

    Raises
    ------
    ValueError
        If the file has another format or is damaged; the message names it.
    MemoryError
        If memory does not suffice: the file may be all right.
    """
    source = Path(path)
    with opened(source, kind) as (description, content):
        try:
            require_format(description, kind, version)
            names = content.shapes if choose is None else choose(description, content.shapes)
            arrays = content.read(names)
        except MemoryError:
            raise
        except Exception as error:
            raise ValueError(f"{source}: {error}") from error
    return description, arrays


@contextmanager
def opened(source: Path, kind: str) -> Iterator[tuple[Any, NpzArchive | Safetensors]]:
    """A file's description and content; ValueError if it is damaged."""
    opener = Safetensors if source.suffix == ".safetensors" else NpzArchive
    with source.open("rb") as file:
        content: NpzArchive | Safetensors
        try:
            content = opener(file)
            description = json.loads(content.text)
        except (ImportError, MemoryError):
            raise
        # Damaged bytes may raise almost anything, such as JSON's RecursionError or library errors.
        except Exception as error:
            raise ValueError(f"{source}: not an {kind}, or damaged: {error}") from error
        yield description, content


def format_of(path: str | os.PathLike[str], kind: str) -> str | None:
    """The format that a file's description names; ``kind`` stands in the message of a damaged one.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    with opened(Path(path), kind) as (description, _):
        found = description.get("format") if isinstance(description, dict) else None
    return found if isinstance(found, str) else None


def require_format(description: Any, kind: str, version: int) -> None:
    """Raise unless the description has a readable format and version."""
    if not isinstance(description, dict):
        raise ValueError(f"{DESCRIPTION} is not a table")
    given = description.get("format")
    if given != kind:
        reader = READERS.get(given) if isinstance(given, str) else None
        way = f"; {reader} reads it" if reader else ""
        raise ValueError(f"not an {kind} (format {given!r:.50}){way}")
    found = description.get("version")
    if type(found) is not int or not 1 <= found <= version:
        raise ValueError(f"version {found!r:.50} of the format, this affinet reads 1..{version}")


class NpzArchive:
    """An open ``.npz``: the description's text, the arrays' shapes, and the arrays on demand."""

    def __init__(self, file: IO[bytes]) -> None:
        self._content = Npz(file, os.fstat(file.fileno()).st_size)
        headers = {name: self._content.header(name) for name in self._content.names}
        text = headers.get(DESCRIPTION)
        if text is None:
            raise ValueError(f"it has no entry {DESCRIPTION!r}")
        if text.dtype.kind != "U" or text.shape != ():
            raise ValueError(f"its entry {DESCRIPTION!r} is not a single string")
        self._require_plausible([DESCRIPTION])
        self.text = str(self._content.read(DESCRIPTION)[()])
        self.shapes = {name: h.shape for name, h in headers.items() if name != DESCRIPTION}

    def read(self, names: Iterable[str]) -> dict[str, Array]:
        """The arrays of these names."""
        wanted = list(names)
        self._require_plausible(wanted)
        return {name: self._content.read(name) for name in wanted}

    def _require_plausible(self, names: list[str]) -> None:
        """Reject entries that decompress to far more than trained parameters could."""
        total = sum(map(self._content.unpacked, names))
        if total > max(PLAUSIBLE_BYTES, PLAUSIBLE_RATIO * self._content.stored):
            raise ValueError(f"its {self._content.stored} bytes unpack to {total}")


class Safetensors:
    """The same for a ``.safetensors`` file; its library checks sizes when opening it."""

    def __init__(self, file: IO[bytes]) -> None:
        library = import_safetensors()
        self._content = library.safe_open(file.name, framework="numpy")
        metadata = self._content.metadata() or {}
        if DESCRIPTION not in metadata:
            raise ValueError(f"its metadata has no {DESCRIPTION!r}")
        self.text: str = metadata[DESCRIPTION]
        self.shapes = {
            name: tuple(self._content.get_slice(name).get_shape())
            for name in self._content.keys()  # noqa: SIM118
        }

    def read(self, names: Iterable[str]) -> dict[str, Array]:
        """The arrays of these names."""
        return {name: np.array(self._content.get_tensor(name)) for name in names}


def import_safetensors() -> Any:
    """The safetensors library; the ImportError says how to install it."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            'files that end in .safetensors need the package: pip install "affinet[safetensors]"'
        ) from error
    return safetensors


# Nested values that contain arrays ---------------------------------------------------------------

ARRAY = "__array__"  # {"__array__": name} in the description refers to an array in the file


def pack(value: Any, place: str, arrays: dict[str, Array]) -> Any:
    """``value`` in JSON form; its arrays go into ``arrays``, named by their path.

    The names are unique and safe as archive member names, whatever the keys are.

    Examples
    --------
    >>> arrays = {}
    >>> pack({"best": np.zeros(2), "wait": np.int64(3)}, "callback", arrays)
    {'best': {'__array__': 'callback/best'}, 'wait': 3}
    >>> arrays
    {'callback/best': array([0., 0.])}
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "buif":
        name = free_name(place, arrays)
        arrays[name] = value
        return {ARRAY: name}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping) and ARRAY in value:
        raise TypeError(f"{place} has the key {ARRAY!r}, which marks arrays in the file")
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {name: pack(inner, f"{place}/{name}", arrays) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [pack(inner, f"{place}/{i}", arrays) for i, inner in enumerate(value)]
    raise TypeError(
        f"{place} is {value!r:.50}, wanted numbers, texts, arrays, and lists and dicts of them"
    )


def free_name(place: str, arrays: Mapping[str, Array]) -> str:
    """A unique name for the array at ``place``."""
    parts = [re.sub(r"[^\w .+-]", "_", part) for part in place.split("/")]
    name = "/".join("_" if part in ("", ".", "..") else part for part in parts)
    while name in arrays:
        name += "_"
    return name


def array_names(value: Any) -> Iterator[str]:
    """The names of all arrays in a packed value."""
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, dict) and value.keys() == {ARRAY} and isinstance(value[ARRAY], str):
            yield value[ARRAY]
        elif isinstance(value, list | dict):
            stack.extend(value.values() if isinstance(value, dict) else value)


def unpack(value: Any, arrays: Mapping[str, Array]) -> Any:
    """The value that :func:`pack` packed; tuples become lists."""
    if isinstance(value, list):
        return [unpack(inner, arrays) for inner in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {ARRAY} and isinstance(value[ARRAY], str):
        if value[ARRAY] not in arrays:
            raise ValueError(f"array {value[ARRAY]} is missing")
        return arrays[value[ARRAY]]
    return {name: unpack(inner, arrays) for name, inner in value.items()}
