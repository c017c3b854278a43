"""A small table of numbers, texts, categories, dates and missing values, and two targets."""

from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

from affinet.estimators import TabularClassifier, TabularRegressor
from affinet.tabular import METHODS

N = 160
RNG = np.random.default_rng(0)
NUMBER = RNG.standard_normal(N)
COLOR = RNG.choice(["red", "green", "blue"], N)
CODE = RNG.integers(0, 4, N)
VALUE = 50 + 10 * (NUMBER * np.where(COLOR == "red", 1, -1) + (CODE == 2))
CLASS = np.array(["low", "mid", "top"])[np.digitize(VALUE, [43, 57])]
# A method without its own module yet cannot be trained.
READY = [
    method
    for method in METHODS
    if method == "mlp" or find_spec(f"affinet.tabular.{method.partition('-')[0]}")
]


def objects():
    """The table as an array of objects (N, 3)."""
    table = np.empty((N, 3), object)
    table[:, 0], table[:, 1], table[:, 2] = NUMBER, COLOR, CODE
    return table


def pandas_frame():
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    seventh, ninth = np.arange(N) % 7 == 0, np.arange(N) % 9 == 0
    return pandas.DataFrame(
        {
            "number": np.where(seventh, np.nan, NUMBER),
            "color": pandas.Series(COLOR).where(~ninth),
            "kind": pandas.Categorical(COLOR),
            "code": pandas.array(np.where(ninth, None, CODE), dtype="Int64"),
            "flag": NUMBER > 0,
            "empty": np.nan,
        }
    )


def polars_frame():
    polars = pytest.importorskip("polars", reason="needs polars")
    return polars.DataFrame(
        {
            "number": [None if i % 7 == 0 else float(v) for i, v in enumerate(NUMBER)],
            "color": [None if i % 9 == 0 else str(v) for i, v in enumerate(COLOR)],
            "kind": polars.Series(COLOR.tolist()).cast(polars.Categorical),
            "code": CODE,
            "flag": NUMBER > 0,
        }
    )


def classifier(**options):
    return TabularClassifier(
        **{"method": "mlp", "random_state": 0, "epochs": 2, "n_threads": 1} | options
    )


def regressor(**options):
    return TabularRegressor(
        **{"method": "mlp", "random_state": 0, "epochs": 2, "n_threads": 1} | options
    )


def results(model, X):
    """Probabilities, or numbers."""
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)
