"""fit with an L2 penalty on the weights and with clipped gradients."""

import copy

import numpy as np
import pytest

import affinet as an
from affinet.training import step as steps
from tolerance import assert_close

N, I, H, O = 23, 4, 6, 3  # noqa: E741 - rows, inputs, hidden units, outputs
KINDS = ("fused", "layer by layer")
DTYPES = ["float32", "float64"]
WEIGHTS = ("0.W", "2.W")
every_kind = pytest.mark.parametrize("kind", KINDS)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def make(dtype="float64", loss=an.SoftmaxWithLoss):
    """Biases that are not 0, so a penalty on them would show."""
    net = an.Sequential(
        an.Affine.init(I, H, rng=0, dtype=dtype),
        an.Tanh(),
        an.Affine.init(H, O, rng=1, dtype=dtype),
        loss=loss(),
    )
    net.params["0.b"], net.params["2.b"] = np.linspace(-1, 1, H), [2, -3, 1]
    return net


def make_data(net, rows=N, seed=6):
    rng = np.random.default_rng(seed)
    x, t = rng.standard_normal((rows, I)), rng.integers(0, O, rows)
    return x, t if isinstance(net.loss, an.SoftmaxWithLoss) else np.eye(O)[t]


def fit(net, kind, monkeypatch, data=None, **options):
    """Train by this kind of step; the record."""
    options = {"epochs": 1, "optimizer": an.SGD(0.1)} | options
    with monkeypatch.context() as patch:
        if kind == "layer by layer":
            patch.setattr(steps, "can_fuse", lambda *_: False)
        history = net.fit(*(make_data(net) if data is None else data), **options)
    assert history.step_kind == kind
    return history


def gradient(net, kind, monkeypatch, data=None, **options):
    """The flat gradient of all rows in one batch, and the loss; no parameter changes."""
    options = {"batch_size": 10**6, "optimizer": an.SGD(0.0)} | options
    before = net.params.flat.copy()
    history = fit(net, kind, monkeypatch, data, **options)
    np.testing.assert_array_equal(net.params.flat, before)
    return net.grads.flat.copy(), history["loss"][0]


def squares(net):
    return sum(float(np.sum(np.square(net.params[name], dtype="f8"))) for name in WEIGHTS)


# The penalty -------------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("loss", [an.SoftmaxWithLoss, an.MeanSquaredError, an.SumSquaredError])
def test_the_gradient_is_that_of_loss_and_penalty(kind, loss, monkeypatch):
    """By central differences, of a function written here."""
    net = make(loss=loss)
    x, t = make_data(net)
    l2 = 3.0
    found, value = gradient(net, kind, monkeypatch, l2=l2)
    twin = make(loss=loss)

    def objective(flat):
        twin.params.flat[:] = flat
        return twin.forward(x, t, train=False) + l2 / 2 * squares(twin) / N

    flat = net.params.flat.copy()
    wanted = an.numerical_gradient(objective, flat)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-8)
    assert value == pytest.approx(objective(flat), rel=1e-12)


@every_kind
@every_dtype
@pytest.mark.parametrize("l2", [1e-4, 1.0, 1e3])
def test_weights_are_penalised_and_biases_are_not(kind, dtype, l2, monkeypatch):
    net = make(dtype)
    plain, loss = gradient(net, kind, monkeypatch)
    unpenalised = copy.deepcopy(net.grads)
    _, penalised_loss = gradient(net, kind, monkeypatch, l2=l2)
    assert plain.any()
    for name, W in net.params.items():
        pull = l2 / N * W.astype("f8") if name in WEIGHTS else np.zeros(W.shape)
        before = unpenalised[name].astype("f8")
        assert_close(net.grads[name], before + pull, scale=abs(before) + abs(pull), name=name)
        if name not in WEIGHTS:
            np.testing.assert_array_equal(net.grads[name], unpenalised[name])
    # Both losses are added up in double precision; the record is one more rounding or two.
    assert penalised_loss - loss == pytest.approx(l2 / 2 * squares(net) / N, rel=1e-9)


