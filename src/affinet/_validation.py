"""Checks and conversions of the public functions' arguments.

An error message names the argument, the value received and the value expected.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[Any]
SCANNED_ROWS = 4096  # checked at a time in a file, which is never read whole
# NumPy has a single object for each of these, so a fast ``is`` recognizes nearly every such array:
# in a small network's layer-by-layer step, dtype checks took as long as the arithmetic.
FLOAT32: np.dtype[Any] = np.dtype(np.float32)
FLOAT64: np.dtype[Any] = np.dtype(np.float64)
NUMBERS = (int, float, np.bool_, np.integer, np.floating)
PLAIN = (*NUMBERS, complex, str, bytes, type(None))  # list elements with no hidden meaning


def in_files(value: Any) -> bool:
    """True for rows that are read from files on demand, such as ``datasets.Shards``.

    They have the interface of an array of shape (N, ...) and an attribute ``in_files = True``, but
    are not arrays; indexing them returns one.
    """
    return getattr(value, "in_files", False) is True


def rows_array(name: str, value: Any) -> Array:
    """``value`` converted by :func:`number_array`, or rows in files unchanged.

    Rows in files are not an array, but have everything that is used of an array here.
    """
    rows: Any = value
    return rows if in_files(value) else number_array(name, value)


def blocks(array: Any, start: int, stop: int) -> Iterator[tuple[int, Array]]:
    """Rows start .. stop - 1 with the index of the first; rows in files come block by block."""
    step = SCANNED_ROWS if in_files(array) else max(1, stop - start)
    for first in range(start, stop, step):
        yield first, array[first : min(first + step, stop)]


def number_array(name: str, value: ArrayLike) -> Array:
    """``value`` as an array of real numbers (bool, integer or float up to 64 bits), without a copy.

    Raises
    ------
    TypeError
        For complex, object, text, date, structured, sparse and extended-precision arrays, for
        categories and for numbers with a unit; the message contains ``name``.
    ValueError
        For nested sequences of unequal lengths and for masked or missing elements.
    """
    if type(value) is np.ndarray:
        if value.dtype is FLOAT32 or value.dtype is FLOAT64:
            return value
        array: Array = value
    else:
        array = array_of(name, value)
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:
        raise TypeError(
            f"{name} has dtype {array.dtype}, wanted real numbers of at most 64 bits"
            f"{advice_on(name, array)}"
        )
    return array


def array_of(name: str, value: Any) -> Array:
    """``value`` as an array of any dtype; raises where NumPy would drop part of its meaning."""
    require_plain(name, value)
    if hasattr(value, "toarray"):
        raise TypeError(
            f"{name} is a sparse {type(value).__name__}, wanted a dense array: pass "
            f"{name}.toarray(), or use affinet.estimators, which take sparse matrices"
        )
    try:
        return np.asarray(value, dtype_without_boxes(value))
    except ValueError as error:
        raise ValueError(f"{name} is not a rectangular array of numbers: {error}") from None
    except (TypeError, RuntimeError) as error:
        raise TypeError(f"{name} cannot be converted to an array: {error}") from None


def require_plain(name: str, value: Any, categories: bool = False) -> None:
    """Raise if NumPy would drop part of what ``value`` means.

    This covers masks, missing values, units and, unless ``categories`` allows them, categories:
    ``np.asarray`` silently keeps only their numbers.

    Raises
    ------
    TypeError
        For categories and units.
    ValueError
        For masked and missing elements; the message says where.
    """
    if type(value) is np.ndarray:
        return
    if isinstance(value, list | tuple):
        require_plain_elements(name, value, categories)
        return
    require_no_unit(name, value)
    if isinstance(value, np.ndarray):
        require_unmasked(name, value)
    elif hasattr(value, "dtypes") and hasattr(value, "columns"):
        for column, dtype in zip(value.columns, value.dtypes, strict=True):
            if not categories and is_categorical(dtype):
                raise TypeError(categories_refused(f"{name}: column {column!r}"))
        require_none_missing(name, value, value.dtypes)
    elif hasattr(value, "dtype"):
        if not categories and is_categorical(value.dtype):
            raise TypeError(categories_refused(name))
        require_none_missing(name, value, [value.dtype])


def require_plain_elements(name: str, values: Any, categories: bool) -> None:
    """The same for the elements of a list; only the types of its numbers are checked."""
    kinds = set(map(type, values))
    if all(issubclass(kind, PLAIN) for kind in kinds):
        return
    for place, element in enumerate(values):
        if not isinstance(element, PLAIN):
            require_plain(f"{name}[{place}]", element, categories)


def require_no_unit(name: str, value: Any) -> None:
    """Raise TypeError for numbers with a physical unit, such as quantities of pint or astropy."""
    attribute = next((a for a in ("units", "unit") if hasattr(type(value), a)), None)
    if attribute is None or getattr(getattr(value, "dtype", None), "kind", "f") in "mM":
        return  # dates have units too, but are rejected as dates
    raise TypeError(
        f"{name} has the unit {getattr(value, attribute)}, which an array of numbers cannot keep: "
        "convert it to the unit you want and pass the numbers alone (.magnitude or .value)"
    )


def require_unmasked(name: str, array: Array) -> None:
    """Raise ValueError if an array with a mask, such as NumPy's, has a masked element."""
    mask = np.asarray(getattr(array, "mask", False))
    if mask.dtype == bool and mask.any():
        place = [int(i) for i in np.argwhere(np.broadcast_to(mask, array.shape))[0]]
        raise ValueError(
            f"{name} has {int(mask.sum())} masked elements, the first at {place}: fill them with "
            "filled(...) or leave their rows out"
        )


