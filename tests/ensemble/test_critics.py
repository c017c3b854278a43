"""The example in docs/examples: an ensemble of critics learns a control task."""

import runpy
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "critics_pendulum.py"


@pytest.fixture(scope="module")
def example():
    return runpy.run_path(str(EXAMPLE))


def test_the_pendulum_is_swung_up(example):
    means = example["learn"](episodes=7, seed=2)
    assert np.mean(means[:2]) < -0.3
    assert means[-1] > -0.1


def test_the_same_seed_learns_the_same(example, monkeypatch):
    monkeypatch.setitem(example["learn"].__globals__, "EPISODE", 16)
    one, other = (example["learn"](episodes=2, seed=3) for _ in range(2))
    assert one == other
    assert one != example["learn"](episodes=2, seed=4)


def test_the_equations_are_those_of_a_rod(example, monkeypatch):
    scope = example["move"].__globals__
    gravity, mass, length = scope["GRAVITY"], scope["MASS"], scope["LENGTH"]
    angle, speed = np.array([np.pi, 0.0]), np.zeros(2)
    turned, moving, reward = example["move"](angle, speed, np.zeros(2))
    np.testing.assert_allclose(turned, angle)  # hanging and upright are at rest
    np.testing.assert_allclose(moving, 0, atol=1e-12)
    assert reward[0] < reward[1] == 0
    assert scope["TORQUES"].max() < mass * gravity * length / 2  # it cannot be lifted at once

    monkeypatch.setitem(scope, "STEP", 1e-5)

    def energy(angle, speed):
        return mass * length**2 / 6 * speed**2 + mass * gravity * length / 2 * np.cos(angle)

    angle, speed = np.array([0.3]), np.array([0.5])
    first = energy(angle, speed)
    for _ in range(20_000):
        angle, speed, _ = example["move"](angle, speed, np.zeros(1))
    assert angle[0] > 0.5
    np.testing.assert_allclose(energy(angle, speed), first, rtol=1e-4)
