"""Rows in many files: a folder of ``.npy`` arrays read as one array, a few rows at a time."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from affinet._npy import read_header, require_bytes

Array = NDArray[Any]


class Shards:
    """The concatenated rows of several arrays; only requested rows are read.

    ``fit``, ``evaluate`` and ``predict`` accept it directly and never hold more than a batch or a
    block of it; ``np.asarray`` reads all of it.

    Parameters
    ----------
    parts : list of arrays
        Memory maps or arrays of at least one dimension, all with the same dtype and row shape.

    Attributes
    ----------
    shape : tuple of int
        (N, ...), where N counts the rows of all parts.
    dtype : numpy.dtype

    Raises
    ------
    ValueError
        If there are no parts, or one has another dtype or row shape; the message gives its index.

    Examples
    --------
    >>> rows = Shards([np.arange(3), np.arange(10, 12)])
    >>> rows.shape, rows[[4, 0]], rows[1:4]
    ((5,), array([11,  0]), array([ 1,  2, 10]))
    """

    in_files = True  # tells fit that this is not an array

    def __init__(self, parts: list[Array]) -> None:
        if not parts:
            raise ValueError("parts is empty, wanted at least one array")
        first = parts[0]
        for place, part in enumerate(parts):
            if part.ndim == 0 or part.shape[1:] != first.shape[1:] or part.dtype != first.dtype:
                raise ValueError(
                    f"parts[{place}] has shape {part.shape} and dtype {part.dtype}, wanted rows "
                    f"of shape {first.shape[1:]} and dtype {first.dtype} as in parts[0]"
                )
        self._parts = parts
        self._starts = np.cumsum([0, *map(len, parts)])
        self._rows: Array | None = None  # the selected rows of all parts; None for all
        self.dtype = first.dtype
        self.shape: tuple[int, ...] = (int(self._starts[-1]), *first.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of dimensions, including the row dimension."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Array:
        """Rows as a new array: ``rows`` is an index, a slice or an array of indices."""
        if isinstance(rows, slice):
            return self._read(np.arange(*rows.indices(len(self))))
        index = np.asarray(rows)
        if index.dtype == bool:
            index = np.flatnonzero(index)
        if index.size == 0:
            index = index.astype(np.intp)
        wrong = (index < -len(self)) | (index >= len(self))
        if wrong.any():
            raise IndexError(f"row {index[wrong].flat[0]}, wanted one of {len(self)} rows")
        found = self._read(index.reshape(-1) % len(self))
        return found.reshape((*index.shape, *self.shape[1:]))

    def select(self, rows: Array) -> Shards:
        """Some of the rows as another ``Shards``, without reading any.

        Parameters
        ----------
        rows : int array of shape (M,)
            Indices 0 .. N - 1, in the desired order.

        Returns
        -------
        Shards
        """
        chosen = Shards(self._parts)
        chosen._rows = rows if self._rows is None else self._rows[rows]
        chosen.shape = (len(rows), *self.shape[1:])
        return chosen

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("rows in files can only be copied into memory")
        return self[:].astype(dtype or self.dtype, copy=False)

    def __repr__(self) -> str:
        return f"Shards({len(self._parts)} parts, shape {self.shape}, {self.dtype})"

    def _read(self, rows: Array) -> Array:
        """Rows 0 .. N - 1, read part by part in the order in which they are stored."""
        if self._rows is not None:
            rows = self._rows[rows]
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        order = np.argsort(rows, kind="stable")
        cuts = np.searchsorted(rows[order], self._starts)
        for part, start, low, high in zip(
            self._parts, self._starts, cuts[:-1], cuts[1:], strict=False
        ):
            if low < high:
                places = order[low:high]
                out[places] = part[rows[places] - start]
        return out


def open_shards(folder: str | os.PathLike[str]) -> tuple[Shards, Shards]:
    """Inputs and targets from a folder of ``.npy`` files that come in pairs.

    A pair is ``x<name>.npy`` and ``t<name>.npy``, such as ``x_0.npy`` and ``t_0.npy``, with the
    same number of rows. Pairs are sorted by name, with numbers in names compared by value:
    ``x_2.npy`` comes before ``x_10.npy``. The files are mapped into memory and stay open: rows are
    read when they are requested, and no file may change in the meantime. Other files are ignored.

    Parameters
    ----------
    folder : path

    Returns
    -------
    x, t : Shards
        For ``fit`` and ``evaluate``.

    Raises
    ------
    FileNotFoundError
        If there is no pair, or one half of a pair is missing.
    ValueError
        If the files do not match each other, or one is damaged or not numeric; the message names
        the file.

    Examples
    --------
    >>> import affinet as an, numpy as np, pathlib, tempfile
    >>> folder, rng = pathlib.Path(tempfile.mkdtemp()), np.random.default_rng(0)
    >>> for name in ("_0.npy", "_1.npy"):
    ...     np.save(folder / f"x{name}", rng.standard_normal((50, 3)))
    ...     np.save(folder / f"t{name}", rng.integers(0, 2, 50))
    >>> x, t = an.datasets.open_shards(folder)
    >>> x.shape, t.shape
    ((100, 3), (100,))
    >>> net = an.Sequential(an.Affine.init(3, 2, rng=0), loss=an.SoftmaxWithLoss())
    >>> net.fit(x, t, epochs=2).steps
    8
    """
    root = Path(folder)
    names = {kind: {path.name[1:] for path in root.glob(f"{kind}*.npy")} for kind in "xt"}
    if not names["x"] and not names["t"]:
        raise FileNotFoundError(f"{root}: no files x*.npy with their t*.npy")
    for kind, other in ("xt", "tx"):
        alone = sorted(names[kind] - names[other])
        if alone:
            raise FileNotFoundError(
                f"{root}: there is {kind}{alone[0]}, but no {other}{alone[0]} beside it"
            )
    parts: dict[str, list[Array]] = {"x": [], "t": []}
    for name in sorted(names["x"], key=by_numbers):
        for kind, found in parts.items():
            found.append(open_part(root / f"{kind}{name}", found[0] if found else None))
        n_rows = len(parts["x"][-1])
        if len(parts["t"][-1]) != n_rows:
            raise ValueError(
                f"{root / f't{name}'} holds {len(parts['t'][-1])} rows, wanted {n_rows} as in "
                f"x{name}"
            )
    return Shards(parts["x"]), Shards(parts["t"])


def by_numbers(name: str) -> tuple[list[str | int], str]:
    """A key that sorts names as text, but numbers in them by value; "01" comes before "1".

    Examples
    --------
    >>> sorted(["_10.npy", "_9.npy", "_010.npy"], key=by_numbers)
    ['_9.npy', '_010.npy', '_10.npy']
    """
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def open_part(path: Path, first: Array | None) -> Array:
    """One file as a memory map; its row shape and dtype must match the first file of its kind."""
    part = mapped(path)
    if part.ndim == 0 or part.dtype.kind not in "buif" or part.dtype.itemsize > 8:
        raise ValueError(
            f"{path} has shape {part.shape} and dtype {part.dtype}, wanted rows of real numbers"
        )
    if first is not None and (part.shape[1:] != first.shape[1:] or part.dtype != first.dtype):
        raise ValueError(
            f"{path} has rows of shape {part.shape[1:]} and dtype {part.dtype}, wanted "
            f"{first.shape[1:]} and {first.dtype} as in the first of them"
        )
    return part


def mapped(path: Path) -> Array:
    """The array in a ``.npy`` file as a read-only memory map."""
    with open(path, "rb") as file:
        try:
            header = read_header(file)
            require_bytes(header, os.fstat(file.fileno()).st_size)
            order: Literal["C", "F"] = "F" if header.fortran else "C"
            if header.n_bytes == 0:  # an empty range cannot be mapped
                return np.empty(header.shape, header.dtype, order)
            memory = np.memmap(file, header.dtype, "r", header.offset, header.shape, order)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{path}: {error}") from error
    return np.asarray(memory)  # a plain array view: indexing a memmap is slower
