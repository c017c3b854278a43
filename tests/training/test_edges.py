"""Parts of a training that only rare circumstances reach."""

import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import affinet as an
from affinet.training.averaging import OfAverage, take_average
from affinet.training.checks import require_values
from affinet.training.finite import warn_caller
from affinet.training.progress import Lines, printable
from affinet.training.step import Same
from affinet.training.trainer import method_doc


@pytest.fixture
def net():
    return an.Sequential(an.Affine.init(2, 2, rng=0), loss=an.SoftmaxWithLoss())


def test_an_average_that_has_not_begun_leaves_the_weights(net):
    before = net.params.flat.copy()
    with pytest.warns(UserWarning, match="begins after 1 updates"):
        take_average(net, an.EMA(0.9))
    np.testing.assert_array_equal(net.params.flat, before)


def test_a_callback_that_is_not_yet_set_is_no_attribute():
    with pytest.raises(AttributeError, match="callback"):
        OfAverage.__new__(OfAverage).callback  # noqa: B018


def test_no_target_is_out_of_range_where_there_is_none(net):
    require_values(net, 2, np.zeros(0, np.int64), "t", 0)


def test_a_warning_that_cannot_be_shown_ends_nothing(monkeypatch):
    def broken(*arguments, **options):
        raise OSError("standard error is closed")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", broken)
        warn_caller("no one reads this", UserWarning)


def test_lines_for_streams_that_are_missing_or_of_an_unknown_encoding(monkeypatch, capfd):
    Lines.write(None, "a line")
    monkeypatch.setattr(sys, "stderr", None)
    Lines.write(None, "a line that no one reads")
    assert capfd.readouterr() == ("", "a line\n")
    assert printable("val_\u03b1", SimpleNamespace(encoding="no such")) == r"val_\u03b1"


def test_an_array_is_the_same_only_as_another_one():
    x = np.zeros(3)
    assert Same(x) == Same(x[:])
    assert Same(x) != Same(x.copy())
    assert Same(x) != 3


def test_without_docstrings_a_method_has_none():
    assert method_doc(None) is None
