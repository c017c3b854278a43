"""No stream ends a training: closed, missing, encoded or odd ones in place of standard error."""

import io
import sys
import warnings

import numpy as np
import pytest

import affinet as an


class TouchedError(Exception):
    """Raised by a stream that nobody should touch."""


class Untouchable:
    def __getattr__(self, name):
        raise TouchedError(name)


class Odd(io.StringIO):
    """Raises whatever comes to its mind."""

    def write(self, text):
        raise ZeroDivisionError

    def isatty(self):
        return True


class Breaking(io.StringIO):
    """A pipe whose reader goes away after the first line."""

    lines = 0

    def write(self, text):
        if self.lines:
            raise BrokenPipeError
        self.lines += text.count("\n")
        return super().write(text)


class Plain:
    """As loggers put in place of standard error: no isatty, no encoding."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


def encoded(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


STREAMS = {
    "missing": lambda: None,
    "closed": closed,
    "odd": Odd,
    "breaking": Breaking,
    "plain": Plain,
    "untouchable": Untouchable,
    "cp1252": lambda: encoded("cp1252"),
    "ascii": lambda: encoded("ascii"),
    "unknown": lambda: type("Unknown", (Plain,), {"encoding": "no such"})(),
}


@pytest.fixture(params=STREAMS)
def stream(request, monkeypatch):
    made = STREAMS[request.param]()
    monkeypatch.setattr(sys, "stderr", made)
    return made


def α_error(y, t):
    return 0.5


@pytest.mark.parametrize("verbose", [None, 0, 1])
def test_a_training_ends_normally(net, data, stream, verbose, capsys):
    history = net.fit(*data, epochs=3, verbose=verbose, validation_data=data, metrics=[α_error])
    assert (len(history.epochs), history.stopped_by) == (3, "epochs")
    assert capsys.readouterr().out == ""


def test_verbose_0_touches_no_stream(net, data, monkeypatch):
    for name in ("stderr", "stdout"):
        monkeypatch.setattr(sys, name, Untouchable())
    net.fit(*data, epochs=2, verbose=0)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-16"])
def test_what_an_encoding_lacks_is_spelled_out(net, data, monkeypatch, encoding):
    made = encoded(encoding)
    monkeypatch.setattr(sys, "stderr", made)
    net.fit(*data, epochs=2, verbose=1, validation_data=data, metrics=[α_error])
    made.flush()
    lines = made.buffer.getvalue().decode(encoding).splitlines()
    name = "val_α_error" if encoding == "utf-16" else r"val_\u03b1_error"
    assert [name in line for line in lines] == [True, True]


def test_a_bar_on_a_terminal_that_breaks(net, data, monkeypatch):
    pytest.importorskip("tqdm")

    class Terminal(Breaking):
        def isatty(self):
            return True

    monkeypatch.setattr("affinet.training.progress.DRAWN_EVERY", 0)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert len(net.fit(*data, epochs=5).epochs) == 5


def test_the_warning_of_a_loss_that_is_not_finite(net, data, stream, monkeypatch):
    """Python's own way of showing a warning fails on a closed stream."""
    x = np.full_like(data[0], np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", print_warning)
        history = net.fit(x, data[1], epochs=3)
    assert history.stopped_by == "the loss is not finite"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match="the loss of epoch 1"):
            net.fit(x, data[1], epochs=3)


def print_warning(message, category, filename, line, file=None, text=None):
    sys.stderr.write(f"{message}\n")


def test_ctrl_c_in_a_display_passes_through(net, data, monkeypatch):
    class Interrupting(Plain):
        def write(self, text):
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stderr", Interrupting())
    with pytest.raises(KeyboardInterrupt):
        net.fit(*data, epochs=3, verbose=1)


def test_early_stopping_still_works_on_a_closed_stream(net, data, monkeypatch):
    monkeypatch.setattr(sys, "stderr", closed())
    stop = an.EarlyStopping("loss", patience=1, min_delta=100.0)
    assert len(net.fit(*data, epochs=9, verbose=1, callbacks=[stop]).epochs) == 2
