"""Named arrays that are views into one flat buffer.

With one buffer for all parameters and one for all gradients, an optimizer, gradient clipping or an
all-reduce handles a whole network in one call.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from affinet._dispatch import kernels
from affinet._validation import Array, number_array, real_number, require_shape

LARGE_PAGE = 1 << 21  # bytes
LINE = 64  # bytes of a cache line, and of the widest vector
_OWNERS: weakref.WeakValueDictionary[int, Parameters] = weakref.WeakValueDictionary()  # by id(flat)


def flat_zeros(size: int, dtype: DTypeLike) -> Array:
    """A flat array of zeros from a cache line on, in huge pages if it fills at least half of one.

    Unaligned, each vector of a parameter, its gradient and its averages is in two lines: with an
    unlucky offset Adam's step of 784-50-10 takes a tenth longer.
    Matrix products stride by whole rows, which with small pages touches a new page each time: a
    training step of 784-512-512-10 takes 3 % longer. NumPy requests huge pages only from 4 MiB on,
    and only for whole, aligned pages.
    """
    n_bytes = size * np.dtype(dtype).itemsize
    if n_bytes < LARGE_PAGE // 2:
        memory = np.zeros(n_bytes + LINE, np.uint8)
        start = -memory.ctypes.data % LINE
        return memory[start : start + n_bytes].view(dtype)
    pages = -(-n_bytes // LARGE_PAGE)
    memory = np.empty((pages + 1) * LARGE_PAGE, np.uint8)
    start = -memory.ctypes.data % LARGE_PAGE
    flat = memory[start : start + n_bytes].view(dtype)
    flat[...] = 0
    return flat


class Parameters(dict[str, Array]):
    """A dict of views into ``flat``, with fixed keys; assigning copies into the view.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Name and shape of each array, in buffer order.
    dtype : dtype
        Dtype of the buffer and all views.
    flat : array of shape (n,), optional
        The buffer to use, n the total number of elements; zeros by default.
    penalized : iterable of str, optional
        Names of the arrays that penalties and weight decay are meant for; by default those of two
        dimensions or more.

    Attributes
    ----------
    flat : array of shape (n,)
        All values, concatenated. Assigning copies into it, so
        ``target.params.flat = 0.5 * a.params.flat + 0.5 * b.params.flat`` averages two networks.
    penalized : frozenset of str

    Examples
    --------
    >>> p = Parameters({"W": (2, 2), "b": (2,)}, "float32")
    >>> p["b"] = [1, 2]
    >>> p.flat
    array([0., 0., 0., 0., 1., 2.], dtype=float32)
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        dtype: DTypeLike,
        flat: Array | None = None,
        penalized: Iterable[str] | None = None,
    ) -> None:
        size = sum(math.prod(shape) for shape in shapes.values())
        self._flat = flat_zeros(size, dtype) if flat is None else flat
        self._layout = tuple(shapes.items())  # equal layouts are compared at every update
        if penalized is None:
            penalized = (name for name, shape in shapes.items() if len(shape) > 1)
        self._penalized = frozenset(penalized)
        self._buffers: dict[str, tuple[Any, str]] = {}
        start = 0
        for name, shape in shapes.items():
            end = start + math.prod(shape)
            super().__setitem__(name, self._flat[start:end].reshape(shape))
            start = end
        _OWNERS[id(self.flat)] = self

    @property
    def flat(self) -> Array:
        """All values, concatenated."""
        return self._flat

    @flat.setter
    def flat(self, values: ArrayLike) -> None:
        if values is not self._flat:  # flat += step ends here, after it has changed in place
            array = number_array("flat", values)
            require_shape("flat", array, self._flat.shape)
            self._flat[...] = array

    @property
    def penalized(self) -> frozenset[str]:
        """Names of the arrays that penalties and weight decay are meant for."""
        return self._penalized

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in ("flat", "_flat", "_layout", "_penalized", "_buffers"):
            raise AttributeError(
                f"Parameters has no attribute {name!r} that can be set; "
                "for a parameter's values write params[name] = array"
            )
        super().__setattr__(name, value)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each array, in order."""
        return dict(self._layout)

    def like(self) -> Parameters:
        """Zeros with the same names, shapes and dtype, in a new buffer."""
        return Parameters(self.shapes, self.flat.dtype, penalized=self.penalized)

    def set_buffers(self, owners: Mapping[str, tuple[Any, str]]) -> None:
        """Name the arrays beside the parameters that :meth:`blend` moves too.

        ``owners``: for each name the object that holds the array, and its attribute. Objects are
        referred to weakly, so that parameters do not keep a network alive.
        """
        self._buffers = {name: (weakly(owner), at) for name, (owner, at) in owners.items()}

    @property
    def buffers(self) -> dict[str, Array]:
        """The arrays that training changes besides the parameters, such as running statistics."""
        found = {name: (owner(), at) for name, (owner, at) in self._buffers.items()}
        return {
            name: getattr(owner, at) for name, (owner, at) in found.items() if owner is not None
        }

    def blend(self, source: Parameters, tau: float) -> None:
        """Move the values towards those of ``source``: ``(1 - tau) own + tau source``, in place.

        Buffers of the layers, such as the running statistics of a :class:`BatchNorm`, move too;
        those of integers are copied unless tau is 0. This is the update of a target network:
        ``target.params.blend(net.params, 0.005)``. With a tau of 1 everything is copied exactly.

        Parameters
        ----------
        source : Parameters
            Of a network with the same arrays; it does not change.
        tau : float
            Weight of ``source``, 0 to 1.

        Raises
        ------
        TypeError
            If source is not Parameters, or an array has another dtype.
        ValueError
            If the names or shapes of arrays differ, or tau is outside 0..1. In all cases nothing
            has changed.

        Examples
        --------
        >>> import numpy as np, affinet as an
        >>> def constant(value):
        ...     return an.Sequential(an.Affine(np.full((1, 1), value), np.array([value])))
        >>> target, net = constant(0.0), constant(8.0)
        >>> target.params.blend(net.params, 0.25)
        >>> target.params.flat
        array([2., 2.])
        """
        if not isinstance(source, Parameters):
            raise TypeError(f"source is {type(source).__name__}, wanted the params of a network")
        tau = real_number("tau", tau, 0.0)
        if tau > 1:
            raise ValueError(f"tau is {tau!r}, wanted 0 <= tau <= 1")
        own, theirs = self.buffers, source.buffers
        require_same_arrays("source", dict(source), dict(self))
        require_same_arrays("source", theirs, own)
        blend_array(self._flat, source.flat, tau)
        for name, array in own.items():
            blend_array(array, theirs[name], tau)

    def gather(self, arrays: Mapping[str, ArrayLike]) -> Array:
        """Arrays with these names and shapes as one flat array in this buffer's order.

        For another :class:`Parameters` with the same layout this is its buffer, not a copy.
        """
        if isinstance(arrays, Parameters) and arrays._layout == self._layout:
            return arrays.flat
        missing = [name for name in self if name not in arrays]
        if missing:
            raise KeyError(f"no array for {', '.join(missing)}")
        gathered = self.like()
        for name in self:
            gathered[name] = arrays[name]
        return gathered.flat

    def __setitem__(self, name: str, value: ArrayLike) -> None:
        if name not in self:
            raise KeyError(f"{name!r} is not one of {', '.join(self)}")
        view = self[name]
        if value is view:  # params[name] -= step ends here, after the view has changed in place
            return
        array = number_array(name, value)
        require_shape(name, array, view.shape)
        view[...] = array

    def update(self, other: Any = (), /, **arrays: Any) -> None:
        """Copy arrays into the views with their names."""
        for name, value in dict(other, **arrays).items():
            self[name] = value

    def __ior__(self, other: Any) -> Parameters:  # type: ignore[override, misc]
        self.update(other)
        return self

    def _fixed(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise TypeError: the set of parameters is fixed."""
        raise TypeError("the names of a network's parameters are fixed")

    __delitem__ = pop = popitem = clear = setdefault = _fixed

    def __reduce__(self) -> tuple[Any, ...]:
        return restored, (self.shapes, self.flat.dtype, self.flat, self.penalized)


