"""Replay buffers: the last rows of a stream, in arrays from which training gathers its batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from affinet._validation import Array, generator, number_array, whole_number
from affinet.samplers import Sampler

__all__ = ["ReplayBuffer"]


class ReplayBuffer(Mapping[str, Array]):
    """The last ``capacity`` rows of a stream, such as the transitions that an agent has seen.

    Every field is one array of all rows, allocated once; a new row replaces the oldest. Training
    gathers its rows from these arrays inside the compiled run, and nothing is copied:
    ``net.fit(buffer["state"], buffer["target"], sampler=buffer.sampler(n), ...)`` draws n of the
    rows that are held, ``sampler=buffer.rows(indices)`` takes given ones. Lin, "Self-improving
    reactive agents based on reinforcement learning, planning and teaching", Machine Learning 8,
    1992.

    Parameters
    ----------
    capacity : int
        Number of rows, 1 or more.
    fields : mapping of str to int or tuple of int, optional
        The shape of a row of each field: n stands for (n,), () for one number.
    dtype : dtype, or mapping of str to dtype
        The dtype of the fields, float32 by default; those that a mapping leaves out are float32.
    **more : int or tuple of int
        More fields.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> buffer = an.ReplayBuffer(3, state=2, reward=())
    >>> buffer.add(state=[1, 2], reward=0.5)
    array([0])
    >>> buffer.add(state=[[3, 4], [5, 6], [7, 8]], reward=[1, 2, 3])
    array([1, 2, 0])
    >>> len(buffer), buffer["reward"]
    (3, array([3., 1., 2.], dtype=float32))
    >>> buffer.sample(4, rng=0)
    array([2, 1, 1, 0])
    """

    def __init__(
        self,
        capacity: int,
        fields: Mapping[str, int | tuple[int, ...]] | None = None,
        *,
        dtype: DTypeLike | Mapping[str, DTypeLike] = np.float32,
        **more: int | tuple[int, ...],
    ) -> None:
        self._capacity = whole_number("capacity", capacity, 1)
        shapes = {**(fields or {}), **more}
        if not shapes:
            raise ValueError("fields is empty, wanted at least one, such as state=4")
        dtypes: dict[str, Any] = (
            dict(dtype) if isinstance(dtype, Mapping) else dict.fromkeys(shapes, dtype)
        )
        unknown = [name for name in dtypes if name not in shapes]
        if unknown:
            raise ValueError(f"dtype: {unknown[0]!r} is not one of {', '.join(shapes)}")
        self._arrays = {
            name: np.zeros((capacity, *row_shape(name, shape)), number_dtype(name, dtypes))
            for name, shape in shapes.items()
        }
        self._next = 0  # where the next row goes
        self._held = 0

    @property
    def capacity(self) -> int:
        """The greatest number of rows."""
        return self._capacity

    def __len__(self) -> int:
        """The number of rows that are held."""
        return self._held

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __getitem__(self, name: str) -> Array:
        """The array (capacity, ...) of a field, not a copy; rows are held from the first one on."""
        if name not in self._arrays:
            raise KeyError(f"{name!r} is not one of {', '.join(self._arrays)}")
        return self._arrays[name]

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={array.shape[1:]}" for name, array in self._arrays.items())
        return f"ReplayBuffer({self._capacity}, {fields}: {self._held} rows)"

    def add(self, **fields: ArrayLike) -> Array:
        """Write one row, or several, over the oldest.

        Parameters
        ----------
        **fields : array of a row's shape, or of shape (B, ...) for B rows
            A value for every field, all with the same number of rows; converted to its dtype.

        Returns
        -------
        int array of shape (B,)
            The places of the new rows in the arrays.

        Raises
        ------
        ValueError
            If a field is missing or unknown, a shape does not fit, the numbers of rows differ or
            exceed the capacity; nothing is written then.
        """
        rows = self._checked(fields)
        n = len(next(iter(rows.values())))
        places = (self._next + np.arange(n)) % self._capacity
        for name, values in rows.items():
            self._arrays[name][places] = values
        self._next = (self._next + n) % self._capacity
        self._held = min(self._held + n, self._capacity)
        return places

    def sample(self, n: int, rng: int | np.random.Generator | None = None) -> Array:
        """n independent draws of the rows that are held, as indices into the arrays.

        Parameters
        ----------
        n : int
        rng : int, numpy.random.Generator or None
            None draws fresh numbers.

        Raises
        ------
        ValueError
            If no row is held.
        """
        return self._drawn(whole_number("n", n, 1), generator(rng))

    def sampler(self, n: int) -> Sampler:
        """For ``fit(..., sampler=)``: n independent draws per epoch of the rows held now.

        Rows that are added while it trains belong to the next sampler.
        """
        self._require_rows()
        return HeldRows(whole_number("n", n, 1), self._held)

    def rows(self, indices: ArrayLike) -> Sampler:
        """For ``fit(..., sampler=)``: these rows in every epoch, in this order.

        Raises
        ------
        IndexError
            If an index is that of no row held.
        """
        found = number_array("indices", indices)
        if found.ndim != 1 or found.size == 0 or found.dtype.kind not in "iu":
            raise ValueError(
                f"indices has shape {found.shape} and dtype {found.dtype}, wanted (n,) integers"
            )
        bad = np.flatnonzero((found < 0) | (found >= self._held))
        if bad.size:
            raise IndexError(
                f"indices[{bad[0]}] is {found[bad[0]]}, wanted one of {self._held} rows held"
            )
        return GivenRows(found.astype(np.int64))

    def clear(self) -> None:
        """Forget all rows; the arrays stay as they are."""
        self._next = self._held = 0

    def _require_rows(self) -> None:
        if self._held == 0:
            raise ValueError("the replay buffer holds no rows yet: add some")

    def _drawn(self, n: int, rng: np.random.Generator) -> Array:
        self._require_rows()
        return rng.integers(self._held, size=n)

    def _checked(self, fields: Mapping[str, ArrayLike]) -> dict[str, Array]:
        """The fields as rows in their dtypes; nothing is written before all are valid."""
        for name in [*self._arrays, *fields]:
            if name not in fields or name not in self._arrays:
                what = "missing" if name not in fields else "unknown"
                raise ValueError(f"the field {name!r} is {what}, wanted {', '.join(self._arrays)}")
        rows, lengths = {}, {}
        for name, own in self._arrays.items():
            values, shape = number_array(name, fields[name]), own.shape[1:]
            one = values.shape == shape
            if not one and (values.ndim == 0 or values.shape[1:] != shape):
                raise ValueError(
                    f"{name} has shape {values.shape}, wanted {shape}, or several rows of it"
                )
            rows[name] = held_exactly(name, values[np.newaxis] if one else values, own.dtype)
            lengths[name] = len(rows[name])
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the numbers of rows differ: {lengths}")
        n = next(iter(lengths.values()))
        if n > self._capacity:
            raise ValueError(f"{n} rows came, wanted at most the capacity, {self._capacity}")
        return rows


class HeldRows(Sampler):
    """Independent draws of the first ``held`` rows; see :meth:`ReplayBuffer.sampler`."""

    def __init__(self, n: int, held: int) -> None:
        self.n, self.held = n, held

    def __call__(self, epoch: int, n_rows: int, rng: np.random.Generator) -> Array:
        """n draws."""
        return rng.integers(self.held, size=self.n)

    def config(self) -> dict[str, Any]:
        """The number of draws and of rows."""
        return {"n": self.n, "held": self.held}


class GivenRows(Sampler):
    """The same rows in every epoch; see :meth:`ReplayBuffer.rows`."""

    def __init__(self, indices: Array) -> None:
        self.indices = indices

    def __call__(self, epoch: int, n_rows: int, rng: np.random.Generator) -> Array:
        """The rows."""
        return self.indices

    def config(self) -> dict[str, Any]:
        """The rows."""
        return {"indices": self.indices}


def row_shape(name: str, shape: int | tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a row of a field."""
    sizes = shape if isinstance(shape, tuple | list) else (shape,)
    return tuple(whole_number(name, size, 1) for size in sizes)


def held_exactly(name: str, values: Array, dtype: np.dtype[Any]) -> Array:
    """The values in a field's dtype; ValueError if it is one of integers and cannot hold them."""
    with np.errstate(invalid="ignore", over="ignore"):
        converted = values.astype(dtype)
    if dtype.kind != "f" and not np.array_equal(converted, values):
        raise ValueError(f"{name} has values that its dtype {dtype} cannot hold")
    return converted


def number_dtype(name: str, dtypes: Mapping[str, DTypeLike]) -> np.dtype[Any]:
    """The dtype of a field; TypeError unless it is one of real numbers."""
    dtype = np.dtype(dtypes.get(name, np.float32))
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise TypeError(f"dtype of {name} is {dtype}, wanted one of real numbers")
    return dtype
