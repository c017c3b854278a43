"""forward, backward, evaluate: three visible steps, against the same layers by hand."""

import copy

import numpy as np
import pytest

import affinet as an
from affinet import reference
from array_forms import COMPUTED_IN, FORMS, REFUSED, draw, in_form
from tolerance import assert_close


def by_reference(net, x, t):
    """Loss, gradients and dx of the fixture's network, by affinet.reference alone."""
    p = {name: a.astype(np.float64) for name, a in net.params.items()}
    a0 = reference.affine_forward(x, p["0.W"], p["0.b"])
    y1 = reference.relu_forward(a0)
    a2 = reference.affine_forward(y1, p["2.W"], p["2.b"])
    y3 = reference.tanh_forward(a2)
    a4 = reference.affine_forward(y3, p["4.W"], p["4.b"])
    loss, _, d4 = reference.softmax_cross_entropy_labels(a4, t)
    grads = {"4.W": reference.affine_backward_dw(y3, d4), "4.b": reference.affine_backward_db(d4)}
    d3 = reference.tanh_backward(y3, reference.affine_backward_dx(d4, p["4.W"]))
    grads |= {"2.W": reference.affine_backward_dw(y1, d3), "2.b": reference.affine_backward_db(d3)}
    d1 = reference.relu_backward(y1, reference.affine_backward_dx(d3, p["2.W"]))
    grads |= {"0.W": reference.affine_backward_dw(x, d1), "0.b": reference.affine_backward_db(d1)}
    return loss, grads, reference.affine_backward_dx(d1, p["0.W"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_equals_the_reference(make_net, data, dtype):
    net = make_net(dtype)
    x, t = data[0].astype(dtype), data[1]
    loss, grads, dx = by_reference(net, x.astype(np.float64), t)
    assert_close(net.forward(x, t), loss, dtype=dtype, reduction=30, scale=1, name="loss")
    actual = net.backward(need_dx=True)
    for name, wanted in grads.items():
        assert_close(net.grads[name], wanted, reduction=60, scale=np.ones_like(wanted), name=name)
    assert_close(actual, dx, reduction=60, scale=np.ones_like(dx), name="dx")


def test_forward_changes_no_gradient_and_backward_no_parameter(net, data):
    params = net.params.flat.copy()
    net.forward(*data)
    assert not net.grads.flat.any()
    net.backward()
    assert net.grads.flat.any()
    np.testing.assert_array_equal(net.params.flat, params)


def test_backward_replaces_gradients_and_repeats_itself(net, data):
    net.forward(*data)
    net.backward()
    first = net.grads.flat.copy()
    net.backward()
    np.testing.assert_array_equal(net.grads.flat, first)
    net.forward(data[0][:1], data[1][:1])
    net.backward()
    assert (net.grads.flat != first).any()
    net.forward(*data)
    net.backward()
    np.testing.assert_array_equal(net.grads.flat, first)


def test_backward_scales_by_dout(net, data):
    net.forward(*data)
    net.backward()
    once = net.grads.flat.copy()
    net.backward(dout=-2)
    np.testing.assert_allclose(net.grads.flat, -2 * once, rtol=1e-13)


def test_need_dx(net, data):
    net.forward(*data)
    assert net.backward() is None
    without = net.grads.flat.copy()
    dx = net.backward(need_dx=True)
    assert dx.shape == data[0].shape
    np.testing.assert_array_equal(net.grads.flat, without)


def test_dx_by_central_differences(net, data):
    x, t = data
    net.forward(x, t)
    dx = net.backward(need_dx=True)
    for place in [(0, 0), (2, 1), (5, 2)]:
        values = []
        for h in (1e-5, -1e-5):
            moved = x.copy()
            moved[place] += h
            values.append(net.forward(moved, t))
        assert (values[0] - values[1]) / 2e-5 == pytest.approx(dx[place], rel=1e-6, abs=1e-9)


def test_dx_has_the_shape_of_x():
    net = an.Sequential(an.Affine.init(12, 2, rng=0, dtype="float64"), loss=an.SoftmaxWithLoss())
    x = draw("float64", (4, 2, 3, 2)).transpose(0, 3, 2, 1)
    net.forward(x, [0, 1, 1, 0])
    assert net.backward(need_dx=True).shape == (4, 2, 3, 2)


def test_a_network_that_begins_with_an_activation_gives_dx_too(data):
    net = an.Sequential(an.Tanh(), an.Affine.init(3, 2, rng=0), loss=an.SoftmaxWithLoss())
    net.forward(*data)
    assert net.backward() is None
    assert net.backward(need_dx=True).shape == (6, 3)


@pytest.mark.parametrize("form", FORMS)
def test_x_and_t_in_every_form_are_only_read(net, data, form):
    x, t = in_form(form, data[0]), in_form(form, data[1])
    assert net.forward(x, t) == net.forward(*data)
    net.backward(need_dx=True)
    np.testing.assert_array_equal(x, data[0])
    np.testing.assert_array_equal(t, data[1])


@pytest.mark.parametrize("dtype", COMPUTED_IN)
def test_inputs_of_every_dtype_are_computed_in_the_networks(make_net, dtype):
    x, t = draw(dtype, (6, 3)), np.zeros(6, np.uint8)
    for own in ("float32", "float64"):
        net = make_net(own)
        assert net.forward(x, t) == net.forward(x.astype(own), t)
        assert net.predict(x).dtype == own
        net.backward()
        assert net.grads.flat.dtype == own


def test_float16_parameters_are_held_as_float32(make_net, data):
    net = make_net("float16")
    assert net.dtype == net.params.flat.dtype == np.float32
    net.forward(*data)
    net.backward()
    assert net.grads.flat.any()


def test_the_train_flag_reaches_layers_with_two_modes(data):
    net = an.Sequential(
        an.Dropout(0.5, rng=0), an.Affine.init(3, 2, rng=0), loss=an.SoftmaxWithLoss()
    )
    net.forward(*data)
    assert net.layers[0].calls == 1
    first = net.forward(*data, train=False)
    assert net.forward(*data, train=False) == first == net.evaluate(*data)["loss"]
    assert net.layers[0].calls == 1


def test_one_row_of_one_dimension(net, data):
    row, label = data[0][0], int(data[1][0])
    loss = net.forward(row, label)
    assert net.backward(need_dx=True).shape == (3,)
    grads = net.grads.flat.copy()
    assert net.forward(data[0][:1], data[1][:1]) == loss
    net.backward()
    np.testing.assert_array_equal(net.grads.flat, grads)


# Order of calls ----------------------------------------------------------------------------------


def test_backward_before_forward(net, data):
    with pytest.raises(RuntimeError, match=r"Sequential\.backward.*before forward"):
        net.backward()
    net.predict(data[0])
    net.evaluate(*data)
    with pytest.raises(RuntimeError, match="before forward"):
        net.backward()


@pytest.mark.parametrize("bad", ["labels", "features", "length"])
def test_backward_after_a_refused_forward(net, data, bad):
    """The loss would belong to one batch and the layers to another."""
    x, t = data
    net.forward(x, t)
    call = {
        "labels": lambda: net.forward(2 * x, t.astype(float)),
        "features": lambda: net.forward(x[:, :2], t),
        "length": lambda: net.forward(2 * x, t[:3]),
    }[bad]
    with pytest.raises((TypeError, ValueError), match=r"\b[xt] has"):
        call()
    with pytest.raises(RuntimeError, match="before forward"):
        net.backward()


def test_predict_and_evaluate_do_not_disturb_a_backward(net, data):
    net.forward(*data)
    net.backward()
    expected = net.grads.flat.copy()
    net.forward(*data)
    net.predict(2 * data[0])
    net.predict_proba(2 * data[0])
    net.evaluate(3 * data[0][:2], data[1][:2])
    net.backward()
    np.testing.assert_array_equal(net.grads.flat, expected)


def test_layers_between_networks_share_nothing(make_net, data):
    one, two = make_net(), make_net()
    one.forward(*data)
    two.forward(2 * data[0], data[1])
    one.backward()
    expected = make_net()
    expected.forward(*data)
    expected.backward()
    np.testing.assert_array_equal(one.grads.flat, expected.grads.flat)
    assert not two.grads.flat.any()


# evaluate ----------------------------------------------------------------------------------------


def test_evaluate_gives_loss_and_accuracy(net, data):
    figures = net.evaluate(*data)
    assert list(figures) == ["loss", "accuracy"]
    assert figures["loss"] == net.forward(*data, train=False)
    assert figures["accuracy"] == (net.predict(data[0]).argmax(axis=1) == data[1]).mean()
    one_hot = np.eye(2)[data[1]]
    assert net.evaluate(data[0], one_hot) == pytest.approx(figures)
    assert net.evaluate(data[0].tolist(), data[1].tolist()) == figures


def test_evaluate_without_classes_gives_the_loss_alone(make_net, data):
    net = make_net(loss=an.MeanSquaredError())
    t = np.zeros((6, 2))
    figures = net.evaluate(data[0], t)
    assert list(figures) == ["loss"]
    assert_close(figures["loss"], (net.predict(data[0]) ** 2).mean(), reduction=12, name="loss")


def test_evaluate_of_many_rows(make_net, data):
    net = make_net()
    x = np.tile(data[0], (500, 1))
    figures = net.evaluate(x, np.tile(data[1], 500))
    assert figures == pytest.approx(net.evaluate(*data), rel=1e-12)


def test_evaluate_leaves_the_loss_object_alone(net, data):
    net.forward(*data)
    y, dx = net.loss.y.copy(), net.loss.backward()
    net.evaluate(2 * data[0], data[1])
    np.testing.assert_array_equal(net.loss.y, y)
    np.testing.assert_array_equal(net.loss.backward(), dx)


# Without a loss, and with bad input --------------------------------------------------------------


def test_a_network_without_a_loss_only_predicts(make_net, data):
    net = make_net(loss=None)
    assert net.predict(data[0]).shape == (6, 2)
    for call in (net.forward, net.evaluate, net.fit):
        with pytest.raises(RuntimeError, match="no loss"):
            call(*data)
    with pytest.raises(RuntimeError):
        net.backward()
    with pytest.raises(TypeError, match="predict_proba"):
        net.predict_proba(data[0])


@pytest.mark.parametrize("kind", REFUSED)
def test_inputs_that_are_not_of_real_numbers(net, kind):
    for call in (
        net.predict,
        net.predict_proba,
        lambda x: net.forward(x, [0, 1]),
        lambda x: net.evaluate(x, [0, 1]),
    ):
        with pytest.raises(TypeError, match=r"^x has dtype"):
            call(REFUSED[kind])


@pytest.mark.parametrize("shape", [(6, 2), (6, 4), (2,), (6, 3, 2), (6, 0)])
def test_wrong_feature_counts(net, shape):
    for call in (net.predict, lambda x: net.forward(x, np.zeros(6, int))):
        with pytest.raises(ValueError, match=r"^x has shape .*wanted 3"):
            call(np.zeros(shape))


def test_scalars(net):
    for call in (net.predict, lambda x: net.forward(x, 0)):
        with pytest.raises(ValueError, match=r"^x has shape \(\)"):
            call(1.0)


@pytest.mark.parametrize("call", ["forward", "evaluate"])
def test_empty_batches(net, call):
    with pytest.raises(ValueError, match=r"^x has shape \(0, 3\)"):
        getattr(net, call)(np.zeros((0, 3)), np.zeros(0, int))


@pytest.mark.parametrize("call", ["forward", "evaluate"])
def test_mismatched_lengths(net, data, call):
    with pytest.raises(ValueError, match=r"^t has shape \(5,\)"):
        getattr(net, call)(data[0], data[1][:5])


# check_finite ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_check_finite_names_the_first_place(make_net, data, bad):
    net, (x, t) = make_net(check_finite=True), data
    x = x.copy()
    x[4, 2] = x[4, 1] = bad
    for call in (
        net.predict,
        net.predict_proba,
        lambda a: net.forward(a, t),
        lambda a: net.evaluate(a, t),
        lambda a: net.fit(a, t, epochs=1),
    ):
        with pytest.raises(ValueError, match=rf"x\[4, 1\] is {bad}"):
            call(x)


def test_check_finite_names_the_place_in_later_blocks(make_net):
    net = make_net(check_finite=True)
    x = np.zeros((2500, 3))
    x[2100, 1] = np.nan
    with pytest.raises(ValueError, match=r"x\[2100, 1\] is nan"):
        net.predict(x)


@pytest.mark.parametrize("dtype", COMPUTED_IN)
def test_check_finite_takes_every_dtype(make_net, dtype):
    assert make_net(check_finite=True).predict(draw(dtype, (2, 3))).shape == (2, 2)


def test_without_check_finite_nan_passes_through(net):
    x = np.zeros((2, 3))
    x[1, 0] = np.nan
    y = net.predict(x)
    assert np.isfinite(y[0]).all()
    assert np.isnan(y[1]).all()


# input_scale -------------------------------------------------------------------------------------


def test_input_scale_applies_alike_everywhere(make_net):
    images, t = draw("uint8", (8, 3)) * np.uint8(51), np.arange(8) % 2
    plain, scaled = make_net(), make_net(input_scale=1 / 255)
    x = images.astype(np.float64) * (1 / 255)
    np.testing.assert_array_equal(scaled.predict(images), plain.predict(x))
    np.testing.assert_array_equal(scaled.predict_proba(images), plain.predict_proba(x))
    assert scaled.forward(images, t) == plain.forward(x, t)
    assert scaled.evaluate(images, t) == plain.evaluate(x, t)
    history = scaled.fit(images, t, epochs=3, batch_size=3, validation_data=(images, t))
    expected = plain.fit(x, t, epochs=3, batch_size=3, validation_data=(x, t))
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert history[name] == expected[name]
    np.testing.assert_array_equal(scaled.params.flat, plain.params.flat)


def test_uint8_is_read_as_0_to_255_without_a_scale(net):
    images = np.array([[0, 128, 255]], np.uint8)
    np.testing.assert_array_equal(net.predict(images), net.predict([[0.0, 128.0, 255.0]]))


def test_input_scale_never_changes_the_callers_array(make_net, data):
    net, (x, t) = make_net(input_scale=0.5), data
    before = x.copy()
    net.forward(x, t)
    net.backward(need_dx=True)
    net.predict(x)
    np.testing.assert_array_equal(x, before)


def test_input_scale_keeps_float32_in_float32(make_net):
    net = make_net("float32", input_scale=np.float64(1 / 255))
    assert net.predict(np.ones((2, 3), np.float32)).dtype == np.float32


def test_dx_stands_after_the_scale(make_net, data):
    scaled, plain = make_net(input_scale=0.5), make_net()
    scaled.forward(2 * data[0], data[1])
    plain.forward(*data)
    np.testing.assert_array_equal(scaled.backward(need_dx=True), plain.backward(need_dx=True))


# A gradient check of the whole -------------------------------------------------------------------


@pytest.mark.parametrize(
    "loss", [an.SoftmaxWithLoss(), an.MeanSquaredError(), an.SumSquaredError()]
)
def test_gradients_by_central_differences(make_net, data, loss):
    net = make_net(loss=copy.deepcopy(loss))
    x = data[0]
    t = data[1] if isinstance(loss, an.SoftmaxWithLoss) else draw("float64", (6, 2), 1)
    net.forward(x, t)
    net.backward()
    flat, grads = net.params.flat, net.grads.flat.copy()
    for place in range(flat.size):
        kept, values = flat[place], []
        for h in (1e-5, -1e-5):
            flat[place] = kept + h
            values.append(net.forward(x, t))
        flat[place] = kept
        assert (values[0] - values[1]) / 2e-5 == pytest.approx(grads[place], rel=1e-6, abs=1e-9)
