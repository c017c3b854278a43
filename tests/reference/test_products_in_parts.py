"""The reference of products in bfloat16 parts: its splitting, and how far it is from exact."""

import numpy as np
import pytest

from affinet.reference import bfloat16_parts, gemm_in_parts

# Relative to the product's norm, and of an element relative to |A| |B|: README and docstrings say
# these numbers.
BOUNDS = {
    "bfloat16": (4e-3, 2**-7),
    "bfloat16x3": (6e-6, 3 * 2**-16),
    "bfloat16x6": (6e-7, 1.5e-6),
}


def numbers(rng, kind, *shape):
    x = rng.standard_normal(shape)
    if kind == "spread":
        x *= 2.0 ** rng.integers(-20, 20, shape)
    return np.float32(np.maximum(x, 0) if kind == "relu" else x)


@pytest.mark.parametrize("kind", ["normal", "relu", "spread"])
@pytest.mark.parametrize("precision", BOUNDS)
def test_errors_are_those_that_the_docstrings_promise(precision, kind):
    rng = np.random.default_rng(0)
    A, B = numbers(rng, kind, 24, 512), numbers(rng, kind, 512, 24)
    exact, sizes = (np.float64(a) @ b for a, b in ((A, B), (np.abs(A), np.float64(np.abs(B)))))
    error = gemm_in_parts(A, B, None, precision, "nn") - exact
    norm, element = BOUNDS[precision]
    assert np.linalg.norm(error) <= norm * np.linalg.norm(exact)
    assert np.max(np.abs(error) / sizes) <= element


def test_parts_add_up_to_the_number():
    x = np.float32(np.random.default_rng(1).standard_normal(1000) * 2.0**100)
    parts = bfloat16_parts(x, 3)
    np.testing.assert_array_equal(parts.astype(np.float64).sum(axis=0), x)
    assert not np.any(parts.view(np.uint32) & 0xFFFF)  # each is a bfloat16


@pytest.mark.parametrize(
    ("x", "part"),
    [
        (1 + 2**-8, 1.0),  # ties to even
        (1 + 3 * 2**-8, 1 + 2**-6),
        (2.0**-126, 2.0**-126),
        (2.0**-126 - 2.0**-149, 0.0),  # not rounded up to a normal number
        (-(2.0**-149), -0.0),
        (3.4e38, np.inf),
        (-np.inf, -np.inf),
        (np.nan, np.nan),
    ],
)
def test_a_part_of_a_hard_number(x, part):
    found = bfloat16_parts(np.float32([x]), 1)
    np.testing.assert_array_equal(found, np.float32([[part]]))
    assert np.signbit(found[0, 0]) == np.signbit(part)


def test_patterns_are_the_same_product():
    rng = np.random.default_rng(2)
    A, B, b = numbers(rng, "normal", 3, 70), numbers(rng, "normal", 70, 4), numbers(rng, "relu", 4)
    out = gemm_in_parts(A, B, b, "bfloat16x3", "nn")
    for pattern, operands in (("nt", (A, B.T.copy())), ("tn", (A.T.copy(), B))):
        np.testing.assert_array_equal(gemm_in_parts(*operands, b, "bfloat16x3", pattern), out)


def test_what_is_not_finite_is_as_in_float32():
    A = np.float32([[np.inf, 1], [3.4e38, 1], [1, 2]])
    B = np.float32([[1, 0], [1, 1]])
    out = gemm_in_parts(A, B, None, "bfloat16x3", "nn")
    np.testing.assert_array_equal(out, [[np.inf, np.nan], [np.float32(3.4e38), 1], [3, 2]])
    again = gemm_in_parts(np.float32([[3.4e38]]), np.float32([[0.5]]), None, "bfloat16", "nn")
    assert again == np.float32(3.4e38) / 2


def test_wrong_shapes_and_names_raise():
    with pytest.raises(ValueError, match="b has shape"):
        gemm_in_parts(np.zeros((2, 3), "f"), np.zeros((3, 2), "f"), np.zeros(3, "f"), "bfloat16",
                      "nn")  # fmt: skip
    with pytest.raises(KeyError):
        gemm_in_parts(np.zeros((2, 3), "f"), np.zeros((3, 2), "f"), None, "float16", "nn")
