"""Ensemble: several networks that predict as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, rows_array, whole_number
from affinet.ensemble.checks import given_weights, require_members, usable_weights
from affinet.ensemble.quantiles import usable_levels, weighted_quantiles
from affinet.ensemble.selection import combined, greedy_counts
from affinet.losses import Loss, mixtures
from affinet.metrics import Metrics, named_metrics
from affinet.network import Sequential
from affinet.network.inner import figures, least_rows, require_loss

BLOCK_ROWS = 1024  # rows that all members predict before the next are read; predict's own blocks


class Ensemble:
    """Several networks that predict as one: the weighted mean of their predictions.

    What is averaged depends on the loss: probabilities with :class:`SoftmaxWithLoss` and
    :class:`SigmoidWithLoss`, rates with :class:`Poisson`, else the outputs. Members predict one
    block of rows after the other, so rows are read once and memory does not grow with them.
    Lakshminarayanan, Pritzel, Blundell, "Simple and scalable predictive uncertainty estimation
    using deep ensembles", NIPS 2017.

    Parameters
    ----------
    nets : list of Sequential
        Their layers may differ; the widths of inputs and outputs and the losses must agree. They
        are kept, not copied.
    weights : array of shape (K,), optional
        Weight of each network, 0 or more; divided by their sum. Equal by default.

    Attributes
    ----------
    members : tuple of Sequential
    weights : array of shape (K,)
        Of sum 1, read-only.
    loss : loss object or None
        That of the first network.
    metadata : dict
        Anything that JSON can hold, saved with the ensemble; at first what is equal in the
        metadata of all members.

    Raises
    ------
    TypeError
        If one of ``nets`` is not a Sequential.
    ValueError
        If ``nets`` is empty or has a network twice, or if the widths, losses, class names or
        encodings of two networks differ, or a weight is negative, infinite or NaN.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> def constant(value):
    ...     return an.Sequential(an.Affine(np.zeros((1, 1)), np.array([value])))
    >>> ensemble = an.Ensemble([constant(1.0), constant(4.0)], weights=[2, 1])
    >>> ensemble.predict([[0.0]])
    array([[2.]])
    >>> ensemble.std([[0.0]]).round(4)
    array([[1.4142]])
    """

    def __init__(self, nets: Iterable[Sequential], weights: ArrayLike | None = None) -> None:
        self._members = require_members(nets)
        self._weights = usable_weights(weights, len(self._members))
        self._weights.flags.writeable = False
        first = self._members[0].metadata
        self.metadata: dict[str, Any] = {
            name: value
            for name, value in first.items()
            if all(name in net.metadata and net.metadata[name] == value for net in self._members)
        }

    @property
    def members(self) -> tuple[Sequential, ...]:
        """The networks."""
        return self._members

    @property
    def weights(self) -> Array:
        """The members' weights, of sum 1."""
        return self._weights

    @property
    def loss(self) -> Any:
        """The members' loss, or None."""
        return self._members[0].loss

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        return f"Ensemble({len(self)} networks, loss={self.loss!r})"

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self.__dict__.update(saved)
        self._weights.flags.writeable = False

    def predict(self, x: ArrayLike) -> Array:
        """The members' outputs as one: their weighted mean, or logits of the mean probabilities.

        Parameters
        ----------
        x : array of shape (B, ...), or (I,) for one row
            Or :class:`affinet.datasets.Shards`, which are read block by block.

        Returns
        -------
        array of shape (B, O), or (O,) for one row
            Outputs, in the common dtype of the members. With :class:`SoftmaxWithLoss` the
            logarithms of the mean probabilities, with :class:`SigmoidWithLoss` their logits, and
            with :class:`Poisson` the logarithms of the mean rates; otherwise the mean outputs.
        """
        return self._by_block(x, lambda outputs: combined(self.loss, outputs, self._weights))

    def __call__(self, x: ArrayLike) -> Array:
        """The same as :meth:`predict`."""
        return self.predict(x)

    def predict_proba(self, x: ArrayLike) -> Array:
        """The weighted mean of the members' probabilities, in the shape of :meth:`predict`.

        Raises
        ------
        TypeError
            If the loss has no probabilities.
        """
        if not hasattr(self.loss, "probabilities"):
            raise TypeError(f"predict_proba: the loss {self.loss!r} gives no probabilities")
        return self._by_block(x, lambda outputs: self._mean(self._predictions(outputs)))

    def predict_members(self, x: ArrayLike) -> Array:
        """Each member's outputs, in the common dtype of the members.

        Returns
        -------
        array of shape (K, B, O), or (K, O) for one row
        """
        return self._by_block(x, lambda outputs: outputs, axis=1)

    def std(self, x: ArrayLike) -> Array:
        """The weighted standard deviation of the members' predictions.

        It is the root of the mean square distance from the mean, of probabilities for classes, of
        rates with :class:`Poisson` and otherwise of the outputs.

        Returns
        -------
        array of shape (B, O), or (O,) for one row
        """

        def spread(outputs: Array) -> Array:
            values = self._predictions(outputs).astype(np.float64)
            return np.sqrt(self._mean((values - self._mean(values)) ** 2))

        return self._by_block(x, spread)

    def quantile(self, x: ArrayLike, q: ArrayLike) -> Array:
        """Weighted quantiles of the members' predictions.

        A quantile is the smallest prediction of a member for which the weights of all members that
        predict no more sum to q or more: the inverse of their distribution function, so that a
        weight of 2 is the same as a member twice. It says how much the members differ, which is not
        the spread of targets; see :class:`Quantile` for that.

        Parameters
        ----------
        x : array of shape (B, ...), or (I,) for one row
        q : float, or array of shape (Q,)
            Each from 0 to 1.

        Returns
        -------
        array of shape (B, O), or (O,) for one row; (Q, B, O) or (Q, O) for several q
            Of probabilities, rates or outputs, as in :meth:`std`.
        """
        levels = usable_levels(q)

        def quantiles(outputs: Array) -> Array:
            return weighted_quantiles(self._predictions(outputs), self._weights, levels)

        return self._by_block(x, quantiles, axis=levels.ndim)

    def evaluate(
        self,
        x: ArrayLike,
        t: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        metrics: Metrics = (),
    ) -> dict[str, float]:
        """The loss of :meth:`predict` on x and t and, for classes, the accuracy.

        Parameters and result are those of :meth:`Sequential.evaluate`.
        """
        wanted = named_metrics(metrics)
        require_loss(self)
        x = self._rows(x)
        weights = given_weights(sample_weight, x)
        return figures(self, self.predict(x), t, weights, wanted, x.ndim < 2)

    def pruned(
        self,
        k: int,
        x: ArrayLike,
        t: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> Ensemble:
        """An ensemble of at most k members, chosen for the lowest loss on rows x and targets t.

        In each of k rounds the member is added with which the loss of the ensemble is lowest; the
        same member may be added again and then has a larger weight. The round with the lowest loss
        decides. Caruana, Niculescu-Mizil, Crew, Ksikes, "Ensemble selection from libraries of
        models", ICML 2004, sections 2 and 2.1. Memory grows with the rows: all members' outputs for
        them are kept, and K losses are computed in each round.

        Parameters
        ----------
        k : int
            Number of rounds, 1 or more.
        x, t : arrays of B rows and targets
            Rows that no member was trained on, or the choice favours members that overfit.
        sample_weight : array of shape (B,), optional
            Weights of the rows, each 0 or more.

        Returns
        -------
        Ensemble
            Of the chosen members, which are shared and in their order here, with the numbers of
            their choices as weights; the present weights do not matter.

        Raises
        ------
        RuntimeError
            If the members have no loss.
        ValueError
            If no member has a finite loss on these rows.
        """
        k = whole_number("k", k, 1)
        loss = require_loss(self)
        x = self._rows(x)
        if x.ndim < 2:
            raise ValueError(f"x has shape {x.shape}, wanted (B, ...)")
        weights = given_weights(sample_weight, x)
        counts = greedy_counts(loss, self.predict_members(x), t, k, weights)
        places = np.flatnonzero(counts)
        chosen = Ensemble([self._members[place] for place in places], counts[places])
        chosen.metadata = dict(self.metadata)
        return chosen

    def save(self, path: str | PathLike[str]) -> None:
        """Write all members, their weights and the metadata to one file.

        Parameters
        ----------
        path : path
            A name ending in ``.npz`` or, if that package is installed, ``.safetensors``.

        Raises
        ------
        TypeError, ValueError
            As :meth:`Sequential.save`.
        """
        from affinet.ensemble.files import save

        save(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str], custom: Mapping[str, type] | None = None) -> Ensemble:
        """Read an ensemble that :meth:`save` wrote.

        Parameters
        ----------
        path : path
        custom : dict of str to class, optional
            Classes of custom layers and losses, as in :func:`affinet.load`.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file does not hold an ensemble, or is damaged; the message names the file.
        """
        from affinet.ensemble.files import load

        return load(path, custom)

    def _rows(self, x: ArrayLike) -> Array:
        rows = rows_array("x", x)
        if rows.ndim == 0:
            raise ValueError("x has shape (), wanted (B, ...) or (I,)")
        if len(rows) == 0:
            raise ValueError(f"x has shape {rows.shape}, wanted at least one row")
        return rows

    def _predictions(self, outputs: Array) -> Array:
        """Members' outputs (K, B, O) in the units of the targets, or as probabilities."""
        loss = self.loss
        if hasattr(loss, "probabilities"):
            return np.stack([loss.probabilities(y) for y in outputs])
        return loss.values(outputs) if isinstance(loss, Loss) else outputs

    def _mean(self, values: Array) -> Array:
        return mixtures.mean(values, self._weights)

    def _by_block(self, x: ArrayLike, function: Callable[[Array], Array], axis: int = 0) -> Array:
        """The function of all members' outputs (K, b, O) for x, block by block.

        ``axis`` is that of the rows in the function's result.
        """
        rows = rows_array("x", x)
        if rows.ndim < 2:
            outputs = np.stack(self._outputs(rows))
            one = outputs.ndim == 2  # a network of one input gives rows even then
            part = function(outputs[:, np.newaxis] if one else outputs)
            return np.asarray(part.take(0, axis=axis) if one else part).astype(outputs.dtype)
        parts = []
        for block in self._blocks(len(rows)):
            outputs = np.stack(self._outputs(rows[block]))
            parts.append(function(outputs).astype(outputs.dtype, copy=False))
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=axis)

    def _blocks(self, n: int) -> Iterator[slice]:
        """Blocks of n rows: one if a member finds its rows by their place among all of them."""
        whole = n == 0 or any(least_rows(net) > 1 for net in self._members)
        at_once = max(n, 1) if whole else BLOCK_ROWS
        for start in range(0, max(n, 1), at_once):
            yield slice(start, min(start + at_once, n))

    def _outputs(self, x: Array) -> list[Array]:
        """Each member's outputs for x; raises if their shapes differ."""
        outputs = [net.predict(x) for net in self._members]
        for place, y in enumerate(outputs):
            if y.shape != outputs[0].shape:
                raise ValueError(
                    f"nets[{place}] gave outputs of shape {y.shape}, nets[0] {outputs[0].shape}"
                )
        return outputs
