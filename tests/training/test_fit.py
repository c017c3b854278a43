"""fit: which rows each step takes, what it records, and what it leaves alone."""

import copy
import json
import tracemalloc
import warnings

import numpy as np
import pytest

import affinet as an
from affinet.training import fit
from affinet.training.batches import epoch_order, steps_per_epoch
from array_forms import COMPUTED_IN, FORMS, draw, in_form


def trained(net, data, **options):
    """The parameters after a training, and its record."""
    history = net.fit(*data, **{"epochs": 3, "batch_size": 5} | options)
    return net.params.flat.copy(), history


# Seeds -------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_network_to_the_bit(make_net, data):
    first, record = trained(make_net(), data, seed=3)
    second, again = trained(make_net(), data, seed=3)
    np.testing.assert_array_equal(first, second)
    assert record["loss"] == again["loss"]


def test_another_seed_gives_another(make_net, data):
    assert (trained(make_net(), data, seed=3)[0] != trained(make_net(), data, seed=4)[0]).any()


def test_the_default_seed_is_zero(make_net, data):
    np.testing.assert_array_equal(
        trained(make_net(), data)[0], trained(make_net(), data, seed=0)[0]
    )


def test_a_second_fit_with_the_same_seed_repeats_the_shuffle(recording):
    net, recorder, data = recording
    net.fit(*data, epochs=2, batch_size=5, seed=1)
    first = [b.ravel().tolist() for b in recorder.batches]
    recorder.batches.clear()
    net.fit(*data, epochs=2, batch_size=5, seed=1)
    assert [b.ravel().tolist() for b in recorder.batches] == first


def test_numpys_global_random_state_plays_no_part_and_is_not_touched(make_net, data):
    np.random.seed(0)  # noqa: NPY002 - the global state is what this is about
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, _ = trained(make_net(dropout=0.5), data)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    np.testing.assert_array_equal(trained(make_net(dropout=0.5), data)[0], first)


@pytest.mark.parametrize("seed", [0, 2**31, 2**64, 10**30, np.int64(5)])
def test_large_seeds(net, data, seed):
    net.fit(*data, epochs=1, seed=seed)


# Batches -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 4, 5, 22, 23, 24, 1000])
def test_every_epoch_sees_every_row_once(recording, batch_size):
    net, recorder, data = recording
    history = net.fit(*data, epochs=2, batch_size=batch_size)
    a_pass = -(-23 // batch_size)
    assert history.steps == len(recorder.batches) == 2 * a_pass
    epochs = recorder.batches[:a_pass], recorder.batches[a_pass:]
    for batches in epochs:
        assert sorted(np.concatenate(batches).ravel()) == list(range(23))
        assert all(len(b) == batch_size for b in batches[:-1])
        assert len(batches[-1]) == 23 - batch_size * (a_pass - 1)
    orders = [np.concatenate(batches).ravel().tolist() for batches in epochs]
    assert orders[0] != orders[1]
    assert orders[0] != sorted(orders[0])


def test_rows_and_targets_stay_together():
    """The target is a function of the row; a network of one weight that knows it stays put."""
    x = np.arange(40.0)[:, np.newaxis]
    layer = an.Affine(np.array([[3.0]]), np.array([1.0]))
    net = an.Sequential(layer, loss=an.SumSquaredError())
    history = net.fit(x, 3 * x + 1, epochs=3, batch_size=7, optimizer=an.SGD(0.1))
    assert history["loss"] == [0, 0, 0]


def test_the_order_is_a_function_of_seed_and_epoch():
    order = epoch_order(10, seed=1, epoch=2)
    assert sorted(order) == list(range(10))
    np.testing.assert_array_equal(order, epoch_order(10, 1, 2))
    assert (order != epoch_order(10, 1, 3)).any()
    assert (order != epoch_order(10, 2, 2)).any()


def test_rows_in_the_order_of_the_data(recording):
    """In every epoch, whatever the seed."""
    net, recorder, data = recording
    net.fit(*data, epochs=2, batch_size=4, seed=3, shuffle=False)
    assert np.concatenate(recorder.batches).ravel().tolist() == [*range(23)] * 2


def test_steps_per_epoch_round_up():
    assert [steps_per_epoch(n, 4) for n in (1, 4, 5, 8, 9)] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    ("rows", "batch_size", "length"),
    [(23, 11, {"epochs": 1}), (23, 22, {"steps": 2}), (23, 1, {"steps": 1}), (1, 32, {"steps": 1})],
)
def test_a_batch_norm_refuses_a_batch_of_one_row_by_name(rows, batch_size, length):
    net = normalized()
    before = {name: array.copy() for name, array in net._arrays().items()}
    x, t = np.random.default_rng(0).standard_normal((rows, 4)), np.arange(rows) % 3
    with pytest.raises(ValueError, match=rf"batch_size is {batch_size}: .*layer 1, BatchNorm"):
        net.fit(x, t, batch_size=batch_size, **length)
    for name, array in net._arrays().items():
        np.testing.assert_array_equal(array, before[name])
    assert net.history is None


