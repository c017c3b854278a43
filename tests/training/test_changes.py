"""What a callback changes while fit runs has one meaning, fused and layer by layer."""

import dataclasses

import numpy as np
import pytest

import affinet as an

RNG = np.random.default_rng(0)
X = RNG.standard_normal((20, 4))
LABELS = np.arange(20) % 3
KINDS = ["fused", "layer by layer"]


def train(kind, monkeypatch, change, x=X, t=LABELS, loss=None, **options):
    """Three epochs of four steps; ``change(state)`` is called after the first one."""
    with monkeypatch.context() as patch:
        if kind != "fused":
            patch.setattr("affinet.training.step.can_fuse", lambda *_: False)
        net = an.Sequential(
            an.Affine.init(4, 5, rng=1, dtype="float64"),
            an.LeakyReLU(0.1),
            an.Affine.init(5, 3, rng=2, dtype="float64"),
            loss=an.SoftmaxWithLoss() if loss is None else loss,
        )

        def callback(state):
            if state.epoch == 1:
                change(state)

        options = {"optimizer": an.Adam(0.05), "callbacks": [callback]} | options
        history = net.fit(x, t, epochs=3, batch_size=5, **options)
        assert history.step_kind == kind
        return net.params.flat.copy(), history


def assert_counts(monkeypatch, make, **options):
    """The change makes a difference, and the same one in both kinds. ``make()`` -> change, data."""
    results = []
    for kind in KINDS:
        change, data = make()
        results.append(train(kind, monkeypatch, change, *data, **options)[0])
    np.testing.assert_array_equal(results[0], results[1])
    _, data = make()
    unchanged, _ = train("fused", monkeypatch, lambda state: None, *data, **options)
    assert (results[0] != unchanged).any()


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "int16", "bool", "uint64"])
def test_labels_changed_in_place(monkeypatch, dtype):
    def make():
        t = LABELS.astype(dtype)

        def change(state):
            state.data[1][...] = t[::-1].copy()

        return change, (X, t)

    assert_counts(monkeypatch, make)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int16", "uint8"])
def test_rows_of_targets_changed_in_place(monkeypatch, dtype):
    def make():
        t = np.eye(3)[LABELS].astype(dtype)

        def change(state):
            t[...] = 1 - t

        return change, (X, t)

    assert_counts(monkeypatch, make, loss=an.MeanSquaredError())


@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8"])
@pytest.mark.parametrize("strided", [False, True])
def test_inputs_changed_in_place(monkeypatch, dtype, strided):
    def make():
        x = (4 * np.abs(X)).astype(dtype)
        x = np.repeat(x, 2, axis=0)[::2] if strided else x

        def change(state):
            x[...] = x[::-1].copy()

        return change, (x, LABELS)

    assert_counts(monkeypatch, make)


def test_weights_are_fixed(monkeypatch):
    for weights in (np.linspace(0, 1, 20), np.linspace(0, 1, 20).astype("float32")):

        def change(state, weights=weights):
            weights[...] = 1

        for kind in KINDS:
            kept = weights.copy()
            found, _ = train(kind, monkeypatch, change, sample_weight=weights)
            expected, _ = train(kind, monkeypatch, lambda state: None, sample_weight=kept)
            np.testing.assert_array_equal(found, expected)


NUMBERS = {
    "lr": lambda state: setattr(state.optimizer, "lr", 0.5),
    "beta1": lambda state: setattr(state.optimizer, "beta1", 0.1),
    "slope": lambda state: setattr(state.net.layers[1], "slope", 0.9),
    "smoothing": lambda state: setattr(state.net.loss, "label_smoothing", 0.4),
    "scale": lambda state: setattr(state.net, "input_scale", 0.1),
    "params": lambda state: setattr(state.net.params, "flat", 0.5 * state.net.params.flat),
    "W": lambda state: setattr(state.net.layers[0], "W", np.ones((4, 5))),
    "averages": lambda state: [
        average.fill(1.0)
        for average in state.optimizer.state_of(state.net.params.flat).averages
    ],
    "a step of its own": lambda state: state.optimizer.update(state.net.params, state.net.grads),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_count_from_the_next_step(monkeypatch, name):
    assert_counts(monkeypatch, lambda: (NUMBERS[name], (X, LABELS)))


REFUSED = {
    "loss": (lambda state: setattr(state.net, "loss", an.MeanSquaredError()), RuntimeError),
    "the same loss": (lambda state: setattr(state.net, "loss", state.net.loss), RuntimeError),
    "layers": (lambda state: setattr(state.net, "layers", ()), AttributeError),
    "params": (lambda state: setattr(state.net, "params", {}), AttributeError),
    "optimizer": (
        lambda state: setattr(state, "optimizer", an.SGD(0.1)),
        dataclasses.FrozenInstanceError,
    ),
    "a label": (lambda state: state.data[1].fill(7), ValueError),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_fixed_raises(monkeypatch, kind, name):
    change, error = REFUSED[name]
    with pytest.raises(error):
        train(kind, monkeypatch, change, t=LABELS.copy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", [an.SigmoidWithLoss(), an.Poisson()])
def test_targets_that_leave_the_range_of_the_loss_raise(monkeypatch, kind, loss):
    t = np.eye(3)[LABELS]
    before = loss.config()
    with pytest.raises(ValueError, match=r"t\[\d+, \d+\] is -1.0, wanted"):
        train(kind, monkeypatch, lambda state: t.fill(-1), t=t, loss=loss)
    assert loss.config() == before


def test_the_loss_can_be_set_before_and_after(net, data):
    net.loss = an.SoftmaxWithLoss(0.1)
    net.fit(*data, epochs=1)
    net.loss = an.SoftmaxWithLoss()
    with pytest.raises(RuntimeError, match="fixed while fit runs"):
        net.fit(*data, epochs=1, callbacks=[REFUSED["loss"][0]])
    net.loss = an.SoftmaxWithLoss(0.2)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: an.PeriodicEmbedding(4, [0, 1], outputs=2, rng=0),
        lambda: an.Embedding(4, {0: 3, 2: 3}, outputs=2, rng=0),
        lambda: an.PiecewiseEmbedding(4, {0: [0, 1, 2], 1: [0, 2]}, outputs=2, rng=0),
        lambda: an.BatchNorm(4),
    ],
)
def test_a_layer_with_arrays_is_the_same_after_a_callback(monkeypatch, layer):
    from affinet.training.step import FusedStep

    plans = []
    make = FusedStep.make_plan
    monkeypatch.setattr(FusedStep, "make_plan", lambda *a: plans.append(1) or make(*a))
    first = layer()
    width = first.predict(np.zeros((2, 4), np.float32)).shape[1]
    net = an.Sequential(first, an.Affine.init(width, 3, rng=1), loss=an.SoftmaxWithLoss())
    x = RNG.integers(0, 3, (20, 4)).astype(np.float32)
    history = net.fit(x, LABELS, epochs=3, callbacks=[lambda state: None])
    assert history.step_kind == "fused"
    assert len(plans) == 1
