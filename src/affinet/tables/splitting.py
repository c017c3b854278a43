"""Splitting rows into those to train on and those held out, alike for every class."""

from __future__ import annotations

import numpy as np

from affinet._validation import Array


def split(
    n_rows: int, fraction: float, rng: np.random.Generator, groups: Array | None = None
) -> tuple[Array, Array]:
    """Split rows into training rows and rows held out, stratified by group.

    About ``fraction`` of the rows are held out, and about the same fraction of every group; at
    least one row of each group is left to train on.

    Parameters
    ----------
    n_rows : int
    fraction : float
        0 <= fraction < 1; 0 holds out no rows.
    rng : numpy.random.Generator
    groups : int array of shape (N,), optional
        0 or more, such as class indices.

    Returns
    -------
    train, held_out : int arrays
        Places of the rows, each in ascending order.

    Raises
    ------
    ValueError
        If no row can be held out.

    Examples
    --------
    >>> import numpy as np
    >>> split(5, 0.4, np.random.default_rng(0), np.array([0, 0, 0, 1, 1]))[1].size
    2
    """
    if fraction == 0:
        return np.arange(n_rows), np.arange(0)
    if n_rows < 2:
        raise ValueError(f"{n_rows} row is too few to hold one out")
    order = rng.permutation(n_rows)
    if groups is None:
        groups = np.zeros(n_rows, np.int64)
    order = order[np.argsort(groups[order], kind="stable")]
    # Equal strides along the rows, sorted by group, take the same fraction of each.
    marks = np.floor(np.arange(n_rows + 1) * fraction + rng.random())
    held = np.zeros(n_rows, bool)
    held[order[np.diff(marks) > 0]] = True
    if not held.any():  # too few rows for the fraction: one of the largest group
        held[order[groups[order] == np.bincount(groups).argmax()][-1]] = True
    for group in np.unique(groups):
        members = order[groups[order] == group]
        if held[members].all():
            held[members[0]] = False
    if not held.any():
        raise ValueError("every class has a single row; 0 holds none of them out")
    return np.flatnonzero(~held), np.flatnonzero(held)


def folds(
    n_rows: int, k: int, rng: np.random.Generator, groups: Array | None = None
) -> list[tuple[Array, Array]]:
    """Split rows into k folds, about the same part of every group in each.

    Parameters
    ----------
    n_rows : int
    k : int
        2 <= k <= n_rows.
    rng : numpy.random.Generator
    groups : int array of shape (N,), optional
        Such as class indices.

    Returns
    -------
    list of (int array, int array)
        For each fold the places of the other rows and of the fold's rows, in ascending order.

    Raises
    ------
    ValueError
        If k is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> [held.size for _, held in folds(5, 2, np.random.default_rng(0))]
    [3, 2]
    """
    if not 2 <= k <= n_rows:
        raise ValueError(f"{k} folds of {n_rows} rows, wanted 2 to {n_rows}")
    order = rng.permutation(n_rows)
    if groups is not None:
        order = order[np.argsort(groups[order], kind="stable")]
    found = []
    for fold in range(k):
        held = np.zeros(n_rows, bool)
        held[order[fold::k]] = True
        found.append((np.flatnonzero(~held), np.flatnonzero(held)))
    return found
