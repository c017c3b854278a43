"""scikit-learn's ``MLPRegressor``, trained by affinet."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if

from affinet._validation import Array, require_plain
from affinet.estimators.base import BaseMLP
from affinet.estimators.mlp_ensemble import (
    is_ensemble,
    mean_predictions,
    partial_fit_members,
    wants_ensemble,
)
from affinet.estimators.objectives import Objective, regressor_objective
from affinet.estimators.parameters import REGRESSOR, require_parameters, store
from affinet.estimators.rows import Rows
from affinet.losses import Poisson
from affinet.training.finite import warn_caller

LARGE_TARGET = 1e4  # from here on the defaults explain less than a tenth of a smooth function


class MLPRegressor(RegressorMixin, BaseMLP):
    """A multilayer perceptron for one or several numbers, with scikit-learn's interface.

    Parameters up to ``max_fun`` and attributes are those of
    ``sklearn.neural_network.MLPRegressor``, with the same meaning and, for one ``random_state``,
    the same initial weights; the order of the rows in an epoch differs.

    Parameters
    ----------
    loss : str or loss object
        "squared_error" (half the mean square), "poisson" (half the deviance, of counts
        ``y >= 0``; predictions are ``exp`` of the outputs), "absolute_error", "huber"
        (``affinet.Huber(1.0)``), "quantile", the ``estimator_name`` of another loss of affinet's,
        or an object such as ``affinet.Huber(0.1)``, which takes outputs and targets (N, O).
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init
        As in :class:`MLPClassifier`.
    power_t, max_iter, shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum
        As in :class:`MLPClassifier`.
    early_stopping : bool
        As in :class:`MLPClassifier`, with rows chosen at random, and R2 as their score.
    validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, max_fun, dropout
        As in :class:`MLPClassifier`.
    quantile : float
        Of ``loss="quantile"``, between 0 and 1.
    validation_data, callbacks, n_estimators, bootstrap, cv, average, n_threads, dtype, precision
        As in :class:`MLPClassifier`.

    Attributes
    ----------
    validation_scores_ : list of float or None
        R2 of the validation rows, with early_stopping.
    out_activation_ : str
        "identity", or "exp" for Poisson's loss.
    out_of_fold_ : array of shape (n_samples,) or (n_samples, n_outputs)
        With ``cv``: the members' predictions for the rows of their folds, NaN for rows in none.
    loss_, best_loss_, loss_curve_, validation_loss_curve_, best_validation_score_, t_, n_iter_
        As in :class:`MLPClassifier`.
    net_, coefs_, intercepts_, estimators_, n_layers_, n_outputs_, stopped_
        As in :class:`MLPClassifier`.
    n_features_in_, feature_names_in_
        As in :class:`MLPClassifier`.

    Notes
    -----
    As in scikit-learn the gradient of several outputs' squares is that of their sum, and ``loss_``
    shows their mean; the penalty in it is divided by the number of outputs as well.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.estimators import MLPRegressor
    >>> X = np.random.default_rng(0).standard_normal((300, 2))
    >>> model = MLPRegressor(solver="lbfgs", hidden_layer_sizes=(20,), random_state=0, max_iter=500)
    >>> model.fit(X, np.sin(X[:, 0]) + X[:, 1]).score(X, np.sin(X[:, 0]) + X[:, 1]) > 0.99
    True
    """

    _table = REGRESSOR

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: Any = 0.0,
        quantile: float = 0.5,
        validation_data: Any = None,
        callbacks: Any = None,
        n_estimators: int = 1,
        bootstrap: bool = False,
        cv: Any = None,
        average: Any = None,
        n_threads: int | None = None,
        dtype: Any = None,
        precision: str | None = None,
    ) -> None:
        store(locals())

    @available_if(BaseMLP._stochastic)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X and y for one more epoch.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame of shape (n_samples, n_features)
            Part of the data.
        y : array of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array of shape (n_samples,), optional
            Weights of the rows.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If early_stopping is set without validation_data, or the data has other widths than
            before.
        """
        require_parameters(self, self._table)
        if wants_ensemble(self):
            partial_fit_members(self, X, y, sample_weight)
            return self
        if getattr(self, "stopped_", False):
            return self
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """The predicted values of each row.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_outputs)
        """
        if is_ensemble(self):
            return mean_predictions(self, X)
        values = self._values(self._outputs(X))
        return values.ravel() if self.n_outputs_ == 1 else values

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R2 on X and y, the mean over several outputs.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame of shape (n_samples, n_features)
        y : array of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array of shape (n_samples,), optional
            Weights of the rows.

        Returns
        -------
        float
            At most 1.
        """
        require_plain("y", y)
        require_plain("sample_weight", sample_weight)
        return float(super().score(X, y, sample_weight))

    def _values(self, outputs: Array) -> Array:
        """The predictions of outputs."""
        values: Array = np.exp(outputs) if self.out_activation_ == "exp" else outputs
        return values

    def _given_output(self, n_outputs: int) -> tuple[str, Any]:
        one_row = np.zeros((1, n_outputs))
        return self._output_name(), regressor_objective(
            self.loss, self.quantile, one_row, None
        ).loss

    def _learn_targets(self, y: Array, first: bool, incremental: bool) -> Array:
        return self._known_targets("y", y)

    def _known_targets(self, name: str, y: Array) -> Array:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        t = y.reshape(len(y), -1).astype(np.float64, copy=False)
        if self._output_name() == "exp" and (t < 0).any():
            place = int(np.flatnonzero((t < 0).any(axis=1))[0])
            raise ValueError(f"{name}[{place}] is {t[place].min()}, wanted 0 or more: counts")
        return t

    def _width_of(self, t: Array) -> int:
        return int(t.shape[1])

    def _weighted(self, rows: Rows) -> Rows:
        return rows

    def _objective(self, t: Array, weights: Array | None) -> Objective:
        return regressor_objective(self.loss, self.quantile, t, weights)

    def _output_name(self) -> str:
        poisson = isinstance(self.loss, Poisson) or (
            isinstance(self.loss, str) and self.loss == "poisson"
        )
        return "exp" if poisson else "identity"

    def _score_outputs(self, outputs: Array, t: Array, weights: Array | None) -> float:
        values = self._values(outputs)
        return float(r2_score(t, values, sample_weight=weights)) if len(t) > 1 else np.nan

    def _classes_of(self, t: Array) -> Array | None:
        return None

    def _warn_of_targets(self, t: Array) -> None:
        constant = (t == t[0]).all(axis=0)
        largest = float(abs(t).max())
        problem = ""
        if len(t) > 1 and constant.any():
            which = "y" if t.shape[1] == 1 else f"column {int(np.argmax(constant))} of y"
            problem = f"{which} is constant: the model can learn only that value"
        elif largest >= LARGE_TARGET and self.solver != "lbfgs" and self._output_name() != "exp":
            problem = (
                f"y reaches {largest:.3g}: outputs begin near 0 and the solver "
                f"{self.solver!r} may not get so far; scale y, for example with sklearn.compose."
                "TransformedTargetRegressor(model, transformer=StandardScaler())"
            )
        if problem:
            warn_caller(problem, RuntimeWarning)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
