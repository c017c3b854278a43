"""The small digits that ship with affinet."""

from __future__ import annotations

import gzip
import importlib.resources
import io

import numpy as np

from affinet.datasets.pixels import Splits, present


def load_digits(scaled: bool = True, *, flatten: bool = True) -> Splits:
    """Load the 1,797 handwritten digits of 8 x 8 pixels that ship with affinet.

    The split is fixed and keeps the file's order: every fifth row (row 4, 9, 14, ...) is a test
    row. Nothing is downloaded.

    Parameters
    ----------
    scaled : bool, default True
        True: x is float32, pixels / 16, so 0..1. False: x is uint8, 0..16 as in the file.
    flatten : bool, default True
        True: a row of x has 64 numbers, pixel rows one after the other. False: it is (8, 8).

    Returns
    -------
    (x_train, t_train), (x_test, t_test)
        x_train (1438, 64) or (1438, 8, 8), x_test (359, 64) or (359, 8, 8); t_train (1438,) and
        t_test (359,) are int64 labels 0..9. Every call returns new arrays.

    Notes
    -----
    Source: E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, https://doi.org/10.24432/C50P49, CC BY 4.0; the rows of its testing part.
    Each pixel counts the ink in a 4 x 4 block of a 32 x 32 bitmap.

    Examples
    --------
    >>> from affinet.datasets import load_digits
    >>> (x_train, t_train), (x_test, t_test) = load_digits()
    >>> x_train.shape, x_test.shape
    ((1438, 64), (359, 64))
    >>> t_train[:9].tolist()
    [0, 1, 2, 3, 5, 6, 7, 8, 0]
    """
    # Opened as a resource, not by path, so that it is found in a zip file too.
    file = importlib.resources.files("affinet.datasets") / "data" / "digits.npy.gz"
    array = io.BytesIO(gzip.decompress(file.read_bytes()))
    # Row 0: the labels. The others: one pixel each, of all images, which are ordered by label; so
    # the file takes a quarter less room.
    table = np.load(array, allow_pickle=False)  # (65, 1797)
    labels = table[0]
    images = np.empty((len(labels), 8, 8), np.uint8)
    images[np.argsort(labels, kind="stable")] = table[1:].T.reshape(-1, 8, 8)
    is_test = np.arange(len(labels)) % 5 == 4
    return (
        present(images[~is_test], labels[~is_test], 16, scaled, flatten),
        present(images[is_test], labels[is_test], 16, scaled, flatten),
    )
