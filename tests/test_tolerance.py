"""The tolerance helper accepts rounding errors and nothing else."""

import numpy as np
import pytest

from tolerance import assert_close, gamma, rounding_bound

DTYPES = [np.float32, np.float64]


def product(dtype, length=300, seed=0):
    """A matrix product in ``dtype``, the same in float64, and the sum of its terms' sizes."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((20, length)).astype(dtype)
    B = rng.standard_normal((length, 500)).astype(dtype)
    exact = A.astype(np.float64) @ B.astype(np.float64)
    return A @ B, exact, np.abs(A).astype(np.float64) @ np.abs(B).astype(np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
def test_honest_rounding_passes(dtype):
    actual, exact, scale = product(dtype)
    assert_close(actual, exact, reduction=300, scale=scale)


@pytest.mark.parametrize("dtype", DTYPES)
def test_terms_added_one_by_one_pass(dtype):
    terms = np.random.default_rng(1).standard_normal(5000).astype(dtype)
    total = dtype(0)
    for term in terms:
        total += term
    exact = terms.astype(np.float64).sum()
    assert_close(total, exact, reduction=5000, scale=np.abs(terms).sum(dtype=np.float64))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_flipped_sign_fails(dtype):
    actual, exact, scale = product(dtype)
    with pytest.raises(AssertionError, match="elements wrong"):
        assert_close(-actual, exact, reduction=300, scale=scale)


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_flipped_sign_fails(dtype):
    actual, exact, scale = product(dtype)
    actual[7, 11] *= -1
    with pytest.raises(AssertionError, match=r"1 of 10000 elements wrong, worst at \(7, 11\)"):
        assert_close(actual, exact, reduction=300, scale=scale)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_relative_error_of_a_thousandth_fails(dtype):
    exact = np.random.default_rng(2).standard_normal(100)
    with pytest.raises(AssertionError, match="100 of 100 elements wrong"):
        assert_close((exact * 1.001).astype(dtype), exact)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_thousandth_of_the_terms_size_fails_after_a_reduction(dtype):
    actual, exact, scale = product(dtype)
    with pytest.raises(AssertionError, match="10000 of 10000 elements wrong"):
        assert_close((actual + 1e-3 * scale).astype(dtype), exact, reduction=300, scale=scale)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_missing_last_term_fails(dtype):
    A, B = np.ones((1, 300), dtype), np.ones((300, 1), dtype)
    exact = np.array([[300.0]])
    assert_close(A @ B, exact, reduction=300, scale=exact)
    with pytest.raises(AssertionError):
        assert_close(A[:, :-1] @ B[:-1], exact, reduction=300, scale=exact)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("place", [0, 4321, 9999])
def test_one_wrong_element_in_ten_thousand_fails(dtype, place):
    exact = np.random.default_rng(3).standard_normal(10_000)
    actual = exact.astype(dtype)
    assert_close(actual, actual.astype(np.float64))
    actual[place] += dtype(1e-3)
    with pytest.raises(AssertionError, match=rf"1 of 10000 .* worst at \({place},\)"):
        assert_close(actual, exact)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (np.nan, 1.0),
        (1.0, np.nan),
        (np.nan, np.inf),
        (np.inf, np.nan),
        (np.inf, 1.0),
        (1.0, np.inf),
        (np.inf, -np.inf),
        (0.0, 1e-30),
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_not_the_number_fails(actual, expected, dtype):
    with pytest.raises(AssertionError, match="1 of 2 elements wrong"):
        assert_close(np.array([2, actual], dtype), np.array([2, expected]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_nan_and_infinities_pass(dtype):
    values = [np.nan, np.inf, -np.inf, 0.0, -0.0]
    assert_close(np.array(values, dtype), np.array(values))


def test_an_infinite_scale_is_no_licence():
    with pytest.raises(AssertionError):
        assert_close(np.float32([1, 2]), np.array([1.0, 3.0]), scale=np.array([np.inf, np.inf]))


def test_another_shape_fails_even_where_it_would_broadcast():
    with pytest.raises(AssertionError, match=r"shape \(1, 3\), wanted \(3,\)"):
        assert_close(np.ones((1, 3)), np.ones(3))


def test_a_coarse_oracle_is_refused():
    with pytest.raises(TypeError, match="too coarse"):
        assert_close(np.ones(3), np.ones(3, np.float32))


def test_a_float_is_judged_by_the_dtype_it_came_from():
    assert_close(1 + 1e-7, 1.0, dtype=np.float32)
    with pytest.raises(AssertionError):
        assert_close(1 + 1e-7, 1.0)


def test_empty_arrays_pass():
    assert_close(np.ones((0, 3), np.float32), np.ones((0, 3)))


def test_the_bound_grows_with_the_reduction_and_the_scale():
    one = rounding_bound(np.ones(1), np.float32)
    assert rounding_bound(np.ones(1), np.float32, reduction=100) > 10 * one
    assert rounding_bound(np.ones(1), np.float32, scale=np.full(1, 5)) > 4 * one
    assert one < 1e-6


def test_gamma_refuses_to_bless_anything():
    assert gamma(1, np.float32) == pytest.approx(2.0**-24)
    with pytest.raises(ValueError, match="leave nothing to compare"):
        gamma(2**24, np.float32)
