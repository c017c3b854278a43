"""gradient_check at kinks and near them."""

from __future__ import annotations

import numpy as np
import pytest

import affinet as an
from affinet.gradcheck import gradient_check
from hand_written import SpoiledAffine, normal, scaled


@pytest.mark.parametrize("layer", [an.ReLU(), an.LeakyReLU(0.3)])
def test_elements_exactly_at_a_kink_are_told_and_not_failed(layer):
    x = normal(4, 5)
    x[0, 0] = x[2, 3] = 0.0
    x[3, 4] = -0.0
    report = gradient_check(layer, x)
    assert report.passed, str(report)
    (check,) = report.checks
    assert (check.compared, check.kinks) == (17, 3)
    assert len(check.direction_errors) == 3  # they leave the kinks out
    assert "17 of 20      3" in str(report)


@pytest.mark.parametrize("loss", [an.MeanAbsoluteError(), an.Quantile(0.2)])
def test_outputs_exactly_on_their_targets_are_told_and_not_failed(loss):
    x, t = normal(4, 5), normal(4, 5, seed=1)
    x[0, 0], x[2, 3] = t[0, 0], t[2, 3]
    report = gradient_check(loss, x, t)
    assert report.passed, str(report)
    (check,) = report.checks
    assert (check.compared, check.kinks) == (18, 2)


def test_the_joints_of_huber_are_no_kinks_of_its_value():
    """There the slope is continuous and only bends."""
    t = normal(4, 5)
    x = t + np.where(normal(4, 5, seed=1) > 0, 0.5, -0.5)
    assert gradient_check(an.Huber(0.5), x, t).worst is not None


@pytest.mark.parametrize("distance", [1e-2, 1e-3, 1e-5, 1e-7])
def test_wrong_gradient_near_a_kink_is_not_excused(distance):
    class LateReLU(an.ReLU):
        def backward(self, dout):
            dx = super().backward(dout)
            dx[np.abs(self._needed) <= 1.5 * distance] = 0.0
            return dx

    x = np.abs(normal(4, 5)) + 0.1
    assert gradient_check(LateReLU(), x)
    x[1, 2] = distance
    assert gradient_check(an.ReLU(), x)
    report = gradient_check(LateReLU(), x)
    assert not report
    assert report.worst is not None
    assert report.worst.index == (1, 2)


def test_array_that_lies_wholly_at_kinks_does_not_pass():
    report = gradient_check(an.ReLU(), np.zeros((3, 4)))
    assert not report
    assert report.checks[0].kinks == 12
    assert "nothing could be compared" in str(report)


def test_parameters_at_kinks_are_nudged_and_the_report_says_so():
    def network(spoil):
        return an.Sequential(
            SpoiledAffine(np.zeros((3, 4)), np.zeros(4), spoil),
            an.ReLU(),
            an.Affine(normal(4, 2), np.zeros(2)),
            loss=an.MeanSquaredError(),
        )

    x, t = normal(5, 3), normal(5, 2, seed=1)
    net = network(lambda layer, dx: None)
    report = gradient_check(net, x, t)
    assert report.passed, str(report)
    assert report.notes[0].startswith("0.W, 0.b: among kinks")
    assert not net.layers[0].W.any()
    report = gradient_check(network(scaled("b", 1.001)), x, t)
    assert [c.name for c in report.checks if not c.passed(report.tolerance)] == ["0.b"]


def test_kinks_that_cancel_do_not_fail_a_right_gradient():
    """relu(b) - relu(-b) is b, whose slope is 1; backpropagation gives 0 where b is 0."""
    net = an.Sequential(
        an.Affine(np.zeros((2, 3)), np.zeros(3)),
        an.Affine(np.hstack([np.eye(3), -np.eye(3)]), np.zeros(6)),
        an.ReLU(),
        an.Affine(np.vstack([np.eye(3), -np.eye(3)]), np.zeros(3)),
        an.ReLU(),
        loss=an.SumSquaredError(),
    )
    x, t = normal(4, 2), np.abs(normal(4, 3, seed=1))
    report = gradient_check(net, x, t)
    assert report.passed, str(report)
    assert report.notes


def test_large_relu_network_passes():
    net = an.Sequential(
        an.Affine.init(64, 100, rng=0),
        an.ReLU(),
        an.Affine.init(100, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )
    rng = np.random.default_rng(0)
    report = gradient_check(net, rng.standard_normal((200, 64)), rng.integers(0, 10, 200))
    assert report.passed, str(report)  # thousands of kinks lie within the first step
    assert all(check.direction_errors for check in report.checks)
