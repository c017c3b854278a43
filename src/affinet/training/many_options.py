"""The options of ``fit`` for many networks: each given once, or as a list of one per network."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from affinet._foreign_names import FIT_NAMES, require_known_names
from affinet.training.trainer import fit

OPTIONS: dict[str, Any] = {  # of fit, with their defaults
    name: parameter.default
    for name, parameter in inspect.signature(fit).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY
}
ONCE = ("verbose", "reducer")  # belong to the whole call
OF_THE_CALL = (*ONCE, "resume")  # not arguments of one training's checks
# Names of the lists that are not the option's name with an s. A number of epochs or steps has a
# plural name already: there a list is one value per network.
LISTS = {
    "epochs": "epochs",
    "steps": "steps",
    "validation_data": "validation_sets",
    "callbacks": "callback_lists",
    "metrics": "metric_lists",
    "stop_if_not_finite": "stops_if_not_finite",
}


def list_name(option: str) -> str:
    """The name under which an option is given as a list of one value per network.

    Examples
    --------
    >>> list_name("seed"), list_name("callbacks")
    ('seeds', 'callback_lists')
    """
    return LISTS.get(option, f"{option}s")


def of_calls(calls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The options of ``fit_many`` from those of each network's ``fit``.

    Examples
    --------
    >>> of_calls([{"epochs": 9, "seed": 0}, {"epochs": 9, "seed": 1}])
    {'epochs': 9, 'seeds': [0, 1]}
    """
    found = {}
    for option, value in calls[0].items():
        values = [call[option] for call in calls]
        once = option in ONCE or (len(calls) > 1 and all(own is value for own in values))
        found[option if once else list_name(option)] = value if once else values
    return found


class ManyOptions:
    """Options of ``fit_many``, checked for their names and lengths.

    Parameters
    ----------
    given : mapping of str to value
    n : int
        Number of networks.

    Attributes
    ----------
    once : dict
        Options with one value for all networks, defaults included.
    lists : dict of str to list
        Options with one value per network, by the names of ``fit``.

    Raises
    ------
    TypeError
        For a name that is unknown, or given both once and as a list.
    ValueError
        If a list does not have one value per network.
    """

    def __init__(self, given: Mapping[str, Any], n: int) -> None:
        require_names(given)
        self.once = dict(OPTIONS)
        self.lists: dict[str, list[Any]] = {}
        for option in OPTIONS:
            name = list_name(option)
            as_list = option not in ONCE and name in given
            if name == option and as_list and not is_list(given[name]):
                as_list = False
            if as_list:
                if name != option and option in given:
                    raise TypeError(f"{option} and {name} were both given, wanted one of them")
                self.lists[option] = one_per_network(name, given[name], n)
                del self.once[option]
            elif option in given:
                self.once[option] = given[option]
        for name in ("callbacks", "metrics"):  # an iterator would last for one network
            if isinstance(self.once.get(name), Iterator):
                self.once[name] = tuple(self.once[name])
        self.given = {name for name in OPTIONS if name in given or name in self.lists}

    def of(self, place: int) -> dict[str, Any]:
        """The options of one network, by the names of ``fit``."""
        return self.once | {name: values[place] for name, values in self.lists.items()}

    def checked(self, place: int) -> dict[str, Any]:
        """The same without those of the call: what one training's checks take."""
        found = self.of(place)
        for name in OF_THE_CALL:
            found.pop(name, None)
        return found


def require_names(given: Iterable[str]) -> None:
    """Raise TypeError for a name that is neither an option of ``fit`` nor its list's."""
    known = set(OPTIONS) | {list_name(option) for option in OPTIONS if option not in ONCE}
    require_known_names("fit_many", given, known, FIT_NAMES)
    for name in given:
        if name not in known:
            raise TypeError(
                f"fit_many has no argument {name!r}: wanted an option of fit, such as batch_size, "
                "or a list of one per network, such as batch_sizes"
            )


def is_list(value: Any) -> bool:
    """True for a list, a tuple, a range or an array of one dimension or more."""
    return isinstance(value, list | tuple | range) or (
        isinstance(value, np.ndarray) and value.ndim > 0
    )


def one_per_network(name: str, value: Any, n: int) -> list[Any]:
    """``value`` as a list with one element per network."""
    if not is_list(value):
        raise TypeError(f"{name} is {value!r:.80}, wanted a list of one value per network")
    if len(value) != n:
        raise ValueError(f"{name} has {len(value)} values, wanted {n}, one per network")
    return list(value)
