"""Errors of networks that few other tests reach, and states of earlier pickles."""

import numpy as np
import pytest

import affinet as an
from affinet.network import inner
from affinet.network.sampling import DroppingLayer


def net_of(*layers, loss=None):
    return an.Sequential(an.Affine.init(3, 3, rng=0), *layers, loss=loss)


class Counting(an.ReLU):
    """A layer whose buffer is a list."""

    buffers = ("seen",)
    seen = (0.0,)


def test_a_buffer_that_is_no_array_is_refused():
    with pytest.raises(TypeError, match=r"layer 1: seen is \(0\.0,\), wanted an array"):
        inner.arrays_of(net_of(Counting()))


def test_arrays_of_another_network_are_refused():
    with pytest.raises(ValueError, match=r"arrays of 0\.W, wanted 0\.W, 0\.b"):
        inner.set_arrays(net_of(), {"0.W": np.ones((3, 3))})


class Cube(an.layers.Layer):
    """Outputs of three dimensions."""

    def forward(self, x, train=False):
        return x.reshape(len(x), 1, -1)

    def predict(self, x):
        return self.forward(x)

    def backward(self, dout):
        return dout.reshape(len(dout), -1)


def test_gradients_of_outputs_that_are_no_rows_of_numbers():
    with pytest.raises(ValueError, match=r"the outputs have shape \(2, 1, 3\), wanted \(B, O\)"):
        net_of(Cube()).gradient(np.ones((2, 3)))


def test_gradients_where_rows_belong_to_members():
    net = an.Sequential(an.MemberAffine(4, 3, 2, rng=0))
    with pytest.raises(ValueError, match="rows belong to members of an ensemble by their place"):
        net.gradient(np.ones((4, 3)))


def test_the_layer_of_samples_drops_in_every_mode():
    layer = DroppingLayer(0.5, rng=0)
    assert (layer.forward(np.ones((1, 100)), False) == 0).any()
    assert (layer.predict(np.ones((1, 100))) == 0).any()


def test_a_pickle_from_before_losses_were_kept_remembers_its_forward():
    net = net_of(loss=an.MeanSquaredError())
    x = np.ones((2, 3), "f")
    net.forward(x, x)
    state = net.__getstate__()
    del state["_kept"]
    twin = an.Sequential.__new__(an.Sequential)
    twin.__setstate__(state | {"_forward_done": True})
    np.testing.assert_array_equal(twin.predict(x), net.predict(x))
