"""Weights of rows and of classes in fit, forward and evaluate."""

import copy

import numpy as np
import pytest

import affinet as an
from affinet.training import run
from affinet.training import step as steps
from affinet.training.batches import epoch_order
from affinet.training.weights import training_weights

N = 23
REPEATS = np.array([1, 0, 2, 3, 1, 0, 1] * 4)[:N]


@pytest.fixture
def weights():
    rng = np.random.default_rng(3)
    return rng.random(N) * (rng.random(N) < 0.7)


@pytest.fixture(params=["fused", "layer by layer"])
def speed(request, monkeypatch):
    if request.param != "fused":
        monkeypatch.setattr(steps, "can_fuse", lambda *_: False)
    return request.param


class Absolute:
    """A loss without a base class that takes no weights."""

    def __repr__(self):
        return "Absolute()"

    def forward(self, x, t):
        self.sign = np.sign(x - t) / x.size
        return np.abs(x - t).mean()

    def backward(self, dout=1.0):
        return dout * self.sign


class WeightedAbsolute(Absolute):
    """The same, weighted."""

    def forward(self, x, t, weights=None):
        share = np.ones(len(x)) if weights is None else np.asarray(weights)
        share = (share / share.sum() / x.shape[1])[:, np.newaxis]
        self.sign = share * np.sign(x - t)
        return (share * np.abs(x - t)).sum()


# What weights mean -------------------------------------------------------------------------------


def test_a_step_with_weights_is_one_over_repeated_rows(make_net, data):
    x, t = data
    rows = np.repeat(np.arange(N), REPEATS)
    net, twin = make_net(), make_net()
    loss = net.forward(x, t, weights=REPEATS)
    net.backward()
    assert loss == pytest.approx(twin.forward(x[rows], t[rows]), rel=1e-13)
    twin.backward()
    np.testing.assert_allclose(net.grads.flat, twin.grads.flat, rtol=1e-11, atol=1e-15)


def test_a_fit_with_weights_is_one_over_repeated_rows(make_net, data, speed):
    """Of whole batches, whose order does not matter."""
    x, t = data
    rows = np.repeat(np.arange(N), REPEATS)
    net, twin = make_net(), make_net()
    record = net.fit(x, t, epochs=5, batch_size=N, optimizer=an.SGD(0.2), sample_weight=REPEATS)
    other = twin.fit(x[rows], t[rows], epochs=5, batch_size=len(rows), optimizer=an.SGD(0.2))
    assert record.step_kind == speed
    np.testing.assert_allclose(net.params.flat, twin.params.flat, rtol=1e-11, atol=1e-14)
    assert record["loss"] == pytest.approx(other["loss"], rel=1e-12)
    assert record["accuracy"] == pytest.approx(other["accuracy"], rel=1e-12)


def test_the_figures_of_an_epoch_are_weighted_means(make_net, data, weights, speed):
    x, t = data
    history = make_net().fit(
        x, t, epochs=1, batch_size=5, optimizer=an.SGD(0.1), seed=2, sample_weight=weights
    )
    twin, optimizer, total, hits = make_net(), an.SGD(0.1), 0.0, 0.0
    order = epoch_order(N, seed=2, epoch=0)
    for rows in np.split(order, range(5, N, 5)):
        total += twin.forward(x[rows], t[rows], weights=weights[rows]) * weights[rows].sum()
        hits += weights[rows][twin.loss.y.argmax(axis=1) == t[rows]].sum()
        twin.backward()
        optimizer.update(twin.params, twin.grads)
    assert history["loss"][0] == pytest.approx(total / weights.sum(), rel=1e-12)
    assert history["accuracy"][0] == pytest.approx(hits / weights.sum(), rel=1e-12)


