"""SigmoidWithLoss: values and targets."""

import math

import numpy as np
import pytest

import affinet as an
from array_forms import draw
from loss_rows import double, every_elementwise


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [0.0, 1e-3, 1.0, 30.0, 88.0, 700.0, 1e4, 1e30])
def test_sigmoid_of_any_size(dtype, size):
    """A wrong answer costs its logit, a right one exp(-logit); neither overflows."""
    x = np.array([[size], [size], [-size], [-size]], dtype)
    loss = an.SigmoidWithLoss()
    value = loss.forward(x, [1, 0, 0, 1])
    right = math.log1p(math.exp(-float(x[0, 0])))
    assert value == pytest.approx((2 * right + float(x[0, 0])) / 2, rel=1e-15)
    slope = math.exp(-float(x[0, 0])) / (1 + math.exp(-float(x[0, 0])))
    wanted = np.array([[-slope], [1 - slope], [slope], [slope - 1]]) / 4
    np.testing.assert_allclose(loss.backward(), wanted, rtol=2e-7, atol=np.finfo(dtype).tiny)


def test_small_sigmoid_losses_are_exact():
    loss = an.SigmoidWithLoss()
    value = loss.forward(np.array([[40.0]]), [1])
    assert value == pytest.approx(math.exp(-40), rel=1e-12, abs=0)
    assert loss.backward()[0, 0] == pytest.approx(-math.exp(-40), rel=1e-12, abs=0)


def test_infinite_logits_of_sure_answers_cost_nothing():
    loss = an.SigmoidWithLoss()
    assert loss.forward(np.array([[np.inf, -np.inf]]), [[1, 0]]) == 0
    assert not loss.backward().any()
    assert loss.forward(np.array([[np.inf]]), [[0.5]]) == np.inf


def test_one_sigmoid_is_a_softmax_of_two():
    x, t = draw("float64", (6, 1)), np.array([0, 1, 1, 0, 1, 0])
    one, two = an.SigmoidWithLoss(), an.SoftmaxWithLoss()
    pair = np.hstack([np.zeros((6, 1)), x])
    assert one.forward(x, t) == pytest.approx(two.forward(pair, t), rel=1e-14)
    np.testing.assert_allclose(one.backward()[:, 0], two.backward()[:, 1], atol=1e-16)
    np.testing.assert_allclose(one.probabilities(x)[:, 0], two.y[:, 1], atol=1e-15)


def test_several_labels_add_up():
    x, t = draw("float64", (5, 3)), draw("bool", (5, 3))
    loss = an.SigmoidWithLoss()
    parts = [loss.forward(x[:, [j]], t[:, j]) for j in range(3)]
    assert loss.forward(x, t) == pytest.approx(sum(parts), rel=1e-14)


@pytest.mark.parametrize("shape", [(3,), (0, 2), (4, 2)])
def test_sigmoid_probabilities_keep_their_shape(shape):
    x = draw("float32", shape)
    y = an.SigmoidWithLoss().probabilities(x)
    assert y.shape == shape
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-double(x))), rtol=1e-6)


@pytest.mark.parametrize(
    ("loss", "bad", "wanted"),
    [
        (an.SigmoidWithLoss(), 1.5, "0 <= t <= 1"),
        (an.SigmoidWithLoss(), -0.1, "0 <= t <= 1"),
        (an.SigmoidWithLoss(), 2, "0 <= t <= 1"),
        (an.Poisson(), -1, "t >= 0"),
        (an.Poisson(), -np.inf, "t >= 0"),
    ],
)
def test_targets_out_of_range(loss, bad, wanted):
    t = np.zeros((3, 2))
    t[1, 1] = t[2, 0] = bad
    for door in (
        lambda: loss.forward(np.zeros((3, 2)), t),
        lambda: an.Sequential(an.Affine.init(2, 2, rng=0), loss=loss).fit(np.zeros((3, 2)), t),
        lambda: an.Sequential(an.Affine.init(2, 2, rng=0), loss=loss).evaluate(np.zeros((3, 2)), t),
    ):
        with pytest.raises(ValueError, match=rf"t\[1, 1\] is {float(bad)}, wanted {wanted}"):
            door()


@every_elementwise
def test_a_target_of_nan_is_not_hidden(make, expected):
    loss, t = make(), np.zeros((3, 2))
    t[1, 1] = np.nan
    assert math.isnan(loss.forward(np.zeros((3, 2)), t))
    np.testing.assert_array_equal(np.isnan(loss.backward()), np.isnan(t))
