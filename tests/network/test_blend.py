"""params.blend: a target network that follows another one."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import affinet as an


def build(seed, dtype="float32", norm=True, width=5):
    middle = [an.Residual(an.BatchNorm(width, dtype=dtype))] if norm else []
    net = an.Sequential(
        an.Affine.init(3, width, rng=seed, dtype=dtype), *middle,
        an.Affine.init(width, 2, rng=seed + 1, dtype=dtype),
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    for array in net.params.buffers.values():
        array[...] = rng.uniform(1, 2, array.shape)
    return net


def arrays(net):
    return {**net.params, **net.params.buffers}


def copies(net):
    return {name: array.copy() for name, array in arrays(net).items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("tau", [0, 0.005, 0.5, np.float64(0.9), 1])
def test_parameters_and_buffers_move(dtype, tau):
    target, source = build(0, dtype), build(5, dtype)
    before, theirs, flat = copies(target), copies(source), target.params.flat
    assert set(target.params.buffers) == {"1.0.running_mean", "1.0.running_var"}
    target.params.blend(source.params, tau)
    assert target.params.flat is flat
    for name, array in arrays(target).items():
        wanted = (1 - tau) * before[name].astype(float) + tau * theirs[name]
        np.testing.assert_allclose(array, wanted, rtol=4 * np.finfo(dtype).eps, atol=1e-7)
        if tau in (0, 1):
            assert np.array_equal(array, (before, theirs)[tau][name])
        assert np.array_equal(arrays(source)[name], theirs[name])
    if tau == 1:
        x = np.ones((4, 3), dtype)
        assert np.array_equal(target.predict(x), source.predict(x))


def test_what_is_equal_stays_so():
    target = build(0)
    source, before = copy.deepcopy(target), copies(target)
    for _ in range(100):
        target.params.blend(source.params, 0.013)
        target.params.blend(target.params, 0.5)
    for name, array in arrays(target).items():
        assert np.array_equal(array, before[name])


def test_a_diverged_target_is_replaced():
    target, source = build(0), build(5)
    target.params.flat[:] = np.nan
    target.params.blend(source.params, 1.0)
    assert np.array_equal(target.params.flat, source.params.flat)


def test_copies_pickles_and_shallow_copies_blend_their_own():
    source = build(5)
    for make in (copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net)), copy.copy):
        target = make(build(0))
        gc.collect()
        target.params.blend(source.params, 1.0)
        for name, array in arrays(target).items():
            assert np.array_equal(array, arrays(source)[name])
        assert len(target.params.buffers) == 2


def test_parameters_keep_no_layer_alive():
    net = build(0)
    params, layer = net.params, weakref.ref(net.layers[1].layers[0])
    del net
    gc.collect()
    assert layer() is None
    assert params.buffers == {}


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: build(5, width=6).params, ValueError, r"0\.W has shape \(3, 6\), wanted \(3, 5\)"),
        (lambda: build(5, "float64").params, TypeError, r"0\.W has dtype float64"),
        (lambda: build(5, norm=False).params, ValueError, "the target has the array 1.0.gamma"),
        (lambda: build(5), TypeError, "source is Sequential"),
        (lambda: dict(build(5).params), TypeError, "source is dict"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_changes(make, error, match):
    target = build(0)
    before = copies(target)
    with pytest.raises(error, match=match):
        target.params.blend(make(), 0.5)
    for name, array in arrays(target).items():
        assert np.array_equal(array, before[name])


@pytest.mark.parametrize("tau", [-0.1, 1.0001, np.nan, np.inf, "a", None])
def test_tau(tau):
    target = build(0)
    before = copies(target)
    with pytest.raises((ValueError, TypeError), match="tau is"):
        target.params.blend(build(5).params, tau)
    assert np.array_equal(target.params["0.W"], before["0.W"])


class Counter:
    """A custom layer with buffers of several kinds."""

    buffers = ("calls", "half", "column")

    def __init__(self, calls, value, n=4):
        self.calls = np.array(calls)
        self.half = np.full(n, value, "float16")
        self.column = np.full((n, 2), float(value))[:, 0]  # not contiguous

    def forward(self, x):
        return x

    def backward(self, dout):
        return dout


def test_custom_buffers():
    target, source = an.Sequential(Counter(1, 0)), an.Sequential(Counter(7, 4))
    target.params.blend(source.params, 0)
    assert target.layers[0].calls == 1
    target.params.blend(source.params, 0.25)
    layer = target.layers[0]
    assert layer.calls == 7
    assert layer.half.dtype == np.float16
    assert np.array_equal(layer.half, np.ones(4))
    assert np.array_equal(layer.column, np.ones(4))
    wide = an.Sequential(Counter(1, 0, 5))
    with pytest.raises(ValueError, match=r"0\.half has shape"):
        target.params.blend(wide.params, 0.5)
