"""Products in bfloat16 parts: every level gives the bits of the reference."""

import functools

import numpy as np
import pytest

from affinet import reference
from products_in_parts import (
    KINDS,
    PATTERNS,
    PRECISIONS,
    numbers,
    operands,
    product,
    require_nothing_else_written,
)


@functools.cache
def problems(precision, pattern, kind):
    """A few products, and what the reference says of them; the levels share them."""
    rng, found = np.random.default_rng(PATTERNS.index(pattern)), []
    for largest in (20, 150, 70), (6, 40, 40), (2, 300, 20):
        M, K, N = (int(n) for n in rng.integers(1, largest))
        A, B = operands(rng, kind, M, K, N, pattern)
        b = None if M == 1 else numbers(rng, kind, N)
        found.append((A, B, b, reference.gemm_in_parts(A, B, b, precision, pattern)))
    return found


@pytest.fixture
def exact(kernels):
    """Whether the level rounds a multiply-add once, so that no bit may differ."""
    return kernels.build_level()[1]


@pytest.fixture
def threads(kernels):
    yield kernels.set_threads
    kernels.set_threads(1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_all_bits_are_those_of_the_reference(kernels, exact, precision, pattern, kind):
    if not exact and kind in KINDS[3:]:
        pytest.skip("this level rounds tiny and huge products twice, as its documentation says")
    for A, B, b, wanted in problems(precision, pattern, kind):
        found = product(kernels, A, B, b, precision, pattern)
        np.testing.assert_array_equal(found, wanted)
        same = found.view(np.uint32) == wanted.view(np.uint32)  # signs of zeros, too
        assert np.all(same | np.isnan(found))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_deep_and_wide_products_go_on_from_block_to_block(kernels, precision):
    rng = np.random.default_rng(3)
    A, B = operands(rng, "normal", 9, 300, 60, "nn")
    found = product(kernels, A, B, None, precision, "nn")
    np.testing.assert_array_equal(found, reference.gemm_in_parts(A, B, None, precision, "nn"))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_bit_depends_on_threads_rows_or_columns_beside(kernels, threads, pattern):
    rng = np.random.default_rng(4)
    A, B = operands(rng, "spread", 300, 200, 150, pattern)
    whole = product(kernels, A, B, None, "bfloat16x3", pattern)
    for n in (2, 3, 5):
        threads(n)
        np.testing.assert_array_equal(product(kernels, A, B, None, "bfloat16x3", pattern), whole)
    threads(1)
    for rows in (slice(0, 1), slice(7, 8), slice(5, 20), slice(290, 300)):
        some = np.ascontiguousarray(A[:, rows] if pattern == "tn" else A[rows])
        np.testing.assert_array_equal(
            product(kernels, some, B, None, "bfloat16x3", pattern), whole[rows]
        )
    for columns in (slice(0, 1), slice(40, 90)):
        some = np.ascontiguousarray(B[columns] if pattern == "nt" else B[:, columns])
        np.testing.assert_array_equal(
            product(kernels, A, some, None, "bfloat16x3", pattern), whole[:, columns]
        )


def test_neither_operands_nor_memory_beside_out_change(kernels):
    A, B = operands(np.random.default_rng(5), "normal", 13, 33, 19, "nn")
    require_nothing_else_written(kernels, A, B, "bfloat16x6")


def test_without_steps_of_k_only_the_bias_is_left(kernels):
    b = np.arange(3, dtype=np.float32)
    A, B = np.zeros((2, 0), np.float32), np.zeros((0, 3), np.float32)
    np.testing.assert_array_equal(product(kernels, A, B, b, "bfloat16", "nn"), [b, b])


def test_an_element_that_is_not_finite_has_the_bits_of_float32(kernels):
    rng = np.random.default_rng(6)
    A, B = operands(rng, "normal", 10, 64, 40, "nn")
    plain = np.empty((10, 40), np.float32)
    A[3, 0] = np.inf
    kernels.gemm_nn(A, B, plain)
    found = product(kernels, A, B, None, "bfloat16", "nn")
    np.testing.assert_array_equal(found[3], plain[3])


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("float16", "nn", "f", (2, 3)), ValueError, "precision is 'float16'"),
        (("bfloat16", "tt", "f", (2, 3)), ValueError, "pattern is 'tt'"),
        (("bfloat16", "nn", "d", (2, 3)), TypeError, "float32"),
        (("bfloat16", "nn", "f", (3, 3)), ValueError, "out"),
        ((None, "nn", "f", (2, 3)), TypeError, "None"),
    ],
)
def test_wrong_arguments_raise_and_nothing_is_written(kernels, arguments, error, words):
    precision, pattern, kind, shape = arguments
    out = np.full(shape, 7, kind)
    with pytest.raises(error, match=words):
        kernels.gemm_in_parts(np.ones((2, 4), kind), np.ones((4, 3), kind), None, precision,
                              pattern, out)  # fmt: skip
    assert (out == 7).all()


def test_which_layers_are_large_enough(kernels):
    assert kernels.known_precisions() == PRECISIONS
    assert kernels.multiplies_in_parts(16, 16)
    assert not kernels.multiplies_in_parts(15, 1000)
    assert not kernels.multiplies_in_parts(1000, 15)


def test_operations_want_a_known_precision_and_float32(kernels):
    record = [("affine", (), 2, (0, 4), (), 0, ())]
    with pytest.raises(ValueError, match="precision is 'half'"):
        kernels.make_operations(np.zeros(6, np.float32), record, 2).multiply_in("half")
    with pytest.raises(TypeError, match="float32"):
        kernels.make_operations(np.zeros(6), record, 2).multiply_in("bfloat16")
