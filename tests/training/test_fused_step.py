"""The fused step and the step layer by layer compute the same numbers, to the bit."""

import copy
import threading

import numpy as np
import pytest

import affinet as an
import parts.losses
import parts.optimizers
from affinet.training import step as steps
from affinet.training.record import Training
from affinet.training.step import FusedStep, can_fuse
from parts.activations import ACTIVATIONS

OPTIMIZERS, LOSSES = parts.optimizers.TRAINED, parts.losses.SETTINGS
DTYPES = [np.float32, np.float64]
N, I, O = 53, 12, 5  # noqa: E741 - rows, inputs, outputs


def every_layer(dtype, loss, input_scale=None):
    """Each layer, elementwise ones behind each other, and one before the first affine."""
    return an.Sequential(
        an.Tanh(),
        an.Affine.init(I, 16, rng=0, dtype=dtype),
        an.Sigmoid(),
        an.Tanh(),
        an.Dropout(0.3, rng=0),
        an.Affine.init(16, 9, rng=1, dtype=dtype),
        an.ReLU(),
        an.Dropout(0.2, rng=1),
        an.LeakyReLU(0.1),
        an.Affine.init(9, O, rng=2, dtype=dtype),
        loss=loss,
        input_scale=input_scale,
    )


def normalized_net(dtype, loss):
    """Normalizations first, last, behind each other, and around what keeps its input."""
    return an.Sequential(
        an.BatchNorm(I, momentum=0.3, dtype=dtype),
        an.ReLU(),
        an.LayerNorm(I, dtype=dtype),
        an.Affine.init(I, 16, rng=0, dtype=dtype),
        an.BatchNorm(16, dtype=dtype),
        an.Sigmoid(),
        an.GELU(),
        an.ReLU(),
        an.Dropout(0.2, rng=0),
        an.SiLU(),
        an.LayerNorm(16, eps=1e-2, dtype=dtype),
        an.BatchNorm(16, eps=1e-3, dtype=dtype),
        an.Affine.init(16, O, rng=1, dtype=dtype),
        an.SiLU(),
        an.GELU(),
        an.Tanh(),
        an.LayerNorm(O, dtype=dtype),
        loss=loss,
    )


def small_net(**options):
    return an.Sequential(
        an.Affine.init(I, 8, rng=0), an.ReLU(), an.Affine.init(8, O, rng=1), **options
    )