def require_none_missing(name: str, value: Any, dtypes: Any) -> None:
    """Raise ValueError if a column with a separate missing-value mask has a missing value."""
    if all(isinstance(dtype, np.dtype) for dtype in dtypes) or not hasattr(value, "isna"):
        return
    missing = np.asarray(value.isna())
    if missing.any():
        first = [int(i) for i in np.argwhere(missing)[0]]
        shown = f"[{first[0]}]"
        if len(first) == 2:
            shown = f" in column {value.columns[first[1]]!r}, row {first[0]}"
        raise ValueError(
            f"{name}{shown} is missing: fill missing values with fillna(...) or leave their rows "
            "out with dropna()"
        )


def is_categorical(dtype: Any) -> bool:
    """True for pandas' dtype of categories, without importing pandas."""
    return type(dtype).__name__ == "CategoricalDtype"


def categories_refused(where: str) -> str:
    """The error message for categories."""
    return (
        f"{where} holds categories, wanted numbers: encode them, as columns of 0 and 1 "
        "(pandas.get_dummies) or as class indices (.cat.codes)"
    )


def dtype_without_boxes(value: Any) -> np.dtype[Any] | None:
    """The dtype for pandas' nullable numbers without missing values; None leaves it to NumPy.

    NumPy would convert a DataFrame of them to dtype object.
    """
    if hasattr(value, "dtypes") and hasattr(value, "columns"):
        dtypes = list(value.dtypes)
    else:
        dtypes = [getattr(value, "dtype", FLOAT64)]
    if not dtypes or all(isinstance(dtype, np.dtype) for dtype in dtypes):
        return None
    if any(getattr(dtype, "kind", "O") not in "buif" for dtype in dtypes):
        return None
    plain = [getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype)) for dtype in dtypes]
    known = all(isinstance(dtype, np.dtype) for dtype in plain)
    return np.result_type(*plain) if known else None


def advice_on(name: str, array: Array) -> str:
    """Advice for an array without real numbers, for the end of an error message."""
    kind = array.dtype.kind
    if kind == "c":
        return f": pass {name}.real, or real and imaginary parts as columns"
    if kind in "mM":
        return ": pass a number, such as the days since a first date"
    if kind in "US":
        return ": convert text with astype(float), or encode it as columns of 0 and 1"
    if kind == "V":
        return ": convert fields with numpy.lib.recfunctions.structured_to_unstructured"
    if kind == "O":
        place, element = next(
            ((i, e) for i, e in np.ndenumerate(array) if not isinstance(e, NUMBERS)), ((), None)
        )
        if isinstance(element, NUMBERS) or (element is None and not place):
            return ": convert the numbers with astype(float)"
        return f": the element at {list(map(int, place))} is {element!r:.40}"
    return ": convert it with astype(numpy.float64)"


def compute_dtype(*arrays: Array) -> np.dtype[Any]:
    """The dtype to compute in: the arrays' common one, at least float32, in native byte order."""
    first = arrays[0].dtype
    if first is FLOAT32 or first is FLOAT64:
        for array in arrays:
            if array.dtype is not first:
                break
        else:
            return first
    return np.result_type(np.float32, *(array.dtype for array in arrays))


def ready(array: Array, dtype: np.dtype[Any]) -> Array:
    """``array`` in the form that kernels take: C-contiguous, native, of ``dtype``.

    Copied only if necessary. Zero-dimensional arrays are returned with shape (1,).
    """
    if array.dtype is dtype and array.ndim and array.flags.c_contiguous:
        return array
    return np.ascontiguousarray(array, dtype=dtype)


def fold_rows(array: Array) -> Array:
    """An array of any rank as (rows, all other axes); a one-dimensional array is one row."""
    if array.ndim == 2:
        return array
    if array.ndim == 1:
        return array.reshape(1, -1)
    return array.reshape(array.shape[0], math.prod(array.shape[1:]))