@every_kind
def test_each_batch_divides_by_its_own_rows(kind, monkeypatch):
    """23 rows in batches of 5, the last one of 3: as in a loop written here."""
    l2, net, twin = 2.0, make(), make()
    x, t = make_data(net)
    history = fit(net, kind, monkeypatch, batch_size=5, l2=l2)
    order = np.random.default_rng([0, 0]).permutation(N)
    total = 0.0
    for start in range(0, N, 5):
        rows = order[start : start + 5]
        penalty = l2 / 2 * squares(twin) / len(rows)
        total += (twin.forward(x[rows], t[rows]) + penalty) * len(rows)
        twin.backward()
        for name in WEIGHTS:
            twin.grads[name] += l2 / len(rows) * twin.params[name]
        an.SGD(0.1).update(twin.params, twin.grads)
    np.testing.assert_allclose(net.params.flat, twin.params.flat, rtol=1e-12)
    assert history["loss"][0] == pytest.approx(total / N, rel=1e-12)


@every_kind
def test_the_penalty_is_shared_out_by_weights(kind, monkeypatch):
    """l2 / 2 sum W^2 over the sum of the batch's weights: twice the weights, half the penalty.

    A row of weight 2 is two rows. A batch in which no row has a weight has no penalty either.
    """
    net = make()
    x, t = make_data(net, rows=6)
    counts = np.array([2.0, 0, 1, 3, 1, 2])
    twin, alone = copy.deepcopy(net), copy.deepcopy(net)
    fit(net, kind, monkeypatch, (x, t), batch_size=6, l2=0.7, sample_weight=counts)
    repeated = np.repeat(np.arange(6), counts.astype(int))
    fit(twin, kind, monkeypatch, (x[repeated], t[repeated]), batch_size=9, l2=0.7)
    assert_close(net.params.flat, twin.params.flat, scale=1 + abs(net.params.flat), reduction=100)
    weights = np.zeros(6)
    weights[2] = 1
    before = alone.params.flat.copy()
    history = fit(alone, kind, monkeypatch, (x, t), batch_size=1, l2=0.7, sample_weight=weights)
    once = make()
    once.params.flat[:] = before
    fit(once, kind, monkeypatch, (x[2:3], t[2:3]), batch_size=1, l2=0.7)
    np.testing.assert_array_equal(alone.params.flat, once.params.flat)
    assert np.isfinite(history["loss"]).all()


@every_kind
def test_a_penalty_alone_shrinks_the_weights_by_a_factor(kind, monkeypatch):
    """With inputs of 0 the first layer's W has no other gradient: W (1 - lr l2 / B) a step."""
    net = make()
    before = net.params["0.W"].copy()
    data = np.zeros((10, I)), np.zeros(10, int)
    fit(net, kind, monkeypatch, data, batch_size=10, epochs=3, l2=5.0)
    np.testing.assert_allclose(net.params["0.W"], before * (1 - 0.1 * 5 / 10) ** 3, rtol=1e-14)


@every_kind
def test_no_penalty_is_no_penalty_to_the_bit(kind, monkeypatch):
    plain, given = make("float32"), make("float32")
    records = [
        fit(plain, kind, monkeypatch, epochs=3),
        fit(given, kind, monkeypatch, epochs=3, l2=0.0, clip_norm=None),
    ]
    np.testing.assert_array_equal(plain.params.flat, given.params.flat)
    assert records[0]["loss"] == records[1]["loss"]


def test_validation_losses_are_without_the_penalty():
    net = make()
    data = make_data(net)
    history = net.fit(*data, epochs=2, l2=10.0, validation_data=data)
    assert history["val_loss"][-1] == net.evaluate(*data)["loss"]
    assert history["val_loss"][-1] < history["loss"][-1]