def data(loss, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((N, I)), parts.losses.row_of(loss).targets(
        rng.standard_normal((N, O))
    )


def fit_both(net, x, t, monkeypatch, optimizer=an.SGD, **options):
    """The same training fused and layer by layer; returns both nets and both records."""
    other = copy.deepcopy(net)
    fused = net.fit(x, t, optimizer=optimizer(lr=0.01), **options)
    with monkeypatch.context() as patch:
        patch.setattr(steps, "can_fuse", lambda *_: False)
        layerwise = other.fit(x, t, optimizer=optimizer(lr=0.01), **options)
    assert fused.step_kind == "fused"
    assert layerwise.step_kind == "layer by layer"
    return net, other, fused, layerwise


def assert_same(net, other, fused, layerwise):
    for name, array in net._arrays().items():
        np.testing.assert_array_equal(array, other._arrays()[name], name)
    np.testing.assert_array_equal(net.params.flat, other.params.flat)
    np.testing.assert_array_equal(net.grads.flat, other.grads.flat)
    assert fused.steps == layerwise.steps
    for name in fused.names:
        if name != "seconds":
            assert fused[name] == pytest.approx(layerwise[name], rel=1e-12), name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_every_layer_loss_and_optimizer(dtype, loss, optimizer, monkeypatch):
    net = every_layer(dtype, LOSSES[loss][0]())
    before = net.params.flat.copy()
    x, t = data(net.loss)
    both = fit_both(net, x, t, monkeypatch, optimizer, epochs=2, batch_size=10, seed=5)
    assert_same(*both)
    assert (net.params.flat != before).mean() > 0.8


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation(dtype, name, monkeypatch):
    """Behind a layer and before one, and behind each other, where what it keeps stays."""
    make = ACTIVATIONS[name].make
    net = an.Sequential(
        make(), an.Affine.init(I, 9, rng=0, dtype=dtype), make(), make(),
        an.Affine.init(9, O, rng=1, dtype=dtype), make(), loss=an.MeanSquaredError(),
    )  # fmt: skip
    x, t = data(net.loss)
    assert_same(*fit_both(net, x, t, monkeypatch, epochs=2, batch_size=10, seed=5))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_weights_of_rows(dtype, loss, optimizer, monkeypatch):
    net = every_layer(dtype, LOSSES[loss][0]())
    x, t = data(net.loss)
    rng = np.random.default_rng(7)
    weights = rng.random(N) * (rng.random(N) < 0.6)
    without, _, _, _ = fit_both(
        copy.deepcopy(net), x, t, monkeypatch, optimizer, epochs=2, batch_size=4, seed=5
    )
    both = fit_both(
        net, x, t, monkeypatch, optimizer, epochs=2, batch_size=4, seed=5, sample_weight=weights
    )
    assert_same(*both)
    # Where a rule goes by signs alone, many steps are the same.
    assert (net.params.flat != without.params.flat).mean() > 0.5


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_of_one_change_nothing(loss):
    nets = []
    for weights in (None, np.ones(N)):
        net = every_layer(np.float32, LOSSES[loss][0]())
        x, t = data(net.loss)
        history = net.fit(x, t, epochs=2, batch_size=8, sample_weight=weights)
        nets.append((net.params.flat, history))
    np.testing.assert_array_equal(nets[0][0], nets[1][0])
    assert nets[0][1]["loss"] == pytest.approx(nets[1][1]["loss"], rel=1e-14)


@pytest.mark.parametrize("loss", ["SoftmaxWithLoss, smoothed", "Huber", "Quantile"])
def test_callback_changes_the_loss(loss, monkeypatch):
    def change(state):
        for name in state.net.loss.config():
            setattr(state.net.loss, name, 0.5 * getattr(state.net.loss, name))

    net = every_layer(np.float64, LOSSES[loss][0]())
    x, t = data(net.loss)
    kept, _, _, _ = fit_both(copy.deepcopy(net), x, t, monkeypatch, epochs=3, batch_size=8)
    both = fit_both(net, x, t, monkeypatch, epochs=3, batch_size=8, callbacks=[change])
    assert_same(*both)
    assert (net.params.flat != kept.params.flat).any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_normalizations_and_what_keeps_its_input(dtype, loss, optimizer, monkeypatch):
    net = normalized_net(dtype, LOSSES[loss][0]())
    before = {name: array.copy() for name, array in net._arrays().items()}
    x, t = data(net.loss)
    both = fit_both(net, x, t, monkeypatch, optimizer, epochs=2, batch_size=10, seed=5)
    assert_same(*both)
    for name, array in net._arrays().items():
        assert (array != before[name]).any(), name
    np.testing.assert_array_equal(net.predict(x), both[1].predict(x))


@pytest.mark.parametrize("first", [an.BatchNorm, an.LayerNorm])
@pytest.mark.parametrize("rows", [2, 5, 7, 53, 99])
def test_batch_sizes_of_a_network_that_begins_with_a_normalization(first, rows, monkeypatch):
    net = an.Sequential(
        first(I, dtype="float64"),
        an.Affine.init(I, O, rng=0, dtype="float64"),
        loss=an.SoftmaxWithLoss(),
    )
    x, t = data(net.loss)
    assert_same(*fit_both(net, x[:52], t[:52], monkeypatch, epochs=2, batch_size=rows))


def test_a_network_of_normalizations_alone(monkeypatch):
    net = an.Sequential(an.LayerNorm(O), an.BatchNorm(O), loss=an.MeanSquaredError())
    x = np.random.default_rng(1).standard_normal((N, O))
    assert_same(*fit_both(net, x, x**2, monkeypatch, epochs=2, batch_size=10))


def test_a_callback_changes_a_batch_norm(monkeypatch):
    def change(state):
        layer = state.net.layers[4]
        layer.momentum = 0.5
        layer.running_mean = np.full(16, 2.0)
        layer.running_var[:] *= 3
        layer.gamma *= 0.5

    net = normalized_net(np.float64, an.SoftmaxWithLoss())
    plain = copy.deepcopy(net)
    x, t = data(net.loss)
    assert_same(*fit_both(net, x, t, monkeypatch, epochs=3, batch_size=8, callbacks=[change]))
    plain.fit(x, t, optimizer=an.SGD(lr=0.01), epochs=3, batch_size=8)
    assert (plain.layers[4].running_mean != net.layers[4].running_mean).any()


@pytest.mark.parametrize("rows", [1, 2, 10, 52, 53, 99])
def test_batch_sizes_and_last_odd_batch(rows, monkeypatch):
    net = every_layer(np.float64, an.SoftmaxWithLoss())
    x, t = data(net.loss)
    assert_same(*fit_both(net, x, t, monkeypatch, epochs=2, batch_size=rows))


def sources():
    rng = np.random.default_rng(3)
    base = rng.integers(0, 256, (N, I))
    wide = rng.integers(0, 256, (2 * N, 3 * I)).astype(np.float64)
    return {
        "uint8": base.astype(np.uint8),
        "float32": base.astype(np.float32),
        "float64": base.astype(np.float64),
        "every second row, every third column": wide[::2, ::3],
        "rows backwards": base.astype(np.float32)[::-1],
        "Fortran order": np.asfortranarray(base.astype(np.float32)),
        "images": base.astype(np.uint8).reshape(N, 3, 4),
        "one row for all": np.broadcast_to(base[:1].astype(np.float32), (N, I)),
    }


@pytest.mark.parametrize("source", sources())
@pytest.mark.parametrize("dtype", DTYPES)
def test_inputs_are_gathered_where_they_lie(source, dtype, monkeypatch):
    x = sources()[source]
    kept = x.copy()
    net = every_layer(dtype, an.SoftmaxWithLoss(), input_scale=1 / 255)
    _, t = data(net.loss)
    assert_same(*fit_both(net, x, t, monkeypatch, epochs=2, batch_size=8))
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i4", ">i4", "i8", "u8", "?"])
def test_labels_of_every_integer_dtype(kind, monkeypatch):
    net = small_net(loss=an.SoftmaxWithLoss())
    x, t = data(net.loss)
    t = (t % 2).astype(kind)
    assert_same(*fit_both(net, x, t, monkeypatch, epochs=2, batch_size=8))


@pytest.mark.parametrize("kind", ["u1", "f4", "f8", ">f8", "i8"])
def test_one_hot_and_soft_rows(kind, monkeypatch):
    net = small_net(loss=an.SoftmaxWithLoss())
    x, t = data(net.loss)
    rows = np.eye(O)[t]
    if kind.endswith(("f4", "f8")):
        rows = 0.9 * rows + 0.02
    assert_same(*fit_both(net, x, rows.astype(kind), monkeypatch, epochs=2, batch_size=8))


def test_one_output_takes_a_column_or_a_vector(monkeypatch):
    x, _ = data(an.MeanSquaredError())
    t = x.sum(axis=1)
    results = []
    for target in (t, t[:, None]):
        net = an.Sequential(an.Affine.init(I, 1, rng=0), loss=an.MeanSquaredError())
        assert_same(*fit_both(net, x, target, monkeypatch, epochs=2, batch_size=8))
        results.append(net.params.flat.copy())
    np.testing.assert_array_equal(*results)


def test_memory_map_is_read_in_place(tmp_path, monkeypatch):
    net = small_net(loss=an.SoftmaxWithLoss())
    x, t = data(net.loss)
    np.save(tmp_path / "x.npy", x.astype(np.float32))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert_same(*fit_both(net, mapped, t, monkeypatch, epochs=2, batch_size=8))


def test_optimizer_goes_on_from_its_state():
    x, t = data(an.SoftmaxWithLoss())
    whole, parts = (small_net(loss=an.SoftmaxWithLoss()) for _ in range(2))
    whole.fit(x, t, epochs=1, batch_size=N, optimizer=(one := an.Adam()))
    whole.fit(x, t, epochs=1, batch_size=N, optimizer=one)
    other = an.Adam()
    for _ in range(2):  # the same two steps by hand: the state belongs to the flat buffer
        order = np.random.default_rng([0, 0]).permutation(N)
        parts.forward(x[order], t[order])
        parts.backward()
        other.update(parts.params, parts.grads)
    np.testing.assert_array_equal(whole.params.flat, parts.params.flat)
    assert one.state_of(whole.params.flat).step == 2


def test_callback_changes_learning_rate_and_layer(monkeypatch):
    def change(state):
        state.optimizer.lr /= 2
        state.net.layers[4].p = 0.1 * state.epoch
        state.net.input_scale = 1.0 + state.epoch

    net = every_layer(np.float64, an.SoftmaxWithLoss())
    x, t = data(net.loss)
    assert_same(*fit_both(net, x, t, monkeypatch, epochs=3, batch_size=8, callbacks=[change]))


class OwnLayer:
    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        return 2 * dout


class OwnAffine(an.Affine):
    pass


class OwnAdam(an.Adam):
    pass


def test_what_is_not_affinets_own_goes_layer_by_layer():
    loss = an.SoftmaxWithLoss()
    x, _ = data(loss)
    net = small_net(loss=loss)
    assert can_fuse(net, an.SGD(), x)
    assert not can_fuse(net, OwnAdam(), x)
    assert not can_fuse(net, an.SGD(), x.astype(np.int64))
    assert not can_fuse(net, an.SGD(), x.astype(np.dtype(float).newbyteorder()))
    assert not can_fuse(
        an.Sequential(OwnLayer(), an.Affine.init(I, O, rng=0), loss=loss), an.SGD(), x
    )
    own = OwnAffine(np.zeros((I, O)), np.zeros(O))
    assert not can_fuse(an.Sequential(own, loss=loss), an.SGD(), x)
    assert not can_fuse(an.Sequential(an.ReLU(), loss=loss), an.SGD(), x)


def test_interrupt_keeps_count_of_updates_and_a_usable_net(monkeypatch):
    net = small_net(loss=an.SoftmaxWithLoss())
    x, t = data(net.loss)
    optimizer = an.Adam()
    run, calls = FusedStep.run, []

    def interrupted(self, order, first, lrs=None):
        result = run(self, order, first, lrs)
        calls.append(len(order))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(FusedStep, "run", interrupted)
    # With a callback, every epoch is a call of its own.
    options = {"batch_size": N, "optimizer": optimizer, "callbacks": [lambda state: None]}
    with pytest.raises(KeyboardInterrupt):
        net.fit(x, t, epochs=1000, **options)
    assert net.history.steps == optimizer.state_of(net.params.flat).step == 3
    monkeypatch.undo()
    assert net.fit(x, t, epochs=1, optimizer=optimizer).step_kind == "fused"


def test_other_threads_run_while_a_fit_does():
    """The compiled epoch holds no GIL: a thread counts while another trains in one call."""
    rng = np.random.default_rng(0)
    net = an.Sequential(
        an.Affine.init(64, 256, rng=0),
        an.ReLU(),
        an.Affine.init(256, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )
    x, t = rng.standard_normal((2000, 64)), rng.integers(0, 10, 2000)
    step = FusedStep(Training(net, an.SGD(), x, t, batch_size=100))
    order = np.tile(np.arange(2000), 10)
    training = threading.Thread(target=step.run, args=(order, 0))
    counted = 0
    training.start()
    while training.is_alive():
        counted += 1
    training.join()
    assert counted > 100
