"""The progress that fit shows on a terminal, in a notebook, and elsewhere."""

import io
import re
import sys
import time
import types

import numpy as np
import pytest

import affinet as an
from affinet.training import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_silent_where_there_is_no_terminal(net, data, capsys):
    net.fit(*data, epochs=2)
    net.fit(*data, epochs=2, verbose=0)
    assert capsys.readouterr() == ("", "")


def test_a_line_an_epoch_on_request(net, data, capsys):
    net.fit(*data, epochs=10, validation_data=data, verbose=1)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("epoch  1/10  loss ")
    assert lines[9].startswith("epoch 10/10  loss ")
    for name in ("accuracy", "val_loss", "val_accuracy"):
        assert f"  {name} " in lines[9]
    assert "seconds" not in lines[0]


@pytest.mark.parametrize(("verbose", "shown"), [(None, True), (1, True), (0, False)])
def test_a_terminal_gets_a_bar(net, data, monkeypatch, verbose, shown):
    pytest.importorskip("tqdm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    net.fit(*data, epochs=2, verbose=verbose)
    assert ("epoch 2/2" in terminal.getvalue()) == shown


def test_a_terminal_without_tqdm_gets_lines(net, data, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    net.fit(*data, epochs=2)
    assert len(terminal.getvalue().splitlines()) == 2


def test_the_bar_shows_loss_accuracy_rows_a_second_and_the_time_left(net, data, monkeypatch):
    pytest.importorskip("tqdm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "DRAWN_EVERY", 0)
    net.fit(*data, epochs=2, batch_size=5, callbacks=[lambda state: time.sleep(0.2)])
    shown = terminal.getvalue()
    assert re.search(r"23\.0/46\.0 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+k?rows/s", shown), shown
    assert re.search(r"loss=[\d.]+, accuracy=[\d.]+", shown), shown


def test_the_bar_of_a_regression_shows_the_loss_alone(monkeypatch):
    pytest.importorskip("tqdm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "DRAWN_EVERY", 0)
    net = an.Sequential(an.Affine.init(2, 1, rng=0), loss=an.MeanSquaredError())
    net.fit(np.ones((23, 2)), np.ones((23, 1)), epochs=2, batch_size=5)
    shown = terminal.getvalue()
    assert re.search(r"loss=[\d.]+", shown), shown
    assert "accuracy" not in shown


def test_a_bar_is_drawn_seldom_and_ends_with_all_rows(net, data, monkeypatch):
    class Counting:
        calls, rows = 0, 0

        def set_postfix(self, figures, refresh):
            self.calls += 1

        def update(self, rows):
            self.rows += rows

        def write(self, line, file):
            pass

        def close(self):
            pass

    bar = Counting()
    monkeypatch.setattr(
        "affinet.training.trainer.make_progress", lambda *a: progress.Bar(bar, 100, None)
    )
    started = time.perf_counter()
    net.fit(*data, epochs=100)
    assert bar.rows == 2300
    assert bar.calls <= 1 + (time.perf_counter() - started) / progress.DRAWN_EVERY


class Notebook:
    """What IPython's get_ipython gives inside a notebook."""

    kernel = object()


def test_a_notebook_gets_a_bar_on_request(net, data, monkeypatch, capsys):
    pytest.importorskip("tqdm")
    shell = types.SimpleNamespace(get_ipython=Notebook)
    monkeypatch.setitem(sys.modules, "IPython", shell)
    made = []

    def bar():
        tqdm = progress.terminal_bar()
        return lambda **options: made.append(options) or tqdm(**options)

    monkeypatch.setattr(progress, "notebook_bar", bar)
    net.fit(*data, epochs=2)
    assert made == []
    net.fit(*data, epochs=2, verbose=1)
    assert made[0]["total"] == 46
    assert "epoch 2/2" in capsys.readouterr().out
    monkeypatch.setattr(shell, "get_ipython", lambda: None)
    assert not progress.in_notebook()


def test_the_bar_for_notebooks_comes_without_warnings():
    tqdm = pytest.importorskip("tqdm")
    assert issubclass(progress.notebook_bar(), tqdm.tqdm)


def test_no_standard_error_at_all(net, data, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    net.fit(*data, epochs=1)


def test_the_bar_is_closed_after_an_interruption(net, data, monkeypatch):
    closed = []

    class Watched(progress.Silent):
        def close(self):
            closed.append(True)

    monkeypatch.setattr("affinet.training.trainer.make_progress", lambda *a: Watched())
    with pytest.raises(ZeroDivisionError):
        net.fit(*data, callbacks=[lambda state: 1 / 0])
    assert closed == [True]


def test_figures_of_a_broken_training_are_printed_too(net, data, capsys):
    x = data[0].copy()
    x[0] = np.nan
    with pytest.warns(RuntimeWarning, match=r"because x\[0, 0\] is nan"):
        net.fit(x, data[1], epochs=1, verbose=1)
    assert "loss nan" in capsys.readouterr().err
