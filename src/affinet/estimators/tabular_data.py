"""What the estimators for tables take: frames and arrays, targets, and which rows to hold out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.validation import validate_data

from affinet._validation import Array, require_plain
from affinet.tables import Table


@dataclass(frozen=True)
class TableRows:
    """Rows of a table with their targets and weights.

    Attributes
    ----------
    frame : DataFrame of pandas or polars, or array of shape (N, I)
    t : array of shape (N,)
        Class indices, or numbers.
    weights : array of shape (N,) or None
    """

    frame: Any
    t: Array
    weights: Array | None

    def __len__(self) -> int:
        return len(self.t)

    def take(self, places: Array) -> TableRows:
        """The rows at these places."""
        weights = None if self.weights is None else self.weights[places]
        return TableRows(rows_at(self.frame, places), self.t[places], weights)

    def of_weight(self) -> TableRows:
        """The rows whose weight is not 0."""
        if self.weights is None or self.weights.all():
            return self
        return self.take(np.flatnonzero(self.weights))


def is_frame(X: Any) -> bool:
    """True for a DataFrame of pandas or polars."""
    return hasattr(X, "columns") and hasattr(X, "dtypes")


def checked_frame(model: Any, X: Any, y: Any = None, reset: bool = False) -> Any:
    """X as it is if it is a data frame, else as a checked array (N, I) of numbers or objects.

    Sets or compares the model's ``n_features_in_`` and ``feature_names_in_``. With ``reset`` y is
    required.
    """
    require_dense(model, X)
    if is_frame(X):
        require_columns(X)
    else:
        X = checked_array(model, X)
    targets = {"y": y} if reset else {}
    validate_data(model, X, reset=reset, skip_check_array=True, **targets)
    return X


def require_columns(X: Any) -> None:
    """Raise ValueError for a data frame without rows or columns, or with two of one name."""
    names = list(X.columns)
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise ValueError(f"X has two columns named {twice!r}, wanted different names")
    if not len(X) or not names:
        raise ValueError(f"X has shape {tuple(X.shape)}, wanted at least one row and one column")


def require_dense(model: Any, X: Any) -> None:
    """Raise TypeError for sparse matrices and sparse columns."""
    found = type(X).__name__ if issparse(X) else ""
    if is_frame(X):
        kinds = zip(X.columns, X.dtypes, strict=True)
        found = next((f"column {n!r}" for n, kind in kinds if "Sparse" in str(kind)), "")
    if found:
        name = type(model).__name__
        raise TypeError(
            f"X is sparse ({found}), wanted dense columns: use X.toarray(), or "
            f"{name.replace('Tabular', 'MLP')} instead of {name}"
        )


def checked_array(model: Any, X: Any) -> Array:
    """An array-like as an array (N, I) of numbers, or of objects where texts are among them."""
    array: Array = check_array(
        X, dtype=None, ensure_all_finite="allow-nan", input_name="X", estimator=model
    )
    if array.dtype.kind in "US" and not isinstance(X, np.ndarray):
        return np.asarray(X, dtype=object)  # numbers beside texts stay numbers
    return array.astype(object) if array.dtype.kind not in "buif" else array


def rows_at(frame: Any, places: Any) -> Any:
    """Rows of a frame or an array, by a slice or by their places."""
    return frame.iloc[places] if hasattr(frame, "iloc") else frame[places]


def categorical_places(frame: Any, value: Any) -> tuple[int, ...]:
    """The places of the columns that ``categorical_features`` gives.

    Parameters
    ----------
    frame : DataFrame or array
    value : a name, or a sequence of names, of places or of bool; or None
    """
    n_columns = int(frame.shape[1])
    wanted = [] if value is None else list(np.atleast_1d(np.asarray(value, dtype=object)))
    if wanted and all(isinstance(entry, bool | np.bool_) for entry in wanted):
        if len(wanted) != n_columns:
            raise ValueError(
                f"categorical_features has {len(wanted)} flags, wanted {n_columns}, one per column"
            )
        return tuple(np.flatnonzero(wanted).tolist())
    known = list(frame.columns) if is_frame(frame) else []
    found = []
    for entry in wanted:
        if entry in known:
            found.append(known.index(entry))
        elif isinstance(entry, int | np.integer) and 0 <= entry < n_columns:
            found.append(int(entry))
        else:
            raise ValueError(
                f"categorical_features holds {entry!r}, wanted names of columns or places "
                f"0..{n_columns - 1}"
            )
    return tuple(found)


def table_of(
    frame: Any, names: Sequence[str] | None, categorical: Collection[int], source: str = "X"
) -> Table:
    """The rows of a frame as a table, its columns found by name.

    They get the ``names`` of the training rows, if given, by their order: scikit-learn's checks
    have compared the frame's own names already. ``categorical`` are places of columns.
    """
    table = Table.from_frame(frame, source, categorical)
    columns = dict(zip(names or table.names, table.columns.values(), strict=True))
    return replace(table, columns=columns, named=True)


def checked_target(model: Any, y: Any, numeric: bool, name: str = "y") -> Array:
    """y as an array (N,), of float64 if ``numeric``; one target only."""
    require_plain(name, y, categories=not numeric)
    array = check_array(
        y, dtype="numeric" if numeric else None, ensure_2d=False, input_name=name, estimator=model
    )
    if array.ndim == 2 and array.shape[1] > 1:
        raise ValueError(
            f"{name} has {array.shape[1]} columns, wanted one: {type(model).__name__} predicts a "
            "single target; use sklearn.multioutput for several"
        )
    values: Array = column_or_1d(array, warn=True)
    if numeric:
        return values.astype(np.float64)
    if values.dtype.kind == "O":
        missing = next((i for i, v in enumerate(values.tolist()) if v is None or v != v), None)
        if missing is not None:
            raise ValueError(f"{name}[{missing}] is missing, wanted the class of every row")
    return values
