"""Estimators that search: many networks for a table, and an ensemble of the best."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from affinet.ensemble import Ensemble
from affinet.estimators.parameters import Check, choice, store, whole
from affinet.estimators.tabular import TabularClassifier, TabularRegressor
from affinet.estimators.tabular_base import BaseTabular, Encoded
from affinet.estimators.tabular_parameters import CLASSIFIER, REGRESSOR, optional
from affinet.tabular import Recipe, recipe_for
from affinet.tuning import Trial, default_space, search, table_space
from affinet.tuning.networks import require_names
from affinet.tuning.spaces import usable_space
from affinet.tuning.tables import RECIPE_NAMES, table_build

# Parameters of Tabular*, not of these.
OTHERS = (
    *("preset", "batch_size", "callbacks"),
    *("n_estimators", "bootstrap", "cv", "average", "precision"),
)
METHODS = ("realmlp", "mlp")


def space_of(name: str, value: Any) -> None:
    """None, or a dict of names that the networks have."""
    if value is not None:
        require_names(usable_space(value))


def table_for(parameters: dict[str, Check]) -> dict[str, Check]:
    """Valid values of the parameters, from those of the estimators for one network."""
    kept = {name: check for name, check in parameters.items() if name not in OTHERS}
    counts = {name: whole(1) for name in ("n_iter", "rungs", "members", "epochs")}
    own = {"space": space_of, "method": choice(*METHODS), "patience": optional(whole(1))}
    return kept | counts | own


class BaseSearch(BaseTabular):
    """What both estimators that search do instead of training one network."""

    _predictor = "ensemble_"
    ensemble_: Ensemble
    n_estimators, bootstrap, cv = 1, False, None
    precision: str | None = None

    def _recipe(self, n_rows: int) -> Recipe:
        """RealMLP's, which the networks vary; or for its encoding only, which is TabPack's."""
        recipe = recipe_for(self.method, "default", self._task, n_rows)
        return recipe if self.method == "realmlp" else replace(recipe, scaling="quantile")

    def _train(self, data: Encoded, seed: int, begun: float) -> None:
        """Search, and keep the ensemble."""
        x, t, weights, validation = data.x, data.t, data.weights, data.validation
        space, build = self.space, None
        if self.method == "realmlp":
            space = table_space(self._task) if space is None else space
            if "muon_lr" in space:
                known = ", ".join(RECIPE_NAMES)
                raise ValueError(f"space has 'muon_lr', wanted some of {known}; or method='mlp'")
            build = table_build(self.recipe_, self.encoding_, x, t)
        space = default_space() if space is None else space
        left = self.time_limit
        if left is not None:
            left = max(left - (time.perf_counter() - begun), 1e-3)
        chosen_by = (x, t) if weights is None else (x, t, weights)
        found = search(
            space, x, t, self.n_iter,
            validation_data=chosen_by if validation is None else validation,
            sample_weight=weights, n_outputs=self._n_outputs(), build=build,
            numbers=list(self.encoding_.number_inputs), epochs=self._most_epochs(t),
            rungs=self.rungs, patience=self.patience, members=self.members, seed=seed,
            time_limit=left, verbose=int(bool(self.verbose)),
        )  # fmt: skip
        self.best_params_: dict[str, Any] = found.best.params
        self.best_index_ = found.best.number
        self.validation_loss_ = found.score
        self.trials_: list[Trial] = [replace(trial, net=None) for trial in found.trials]
        self.ensemble_ = found.ensemble
        if validation is None:
            self._calibrate(None, None, None)
        else:
            out = found.ensemble.predict(validation[0])
            self._calibrate(out, validation[1], validation[2] if len(validation) > 2 else None)

    def _n_outputs(self) -> int:
        """Width of the networks' outputs."""
        return len(self.classes_) if self._task == "classification" else 1


