"""The shell in an empty folder, and models trained there on two tables."""

import pytest

from affinet.cli import main
from shell_tables import NAMES, people, prices, write_csv


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shell(capsys):
    """Runs a command; gives the lines of standard output, and those of standard error."""

    def run(*arguments, code=0):
        assert main([str(argument) for argument in arguments]) == code
        printed = capsys.readouterr()
        return printed.out.splitlines(), printed.err.splitlines()

    return run


@pytest.fixture
def refused(shell):
    """Runs a command that must be refused; gives its one line."""

    def run(*arguments):
        out, err = shell(*arguments, code=2)
        assert out == []
        assert err[-1].startswith("affinet: error: ")
        return err[-1]

    return run


@pytest.fixture
def classes(shell):
    """A plain network trained to classify people, its file of rows, and what was printed."""
    write_csv("people.csv", NAMES, people())
    out, err = shell(
        *("train", "people.csv", "--target", "group", "--epochs", "60", "--model", "mlp")
    )
    return out, err


@pytest.fixture
def numbers(shell):
    """A plain network trained on prices, and what was printed."""
    write_csv("prices.csv", ["size", "town", "price"], prices())
    out, err = shell(
        *("train", "prices.csv", "--target", "price", "--epochs", "60", "--model", "mlp")
    )
    return out, err
