"""The methods: which package each is from, and what it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True)
class Method:
    """A method with its defaults.

    Attributes
    ----------
    module : str
        The module of this folder with the function ``contender(name, task, seed, threads, quick)``.
    package : str
        What has to be installed.
    reference : str or None
        The method of pytabkit that ours is compared with.
    one_thread_too : bool
        True if it is also measured on one thread; the faster number counts.
    """

    module: str
    package: str
    reference: str | None = None
    one_thread_too: bool = False


METHODS = {
    "realmlp": Method("affinet_contenders", "affinet", "pytabkit-td"),
    "realmlp-s": Method("affinet_contenders", "affinet", "pytabkit-td-s"),
    "tabm": Method("affinet_contenders", "affinet", "pytabkit-tabm"),
    "fast": Method("affinet_contenders", "affinet", "pytabkit-td"),
    "mlp": Method("affinet_contenders", "affinet"),
    "lightgbm": Method("tree_contenders", "lightgbm"),
    "xgboost": Method("tree_contenders", "xgboost"),
    "catboost": Method("tree_contenders", "catboost"),
    "sklearn-boosting": Method("sklearn_contenders", "sklearn"),
    "sklearn-mlp": Method("sklearn_contenders", "sklearn"),
    "pytabkit-td": Method("pytabkit_contenders", "pytabkit", one_thread_too=True),
    "pytabkit-td-s": Method("pytabkit_contenders", "pytabkit", one_thread_too=True),
    "pytabkit-tabm": Method("pytabkit_contenders", "pytabkit", one_thread_too=True),
}


def missing(names: list[str]) -> dict[str, str]:
    """Why methods cannot run here, by name."""
    return {
        name: f"{METHODS[name].package} is not installed"
        for name in names
        if find_spec(METHODS[name].package) is None
    }


def thread_counts(name: str, threads: int) -> list[int]:
    """The numbers of threads that a method is measured with."""
    return sorted({1, threads}) if METHODS[name].one_thread_too else [threads]
