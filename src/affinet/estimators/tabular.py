"""Estimators for tables: numbers, texts and missing values as they come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets

from affinet._validation import Array
from affinet.estimators.class_weights import class_weights_from_sums
from affinet.estimators.parameters import store
from affinet.estimators.tabular_base import BaseTabular
from affinet.estimators.tabular_data import TableRows, checked_target
from affinet.estimators.tabular_parameters import CLASSIFIER, REGRESSOR
from affinet.tables import ClassTarget
from affinet.tables.cells import value_label
from affinet.tables.targets import Target
from affinet.tabular import calibrated, fit_temperature
from affinet.training.finite import warn_caller


class TabularClassifier(ClassifierMixin, BaseTabular):
    """A network that classifies the rows of a table.

    It takes the table as it is: no scaling, one-hot encoding or imputation is needed. Numbers are
    scaled, texts become categories, dates become numbers, missing values get separate inputs,
    and categories unseen in training count as unknown. The epoch with the fewest errors on held-out
    rows is kept, and the probabilities are calibrated on these rows by temperature scaling.

    **When to use it.** For tables of some hundred rows up to several hundred thousand, when a
    network is wanted as such, in an ensemble with boosted trees, or because it is better on your
    data: "realmlp" and "tabm" are among the best methods on tables that train on a CPU. Boosted
    trees, such as ``sklearn.ensemble.HistGradientBoostingClassifier``, train faster and win on
    some tables; compare both by cross-validation. For rows that are images, signals or otherwise
    numbers of one kind use :class:`MLPClassifier`, which also learns several labels per row, takes
    sparse matrices and continues training.

    **Which method.** "realmlp" is the default. "realmlp-s" is simpler, trains faster and is
    slightly worse on average. "tabm" is an ensemble inside one network: it costs several times as
    much and is often a little better. "mlp" is a plain network, as a baseline. ``preset="fast"``
    is for a first look, ``time_limit`` for a deadline.

    Parameters
    ----------
    method : {"realmlp", "realmlp-s", "tabm", "mlp"}
        RealMLP-TD and RealMLP-TD-S: Holzmüller, Grinsztajn, Steinwart, NeurIPS 2024; TabM:
        Gorishniy, Kotelnikov, Babenko, ICLR 2025; a network with two hidden layers and early
        stopping. See :func:`affinet.tabular.recipe_for`.
    preset : {"default", "fast", "best"}
        "default" is the published recipe, "fast" a shorter and "best" a longer training.
    categorical_features : sequence of str, int or bool, optional
        Columns of numbers that stand for categories, by name, by place or as a mask. Texts,
        categories and booleans need not be named.
    validation_data : tuple, optional
        ``(X, y)`` or ``(X, y, sample_weight)`` that selects the epoch and the temperature; then no
        rows are held out. Rows of a class that y lacks are left out, with a warning.
    validation_fraction : float
        Fraction of the rows to hold out, about the same of each class. If that is fewer than 10
        rows, none are held out: the last epoch is kept and the probabilities are not calibrated.
        0 never holds out rows.
    class_weight : dict, "balanced" or None
        Weight of each class, by its label; classes left out have weight 1. "balanced" gives a
        class ``(sum of all weights) / (C (sum of its rows' weights))``, C the number of classes.
        The weights count in training, in the selection of the epoch and in the temperature.
    time_limit : float, optional
        Seconds that ``fit`` may take. The time of a step is measured first; then as many epochs as
        fit, at most those of the preset, are trained to their end, with schedules that extend over
        all of them. Giving ``epochs_`` as ``epochs`` repeats the training to the bit. ``fit`` takes
        longer if the machine becomes busy, or if there is no time for one epoch.
    epochs : int, optional
        Number of epochs; with ``time_limit`` the most. That of the preset by default.
    batch_size : int, optional
        Rows per step; that of the preset by default.
    callbacks : list of callables, optional
        Called with an :class:`affinet.TrainingState` after every epoch, whose ``metrics`` also
        hold "val_loss" and "val_error" if there are validation rows.
    n_estimators : int
        Number of networks, which differ by their seeds and are trained at once, each on one
        thread; predictions are the mean of theirs. They share the encoding and the held-out rows.
        Member k has the k-th seed drawn from ``random_state``; the first is, to the bit, the model
        that ``n_estimators=1`` trains.
    bootstrap : bool
        Whether each network is trained on as many rows drawn with replacement.
    cv : int, splitter of scikit-learn or None
        A model for each fold, trained on the rows outside it and with the fold as its validation
        rows; predictions are the mean of theirs. An int is the number of folds, stratified by
        class for a classifier. With ``n_estimators`` every fold has that many networks.
    average : WeightAverage, optional
        :class:`affinet.EMA` or :class:`affinet.SWA`: the network becomes the average of its weights
        over the updates, whose figures select the epoch. Each network has its own.
    random_state : int, RandomState or None
        Seed of the initial weights, the held-out rows, the shuffles and the dropout masks.
    n_threads : int, optional
        Number of threads to train and predict with; None keeps the current number. No result
        depends on it.
    precision : {None, "bfloat16", "bfloat16x3", "bfloat16x6"}
        How affine layers multiply matrices; see :class:`affinet.Sequential`.
    verbose : bool or int
        True shows progress.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        Labels in the order of the probabilities.
    net_ : Sequential
        The network.
    temperature_ : float
        The logits are divided by it; 1 without validation rows.
    encoding_ : Encoding
        How the columns become inputs of the network.
    recipe_ : Recipe
        All choices of the method and the preset.
    history_ : History
        Figures of each epoch, such as ``history_["val_error"]``.
    epochs_ : int
        Number of epochs that the training was planned for.
    best_epoch_ : int
        The epoch that was kept.
    estimators_ : list of TabularClassifier
        Of an ensemble, by ``n_estimators``, ``bootstrap`` or ``cv``: its members. The attributes
        from ``net_`` to ``best_epoch_`` are then theirs.
    out_of_fold_ : array of shape (n_samples, n_classes)
        With ``cv``: the members' probabilities for the rows of their folds, NaN for rows in none.
    n_features_in_ : int
    feature_names_in_ : array of str
        Present only if all columns of X have names.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.estimators import TabularClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = np.empty((300, 2), dtype=object)
    >>> X[:, 0] = rng.standard_normal(300)
    >>> X[:, 1] = rng.choice(["red", "blue"], 300)
    >>> y = np.where((X[:, 0] > 0) == (X[:, 1] == "red"), "yes", "no")
    >>> X[::10, 0] = np.nan
    >>> model = TabularClassifier("mlp", random_state=0).fit(X[:200], y[:200])
    >>> model.score(X[200:], y[200:]) > 0.85
    True
    >>> model.predict_proba(X[:1]).shape
    (1, 2)
    """

    _table = CLASSIFIER
    _task = "classification"

    def __init__(
        self,
        method: str = "realmlp",
        preset: str = "default",
        *,
        categorical_features: Any = None,
        validation_data: Any = None,
        validation_fraction: float = 0.2,
        class_weight: Any = None,
        time_limit: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        callbacks: Any = None,
        n_estimators: int = 1,
        bootstrap: bool = False,
        cv: Any = None,
        average: Any = None,
        random_state: Any = None,
        n_threads: int | None = None,
        verbose: bool | int = 0,
        precision: str | None = None,
    ) -> None:
        store(locals())

    def predict(self, X: Any) -> Array:
        """The likeliest class of each row.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            With the columns of the training, in the same order.

        Returns
        -------
        array of shape (n_samples,)
        """
        places = self._predictions(X).argmax(axis=1)  # which checks that the model is fitted
        return np.asarray(self.classes_[places])

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            With the columns of the training, in the same order.

        Returns
        -------
        array of shape (n_samples, n_classes)
            In the order of ``classes_``; rows sum to 1.
        """
        return self._predictions(X)  # which checks that the model is fitted

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of :meth:`predict_proba`, -inf where that is 0.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples, n_classes)
        """
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    # What the base class calls --------------------------------------------------------------------

    def _learn_targets(self, y: Any) -> Array:
        y = checked_target(self, y, numeric=False)
        check_classification_targets(y)
        self.classes_, t = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1 and len(t) > 1:
            warn_caller(
                f"y holds only the class {self.classes_.tolist()[0]!r}: the model cannot learn to "
                "tell it from another",
                RuntimeWarning,
            )
        return np.asarray(t, np.int64)

    def _as_given(self, t: Array) -> Array:
        return np.asarray(self.classes_[t])

    def _values(self, out: Array) -> Array:
        return calibrated(out, self.temperature_)

    def _known_targets(self, y: Any) -> tuple[Array, Array]:
        y = checked_target(self, y, numeric=False)
        t = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        known = np.asarray(self.classes_[t] == y)
        if not known.all():
            names = np.unique(y[~known]).tolist()
            warn_caller(
                f"validation_data: y has classes that the training rows lack, {names}; their rows "
                "are left out",
                UserWarning,
            )
        return t.astype(np.int64), known

    def _weighted(self, rows: TableRows, by: TableRows) -> TableRows:
        if self.class_weight is None:
            return rows
        if not isinstance(self.class_weight, str | Mapping):
            raise TypeError(
                f"class_weight is {self.class_weight!r}, wanted a dict, 'balanced' or None"
            )
        of_class = class_weights_from_sums(self.class_weight, self.classes_, by.t, by.weights)
        weights = of_class[rows.t] * (1.0 if rows.weights is None else rows.weights)
        if not weights.any():
            raise ValueError("class_weight is 0 for every row, wanted at least one above 0")
        return replace(rows, weights=weights)

    def _most_epochs(self, t: Array) -> int:
        return 1 if len(self.classes_) == 1 else super()._most_epochs(t)  # nothing to learn

    def _own_target(self, target: Target, name: str) -> Target:
        numeric = self.classes_.dtype.kind in "iuf"
        names = map(value_label if numeric else str, self.classes_.tolist())
        return ClassTarget(name, tuple(names), numeric)

    def _calibrate(self, out: Array | None, t: Array | None, weights: Array | None) -> None:
        self.temperature_ = 1.0
        if out is not None and t is not None and np.isfinite(out).all():
            self.temperature_ = fit_temperature(out, t, weights)


class TabularRegressor(RegressorMixin, BaseTabular):
    """A network that predicts a number from the row of a table.

    It takes the table as it is: no scaling, one-hot encoding or imputation is needed, and the
    target is standardised internally. The epoch with the lowest root mean squared error on
    held-out rows is kept. :class:`TabularClassifier` describes the methods and when to use which;
    boosted trees, such as ``sklearn.ensemble.HistGradientBoostingRegressor``, train faster and win
    on some tables. RealMLP predicts nothing outside the range of the training targets; no method
    extrapolates reliably.

    Parameters
    ----------
    method, preset, categorical_features
        As in :class:`TabularClassifier`.
    validation_data : tuple, optional
        ``(X, y)`` or ``(X, y, sample_weight)`` that selects the epoch; then no rows are held out.
    validation_fraction : float
        Fraction of the rows to hold out. If that is fewer than 10 rows, none are held out and the
        last epoch is kept. 0 never holds out rows.
    time_limit, epochs, batch_size
        As in :class:`TabularClassifier`.
    callbacks : list of callables, optional
        Called with an :class:`affinet.TrainingState` after every epoch, whose ``metrics`` also
        hold "val_loss" and "val_rmse", in the unit of y, if there are validation rows.
    n_estimators, bootstrap, cv, average, random_state, n_threads, verbose, precision
        As in :class:`TabularClassifier`.

    Attributes
    ----------
    net_ : Sequential
        The network; it predicts ``(y - mean) / std``.
    encoding_ : Encoding
        How the columns become inputs of the network, and its outputs numbers.
    history_ : History
        Figures of each epoch, such as ``history_["val_rmse"]``.
    out_of_fold_ : array of shape (n_samples,)
        With ``cv``: the members' predictions for the rows of their folds, NaN for rows in none.
    recipe_, epochs_, best_epoch_, estimators_, n_features_in_, feature_names_in_
        As in :class:`TabularClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.estimators import TabularRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (400, 3))
    >>> y = 100 + 10 * np.sin(X[:, 0]) + X[:, 1]
    >>> model = TabularRegressor("mlp", random_state=0).fit(X[:300], y[:300])
    >>> model.score(X[300:], y[300:]) > 0.95
    True
    """

    _table = REGRESSOR
    _task = "regression"

    def __init__(
        self,
        method: str = "realmlp",
        preset: str = "default",
        *,
        categorical_features: Any = None,
        validation_data: Any = None,
        validation_fraction: float = 0.2,
        time_limit: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        callbacks: Any = None,
        n_estimators: int = 1,
        bootstrap: bool = False,
        cv: Any = None,
        average: Any = None,
        random_state: Any = None,
        n_threads: int | None = None,
        verbose: bool | int = 0,
        precision: str | None = None,
    ) -> None:
        store(locals())

    def predict(self, X: Any) -> Array:
        """The predicted number of each row.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            With the columns of the training, in the same order.

        Returns
        -------
        array of shape (n_samples,)
        """
        return self._predictions(X)[:, 0]  # which checks that the model is fitted

    # What the base class calls --------------------------------------------------------------------

    def _learn_targets(self, y: Any) -> Array:
        t = checked_target(self, y, numeric=True)
        if len(t) > 1 and (t == t[0]).all():
            warn_caller("y is constant: the model can learn only that value", RuntimeWarning)
        return t

    def _as_given(self, t: Array) -> Array:
        return t

    def _values(self, out: Array) -> Array:
        target: Any = self.encoding_.target
        return np.asarray(target.restore(out)).reshape(-1, 1)

    def _known_targets(self, y: Any) -> tuple[Array, Array]:
        t = checked_target(self, y, numeric=True)
        return t, np.ones(len(t), bool)

    def _weighted(self, rows: TableRows, by: TableRows) -> TableRows:
        return rows

    def _own_target(self, target: Target, name: str) -> Target:
        return target

    def _calibrate(self, out: Array | None, t: Array | None, weights: Array | None) -> None:
        """A number has no probability to calibrate."""
