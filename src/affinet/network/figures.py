"""A network's loss, and the figures that ``evaluate`` returns."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, in_files
from affinet.losses import ClassLoss, loss_of
from affinet.metrics import Metric, measure


class HasLoss(Protocol):
    """A network, or several of them that predict as one."""

    @property
    def loss(self) -> Any:
        """The loss, or None."""


def require_loss(net: HasLoss) -> Any:
    """The network's loss; RuntimeError if it has none."""
    if net.loss is None:
        raise RuntimeError("this Sequential has no loss: build it with loss=... to train it")
    return net.loss


def figures(
    net: HasLoss,
    y: Array,
    t: ArrayLike,
    weights: Array | None,
    wanted: Mapping[str, Metric],
    alone: bool = False,
) -> dict[str, float]:
    """The result of ``net.evaluate`` for outputs y; ``alone`` if they are those of one row."""
    loss = copy.copy(require_loss(net))  # the copy keeps the state of this forward
    t = np.asarray(t) if in_files(t) else t
    result = {"loss": loss_of(loss, y, t, weights, "sample_weight")}
    if isinstance(loss, ClassLoss):
        result["accuracy"] = float(np.average(loss.hits(y, t), weights=weights))
    if wanted:
        rows = np.atleast_2d(y) if alone else y
        targets = np.asarray(t)[np.newaxis] if alone else np.asarray(t)
        result |= measure(wanted, rows, targets, weights, loss)
    return result
