"""A trained model, the digits, and the shell's ``main`` with what it prints."""

import pytest

import affinet as an
from affinet.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model trained briefly on the digits."""
    path = tmp_path_factory.mktemp("models")
    arguments = ["train", "digits", "--epochs", "4", "--hidden", "32", "--quiet"]
    assert main([*arguments, "--out", f"{path}/m.npz", "--plot", f"{path}/m.png"]) == 0
    return path


@pytest.fixture
def model(folder):
    return str(folder / "m.npz")


@pytest.fixture
def net(model):
    return an.load(model)


@pytest.fixture(scope="module")
def digits():
    """Raw test rows of the digits, x (359, 64) and t."""
    return an.datasets.load_digits(scaled=False)[1]


@pytest.fixture
def shell(capsys):
    """Runs a command; gives standard output as text, and the lines of standard error."""

    def run(*arguments, code=0):
        assert main([str(argument) for argument in arguments]) == code
        printed = capsys.readouterr()
        return printed.out, printed.err.splitlines()

    return run


@pytest.fixture
def refused(shell):
    """Runs a command that must be refused; gives its one line."""

    def run(*arguments):
        out, err = shell(*arguments, code=2)
        assert out == ""
        (line,) = err
        assert line.startswith("affinet: error: ")
        return line

    return run


@pytest.fixture
def regression(tmp_path):
    """A model without classes and without metadata."""
    net = an.Sequential(an.Affine.init(3, 2, rng=0), loss=an.MeanSquaredError())
    net.save(tmp_path / "regression.npz")
    return tmp_path / "regression.npz"
