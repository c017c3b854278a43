"""The same values in the memory layouts and dtypes of users' arrays.

``in_form(name, a)`` gives an array equal to ``a`` in a form of `FORMS`.
"""

from __future__ import annotations

import numpy as np

SEED = 20


def contiguous(a):
    return np.array(a, order="C")


def fortran(a):
    return np.array(a, order="F")


def reversed_strides(a):
    """A view that runs backwards through its memory along every axis."""
    backwards = (slice(None, None, -1),) * a.ndim
    return np.array(a[backwards], order="C")[backwards]


def every_other(a):
    """A view with a gap, of NaN or of the largest integer, behind each element and each row."""
    spacious = np.full(tuple(2 * n for n in a.shape), rubbish(a.dtype), a.dtype)
    view = spacious[(slice(None, None, 2),) * a.ndim]
    view[...] = a
    return view


def column_of_larger(a):
    """A window in a larger array: rows lie apart, the numbers of a row side by side."""
    larger = np.full((*a.shape[:-1], a.shape[-1] + 3), rubbish(a.dtype), a.dtype)
    larger[..., 1:-2] = a
    return larger[..., 1:-2]


def big_endian(a):
    return a.astype(a.dtype.newbyteorder(">"))


def unaligned(a):
    """An array whose address is no multiple of its element's size, as in a file's buffer."""
    buffer = np.zeros(a.nbytes + 1, np.uint8)
    view = np.ndarray(a.shape, a.dtype, buffer.data, offset=1)
    view[...] = a
    return view


def read_only(a):
    locked = np.array(a)
    locked.flags.writeable = False
    return locked


FORMS = {
    form.__name__: form
    for form in (
        contiguous,
        fortran,
        reversed_strides,
        every_other,
        column_of_larger,
        big_endian,
        unaligned,
        read_only,
    )
}
WRITEABLE_FORMS = [name for name in FORMS if name != "read_only"]

# Every dtype that a layer takes, with the one it computes in.
COMPUTED_IN = {
    "float16": "float32",
    "float32": "float32",
    "float64": "float64",
    "uint8": "float32",
    "int8": "float32",
    "uint16": "float32",
    "int16": "float32",
    "int32": "float64",
    "uint32": "float64",
    "int64": "float64",
    "uint64": "float64",
    "bool": "float32",
}
REFUSED = {
    "complex": np.ones((2, 3), np.complex64),
    "object": np.ones((2, 3), object),
    "string": np.full((2, 3), "1.0"),
    "bytes": np.full((2, 3), b"1.0"),
    "date": np.zeros((2, 3), "datetime64[s]"),
    "duration": np.zeros((2, 3), "timedelta64[s]"),
    "records": np.zeros((2, 3), [("a", "f4")]),
}
if np.dtype(np.longdouble).itemsize > 8:
    REFUSED["longdouble"] = np.ones((2, 3), np.longdouble)


def in_form(name, a):
    """An array with the values of ``a`` in the named form of memory."""
    return FORMS[name](np.asarray(a))


def rubbish(dtype):
    """A value that shows in the result if it is read by mistake."""
    if dtype.kind == "f":
        return np.nan
    return True if dtype.kind == "b" else np.iinfo(dtype).max


def draw(dtype, shape, seed=SEED):
    """Numbers of any dtype: normal ones for floats, small ones for integers."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    low = 0 if dtype.kind in "ub" else -5
    return rng.integers(low, 2 if dtype.kind == "b" else 6, shape).astype(dtype)
