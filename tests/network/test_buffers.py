"""The network's flat buffers, and what layers and users see of them."""

import gc
import pickle

import numpy as np
import pytest

import affinet as an
from array_forms import FORMS, draw, in_form

KEYS = ["0.W", "0.b", "2.W", "2.b", "4.W", "4.b"]


def check_bound(net):
    """Layers, params and grads are views of the two flat buffers, each number once."""
    for buffer, prefix in ((net.params, ""), (net.grads, "d")):
        assert list(buffer) == KEYS
        numbered = np.arange(buffer.flat.size, dtype=net.dtype)
        kept = buffer.flat.copy()
        buffer.flat[:] = numbered
        seen = []
        for key in KEYS:
            place, name = key.split(".")
            assert getattr(net.layers[int(place)], prefix + name) is buffer[key]
            seen.append(buffer[key].ravel())
        np.testing.assert_array_equal(np.concatenate(seen), numbered)
        buffer.flat[:] = kept


def test_layers_are_views_of_the_flat_buffers(net):
    check_bound(net)
    assert net.params.flat.size == 3 * 5 + 5 + 5 * 4 + 4 + 4 * 2 + 2
    assert not net.grads.flat.any()


def test_building_copies_the_arrays():
    W, b = draw("float64", (3, 2)), np.ones(2)
    layer = an.Affine(W, b)
    net = an.Sequential(layer)
    np.testing.assert_array_equal(net.params["0.W"], W)
    np.testing.assert_array_equal(net.params["0.b"], b)
    assert layer.W is not W
    W[...] = 0
    assert net.params["0.W"].any()
    net.params["0.b"][...] = 7
    assert (b == 1).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_arrays_in_every_form_become_contiguous_native_views(form, dtype):
    W, b = draw(dtype, (3, 2)), draw(dtype, 2)
    net = an.Sequential(an.Affine(in_form(form, W), in_form(form, b)))
    assert net.dtype == np.result_type(np.float32, dtype)
    assert net.params.flat.dtype == net.dtype
    assert net.params.flat.dtype.isnative
    np.testing.assert_array_equal(net.params["0.W"], W)
    np.testing.assert_array_equal(net.params["0.b"], b)


def test_a_change_of_the_buffer_is_seen_by_the_layers(net, data):
    before = net.predict(data[0])
    net.params.flat *= 2
    assert (net.predict(data[0]) != before).any()
    net.params.flat /= 2
    np.testing.assert_array_equal(net.predict(data[0]), before)


@pytest.mark.parametrize("form", FORMS)
def test_assigning_to_a_layer_copies_into_the_view(net, form):
    view, W = net.params["0.W"], draw("float32", (3, 5), 8)
    net.layers[0].W = in_form(form, W)
    assert net.layers[0].W is view is net.params["0.W"]
    np.testing.assert_array_equal(net.params.flat[:15].reshape(3, 5), W)
    check_bound(net)


def test_assigned_arrays_stay_the_users_own(net):
    W = np.zeros((3, 5))
    net.layers[0].W = W
    W += 1
    assert not net.params["0.W"].any()


@pytest.mark.parametrize("shape", [(5, 3), (3, 4), (15,), (1, 5)])
def test_assigning_another_shape_to_a_layer_is_refused(net, shape):
    before = net.params.flat.copy()
    with pytest.raises(ValueError, match="W has shape"):
        net.layers[0].W = np.zeros(shape)
    np.testing.assert_array_equal(net.params.flat, before)


def test_augmented_assignment_on_a_layer_and_on_params(net):
    expected = net.params.flat.copy()
    expected[:15] -= 1
    expected[15:20] -= 2
    net.layers[0].W -= 1
    net.params["0.b"] -= 2
    np.testing.assert_array_equal(net.params.flat, expected)
    check_bound(net)


def test_assigning_to_params_copies_into_the_view(net):
    net.params["2.b"] = [1, 2, 3, 4]
    assert net.layers[2].b.tolist() == [1, 2, 3, 4]
    net.params.update({"2.b": np.zeros(4)})
    assert not net.layers[2].b.any()
    check_bound(net)


def test_keys_are_fixed(net):
    for change in (
        lambda: net.params.pop("0.W"),
        lambda: net.params.__delitem__("0.W"),
        net.grads.clear,
    ):
        with pytest.raises(TypeError, match="fixed"):
            change()
    with pytest.raises(KeyError, match=r"1\.W"):
        net.params["1.W"] = np.zeros(1)
    check_bound(net)


def test_a_plain_update_of_every_parameter_trains(net, data):
    """The user's own rule over the dicts, without an optimizer."""
    before = net.forward(*data)
    for _ in range(20):
        net.forward(*data)
        net.backward()
        for key in net.params:
            net.params[key] -= 0.1 * net.grads[key]
    assert net.forward(*data) < before
    check_bound(net)


def test_the_optimizer_sees_one_flat_array(net, data):
    twin = pickle.loads(pickle.dumps(net))
    flat, by_key = an.Adam(0.1), an.Adam(0.1)
    for _ in range(5):
        for each in (net, twin):
            each.forward(*data)
            each.backward()
        flat.update(net.params, net.grads)
        by_key.update(dict(twin.params), dict(twin.grads))
    np.testing.assert_array_equal(net.params.flat, twin.params.flat)


