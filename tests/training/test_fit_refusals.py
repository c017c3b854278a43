"""fit refuses wrong options and data before it changes anything."""

import numpy as np
import pytest

import affinet as an
from array_forms import REFUSED


def refused(net, error, match, x, t, **options):
    before, history, grads = net.params.flat.copy(), net.history, net.grads.flat.copy()
    with pytest.raises(error, match=match):
        net.fit(x, t, **options)
    np.testing.assert_array_equal(net.params.flat, before)
    np.testing.assert_array_equal(net.grads.flat, grads)
    assert net.history is history
    net.predict(np.ones((1, 4)))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"epochs": 0}, ValueError, "epochs"),
        ({"epochs": -1}, ValueError, "epochs"),
        ({"epochs": 1.5}, TypeError, "epochs"),
        ({"epochs": True}, TypeError, "epochs"),
        ({"epochs": False}, TypeError, "epochs"),
        ({"epochs": "3"}, TypeError, "epochs"),
        ({"steps": 0}, ValueError, "steps"),
        ({"steps": 2.0}, TypeError, "steps"),
        ({"epochs": 1, "steps": 1}, ValueError, "epochs and steps"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"batch_size": -5}, ValueError, "batch_size"),
        ({"batch_size": 2.5}, TypeError, "batch_size"),
        ({"batch_size": None}, TypeError, "batch_size"),
        ({"seed": -1}, ValueError, "seed"),
        ({"seed": None}, TypeError, "seed"),
        ({"seed": 0.5}, TypeError, "seed"),
        ({"optimizer": "adam"}, TypeError, "optimizer"),
        ({"optimizer": an.Adam}, TypeError, "optimizer"),
        ({"optimizer": 0.1}, TypeError, "optimizer"),
        ({"callbacks": None}, TypeError, "callbacks"),
        ({"callbacks": [None]}, TypeError, "callbacks"),
        ({"callbacks": ["stop"]}, TypeError, "callbacks"),
        ({"callbacks": print}, TypeError, "callbacks"),
        (
            {"validation_data": (np.ones((2, 3)), [0, 1])},
            ValueError,
            r"^validation_data: x has shape \(2, 3\): 3 numbers a row, wanted 4$",
        ),
        ({"validation_data": (np.ones((2, 4)), [0])}, ValueError, "validation_data: t"),
        ({"validation_data": (np.ones((2, 4)), [0, 3])}, ValueError, r"validation_data: t\[1\]"),
        ({"validation_data": (np.ones((2, 4)), [0, 1.5])}, TypeError, "validation_data: t"),
        ({"validation_data": (np.ones((0, 4)), [])}, ValueError, "validation_data: x"),
        ({"validation_data": np.ones((2, 4))}, (TypeError, ValueError), "validation_data"),
        ({"validation_data": (np.ones((2, 4)),)}, (TypeError, ValueError), "validation_data"),
        ({"validation_data": 5}, (TypeError, ValueError), "validation_data"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_options(net, data, options, error, match):
    refused(net, error, match, *data, **{"epochs": None} | options)


@pytest.mark.parametrize("t_value", [-1, 3, 255, -(2**40)])
def test_a_label_out_of_range_in_the_last_row(net, data, t_value):
    t = data[1].copy()
    t[22] = t_value
    refused(net, ValueError, rf"t\[22\] is {t_value}.*0\.\.2", data[0], t)


@pytest.mark.parametrize(
    ("targets", "error"),
    [
        (np.zeros(23), TypeError),
        (np.zeros(22, int), ValueError),
        (np.zeros((23, 2)), ValueError),
        (np.zeros((23, 1), int), ValueError),
        (np.zeros((23, 3, 1)), ValueError),
        (np.zeros((0,), int), ValueError),
        (0, ValueError),
        (np.full(23, "0"), TypeError),
        (np.zeros(23, object), TypeError),
        (None, TypeError),
    ],
)
def test_targets(net, data, targets, error):
    refused(net, error, r"^t\b", data[0], targets)


@pytest.mark.parametrize("shape", [(0, 4), (23, 3), (23, 5), (23,), (), (23, 4, 2)])
def test_inputs_of_a_wrong_shape(net, data, shape):
    refused(net, ValueError, r"\b[xt] has shape", np.zeros(shape), data[1])


@pytest.mark.parametrize("kind", REFUSED)
def test_inputs_that_are_not_of_real_numbers(net, kind):
    refused(net, TypeError, r"^x has dtype", REFUSED[kind], [0, 1])


@pytest.mark.parametrize("t_shape", [(23,), (23, 2), (23, 1), (23, 3, 1), (22, 3)])
def test_targets_of_a_loss_by_elements(make_net, data, t_shape):
    net = make_net(loss=an.MeanSquaredError())
    refused(net, ValueError, r"^t has shape", data[0], np.zeros(t_shape))


@pytest.mark.parametrize("t_shape", [(23,), (23, 2), (23, 1)])
def test_validation_targets_of_a_loss_by_elements(make_net, data, t_shape):
    net = make_net(loss=an.MeanSquaredError())
    refused(
        net, ValueError, r"^validation_data: t has shape", data[0], np.zeros((23, 3)),
        validation_data=(data[0], np.zeros(t_shape)),
    )  # fmt: skip


def test_a_column_of_outputs_takes_a_row_of_targets(data):
    net = an.Sequential(an.Affine.init(4, 1, rng=0), loss=an.MeanSquaredError())
    assert len(net.fit(data[0], data[1], epochs=2, validation_data=data)["val_loss"]) == 2
