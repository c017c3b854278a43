"""Several quantiles in one network, which do not cross."""

import numpy as np
import pytest

import affinet as an
from affinet import reference
from affinet._dispatch import kernels

LEVELS = [0.05, 0.5, 0.9]


class OwnReLU(an.ReLU):
    """A custom layer, which fit trains layer by layer only."""


@pytest.mark.parametrize("n_targets", [1, 4])
def test_each_column_has_its_level(n_targets):
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((6, 3 * n_targets)), rng.standard_normal((6, n_targets))
    for weights in (None, rng.uniform(0, 2, 6)):
        loss = an.Quantile(LEVELS)
        value = loss.forward(x, t, weights)
        singles, dx = [], np.empty_like(x)
        for place, q in enumerate(LEVELS):
            single = an.Quantile(q)
            singles.append(single.forward(x[:, place::3], t, weights))
            dx[:, place::3] = single.backward() / 3
        assert value == pytest.approx(np.mean(singles), rel=1e-12)
        np.testing.assert_allclose(loss.backward(), dx, rtol=1e-12)


def test_one_level_in_a_list_is_that_level():
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((2, 6, 4))
    one, several = an.Quantile(0.3), an.Quantile([0.3])
    assert one.forward(x, t) == several.forward(x, t)
    assert np.array_equal(one.backward(), several.backward())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 99])
def test_the_kernel_is_the_reference(dtype, n):
    rng = np.random.default_rng(0)
    levels = tuple(np.sort(rng.uniform(0.01, 0.99, n)).tolist())
    for groups in (1, 3):
        y, t = rng.standard_normal((2, 9, n * groups)).astype(dtype)
        for weights in (None, rng.uniform(0, 2, 9)):
            dx = np.empty_like(y)
            loss = kernels.quantile_loss(y, t, weights, levels, dx)
            wanted, gradient = reference.quantile_loss(y, t, weights, levels)
            assert loss == pytest.approx(wanted, rel=1e-5 if dtype == "float32" else 1e-12)
            np.testing.assert_allclose(dx, gradient, rtol=1e-5)


def build(relu=an.ReLU, n_targets=1, dtype="float64"):
    return an.Sequential(
        an.Affine.init(2, 16, rng=0, dtype=dtype), relu(),
        an.Affine.init(16, 3 * n_targets, rng=1, dtype=dtype), an.Increasing(3),
        loss=an.Quantile(LEVELS),
    )  # fmt: skip


@pytest.mark.parametrize("n_targets", [1, 3])
@pytest.mark.parametrize("threads", [1, 2])
def test_fused_is_layer_by_layer(n_targets, threads):
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((50, 2)), rng.standard_normal((50, n_targets))
    found = []
    before = an.get_num_threads()
    try:
        an.set_num_threads(threads)
        kernels.always_team(threads > 1, False)
        for relu in (an.ReLU, OwnReLU):
            net = build(relu, n_targets)
            history = net.fit(x, t, epochs=3, batch_size=8)
            found.append((net.params.flat, history["loss"]))
    finally:
        kernels.always_team(False, False)
        an.set_num_threads(before)
    assert history.step_kind == "layer by layer"
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-9)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-12)


def test_targets_that_a_callback_changes():
    """Targets of several columns are repeated; what is written into them counts all the same."""
    rng = np.random.default_rng(0)
    x, found = rng.standard_normal((40, 2)), []
    for relu in (an.ReLU, OwnReLU):
        t = np.zeros((40, 2))
        net = build(relu, 2)

        def write(state, t=t):
            t[:] = 3

        net.fit(x, t, epochs=2, callbacks=[write], optimizer=an.SGD(0.1))
        found.append(net.params.flat)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)


def test_intervals_hold_what_they_promise(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (6000, 2))
    t = x[:, 0] + np.exp(x[:, 1]) * rng.standard_normal(6000)
    net = build(dtype="float32")
    assert net.fit(x, t, epochs=30, batch_size=50, optimizer=an.Adam(0.01)).step_kind == "fused"
    y = net.predict(x)
    assert (np.diff(y, axis=1) >= 0).all()
    for place, q in enumerate(LEVELS):
        assert abs(np.mean(t <= y[:, place]) - q) < 0.03
    assert np.array_equal(net.loss.values(y), y[:, 1:2])
    assert net.evaluate(x, t, metrics=["mae"])["mae"] > 0.5
    net.save(tmp_path / "net.npz")
    twin = an.load(tmp_path / "net.npz")
    assert twin.loss.q == tuple(LEVELS)
    assert np.array_equal(twin.predict(x), y)
    assert an.gradient_check(build(), x[:6], t[:6]).passed


def test_refusals():
    for q, match in [
        ([], "q has 0 levels"),
        ([0.5, 0.2], "wanted levels in increasing order"),
        ([0.5, 0.5], "wanted levels in increasing order"),
        ([0.5, 1.0], r"q\[1\] is 1.0"),
        (np.linspace(0.001, 0.999, 101), "q has 101 levels"),
    ]:
        with pytest.raises(ValueError, match=match):
            an.Quantile(q)
    with pytest.raises(TypeError, match=r"q\[0\] is 'a'"):
        an.Quantile(["a"])
    with pytest.raises(ValueError, match=r"takes 3 outputs for each target, but there are 4"):
        an.Quantile(LEVELS).forward(np.zeros((2, 4)), np.zeros(2))
    with pytest.raises(ValueError, match="wanted a multiple of 3"):
        an.Increasing(3).forward(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="n is 3"):
        an.Sequential(an.Affine.init(2, 4), an.Increasing(3))
    y, t, dx = np.zeros((3, 2, 3))
    for levels, match in [((0.5, 0.6), "q has 2 levels for 3 columns"), ((2.0,), "q is 2.0")]:
        with pytest.raises(ValueError, match=match):
            kernels.quantile_loss(y, t, None, levels, dx)