@pytest.mark.parametrize(
    ("rows", "batch_size", "length"),
    [
        (23, 22, {"steps": 1}),
        (23, 21, {"epochs": 1}),
        (2, 32, {"epochs": 1}),
        (4, 2, {"epochs": 1}),
    ],
)
def test_a_batch_norm_takes_what_never_comes_to_one_row(rows, batch_size, length):
    x, t = np.random.default_rng(0).standard_normal((rows, 4)), np.arange(rows) % 3
    net = normalized()
    net.fit(x, t, batch_size=batch_size, **length)
    assert net.layers[1].running_mean.any()
    assert all(np.isfinite(array).all() for array in net._arrays().values())


def normalized():
    return an.Sequential(
        an.Affine.init(4, 6, rng=0), an.BatchNorm(6), an.Affine.init(6, 3, rng=1),
        loss=an.SoftmaxWithLoss(),
    )  # fmt: skip


# Length ------------------------------------------------------------------------------------------


def test_ten_epochs_are_the_default(net, data):
    assert len(net.fit(*data).epochs) == 10


@pytest.mark.parametrize(
    ("steps", "lengths"), [(1, [1]), (4, [4]), (5, [5]), (7, [5, 2]), (10, [5, 5])]
)
def test_steps_end_in_the_middle_of_an_epoch(recording, steps, lengths):
    net, recorder, data = recording
    calls = []
    history = net.fit(
        *data, steps=steps, batch_size=5, callbacks=[lambda s: calls.append((s.epoch, s.step))]
    )
    assert history.steps == len(recorder.batches) == steps
    assert [e["epoch"] for e in history.epochs] == list(range(1, len(lengths) + 1))
    assert calls == list(zip(range(1, len(lengths) + 1), np.cumsum(lengths), strict=True))


def test_steps_are_the_first_steps_of_epochs(recording):
    net, recorder, data = recording
    net.fit(*data, epochs=2, batch_size=5)
    whole = [b.tolist() for b in recorder.batches]
    recorder.batches.clear()
    net.fit(*data, steps=7, batch_size=5)
    assert [b.tolist() for b in recorder.batches] == whole[:7]


def test_ten_steps_and_two_epochs_of_five_are_the_same(make_net, data):
    by_steps, _ = trained(make_net(), data, epochs=None, steps=10)
    by_epochs, _ = trained(make_net(), data, epochs=2)
    np.testing.assert_array_equal(by_steps, by_epochs)


# The record --------------------------------------------------------------------------------------


def test_history_of_classes(net, data):
    history = net.fit(*data, epochs=3, batch_size=5, validation_data=data)
    assert history is net.history
    assert history.names == ("epoch", "loss", "accuracy", "seconds", "val_loss", "val_accuracy")
    assert history["epoch"] == [1, 2, 3]
    assert history.steps == 15
    assert history.step_kind == "fused"
    assert history["val_loss"][-1] == net.evaluate(*data)["loss"]
    assert history["val_accuracy"][-1] == net.evaluate(*data)["accuracy"]
    assert history.seconds == sum(history["seconds"]) > 0
    for epoch in history.epochs:
        for name, value in epoch.items():
            assert type(value) in (int, float), name


def test_history_of_values(make_net, data):
    net = make_net(loss=an.MeanSquaredError())
    history = net.fit(data[0], np.zeros((23, 3)), epochs=2)
    assert history.names == ("epoch", "loss", "seconds")