def test_rows_of_weight_zero_may_hold_anything(make_net, data, weights, speed):
    x, t = data
    spoiled = np.where(weights[:, np.newaxis] == 0, 1e3, x)
    results = []
    for rows in (x, spoiled):
        net = make_net()
        net.fit(rows, t, epochs=2, batch_size=5, sample_weight=weights)
        results.append(net.params.flat.copy())
    np.testing.assert_array_equal(*results)


def test_a_batch_without_weight_moves_nothing(make_net, data, speed):
    """Batches of one row: every other step has the gradient 0 and the loss 0."""
    x, t = data
    weights = (np.arange(N) % 2).astype(float)
    net = make_net()
    twin = copy.deepcopy(net)
    history = net.fit(x, t, epochs=1, batch_size=1, optimizer=an.SGD(0.1), sample_weight=weights)
    total, hits = 0.0, 0
    for row in epoch_order(N, 0, 0):
        if weights[row]:
            total += twin.forward(x[[row]], t[[row]])
            hits += twin.loss.y.argmax() == t[row]
            twin.backward()
            an.SGD(0.1).update(twin.params, twin.grads)
    np.testing.assert_array_equal(net.params.flat, twin.params.flat)
    assert history["loss"][0] == pytest.approx(total / weights.sum(), rel=1e-13)
    assert history["accuracy"][0] == hits / weights.sum()


def test_the_begun_epoch_may_be_without_weight(make_net, data, speed):
    x, t = data
    weights = np.ones(N)
    weights[epoch_order(N, 0, 0)[:5]] = 0
    history = make_net().fit(x, t, steps=1, batch_size=5, sample_weight=weights)
    assert history["loss"] == history["accuracy"] == [0.0]


def test_weights_of_any_form_and_dtype(make_net, data, weights):
    x, t = data
    results = []
    single = weights.astype(np.float32)
    for form in (single, single.tolist(), np.repeat(single, 2)[::2], single.astype(">f8")):
        net = make_net()
        net.fit(x, t, epochs=1, sample_weight=form)
        results.append(net.params.flat.copy())
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


# Classes -----------------------------------------------------------------------------------------


def by_class(loss, t, n_outputs, class_weight, sample_weight=None):
    return training_weights(loss, np.asarray(t), n_outputs, sample_weight, class_weight)


@pytest.mark.parametrize("kind", ["labels", "uint8", "one-hot", "bool"])
def test_a_dict_of_weights(kind):
    labels = np.array([0, 2, 1, 1, 2, 2])
    t = {
        "labels": labels,
        "uint8": labels.astype(np.uint8),
        "one-hot": np.eye(4)[labels],
        "bool": np.eye(4, dtype=bool)[labels],
    }[kind]
    weights = by_class(an.SoftmaxWithLoss(), t, 4, {0: 5, 2: 0.25, 3: 7})
    np.testing.assert_array_equal(weights, [5, 0.25, 1, 1, 0.25, 0.25])
    both = by_class(an.SoftmaxWithLoss(), t, 4, {0: 5, 2: 0.25}, [1, 2, 3, 0, 4, 1])
    np.testing.assert_array_equal(both, [5, 0.5, 3, 0, 1, 0.25])


def test_balanced_weights():
    """All classes that occur have the same weight, and the total weight is unchanged."""
    t = np.array([0, 0, 0, 0, 2, 2, 3, 0])
    weights = by_class(an.SoftmaxWithLoss(), t, 5, "balanced")
    for c, count in ((0, 5), (2, 2), (3, 1)):
        np.testing.assert_allclose(weights[t == c], 8 / (3 * count), rtol=1e-15)
    assert weights.sum() == pytest.approx(8)


@pytest.mark.parametrize("t", [[0, 1, 1, 1], [[0.0], [1.0], [1.0], [1.0]]])
def test_classes_of_one_sigmoid(t):
    weights = by_class(an.SigmoidWithLoss(), t, 1, "balanced")
    np.testing.assert_allclose(weights, [2, 2 / 3, 2 / 3, 2 / 3])
    np.testing.assert_array_equal(by_class(an.SigmoidWithLoss(), t, 1, {1: 3}), [1, 3, 3, 3])


