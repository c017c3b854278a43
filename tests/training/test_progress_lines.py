"""Lines of epochs: all of them in a log, few on a terminal; and streams that are not terminals."""

import io
import sys

import numpy as np
import pytest

import affinet as an
from affinet.training import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def train(epochs, **options):
    net = an.Sequential(an.Affine.init(2, 2, rng=0), loss=an.SoftmaxWithLoss())
    net.fit(np.eye(2), [0, 1], epochs=epochs, **options)


def epochs_in(text):
    lines = [line for line in text.replace("\r", "\n").splitlines() if "epoch" in line]
    return [int(line.split("epoch")[1].split("/")[0]) for line in lines]


@pytest.mark.parametrize("tqdm", [True, False])
def test_many_epochs_are_few_lines_on_a_terminal(monkeypatch, tqdm):
    if tqdm:
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    train(1000)
    assert epochs_in(stream.getvalue()) == [1, *range(20, 1001, 20)]
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    train(50)
    assert epochs_in(stream.getvalue()) == list(range(1, 51))
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    train(101)
    assert epochs_in(stream.getvalue()) == [1, *range(3, 101, 3), 101]


def test_a_log_gets_every_epoch(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    train(200, verbose=1)
    assert epochs_in(stream.getvalue()) == list(range(1, 201))


def test_a_long_training_says_how_much_time_is_left(monkeypatch):
    times = iter(range(0, 1000, 2))  # each look at the clock is 2 s later
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(times))
    lines, shown = progress.Lines(6), []
    monkeypatch.setattr(lines, "write", shown.append)
    for number in range(3, 7):  # it continues after epoch 2
        lines.epoch(number, {"loss": 0.5})
    assert [line.partition("  loss 0.5000")[2] for line in shown] == ["", "", "  (2 s left)", ""]


class Odd:
    def write(self, text):
        raise AssertionError("verbose=0 writes")

    def __getattr__(self, name):
        raise AttributeError(name)


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("make", [Odd, closed, lambda: None])
@pytest.mark.parametrize("verbose", [0, None])
def test_no_stream_is_needed_for_silence(monkeypatch, make, verbose):
    monkeypatch.setattr(sys, "stderr", make())
    train(2, verbose=verbose)


def test_a_terminal_is_one_that_says_so():
    assert progress.is_terminal(Terminal())
    assert not any(map(progress.is_terminal, (io.StringIO(), Odd(), closed(), None)))
