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
from affinet.estimators.parameters import REGRESSOR, require_parameters
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
    hidden_layer_sizes : int or sequence of int
        Width of each hidden layer; ``()`` for none.
    activation : str or list of str
        "identity", "logistic", "tanh", "relu" or "leaky_relu", for all hidden layers or, as a
        list, for each. affinet's other activations have their lower-case names.
    solver : {"lbfgs", "sgd", "adam"}
        "lbfgs" is SciPy's L-BFGS-B over all rows at once, in double precision.
    alpha : float
        Strength of the L2 penalty ``alpha / 2 sum W^2 / (sum of the batch's weights)``.
    batch_size : int or "auto"
        Rows a step; "auto" is ``min(200, n_samples)``.
    learning_rate : {"constant", "invscaling", "adaptive"}
        Only for "sgd". "invscaling" is ``learning_rate_init / (t_ + 1)^power_t``, "adaptive"
        divides by 5 after ``n_iter_no_change`` epochs without improvement.
    learning_rate_init : float
        Initial learning rate.
    power_t : float
        Exponent of "invscaling".
    max_iter : int
        Maximum number of epochs, or of iterations with "lbfgs".
    shuffle : bool
        Whether to shuffle the rows before each epoch.
    random_state : int, RandomState or None
        Seed of the initial weights, the held-out rows, the shuffles and the dropout masks.
    tol : float
        Improvement of the loss, or of the score with early_stopping, that an epoch needs to count.
    verbose : bool or int
        True prints a line for each epoch.
    warm_start : bool
        True makes ``fit`` continue from the last solution.
    momentum : float
        Momentum of "sgd", 0..1.
    nesterovs_momentum : bool
        Whether to use Nesterov's momentum.
    early_stopping : bool
        True holds out ``validation_fraction`` of the rows, chosen at random, stops when their
        score has not improved by tol for ``n_iter_no_change`` epochs, and restores the best
        weights. ``validation_data`` replaces the held-out rows.
    validation_fraction : float
        Fraction of the rows to hold out.
    beta_1, beta_2 : float
        Decay rates of Adam's two averages, 0 <= beta < 1.
    epsilon : float
        Adam's epsilon, above 0; added to the root of the average of squares without its
        correction for the step, as in scikit-learn.
    n_iter_no_change : int or inf
        Number of epochs without improvement before training stops.
    max_fun : int
        Maximum number of evaluations of the objective by "lbfgs".
    dropout : float or list of float
        Probability of dropping a hidden unit, of all hidden layers or of each; not with "lbfgs".
    quantile : float
        Of ``loss="quantile"``, between 0 and 1.
    validation_data : tuple, optional
        ``(X, y)`` or ``(X, y, sample_weight)`` to measure after every epoch, into
        ``validation_loss_curve_``.
    callbacks : list of callables, optional
        Called with an :class:`affinet.TrainingState` after every epoch, whose ``metrics`` also
        hold "val_loss" and "val_score" if there are validation rows. A callback that raises
        :class:`affinet.StopTraining` ends the training. With "lbfgs" callbacks are called after
        every iteration, and ``optimizer`` is None.
    n_estimators : int
        Number of networks, which differ by their seeds and are trained at once, each on one
        thread; predictions are the mean of theirs. They share the held-out rows. The first is, to
        the bit, the model that ``n_estimators=1`` trains. Not for "lbfgs".
    bootstrap : bool
        Whether each network is trained on as many rows drawn with replacement. Not for "lbfgs".
    cv : int, splitter of scikit-learn or None
        A model for each fold, trained on the rows outside it and with the fold as its
        ``validation_data``; predictions are the mean of theirs. An int is the number of folds,
        stratified by class for a classifier.
    n_threads : int, optional
        Number of threads to train and predict with; None keeps the current number.
    dtype : dtype, optional
        float32 or float64 to compute in; None follows X: float32 stays, all else becomes float64,
        or float32 with a ``precision``.
    precision : {None, "bfloat16", "bfloat16x3", "bfloat16x6"}
        How a float32 network multiplies matrices, see :class:`affinet.Sequential`; not in "lbfgs",
        which trains in double precision.

    Attributes
    ----------
    loss_ : float
        Loss of the last epoch, penalty included.
    best_loss_ : float or None
        Lowest loss of an epoch; None with early_stopping.
    loss_curve_ : list of float
        Loss of each epoch; not with "lbfgs".
    validation_loss_curve_ : list of float or None
        Loss of the validation rows, without the penalty; None if there are none.
    validation_scores_ : list of float or None
        R2 of the validation rows, with early_stopping.
    best_validation_score_ : float or None
        Highest of ``validation_scores_``.
    t_ : int
        Number of rows trained on so far, over all epochs.
    coefs_, intercepts_ : list of arrays
        W (I, O) and b (O,) of each layer: views of the network's parameters. Set on an estimator
        that was not fitted, with ``classes_`` for a classifier, they make it a fitted one.
    n_features_in_ : int
    feature_names_in_ : array of str
        Present only if all columns of X have names.
    n_iter_ : int
        Number of epochs of the last ``fit``.
    n_layers_, n_outputs_ : int
        Number of layers, the input included, and of outputs.
    out_activation_ : str
        "identity", or "exp" for Poisson's loss.
    estimators_ : list of MLPRegressor
        Of an ensemble, by ``n_estimators``, ``bootstrap`` or ``cv``: its members. ``net_``,
        ``coefs_``, ``intercepts_`` and the curves are then theirs.
    out_of_fold_ : array of shape (n_samples,) or (n_samples, n_outputs)
        With ``cv``: the members' predictions for the rows of their folds, NaN for rows in none.
    net_ : Sequential
        The network. It can be saved, exported and trained by itself.
    stopped_ : bool
        Only after ``partial_fit`` with early_stopping: whether training has ended; the model then
        has its best weights, and further calls change nothing.

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
        n_threads: int | None = None,
        dtype: Any = None,
        precision: str | None = None,
    ) -> None:
        self._store(locals())

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