def test_class_weights_are_weights_of_rows(make_net, data, speed):
    x, t = data
    results = []
    for options in ({"class_weight": {0: 0.5, 2: 3}}, {"sample_weight": np.array([0.5, 1, 3])[t]}):
        net = make_net()
        history = net.fit(x, t, epochs=3, batch_size=5, **options)
        results.append((net.params.flat.copy(), history["loss"], history["accuracy"]))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_balanced_weights_find_the_rare_class():
    """Of two overlapping clouds, 20 to 1, a plain fit always answers the common one."""
    rng = np.random.default_rng(0)
    t = (np.arange(630) % 21 == 0).astype(int)
    x = rng.standard_normal((630, 2)) + 0.8 * t[:, np.newaxis]
    recalls = []
    for class_weight in (None, "balanced"):
        net = an.Sequential(an.Affine.init(2, 1, rng=0), loss=an.SigmoidWithLoss())
        net.fit(x, t, epochs=40, optimizer=an.Adam(0.02), class_weight=class_weight)
        recalls.append((net.predict(x)[t == 1] > 0).mean())
    assert recalls[0] < 0.2
    assert recalls[1] > 0.6


@pytest.mark.parametrize(
    ("loss", "t", "n_outputs", "class_weight", "error", "message"),
    [
        (an.SoftmaxWithLoss(), [0, 1], 2, {2: 1}, ValueError, r"key 2, wanted 0\.\.1"),
        (an.SoftmaxWithLoss(), [0, 1], 2, {-1: 1}, ValueError, r"key -1, wanted 0\.\.1"),
        (an.SoftmaxWithLoss(), [0, 1], 2, {"a": 1}, TypeError, "key 'a', wanted a class index"),
        (an.SoftmaxWithLoss(), [0, 1], 2, {True: 1}, TypeError, "key True"),
        (an.SoftmaxWithLoss(), [0, 1], 2, {0: -1}, ValueError, r"class_weight\[0\] is -1"),
        (an.SoftmaxWithLoss(), [0, 1], 2, {0: np.nan}, ValueError, r"class_weight\[0\] is nan"),
        (an.SoftmaxWithLoss(), [0, 1], 2, {1: np.inf}, ValueError, r"class_weight\[1\] is inf"),
        (an.SoftmaxWithLoss(), [0, 1], 2, {1: "x"}, TypeError, r"class_weight\[1\] is 'x'"),
        (an.SoftmaxWithLoss(), [0, 1], 2, {0: 0, 1: 0}, ValueError, "0 for every row"),
        (an.SoftmaxWithLoss(), [0, 1], 2, "even", TypeError, "a dict or 'balanced'"),
        (an.SoftmaxWithLoss(), [0, 1], 2, [1, 2], TypeError, "a dict or 'balanced'"),
        (an.SoftmaxWithLoss(), [[0.5, 0.5]], 2, "balanced", ValueError, "one-hot"),
        (an.SoftmaxWithLoss(), [[0, 0]], 2, "balanced", ValueError, "one-hot"),
        (an.SoftmaxWithLoss(), [[0, 2]], 2, "balanced", ValueError, "one-hot"),
        (an.SigmoidWithLoss(), [[0, 1]], 2, "balanced", ValueError, "2 outputs has none"),
        (an.SigmoidWithLoss(), [0.5, 1], 1, "balanced", ValueError, "0 and 1"),
        (an.MeanSquaredError(), [[0, 1]], 2, "balanced", ValueError, "MeanSquaredError"),
        (Absolute(), [[0, 1]], 2, {0: 1}, ValueError, "has none"),
    ],
    ids=str,
)
def test_class_weights_that_are_refused(loss, t, n_outputs, class_weight, error, message):
    with pytest.raises(error, match=message):
        by_class(loss, t, n_outputs, class_weight)


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (np.ones(N - 1), ValueError, r"sample_weight has shape \(22,\), wanted \(23,\)"),
        (np.ones((N, 1)), ValueError, r"sample_weight has shape \(23, 1\)"),
        (2.0, ValueError, r"sample_weight has shape \(\)"),
        (np.where(np.arange(N) == 4, -1, 1), ValueError, r"sample_weight\[4\] is -1.0, wanted"),
        (np.where(np.arange(N) == 4, np.nan, 1), ValueError, r"sample_weight\[4\] is nan"),
        (np.where(np.arange(N) == 4, np.inf, 1), ValueError, r"sample_weight\[4\] is inf"),
        (np.zeros(N), ValueError, "sample_weight is 0 for every row"),
        (["heavy"] * N, TypeError, "sample_weight has dtype"),
        (np.ones(N, complex), TypeError, "sample_weight has dtype"),
    ],
)
def test_weights_that_are_refused(make_net, data, bad, error, message):
    net = make_net()
    before = net.params.flat.copy()
    with pytest.raises(error, match=message):
        net.fit(*data, sample_weight=bad)
    with pytest.raises(error, match=message):
        net.evaluate(*data, sample_weight=bad)
    with pytest.raises(error, match=message.replace("sample_weight", "validation_data: weights")):
        net.fit(*data, validation_data=(*data, bad))
    if "every row" not in message:  # a single batch may have no weight
        with pytest.raises(error, match=message.replace("sample_weight", "weights")):
            net.forward(*data, weights=bad)
    np.testing.assert_array_equal(net.params.flat, before)
    assert net.history is None