class OwnLayer:
    """A custom layer with a parameter W."""

    parameters = ("W",)

    def __init__(self):
        self.W = np.full(I, 2.0)

    def forward(self, x):
        self.x = x
        return x * self.W

    def backward(self, dout):
        self.dW = (self.x * dout).sum(axis=0)
        return dout * self.W


class OwnAffine(an.Affine):
    pass


def test_layers_of_ones_own_are_penalised_if_they_are_affine():
    """A custom layer in front does not shift which W is penalized."""
    x, t = make_data(make())
    grads = []
    for l2 in (0.0, 7.0):
        affine = an.Affine.init(I, O, rng=0, dtype="float64")
        net = an.Sequential(OwnLayer(), OwnAffine(affine.W, affine.b), loss=an.SoftmaxWithLoss())
        net.fit(x, t, epochs=1, batch_size=N, optimizer=an.SGD(0.0), l2=l2)
        grads.append(net.grads)
    np.testing.assert_array_equal(grads[0]["0.W"], grads[1]["0.W"])
    np.testing.assert_array_equal(grads[0]["1.b"], grads[1]["1.b"])
    np.testing.assert_allclose(grads[1]["1.W"] - grads[0]["1.W"], 7 / N * affine.W, rtol=1e-12)


# Clipping ----------------------------------------------------------------------------------------


@every_kind
@every_dtype
def test_a_gradient_below_the_bound_is_left_alone_to_the_bit(kind, dtype, monkeypatch):
    net = make(dtype)
    plain, loss = gradient(net, kind, monkeypatch)
    norm = np.linalg.norm(plain.astype("f8"))
    found, same_loss = gradient(net, kind, monkeypatch, clip_norm=norm * (1 + 1e-12))
    np.testing.assert_array_equal(found, plain)
    assert same_loss == loss


@every_kind
@every_dtype
@pytest.mark.parametrize("share", [0.999, 0.5, 1e-6])
def test_a_gradient_above_the_bound_keeps_its_direction(kind, dtype, share, monkeypatch):
    net = make(dtype)
    plain, loss = gradient(net, kind, monkeypatch)
    norm = np.linalg.norm(plain.astype("f8"))
    found, same_loss = gradient(net, kind, monkeypatch, clip_norm=norm * share)
    assert_close(found, plain.astype("f8") * share, name="the clipped gradient")
    assert same_loss == loss  # only the gradient is clipped


@every_kind
def test_all_parameters_are_clipped_together(kind, monkeypatch):
    """One factor for weights and biases of all layers."""
    net = make()
    plain, _ = gradient(net, kind, monkeypatch)
    found, _ = gradient(net, kind, monkeypatch, clip_norm=0.01)
    assert np.linalg.norm(found) == pytest.approx(0.01, rel=1e-12)
    factors = found[plain != 0] / plain[plain != 0]
    np.testing.assert_allclose(factors, factors[0], rtol=1e-12)


@every_kind
def test_the_penalty_is_clipped_with_the_rest(kind, monkeypatch):
    net = make()
    penalised, _ = gradient(net, kind, monkeypatch, l2=100.0)
    found, _ = gradient(net, kind, monkeypatch, l2=100.0, clip_norm=0.5)
    np.testing.assert_allclose(found, penalised * 0.5 / np.linalg.norm(penalised), rtol=1e-12)


@every_kind
def test_a_gradient_of_zero_stays_zero(kind, monkeypatch):
    net = make(loss=an.MeanSquaredError)
    x, _ = make_data(net)
    found, loss = gradient(net, kind, monkeypatch, (x, net.predict(x)), clip_norm=1e-3)
    assert loss == 0
    assert not found.any()