class SearchClassifier(BaseSearch, TabularClassifier):
    """Many networks of random hyper-parameters for a table, and an ensemble of the best.

    It takes the table as :class:`TabularClassifier` does. Networks are trained together, those
    that fall behind on held-out rows stop early, and an ensemble of those that predict these rows
    best is kept; see :func:`affinet.search`, which this is for tables. It is usually better than
    :class:`TabularClassifier` and takes three to seven times as long.

    Parameters
    ----------
    space : dict, optional
        A list or a distribution of :mod:`affinet.tuning` for hyper-parameters, by the names of
        ``affinet.tuning.DEFAULTS``. By default ``affinet.tuning.table_space(...)``, or with
        ``method="mlp"`` ``affinet.tuning.default_space()``.
    n_iter : int
        Number of networks.
    method : {"realmlp", "mlp"}
        "realmlp": networks, encoding and training of RealMLP, whose hyper-parameters replace
        those that ``space`` lacks, but not "muon_lr"; in each rung the learning rate rises and
        falls once. "mlp": the plain networks of :func:`affinet.search`, with the ranges of
        TabPack (2026) and constant learning rates; give it a ``patience`` of 16.
    epochs : int
        Most epochs of a network.
    rungs : int
        Number of rungs: after each but the last, half of the networks stop.
    patience : int, optional
        Number of epochs without a lower validation loss after which a network stops.
    members : int
        Most members of the ensemble, repeats included.
    categorical_features, validation_data, class_weight
        As in :class:`TabularClassifier`.
    validation_fraction : float
        Fraction of the rows to hold out, about the same of each class. They choose epochs,
        networks, ensemble and temperature. If that is fewer than 10 rows, none are held out: the
        training rows choose, and the probabilities are not calibrated.
    time_limit : float, optional
        Seconds after which networks stop at the end of their epoch; the result then depends on
        the machine.
    random_state : int, RandomState or None
        Seed of everything.
    n_threads, verbose
        As in :class:`TabularClassifier`.

    Attributes
    ----------
    ensemble_ : Ensemble
        The networks that predict.
    best_params_ : dict
        Hyper-parameters of the single network with the lowest validation loss.
    best_index_ : int
        Its place in ``trials_``.
    trials_ : list of affinet.tuning.Trial
        All networks: hyper-parameters, score, epochs, history and why each stopped; without the
        networks themselves.
    validation_loss_ : float
        Loss of the ensemble on the held-out rows, which selected it.
    classes_, temperature_, encoding_, n_features_in_, feature_names_in_
        As in :class:`TabularClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.estimators import SearchClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((300, 2))
    >>> y = np.where(X[:, 0] * X[:, 1] > 0, "yes", "no")
    >>> space = {"width": [32, 64], "layers": [1, 2], "lr": [0.03, 0.1], "batch_size": 32}
    >>> model = SearchClassifier(space, n_iter=6, epochs=24, random_state=0)
    >>> model.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.85
    True
    """

    _table = table_for(CLASSIFIER)

    def __init__(
        self,
        space: Any = None,
        n_iter: int = 64,
        *,
        method: str = "realmlp",
        epochs: int = 256,
        rungs: int = 5,
        patience: int | None = None,
        members: int = 32,
        categorical_features: Any = None,
        validation_data: Any = None,
        validation_fraction: float = 0.2,
        class_weight: Any = None,
        time_limit: float | None = None,
        random_state: Any = None,
        n_threads: int | None = None,
        verbose: bool | int = 0,
    ) -> None:
        store(locals())


class SearchRegressor(BaseSearch, TabularRegressor):
    """Many networks of random hyper-parameters for a table, and an ensemble of the best.

    :class:`SearchClassifier` for numbers: the target is standardised internally, and the loss is
    the mean squared error.

    Parameters
    ----------
    space, n_iter, method, epochs, rungs, patience, members
        As in :class:`SearchClassifier`.
    time_limit, random_state, n_threads, verbose
        As in :class:`SearchClassifier`.
    categorical_features, validation_data
        As in :class:`TabularRegressor`.
    validation_fraction : float
        Fraction of the rows to hold out. They choose epochs, networks and ensemble. If that is
        fewer than 10 rows, none are held out and the training rows choose.

    Attributes
    ----------
    ensemble_ : Ensemble
        The networks that predict ``(y - mean) / std``.
    best_params_, best_index_, trials_, validation_loss_, encoding_, n_features_in_
        As in :class:`SearchClassifier`; losses are of the standardised target.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.estimators import SearchRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (400, 3))
    >>> y = 100 + 10 * np.sin(X[:, 0]) + X[:, 1]
    >>> space = {"width": [32, 64], "lr": [0.1, 0.2], "batch_size": 32}
    >>> model = SearchRegressor(space, n_iter=6, epochs=24, random_state=0).fit(X[:300], y[:300])
    >>> model.score(X[300:], y[300:]) > 0.95
    True
    """

    _table = table_for(REGRESSOR)

    def __init__(
        self,
        space: Any = None,
        n_iter: int = 64,
        *,
        method: str = "realmlp",
        epochs: int = 256,
        rungs: int = 5,
        patience: int | None = None,
        members: int = 32,
        categorical_features: Any = None,
        validation_data: Any = None,
        validation_fraction: float = 0.2,
        time_limit: float | None = None,
        random_state: Any = None,
        n_threads: int | None = None,
        verbose: bool | int = 0,
    ) -> None:
        store(locals())
