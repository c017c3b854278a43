"""Spaces of hyper-parameters: a distribution, or a list of values, for each name."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from affinet._validation import any_number, positive_number, whole_number


class Distribution(ABC):
    """What values of a hyper-parameter are drawn from. Subclasses define ``draw``."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Any:
        """One value.

        Parameters
        ----------
        rng : numpy.random.Generator
        """

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, vars(self).values()))})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash(repr(self))


class Uniform(Distribution):
    """Numbers between two bounds, all equally likely.

    Parameters
    ----------
    low, high : float
        low < high.

    Examples
    --------
    >>> import numpy as np
    >>> 2 <= Uniform(2, 3).draw(np.random.default_rng(0)) < 3
    True
    """

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = any_number("low", low), any_number("high", high)
        require_order(self.low, self.high)

    def draw(self, rng: np.random.Generator) -> float:
        """One number."""
        return float(rng.uniform(self.low, self.high))


class LogUniform(Distribution):
    """Numbers whose logarithm is uniform: each power of ten is equally likely.

    Parameters
    ----------
    low, high : float
        0 < low < high.

    Examples
    --------
    >>> import numpy as np
    >>> 1e-4 <= LogUniform(1e-4, 1e-2).draw(np.random.default_rng(0)) <= 1e-2
    True
    """

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = positive_number("low", low), positive_number("high", high)
        require_order(self.low, self.high)

    def draw(self, rng: np.random.Generator) -> float:
        """One number."""
        return float(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))


class Integer(Distribution):
    """Whole numbers from ``low`` to ``high``, both included, all equally likely.

    Parameters
    ----------
    low, high : int
        low <= high.
    step : int
        Distance between two of them: ``low``, ``low + step``, ....

    Examples
    --------
    >>> import numpy as np
    >>> Integer(8, 32, 4).draw(np.random.default_rng(0)) in range(8, 33, 4)
    True
    """

    def __init__(self, low: int, high: int, step: int = 1) -> None:
        self.low = whole_number("low", low, 0)
        self.high = whole_number("high", high, 0)
        self.step = whole_number("step", step, 1)
        if self.high < self.low:
            raise ValueError(f"high is {high}, wanted at least low, {low}")

    def draw(self, rng: np.random.Generator) -> int:
        """One number."""
        return self.low + self.step * int(rng.integers((self.high - self.low) // self.step + 1))


class Choice(Distribution):
    """One of several values, all equally likely; one that is a distribution is drawn from.

    Parameters
    ----------
    options : sequence
        At least one value.

    Examples
    --------
    No dropout in half of the networks:

    >>> import numpy as np
    >>> dropout = Choice([0.0, Uniform(0, 0.5)])
    >>> [dropout.draw(np.random.default_rng(seed)) > 0 for seed in range(4)]
    [True, False, True, True]
    """

    def __init__(self, options: Sequence[Any]) -> None:
        if isinstance(options, str) or not isinstance(options, list | tuple | range | np.ndarray):
            raise TypeError(f"options is {options!r:.60}, wanted a list of values")
        if not len(options):
            raise ValueError("options is empty, wanted at least one value")
        self.options = [o.item() if isinstance(o, np.generic) else o for o in options]

    def draw(self, rng: np.random.Generator) -> Any:
        """One of the values."""
        return value_of(self.options[int(rng.integers(len(self.options)))], rng)


def require_order(low: float, high: float) -> None:
    """Raise ValueError unless low < high."""
    if not low < high:
        raise ValueError(f"high is {high}, wanted more than low, {low}")


def usable_space(space: Any) -> dict[str, Any]:
    """The space as a dict of distributions and constants.

    Raises
    ------
    TypeError, ValueError
        If it is not a mapping of names, or a list in it is empty; the message has the name.
    """
    if not isinstance(space, Mapping):
        raise TypeError(f"space is {space!r:.60}, wanted a dict of name: distribution or list")
    found: dict[str, Any] = {}
    for name, values in space.items():
        if not isinstance(name, str):
            raise TypeError(f"space has the name {name!r}, wanted names as str")
        try:
            listed = isinstance(values, list | tuple | range | np.ndarray)
            found[name] = Choice(values) if listed else values
        except (TypeError, ValueError) as error:
            raise type(error)(f"space[{name!r}]: {error}") from None
    return found


def value_of(values: Any, rng: np.random.Generator) -> Any:
    """A value drawn from a distribution, of affinet or SciPy; anything else is that value."""
    if isinstance(values, Distribution):
        return values.draw(rng)
    if hasattr(values, "rvs"):
        value = values.rvs(random_state=np.random.RandomState(int(rng.integers(2**31))))
        return value.item() if isinstance(value, np.generic) else value
    return values


def drawn(space: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """One value for each name of a space, drawn in the order of the names in it.

    Parameters
    ----------
    space : mapping of str to list, distribution or value
        A list stands for :class:`Choice`. Distributions of ``scipy.stats`` can be used, too. Any
        other value is a constant.
    rng : numpy.random.Generator

    Returns
    -------
    dict

    Examples
    --------
    >>> import numpy as np
    >>> drawn({"layers": [2], "activation": "relu"}, np.random.default_rng(0))
    {'layers': 2, 'activation': 'relu'}
    """
    return {name: value_of(values, rng) for name, values in usable_space(space).items()}
