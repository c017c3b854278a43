"""Monte-Carlo dropout: predictions with masks of seed, sample and row."""

import pickle
import threading

import numpy as np
import pytest

import affinet as an
from affinet._dispatch import kernels


def build(p=0.4, dtype="float32"):
    return an.Sequential(
        an.Affine.init(3, 20, rng=0, dtype=dtype), an.BatchNorm(20, dtype=dtype), an.ReLU(),
        an.Dropout(p, rng=1),
        an.Residual(an.Affine.init(20, 20, rng=1, dtype=dtype), an.Tanh(), an.Dropout(0.2, rng=2)),
        an.Affine.init(20, 2, rng=2, dtype=dtype), loss=an.SoftmaxWithLoss(),
    )  # fmt: skip


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((2500, 3)).astype("float32")


def test_a_row_depends_on_seed_sample_and_row_alone(x):
    net = build()
    y = net.predict(x, samples=5)
    assert (y.shape, y.dtype) == ((5, 2500, 2), np.float32)
    assert np.array_equal(y, net.predict(x, samples=5, seed=0))
    assert np.array_equal(net.predict(x, samples=2), y[:2])
    assert np.array_equal(net.predict(x[:1030], samples=5), y[:, :1030])
    assert not np.array_equal(net.predict(x, samples=5, seed=1), y)
    assert len({row.tobytes() for row in y[:, 7]}) == 5
    same = net.predict(np.tile(x[:1], (50, 1)), samples=1)[0]
    assert len({row.tobytes() for row in same}) > 40  # every row has a mask of its own
    assert np.array_equal(net.predict(x[0], samples=5), y[:, 0])
    assert net.predict(x[:0], samples=3).shape == (3, 0, 2)


def test_masks_are_those_of_the_kernel():
    drop = an.Dropout(0.5)
    net = an.Sequential(drop)
    x = np.ones((4, 30))
    from affinet.network.sampling import mask_key

    for sample, y in enumerate(net.predict(x, samples=3, seed=9)):
        out, mask = np.empty(x.shape, "float32"), np.empty(x.shape, np.uint8)
        kernels.dropout_forward(x.astype("f4"), 0.5, mask_key(9, "0"), sample, 0, out, mask)
        assert np.array_equal(y, out)


def test_other_layers_are_in_evaluation_mode(x):
    net = build(p=0.0)
    net.layers[4].layers[2].p = 0.0
    net.layers[1].running_mean[:] = 3
    for y in net.predict(x, samples=2):
        np.testing.assert_allclose(y, net.predict(x), rtol=1e-5, atol=1e-6)


def test_the_mean_is_near_the_prediction():
    layer = an.Affine(np.ones((400, 1)), np.zeros(1))
    net = an.Sequential(an.Dropout(0.5), layer)
    y = net.predict(np.ones((1, 400)), samples=2000)
    assert abs(y.mean() - 400) < 2  # a standard error of 0.45
    assert abs(y.std() - 20) < 1.5


def test_the_network_stays_as_it_is(x):
    net = build()
    before = pickle.dumps(net)
    loss = net.forward(x[:9], np.zeros(9, int))
    net.backward()
    grads = net.grads.flat.copy()
    net.predict(x, samples=2)
    assert net.layers[3].position is None
    net.backward()  # the last forward still counts
    assert np.array_equal(net.grads.flat, grads)
    assert np.isfinite(loss)
    assert type(net.layers[3]) is an.Dropout
    fresh = build()
    fresh.predict(x, samples=2)
    assert pickle.dumps(fresh) == before


def test_threads_sample_at_once(x):
    net, found = build(), []
    wanted = net.predict(x, samples=2)
    threads = [
        threading.Thread(target=lambda: found.append(net.predict(x, samples=2))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(np.array_equal(y, wanted) for y in found)


def test_where_to_write(x):
    net, out = build(), np.empty((2, 2500, 2), "float32")
    assert net.predict(x, out, samples=2) is out
    assert np.array_equal(out, net.predict(x, samples=2))
    with pytest.raises(ValueError, match=r"out has shape \(2500, 2\), wanted \(2, 2500, 2\)"):
        net.predict(x, out[0], samples=2)


def test_refusals(x):
    net = build()
    with pytest.raises(ValueError, match="samples is 0"):
        net.predict(x, samples=0)
    with pytest.raises(TypeError, match=r"samples is 2.5"):
        net.predict(x, samples=2.5)
    with pytest.raises(ValueError, match="seed is -1"):
        net.predict(x, samples=2, seed=-1)
    with pytest.raises(ValueError, match="seed was given without samples"):
        net.predict(x, seed=1)
    plain = an.Sequential(an.Affine.init(3, 2))
    with pytest.raises(ValueError, match="the network has no Dropout layer"):
        plain.predict(x, samples=2)

    class Own(an.Dropout):
        pass

    with pytest.raises(TypeError, match="samples: layer 0 is Own"):
        an.Sequential(Own(0.5)).predict(x, samples=2)


def test_codes_of_categories_are_checked_in_samples_too():
    net = an.Sequential(
        *(an.Embedding(2, {1: 3}, 2, rng=0), an.Affine.init(3, 2, rng=1), an.Dropout(0.5)),
    )
    good, bad = np.array([[0.5, 2.0], [1.0, 0.0]]), np.array([[0.5, 2.0], [1.0, 9.0]])
    assert net.predict(good, samples=3).shape == (3, 2, 2)
    with pytest.raises(ValueError, match=r"9"):
        net.predict(bad, samples=3)
