"""Derivatives from function values alone: kinks are noticed or avoided, noise is measured."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affinet.gradcheck.derivative import along_element, extrapolated_derivative, rounding_noise

EPS = float(np.finfo(np.float64).eps)


def derivative_at(f, x, h=2.0**-7, tolerance=1e-6):
    array = np.array([float(x)])
    centre = f(array[0])
    along = along_element(lambda: f(array[0]), array, (0,))
    return extrapolated_derivative(along, centre, h, EPS * max(abs(centre), 1e-3), tolerance)


@pytest.mark.parametrize(
    ("f", "x", "wanted"),
    [
        (math.exp, 1.0, math.e),
        (math.sin, 100.0, math.cos(100.0)),
        (lambda x: math.sin(300 * x), 0.1, 300 * math.cos(30.0)),  # far from straight over h
        (lambda x: x**4, 0.0, 0.0),
        (lambda x: max(x, 0.0) ** 2, 0.0, 0.0),  # its slope has no jump
        (lambda x: max(x, 0.0) ** 2 / 2 - x, 1e-4, 1e-4 - 1.0),
        (lambda x: 0.0, 0.3, 0.0),
    ],
)
def test_derivative_of_smooth_functions(f, x, wanted):
    found = derivative_at(f, x)
    assert found is not None
    assert abs(found.value - wanted) <= max(1e-6 * abs(wanted), found.noise)


@pytest.mark.parametrize(
    "f",
    [
        abs,
        lambda x: max(x, 0.0),
        lambda x: x if x > 0 else 0.01 * x,
        lambda x: x + 1e-3 * abs(x),
        lambda x: float(x > 0),
        lambda x: float(x >= 0),
        lambda x: math.sqrt(abs(x)),
        lambda x: math.inf if x > 0 else 0.0,
    ],
)
def test_kink_or_jump_at_the_very_place_is_noticed(f):
    assert derivative_at(f, 0.0) is None


@given(
    distance=st.floats(-7, -1).map(lambda e: 10.0**e),
    side=st.sampled_from([-1.0, 1.0]),
    left=st.floats(-2, 2),
    right=st.floats(-2, 2),
)
def test_kink_nearby_does_not_falsify(distance, side, left, right):
    def f(x):
        return 1.0 + (right if x > 0 else left) * x

    found = derivative_at(f, side * distance)
    wanted = right if side > 0 else left
    if found is None:  # the noise of steps that fit on this side of the kink is too large
        assert 100 * EPS / distance > 1e-6 * max(abs(left), abs(right))
    else:
        assert abs(found.value - wanted) <= max(1e-6 * abs(wanted), found.noise)
        assert found.noise <= 100 * EPS / distance + 1e-11


@given(st.lists(st.tuples(st.floats(-0.01, 0.01), st.floats(-1, 1)), min_size=2, max_size=6))
def test_several_kinks_do_not_falsify(kinks):
    def f(x):
        return 1.0 + x + sum(jump * max(0.0, x - place) for place, jump in kinks)

    found = derivative_at(f, 0.0)
    lower = 1.0 + sum(min(j, 0.0) for p, j in kinks if p == 0) + sum(j for p, j in kinks if p < 0)
    upper = 1.0 + sum(max(j, 0.0) for p, j in kinks if p == 0) + sum(j for p, j in kinks if p < 0)
    nearest = min((abs(p) for p, _ in kinks), default=1.0)
    if found is None:
        assert nearest < 1e-6
    elif nearest > 1e-6:
        slack = max(1e-6 * abs(lower), found.noise)
        assert lower - slack <= found.value <= upper + slack


@pytest.mark.parametrize("amount", [1e-12, 1e-8])
def test_rounding_noise_is_measured(amount):
    rng = np.random.default_rng(0)
    x = np.array([0.3, -2.0, 1e3])
    before = x.copy()
    found = rounding_noise(lambda: np.sin(x).sum() + amount * rng.standard_normal(), [x], rng)
    assert 0.3 * amount < found < 3 * amount
    assert np.array_equal(x, before)


def test_rounding_noise_ignores_a_kink_at_the_place_itself():
    x = np.zeros(1)
    found = rounding_noise(lambda: 1.0 + max(x[0], 0.0), [x], np.random.default_rng(0))
    assert found < 10 * EPS


def test_a_step_that_is_lost_in_rounding_gives_no_derivative():
    """At 1e300 a step of 2^-7 moves nothing: there is no slope to be measured."""
    assert derivative_at(lambda x: x, 1e300) is None
