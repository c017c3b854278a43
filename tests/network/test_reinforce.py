"""The example in docs/examples: any gradient of the outputs, in a policy that learns."""

import runpy
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "reinforce_cartpole.py"


@pytest.fixture(scope="module")
def example():
    return runpy.run_path(str(EXAMPLE))


def test_the_pole_stands_longer_and_longer(example):
    means = example["learn"](iterations=40, seed=1)
    assert np.mean(means[:2]) < 40
    assert np.mean(means[-3:]) > 150


def test_the_same_seed_learns_the_same(example):
    assert example["learn"](iterations=3, seed=2) == example["learn"](iterations=3, seed=2)
    assert example["learn"](iterations=3, seed=2) != example["learn"](iterations=3, seed=3)


def test_the_pole_falls_to_the_side_that_it_leans_to(example):
    """A leaning pole turns further; a push to the right moves the cart right and the pole left."""
    move = example["move"]
    _, _, _, omega = move(np.array([[0.0, 0.0, 0.1, 0.0]]), np.array([True]))[0]
    _, speed, _, turn = move(np.zeros((1, 4)), np.array([True]))[0]
    assert speed > 0 > turn
    mirrored = move(np.array([[0.0, 0.0, -0.1, 0.0]]), np.array([False]))[0]
    assert mirrored[3] == pytest.approx(-omega)
    states = np.array([[0.0, 0.0, 0.1, 0.0], [2.5, 0, 0, 0], [0, 0, 0.3, 0]])
    assert example["has_fallen"](states).tolist() == [False, True, True]


def test_small_steps_keep_the_energy(example, monkeypatch):
    """Without force the pendulum's energy is constant; the equations are those of a rigid rod."""
    scope = example["move"].__globals__
    monkeypatch.setitem(scope, "FORCE", 0.0)
    monkeypatch.setitem(scope, "STEP", 1e-5)
    cart, pole, half = scope["CART"], scope["POLE"], scope["HALF_LENGTH"]

    def energy(state):
        _, v, angle, omega = state
        rod = 0.5 * pole * half**2 * (4 / 3) * omega**2
        moving = 0.5 * (cart + pole) * v**2 + pole * half * omega * v * np.cos(angle) + rod
        return moving + pole * scope["GRAVITY"] * half * np.cos(angle)

    state = np.array([[0.0, 0.3, 0.2, 0.5]])
    first = energy(state[0])
    for _ in range(20_000):
        state = example["move"](state, np.array([True]))
    assert abs(state[0, 2] - 0.2) > 0.1  # it did move
    assert energy(state[0]) == pytest.approx(first, rel=1e-4)