def weakly(owner: Any) -> Any:
    """A function that returns the object, or None once it is gone; a few cannot be referred to."""
    try:
        return weakref.ref(owner)
    except TypeError:
        return lambda: owner


def require_same_arrays(what: str, arrays: Mapping[str, Array], own: Mapping[str, Array]) -> None:
    """Raise unless arrays have the same names, shapes and dtypes."""
    for name in [*own, *arrays]:
        if name not in own or name not in arrays:
            lacks, has = ("the target", what) if name not in own else (what, "the target")
            raise ValueError(f"{has} has the array {name}, which {lacks} lacks")
        if arrays[name].shape != own[name].shape:
            raise ValueError(
                f"{what}: {name} has shape {arrays[name].shape}, wanted {own[name].shape}"
            )
        if arrays[name].dtype != own[name].dtype:
            raise TypeError(
                f"{what}: {name} has dtype {arrays[name].dtype}, wanted {own[name].dtype}"
            )


def blend_array(target: Array, source: Array, tau: float) -> None:
    """``target += tau (source - target)`` in place; other numbers than floats are copied."""
    compiled = target.dtype in (np.float32, np.float64) and target.dtype.isnative
    if target.dtype.kind != "f" or tau == 1:
        if tau > 0:
            target[...] = source
    elif compiled and target.flags.carray and source.flags.c_contiguous and source.flags.aligned:
        kernels.blend(source.reshape(-1), tau, target.reshape(-1))
    else:
        target += tau * (source - target)


def restored(
    shapes: Mapping[str, tuple[int, ...]],
    dtype: DTypeLike,
    flat: Array,
    penalized: Iterable[str] | None = None,
) -> Parameters:
    """Unpickled or copied Parameters, with their own buffer.

    joblib passes large arrays to its workers as memory maps, and can load them as such; bytes may
    be in another machine's order.
    """
    native = np.dtype(dtype).newbyteorder("=")
    own = in_memory(flat) if flat.dtype.isnative else flat.astype(native)
    return Parameters(shapes, native, own, penalized)


def in_memory(array: Array) -> Array:
    """``array`` itself, or a copy if it is a memory map or read-only."""
    return array if type(array) is np.ndarray and array.flags.writeable else np.array(array)


def owner_of(flat: Array) -> Parameters | None:
    """The live Parameters that own the buffer ``flat``."""
    owner = _OWNERS.get(id(flat))
    return owner if owner is not None and owner.flat is flat else None
