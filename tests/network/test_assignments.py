"""Assigning to an attribute of a network either works or raises, with the way out."""

import copy
import pickle

import numpy as np
import pytest

import affinet as an

FIXED = {
    "layers": ((an.ReLU(),), r"Sequential\(\*layers, loss=\.\.\.\)"),
    "params": ({"0.W": np.zeros((3, 5))}, r"net\.params\.update\(arrays\)"),
    "grads": ({}, r"net\.grads\.update\(arrays\)"),
    "dtype": (np.float32, "dtype='float64'"),
}


class Named(an.Sequential):
    def __init__(self, *layers, title, **options):
        super().__init__(*layers, **options)
        self.title = title


@pytest.mark.parametrize("name", FIXED)
def test_what_is_fixed_names_the_way_out(net, name):
    value, way_out = FIXED[name]
    before = getattr(net, name)
    with pytest.raises(AttributeError, match=way_out):
        setattr(net, name, value)
    assert getattr(net, name) is before


@pytest.mark.parametrize("name", ["weights", "optimizer", "learning_rate", "layer", "los"])
def test_an_unknown_attribute_is_refused(net, name):
    with pytest.raises(AttributeError, match=f"Sequential has no attribute '{name}'"):
        setattr(net, name, 1)
    assert not hasattr(net, name)


def test_a_subclass_keeps_what_it_likes(data):
    net = Named(an.Affine.init(3, 2, rng=0), title="mine", loss=an.SoftmaxWithLoss())
    net.fit(*data, epochs=1)
    twin = pickle.loads(pickle.dumps(net))
    twin.anything = 3
    assert (twin.title, twin.history.steps) == ("mine", 1)


@pytest.mark.parametrize("name", ["predict", "forward", "fit"])
def test_a_method_cannot_be_replaced_on_the_object(net, name):
    """The compiled code would go past it."""
    with pytest.raises(AttributeError, match=f"Sequential.{name} is a method"):
        setattr(net, name, print)
    with pytest.raises(AttributeError, match=r"ReLU\.forward is a method"):
        net.layers[1].forward = print


def test_params_and_grads_change_in_place(net):
    params, grads = net.params, net.grads
    net.params |= {"0.b": np.arange(5.0)}
    net.grads |= {"0.b": np.ones(5)}
    assert net.params is params
    assert net.grads is grads
    assert net.layers[0].b.tolist() == [0, 1, 2, 3, 4]
    assert net.layers[0].db.tolist() == [1, 1, 1, 1, 1]


@pytest.mark.parametrize("scale", [0, -1, np.inf, np.nan, 1e-60, 1e60])
def test_an_input_scale_that_the_dtype_does_not_hold_is_refused(make_net, scale):
    with pytest.raises(ValueError, match="input_scale is"):
        make_net("float32", input_scale=scale)
    net = make_net("float32", input_scale=0.5)
    with pytest.raises(ValueError, match="input_scale is"):
        net.input_scale = scale
    assert net.input_scale == 0.5
    assert make_net("float64", input_scale=1e-60).input_scale == 1e-60


def test_an_input_scale_can_be_set_and_taken_away(net, data):
    plain = net.predict(data[0])
    net.input_scale = 0.5
    np.testing.assert_array_equal(net.predict(2 * data[0]), plain)
    net.input_scale = None
    np.testing.assert_array_equal(net.predict(data[0]), plain)


def test_check_finite_works_at_once(net):
    x = np.full((1, 3), np.nan)
    net.check_finite = True
    with pytest.raises(ValueError, match="nan"):
        net.predict(x)
    net.check_finite = False
    assert np.isnan(net.predict(x)).all()
    with pytest.raises(TypeError, match="check_finite is 'no'"):
        net.check_finite = "no"


def test_metadata_is_a_dict(net, tmp_path):
    net.metadata = {"unit": "kWh"}
    net.save(tmp_path / "model.npz")
    assert an.load(tmp_path / "model.npz").metadata == {"unit": "kWh"}
    with pytest.raises(TypeError, match="metadata is 'kWh', wanted a dict"):
        net.metadata = "kWh"


def test_a_history_can_be_given_and_taken_away(net):
    history = an.History(epochs=[{"loss": 1.0}])
    net.history = history
    assert net.history is history
    net.history = None
    with pytest.raises(TypeError, match="wanted a History"):
        net.history = [1.0]


def test_another_loss_holds_from_the_next_call_on(net, data):
    x, t = data[0], np.ones((6, 2))
    net.forward(*data)
    net.loss = an.MeanSquaredError()
    with pytest.raises(RuntimeError, match="came before forward"):
        net.backward()
    expected = np.mean((net.predict(x) - t) ** 2)
    assert net.forward(x, t) == pytest.approx(expected, rel=1e-12)
    assert net.evaluate(x, t) == pytest.approx({"loss": expected}, rel=1e-12)
    history = net.fit(x, t, epochs=1, batch_size=6)
    assert history["loss"] == pytest.approx([expected], rel=1e-12)
    net.loss = None
    with pytest.raises(RuntimeError, match="no loss"):
        net.fit(x, t)


@pytest.mark.parametrize("loss", [an.MeanSquaredError, "mse", print])
def test_what_is_no_loss_is_refused(net, loss):
    before = net.loss
    with pytest.raises(TypeError, match="wanted an object such as SoftmaxWithLoss"):
        net.loss = loss
    assert net.loss is before


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["deep", "pickle"]
)
def test_copies_assign_alike(make_net, data, copied):
    twin = copied(make_net(input_scale=0.5, check_finite=True))
    assert (twin.input_scale, twin.check_finite, twin.history) == (0.5, True, None)
    twin.loss = an.SumSquaredError()
    assert twin.evaluate(data[0], np.zeros((6, 2)))["loss"] > 0
    with pytest.raises(AttributeError, match="layers of a network are fixed"):
        twin.layers = ()
