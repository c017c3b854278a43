"""Groups of parameters that have their own learning rate and weight decay."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import repeat
from typing import Any, NamedTuple

from affinet._validation import real_number

__all__ = ["Group"]


@dataclass(frozen=True, init=False)
class Group:
    """Parameters whose learning rate and weight decay an optimizer multiplies.

    For ``groups`` of any optimizer, as in ``an.AdamW(groups=[an.Group("*.b", lr=0.1)])``. The first
    group that matches a parameter counts; parameters of no group keep the optimizer's numbers.

    Decoupled weight decay multiplies both factors: a group's step is
    ``W -= (lr g.lr) (weight_decay g.weight_decay) W``. The package pytabkit, RealMLP's reference,
    multiplies each factor twice: ``Group(name, lr=f, weight_decay=f * d * d)`` reproduces its
    factors f and d.

    Parameters
    ----------
    parameters : str or sequence of str
        Names of parameters, the keys of ``net.params``, or patterns of names: ``"*.b"`` are all
        biases, ``"0.*"`` is the first layer, ``"3.W"`` one array; ``?`` and ``[...]`` work as in
        the standard module ``fnmatch``.
    lr, weight_decay : float
        Factors of the optimizer's learning rate and weight decay, 0 or more.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> params = {"0.W": np.ones(1), "0.b": np.ones(1)}
    >>> an.SGD(lr=0.1, groups=[an.Group("*.b", lr=3)]).update(params, params)
    >>> params["0.W"].round(6), params["0.b"].round(6)
    (array([0.9]), array([0.7]))
    """

    parameters: tuple[str, ...]
    lr: float
    weight_decay: float

    def __init__(
        self, parameters: str | Sequence[str], lr: float = 1.0, weight_decay: float = 1.0
    ) -> None:
        object.__setattr__(self, "parameters", require_patterns("parameters", parameters))
        object.__setattr__(self, "lr", real_number("lr", lr, 0.0))
        object.__setattr__(self, "weight_decay", real_number("weight_decay", weight_decay, 0.0))

    def __repr__(self) -> str:
        names = self.parameters[0] if len(self.parameters) == 1 else list(self.parameters)
        return f"Group({names!r}, lr={self.lr!r}, weight_decay={self.weight_decay!r})"

    def config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            "parameters": list(self.parameters), "lr": self.lr, "weight_decay": self.weight_decay
        }  # fmt: skip

    def matches(self, name: str) -> bool:
        """True if the parameter belongs to the group, unless an earlier one has it."""
        return matches(name, self.parameters)


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """True if the name is one of these, or matches one of them."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def require_patterns(
    argument: str, value: str | Sequence[str], none: bool = False
) -> tuple[str, ...]:
    """Names or patterns as a tuple, which is empty only if ``none`` allows it."""
    found = (value,) if isinstance(value, str) else value
    if not isinstance(found, Sequence):
        raise TypeError(f"{argument} is {value!r}, wanted a name or a sequence of names")
    if not found and not none:
        raise ValueError(f"{argument} is {value!r}, wanted at least one name")
    for name in found:
        if not isinstance(name, str):
            raise TypeError(f"{argument} has {name!r}, wanted names or patterns such as '*.b'")
    return tuple(found)


@functools.lru_cache(maxsize=128)  # layer by layer, each update asks
def require_matches(argument: str, patterns: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Raise unless each pattern matches a name."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(
                f"{argument}: {pattern!r} matches no parameter, wanted one of {', '.join(names)}"
            )


class Factors(NamedTuple):
    """What a parameter's learning rate and weight decay are multiplied by."""

    lr: float = 1.0
    weight_decay: float = 1.0


class Segment(NamedTuple):
    """A range of a flat buffer with the same factors."""

    start: int
    end: int
    lr: float
    weight_decay: float
    columns: int = 0  # of one of Muon's matrices, 0 for anything else

    @property
    def factors(self) -> Factors:
        """The factors of the learning rate and of the weight decay."""
        return Factors(self.lr, self.weight_decay)


def require_groups(groups: Iterable[Group] | None) -> tuple[Group, ...]:
    """The groups as a tuple."""
    if groups is None:
        return ()
    if isinstance(groups, str | Group) or not isinstance(groups, Iterable):
        raise TypeError(f"groups is {groups!r}, wanted a list such as [Group('*.b', lr=0.1)]")
    found = tuple(groups)
    for place, group in enumerate(found):
        if not isinstance(group, Group):
            raise TypeError(f"groups[{place}] is {group!r}, wanted a Group such as Group('*.b')")
    return found


@functools.lru_cache(maxsize=128)
def factors_of(
    names: tuple[str, ...], groups: tuple[Group, ...], exempt: frozenset[str]
) -> tuple[Factors, ...]:
    """Each parameter's factors; those that are ``exempt`` have no weight decay.

    Raises
    ------
    ValueError
        If a pattern matches no name.
    """
    for group in groups:
        require_matches("groups", group.parameters, names)
    found = []
    for name in names:
        own = next((group for group in groups if group.matches(name)), None)
        lr, decay = (1.0, 1.0) if own is None else (own.lr, own.weight_decay)
        found.append(Factors(lr, 0.0 if name in exempt else decay))
    return tuple(found)


def segments_of(
    sizes: Iterable[int], factors: Iterable[Factors], columns: Iterable[int] | None = None
) -> tuple[Segment, ...]:
    """The ranges of arrays of these sizes, one behind the other; neighbours with the same factors
    are one range, and there is none if all factors are 1.

    ``columns`` are each array's as a matrix, which is a range by itself, and 0 for other arrays;
    left out, no array is one.
    """
    found: list[Segment] = []
    start = 0
    arrays = zip(sizes, factors, strict=True)
    for (size, own), width in zip(arrays, repeat(0) if columns is None else columns, strict=False):
        if size == 0:
            continue
        segment = Segment(start, start + size, *own, width)
        if found and found[-1][2:] == segment[2:] and not width:
            found[-1] = found[-1]._replace(end=segment.end)
        else:
            found.append(segment)
        start = segment.end
    same = all(segment[2:] == (*Factors(), 0) for segment in found)
    return () if same else tuple(found)
