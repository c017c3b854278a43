"""Closed, encoded and odd streams never end a command; names cannot control a terminal."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import affinet as an
from affinet.cli import main
from affinet.cli.output import named_lines, printable, table
from affinet.cli.streams import SteadyStream

SHELL = [sys.executable, "-m", "affinet"]
NAMES = ["caf\u00e9", "\u732b", "a\x1b[31mb", "x\ty", "\u202eevil"]
TRAIN = ("train", "spiral", "--epochs", "2", "--hidden", "4")


class Odd:
    """As GUIs and loggers put in place of standard error."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


class Broken:
    """A stream on which everything fails."""

    def write(self, text=""):
        raise OSError(28, "No space left on device")

    flush = isatty = write


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.fixture
def named(tmp_path):
    """A model whose classes have odd names, and rows for it."""
    net = an.Sequential(an.Affine(np.eye(5), np.zeros(5)), loss=an.SoftmaxWithLoss())
    net.metadata["classes"] = NAMES
    net.save(tmp_path / "m.npz")
    np.save(tmp_path / "x.npy", 9 * np.eye(5))
    return tmp_path


@pytest.mark.parametrize("make", [Odd, Broken, closed, lambda: None])
def test_a_training_does_not_need_standard_error(make, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stderr", make())
    assert main(TRAIN) == 0
    assert "test accuracy" in capsys.readouterr().out
    assert (tmp_path / "spiral-model.npz").exists()


@pytest.mark.parametrize("make", [Odd, closed, lambda: None])
def test_no_command_needs_standard_output(make, named, monkeypatch):
    monkeypatch.chdir(named)
    stream = make()
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(TRAIN) == 0
    assert main(["predict", "m.npz", "x.npy"]) == 0
    assert main(["info"]) == 0
    assert main(["inspect", "m.npz"]) == 0
    assert main(["--help"]) == 0
    assert sys.stdout is stream  # given back
    if isinstance(stream, Odd):
        assert "test accuracy" in stream.text


def test_a_full_disk_is_still_reported(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Broken())
    assert main(["info"]) == 2
    assert capsys.readouterr().err == "affinet: error: No space left on device\n"


@pytest.mark.parametrize(
    ("encoding", "command"),
    [
        ("ascii", ["predict", "m.npz", "x.npy"]),
        ("cp1252", ["inspect", "m.npz"]),
        ("utf-8", ["predict", "m.npz", "x.npy"]),
        ("ascii", ["inspect", "m.npz"]),
    ],
)
def test_what_a_stream_cannot_encode_is_escaped(named, encoding, command):
    done = subprocess.run(
        [*SHELL, *command],
        cwd=named,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(encoding)
    assert ("\u732b" if encoding == "utf-8" else "\\u732b") in text
    assert ("caf\\xe9" if encoding == "ascii" else "caf\u00e9") in text
    assert "\x1b" not in text


@pytest.mark.skipif(os.name == "nt", reason="descriptors are closed by a shell of POSIX")
@pytest.mark.parametrize("closing", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_descriptors_that_are_closed(tmp_path, closing):
    command = " ".join(map(str, (*SHELL, *TRAIN)))
    done = subprocess.run(["sh", "-c", f"{command} {closing}"], cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert (tmp_path / "spiral-model.npz").exists()


@pytest.mark.skipif(os.name == "nt", reason="no pipes of this kind")
def test_a_reader_of_errors_that_goes_away_does_not_end_the_training(tmp_path):
    process = subprocess.Popen(
        [*SHELL, *TRAIN], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stderr.close()
    out = process.stdout.read()
    process.stdout.close()
    assert process.wait(timeout=120) == 0
    assert out.splitlines()[-1].startswith("test accuracy")


# Control characters ------------------------------------------------------------------------------


def test_class_names_cannot_control_the_terminal(named, monkeypatch, capsys):
    monkeypatch.chdir(named)
    assert main(["predict", "m.npz", "x.npy", "--probabilities"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert all(line.count("\t") == 5 for line in (header, *rows))
    shown = [row.split("\t")[0] for row in rows]
    assert shown == ["caf\u00e9", "\u732b", "a\\x1b[31mb", "x\\ty", "\\u202eevil"]
    assert main(["predict", "m.npz", "x.npy", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["rows"]
    assert [row["class"] for row in found] == NAMES
    np.savez(named / "e.npz", x=np.eye(5), t=np.array(NAMES))
    assert main(["evaluate", "m.npz", "e.npz"]) == 0
    assert printable(out := capsys.readouterr().out.replace("\n", "")) == out


@pytest.mark.skipif(os.name == "nt", reason="no such names of files")
def test_names_of_files_cannot_either(named, monkeypatch, capsys):
    monkeypatch.chdir(named)
    os.rename("m.npz", "\x1b[2Jm.npz")
    assert main(["predict", "\x1b[2Jm.npz", "gone\x07.npy"]) == 2
    assert main(["inspect", "gone\x1b.npz"]) == 2
    assert main(["predict", "\x1b[2Jm.npz", "x.npy", "--out", "o\x1b.csv"]) == 0
    assert main([*TRAIN, "--out", "m\x1b.npz", "--plot", "c\x1b.svg"]) == 0
    assert main(["plot", "m\x1b.npz", "--out", "c\x1b.svg"]) == 0
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err
    assert "\x07" not in printed.err
    assert "\\x1b" in printed.out
    assert "\\x07" in printed.err


def test_printable():
    assert printable("caf\u00e9 \u732b") == "caf\u00e9 \u732b"
    assert printable("\x00\x7f\x85\u2028\ud800\n") == "\\x00\\x7f\\x85\\u2028\\ud800\\n"
    assert table([["a\x1b", "1"], ["b", "22"]]) == "a\\x1b   1\nb      22"
    assert named_lines({"a\n": "b\t"}) == "a\\n  b\\t"


def test_a_steady_stream_passes_on_what_it_is_asked_for():
    stream = io.StringIO()
    steady = SteadyStream(stream, strict=True)
    print("a", file=steady)
    assert stream.getvalue() == steady.getvalue() == "a\n"
    assert not steady.isatty()
    with pytest.raises(OSError, match="No space"):
        SteadyStream(Broken(), strict=True).write("a")
    assert SteadyStream(Broken(), strict=False).write("ab") == 2
    assert not SteadyStream(Broken(), strict=True).isatty()
