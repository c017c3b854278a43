from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affinet.datasets import spiral, two_moons, xor


def test_defaults() -> None:
    x, t = spiral()
    assert x.shape == (300, 2)
    assert x.dtype == np.float32
    assert t.dtype == np.int64
    assert t.tolist() == [0] * 100 + [1] * 100 + [2] * 100
    assert x.flags.c_contiguous


def test_clean_arms_follow_the_formula() -> None:
    x, t = spiral(50, 4, noise=0)
    for row in range(200):
        radius = (row % 50 + 1) / 50
        angle = 2 * math.pi * (row // 50) / 4 + 4 * radius
        expected = [radius * math.sin(angle), radius * math.cos(angle)]
        np.testing.assert_allclose(x[row], expected, rtol=0, atol=1e-7)
        assert t[row] == row // 50


def test_noise_turns_points_and_keeps_their_radius() -> None:
    clean, noisy = spiral(noise=0)[0], spiral(noise=0.2)[0]
    assert not np.array_equal(clean, noisy)
    np.testing.assert_allclose(np.hypot(*noisy.T), np.hypot(*clean.T), rtol=1e-6)


def test_noise_is_an_angles_standard_deviation() -> None:
    clean, noisy = (spiral(5000, 2, noise=noise)[0].astype(float) for noise in (0, 0.1))
    turn = np.arctan2(*noisy.T) - np.arctan2(*clean.T)
    turn = (turn + math.pi) % (2 * math.pi) - math.pi
    assert abs(turn.mean()) < 0.005
    assert abs(turn.std() - 0.1) < 0.005


def test_seed_repeats() -> None:
    np.testing.assert_array_equal(spiral(rng=3)[0], spiral(rng=3)[0])
    assert not np.array_equal(spiral(rng=3)[0], spiral(rng=4)[0])
    np.testing.assert_array_equal(spiral(rng=np.int64(3))[0], spiral(rng=3)[0])  # type: ignore[arg-type]


def test_generator_is_used_and_advances() -> None:
    generator = np.random.default_rng(3)
    np.testing.assert_array_equal(spiral(rng=generator)[0], spiral(rng=3)[0])
    assert not np.array_equal(spiral(rng=generator)[0], spiral(rng=3)[0])


def test_global_random_state_is_left_alone() -> None:
    before = pickle.dumps(np.random.get_state())  # noqa: NPY002
    spiral()
    assert pickle.dumps(np.random.get_state()) == before  # noqa: NPY002


@given(n=st.integers(1, 30), classes=st.integers(1, 8), noise=st.floats(0, 10))
def test_any_size(n: int, classes: int, noise: float) -> None:
    x, t = spiral(n, classes, noise)
    assert x.shape == (n * classes, 2)
    assert np.bincount(t).tolist() == [n] * classes
    assert np.isfinite(x).all()
    assert (np.hypot(*x.T) <= 1 + 1e-6).all()


@pytest.mark.parametrize("name", ["n_per_class", "n_classes"])
class TestCounts:
    @pytest.mark.parametrize("value", [0, -1, np.int64(-7)])
    def test_too_small(self, name: str, value: Any) -> None:
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got {value}"):
            spiral(**{name: value})

    @pytest.mark.parametrize("value", [2.0, "3", None, True, np.True_])
    def test_kind(self, name: str, value: Any) -> None:
        with pytest.raises(TypeError, match=f"{name} must be an integer, got"):
            spiral(**{name: value})


@pytest.mark.parametrize("noise", [-0.1, math.nan, math.inf])
def test_noise_out_of_range(noise: float) -> None:
    with pytest.raises(ValueError, match=f"noise must be finite and not negative, got {noise}"):
        spiral(noise=noise)


@pytest.mark.parametrize("noise", ["0.2", b"1", None, [0.1], 1j])
def test_noise_kind(noise: Any) -> None:
    with pytest.raises(TypeError, match="noise must be a number, got"):
        spiral(noise=noise)


@pytest.mark.parametrize("rng", [None, "0", 1.0, True, np.random])
def test_rng_kind(rng: Any) -> None:
    with pytest.raises(TypeError, match=r"rng must be an int or a numpy\.random\.Generator"):
        spiral(rng=rng)


def test_negative_seed() -> None:
    with pytest.raises(ValueError, match="rng must be at least 0 as a seed, got -1"):
        spiral(rng=-1)


def test_xor_has_its_classes_at_the_corners() -> None:
    x, t = xor(3, noise=0)
    assert (x.dtype, t.dtype) == (np.float32, np.int64)
    assert x[::3].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert t.tolist() == [0] * 3 + [1] * 6 + [0] * 3
    assert (t == (x[:, 0] != x[:, 1])).all()


def test_two_moons_are_half_circles() -> None:
    x, t = two_moons(50, noise=0)
    assert (x.dtype, t.dtype) == (np.float32, np.int64)
    assert t.tolist() == [0] * 50 + [1] * 50
    centres = np.array([[0.0, 0.0], [1.0, 0.5]])[t]
    np.testing.assert_allclose(np.hypot(*(x - centres).T), 1, rtol=0, atol=1e-6)
    assert (x[:50, 1] >= -1e-6).all()
    assert (x[50:, 1] <= 0.5 + 1e-6).all()


@pytest.mark.parametrize("make", [xor, two_moons])
def test_noise_of_points_is_a_standard_deviation_in_each_direction(make: Any) -> None:
    noise = make(3000, noise=0.2)[0].astype(float) - make(3000, noise=0)[0]
    assert (np.abs(noise.std(axis=0) - 0.2) < 0.01).all()
    assert (np.abs(noise.mean(axis=0)) < 0.02).all()
    np.testing.assert_array_equal(make(5, rng=3)[0], make(5, rng=np.random.default_rng(3))[0])
    assert not np.array_equal(make(5, rng=3)[0], make(5, rng=4)[0])


@pytest.mark.parametrize(("make", "count"), [(xor, "n_per_corner"), (two_moons, "n_per_class")])
def test_what_makes_no_points_is_refused(make: Any, count: str) -> None:
    with pytest.raises(ValueError, match=f"{count} must be at least 1, got 0"):
        make(0)
    with pytest.raises(ValueError, match="noise must be finite and not negative"):
        make(noise=-1)
    with pytest.raises(TypeError, match="rng must be an int"):
        make(rng=None)
