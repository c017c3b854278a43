"""What may be the members of an ensemble, and what their weights may be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array, require_some_weight, row_weights
from affinet.layers.tree import width_returned, width_taken
from affinet.losses import Loss
from affinet.network import Sequential

MEANINGS = ("classes", "table")  # metadata on which the meaning of inputs and outputs depends


def require_members(nets: Iterable[Sequential]) -> tuple[Sequential, ...]:
    """The networks, if they take and return the same numbers and have the same loss.

    Raises
    ------
    TypeError
        If one of them is not a Sequential.
    ValueError
        If there is none, one comes twice, or widths, losses, classes or encodings differ.
    """
    if isinstance(nets, Sequential) or not isinstance(nets, Iterable):
        raise TypeError(f"nets is {nets!r:.60}, wanted a list of Sequential")
    members = tuple(nets)
    if not members:
        raise ValueError("nets is empty, wanted at least one Sequential")
    seen: dict[int, int] = {}
    for place, net in enumerate(members):
        if not isinstance(net, Sequential):
            raise TypeError(f"nets[{place}] is {type(net).__name__}, wanted a Sequential")
        if id(net) in seen:
            raise ValueError(
                f"nets[{place}] is nets[{seen[id(net)]}] again: give the network a larger weight "
                "by weights=..."
            )
        seen[id(net)] = place
        require_same_widths(members, place)
        require_same_loss(members, place)
        require_same_meaning(members, place)
    return members


def require_same_widths(members: tuple[Sequential, ...], place: int) -> None:
    """Raise ValueError if a member takes or returns rows of another width than one before it."""
    for what, width_of in (("takes", width_taken), ("returns", width_returned)):
        own = width_of(members[place].layers)
        for other, net in enumerate(members[:place]):
            width = width_of(net.layers)
            if None not in (own, width) and own != width:
                raise ValueError(
                    f"nets[{place}] {what} {own} numbers a row, nets[{other}] {width}; wanted the "
                    "same number"
                )


def require_same_loss(members: tuple[Sequential, ...], place: int) -> None:
    """Raise ValueError unless a member's loss is that of the first one, with the same numbers."""
    first, own = members[0].loss, members[place].loss
    same = own is first or (
        type(own) is type(first)
        and (isinstance(own, Loss) or hasattr(own, "config") or own == first)
        and settings(own) == settings(first)
    )
    if not same:
        raise ValueError(f"nets[{place}] has the loss {own!r}, nets[0] {first!r}; wanted the same")


def settings(loss: Any) -> Any:
    """The arguments of a loss that has ``config()``."""
    return loss.config() if hasattr(loss, "config") else None


def require_same_meaning(members: tuple[Sequential, ...], place: int) -> None:
    """Raise ValueError if a member's classes or its encoding of a table are different ones."""
    for name in MEANINGS:
        own, first = members[place].metadata.get(name), members[0].metadata.get(name)
        if own != first:
            raise ValueError(
                f"nets[{place}] has metadata[{name!r}] {own!r:.60}, nets[0] {first!r:.60}; "
                "wanted the same"
            )


def usable_weights(weights: ArrayLike | None, n: int) -> Array:
    """The weights of n members, divided by their sum; equal ones if None came.

    Those whose sum is 1 up to rounding are kept, so that weights read from a file are the same.

    Raises
    ------
    ValueError
        Unless they are n finite numbers of at least 0 whose sum is above 0.
    """
    if weights is None:
        return np.full(n, 1.0 / n)
    array = number_array("weights", weights).astype(np.float64)
    if array.shape != (n,):
        raise ValueError(f"weights has shape {array.shape}, wanted ({n},), one per network")
    bad = np.flatnonzero(~((array >= 0) & np.isfinite(array)))
    if bad.size:
        raise ValueError(
            f"weights[{bad[0]}] is {array[bad[0]]}, wanted a finite number of at least 0"
        )
    highest = array.max()
    if highest == 0:
        raise ValueError("weights are all 0, wanted at least one above 0")
    if highest <= 1 and abs(array.sum() - 1) <= n * np.finfo(np.float64).eps:
        return array
    array = array / highest  # the sum of huge ones would be infinite
    return np.asarray(array / array.sum())


def given_weights(sample_weight: ArrayLike | None, x: Array) -> Array | None:
    """The weights of the rows x, at least one above 0; None if there are none."""
    if sample_weight is None:
        return None
    weights = row_weights("sample_weight", sample_weight, 1 if x.ndim < 2 else len(x))
    require_some_weight("sample_weight", weights)
    return weights
