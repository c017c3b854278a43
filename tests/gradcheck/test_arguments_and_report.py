"""Arguments of gradient_check, and its report."""

from __future__ import annotations

import math

import numpy as np
import pytest

import affinet as an
from affinet.gradcheck import GradientReport, gradient_check
from hand_written import SpoiledAffine, normal, scaled


@pytest.mark.parametrize("thing", [an.ReLU, None, 3, object()])
def test_things_without_forward_and_backward_are_refused(thing):
    with pytest.raises(TypeError, match=r"^net_or_layer is"):
        gradient_check(thing, normal(2, 2))


def test_targets_missing_or_superfluous():
    net = an.Sequential(an.Affine.init(3, 2, rng=0), loss=an.SoftmaxWithLoss())
    for thing in (net, an.SoftmaxWithLoss()):
        with pytest.raises(ValueError, match="t is None, wanted targets"):
            gradient_check(thing, normal(2, 3))
    with pytest.raises(ValueError, match="t came with the single layer ReLU"):
        gradient_check(an.ReLU(), normal(2, 3), [0, 1])
    with pytest.raises(ValueError, match="without a loss"):
        gradient_check(an.Sequential(an.ReLU()), normal(2, 3), [0, 1])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"tolerance": 0.0}, ValueError),
        ({"tolerance": "1"}, TypeError),
        ({"h": 0.0}, ValueError),
        ({"h": math.inf}, ValueError),
        ({"samples": 0}, ValueError),
        ({"samples": 1.5}, TypeError),
        ({"directions": -1}, ValueError),
        ({"rng": "seed"}, TypeError),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, error):
    (name,) = arguments
    with pytest.raises(error, match=f"^{name} is"):
        gradient_check(an.ReLU(), normal(2, 2), **arguments)


def test_input_has_to_be_numbers():
    with pytest.raises(TypeError, match=r"^x has dtype"):
        gradient_check(an.ReLU(), np.array(["a"]))


def test_tolerance_decides():
    layer = SpoiledAffine(normal(5, 5), normal(5), scaled("W", 1.001))
    assert not gradient_check(layer, normal(6, 5), tolerance=5e-4)
    assert gradient_check(layer, normal(6, 5), tolerance=2e-3)


def test_report_reads_well():
    report = gradient_check(an.Affine.init(3, 2, rng=0), normal(4, 3))
    lines = str(report).splitlines()
    assert lines[0] == "gradient check passed (tolerance 1e-06)"
    assert lines[1].split() == ["array", "compared", "kinks", "max", "error", "directions", "kinks"]
    assert [line.split()[0] for line in lines[2:5]] == ["W", "b", "x"]
    assert lines[5].startswith("worst: ")
    assert isinstance(report, GradientReport)
    assert bool(report) is report.passed is True
    assert report.worst is not None
    assert report.worst.error == max(check.worst.error for check in report.checks)
