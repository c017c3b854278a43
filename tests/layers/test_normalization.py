"""BatchNorm and LayerNorm: values, modes, running statistics, shapes and dtypes, refusals."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import affinet as an
from affinet import reference
from array_forms import COMPUTED_IN, FORMS, draw, in_form

repeatable = settings(deadline=None, derandomize=True, max_examples=60)
EPS = 1e-3
MAKE = {
    "BatchNorm": lambda n, dtype="float64": an.BatchNorm(n, eps=EPS, dtype=dtype),
    "LayerNorm": lambda n, dtype="float64": an.LayerNorm(n, eps=EPS, dtype=dtype),
}
every_layer = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)


def expected(layer, x):
    """Output, mean and variance in training, in float64."""
    name = "batch" if isinstance(layer, an.BatchNorm) else "layer"
    forward = getattr(reference, f"{name}_norm_forward")
    gamma, beta = layer.gamma.astype(np.float64), layer.beta.astype(np.float64)
    return forward(np.array(x, np.float64), gamma, beta, layer.eps)


def expected_gradients(layer, x, dout):
    _, mean, variance = expected(layer, x)
    arrays = [np.array(a, np.float64) for a in (x, dout, layer.gamma)]
    if isinstance(layer, an.BatchNorm):
        return reference.batch_norm_backward(*arrays, mean, variance, layer.eps, True)
    return reference.layer_norm_backward(*arrays, mean, variance, layer.eps)


def moved(layer):
    layer.gamma = layer.gamma + draw("float64", layer.n, 5).astype(layer.gamma.dtype)
    layer.beta = layer.beta + draw("float64", layer.n, 6).astype(layer.beta.dtype)
    return layer


# Values ------------------------------------------------------------------------------------------


@repeatable
@given(
    kind=st.sampled_from(sorted(MAKE)),
    rows=st.integers(2, 9),
    n=st.integers(1, 9),
    forms=st.tuples(*[st.sampled_from(sorted(FORMS))] * 2),
    dtypes=st.tuples(*[st.sampled_from(["float16", "float32", "float64"])] * 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_size_dtype_and_form(kind, rows, n, forms, dtypes, seed):
    layer = moved(MAKE[kind](n, dtypes[0]))
    x = in_form(forms[0], draw(dtypes[1], (rows, n), seed))
    dout = in_form(forms[1], draw(dtypes[2], (rows, n), seed + 1))
    before = x.copy(), dout.copy()
    out, dx = layer.forward(x), layer.backward(dout)
    # In the worst case a variance is small beside eps: then errors grow by 1 / sqrt(eps) twice.
    at_least = np.result_type(np.float32, dtypes[0], dtypes[1])
    tolerance = {"rtol": 3e-3, "atol": 3e-3} if at_least == np.float32 else {"atol": 1e-9}
    np.testing.assert_allclose(out, expected(layer, x)[0], **tolerance)
    for got, wanted in zip(
        (dx, layer.dgamma, layer.dbeta), expected_gradients(layer, x, dout), strict=True
    ):
        np.testing.assert_allclose(got, wanted, **tolerance)
    assert out.dtype == at_least
    assert dx.dtype == layer.dgamma.dtype == np.result_type(at_least, dtypes[2])
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(dout, before[1])


@every_layer
@pytest.mark.parametrize(("dtype", "wanted"), COMPUTED_IN.items())
def test_dtypes_of_x(make, dtype, wanted):
    layer, x = make(4, "float32"), draw(dtype, (5, 4))
    assert layer.forward(x).dtype == layer.predict(x).dtype == wanted
    assert layer.backward(np.ones((5, 4), np.float32)).dtype == wanted


def test_a_batch_norm_in_evaluation_uses_what_it_has_seen():
    layer = moved(MAKE["BatchNorm"](3))
    layer.running_mean, layer.running_var = np.array([1.0, 2, 3]), np.array([4.0, 5, 6])
    x, dout = draw("float64", (5, 3)), draw("float64", (5, 3), 1)
    inverse = 1 / np.sqrt(layer.running_var + EPS)
    wanted = layer.gamma * (x - layer.running_mean) * inverse + layer.beta
    for out in (layer.predict(x), layer.forward(x, False), layer.forward(x, train=False)):
        np.testing.assert_allclose(out, wanted)
    np.testing.assert_allclose(layer.forward(x[:1], False), wanted[:1])
    layer.forward(x, False)
    np.testing.assert_allclose(layer.backward(dout), layer.gamma * inverse * dout)
    np.testing.assert_allclose(layer.dbeta, dout.sum(axis=0))
    np.testing.assert_allclose(
        layer.dgamma, (dout * (x - layer.running_mean) * inverse).sum(axis=0)
    )
    np.testing.assert_array_equal(layer.running_mean, [1, 2, 3])


@pytest.mark.parametrize("momentum", [0, 0.1, 0.9, 1])
def test_running_statistics(momentum):
    layer = an.BatchNorm(3, momentum, dtype="float64")
    mean, var = np.zeros(3), np.ones(3)
    for seed in range(4):
        x = draw("float64", (5 + seed, 3), seed)
        layer.forward(x)
        mean = (1 - momentum) * mean + momentum * x.mean(axis=0)
        var = (1 - momentum) * var + momentum * x.var(axis=0, ddof=1)
    np.testing.assert_allclose(layer.running_mean, mean, atol=1e-15)
    np.testing.assert_allclose(layer.running_var, var)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("computed_in", ["float32", "float64"])
def test_running_statistics_keep_their_arrays_and_dtype(dtype, computed_in):
    layer = an.BatchNorm(3, dtype=dtype)
    assert layer.running_mean.dtype == np.result_type(np.float32, dtype)
    mean, var = np.zeros(3, dtype), np.ones(3, dtype)
    layer.running_mean, layer.running_var = mean, var
    x = draw(computed_in, (6, 3))
    layer.forward(x)
    assert layer.running_mean is mean
    assert layer.running_var is var
    tolerance = 1e-3 if dtype == "float16" else 1e-6
    np.testing.assert_allclose(mean, 0.1 * x.mean(axis=0), rtol=tolerance, atol=tolerance)


def test_only_a_training_forward_moves_the_running_statistics():
    layer, x = MAKE["BatchNorm"](3), draw("float64", (5, 3))
    layer.predict(x)
    layer.forward(x, False)
    layer.backward(x)
    layer.forward(x[:0])
    for refused in (x[:1], x[:, :2], [["a"]]):
        with pytest.raises((TypeError, ValueError)):
            layer.forward(refused)
    assert not layer.running_mean.any()
    assert (layer.running_var == 1).all()
    layer.forward(x)
    assert layer.running_mean.all()


def test_parameters_are_ones_and_zeros_and_no_others():
    for make in MAKE.values():
        layer = make(4, "float16")
        assert layer.gamma.dtype == layer.beta.dtype == np.float16
        np.testing.assert_array_equal(layer.gamma, np.ones(4))
        np.testing.assert_array_equal(layer.beta, np.zeros(4))
        assert layer.parameters == ("gamma", "beta")
        assert layer.n == 4
    assert an.BatchNorm.buffers == ("running_mean", "running_var")
    assert an.LayerNorm.buffers == ()
    assert repr(an.BatchNorm(2)) == "BatchNorm(n=2, momentum=0.1, eps=1e-05)"
    assert repr(an.LayerNorm(2)) == "LayerNorm(n=2, eps=1e-05)"


def test_a_layer_norm_has_one_mode():
    layer, x = moved(MAKE["LayerNorm"](3)), draw("float64", (5, 3))
    np.testing.assert_array_equal(layer.predict(x), layer.forward(x))
    np.testing.assert_array_equal(layer.predict(x[2]), layer.predict(x)[2])


# Shapes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6,), (2, 6), (2, 3, 6), (0, 6), (2, 0, 6)])
def test_a_layer_norm_works_on_the_last_axis(shape):
    layer, x = moved(MAKE["LayerNorm"](6)), draw("float64", shape)
    out = layer.forward(x)
    dx = layer.backward(np.ones(shape))
    assert out.shape == dx.shape == layer.predict(x).shape == shape
    rows = x.reshape(-1, 6)
    np.testing.assert_allclose(out.reshape(-1, 6), expected(layer, rows)[0], atol=1e-12)


@pytest.mark.parametrize("shape", [(4, 6), (4, 2, 3), (4, 1, 6, 1)])
def test_a_batch_norm_folds_rows_as_an_affine_does(shape):
    layer, x = moved(MAKE["BatchNorm"](6)), draw("float64", shape)
    out = layer.forward(x)
    assert out.shape == layer.backward(np.ones(shape)).shape == layer.predict(x).shape == shape
    np.testing.assert_allclose(out.reshape(4, 6), expected(layer, x.reshape(4, 6))[0], atol=1e-12)


def test_one_dimension_is_one_row_or_a_column_of_numbers():
    layer = MAKE["BatchNorm"](6)
    assert layer.predict(np.ones(6)).shape == (6,)
    with pytest.raises(ValueError, match="one row: BatchNorm in training wants 2 or more"):
        layer.forward(np.ones(6))
    for make in MAKE.values():
        single = make(1)
        assert single.forward(np.arange(4.0)).shape == single.predict(np.arange(4.0)).shape == (4,)
        assert single.backward(np.ones(4)).shape == (4,)


@every_layer
@pytest.mark.parametrize("shape", [(), (5,), (2, 5), (7, 1), (4, 0)])
def test_rows_of_another_length_are_refused(make, shape):
    layer = make(6)
    for call in (layer.forward, layer.predict):
        with pytest.raises(ValueError, match=r"^x has shape .*wanted rows of 6 numbers"):
            call(np.ones(shape))


@every_layer
def test_no_rows_have_gradients_of_zero(make):
    layer = make(3)
    assert layer.forward(np.ones((0, 3))).shape == (0, 3)
    assert layer.backward(np.ones((0, 3))).shape == (0, 3)
    assert not layer.dgamma.any()
    assert not layer.dbeta.any()


# Arguments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 0}, ValueError, "n is 0"),
        ({"n": 2.0}, TypeError, "n is 2.0"),
        ({"n": True}, TypeError, "n is True"),
        ({"eps": 0}, ValueError, "eps is 0"),
        ({"eps": -1e-5}, ValueError, "eps is -1e-05"),
        ({"eps": np.inf}, ValueError, "eps is inf"),
        ({"eps": "a"}, TypeError, "eps is 'a'"),
        ({"dtype": int}, TypeError, "dtype is int64"),
        ({"dtype": np.longdouble}, TypeError, "dtype is "),
        ({"momentum": -0.1}, ValueError, "momentum is -0.1, wanted 0 <= momentum <= 1"),
        ({"momentum": 1.1}, ValueError, "momentum is 1.1"),
        ({"momentum": np.nan}, ValueError, "momentum is nan"),
        ({"momentum": None}, TypeError, "momentum is None"),
    ],
    ids=str,
)
def test_arguments_are_refused_by_name(arguments, error, message):
    kinds = (an.BatchNorm,) if "momentum" in arguments else (an.BatchNorm, an.LayerNorm)
    for kind in kinds:
        with pytest.raises(error, match=f"^{message}"):
            kind(**{"n": 3} | arguments)


@pytest.mark.parametrize("name", ["beta", "running_mean", "running_var"])
def test_arrays_of_another_length_are_refused_where_they_are_used(name):
    layer = an.BatchNorm(3)
    setattr(layer, name, np.ones(4, np.float32))
    with pytest.raises(ValueError, match=rf"^{name} has shape \(4,\), wanted \(3,\)"):
        layer.predict(np.ones((2, 3)))
    with pytest.raises(ValueError, match=rf"^{name} has shape \(4,\), wanted \(3,\)"):
        an.Sequential(layer)


def test_eps_is_fixed_and_integers_are_refused():
    layer = an.BatchNorm(3)
    with pytest.raises(AttributeError):
        layer.eps = 1.0
    for name in ("gamma", "running_var"):
        with pytest.raises(TypeError, match=rf"^{name} has dtype int64"):
            setattr(layer, name, np.ones(3, np.int64))


# In a network ------------------------------------------------------------------------------------


def network(dtype="float32", **options):
    return an.Sequential(
        an.Affine.init(4, 6, rng=0, dtype=dtype), an.BatchNorm(6, dtype=dtype), an.GELU(),
        an.LayerNorm(6, dtype=dtype), an.Affine.init(6, 3, rng=1, dtype=dtype),
        loss=an.SoftmaxWithLoss(), **options,
    )  # fmt: skip


X, T = draw("float64", (24, 4)), np.arange(24) % 3


def buffers_of(net):
    """The arrays of a network that are not trained, by name."""
    return {name: array for name, array in net._arrays().items() if name not in net.params}


def test_names_views_and_buffers_in_a_network():
    net = network()
    assert list(net.params) == [
        "0.W", "0.b", "1.gamma", "1.beta", "3.gamma", "3.beta", "4.W", "4.b",
    ]  # fmt: skip
    assert list(buffers_of(net)) == ["1.running_mean", "1.running_var"]
    layer = net.layers[1]
    assert layer.gamma is net.params["1.gamma"]
    assert layer.dbeta is net.grads["1.beta"]
    assert "1  BatchNorm(n=6, momentum=0.1, eps=1e-05)  12 parameters" in net.summary()
    kept = layer.running_mean
    layer.running_mean = np.arange(6)[::-1] / 2
    assert layer.running_mean is kept
    np.testing.assert_array_equal(buffers_of(net)["1.running_mean"], [2.5, 2, 1.5, 1, 0.5, 0])
    with pytest.raises(ValueError, match=r"running_mean has shape \(5,\)"):
        layer.running_mean = np.ones(5)


def test_a_network_takes_copies_of_the_buffers_in_its_own_dtype():
    layer = an.BatchNorm(3, dtype="float64")
    mean = np.array([1, 2, 3], np.float32)
    layer.running_mean = mean
    net = an.Sequential(layer, loss=an.MeanSquaredError())
    assert layer.running_mean.dtype == np.float64
    net.fit(draw("float64", (4, 3)), draw("float64", (4, 3), 1), epochs=1)
    np.testing.assert_array_equal(mean, [1, 2, 3])
    assert (layer.running_mean != mean).all()


def test_predict_sees_changed_statistics_at_once():
    net = network("float64")
    first = net.predict(X)
    net.layers[1].running_mean = np.ones(6)
    second = net.predict(X)
    net.layers[1].running_var *= 2
    third = net.predict(X)
    assert (first != second).any()
    assert (second != third).any()
    out = X
    for layer in net.layers:
        out = layer.predict(out)
    np.testing.assert_allclose(third, out, rtol=1e-12)


@pytest.mark.parametrize("rows", [1, 3, 1500])
def test_predict_and_evaluation_forward_agree_to_the_bit(rows):
    net = network()
    net.fit(X, T, epochs=2, batch_size=8)
    x = draw("float32", (rows, 4))
    out = x
    for layer, takes_train in zip(net.layers, (False, True, False, False, False), strict=True):
        out = layer.forward(out, False) if takes_train else layer.forward(out)
    np.testing.assert_array_equal(net.predict(x), out)
    np.testing.assert_array_equal(net.predict(x[0]), out[0])


def test_evaluation_does_not_move_the_statistics():
    net = network()
    net.fit(X, T, epochs=1, batch_size=8)
    before = {name: array.copy() for name, array in buffers_of(net).items()}
    net.evaluate(X, T)
    net.predict(X)
    net.forward(X, T, train=False)
    net.backward()
    for name, array in buffers_of(net).items():
        np.testing.assert_array_equal(array, before[name])
    net.fit(X, T, epochs=1, batch_size=8, validation_data=(X, T))
    assert (buffers_of(net)["1.running_mean"] != before["1.running_mean"]).any()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_has_statistics_of_its_own_and_goes_on(copied):
    net = network()
    net.fit(X, T, epochs=1, batch_size=8)
    twin = copied(net)
    for name, array in buffers_of(net).items():
        np.testing.assert_array_equal(buffers_of(twin)[name], array)
        assert not np.shares_memory(buffers_of(twin)[name], array)
    np.testing.assert_array_equal(twin.predict(X), net.predict(X))
    for one in (net, twin):
        one.fit(X, T, epochs=1, batch_size=8, optimizer=an.SGD(0.1))
    np.testing.assert_array_equal(twin.predict(X), net.predict(X))
    twin.layers[1].running_mean = np.zeros(6)
    assert net.layers[1].running_mean.any()


@pytest.mark.parametrize("layer", [an.BatchNorm(5), an.LayerNorm(5)], ids=repr)
def test_widths_that_do_not_fit_are_refused(layer):
    with pytest.raises(
        ValueError, match="layer 1 takes 5 numbers a row, the layer before it gives 6"
    ):
        an.Sequential(an.Affine.init(4, 6, rng=0), layer)
    with pytest.raises(
        ValueError, match="layer 2 takes 6 numbers a row, the layer before it gives 5"
    ):
        an.Sequential(layer, an.ReLU(), an.Affine.init(6, 4, rng=0))


def test_rows_of_higher_rank_train_as_they_predict():
    """Images fold into a BatchNorm's rows; a LayerNorm takes their last axis, in any step."""
    images, t = draw("float32", (8, 2, 3)), np.arange(8) % 2
    net = an.Sequential(an.BatchNorm(6), an.Affine.init(6, 2, rng=0), loss=an.SoftmaxWithLoss())
    assert net.fit(images, t, epochs=2, batch_size=4).step_kind == "fused"
    flat = an.Sequential(an.BatchNorm(6), an.Affine.init(6, 2, rng=0), loss=an.SoftmaxWithLoss())
    flat.fit(images.reshape(8, 6), t, epochs=2, batch_size=4)
    np.testing.assert_array_equal(net.params.flat, flat.params.flat)
    last = an.Sequential(an.LayerNorm(3), loss=an.MeanSquaredError())
    assert last.fit(images, images, epochs=2, batch_size=4).step_kind == "layer by layer"
    assert last.predict(images).shape == images.shape
    with pytest.raises(ValueError, match="wanted rows of 6 numbers"):
        an.Sequential(an.LayerNorm(6), an.Affine.init(6, 2, rng=0), loss=an.SoftmaxWithLoss()).fit(
            images, t
        )


def test_a_deep_network_learns_with_them():
    (x, t), test = an.datasets.load_digits()
    net = an.Sequential(
        an.BatchNorm(64), an.Affine.init(64, 32, rng=0), an.BatchNorm(32), an.SiLU(),
        an.Affine.init(32, 32, rng=1), an.LayerNorm(32), an.GELU(), an.Affine.init(32, 10, rng=2),
        loss=an.SoftmaxWithLoss(),
    )  # fmt: skip
    assert net.fit(x, t, epochs=8, batch_size=50, optimizer=an.Adam(0.005)).step_kind == "fused"
    assert net.evaluate(*test)["accuracy"] > 0.94
