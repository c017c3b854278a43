"""What the two estimators for tables share: from a table to a trained network and its outputs."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted

from affinet._validation import Array
from affinet.estimators.members import (
    in_classes_of,
    refuse_attribute,
    require_one_validation,
)
from affinet.estimators.parameters import Check, require_parameters, with_defaults
from affinet.estimators.rows import weights_of
from affinet.estimators.tabular_data import (
    TableRows,
    categorical_places,
    checked_frame,
    rows_at,
    table_of,
)
from affinet.estimators.tabular_ensemble import (
    OF_ONE_NETWORK,
    by_encoding,
    fit_folds,
    fit_seeds,
    single_models,
)
from affinet.network import Sequential
from affinet.tables import Encoding, Table
from affinet.tables.targets import Target
from affinet.tabular import (
    Recipe,
    build,
    encode,
    epochs_within,
    held_out,
    outputs,
    recipe_for,
    train,
)
from affinet.thread_limit import thread_limit
from affinet.training import History
from affinet.training.averaging import fresh

SEEDS = 2**31 - 1
BLOCK_VALUES = 2**20  # of encoded rows at once to predict: 4 MB
BLOCK_ROWS = 1024, 16384  # the fewest and the most


@dataclass(frozen=True)
class Encoded:
    """Encoded rows to train on and to validate with.

    Attributes
    ----------
    x, t : arrays of shape (N, width) and (N,)
    weights : array of shape (N,) or None
    validation : tuple of two or three arrays, or None
        Inputs, targets and weights, if there are any.
    """

    x: Array
    t: Array
    weights: Array | None
    validation: tuple[Array, ...] | None


class BaseTabular(BaseEstimator, ABC):
    """A network for tables behind scikit-learn's interface."""

    _table: ClassVar[Mapping[str, Check]]
    _task: ClassVar[str]
    _predictor: ClassVar[str] = "net_"  # the attribute that predicts encoded rows
    net_: Sequential
    encoding_: Encoding
    history_: History
    recipe_: Recipe

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on a table.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array of shape (n_samples, n_features)
            Numbers, texts, categories and dates; missing values as they are.
        y : array of shape (n_samples,)
            Targets.
        sample_weight : array of shape (n_samples,), optional
            Weights of the rows, each 0 or more and not all of them 0. They count in the loss, in
            the selection of the epoch and in the calibration; the scaling of columns and batches
            count rows. Rows of weight 0 are left out.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter or the data cannot be used, by name.
        """
        begun = time.perf_counter()
        require_parameters(self, self._table)
        frame = checked_frame(self, X, y, reset=True)
        t = self._learn_targets(y)
        check_consistent_length(X, t)
        weights = weights_of("sample_weight", sample_weight, len(t))
        rows = TableRows(frame, t, weights)
        for name in (*OF_ONE_NETWORK, "estimators_", "out_of_fold_"):
            self.__dict__.pop(name, None)  # of a training before
        rng = check_random_state(self.random_state)
        if self.cv is not None:
            require_one_validation(self)
            fit_folds(self, rows, self._as_given(t), rng, SEEDS)
            return self
        given = self._given_validation()
        if given is not None:
            given = self._weighted(given, by=rows).of_weight()
        rows = self._weighted(rows, by=rows).of_weight()
        if len(rows) < 2:
            raise ValueError(f"X has n_samples = {len(rows)} of weight above 0, wanted at least 2")
        with thread_limit(self.n_threads):
            seed = int(rng.randint(SEEDS))
            data = self._prepare(rows, given, seed)
            if self.n_estimators > 1 or self.bootstrap:
                seeds = [seed, *(int(rng.randint(SEEDS)) for _ in range(self.n_estimators - 1))]
                fit_seeds(self, data, seeds, begun)
            else:
                self._train(data, seed, begun)
        return self

    # What a classifier and a regressor implement --------------------------------------------------

    @abstractmethod
    def _learn_targets(self, y: Any) -> Array:
        """y as class indices or numbers (N,); keeps what predictions need to know of it."""

    @abstractmethod
    def _as_given(self, t: Array) -> Array:
        """Class indices or numbers as the targets that ``fit`` takes."""

    @abstractmethod
    def _values(self, out: Array) -> Array:
        """Probabilities (N, C) or numbers (N, 1) of the network's outputs."""

    @abstractmethod
    def _known_targets(self, y: Any) -> tuple[Array, Array]:
        """The same for y to validate with, and which of the rows have a known target."""

    @abstractmethod
    def _weighted(self, rows: TableRows, by: TableRows) -> TableRows:
        """The rows, their weights multiplied by those of their classes in the rows ``by``."""

    @abstractmethod
    def _own_target(self, target: Target, name: str) -> Target:
        """The target of the encoding, in place of the one fitted to indices or numbers."""

    @abstractmethod
    def _calibrate(self, out: Array | None, t: Array | None, weights: Array | None) -> None:
        """Learn from outputs for the validation rows, if there are any."""

    # Training -------------------------------------------------------------------------------------

    def _prepare(self, rows: TableRows, given: TableRows | None, seed: int) -> Encoded:
        """Hold out rows, learn the encoding, and encode."""
        places, held = np.arange(len(rows)), np.arange(0)
        if given is None:
            classes = rows.t if self._task == "classification" else None
            rng = np.random.default_rng(seed)
            places, held = held_out(len(rows), self.validation_fraction, classes, rng)
        self.recipe_ = self._recipe(len(places))
        table, target = self._learn_columns(rows)
        self.encoding_ = self._encode(table, target, places)
        x, t = self.encoding_.inputs(table, unknown="zero"), self._encoded(table.columns[target])
        w = rows.weights
        validation = self._encoded_rows(given) if given is not None else None
        if held.size:
            validation = (x[held], t[held], *(() if w is None else (w[held],)))
            x, t, w = x[places], t[places], None if w is None else w[places]
        return Encoded(x, t, w, validation)

    def _recipe(self, n_rows: int) -> Recipe:
        """The recipe, with what the estimator's own parameters replace."""
        recipe = recipe_for(self.method, self.preset, self._task, n_rows)
        if self.batch_size is not None:
            recipe = replace(recipe, batch_size=int(self.batch_size))
        return replace(recipe, precision=self.precision)

    def _learn_columns(self, rows: TableRows) -> tuple[Table, str]:
        """The table with its targets, and their name."""
        self._categorical = categorical_places(rows.frame, self.categorical_features)
        table = table_of(rows.frame, None, self._categorical)
        self._columns = tuple(table.names)
        target = "target"
        while target in table.columns:
            target += " (y)"
        return replace(table, columns={**table.columns, target: rows.t}, target=target), target

    def _encode(self, table: Table, target: str, places: Array) -> Encoding:
        """The encoding of the columns and the target."""
        numbers = replace(self.recipe_, task="regression")  # of class indices too: any are usable
        categorical = [self._columns[place] for place in self._categorical]
        encoding = encode(numbers, table, target, rows=places, categorical=categorical)
        return replace(encoding, target=self._own_target(encoding.target, target))

    def _encoded(self, t: Any) -> Array:
        """Class indices as they are, numbers as the network predicts them."""
        target: Any = self.encoding_.target
        if self._task == "classification":
            return np.asarray(t)
        values: Array = target.values(Table("y", {target.name: t}), target.name)
        return values

    def _encoded_rows(self, rows: TableRows) -> tuple[Array, ...]:
        """Inputs, targets and weights, if there are any, of rows to validate with."""
        table = table_of(rows.frame, self._columns, self._categorical, "validation_data: X")
        x = self.encoding_.inputs(table, unknown="zero")
        weights = () if rows.weights is None else (rows.weights,)
        return (x, self._encoded(rows.t), *weights)

    def _train(self, data: Encoded, seed: int, begun: float) -> None:
        """Build and train the network."""
        recipe, x, t = self.recipe_, data.x, data.t
        self.net_ = net = build(recipe, self.encoding_, x, t, seed)
        options: dict[str, Any] = {
            "validation": data.validation, "sample_weight": data.weights, "seed": seed,
            "epochs": self._most_epochs(t),
        }  # fmt: skip
        if self.time_limit is not None:
            left = max(self.time_limit - (time.perf_counter() - begun), 1e-3)
            options["epochs"] = epochs_within(net, recipe, x, t, seconds=left, **options)
        self.epochs_ = int(options["epochs"])
        history = train(
            net, recipe, x, t, callbacks=self.callbacks or (), verbose=int(bool(self.verbose)),
            unit=self._unit(), average=fresh(self.average), **options,
        )  # fmt: skip
        self._finish(history, data.validation)

    def _unit(self) -> float:
        """What a difference of 1 between encoded targets means."""
        return float(getattr(self.encoding_.target, "std", 1.0))

    def _finish(self, history: History, validation: tuple[Array, ...] | None) -> None:
        """Keep what the training found, and calibrate."""
        self.history_ = history
        self.best_epoch_ = history.best_epoch or len(history.epochs)
        if not np.isfinite(self.net_.params.flat).all():
            raise ValueError(
                "training diverged: parameters became infinite or NaN; X may hold extreme values"
            )
        if validation is None:
            self._calibrate(None, None, None)
        else:
            out = outputs(self.recipe_, self.net_, validation[0])
            self._calibrate(out, validation[1], validation[2] if len(validation) > 2 else None)

    def _most_epochs(self, t: Array) -> int:
        """Number of epochs if there is no time limit."""
        return self.recipe_.epochs if self.epochs is None else int(self.epochs)

    def _given_validation(self) -> TableRows | None:
        """The rows of ``validation_data``, checked; None if there are none."""
        if self.validation_data is None:
            return None
        X, y, *rest = self.validation_data
        try:
            frame = checked_frame(self, X)
            t, known = self._known_targets(y)
            check_consistent_length(X, y)
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"validation_data: {error}") from None
        weights = weights_of("validation_data: sample_weight", rest[0] if rest else None, len(t))
        rows = TableRows(frame, t, weights)
        if not known.any():
            raise ValueError("validation_data: no row has a class that y has")
        return rows if known.all() else rows.take(np.flatnonzero(known))

    # Prediction -----------------------------------------------------------------------------------

    def _predictions(self, X: Any) -> Array:
        """Probabilities (N, C) or numbers (N, 1); of an ensemble the mean of its networks'.

        In blocks: only a block's inputs are ever in memory.
        """
        check_is_fitted(self, [self._predictor, "estimators_"], all_or_any=any)
        frame = checked_frame(self, X)
        with thread_limit(self.n_threads):
            return np.concatenate(list(self._blocks(frame)))

    def _blocks(self, frame: Any) -> Iterator[Array]:
        models = single_models(self)
        width = max(model.encoding_.width for model in models)
        rows = int(np.clip(BLOCK_VALUES // max(width, 1), *BLOCK_ROWS))
        for start in range(0, len(frame), rows):
            block = rows_at(frame, slice(start, start + rows))
            values = [
                self._in_own_classes(model, model._values(model._raw(x)))
                for group in by_encoding(models)
                for x in [group[0]._inputs(block)]
                for model in group
            ]
            yield values[0] if len(values) == 1 else np.mean(values, axis=0)

    def _in_own_classes(self, model: Any, values: Array) -> Array:
        """Probabilities in the order of this model's classes; numbers as they are."""
        return values if self._task == "regression" else in_classes_of(self, model, values)

    def _raw(self, x: Array) -> Array:
        """The network's outputs for encoded rows."""
        return outputs(self.recipe_, getattr(self, self._predictor), x)

    def _inputs(self, block: Any) -> Array:
        """Encoded rows."""
        table = table_of(block, self._columns, self._categorical)
        return self.encoding_.inputs(table, unknown="zero")

    def __getattr__(self, name: str) -> Any:
        refuse_attribute(self, name, OF_ONE_NETWORK)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(with_defaults(type(self), state))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags
