"""The reference's dropout: Philox's published words, and what is kept."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affinet import reference
from affinet.reference.dropout import _philox4x32_10

DTYPES = [np.float32, np.float64]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def words(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(
    ("counter", "key", "wanted"),
    [
        (
            "00000000 00000000 00000000 00000000",
            "00000000 00000000",
            "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
        ),
        (
            "ffffffff ffffffff ffffffff ffffffff",
            "ffffffff ffffffff",
            "408f276d 41c83b0e a20bc7c6 6d5451fd",
        ),
        (
            "243f6a88 85a308d3 13198a2e 03707344",
            "a4093822 299f31d0",
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_published_answers(counter, key, wanted):
    """The vectors "philox4x32 10" of Random123, file tests/kat_vectors."""
    counter = np.array(words(counter), dtype=np.uint64)
    before = counter.copy()
    result = _philox4x32_10(counter, tuple(words(key)))
    assert result.tolist() == words(wanted)
    np.testing.assert_array_equal(counter, before)


def test_philox_works_on_many_counters_at_once():
    counters = np.random.default_rng(0).integers(0, 2**32, (3, 5, 4), dtype=np.uint64)
    together = _philox4x32_10(counters, (1, 2))
    for place in np.ndindex(3, 5):
        alone = _philox4x32_10(counters[place], (1, 2))
        np.testing.assert_array_equal(together[place], alone)


def mask_of(rows, columns, p=0.5, key=0, step=0, row=0):
    return reference.dropout_forward(np.ones((rows, columns)), p, key, step, row)[1]


@pytest.mark.parametrize(
    ("p", "wanted"),
    [
        (Fraction(0x6627E8D5, 2**32), [1, 1, 1, 1]),
        (Fraction(0x6627E8D5 + 1, 2**32), [0, 1, 1, 1]),
        (Fraction(0x9B00DBD8, 2**32), [0, 1, 1, 1]),
        (Fraction(0x9B00DBD8 + 1, 2**32), [0, 1, 1, 0]),
        (Fraction(0xBC57AC4C + 1, 2**32), [0, 1, 0, 0]),
        (Fraction(0xE169C58D, 2**32), [0, 1, 0, 0]),
        (Fraction(0xE169C58D + 1, 2**32), [0, 0, 0, 0]),
        # Halves go to the even neighbour: up to ...d6, which drops, and down to ...d4.
        (Fraction(2 * 0x6627E8D5 + 1, 2**33), [0, 1, 1, 1]),
        (Fraction(2 * 0x6627E8D5 - 1, 2**33), [1, 1, 1, 1]),
        (Fraction(2 * 0xBC57AC4C + 1, 2**33), [0, 1, 1, 0]),
    ],
)
def test_the_threshold_is_exact(p, wanted):
    """The first four words under key 0 and counter 0 are those of the first published vector."""
    assert mask_of(1, 4, p=float(p)).tolist() == [wanted]


@settings(deadline=None, max_examples=30)
@given(
    key=st.integers(0, 2**64 - 1),
    step=st.integers(0, 2**64 - 1),
    row=st.integers(0, 2**34),
    p=st.floats(0, 0.99),
)
def test_an_element_is_kept_by_its_own_word(key, step, row, p):
    """Straight from the definition, one element at a time, in Python's integers."""
    mask = mask_of(2, 7, p, key, step, row)
    threshold = round(Fraction(p) * 2**32)
    for r, column in np.ndindex(2, 7):
        counter = [column // 4, (row + r) % 2**32, step % 2**32, step // 2**32]
        word = philox_in_integers(counter, [key % 2**32, key // 2**32])[column % 4]
        assert mask[r, column] == (word >= threshold)


def philox_in_integers(c, k):
    for _ in range(10):
        low, high = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [high >> 32 ^ c[1] ^ k[0], high % 2**32, low >> 32 ^ c[3] ^ k[1], low % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_of_kept_elements_is_binomial(p):
    for key in range(5):
        mask = mask_of(300, 333, p, key=key)
        deviation = math.sqrt(mask.size * p * (1 - p))
        assert abs(int(mask.sum()) - mask.size * (1 - p)) < 5 * deviation


def test_columns_rows_and_lanes_are_kept_alike():
    """No row, column or lane of a counter is favoured: six deviations, 1200 sums."""
    mask = mask_of(600, 600, key=11)
    for sums in (mask.sum(axis=0), mask.sum(axis=1)):
        assert np.abs(sums.astype(int) - 300).max() < 6 * math.sqrt(150)
    neighbours = np.mean(mask[:, 1:] == mask[:, :-1]), np.mean(mask[1:] == mask[:-1])
    assert max(abs(share - 0.5) for share in neighbours) < 0.005


@settings(deadline=None, max_examples=30)
@given(
    rows=st.integers(0, 12),
    columns=st.integers(0, 20),
    cut=st.integers(0, 12),
    narrow=st.integers(0, 20),
    row=st.sampled_from([0, 1, 1000, 2**32 - 5, 2**33 - 1]),
)
def test_a_part_of_a_batch_gets_its_part_of_the_mask(rows, columns, cut, narrow, row):
    whole = mask_of(rows, columns, key=3, step=4, row=row)
    cut, narrow = min(cut, rows), min(narrow, columns)
    np.testing.assert_array_equal(mask_of(cut, columns, key=3, step=4, row=row), whole[:cut])
    rest = mask_of(rows - cut, columns, key=3, step=4, row=row + cut)
    np.testing.assert_array_equal(rest, whole[cut:])
    np.testing.assert_array_equal(mask_of(rows, narrow, key=3, step=4, row=row), whole[:, :narrow])


def test_the_mask_does_not_see_the_values():
    scalars = {"p": 0.3, "key": 5, "step": 6, "row": 7}
    masks = [
        reference.dropout_forward(x, **scalars)[1]
        for x in (np.zeros((4, 9)), normal(4, 9), np.full((4, 9), np.nan, np.float32))
    ]
    np.testing.assert_array_equal(masks[0], masks[1])
    np.testing.assert_array_equal(masks[0], masks[2])


def test_every_part_of_key_and_step_matters():
    choices = [{}, {"row": 64}]
    for name in ("key", "step"):
        choices += [{name: value} for value in (1, 2, 2**31, 2**32, 2**63, 2**64 - 1)]
    choices.append({"key": 1, "step": 1})
    masks = [mask_of(8, 64, **choice) for choice in choices]
    for a, b in itertools.combinations(masks, 2):
        assert 0.3 < np.mean(a == b) < 0.7


def test_rows_count_modulo_2_to_the_32():
    np.testing.assert_array_equal(mask_of(4, 9, row=2**32 - 2)[2:], mask_of(2, 9, row=0))
    np.testing.assert_array_equal(mask_of(4, 9, row=2**32 + 3), mask_of(4, 9, row=3))


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_kept_grows_and_the_rest_is_zero(dtype):
    x = normal(20, 20).astype(dtype)
    out, mask = reference.dropout_forward(x, 0.3, 1, 2, 3)
    scale = dtype(1 / 0.7)
    np.testing.assert_array_equal(out, np.where(mask, x * scale, 0), strict=True)
    assert set(np.unique(mask)) == {0, 1}
    dx = reference.dropout_backward(x, mask, 0.3)
    np.testing.assert_array_equal(dx, out, strict=True)


def test_the_mean_is_kept():
    out, _ = reference.dropout_forward(np.ones((500, 500)), 0.8, 1, 2, 3)
    assert out.mean() == pytest.approx(1, abs=5 * math.sqrt(0.8 / 0.2 / 250_000))


def test_a_rate_of_zero_drops_nothing():
    x = normal(5, 6)
    out, mask = reference.dropout_forward(x, 0, 1, 2, 3)
    np.testing.assert_array_equal(out, x)
    assert mask.all()
    np.testing.assert_array_equal(reference.dropout_backward(x, mask, 0), x)


def test_what_is_dropped_is_zero_even_if_it_was_not_a_number():
    x = np.full((1, 4), np.nan)
    out, _ = reference.dropout_forward(x, 0.5, 0, 0, 0)
    np.testing.assert_array_equal(out, [[0, np.nan, np.nan, np.nan]])
    dx = reference.dropout_backward(np.full((1, 2), np.inf), np.array([[0, 1]]), 0.5)
    np.testing.assert_array_equal(dx, [[0, np.inf]])


@pytest.mark.parametrize("p", [-0.1, 1, 1.5, math.nan])
def test_a_rate_out_of_range_is_refused(p):
    with pytest.raises(ValueError, match=f"^p is {p}, wanted 0 <= p < 1"):
        reference.dropout_forward(np.ones((1, 1)), p, 0, 0, 0)
    with pytest.raises(ValueError, match=f"^p is {p}, wanted 0 <= p < 1"):
        reference.dropout_backward(np.ones((1, 1)), np.ones((1, 1)), p)
