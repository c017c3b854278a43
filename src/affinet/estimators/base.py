"""What both estimators share: from checked data to a trained network, and to its outputs."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from affinet._validation import Array, require_plain
from affinet.estimators.average import average_of, show_average, showing_average, train_again
from affinet.estimators.building import build, initial_arrays, weight_views
from affinet.estimators.lbfgs import fit_lbfgs
from affinet.estimators.mlp_ensemble import fit_ensemble, wants_ensemble
from affinet.estimators.model import FLOATS, SPARSE, Model
from affinet.estimators.objectives import Objective
from affinet.estimators.parameters import (
    Check,
    activations,
    dropout_rates,
    layer_sizes,
    require_parameters,
)
from affinet.estimators.rows import Rows, hold_out, in_one_piece, weights_of
from affinet.estimators.rules import Rules, Validation
from affinet.losses import require_takes_weights
from affinet.thread_limit import thread_limit
from affinet.training import History

AUTO_BATCH = 200
SEED_BITS = 31
# Of the training before, which a new one forgets.
OF_BEFORE = ("_optimizer", "_averaging", "loss_curve_", "validation_scores_", "stopped_")


@dataclass(frozen=True)
class CallOfFit:
    """A call of ``fit`` that trains a model's network.

    Attributes
    ----------
    rules : Rules
        scikit-learn's rules, which follow the training.
    options : dict
        All arguments of the call.
    """

    rules: Rules
    options: dict[str, Any]


class BaseMLP(Model, ABC):
    """A multilayer perceptron that is trained behind scikit-learn's interface."""

    _table: ClassVar[Mapping[str, Check]]

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X and y.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame of shape (n_samples, n_features)
            A sparse matrix is made dense.
        y : array of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array of shape (n_samples,), optional
            Weights of the rows, each 0 or more and not all of them 0.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter or the data cannot be used, by name.
        """
        require_parameters(self, self._table)
        if wants_ensemble(self):
            fit_ensemble(self, X, y, sample_weight)
            return self
        return self._fit(X, y, sample_weight, incremental=False)

    # What a classifier and a regressor implement --------------------------------------------------

    @abstractmethod
    def _given_output(self, n_outputs: int) -> tuple[str, Any]:
        """``out_activation_`` and the loss, for weights that were set on an unfitted estimator."""

    @abstractmethod
    def _learn_targets(self, y: Array, first: bool, incremental: bool) -> Array:
        """y as the loss takes it; keeps what predictions need to know of it."""

    @abstractmethod
    def _known_targets(self, name: str, y: Array) -> Array:
        """The same for targets to validate with, called ``name`` in errors."""

    @abstractmethod
    def _width_of(self, t: Array) -> int:
        """Number of outputs, for targets as the loss takes them."""

    @abstractmethod
    def _weighted(self, rows: Rows) -> Rows:
        """The rows, their weights multiplied by those of their classes."""

    @abstractmethod
    def _objective(self, t: Array, weights: Array | None) -> Objective:
        """What is minimised over rows with these targets and weights."""

    @abstractmethod
    def _output_name(self) -> str:
        """scikit-learn's name of the function from outputs to predictions."""

    @abstractmethod
    def _score_outputs(self, outputs: Array, t: Array, weights: Array | None) -> float:
        """The ``score`` of outputs."""

    @abstractmethod
    def _classes_of(self, t: Array) -> Array | None:
        """The class of each row, bool for two classes; None if rows have none."""

    @abstractmethod
    def _warn_of_targets(self, t: Array) -> None:
        """Warn of targets that nothing, or next to nothing, can be learned from."""

    # Training -------------------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any, incremental: bool) -> Self:
        for name in ("estimators_", "out_of_fold_"):
            self.__dict__.pop(name, None)  # of a training before
        rng = check_random_state(self.random_state)
        with thread_limit(self.n_threads), showing_average(self):
            rows, held = self._arrange(X, y, sample_weight, incremental, rng)
            if self.solver == "lbfgs":
                rows = self._weighted(rows)
                objective = self._objective(rows.t, rows.weights)
                self.net_.loss = objective.loss
                validation = None if held is None else self._validation(held)
                fit_lbfgs(self, objective, rows, validation)
                self._require_finite()
            else:
                self._fit_epochs(self._call_of_fit(rows, held, rng, incremental), incremental)
        return self

    def _arrange(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        incremental: bool,
        rng: np.random.RandomState,
    ) -> tuple[Rows, Rows | None]:
        """Read the data and prepare the network; the rows to train on and to validate with."""
        self._require_together(incremental)
        if self.warm_start or incremental:
            self._adopt_given_weights()
        first = not hasattr(self, "net_") or not (self.warm_start or incremental)
        rows = self._read(X, y, sample_weight, first, incremental)
        if not incremental:
            self._warn_of_targets(rows.t)
        if not first:
            train_again(self)
        self._prepare(rows, first, rng)
        self._begin(first, incremental)
        held = self._read_validation()
        if self.early_stopping and self.solver != "lbfgs" and held is None:
            rows, held = hold_out(rows, self.validation_fraction, self._classes_of(rows.t), rng)
        return rows, held

    def _require_together(self, incremental: bool) -> None:
        """Raise if parameters, each valid alone, contradict each other."""
        n_hidden = len(layer_sizes(self.hidden_layer_sizes))
        activations(self.activation, n_hidden)
        rates = dropout_rates(self.dropout, n_hidden)
        if self.solver == "lbfgs" and any(rates):
            raise ValueError(
                "dropout is given with solver='lbfgs', which needs an objective that is the same "
                "at every call; wanted solver 'sgd' or 'adam'"
            )
        if self.average is not None and (self.solver == "lbfgs" or self.warm_start):
            other = "solver='lbfgs'" if self.solver == "lbfgs" else "warm_start=True"
            raise ValueError(
                f"average is given with {other}, wanted 'sgd' or 'adam' without warm_start: "
                "partial_fit continues an average"
            )
        if incremental and self.early_stopping and self.validation_data is None:
            raise ValueError(
                "partial_fit does not support early_stopping=True without validation_data: it "
                "sees parts of the data and cannot hold out rows of the whole"
            )

    def _read(self, X: Any, y: Any, sample_weight: Any, first: bool, incremental: bool) -> Rows:
        """The data to train on, checked."""
        self._require_plain(X, y)
        wanted = self.dtype
        if wanted is None and self.precision is not None:
            wanted = np.float32
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=SPARSE,
            multi_output=True,
            y_numeric=is_regressor(self),
            dtype=FLOATS if wanted is None else np.dtype(wanted),
            order="C",
            reset=first,
        )
        x = in_one_piece(X)
        if not first:
            x = x.astype(self.net_.dtype, copy=False)
        weights = weights_of("sample_weight", sample_weight, len(x))
        return Rows(x, self._learn_targets(y, first, incremental), weights)

    def _require_plain(self, X: Any, y: Any, prefix: str = "") -> None:
        """Raise if NumPy would drop part of what the data means; classes may be categories."""
        require_plain(f"{prefix}X", X)
        require_plain(f"{prefix}y", y, categories=not is_regressor(self))

    def _read_validation(self) -> Rows | None:
        """The user's rows to validate with, checked; None if there are none."""
        if self.validation_data is None:
            return None
        X, y, *rest = self.validation_data
        self._require_plain(X, y, "validation_data: ")
        try:
            X, y = validate_data(
                self,
                X,
                y,
                accept_sparse=SPARSE,
                multi_output=True,
                y_numeric=is_regressor(self),
                dtype=FLOATS,
                reset=False,
            )
        except ValueError as error:
            raise ValueError(f"validation_data: {error}") from None
        given = rest[0] if rest else None
        weights = weights_of("validation_data: sample_weight", given, X.shape[0])
        x = in_one_piece(X).astype(self.net_.dtype, copy=False)
        return Rows(x, self._known_targets("validation_data: y", y), weights)

    def _prepare(self, rows: Rows, first: bool, rng: np.random.RandomState) -> None:
        """The network to train: a new one, or the present one if it still fits."""
        hidden = layer_sizes(self.hidden_layer_sizes)
        names = activations(self.activation, len(hidden))
        rates = dropout_rates(self.dropout, len(hidden))
        sizes = (rows.x.shape[1], *hidden, self._width_of(rows.t))
        structure = (sizes, names, rates)
        if first:
            arrays = list(initial_arrays(sizes, names, rows.x.dtype, rng))
            self.net_ = build(arrays, names, rates, None, self.precision)
        else:
            found = [W.shape for W in self.coefs_]
            if found != list(pairwise(sizes)):
                raise ValueError(
                    f"hidden_layer_sizes and the data make layers of {list(pairwise(sizes))}, but "
                    f"the model to continue with has {found}"
                )
            net = self._network()
            if structure != self._structure or net.precision != self.precision:
                arrays = list(zip(*weight_views(net), strict=True))
                self.net_ = build(arrays, names, rates, None, self.precision)
                self.__dict__.pop("_optimizer", None)
        self._structure = structure
        self.coefs_, self.intercepts_ = weight_views(self.net_)
        self.n_layers_, self.n_outputs_ = len(sizes), sizes[-1]
        self.out_activation_ = self._output_name()

    def _begin(self, first: bool, incremental: bool) -> None:
        """The records of a training, new or continued."""
        if first:
            self.t_ = 0
            self._best = None
            self._no_improvement_count = 0
            self.validation_loss_curve_: list[float] | None = None
            for name in OF_BEFORE:
                self.__dict__.pop(name, None)
        self.n_iter_ = 0
        if self.validation_loss_curve_ is None and (
            self.validation_data is not None or (self.early_stopping and self.solver != "lbfgs")
        ):
            self.validation_loss_curve_ = []
        if self.solver == "lbfgs":
            return
        if not hasattr(self, "loss_curve_"):
            self.loss_curve_: list[float] = []
        if not hasattr(self, "validation_scores_") or self.early_stopping != (
            self.validation_scores_ is not None
        ):
            stopping = bool(self.early_stopping)
            self._best = None
            self.validation_scores_: list[float] | None = [] if stopping else None
            self.best_validation_score_ = -np.inf if stopping else None
            self.best_loss_ = None if stopping else np.inf
        if incremental and self.early_stopping:
            self.stopped_ = False

    def _validation(self, held: Rows) -> Validation:
        """What measures the network at the end of an epoch."""
        objective = self._objective(held.t, held.weights)
        if held.weights is not None:
            require_takes_weights(objective.loss, "validation_data: sample_weight")
        scored = bool(self.early_stopping or self.callbacks)
        return Validation(held, objective, self._score_outputs, scored)

    def _call_of_fit(
        self, rows: Rows, held: Rows | None, rng: np.random.RandomState, incremental: bool
    ) -> CallOfFit:
        """What trains the network by the solvers "sgd" and "adam"."""
        rows = self._weighted(rows)
        objective = self._objective(rows.t, rows.weights)
        self.net_.loss = objective.loss
        validation = None if held is None else self._validation(held)
        seed = int(rng.randint(2**SEED_BITS - 1)) + (self.t_ << SEED_BITS)
        if not incremental or not hasattr(self, "_optimizer"):
            self._optimizer = objective.optimizer(self)
        average = average_of(self)
        rules = Rules(self, objective, self._optimizer, len(rows), validation, incremental, average)
        options = {
            "x": rows.x,
            "t": rows.t,
            "epochs": 1 if incremental else self.max_iter,
            "batch_size": self._batch_size(len(rows)),
            "optimizer": self._optimizer,
            "callbacks": [rules.record, *(self.callbacks or ()), rules.decide],
            "seed": seed,
            "verbose": 0,
            "l2": objective.l2(self.alpha),
            "sample_weight": rows.weights,
            "shuffle": bool(self.shuffle),
            "average": average,
            "stop_if_not_finite": False,  # as in scikit-learn, by the rules alone
        }
        return CallOfFit(rules, options)

    def _fit_epochs(self, call: CallOfFit, incremental: bool) -> None:
        """One epoch or many."""
        history = None
        try:
            history = self.net_.fit(**call.options)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        if self._ended(call, history, incremental):
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=4,  # the line that calls fit
            )

    def _ended(self, call: CallOfFit, history: History | None, incremental: bool) -> bool:
        """Keep what the training found; True if it ended without convergence."""
        if history is not None and len(history.epochs) > self.n_iter_:
            call.rules.keep(history.epochs[-1], self.net_)  # a callback ended it within an epoch
        show_average(self, ended=not incremental)
        if self.early_stopping and self._best is not None and (not incremental or self.stopped_):
            self.net_.params.flat[:] = self._best
            self.__dict__.pop("_averaging", None)  # partial_fit goes on from the best weights
        self._require_finite()
        return call.rules.exhausted

    def _require_finite(self) -> None:
        """Raise if training diverged."""
        if not np.isfinite(self.net_.params.flat).all():
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed."
            )

    def _batch_size(self, n_rows: int) -> int:
        """Rows a step."""
        if isinstance(self.batch_size, str):
            return min(AUTO_BATCH, n_rows)
        if self.batch_size > n_rows:
            warnings.warn(
                f"batch_size is {self.batch_size} and there are {n_rows} rows: it is going to be "
                "clipped to their number",
                stacklevel=5,
            )
        return int(min(self.batch_size, n_rows))
