"""Which members of an ensemble to keep: greedy selection, with repeats, on given rows.

Caruana, Niculescu-Mizil, Crew, Ksikes, "Ensemble selection from libraries of models", ICML 2004.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array
from affinet.losses import Loss, loss_of, mixtures


def greedy_counts(
    loss: Any, outputs: Array, t: ArrayLike, k: int, weights: Array | None, first: int = 0
) -> Array:
    """How often each member is chosen in the best of the first k rounds.

    Every round adds the member with which the ensemble's loss is lowest, of equal ones the first;
    the same member may be added again. Of all rounds the one of the lowest loss counts, of equal
    ones the first, as in section 2.1 of the paper.

    Parameters
    ----------
    loss : loss object
    outputs : array of shape (K, B, O)
        Each member's outputs.
    t : array of B targets
    k : int
    weights : array of shape (B,), optional
        Weights of the rows.
    first : int
        The members 0 .. first - 1, at most k, are chosen before the first round. With the best
        members in front this is the sorted initialization of section 2.2, against overfitting.

    Returns
    -------
    int array of shape (K,)

    Raises
    ------
    ValueError
        If no member has a finite loss.
    """
    counts = np.zeros(len(outputs), int)
    best, best_counts = math.inf, counts
    chosen: Array | None = None
    if first:
        chosen = combined(loss, outputs[:first].astype(np.float64), np.full(first, 1 / first))
        counts[:first] = 1
        best, best_counts = loss_of(copy.copy(loss), chosen, t, weights), counts.copy()
    for n_chosen in range(first, k):
        shares = np.array([n_chosen, 1.0]) / (n_chosen + 1)
        losses = [
            loss_of(copy.copy(loss), with_member(loss, chosen, output, shares), t, weights)
            for output in outputs
        ]
        place = int(np.argmin(np.where(np.isfinite(losses), losses, math.inf)))
        if not math.isfinite(losses[place]):
            raise ValueError(f"no member has a finite loss on these rows, but {losses[place]}")
        counts[place] += 1
        if losses[place] < best:
            best, best_counts = losses[place], counts.copy()
        chosen = with_member(loss, chosen, outputs[place], shares)
    return best_counts


def with_member(loss: Any, chosen: Array | None, output: Array, shares: Array) -> Array:
    """The outputs of the members chosen so far and of one more, in these shares."""
    added = output.astype(np.float64)
    return added if chosen is None else combined(loss, np.stack([chosen, added]), shares)


def combined(loss: Any, outputs: Array, weights: Array) -> Array:
    """The outputs of members (K, B, O) as one, (B, O) of float64.

    Without a loss, or with a custom one, the outputs are averaged as they are.
    """
    if isinstance(loss, Loss):
        return loss.combined(outputs, weights)
    return mixtures.mean(outputs, weights)