def row_weights(name: str, value: ArrayLike, n_rows: int) -> Array:
    """Weights of ``n_rows`` rows in the form that kernels take, each finite and at least 0.

    All of them may be 0: the loss of such a batch is 0.
    """
    weights = ready(number_array(name, value), np.dtype(np.float64))
    if np.ndim(value) != 1 or len(weights) != n_rows:
        raise ValueError(f"{name} has shape {np.shape(value)}, wanted ({n_rows},), one per row")
    bad = np.flatnonzero(~((weights >= 0) & np.isfinite(weights)))
    if bad.size:
        raise ValueError(
            f"{name}[{bad[0]}] is {weights[bad[0]]}, wanted a finite number of at least 0"
        )
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not np.isfinite(total):
        raise ValueError(f"{name} has an infinite sum, wanted a finite one")
    return weights


def require_some_weight(name: str, weights: Array) -> None:
    """Raise ValueError if no row has a weight above 0: the weighted mean is then undefined."""
    if not weights.any():
        raise ValueError(f"{name} is 0 for every row, wanted at least one above 0")


def require_shape(name: str, array: Array, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless ``array`` has exactly ``shape``."""
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, wanted {shape}")


def require_finite(name: str, array: Array, first_row: int = 0) -> None:
    """Raise ValueError, with the first position, if ``array`` contains a NaN or an infinity.

    ``first_row`` is the index of the array's first row in the caller's data.
    """
    rows = array.reshape(1) if array.ndim == 0 else array
    for start in range(0, len(rows), SCANNED_ROWS):  # block by block: a memory map stays one
        block = rows[start : start + SCANNED_ROWS]
        finite = np.isfinite(block)
        if not finite.all():
            place = tuple(int(i) for i in np.argwhere(~finite)[0])
            shown = [first_row + start + place[0], *place[1:]] if array.ndim else []
            raise ValueError(f"{name}{shown} is {block[place]}, wanted finite numbers only")


def require_output(name: str, out: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise unless results of this shape and dtype can be written into ``out`` unconverted."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{name} is {type(out).__name__}, wanted an array to write into")
    require_shape(name, out, shape)
    if out.dtype != dtype:
        raise TypeError(f"{name} has dtype {out.dtype}, wanted {dtype}")
    if not out.flags.writeable:
        raise ValueError(f"{name} is read-only, wanted an array to write into")


def parameter_array(name: str, value: ArrayLike, ndim: int | None = None) -> Array:
    """A parameter as its owner stores it: the array itself, if it has a float dtype."""
    array = number_array(name, value)
    if array.dtype.kind != "f":
        raise TypeError(f"{name} has dtype {array.dtype}, wanted floats (float16, 32 or 64)")
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} has shape {array.shape}, wanted {ndim} dimension(s)")
    return array


def real_number(name: str, value: float, low: float, high: float = math.inf) -> float:
    """``value`` as a float with low <= value < high; raises for anything else."""
    number = any_number(name, value)
    if not low <= number < high:
        wanted = f"{low:g} <= {name}" + (f" < {high:g}" if high < math.inf else ", finite")
        raise ValueError(f"{name} is {number!r}, wanted {wanted}")
    return number


def positive_number(name: str, value: float) -> float:
    """``value`` as a finite float above 0; raises for anything else."""
    number = any_number(name, value)
    if not 0 < number < math.inf:
        raise ValueError(f"{name} is {number!r}, wanted a finite number above 0")
    return number


def positive_in_single(name: str, value: float) -> float:
    """``value`` as a finite float that is above 0 in single precision too."""
    number = positive_number(name, value)
    with np.errstate(over="ignore", under="ignore"):
        if not 0 < np.float32(number) < math.inf:
            raise ValueError(
                f"{name} is {number!r}, which is {np.float32(number):g} in single precision"
            )
    return number


def any_number(name: str, value: float) -> float:
    """``value`` as a float; raises for strings, arrays and other non-numbers."""
    if isinstance(value, str | bytes):
        raise TypeError(f"{name} is {value!r}, wanted a number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} is {value!r:.30}..., wanted a number below 1.8e308") from None
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {value!r}, wanted a number") from None


def whole_number(name: str, value: int, low: int) -> int:
    """``value`` as an int of at least ``low``; raises for floats, bools and strings."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} is {value!r}, wanted an integer")
    if value < low:
        raise ValueError(f"{name} is {value}, wanted {low} or more")
    return int(value)


def generator(rng: int | np.random.Generator | None) -> np.random.Generator:
    """A NumPy Generator from a seed, a Generator (returned as it is) or None (fresh entropy)."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None:
        return np.random.default_rng()
    if isinstance(rng, bool) or not isinstance(rng, int | np.integer):
        raise TypeError(f"rng is {rng!r}, wanted an integer, a numpy.random.Generator or None")
    return np.random.default_rng(whole_number("rng", rng, 0))
