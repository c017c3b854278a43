"""Typical code of a user, for mypy to check: it is read, not run.

``assert_type`` says what a type checker must make of an expression; a type that is lost on the way,
and becomes Any, fails it.
"""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import affinet as an

Array = NDArray[Any]


def train() -> an.Sequential:
    (x, t), (x_test, t_test) = an.datasets.load_digits()
    net = an.Sequential(
        an.Affine.init(64, 32, rng=0, activation="relu", dtype=np.float64),
        an.ReLU(),
        an.Dropout(0.2, rng=1),
        an.Affine.init(32, 10, rng=2),
        loss=an.SoftmaxWithLoss(),
        input_scale=1 / 16,
    )
    history = net.fit(
        x,
        t,
        epochs=2,
        batch_size=64,
        optimizer=an.Adam(lr=0.003),
        validation_data=(x_test, t_test),
        callbacks=[report],
    )
    assert_type(history, an.History)
    assert_type(history["loss"], list[float])
    assert_type(net.evaluate(x_test, t_test), dict[str, float])
    assert_type(net.predict(x_test), Array)
    assert_type(net.predict_proba(x_test), Array)
    assert_type(net.forward(x, t), float)
    assert_type(net.backward(need_dx=True), Array | None)
    assert_type(net.forward(x), Array)
    assert_type(net.backward(net(x)), Array | None)
    assert_type(net.params["0.W"], Array)
    an.SGD(lr=0.1).update(net.params, net.grads)
    return net


def many(nets: list[an.Sequential], x: Array, t: Array) -> list[an.History | None]:
    try:
        histories = an.fit_many(nets, x, t, rows=[[0, 1], None], seeds=range(2), epochs=3)
    except an.FitManyError as error:
        assert_type(error.failed, dict[int, Exception])
        return error.histories
    assert_type(histories, list[an.History])
    return [*histories]


def ensembles(x: Array, t: Array) -> None:
    ensemble = an.Ensemble([train(), train()], weights=[1, 2])
    assert_type(ensemble.predict(x), Array)
    assert_type(ensemble.std(x), Array)
    assert_type(ensemble.quantile(x, [0.1, 0.9]), Array)
    assert_type(ensemble.pruned(3, x, t), an.Ensemble)
    assert_type(ensemble.members, tuple[an.Sequential, ...])
    assert_type(an.Ensemble.load("ensemble.npz"), an.Ensemble)


def report(state: an.TrainingState) -> None:
    if state.epoch > 10:
        raise an.StopTraining


def scikit_learn(x: Array, t: Array) -> None:
    model = an.estimators.MLPClassifier((64,), class_weight="balanced", dropout=[0.1])
    assert_type(model.fit(x, t), an.estimators.MLPClassifier)
    assert_type(model.predict_proba(x), Array)
    regressor = an.estimators.MLPRegressor(an.Huber(0.5), activation=["tanh"], callbacks=[report])
    assert_type(regressor.fit(x, t, sample_weight=t).predict(x), Array)


def files(net: an.Sequential, path: Path) -> None:
    net.save(path / "model.npz")
    assert_type(an.load(path / "model.npz"), an.Sequential)
    an.onnx.export(net, path / "model.onnx", probabilities=True, input_dtype=np.uint8)
    assert_type(an.onnx.load(str(path / "model.onnx")), an.Sequential)


def converted(model: Any) -> None:
    assert_type(an.from_sklearn(model), an.Sequential)


def layer_by_layer(x: Array, t: Array) -> float:
    params = {"W": np.zeros((4, 3)), "b": np.zeros(3)}
    layer = an.Affine(params["W"], params["b"])
    loss = an.SoftmaxWithLoss()
    value = loss.forward(layer.forward(x), t)
    assert_type(value, float)
    assert_type(layer.backward(loss.backward()), Array)
    assert_type(layer.dW, Array | None)
    assert_type(loss.y, Array | None)
    if layer.dW is not None and layer.db is not None:
        an.Momentum(0.1, momentum=0.9).update(params, {"W": layer.dW, "b": layer.db})
    return value


class Doubled(an.Layer):
    """A custom layer."""

    def forward(self, x: Any) -> Array:
        return self.predict(x)

    def predict(self, x: Any) -> Array:
        return np.asarray(2 * x)

    def backward(self, dout: Any) -> Array:
        return np.asarray(2 * dout)


def checks() -> None:
    net = an.Sequential(an.Affine.init(4, 3, rng=0), Doubled(), loss=an.MeanSquaredError())
    outcome = an.gradient_check(net, np.ones((2, 4)), np.ones((2, 3)))
    assert_type(outcome, an.GradientReport)
    assert_type(outcome.passed, bool)
    with an.num_threads(1):
        assert_type(an.get_num_threads(), int)
    assert_type(an.runtime_info(), dict[str, Any])
    assert_type(an.__version__, str)
