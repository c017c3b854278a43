"""Layers of an ensemble: values by hand, one member alone, rows that members do not divide."""

import copy

import numpy as np
import pytest

import affinet as an
from affinet.gradcheck import gradient_check
from parts.ensembles import ENSEMBLES, MEMBERS

N, EACH = 4, 5
every_layer = pytest.mark.parametrize("name", ENSEMBLES)


def rows(dtype=np.float64, each=EACH):
    return np.random.default_rng(1).standard_normal((MEMBERS * each, N)).astype(dtype)


def of_member(layer, m):
    """The same layer with one member, the m-th."""
    sizes = layer.config() | {"members": 1}
    alone = type(layer)(**sizes, dtype=np.float64)
    for name in layer.parameters:
        array = getattr(layer, name)
        setattr(alone, name, array if name == "W" and array.ndim == 2 else array[m : m + 1])
    return alone


@every_layer
def test_each_member_has_rows_and_parameters_of_its_own(name):
    layer, x = ENSEMBLES[name](N, np.float64), rows()
    out = layer.forward(x)
    dout = np.random.default_rng(2).standard_normal(out.shape)
    dx = layer.backward(dout)
    shared = 0
    for m in range(MEMBERS):
        mine, alone = slice(m * EACH, (m + 1) * EACH), of_member(layer, m)
        np.testing.assert_allclose(out[mine], alone.forward(x[mine]), rtol=1e-13)
        np.testing.assert_allclose(dx[mine], alone.backward(dout[mine]), rtol=1e-12, atol=1e-14)
        for parameter in layer.parameters:
            whole, own = (getattr(one, f"d{parameter}") for one in (layer, alone))
            if whole.ndim == own.ndim and whole.shape[0] == MEMBERS:
                np.testing.assert_allclose(whole[m], own[0], rtol=1e-12, atol=1e-14)
            else:
                shared = shared + own
    if name == "BatchEnsemble":  # W is shared, and its gradient is the sum over all
        np.testing.assert_allclose(layer.dW, shared, rtol=1e-12, atol=1e-14)


@every_layer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients(name, dtype):
    report = gradient_check(ENSEMBLES[name](N, dtype), rows(dtype))
    assert report.passed, str(report)


@every_layer
@pytest.mark.parametrize("n", [1, 2, 4, 3 * EACH + 1])
def test_rows_that_the_members_do_not_divide(name, n):
    layer, x = ENSEMBLES[name](N, np.float64), rows(each=EACH + 1)[:n]
    for call in (layer.forward, layer.predict):
        with pytest.raises(ValueError, match=rf"^x has {n} rows, wanted a multiple of the 3 mem"):
            call(x)
    with pytest.raises(ValueError, match=r"^x has 1 rows"):
        layer.forward(x[0])


@every_layer
def test_no_rows(name):
    layer = ENSEMBLES[name](N, np.float64)
    assert layer.forward(rows(each=0)).shape == (0, layer.n_outputs)
    layer.backward(np.empty((0, layer.n_outputs)))
    assert not any(getattr(layer, f"d{parameter}").any() for parameter in layer.parameters)


@every_layer
def test_a_refused_forward_leaves_the_last_one_in_place(name):
    layer, x = ENSEMBLES[name](N, np.float64), rows()
    dout = np.ones_like(layer.forward(x))
    twin = copy.deepcopy(layer)
    with pytest.raises(ValueError, match="rows, wanted a multiple"):
        layer.forward(x[:4])
    np.testing.assert_array_equal(layer.backward(dout), twin.backward(dout))


@every_layer
@pytest.mark.parametrize("wrong", [0, -1, 1.5, "3", None, True])
def test_members_that_are_no_count(name, wrong):
    arguments = (N,) if name == "MemberScale" else (N, N)
    with pytest.raises((TypeError, ValueError), match="members"):
        getattr(an, name)(wrong, *arguments)


@every_layer
def test_sizes_that_are_none(name):
    arguments = (0,) if name == "MemberScale" else (N, 0)
    with pytest.raises(ValueError, match="is 0"):
        getattr(an, name)(2, *arguments)
    with pytest.raises(TypeError, match="dtype"):
        getattr(an, name)(2, *[3] * len(arguments), dtype=np.int64)


