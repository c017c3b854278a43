"""Valid values of the estimators' parameters: one table, checked when a training begins."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.random import RandomState

from affinet._validation import any_number, positive_number, real_number, whole_number
from affinet.layers.activations import Activation, activation_classes
from affinet.losses import Loss, elementwise
from affinet.network.inner import has_methods
from affinet.precision import PRECISIONS
from affinet.threads import MOST
from affinet.training.averaging import WeightAverage

Check = Callable[[str, Any], object]  # raises by name; what it returns does not matter

# By scikit-learn's names, and by affinet's own where scikit-learn has none.
ACTIVATIONS: dict[str, type[Activation] | None] = {"identity": None} | {
    cls.sklearn_name or name: cls for name, cls in activation_classes().items()
}
SOLVERS = ("lbfgs", "sgd", "adam")
SCHEDULES = ("constant", "invscaling", "adaptive")
CLASSIFIER_LOSSES = ("log_loss",)
REGRESSOR_LOSSES: dict[str, type[Loss]] = {
    cls.estimator_name: cls
    for cls in vars(elementwise).values()
    if isinstance(cls, type) and issubclass(cls, Loss) and cls.estimator_name
}


def store(arguments: dict[str, Any]) -> None:
    """Keep the arguments of an estimator's constructor, its ``locals()``, as they came."""
    model = arguments.pop("self")
    for name, value in arguments.items():
        setattr(model, name, value)


def with_defaults(cls: Any, state: dict[str, Any]) -> dict[str, Any]:
    """The state of a pickled estimator, with the parameters that its version did not have."""
    known = inspect.signature(cls).parameters.values()
    return {p.name: p.default for p in known if p.default is not p.empty} | state


def require_parameters(model: Any, table: Mapping[str, Check]) -> None:
    """Raise, by name, if a parameter of the estimator is not valid."""
    for name, check in table.items():
        check(name, getattr(model, name))


# Values of one kind ------------------------------------------------------------------------------


def flag(name: str, value: Any) -> None:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} is {value!r}, wanted True or False")


def choice(*names: str) -> Check:
    """One of these names."""

    def check(name: str, value: Any) -> None:
        if not isinstance(value, str) or value not in names:
            raise ValueError(f"{name} is {value!r}, wanted one of {', '.join(map(repr, names))}")

    return check


def at_least(low: float, below: float = math.inf) -> Check:
    """A number, low <= number < below."""
    return lambda name, value: real_number(name, value, low, below)


def whole(low: int) -> Check:
    """An integer of at least ``low``."""
    return lambda name, value: whole_number(name, value, low)


def momentum(name: str, value: Any) -> None:
    """0..1, both included as in scikit-learn."""
    if not 0 <= any_number(name, value) <= 1:
        raise ValueError(f"{name} is {value!r}, wanted 0 <= {name} <= 1")


def folds(name: str, value: Any) -> None:
    """None, a number of folds, a splitter of scikit-learn's form, or a list of splits."""
    given = isinstance(value, list | tuple) or (
        hasattr(value, "split") and hasattr(value, "get_n_splits")
    )
    if value is not None and not given:
        whole_number(name, value, 2)


def verbosity(name: str, value: Any) -> None:
    """True, False or an integer of at least 0."""
    if not isinstance(value, bool | np.bool_):
        whole_number(name, value, 0)


def random_state(name: str, value: Any) -> None:
    """What scikit-learn makes a RandomState from; making one to check would be slow."""
    if isinstance(value, int | np.integer) and 0 <= value < 2**32:
        return
    if value is not None and value is not np.random and not isinstance(value, RandomState):
        raise ValueError(f"{name} is {value!r}, wanted 0..2**32 - 1, a RandomState or None")


def batch_size(name: str, value: Any) -> None:
    """ "auto" or an integer of at least 1."""
    if not isinstance(value, str) or value != "auto":
        whole_number(name, value, 1)


def between_0_and_1(name: str, value: Any) -> None:
    """0 < number < 1."""
    if not 0 < any_number(name, value) < 1:
        raise ValueError(f"{name} is {value!r}, wanted 0 < {name} < 1")


def patience(name: str, value: Any) -> None:
    """An integer of at least 1, or infinity."""
    if not isinstance(value, float) or value != math.inf:
        whole_number(name, value, 1)


def n_threads(name: str, value: Any) -> None:
    """None or 1..256."""
    if value is not None and whole_number(name, value, 1) > MOST:
        raise ValueError(f"{name} is {value}, wanted {MOST} or less")


def compute_dtype(name: str, value: Any) -> None:
    """None, float32 or float64."""
    try:
        known = value is None or np.dtype(value) in (np.float32, np.float64)
    except TypeError:
        known = False
    if not known:
        raise ValueError(f"{name} is {value!r}, wanted None, float32 or float64")


