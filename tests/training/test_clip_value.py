"""fit with every element of the gradient clipped."""

import numpy as np
import pytest

import affinet as an
from affinet.training import step as steps

N, I, H, O = 23, 4, 6, 3  # noqa: E741 - rows, inputs, hidden units, outputs
every_kind = pytest.mark.parametrize("kind", ["fused", "layer by layer"])
every_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


def make(dtype="float64", loss=an.SoftmaxWithLoss):
    return an.Sequential(
        an.Affine.init(I, H, rng=0, dtype=dtype),
        an.Tanh(),
        an.Affine.init(H, O, rng=1, dtype=dtype),
        loss=loss(),
    )


def make_data():
    rng = np.random.default_rng(6)
    return rng.standard_normal((N, I)), rng.integers(0, O, N)


def fit(net, kind, monkeypatch, data=None, **options):
    """Train by this kind of step; the record."""
    options = {"epochs": 1, "optimizer": an.SGD(0.1)} | options
    with monkeypatch.context() as patch:
        if kind == "layer by layer":
            patch.setattr(steps, "can_fuse", lambda *_: False)
        history = net.fit(*(make_data() if data is None else data), **options)
    assert history.step_kind == kind
    return history


def gradient(kind, monkeypatch, dtype="float64", **options):
    """The flat gradient of all rows in one batch, and the loss."""
    net = make(dtype)
    history = fit(net, kind, monkeypatch, batch_size=N, optimizer=an.SGD(0.0), **options)
    return net.grads.flat.copy(), history["loss"][0]


@every_kind
@every_dtype
@pytest.mark.parametrize("l2", [0.0, 5.0])
def test_every_element_is_clipped_and_nothing_else_changes(kind, dtype, l2, monkeypatch):
    plain, loss = gradient(kind, monkeypatch, dtype, l2=l2)
    clip_value = float(np.median(abs(plain)))
    found, same_loss = gradient(kind, monkeypatch, dtype, l2=l2, clip_value=clip_value)
    np.testing.assert_array_equal(found, np.clip(plain, -clip_value, clip_value))
    assert 0 < np.count_nonzero(found != plain) < len(plain)
    assert same_loss == loss


@every_kind
def test_elements_are_clipped_before_the_norm(kind, monkeypatch):
    plain, _ = gradient(kind, monkeypatch)
    clip_value = float(np.median(abs(plain)))
    by_value = np.clip(plain, -clip_value, clip_value)
    norm = np.linalg.norm(by_value)
    found, _ = gradient(kind, monkeypatch, clip_value=clip_value, clip_norm=norm / 2)
    np.testing.assert_allclose(found, by_value / 2, rtol=1e-14)
    # The clipped elements lie within this norm, the whole gradient does not.
    assert np.linalg.norm(plain) > norm * 1.01
    found, _ = gradient(kind, monkeypatch, clip_value=clip_value, clip_norm=norm * 1.001)
    np.testing.assert_array_equal(found, by_value)


@every_dtype
@pytest.mark.parametrize("options", [{}, {"l2": 0.7}, {"clip_norm": 0.05, "l2": 0.7}], ids=str)
@pytest.mark.parametrize("batch_size", [1, 5, N])
def test_both_kinds_of_step_agree_to_the_bit(dtype, options, batch_size, monkeypatch):
    nets = []
    for kind in ("fused", "layer by layer"):
        net = make(dtype)
        given = {"clip_value": 0.02, "optimizer": an.Adam(0.01)} | options
        fit(net, kind, monkeypatch, batch_size=batch_size, epochs=3, **given)
        nets.append(net)
    np.testing.assert_array_equal(nets[0].params.flat, nets[1].params.flat)
    np.testing.assert_array_equal(nets[0].grads.flat, nets[1].grads.flat)
    assert abs(nets[0].grads.flat).max() <= np.dtype(dtype).type(0.02)


@every_kind
@pytest.mark.filterwarnings("ignore:the loss of epoch:RuntimeWarning")
def test_a_gradient_that_is_nan_stays_nan(kind, monkeypatch):
    net = make(loss=an.SumSquaredError)
    x, labels = make_data()
    t = np.eye(O)[labels]
    t[3, 1] = np.nan
    fit(net, kind, monkeypatch, (x, t), batch_size=N, clip_value=0.5)
    assert np.isnan(net.grads["2.b"]).tolist() == [False, True, False]
    assert abs(net.grads["2.b"][[0, 2]]).max() <= 0.5


@every_kind
def test_a_callback_that_changes_a_layer_keeps_the_bound(kind, monkeypatch):
    def change(state):
        state.net.input_scale = 1.0 + state.epoch

    net = make()
    fit(net, kind, monkeypatch, epochs=3, callbacks=[change], clip_value=1e-3)
    assert abs(net.grads.flat).max() == 1e-3


@pytest.mark.parametrize(
    ("value", "error"),
    [
        *((value, ValueError) for value in (0, -1.0, np.nan, np.inf)),
        *((value, TypeError) for value in ("1", [1.0], 1j)),
    ],
    ids=str,
)
def test_bad_values_are_refused_by_name(value, error):
    net = make()
    before = net.params.flat.copy()
    with pytest.raises(error, match=r"^clip_value is "):
        net.fit(*make_data(), clip_value=value)
    np.testing.assert_array_equal(net.params.flat, before)
    assert net.history is None
