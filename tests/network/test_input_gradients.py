"""Gradients of outputs with respect to inputs, and what is made of them."""

import pickle

import numpy as np
import pytest

import affinet as an


def build(**options):
    rng = np.random.default_rng(0)
    return an.Sequential(
        an.Affine.init(3, 9, rng=rng, dtype="float64"), an.BatchNorm(9, dtype="float64"), an.Tanh(),
        an.Residual(an.Affine.init(9, 9, rng=rng, dtype="float64"), an.Dropout(0.5)),
        an.Affine.init(9, 2, rng=rng, dtype="float64"), loss=an.SoftmaxWithLoss(), **options,
    )  # fmt: skip


@pytest.fixture
def x():
    return np.random.default_rng(1).standard_normal((5, 3))


@pytest.mark.parametrize("options", [{}, {"input_scale": 0.1}])
def test_they_are_those_of_differences(x, options):
    net = build(**options)
    net.layers[1].running_var[:] = 2
    jacobian = net.gradient(x)
    assert jacobian.shape == (5, 2, 3)
    for output in range(2):
        numerical = an.numerical_gradient(lambda x, k=output: net.predict(x)[:, k].sum(), x)
        np.testing.assert_allclose(jacobian[:, output], numerical, rtol=1e-5, atol=1e-8)
        assert np.array_equal(net.gradient(x, output=output), jacobian[:, output])
    assert np.array_equal(net.gradient(x[0]), jacobian[0])
    assert np.array_equal(net.gradient(x[0], output=1), jacobian[0, 1])
    assert net.gradient(x[:0]).shape == (0, 2, 3)


def test_blocks_of_rows(x):
    net, rows = build(), np.tile(x, (500, 1))
    np.testing.assert_allclose(net.gradient(rows, output=0)[-5:], net.gradient(x, output=0))
    assert net.gradient(rows).shape == (2500, 2, 3)


def test_the_network_stays_as_it_is(x):
    net = build()
    net.forward(x, [0, 1, 0, 1, 0])
    before = pickle.dumps(net)
    net.gradient(x)
    net.integrated_gradients(x, 0)
    assert pickle.dumps(net) == before
    net.backward()


def test_contributions_add_up(x):
    net = build()
    for baseline in (0.0, x.mean(axis=0), x[::-1]):
        shares = net.integrated_gradients(x, 1, baseline=baseline, steps=300)
        start = np.broadcast_to(baseline, x.shape)
        difference = (net.predict(x) - net.predict(start))[:, 1]
        np.testing.assert_allclose(shares.sum(axis=1), difference, atol=1e-4)
    one = net.integrated_gradients(x[0], 1)
    np.testing.assert_allclose(one, net.integrated_gradients(x, 1)[0])
    linear = an.Sequential(an.Affine(np.array([[2.0], [-1.0], [0.0]]), np.ones(1)))
    np.testing.assert_allclose(linear.integrated_gradients(x, 0, steps=1), x * [2, -1, 0])


def test_refusals(x):
    net = build()
    with pytest.raises(ValueError, match="output is 2, wanted one of 2 outputs"):
        net.gradient(x, output=2)
    with pytest.raises(ValueError, match="output is -1"):
        net.gradient(x, output=-1)
    with pytest.raises(TypeError, match=r"output is 0.5"):
        net.gradient(x, output=0.5)
    with pytest.raises(ValueError, match="steps is 0"):
        net.integrated_gradients(x, 0, steps=0)
    with pytest.raises(ValueError, match=r"baseline has shape \(4,\), wanted one that fits"):
        net.integrated_gradients(x, 0, baseline=np.zeros(4))
    with pytest.raises(ValueError, match=r"x has shape \(5, 4\)"):
        net.gradient(np.zeros((5, 4)))
    coded = an.Sequential(an.Embedding(3, {0: 4}, 2), an.Affine.init(4, 1))
    with pytest.raises(ValueError, match="the first layer takes codes"):
        coded.gradient(np.zeros((2, 3)))


def test_inside_a_training_the_thread_that_trains_may_ask():
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((20, 3)), rng.integers(0, 2, 20)
    net = an.Sequential(an.Affine.init(3, 2, rng=0), loss=an.SoftmaxWithLoss())
    found = []
    net.fit(x, t, epochs=2, callbacks=[lambda state: found.append(state.net.gradient(x[0], 1))])
    assert len(found) == 2
    np.testing.assert_array_equal(found[-1], net.params["0.W"][:, 1])