def test_validation_data_of_a_wrong_length(net, data):
    for wrong in ((data[0],), (*data, None, None), data[0]):
        with pytest.raises(TypeError, match=r"wanted a pair \(x, t\) or \(x, t, weights\)"):
            net.fit(*data, validation_data=wrong)


def test_a_loss_that_takes_no_weights(make_net, data):
    x, t = data[0], np.zeros((N, 3))
    net, ones = make_net(loss=Absolute()), np.ones(N)
    for name, call in {
        "sample_weight": lambda: net.fit(x, t, sample_weight=ones),
        "class_weight": lambda: net.fit(x, t, class_weight="balanced"),
        "validation_data: weights": lambda: net.fit(x, t, validation_data=(x, t, ones)),
        "weights": lambda: net.forward(x, t, weights=ones),
    }.items():
        with pytest.raises(TypeError, match=f"^{name} came, but the forward of the loss"):
            call()
    with pytest.raises(TypeError, match=r"^sample_weight came"):
        net.evaluate(x, t, sample_weight=ones)
    net.fit(x, t, epochs=1)
    assert net.history.names == ("epoch", "loss", "seconds")


def test_a_loss_of_ones_own_with_weights(make_net, data, weights):
    x, t = data[0], np.zeros((N, 3))
    nets = [make_net(loss=loss) for loss in (WeightedAbsolute(), an.MeanAbsoluteError())]
    for net in nets:
        net.fit(x, t, epochs=2, batch_size=8, optimizer=an.SGD(0.1), sample_weight=weights + 0.1)
    assert [net.history.step_kind for net in nets] == ["layer by layer", "fused"]
    np.testing.assert_allclose(nets[0].params.flat, nets[1].params.flat, rtol=1e-12)
    assert nets[0].history["loss"] == pytest.approx(nets[1].history["loss"], rel=1e-12)


# Evaluation --------------------------------------------------------------------------------------


def test_evaluate_with_weights(net, data):
    x, t = data
    rows = np.repeat(np.arange(N), REPEATS)
    weighted, repeated = net.evaluate(x, t, REPEATS), net.evaluate(x[rows], t[rows])
    assert weighted == pytest.approx(repeated, rel=1e-13)
    assert net.evaluate(x, t, np.ones(N)) == net.evaluate(x, t)