def test_the_loss_is_the_mean_over_rows_as_they_were_trained_on(make_net, data):
    """Of the batches at the time of their step, the last one weighted by its rows."""
    x, t = data
    history = make_net().fit(x, t, epochs=1, batch_size=5, optimizer=an.SGD(0.1), seed=2)
    twin, optimizer, total, hits = make_net(), an.SGD(0.1), 0.0, 0
    order = epoch_order(23, seed=2, epoch=0)
    for rows in np.split(order, range(5, 23, 5)):
        total += twin.forward(x[rows], t[rows]) * len(rows)
        hits += (twin.loss.y.argmax(axis=1) == t[rows]).sum()
        twin.backward()
        optimizer.update(twin.params, twin.grads)
    assert history["loss"][0] == pytest.approx(total / 23, rel=1e-12)
    assert history["accuracy"][0] == pytest.approx(hits / 23, rel=1e-12)


def test_history_of_a_figure_that_is_not_there(net, data):
    history = net.fit(*data, epochs=1)
    with pytest.raises(KeyError, match=r"val_loss.*loss, accuracy"):
        history["val_loss"]
    with pytest.raises(KeyError, match="no epoch yet"):
        an.History()["loss"]


def test_history_as_plain_values(net, data):
    history = net.fit(*data, epochs=2, validation_data=data, schedule=an.schedules.Cosine(0.1))
    history.epochs[0]["own"] = np.float32(0.5)
    content = json.loads(json.dumps(history.to_dict()))
    assert content["epochs"][0]["own"] == 0.5
    assert (content["steps"], content["step_kind"], content["stopped_by"]) == (2, "fused", "epochs")
    again = an.History.from_dict(content)
    assert again == history
    assert again["lr"] == history["lr"]


def test_the_sum_of_losses_does_not_depend_on_how_the_epoch_was_cut(make_net, monkeypatch):
    rng = np.random.default_rng(0)
    data = rng.standard_normal((997, 4)), rng.integers(0, 3, 997)
    records = []
    for pause in (0, 1e-4, 1e9):
        monkeypatch.setattr("affinet.training.run.PAUSE", pause)
        records.append(make_net().fit(*data, epochs=2, batch_size=3)["loss"])
    assert records[0] == records[1] == records[2]


def test_validation_data_change_nothing(make_net, data):
    with_them, _ = trained(make_net(dropout=0.5), data, validation_data=(data[0][:7], data[1][:7]))
    np.testing.assert_array_equal(with_them, trained(make_net(dropout=0.5), data)[0])


def test_validation_data_in_lists(net, data):
    lists = (data[0].tolist(), data[1].tolist())
    history = net.fit(*data, epochs=1, validation_data=lists)
    assert history["val_loss"] == [net.evaluate(*data)["loss"]]


# Data --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_data_in_every_form_train_the_same_and_stay(make_net, data, form):
    expected, _ = trained(make_net(), data)
    x, t = in_form(form, data[0]), in_form(form, data[1])
    # fit chooses the kind of step by the form; both agree to rounding.
    np.testing.assert_allclose(trained(make_net(), (x, t))[0], expected, rtol=1e-11, atol=1e-12)
    np.testing.assert_array_equal(x, data[0])
    np.testing.assert_array_equal(t, data[1])


def test_lists_and_one_hot_rows(make_net, data):
    x, t = data
    expected, _ = trained(make_net(), data)
    np.testing.assert_array_equal(trained(make_net(), (x.tolist(), t.tolist()))[0], expected)
    for dtype in ("uint8", "float32", "float64"):
        actual, record = trained(make_net(), (x, np.eye(3, dtype=dtype)[t]))
        np.testing.assert_allclose(actual, expected, rtol=1e-12)
        assert "accuracy" in record.names


@pytest.mark.parametrize("dtype", COMPUTED_IN)
def test_data_of_every_dtype(make_net, dtype):
    x, t = draw(dtype, (12, 4)), np.arange(12) % 3
    for own in ("float32", "float64"):
        expected, _ = trained(make_net(own), (x.astype(own), t))
        tolerance = 1e4 * np.finfo(own).eps
        np.testing.assert_allclose(
            trained(make_net(own), (x, t))[0], expected, rtol=tolerance, atol=tolerance
        )


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint64", ">i4"])
def test_labels_of_every_integer_dtype(make_net, data, dtype):
    x, t = data
    np.testing.assert_array_equal(
        trained(make_net(), (x, t.astype(dtype)))[0], trained(make_net(), data)[0]
    )


