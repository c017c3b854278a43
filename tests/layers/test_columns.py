"""Scale, Parametric and NTKAffine: values by hand, shapes, and what they refuse."""

import copy
import pickle

import numpy as np
import pytest

import affinet as an
from parts.activations import ACTIVATIONS


def test_a_scale_by_hand():
    layer = an.Scale(3, np.float64)
    np.testing.assert_array_equal(layer.s, [1, 1, 1])
    layer.s = np.array([2.0, -1.0, 0.0])
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    np.testing.assert_array_equal(layer.forward(x), [[2, -2, 0], [8, -5, 0]])
    dx = layer.backward(np.array([[1.0, 10.0, 100.0], [1.0, 10.0, 100.0]]))
    np.testing.assert_array_equal(dx, [[2, -10, 0], [2, -10, 0]])
    np.testing.assert_array_equal(layer.ds, [5, 70, 900])


def test_a_parametric_activation_by_hand():
    layer = an.Parametric(3, "relu", np.float64)
    np.testing.assert_array_equal(layer.a, [1, 1, 1])
    layer.a = np.array([1.0, 0.5, -1.0])
    x = np.array([[-2.0, -2.0, -2.0], [3.0, 3.0, 3.0]])
    np.testing.assert_array_equal(layer.forward(x), [[0, -1, -4], [3, 3, 3]])
    dx = layer.backward(np.array([[1.0, 1.0, 1.0], [10.0, 10.0, 10.0]]))
    np.testing.assert_array_equal(dx, [[0, 0.5, 2], [10, 10, 10]])
    np.testing.assert_array_equal(layer.da, [2, 2, 2])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_parametric_activation_of_every_kind(name):
    """With a = 1 it is f, with a = 0 the identity, with 1/2 their mean."""
    f, x = ACTIVATIONS[name].make(), np.linspace(-3, 3, 21).reshape(7, 3)
    dout = np.linspace(1, 2, 21).reshape(7, 3)
    layer = an.Parametric(3, f, np.float64)
    y = f.forward(x)
    slope = f.backward(dout)
    for a in (0.0, 0.5, 1.0):
        layer.a = np.full(3, a)
        np.testing.assert_allclose(layer.forward(x), x + a * (y - x), rtol=1e-13, atol=1e-13)
        dx = layer.backward(dout)
        np.testing.assert_allclose(dx, dout + a * (slope - dout), rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(layer.da, ((y - x) * dout).sum(axis=0), rtol=1e-12)


def test_activations_by_name_object_and_description():
    assert repr(an.Parametric(2, "mish").activation) == "Mish()"
    assert an.Parametric(2, an.LeakyReLU(0.3)).activation.slope == 0.3
    config = an.Parametric(2, an.LeakyReLU(0.3)).config()
    assert an.Parametric(**config).activation.slope == 0.3
    for wrong in ("none", None, 3, an.Affine.init(2, 2), {"type": "none"}, {}, {"slope": 0.1}):
        with pytest.raises(ValueError, match=r"activation is .*wanted one of .*selu"):
            an.Parametric(2, wrong)

    class OwnReLU(an.ReLU):
        pass

    with pytest.raises(ValueError, match="wanted one of"):
        an.Parametric(2, OwnReLU())


def test_a_slope_that_changes_reaches_predictions():
    f = an.LeakyReLU(0.25)
    net = an.Sequential(an.Parametric(2, f, np.float64), loss=an.MeanSquaredError())
    x = -np.ones((1, 2))
    np.testing.assert_array_equal(net.predict(x), [[-0.25, -0.25]])
    f.slope = 0.5
    np.testing.assert_array_equal(net.predict(x), [[-0.5, -0.5]])

    def flatter(state):
        f.slope = 0.25

    # One step of rate 0, the change, and one with a loss of (1 - 0.25)^2.
    record = net.fit(x, -np.ones((1, 2)), epochs=2, optimizer=an.SGD(0.0), callbacks=[flatter])
    assert record.step_kind == "fused"
    assert record["loss"] == [0.25, 0.5625]


def test_an_ntk_affine_by_hand():
    W = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
    layer = an.NTKAffine(W, np.array([0.5, -0.5]))
    assert layer.W is W
    assert layer.factor == 0.5
    np.testing.assert_array_equal(layer.forward(np.array([[2.0, 0.0, 0.0, 4.0]])), [[15.5, 17.5]])
    dx = layer.backward(np.array([[1.0, 2.0]]))
    np.testing.assert_array_equal(dx, [[2.5, 5.5, 8.5, 11.5]])
    np.testing.assert_array_equal(layer.dW, [[1, 2], [0, 0], [0, 0], [2, 4]])
    np.testing.assert_array_equal(layer.db, [1, 2])


def test_an_ntk_affine_keeps_the_size_of_its_inputs():
    layer = an.NTKAffine.init(1000, 400, rng=0)
    assert layer.W.std() == pytest.approx(1, rel=0.01)
    x = np.random.default_rng(1).standard_normal((50, 1000)).astype("f")
    assert layer.predict(x).std() == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_dtype_of_parameters(dtype):
    made = [
        an.Scale(2, dtype).s,
        an.Parametric(2, dtype=dtype).a,
        an.NTKAffine.init(2, 3, dtype=dtype).W,
    ]
    assert {array.dtype for array in made} == {np.dtype(dtype)}


@pytest.mark.parametrize(
    "make",
    [
        lambda dtype: an.Scale(2, dtype),
        lambda dtype: an.Parametric(2, "selu", dtype),
        lambda dtype: an.NTKAffine.init(2, 3, dtype=dtype),
    ],
)
def test_other_dtypes_are_refused(make):
    for dtype in ("int64", "bool", "complex64", np.longdouble):
        with pytest.raises(TypeError, match=r"^dtype is"):
            make(dtype)


@pytest.mark.parametrize("make", [an.Scale, an.Parametric])
def test_widths(make):
    for wrong in (0, -1, 2.5, "3", None):
        with pytest.raises((TypeError, ValueError), match=r"^n is"):
            make(wrong)
    layer = make(3)
    assert (layer.n, layer.widths()) == (3, (3, 3))
    for shape in [(4,), (2, 4), (2, 2, 2), ()]:
        with pytest.raises(ValueError, match=r"^x has shape .*wanted rows of 3 numbers"):
            layer.forward(np.ones(shape))
    with pytest.raises(ValueError, match="takes 3 numbers a row"):
        an.Sequential(an.Affine.init(2, 4), layer)


@pytest.mark.parametrize("shape", [(6,), (2, 6), (2, 3, 2), (2, 1, 6)])
def test_inputs_of_any_rank(shape):
    for layer in (an.Scale(6), an.Parametric(6)):
        out = layer.forward(np.ones(shape))
        assert out.shape == shape
        assert layer.backward(out).shape == shape


def test_an_array_of_another_shape_is_refused():
    layer = an.Scale(3)
    layer.s = np.ones(2)
    with pytest.raises(ValueError, match=r"^s has shape \(2,\), wanted \(3,\)"):
        layer.forward(np.ones((1, 3)))
    with pytest.raises(ValueError, match=r"s has shape \(2,\), wanted \(3,\)"):
        an.Sequential(layer)


@pytest.mark.parametrize("way", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_of_a_network(way):
    net = an.Sequential(
        an.Scale(3), an.NTKAffine.init(3, 4, rng=0), an.Parametric(4, an.LeakyReLU(0.2)),
        loss=an.MeanSquaredError(),
    )  # fmt: skip
    x = np.random.default_rng(0).standard_normal((20, 3)).astype("f")
    twin = way(net)
    net.fit(x, x @ np.ones((3, 4), "f"), epochs=1, verbose=0)
    twin.fit(x, x @ np.ones((3, 4), "f"), epochs=1, verbose=0)
    assert net.params.flat.tobytes() == twin.params.flat.tobytes()