def test_validation_data_with_weights(net, data, weights):
    history = net.fit(*data, epochs=2, validation_data=(*data, weights))
    figures = net.evaluate(*data, sample_weight=weights)
    assert history["val_loss"][-1] == figures["loss"]
    assert history["val_accuracy"][-1] == figures["accuracy"]
    net.fit(*data, epochs=1, validation_data=(*data, None))
    assert net.history["val_loss"] == [net.evaluate(*data)["loss"]]


def test_evaluate_uses_the_loss_as_it_is_configured(make_net, data):
    x, t = data
    net = make_net(loss=an.SoftmaxWithLoss(label_smoothing=0.3))
    value = net.evaluate(x, t)
    assert value["loss"] == net.loss.forward(net.predict(x), t)
    assert value["loss"] != an.SoftmaxWithLoss().forward(net.predict(x), t)
    assert value["accuracy"] == make_net().evaluate(x, t)["accuracy"]


# Hits of several labels --------------------------------------------------------------------------


def several_labels():
    rng = np.random.default_rng(8)
    x = rng.standard_normal((40, 4))
    return x, np.stack([x[:, 0] > 0, x[:, 1] > x[:, 2]], axis=1)


def test_accuracy_of_several_labels_counts_rows_that_are_wholly_right(speed):
    x, t = several_labels()
    weights = np.random.default_rng(1).random(40)
    net = an.Sequential(an.Affine.init(4, 2, rng=0, dtype="float64"), loss=an.SigmoidWithLoss())
    right = ((net.predict(x) > 0) == t).all(axis=1)
    assert 0 < right.mean() < 1
    assert net.evaluate(x, t)["accuracy"] == right.mean()
    still = an.SGD(1e-300)
    history = net.fit(x, t, epochs=1, batch_size=7, optimizer=still, validation_data=(x, t))
    assert history.step_kind == speed
    assert history["accuracy"] == history["val_accuracy"] == [pytest.approx(right.mean())]
    history = net.fit(x, t, epochs=1, batch_size=7, optimizer=still, sample_weight=weights)
    assert history["accuracy"] == [pytest.approx(np.average(right, weights=weights))]
    assert net.evaluate(x, t, weights)["accuracy"] == pytest.approx(history["accuracy"][0])


def test_several_labels_are_learned():
    x, t = several_labels()
    net = an.Sequential(an.Affine.init(4, 2, rng=0), loss=an.SigmoidWithLoss())
    net.fit(x, t, epochs=200, optimizer=an.Adam(0.05))
    assert net.evaluate(x, t)["accuracy"] > 0.9
    p = net.predict_proba(x)
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-net.predict(x).astype(float))), rtol=1e-6)


@pytest.mark.parametrize("loss", [an.MeanAbsoluteError(), an.Huber(), an.Poisson()])
def test_values_have_no_accuracy(make_net, data, loss):
    t = np.ones((N, 3))
    net = make_net(loss=loss)
    assert net.fit(data[0], t, epochs=1).names == ("epoch", "loss", "seconds")
    assert net.evaluate(data[0], t).keys() == {"loss"}
    with pytest.raises(TypeError, match="gives no probabilities"):
        net.predict_proba(data[0])


def test_no_figure_depends_on_where_an_epoch_is_cut_into_calls(monkeypatch):
    rng = np.random.default_rng(0)
    x, t, weights = rng.standard_normal((600, 3)), rng.integers(0, 2, 600), rng.random(600)

    def figures(pause):
        monkeypatch.setattr(run, "PAUSE", pause)
        net = an.Sequential(an.Affine.init(3, 2, rng=0), loss=an.SoftmaxWithLoss())
        history = net.fit(x, t, epochs=6, batch_size=3, sample_weight=weights)
        return history["loss"], history["accuracy"]

    assert figures(0.0) == figures(100.0)  # a batch a call, and as many as there are