@every_kind
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:the loss of epoch:RuntimeWarning")
def test_a_gradient_that_is_not_finite_is_not_hidden(kind, bad, monkeypatch):
    """A factor of max_norm / inf = 0 would turn most of it into a harmless step of 0."""
    net = make("float32", an.SumSquaredError)
    x, t = make_data(net)
    t[3, 1] = bad
    history = fit(net, kind, monkeypatch, (x, t), batch_size=N, clip_norm=1.0)
    assert not np.isfinite(history["loss"][0])
    assert np.isnan(net.grads.flat).all()
    assert np.isnan(net.params.flat).all()


@every_kind
def test_a_clipped_step_of_sgd_has_the_length_lr_times_the_bound(kind, monkeypatch):
    net = make()
    before = net.params.flat.copy()
    fit(net, kind, monkeypatch, steps=1, epochs=None, optimizer=an.SGD(0.5), clip_norm=0.02)
    assert np.linalg.norm(net.params.flat - before) == pytest.approx(0.5 * 0.02, rel=1e-9)


# Both kinds of step ------------------------------------------------------------------------------


@every_dtype
@pytest.mark.parametrize(
    "options", [{"l2": 0.7}, {"clip_norm": 0.1}, {"l2": 0.7, "clip_norm": 0.1}]
)
@pytest.mark.parametrize("batch_size", [1, 5, 23, 99])
@pytest.mark.parametrize("loss", [an.SoftmaxWithLoss, an.MeanSquaredError, an.SumSquaredError])
def test_both_kinds_of_step_agree_to_the_bit(dtype, options, batch_size, loss, monkeypatch):
    nets, records = [], []
    for kind in KINDS:
        net = make(dtype, loss)
        optimizer = an.Adam(0.01)
        records.append(
            fit(
                net,
                kind,
                monkeypatch,
                batch_size=batch_size,
                epochs=3,
                optimizer=optimizer,
                **options,
            )
        )
        nets.append(net)
    np.testing.assert_array_equal(nets[0].params.flat, nets[1].params.flat)
    np.testing.assert_array_equal(nets[0].grads.flat, nets[1].grads.flat)
    # An epoch's loss is added up call by call, and how many batches a call has is a matter of time.
    assert records[0]["loss"] == pytest.approx(records[1]["loss"], rel=1e-12)


def test_both_kinds_of_step_agree_where_sums_have_many_segments(monkeypatch):
    """A weight of 120,000 numbers and a gradient longer still, neither a round number."""
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((8, 401)), rng.integers(0, 5, 8)
    nets = []
    for kind in KINDS:
        net = an.Sequential(
            an.Affine.init(401, 301, rng=0), an.ReLU(), an.Affine.init(301, 5, rng=1),
            loss=an.SoftmaxWithLoss(),
        )  # fmt: skip
        fit(net, kind, monkeypatch, (x, t), epochs=3, l2=0.3, clip_norm=0.3)
        nets.append(net)
    np.testing.assert_array_equal(nets[0].params.flat, nets[1].params.flat)


@every_kind
def test_a_callback_that_changes_a_layer_keeps_the_regularization(kind, monkeypatch):
    """The fused step then rebuilds its plan."""

    def change(state):
        state.net.input_scale = 1.0 + state.epoch

    net = make()
    fit(net, kind, monkeypatch, epochs=3, callbacks=[change], clip_norm=0.01)
    assert np.linalg.norm(net.grads.flat) == pytest.approx(0.01, rel=1e-12)


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error"),
    [
        *(({"l2": value}, ValueError) for value in (-0.1, np.nan, np.inf)),
        *(({"l2": value}, TypeError) for value in ("0.1", None, [0.1])),
        *(({"clip_norm": value}, ValueError) for value in (0, -1.0, np.nan, np.inf)),
        *(({"clip_norm": value}, TypeError) for value in ("1", [1.0], 1j)),
    ],
    ids=str,
)
def test_bad_values_are_refused_by_name(options, error):
    net = make()
    before = net.params.flat.copy()
    (name,) = options
    with pytest.raises(error, match=f"^{name} is "):
        net.fit(*make_data(net), **options)
    np.testing.assert_array_equal(net.params.flat, before)
    assert net.history is None
