"""Files of named arrays and a description: NumPy's ``.npz`` or ``.safetensors``, without pickle.

The suffix decides which. In either the description is JSON text: an entry of its own in a
``.npz``, and a text of that name in the metadata of a ``.safetensors`` file.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from affinet._validation import Array

DESCRIPTION = "description"  # the entry that holds the JSON text
SUFFIXES = (".npz", ".safetensors")


def archive_path(path: str | os.PathLike[str]) -> Path:
    """The path of a file, refused unless its suffix tells a format that can be written here."""
    target = Path(path)
    if target.suffix not in SUFFIXES:
        wanted = " or ".join(SUFFIXES)
        raise ValueError(f"path is {str(target)!r}, wanted a name that ends in {wanted}")
    if target.suffix == ".safetensors":
        import_safetensors()
    return target


def write_archive(
    target: Path, description: Mapping[str, Any], arrays: Mapping[str, Array]
) -> None:
    """Write a whole file or, where anything fails, none: an old one then stays as it was."""
    text = json.dumps(description)

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


def read_archive(
    path: str | os.PathLike[str], kind: str, version: int
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Description and arrays of a file, checked for damage but not for meaning.

    Parameters
    ----------
    path : path
    kind : str
        What the description's format must be, such as ``"affinet model"``.
    version : int
        The newest version of that format that can be read; 1 is the oldest.
    """
    source = Path(path)
    reader = read_safetensors if source.suffix == ".safetensors" else read_npz
    with source.open("rb") as file:
        try:
            text, arrays = reader(file)
            description = json.loads(text)
        except ImportError:
            raise
        # Bytes that are wrong in any place raise almost anything: zlib's, struct's and codecs'
        # errors, RecursionError, MemoryError for a size that was made up.
        except Exception as error:
            raise ValueError(f"{source}: not an {kind}, or damaged: {error}") from error
    if not isinstance(description, dict):
        raise ValueError(f"{source}: {DESCRIPTION} is no table")
    if description.get("format") != kind:
        raise ValueError(f"{source}: not an {kind} (format {description.get('format')!r:.50})")
    found = description.get("version")
    if not isinstance(found, int) or not 1 <= found <= version:
        raise ValueError(
            f"{source}: version {found!r} of the format, this affinet reads 1..{version}"
        )
    return description, arrays


def read_npz(file: IO[bytes]) -> tuple[str, dict[str, Array]]:
    """The description's text and the arrays of a ``.npz``."""
    with zipfile.ZipFile(file) as archive:
        arrays = {
            name.removesuffix(".npy"): read_array(archive, name) for name in archive.namelist()
        }
    if DESCRIPTION not in arrays:
        raise ValueError(f"it has no entry {DESCRIPTION!r}")
    return str(arrays.pop(DESCRIPTION)[()]), arrays


def read_array(archive: zipfile.ZipFile, name: str) -> Array:
    """One array of the archive; pickled objects are refused."""
    with archive.open(name) as entry:
        array: Array = np.lib.format.read_array(entry, allow_pickle=False)
    return array


def read_safetensors(file: IO[bytes]) -> tuple[str, dict[str, Array]]:
    """The description's text and the arrays of a ``.safetensors`` file."""
    library = import_safetensors()
    with library.safe_open(file.name, framework="numpy") as content:
        metadata = content.metadata() or {}
        if DESCRIPTION not in metadata:
            raise ValueError(f"its metadata have no {DESCRIPTION!r}")
        arrays = {name: np.array(content.get_tensor(name)) for name in content.keys()}  # noqa: SIM118
    return metadata[DESCRIPTION], arrays


def import_safetensors() -> Any:
    """The library; ImportError says how to get it."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            'files that end in .safetensors want the package: pip install "affinet[safetensors]"'
        ) from error
    return safetensors


def write_atomically(target: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Let ``write`` fill a temporary file, sync it, rename it to ``target``, sync the folder.

    Whoever looks, after a crash too, finds either the old file or the new one. The file gets the
    permissions that a plain ``open`` would have given it.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        error.filename = str(target)  # the name that the caller knows
        raise
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~current_umask())
        os.replace(name, target)
    except BaseException:
        with suppress(FileNotFoundError):  # it was renamed in this very moment
            os.unlink(name)
        raise
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Flush a rename in this folder to the disk, where the system has a call for it."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems do not sync folders
            raise
    finally:
        os.close(descriptor)


def current_umask() -> int:
    """The process's file-mode mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


# Nested values with arrays among them ------------------------------------------------------------

ARRAY = "__array__"  # {"__array__": name} stands in the description for an array of the file


def pack(value: Any, place: str, arrays: dict[str, Array]) -> Any:
    """``value`` as JSON holds it; arrays in it go into ``arrays``, under the name of their place.

    Examples
    --------
    >>> arrays = {}
    >>> pack({"best": np.zeros(2), "wait": np.int64(3)}, "callback", arrays)
    {'best': {'__array__': 'callback/best'}, 'wait': 3}
    >>> arrays
    {'callback/best': array([0., 0.])}
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "buif":
        arrays[place] = value
        return {ARRAY: place}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {name: pack(inner, f"{place}/{name}", arrays) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [pack(inner, f"{place}/{i}", arrays) for i, inner in enumerate(value)]
    raise TypeError(
        f"{place} is {value!r:.50}, wanted numbers, texts, arrays, and lists and dicts of them"
    )


def unpack(value: Any, arrays: Mapping[str, Array]) -> Any:
    """What :func:`pack` was given; tuples have become lists."""
    if isinstance(value, list):
        return [unpack(inner, arrays) for inner in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {ARRAY} and isinstance(value[ARRAY], str):
        if value[ARRAY] not in arrays:
            raise ValueError(f"array {value[ARRAY]} is missing")
        return arrays[value[ARRAY]]
    return {name: unpack(inner, arrays) for name, inner in value.items()}
