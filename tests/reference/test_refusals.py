"""What the reference refuses beside shapes: a sentence says what came and what was wanted."""

import numpy as np
import pytest

from affinet import reference
from affinet.reference.columns import _activation
from affinet.reference.increasing import in_groups
from affinet.reference.members import _by_member

ONES = np.ones((3, 3))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: reference.gaussian_loss(ONES, ONES), "wanted an even number of columns"),
        (lambda: reference.blend(ONES, 1.5, ONES), r"tau is 1.5, wanted 0 <= tau <= 1"),
        (lambda: in_groups(ONES, 2), "n is 2, wanted a number that divides the 3 columns"),
        (lambda: _by_member(ONES, 2), "x has 3 rows, wanted a multiple of the 2 members"),
        (lambda: _activation("no_forward"), "there is no no_forward"),
    ],
)
def test_one_sentence(call, words):
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
