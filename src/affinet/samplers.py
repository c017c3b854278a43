"""Samplers: which rows each training epoch uses, and in which order.

A sampler is any callable ``sampler(epoch, n_rows, rng) -> row indices``, passed as
``fit(..., sampler=...)``. ``fit`` calls it at the start of each epoch with the number of completed
epochs, the number of rows of the data and a generator that depends only on (seed, epoch). The
result must depend on nothing else, so that a resumed training draws the same rows again, and must
have the same length in every epoch. ``fit`` may request the rows of an epoch more than once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, require_some_weight, row_weights, whole_number

__all__ = [
    "MemberBatches",
    "Sampler",
    "Shuffled",
    "WithReplacement",
]

BALANCED = "balanced"


class Sampler(ABC):
    """A rule for the rows of an epoch; any callable of this form works as well.

    A sampler with parameters returns them as a dict from ``config()``. Checkpoints save that dict;
    training refuses to resume with a different one.

    Examples
    --------
    >>> import affinet as an, numpy as np
    >>> class EveryOther(an.samplers.Sampler):
    ...     def __call__(self, epoch, n_rows, rng):
    ...         return np.arange(epoch % 2, n_rows - 1 + epoch % 2, 2)
    >>> EveryOther()(1, 6, None)
    array([1, 3, 5])
    """

    @abstractmethod
    def __call__(self, epoch: int, n_rows: int, rng: np.random.Generator) -> Array:
        """The rows of an epoch: (n,) indices from 0 to n_rows - 1, in training order."""

    def config(self) -> dict[str, Any]:
        """The arguments that make such a sampler."""
        return {}

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({arguments})"


class Shuffled(Sampler):
    """Every row once, reshuffled every epoch: the default of ``fit``.

    Examples
    --------
    >>> import affinet as an, numpy as np
    >>> np.sort(an.samplers.Shuffled()(0, 5, np.random.default_rng(0)))
    array([0, 1, 2, 3, 4])
    """

    def __call__(self, epoch: int, n_rows: int, rng: np.random.Generator) -> Array:
        """A permutation of all rows."""
        return rng.permutation(n_rows)


class MemberBatches(Sampler):
    """Every row once for each member of an ensemble, each member in its own order.

    For networks of :class:`affinet.BatchEnsemble`, with ``batch_size = members * rows``: in every
    batch, the rows of a member come after those of the one before.

    Parameters
    ----------
    members : int
        Number of members.
    rows : int
        Rows of a batch for each member.

    Examples
    --------
    >>> import affinet as an, numpy as np
    >>> order = an.samplers.MemberBatches(2, 2)(0, 3, np.random.default_rng(0))
    >>> order.shape, np.sort(order[[0, 1, 4]]), np.sort(order[[2, 3, 5]])
    ((6,), array([0, 1, 2]), array([0, 1, 2]))
    """

    def __init__(self, members: int, rows: int) -> None:
        self.members = whole_number("members", members, 1)
        self.rows = whole_number("rows", rows, 1)

    def __call__(self, epoch: int, n_rows: int, rng: np.random.Generator) -> Array:
        """Batches of a permutation for each member."""
        orders = rng.permuted(np.tile(np.arange(n_rows), (self.members, 1)), axis=1)
        starts = range(0, n_rows, self.rows)
        return np.concatenate([orders[:, s : s + self.rows].reshape(-1) for s in starts])

    def config(self) -> dict[str, Any]:
        """Members and rows."""
        return {"members": self.members, "rows": self.rows}


class WithReplacement(Sampler):
    """Independent draws: a row may come several times in an epoch, or not at all.

    Parameters
    ----------
    n : int, optional
        Draws per epoch, 1 or more; the number of rows by default.
    weights : array of shape (N,), or "balanced", optional
        A row is drawn with probability weight / sum of all weights; each weight is 0 or more, at
        least one above 0. With "balanced", all classes are equally likely, and so are all rows
        within a class; targets are then class indices, one-hot rows or, with
        :class:`affinet.SigmoidWithLoss` and one output, 0 and 1. By default all rows are equally
        likely.

    Raises
    ------
    TypeError, ValueError
        If n is not an integer of at least 1, or weights are invalid.

    Notes
    -----
    Inverse transform sampling: row i is the first whose cumulative weight exceeds
    ``u sum(weights)``, u uniform in [0, 1); Devroye, "Non-Uniform Random Variate
    Generation", 1986, section III.2.

    The weights set how often a row is drawn; ``sample_weight`` and ``class_weight`` of ``fit``
    still weight its loss.

    Examples
    --------
    >>> import affinet as an, numpy as np
    >>> sampler = an.samplers.WithReplacement(8, weights=[0, 1, 0, 3])
    >>> sampler(0, 4, np.random.default_rng(0))
    array([3, 3, 1, 1, 3, 3, 3, 3])
    >>> x, t = np.eye(4), np.array([0, 0, 0, 1])  # the class 1 is rare
    >>> net = an.Sequential(an.Affine.init(4, 2, rng=0), loss=an.SoftmaxWithLoss())
    >>> balanced = an.samplers.WithReplacement(100, weights="balanced")
    >>> net.fit(x, t, epochs=3, batch_size=10, sampler=balanced).steps
    30
    """

    def __init__(self, n: int | None = None, weights: ArrayLike | str | None = None) -> None:
        self.n = None if n is None else whole_number("n", n, 1)
        self.weights: Array | str | None = None
        self._ends: Array | None = None  # cumulative weights
        if isinstance(weights, str):
            if weights != BALANCED:
                raise ValueError(f"weights is {weights!r}, wanted an array or {BALANCED!r}")
            self.weights = weights
        elif weights is not None:
            self._set_weights(weights)

    def with_classes(self, classes: Array) -> WithReplacement:
        """For "balanced": this sampler for rows with the given class indices, (N,)."""
        twin = copy(self)
        twin._set_weights(1.0 / np.bincount(classes)[classes])
        return twin

    def __call__(self, epoch: int, n_rows: int, rng: np.random.Generator) -> Array:
        """n independent draws."""
        n = n_rows if self.n is None else self.n
        if self.weights is None:
            return rng.integers(n_rows, size=n)
        if self._ends is None:
            raise ValueError(
                "sampler WithReplacement: weights is 'balanced', which needs the classes of the "
                "rows: call with_classes first, as fit does"
            )
        if len(self._ends) != n_rows:
            raise ValueError(
                f"sampler WithReplacement: weights has shape ({len(self._ends)},), wanted "
                f"({n_rows},), one per row"
            )
        # u is at most 1 - 2^-53, so u times the total rounds to less than the total.
        found: Array = np.searchsorted(self._ends, rng.random(n) * self._ends[-1], side="right")
        return found

    def config(self) -> dict[str, Any]:
        """The arguments that make such a sampler."""
        return {"n": self.n, "weights": self.weights}

    def __repr__(self) -> str:
        weights = self.weights
        shown = repr(weights) if weights is None or isinstance(weights, str) else "[...]"
        return f"{type(self).__name__}(n={self.n}, weights={shown})"

    def _set_weights(self, weights: ArrayLike) -> None:
        """Store the row weights as a read-only copy."""
        own = row_weights("weights", weights, np.size(weights)).copy()
        require_some_weight("weights", own)
        own.flags.writeable = False
        self.weights, self._ends = own, np.cumsum(own / own.max())