def test_values_by_hand():
    layer = an.BatchEnsemble(2, 2, 1, dtype=np.float64)
    layer.r, layer.W = [[1.0, 2.0], [3.0, -1.0]], [[10.0], [100.0]]
    layer.s, layer.b = [[1.0], [0.5]], [[0.25], [0.0]]
    x = np.array([[1.0, 1.0], [2.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    np.testing.assert_array_equal(layer.forward(x)[:, 0], [210.25, 20.25, -35.0, 30.0])
    dx = layer.backward(np.ones((4, 1)))
    np.testing.assert_array_equal(dx, [[10, 200], [10, 200], [15, -50], [15, -50]])
    np.testing.assert_array_equal(layer.db, [[2], [2]])
    np.testing.assert_array_equal(layer.ds, [[230], [-10]])
    np.testing.assert_array_equal(layer.dr, [[30, 100], [15, 50]])
    np.testing.assert_array_equal(layer.dW, [[7.5], [1.5]])


def test_initial_values():
    rng = np.random.default_rng(3)
    first = an.BatchEnsemble(4, 50, 30, rng, first=True)
    assert set(np.unique(first.r)) == {-1.0, 1.0}
    assert len(np.unique(first.r, axis=0)) == 4
    assert (first.s == 1).all()
    assert (first.b == first.b[0]).all()
    assert abs(first.W).max() <= 50**-0.5
    later = an.BatchEnsemble(4, 50, 30, rng)
    assert (later.r == 1).all()
    heads = an.MemberAffine(4, 50, 30, rng)
    assert len(np.unique(heads.W[:, 0, 0])) == 4
    assert 0.9 * 50**-0.5 < abs(heads.W).max() <= 50**-0.5
    assert set(np.unique(an.MemberScale(4, 50, rng).s)) == {-1.0, 1.0}
    for one, other in zip(
        an.BatchEnsemble(2, 3, 3, 5).W, an.BatchEnsemble(2, 3, 3, 5).W, strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_wrong_shape_is_named():
    layer = an.MemberAffine(2, 3, 4)
    with pytest.raises(ValueError, match="W"):
        layer.W = np.zeros((2, 3))
    layer.W = np.zeros((2, 4, 3), np.float32)
    with pytest.raises(ValueError, match=r"W has shape \(2, 4, 3\), wanted \(2, 3, 4\)"):
        layer.forward(np.zeros((2, 3)))


def ensemble(k=3, dtype=np.float32):
    rng = np.random.default_rng(0)
    return an.Sequential(
        an.BatchEnsemble(k, N, 6, rng, first=True, dtype=dtype), an.ReLU(),
        an.MemberAffine(k, 6, 2, rng, dtype=dtype), loss=an.SoftmaxWithLoss(),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_finds_members_by_the_place_of_their_rows_among_all(dtype):
    """Also of more rows than a network predicts at a time."""
    net, x = ensemble(dtype=dtype), rows(dtype, each=700)
    out = x
    for layer in net.layers:
        out = layer.predict(out)
    np.testing.assert_array_equal(net.predict(x), out)
    buffer = np.empty_like(out)
    net.predict(x, out=buffer)
    np.testing.assert_array_equal(buffer, out)


def test_a_network_refuses_rows_that_the_members_do_not_divide():
    net, x, t = ensemble(), rows(np.float32), np.zeros(MEMBERS * EACH, int)
    with pytest.raises(ValueError, match="4 rows, wanted a multiple of the 3 members"):
        net.predict(x[:4])
    with pytest.raises(ValueError, match="members"):
        net.evaluate(x[:4], t[:4])
    with pytest.raises(ValueError, match="members"):
        net.fit(x, t, batch_size=4)
    with pytest.raises(ValueError, match="members"):
        net.fit(x[:14], t[:14], batch_size=3)
    with pytest.raises(ValueError, match="members"):
        net.fit(x, t, batch_size=3, validation_data=(x[:4], t[:4]))
    with pytest.raises(ValueError, match="members"):
        net.loss_gradient(x[:4], t[:4]) if hasattr(net, "loss_gradient") else net.forward(x[:4])


def test_layers_with_different_numbers_of_members():
    with pytest.raises(ValueError, match="members"):
        an.Sequential(
            an.MemberScale(2, N), an.MemberAffine(4, N, 2), loss=an.MeanSquaredError()
        ).predict(rows()[:8])