def test_images_of_higher_rank():
    x, t = draw("float64", (10, 2, 3, 2)), np.arange(10) % 2
    layers = an.Affine.init(12, 2, rng=0, dtype="float64")
    flat = an.Sequential(copy.deepcopy(layers), loss=an.SoftmaxWithLoss())
    deep = an.Sequential(layers, loss=an.SoftmaxWithLoss())
    np.testing.assert_array_equal(
        trained(deep, (x, t))[0], trained(flat, (x.reshape(10, 12), t))[0]
    )


def test_memory_maps_are_read_batch_by_batch(make_net, data, tmp_path):
    x, t = data
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "t.npy", t)
    mapped = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "xt"]
    np.testing.assert_array_equal(trained(make_net(), mapped)[0], trained(make_net(), data)[0])


@pytest.mark.parametrize("kind", ["array", "memory map", "uint8"])
def test_the_data_are_never_copied_as_a_whole(tmp_path, kind):
    dtype = np.uint8 if kind == "uint8" else np.float32
    x = np.memmap(tmp_path / "x", dtype, "w+", shape=(2**13, 2**10))
    if kind == "array":
        x = np.array(x)
    t = np.zeros((2**13, 1), np.float32)
    net = an.Sequential(an.Affine.init(2**10, 1, rng=0), loss=an.MeanSquaredError())
    tracemalloc.start()
    try:
        net.fit(x, t, steps=3, batch_size=8)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < x.nbytes / 8


# What is left alone ------------------------------------------------------------------------------


def test_the_gradients_of_the_last_step_stay_for_the_user(net, data):
    net.fit(*data, epochs=1)
    assert net.grads.flat.any()


def test_the_optimizer_defaults_to_adam(make_net, data):
    np.testing.assert_array_equal(
        trained(make_net(), data)[0], trained(make_net(), data, optimizer=an.Adam())[0]
    )


def test_the_state_of_an_optimizer_goes_on(make_net, data):
    optimizer, net = an.Momentum(0.05), make_net()
    trained(net, data, optimizer=optimizer, epochs=1)
    going_on, _ = trained(net, data, optimizer=optimizer, epochs=1)
    optimizer, net = an.Momentum(0.05), make_net()
    trained(net, data, optimizer=optimizer, epochs=1)
    anew, _ = trained(net, data, optimizer=an.Momentum(0.05), epochs=1)
    assert (going_on != anew).any()


def test_an_optimizer_of_ones_own(net, data):
    class Sign:
        def update(self, params, grads):
            for name in params:
                params[name] -= 0.01 * np.sign(grads[name])

    before = net.params.flat.copy()
    net.fit(*data, steps=1, optimizer=Sign())
    np.testing.assert_allclose(abs(net.params.flat - before).max(), 0.01)


def test_the_function_is_the_method(make_net, data):
    one, two = make_net(), make_net()
    history = fit(one, *data, epochs=2, seed=1)
    assert history["loss"] == two.fit(*data, epochs=2, seed=1)["loss"]
    np.testing.assert_array_equal(one.params.flat, two.params.flat)


# Divergence --------------------------------------------------------------------------------------


def test_a_training_that_diverges_warns_at_the_callers_line(make_net, data):
    net = make_net("float32", loss=an.SumSquaredError())
    with pytest.warns(RuntimeWarning, match="loss of epoch 1 .*diverges") as caught:
        net.fit(data[0], np.ones((23, 3)), epochs=1, batch_size=1, optimizer=an.SGD(1e6))
    assert caught[0].filename == __file__
    assert not np.isfinite(net.history["loss"][0])


def test_every_epoch_that_diverged_is_reported_where_the_training_continues(net, data):
    x = data[0].copy()
    x[0, 0] = np.nan
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = net.fit(x, data[1], epochs=3, stop_if_not_finite=False)
    assert [str(w.message).split()[4] for w in caught] == ["1", "2", "3"]
    assert len(history.epochs) == 3
