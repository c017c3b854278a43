from __future__ import annotations

import hashlib
import importlib.resources

import numpy as np
import pytest

from affinet.datasets import load_digits


def test_shapes_and_dtypes() -> None:
    (x_train, t_train), (x_test, t_test) = load_digits()
    assert x_train.shape == (1438, 64)
    assert x_test.shape == (359, 64)
    assert t_train.shape == (1438,)
    assert t_test.shape == (359,)
    assert x_train.dtype == x_test.dtype == np.float32
    assert t_train.dtype == t_test.dtype == np.int64


def test_raw_pixels_are_the_file() -> None:
    (x_train, t_train), (x_test, t_test) = load_digits(scaled=False)
    assert x_train.dtype == np.uint8
    assert x_train.max() == x_test.max() == 16
    x = np.empty((1797, 64), np.uint8)
    t = np.empty(1797, np.int64)
    is_test = np.arange(1797) % 5 == 4
    x[is_test], x[~is_test] = x_test, x_train
    t[is_test], t[~is_test] = t_test, t_train
    # The data set's own class counts.
    assert np.bincount(t).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert t[:11].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert x[0, :16].tolist() == [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0]
    lines = "".join(
        ",".join(map(str, [*pixels, label])) + "\n"
        for pixels, label in zip(x.tolist(), t.tolist(), strict=True)
    )
    checksum = hashlib.sha256(lines.encode()).hexdigest()
    assert checksum == "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"


@pytest.mark.parametrize("part", [0, 1])
def test_scaled_is_raw_by_sixteen(part: int) -> None:
    raw = load_digits(scaled=False)[part][0]
    scaled = load_digits(scaled=True)[part][0]
    assert scaled.min() == 0
    assert scaled.max() == 1
    np.testing.assert_array_equal(scaled * np.float32(16), raw)


@pytest.mark.parametrize("scaled", [True, False])
def test_square_rows(scaled: bool) -> None:
    flat, square = load_digits(scaled), load_digits(scaled, flatten=False)
    assert square[0][0].shape == (1438, 8, 8)
    assert square[1][0].shape == (359, 8, 8)
    for (x_flat, t_flat), (x_square, t_square) in zip(flat, square, strict=True):
        np.testing.assert_array_equal(x_square.reshape(-1, 64), x_flat)
        np.testing.assert_array_equal(t_square, t_flat)


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("flatten", [True, False])
def test_arrays_are_the_callers_own(scaled: bool, flatten: bool) -> None:
    first = load_digits(scaled, flatten=flatten)
    for x, t in first:
        assert x.flags.c_contiguous
        assert t.flags.c_contiguous
        x[...] = 0
        t[...] = 0
    for x, t in load_digits(scaled, flatten=flatten):
        assert x.any()
        assert t.any()


def test_attribution_ships_with_the_file() -> None:
    text = (
        importlib.resources.files("affinet.datasets") / "data" / "DIGITS-LICENSE.txt"
    ).read_text(encoding="utf-8")
    for source in (text, load_digits.__doc__ or ""):
        assert "Alpaydin" in source
        assert "Kaynak" in source
        assert "10.24432/C50P49" in source
        assert "CC BY 4.0" in source
    assert "https://creativecommons.org/licenses/by/4.0/" in text
