"""The solver "lbfgs": SciPy's L-BFGS-B over the network's flat buffer, all rows at once."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from affinet._validation import Array
from affinet.estimators.building import build, weight_views
from affinet.estimators.objectives import Objective
from affinet.estimators.rows import Rows
from affinet.estimators.rules import Validation
from affinet.network import Sequential
from affinet.training import History, StopTraining, TrainingState
from affinet.training.callbacks import due_step
from affinet.training.regularization import Regularization


class FullGradient:
    """The objective and its gradient as a function of all parameters, in double precision.

    A line search compares nearly equal values, for which single precision is too coarse.
    """

    def __init__(self, net: Sequential, objective: Objective, alpha: float, rows: Rows) -> None:
        self.net, self.objective, self.rows = net, objective, rows
        self.regularization = Regularization(objective.l2(alpha))
        self.weight_sum = float(len(rows) if rows.weights is None else rows.weights.sum())
        self.loss = np.nan  # of the last call, as the estimator shows it

    def __call__(self, params: Array) -> tuple[float, Array]:
        """The value and its gradient."""
        self.net.params.flat[:] = params
        rows, scale = self.rows, self.objective.scale
        loss = self.net.forward(rows.x, rows.t, True, rows.weights)
        self.net.backward()
        loss += self.regularization.apply(self.net, self.weight_sum)
        self.loss = self.objective.show(loss)
        return scale * loss, scale * self.net.grads.flat


class Iterations:
    """What happens after each of SciPy's iterations."""

    def __init__(self, model: Any, gradient: FullGradient, validation: Validation | None) -> None:
        self.model, self.gradient, self.validation = model, gradient, validation
        self.callbacks = tuple(model.callbacks or ())
        self.net: Sequential = model.net_
        self.net.history = History()

    def __call__(self, params: Array) -> None:
        """Record the iteration whose line search ended here, and call the user's callbacks."""
        model = self.model
        before = model.n_iter_
        model.n_iter_ += 1
        model.loss_ = self.gradient.loss  # of these parameters, the last that were tried
        if model.verbose:
            print(f"Iteration {model.n_iter_}, loss = {model.loss_:.8f}")
        self.net.params.flat[:] = params
        self.net.grads.flat[:] = self.gradient.net.grads.flat
        figures: dict[str, Any] = {"epoch": model.n_iter_, "loss": model.loss_}
        if self.validation is not None:
            figures |= self.validation.measure(self.net)
            model.validation_loss_curve_.append(figures["val_loss"])
        self.history.epochs.append(figures)
        for callback in self.callbacks:
            every = getattr(callback, "every_steps", None)
            looks_at_steps = every is None and hasattr(callback, "next_step")
            if looks_at_steps and due_step(callback, before) == model.n_iter_:
                callback.after_step(self.state(figures))
            if model.n_iter_ % (every or 1) == 0:
                callback(self.state(figures))

    def notify(self, event: str) -> None:
        """Call the callbacks' ``begin`` or ``end``, of those that have one."""
        for callback in self.callbacks:
            if hasattr(callback, event):
                getattr(callback, event)(self.state({}))

    @property
    def history(self) -> History:
        """The record, also kept by the network."""
        assert self.net.history is not None
        return self.net.history

    def state(self, figures: dict[str, Any]) -> TrainingState:
        """What callbacks receive; ``optimizer`` is None, for SciPy's is not one of affinet's."""
        n_iter, gradient = self.model.n_iter_, self.gradient
        return TrainingState(
            net=self.net,
            optimizer=None,  # type: ignore[arg-type]
            epoch=n_iter,
            step=n_iter,
            metrics=figures,
            history=self.history,
            data=(gradient.rows.x, gradient.rows.t),
            totals=(gradient.weight_sum, gradient.weight_sum * gradient.loss, 0.0),
        )


def fit_lbfgs(model: Any, objective: Objective, rows: Rows, validation: Validation | None) -> None:
    """Train the model's network; sets ``loss_`` and ``n_iter_``."""
    net: Sequential = model.net_
    gradient = FullGradient(in_double_precision(model), objective, model.alpha, rows)
    iterations = Iterations(model, gradient, validation)
    iterations.notify("begin")
    try:
        result = minimize(
            gradient,
            net.params.flat.astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            callback=iterations,
            options={"maxiter": model.max_iter, "maxfun": model.max_fun, "gtol": model.tol},
        )
    except StopTraining:
        iterations.notify("end")
        return
    net.params.flat[:] = result.x
    model.n_iter_ = min(int(result.nit), model.max_iter)
    gradient(result.x)
    model.loss_ = gradient.loss
    iterations.notify("end")
    if result.status != 0:
        warnings.warn(
            f"lbfgs failed to converge after {model.n_iter_} iteration(s) (status="
            f"{result.status}): {result.message}. Increase max_iter or max_fun, or scale the data.",
            ConvergenceWarning,
            stacklevel=4,  # the line that calls fit
        )


def in_double_precision(model: Any) -> Sequential:
    """A network with the model's weights that computes in double precision.

    It is always a copy: what its layers keep of all rows for the backward is freed with it.
    """
    net: Sequential = model.net_
    pairs = zip(*weight_views(net), strict=True)
    arrays = [(W.astype(np.float64), b.astype(np.float64)) for W, b in pairs]
    _, names, rates = model._structure
    return build(arrays, names, rates, copy.deepcopy(net.loss))
