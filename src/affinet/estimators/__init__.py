"""Estimators with scikit-learn's interface, trained by affinet (extra ``sklearn``).

``MLPClassifier`` and ``MLPRegressor`` are scikit-learn's own: parameters and fitted attributes have
its names, order and meaning, so a program changes nothing but its import; after them come
parameters that scikit-learn lacks. ``TabularClassifier`` and ``TabularRegressor`` take a table as
it is, with texts and missing values, and train networks that are made for tables.
``SearchClassifier`` and ``SearchRegressor`` train many networks of random hyper-parameters for such
a table and predict with an ensemble of the best.

Examples
--------
>>> from affinet.estimators import MLPClassifier
>>> from sklearn.datasets import load_iris
>>> X, y = load_iris(return_X_y=True)
>>> MLPClassifier((16,), learning_rate_init=0.05, random_state=0).fit(X, y).score(X, y) > 0.95
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from affinet.estimators.classifier import MLPClassifier
    from affinet.estimators.regressor import MLPRegressor
    from affinet.estimators.searches import SearchClassifier, SearchRegressor
    from affinet.estimators.tabular import TabularClassifier, TabularRegressor

__all__ = [
    "MLPClassifier",
    "MLPRegressor",
    "SearchClassifier",
    "SearchRegressor",
    "TabularClassifier",
    "TabularRegressor",
]
_ROOMS = {
    "MLPClassifier": "classifier",
    "MLPRegressor": "regressor",
    "SearchClassifier": "searches",
    "SearchRegressor": "searches",
    "TabularClassifier": "tabular",
    "TabularRegressor": "tabular",
}


def __getattr__(name: str) -> Any:
    """Import scikit-learn at the first use: ``from affinet import *`` does not need it."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        found = getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("sklearn", "scipy"):
            raise
        raise ImportError(
            'affinet.estimators needs scikit-learn: pip install "affinet[sklearn]"'
        ) from error
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