def weight_average(name: str, value: Any) -> None:
    """None or an average of weights."""
    if value is not None and not isinstance(value, WeightAverage):
        raise TypeError(f"{name} is {value!r:.60}, wanted an object such as affinet.EMA(0.999)")


def product_precision(name: str, value: Any) -> None:
    """None or a precision of products in float32 networks."""
    if value is not None:
        choice(*PRECISIONS)(name, value)


def callbacks(name: str, value: Any) -> None:
    """None, or a list or tuple of callables, which can be iterated more than once."""
    if value is None:
        return
    if not isinstance(value, list | tuple) or not all(map(callable, value)):
        raise TypeError(f"{name} is {value!r}, wanted a list of callables")


def validation_data(name: str, value: Any) -> None:
    """None, (X, y) or (X, y, sample_weight)."""
    if value is None:
        return
    if not isinstance(value, list | tuple) or len(value) not in (2, 3):
        raise TypeError(
            f"{name} is {type(value).__name__}, wanted a pair (X, y) or (X, y, sample_weight)"
        )


def class_weight(name: str, value: Any) -> None:
    """None, "balanced", a dict, or one of them for each label."""
    known = value is None or isinstance(value, Mapping | list | tuple)
    if not known and not (isinstance(value, str) and value == "balanced"):
        raise ValueError(f"{name} is {value!r}, wanted a dict, 'balanced' or None")


def loss_of(*names: str) -> Check:
    """One of these names, or an object with the methods of a loss."""

    def check(name: str, value: Any) -> None:
        if isinstance(value, str):
            choice(*names)(name, value)
        elif isinstance(value, type) or not has_methods(value):
            raise TypeError(
                f"{name} is {value!r}, wanted one of {', '.join(map(repr, names))} or an object "
                "such as affinet.Huber(1.0), with forward and backward"
            )

    return check


# One value for all hidden layers, or one for each -------------------------------------------------


def layer_sizes(value: Any) -> tuple[int, ...]:
    """``hidden_layer_sizes`` as a tuple; TypeError or ValueError by name."""
    sizes = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    return tuple(whole_number("hidden_layer_sizes", size, 1) for size in sizes)


def activations(value: Any, n_hidden: int) -> tuple[str, ...]:
    """``activation`` as one name a hidden layer; TypeError or ValueError by name."""
    names = for_each("activation", value, n_hidden, str)
    check = choice(*ACTIVATIONS)
    for name in names:
        check("activation", name)
    return names


def dropout_rates(value: Any, n_hidden: int) -> tuple[float, ...]:
    """``dropout`` as one probability a hidden layer; TypeError or ValueError by name."""
    rates = for_each("dropout", value, n_hidden, (int, float, np.number))
    return tuple(real_number("dropout", rate, 0.0, 1.0) for rate in rates)


def for_each(name: str, value: Any, n_hidden: int, single: Any) -> tuple[Any, ...]:
    """A value for each hidden layer; one of the type ``single`` stands for all of them."""
    if isinstance(value, single):
        return (value,) * max(n_hidden, 1)  # without a hidden layer it is still checked
    if not isinstance(value, list | tuple | np.ndarray):
        raise TypeError(f"{name} is {value!r}, wanted one value or a list, one a hidden layer")
    if len(value) != n_hidden:
        raise ValueError(f"{name} has {len(value)} values, wanted {n_hidden}, one a hidden layer")
    return tuple(value)


# The tables ---------------------------------------------------------------------------------------

COMMON: dict[str, Check] = {
    "hidden_layer_sizes": lambda name, value: layer_sizes(value),
    "solver": choice(*SOLVERS),
    "alpha": at_least(0.0),
    "batch_size": batch_size,
    "learning_rate": choice(*SCHEDULES),
    "learning_rate_init": positive_number,
    "power_t": at_least(0.0),
    "max_iter": whole(1),
    "shuffle": flag,
    "random_state": random_state,
    "tol": at_least(0.0),
    "verbose": verbosity,
    "warm_start": flag,
    "momentum": momentum,
    "nesterovs_momentum": flag,
    "early_stopping": flag,
    "validation_fraction": at_least(0.0, 1.0),
    "beta_1": at_least(0.0, 1.0),
    "beta_2": at_least(0.0, 1.0),
    "epsilon": positive_number,
    "n_iter_no_change": patience,
    "max_fun": whole(1),
    "validation_data": validation_data,
    "callbacks": callbacks,
    "n_estimators": whole(1),
    "bootstrap": flag,
    "cv": folds,
    "average": weight_average,
    "n_threads": n_threads,
    "dtype": compute_dtype,
    "precision": product_precision,
}
CLASSIFIER = COMMON | {"loss": loss_of(*CLASSIFIER_LOSSES), "class_weight": class_weight}
REGRESSOR = COMMON | {"loss": loss_of(*REGRESSOR_LOSSES), "quantile": between_0_and_1}
