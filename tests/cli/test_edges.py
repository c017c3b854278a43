"""Streams that break while the shell writes, and folders of shards where a model is measured."""

import io

import numpy as np
import pytest

import affinet as an
from affinet import cli
from affinet.cli import main
from affinet.cli.files import source_of
from affinet.cli.gradcheck import random_rows
from affinet.cli.output import figure
from affinet.cli.train import last_line
from affinet.cli.values import delimiter
from affinet.tables import Encoding, Table


def raising(error):
    def run(*arguments):
        raise error

    return run


def test_a_reader_that_has_gone_and_a_full_disk_end_the_shell_quietly(monkeypatch, capsys):
    assert cli.closing(raising(BrokenPipeError())) == cli.BROKEN_PIPE
    assert cli.closing(raising(OSError(28, "No space left on device"))) == cli.REFUSED
    assert capsys.readouterr().err == "affinet: error: No space left on device\n"
    monkeypatch.setattr(cli, "dispatch", raising(BrokenPipeError()))
    assert cli.guarded([]) == cli.BROKEN_PIPE


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.npz"
    an.Sequential(an.Affine.init(3, 2, rng=0), loss=an.SoftmaxWithLoss()).save(path)
    return path


@pytest.fixture
def shards(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    rng = np.random.default_rng(0)
    np.save(folder / "x-0.npy", rng.random((6, 3)))
    np.save(folder / "t-0.npy", np.arange(6).reshape(6, 1) % 2)
    return folder


def test_a_model_is_measured_on_a_folder(model, shards, capsys):
    assert main(["evaluate", str(model), str(shards)]) == 0
    assert "6" in capsys.readouterr().out
    np.save(shards / "t-0.npy", np.zeros((6, 3)))
    assert main(["evaluate", str(model), str(shards)]) == 2
    assert "targets of shape (6, 3), wanted one number for each row" in capsys.readouterr().err


def test_a_model_of_a_table_is_not_measured_on_a_folder(model, shards, tmp_path, capsys):
    table = Table("t", {"a": np.arange(4.0), "b": np.arange(4.0)})
    net = an.Sequential(an.Affine.init(1, 1, rng=0), loss=an.MeanSquaredError())
    net.metadata["table"] = Encoding.fit(table, "b").to_json()
    out = tmp_path / "table.npz"
    net.save(out)
    assert main(["evaluate", str(out), str(shards)]) == 2
    assert "was trained on a table, wanted a file with its columns" in capsys.readouterr().err


def test_texts_of_small_parts():
    assert figure(None) == "-"
    assert delimiter(";") == ";"
    assert last_line(RuntimeError("first\nlast\n")) == "last"


def test_standard_input_without_bytes(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("1,2"))
    assert source_of("-").read() == b"1,2"


def test_codes_are_drawn_among_those_that_the_network_knows():
    net = an.Sequential(an.Affine.init(2, 1, rng=0), loss=an.MeanSquaredError())
    x, _ = random_rows(net, 200, 0, codes=((1, 3),))
    assert sorted({*x[:, 1].tolist()}) == [0, 1, 2]
    assert len({*x[:, 0].tolist()}) == 200