def test_no_parameters_at_all():
    net = an.Sequential(an.ReLU(), loss=an.MeanSquaredError())
    assert net.params.flat.size == net.grads.flat.size == 0
    assert net.dtype == np.float32
    net.forward([[1.0, -1.0]], [[0.0, 0.0]])
    net.backward()
    an.Adam().update(net.params, net.grads)


def test_a_thousand_layers_and_more():
    layers = [an.LeakyReLU(1.0) for _ in range(1200)]
    net = an.Sequential(*layers, an.Affine.init(3, 2, rng=0), loss=an.SoftmaxWithLoss())
    x = draw("float32", (4, 3))
    np.testing.assert_array_equal(net.predict(x), net.layers[-1].predict(x))
    assert net.fit(x, [0, 1, 0, 1], epochs=1).steps == 1


# Which layers may become a network ---------------------------------------------------------------


def test_mixed_dtypes_are_refused_by_name():
    first, second = (
        an.Affine.init(3, 4, rng=0, dtype="float32"),
        an.Affine.init(4, 2, rng=0, dtype="float64"),
    )
    with pytest.raises(ValueError, match=r"0\.W float32.*1\.W float64"):
        an.Sequential(first, second)
    assert not first.in_network
    assert first.W.base is None  # nothing was bound


def test_mixed_dtypes_in_one_layer_are_refused():
    with pytest.raises(ValueError, match="dtype"):
        an.Sequential(an.Affine(np.ones((3, 2), np.float32), np.ones(2)))


def test_byte_order_is_no_difference_of_dtype():
    net = an.Sequential(an.Affine(np.ones((3, 2), ">f8"), np.ones(2, "<f8")))
    assert net.dtype == np.float64


def test_one_layer_twice_is_refused():
    layer, relu = an.Affine.init(3, 3, rng=0), an.ReLU()
    with pytest.raises(ValueError, match=r"layer 1 .*twice"):
        an.Sequential(layer, layer)
    with pytest.raises(ValueError, match=r"layer 2 .*twice"):
        an.Sequential(relu, layer, relu)
    assert not layer.in_network


def test_a_layer_of_another_living_network_is_refused(net):
    with pytest.raises(ValueError, match=r"layer 1 .*another network"):
        an.Sequential(an.ReLU(), net.layers[0])
    check_bound(net)


def test_a_layer_of_a_dead_network_is_free_again():
    layer = an.Affine.init(3, 2, rng=0)
    W = layer.W.copy()
    first = an.Sequential(layer)
    assert layer.in_network
    del first
    gc.collect()
    assert not layer.in_network
    np.testing.assert_array_equal(layer.W, W)
    other = np.ones((3, 2))
    layer.W = other
    assert layer.W is other
    layer.b = np.zeros(2)
    second = an.Sequential(layer)
    assert layer.in_network
    assert layer.W is second.params["0.W"]


def test_a_free_layer_no_longer_writes_into_the_dead_networks_gradients():
    layer = an.Affine.init(3, 2, rng=0)
    net = an.Sequential(layer)
    grads = net.grads
    del net
    gc.collect()
    layer.forward(np.ones((1, 3), np.float32))
    layer.backward(np.ones((1, 2), np.float32))
    assert layer.dW.all()
    assert not grads.flat.any()


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ((), ValueError, "at least one layer"),
        (([an.ReLU()],), TypeError, "one by one"),
        ((None,), TypeError, "layer 0"),
        ((an.ReLU(), "relu"), TypeError, "layer 1"),
        ((np.ones((3, 2)),), TypeError, "layer 0"),
        ((an.ReLU,), TypeError, "layer 0"),
        ((an.Affine.init(3, 2, rng=0), an.Sigmoid), TypeError, "layer 1"),
        (
            (an.Affine.init(3, 4, rng=0), an.Affine.init(3, 2, rng=0)),
            ValueError,
            "layer 1 takes 3.*gives 4",
        ),
        (
            (an.Affine.init(3, 4, rng=0), an.ReLU(), an.Dropout(), an.Affine.init(5, 2, rng=0)),
            ValueError,
            "layer 3 takes 5.*gives 4",
        ),
    ],
)
def test_what_makes_no_network(layers, error, message):
    with pytest.raises(error, match=message):
        an.Sequential(*layers)


@pytest.mark.parametrize("loss", [an.SoftmaxWithLoss, "softmax", 3, an.ReLU, object()])
def test_what_makes_no_loss(loss):
    with pytest.raises(TypeError, match="loss is"):
        an.Sequential(an.ReLU(), loss=loss)


@pytest.mark.parametrize(
    ("scale", "error"),
    [("large", TypeError), ([1.0], TypeError), (np.nan, ValueError), (np.inf, ValueError)],
)
def test_what_makes_no_input_scale(scale, error):
    with pytest.raises(error, match="input_scale"):
        an.Sequential(an.ReLU(), input_scale=scale)
