"""Copies of a network, and its repr."""

import copy
import gc
import pickle

import numpy as np
import pytest

import affinet as an

DEEP = {"pickle": lambda net: pickle.loads(pickle.dumps(net)), "deepcopy": copy.deepcopy}
every_deep_copy = pytest.mark.parametrize("copied", DEEP.values(), ids=DEEP)


def step(net, data, optimizer):
    net.forward(*data)
    net.backward()
    optimizer.update(net.params, net.grads)


@every_deep_copy
def test_a_deep_copy_predicts_the_same_and_lives_by_itself(net, data, copied):
    net.metadata["name"] = "first"
    twin = copied(net)
    assert repr(twin) == repr(net)
    assert twin.dtype == net.dtype
    assert twin.metadata == {"name": "first"}
    np.testing.assert_array_equal(twin.predict(data[0]), net.predict(data[0]))
    before = net.params.flat.copy()
    twin.params.flat[:] = 0
    twin.metadata["name"] = "second"
    np.testing.assert_array_equal(net.params.flat, before)
    assert net.metadata["name"] == "first"


@every_deep_copy
def test_layers_of_a_deep_copy_are_views_of_its_own_buffers(net, data, copied):
    twin = copied(net)
    for key in net.params:
        place, name = key.split(".")
        layer = twin.layers[int(place)]
        assert getattr(layer, name) is twin.params[key]
        assert getattr(layer, f"d{name}") is twin.grads[key]
        assert np.shares_memory(twin.params[key], twin.params.flat)
        assert not np.shares_memory(twin.params[key], net.params.flat)
    twin.layers[0].W = np.full((3, 5), 0.5)
    assert (twin.params["0.W"] == 0.5).all()
    assert (net.params["0.W"] != 0.5).all()
    step(twin, data, an.SGD(0.1))
    assert twin.grads.flat.any()
    assert not net.grads.flat.any()


@every_deep_copy
def test_options_survive(make_net, data, copied):
    twin = copied(make_net(input_scale=0.5, check_finite=True))
    np.testing.assert_array_equal(twin.predict(data[0]), make_net(input_scale=0.5).predict(data[0]))
    with pytest.raises(ValueError, match="nan"):
        twin.predict([[np.nan, 0, 0]])


@every_deep_copy
def test_a_copy_between_forward_and_backward_goes_on(net, data, copied):
    net.forward(*data)
    twin = copied(net)
    net.backward()
    twin.backward()
    np.testing.assert_array_equal(twin.grads.flat, net.grads.flat)


@every_deep_copy
def test_network_and_optimizer_copied_together_train_on_alike(net, data, copied):
    optimizer = an.Adam(0.1)
    for _ in range(3):
        step(net, data, optimizer)
    twin, twin_optimizer = copied((net, optimizer))
    for _ in range(3):
        step(net, data, optimizer)
        step(twin, data, twin_optimizer)
    np.testing.assert_array_equal(twin.params.flat, net.params.flat)


@every_deep_copy
def test_a_layer_copied_out_of_a_network_stands_by_itself(net, copied):
    layer = copied(net.layers[0])
    assert not layer.in_network
    W = np.zeros((3, 5))
    layer.W = W
    assert layer.W is W
    other = an.Sequential(copied(net.layers[0]), loss=None)
    np.testing.assert_array_equal(other.params["0.W"], net.params["0.W"])


def test_a_shallow_copy_does_not_break_the_original(net):
    twin = copy.copy(net)
    del twin
    gc.collect()
    assert net.layers[0].in_network
    net.layers[0].W = np.zeros((3, 5))
    assert net.layers[0].W is net.params["0.W"]
    assert not net.params["0.W"].any()


def test_a_shallow_copy_outlives_the_original(make_net, data):
    net = make_net()
    twin, y = copy.copy(net), net.predict(data[0])
    assert twin.params is net.params
    del net
    gc.collect()
    np.testing.assert_array_equal(twin.predict(data[0]), y)
    assert twin.layers[0].in_network
    twin.layers[0].W = np.zeros((3, 5))
    assert not twin.params["0.W"].any()
    with pytest.raises(ValueError, match="another network"):
        an.Sequential(twin.layers[0])


def test_a_history_is_kept(net, data):
    net.fit(*data, epochs=2)
    twin = copy.deepcopy(net)
    assert twin.history["loss"] == net.history["loss"]


def test_every_protocol_of_pickle(net, data):
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        twin = pickle.loads(pickle.dumps(net, protocol))
        np.testing.assert_array_equal(twin.predict(data[0]), net.predict(data[0]))


# How it shows itself -----------------------------------------------------------------------------


def test_repr(net):
    assert repr(net) == (
        "Sequential(Affine(3 -> 5), ReLU(), Affine(5 -> 4), Tanh(), Affine(4 -> 2), "
        "loss=SoftmaxWithLoss())"
    )
    assert repr(an.Sequential(an.Dropout(0.25))) == "Sequential(Dropout(p=0.25))"


def test_summary(net):
    lines = net.summary().splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["0", "1", "2", "3", "4"]
    assert "20 parameters" in lines[0]
    assert "parameters" not in lines[1]
    assert "24 parameters" in lines[2]
    assert lines[-2] == "loss SoftmaxWithLoss()"
    assert lines[-1] == "54 parameters, float64"


def test_summary_of_more_than_ten_layers_and_thousands_of_parameters():
    net = an.Sequential(*(an.Affine.init(40, 40, rng=0) for _ in range(12)))
    lines = net.summary().splitlines()
    assert all(line.endswith("  1,640 parameters") for line in lines[:12])
    assert lines[12] == "19,680 parameters, float32"
