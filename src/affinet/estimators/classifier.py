"""scikit-learn's ``MLPClassifier``, trained by affinet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import unique_labels

from affinet._validation import Array, require_plain
from affinet.calibration import divide_logits
from affinet.estimators.base import BaseMLP
from affinet.estimators.class_weights import class_weights_from_sums
from affinet.estimators.given_weights import has_given_weights
from affinet.estimators.labels import Labels
from affinet.estimators.mlp_ensemble import (
    is_ensemble,
    mean_predictions,
    partial_fit_members,
    wants_ensemble,
)
from affinet.estimators.objectives import Objective, classifier_objective
from affinet.estimators.parameters import CLASSIFIER, require_parameters, store
from affinet.estimators.rows import Rows
from affinet.losses import SigmoidWithLoss, SoftmaxWithLoss
from affinet.training.finite import warn_caller


class MLPClassifier(ClassifierMixin, BaseMLP):
    """A multilayer perceptron that classifies, with scikit-learn's interface.

    One class of several by softmax, one of two by one logit, or several labels by a logit each.
    Parameters up to ``max_fun`` and attributes are those of
    ``sklearn.neural_network.MLPClassifier``, with the same meaning and, for one ``random_state``,
    the same initial weights; the order of the rows in an epoch differs.

    Parameters
    ----------
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
        True holds out ``validation_fraction`` of the rows, stratified by class, stops when their
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
    class_weight : dict, "balanced" or None
        Weight of each class, by its label; classes left out have weight 1. "balanced" gives a
        class ``(sum of all weights) / (C (sum of its rows' weights))``, C the number of classes.
        With several labels a list with a dict for each, or "balanced".
    dropout : float or list of float
        Probability of dropping a hidden unit, for all hidden layers or for each; not with "lbfgs".
    loss : "log_loss" or loss object
        An object takes logits (N, O) and class indices, or rows of 0 and 1 if there are two
        classes or several labels, such as ``an.SoftmaxWithLoss(label_smoothing=0.1)``.
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
        Whether each network is trained on as many rows, drawn with replacement; not for "lbfgs".
    cv : int, splitter of scikit-learn or None
        A model for each fold, trained on the other rows with the fold as ``validation_data``;
        predictions are the mean of theirs. An int is a number of folds, stratified by class.
    average : WeightAverage, optional
        :class:`affinet.EMA` or :class:`affinet.SWA`. ``net_``, all predictions and the figures of
        validation are then those of the network's average of weights. ``partial_fit`` continues
        both, to the bits of ``Sequential.fit(average=)``. Not for "lbfgs" or ``warm_start``.
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
    classes_ : array of shape (n_classes,)
        Labels in the order of the outputs.
    loss_ : float
        Loss of the last epoch, penalty included.
    best_loss_ : float or None
        Lowest loss of an epoch; None with early_stopping.
    loss_curve_ : list of float
        Loss of each epoch; not with "lbfgs".
    validation_loss_curve_ : list of float or None
        Loss of the validation rows, without the penalty; None if there are none.
    validation_scores_ : list of float or None
        Accuracy of the validation rows, with early_stopping.
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
        "softmax", or "logistic" for two classes and for several labels.
    estimators_ : list of MLPClassifier
        Of an ensemble, by ``n_estimators``, ``bootstrap`` or ``cv``: its members. ``net_``,
        ``coefs_``, ``intercepts_`` and the curves are then theirs.
    out_of_fold_ : array of shape (n_samples, n_classes)
        With ``cv``: the members' probabilities for the rows of their folds, NaN for rows in none.
    net_ : Sequential
        The network. It can be saved, exported and trained by itself.
    stopped_ : bool
        Only after ``partial_fit`` with early_stopping: whether training has ended; the model then
        has its best weights, and further calls change nothing.

    Examples
    --------
    >>> from affinet.estimators import MLPClassifier
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    >>> model = MLPClassifier((64,), learning_rate_init=0.01, early_stopping=True, random_state=0)
    >>> model = model.fit(X_train, y_train)
    >>> model.score(X_test, y_test) > 0.95
    True
    >>> model.predict_proba(X_test[:1]).shape
    (1, 10)
    """

    _table = CLASSIFIER

    def __init__(
        self,
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
        class_weight: Any = None,
        dropout: Any = 0.0,
        loss: Any = "log_loss",
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
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train on X and y for one more epoch.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame of shape (n_samples, n_features)
            Part of the data.
        y : array of shape (n_samples,) or (n_samples, n_labels)
            Classes, or rows of 0 and 1 for several labels.
        sample_weight : array of shape (n_samples,), optional
            Weights of the rows.
        classes : array, optional
            All classes; required in the first call, except for several labels.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If classes are missing in the first call or differ from it later, if y holds another
            class, if class_weight is "balanced", or if early_stopping is set without
            validation_data.
        """
        require_parameters(self, self._table)
        if wants_ensemble(self):
            partial_fit_members(self, X, y, sample_weight, classes)
            return self
        if getattr(self, "stopped_", False):
            return self
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight is 'balanced', which partial_fit cannot compute from a part of the "
                "data; wanted a dict"
            )
        self._announce(y, classes)
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Any:
        """The likeliest class of each row, or for several labels rows of 0 and 1.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_labels)
        """
        if is_ensemble(self):
            labels, p = self._current_labels(), mean_predictions(self, X)
            pair = labels.width == 1 and not labels.several
            return labels.decode((p[:, -1:] if pair else p) - 0.5)
        outputs = self._outputs(X)
        return self._current_labels().decode(outputs)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy on X and y; with several labels a row is right if all of its labels are.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame of shape (n_samples, n_features)
        y : array of shape (n_samples,) or (n_samples, n_labels)
        sample_weight : array of shape (n_samples,), optional
            Weights of the rows.

        Returns
        -------
        float
            0..1.
        """
        require_plain("y", y, categories=True)
        require_plain("sample_weight", sample_weight)
        return float(super().score(X, y, sample_weight))

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples, n_classes)
            In the order of ``classes_``. Rows sum to 1, but not for several labels.
        """
        if is_ensemble(self):
            return mean_predictions(self, X)
        outputs = self._outputs(X)
        labels = self._current_labels()
        if len(labels.classes) == 1 and not labels.several:
            return np.ones((len(outputs), 1), outputs.dtype)
        loss = self.net_.loss
        if not hasattr(loss, "probabilities"):
            loss = SoftmaxWithLoss() if self.out_activation_ == "softmax" else SigmoidWithLoss()
        p: Array = loss.probabilities(outputs)
        return np.hstack([1 - p, p]) if labels.width == 1 and not labels.several else p

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of :meth:`predict_proba`, -inf where that is 0.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples, n_classes)
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def calibrate(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Divide the logits by the temperature with the lowest log-loss on held-out rows.

        Predicted classes stay; ``coefs_[-1]`` and ``intercepts_[-1]`` are divided in place. See
        :func:`affinet.calibrate`.

        Parameters
        ----------
        X : array, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows that the model was not trained on.
        y : array of shape (n_samples,) or (n_samples, n_labels)
        sample_weight : array of shape (n_samples,), optional
            Weights of the rows.

        Returns
        -------
        float
            The temperature.

        Raises
        ------
        ValueError
            For an ensemble, whose ``estimators_`` can be calibrated.
        """
        if is_ensemble(self):
            raise ValueError("this is an ensemble, wanted a single model: one of its estimators_")
        outputs = self._outputs(X)
        t = self._known_targets("y", y)
        labels = self.out_activation_ == "logistic"
        return divide_logits(self._network(), outputs, t, labels, sample_weight)

    # What the base class calls --------------------------------------------------------------------

    @property
    def _label_binarizer(self) -> LabelBinarizer:
        """scikit-learn's own, of these classes: converters to other formats read it."""
        labels = self._current_labels()
        binarizer = LabelBinarizer(sparse_output=labels.sparse)
        if labels.several:
            binarizer.fit(np.eye(len(labels.classes), dtype=np.int64))
            binarizer.sparse_input_ = labels.sparse
        else:
            binarizer.fit(labels.classes)
        binarizer.classes_ = labels.classes
        return binarizer

    @_label_binarizer.setter
    def _label_binarizer(self, value: LabelBinarizer) -> None:
        several = value.y_type_ == "multilabel-indicator"
        self._keep(Labels(np.asarray(value.classes_), several, bool(value.sparse_input_)))

    def _given_output(self, n_outputs: int) -> tuple[str, Any]:
        own = vars(self)
        if "classes_" not in own:
            raise ValueError(
                "coefs_ and intercepts_ were set on an unfitted classifier without classes_: set "
                "them to the labels, in the order of the outputs"
            )
        name = own.get("out_activation_", "logistic" if n_outputs == 1 else None)
        if name is None and "_labels" in own:
            name = self._labels.out_activation
        if name not in ("softmax", "logistic"):
            raise ValueError(
                f"out_activation_ is {name!r}, wanted 'softmax' for one class of several or "
                "'logistic' for several labels"
            )
        self._keep(Labels.of_network(self.classes_, name, n_outputs))
        return name, classifier_objective(self.loss, name).loss

    def _announce(self, y: Any, classes: Any) -> None:
        """Learn the classes in the first partial_fit; compare those of later calls with them."""
        if has_given_weights(self):
            if "classes_" not in vars(self) and classes is not None:
                self.classes_ = unique_labels(classes)
            self._adopt_given_weights()
        if not hasattr(self, "net_"):
            self._keep(Labels.announced(classes, y))
        elif classes is not None and not np.array_equal(unique_labels(classes), self.classes_):
            raise ValueError(
                f"classes is {classes}, wanted those of the first call to partial_fit, "
                f"{self.classes_}"
            )

    def _keep(self, labels: Labels) -> None:
        self._labels, self.classes_ = labels, labels.classes

    def _current_labels(self) -> Labels:
        """The classes by the names in ``classes_`` now, which may have been replaced."""
        if self.classes_ is not self._labels.classes:
            classes = np.asarray(self.classes_)
            if classes.shape != self._labels.classes.shape:
                raise ValueError(
                    f"classes_ is {classes}, wanted {len(self._labels.classes)} names, one for "
                    "each class"
                )
            self._keep(replace(self._labels, classes=classes))
        return self._labels

    def _learn_targets(self, y: Any, first: bool, incremental: bool) -> Array:
        if not incremental:
            labels = Labels.of(y)
            if not first and not labels.same_as(self._current_labels()):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous "
                    f"call to fit. Previously got {self.classes_}, `y` has {labels.classes}"
                )
            self._keep(labels)
        return self._current_labels().encode("y", y)

    def _known_targets(self, name: str, y: Any) -> Array:
        return self._current_labels().encode(name, y)

    def _width_of(self, t: Array) -> int:
        return self._labels.width

    def _output_name(self) -> str:
        return self._labels.out_activation

    def _classes_of(self, t: Array) -> Array | None:
        if self._labels.several:
            return None
        return t.reshape(-1) > 0 if self._labels.width == 1 else t

    def _warn_of_targets(self, t: Array) -> None:
        if len(t) > 1 and not self._labels.several and (t == t[0]).all():
            name = self.classes_.tolist()[int(t.flat[0])]
            warn_caller(
                f"y holds only the class {name!r}: the model cannot learn to tell it from another",
                RuntimeWarning,
            )

    def _weighted(self, rows: Rows) -> Rows:
        if self.class_weight is None:
            return rows
        if self._labels.several:
            weights = compute_sample_weight(self.class_weight, rows.t)
        else:
            places = rows.t.reshape(-1)
            by_class = class_weights_from_sums(
                self.class_weight, self.classes_, places, rows.weights
            )
            weights = by_class[places]
        return Rows(rows.x, rows.t, weights if rows.weights is None else weights * rows.weights)

    def _objective(self, t: Array, weights: Array | None) -> Objective:
        return classifier_objective(self.loss, self._output_name())

    def _score_outputs(self, outputs: Array, t: Array, weights: Array | None) -> float:
        return float(np.average(self._labels.hits(outputs, t), weights=weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
