"""Long pictures show that they are being drawn, on a terminal alone."""

import io
import sys
import time

import pytest

from affinet.cli import waiting as module
from affinet.cli.waiting import waiting


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_sees_the_seconds(monkeypatch):
    monkeypatch.setattr(module, "FIRST", 0.05)
    monkeypatch.setattr(module, "EVERY", 0.05)
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    with waiting("drawing regions"):
        for _ in range(200):
            if stream.getvalue().count("drawing regions") > 1:
                break
            time.sleep(0.05)
    assert "\raffinet: drawing regions ... 0 s" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_short_work_and_other_streams_see_nothing(monkeypatch):
    for stream in (Terminal(), io.StringIO(), None):
        monkeypatch.setattr(sys, "stderr", stream)
        with waiting("drawing regions"):
            pass
        assert stream is None or stream.getvalue() == ""


def test_the_thread_ends_with_an_error(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(ZeroDivisionError), waiting("drawing regions"):
        1 / 0  # noqa: B018


def test_plot_waits_with_the_picture_s_name(shell, tmp_path, monkeypatch):
    names = []

    def recorded(text):
        names.append(text)
        return waiting(text)

    monkeypatch.setattr("affinet.cli.plot.waiting", recorded)
    shell("plot", "activations", "--save", tmp_path / "a.png")
    assert names == ["drawing activations"]
