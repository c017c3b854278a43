"""A trained model, the digits, and the shell's ``main`` with what it prints."""

from importlib.util import find_spec

import pytest

import affinet as an
import affinet.cli.train
from affinet import plotting
from affinet.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model trained briefly on the digits."""
    path = tmp_path_factory.mktemp("models")
    arguments = ["train", "digits", "--epochs", "4", "--hidden", "32", "--quiet"]
    assert main([*arguments, "--out", f"{path}/m.npz", "--plot", f"{path}/m.png"]) == 0
    return path


@pytest.fixture
def curves():
    """For tests that look at the picture of a training."""


@pytest.fixture(autouse=True)
def _empty_curves(request, monkeypatch):
    """The pictures of trainings are empty, which saves most of their time, except with ``curves``.

    The learning curve itself is made as ever.
    """
    if "curves" in request.fixturenames or find_spec("matplotlib") is None:
        return
    whole, make = affinet.cli.train.draw, plotting.learning_curve

    def empty(history):
        make(history)
        from matplotlib.figure import Figure

        return Figure(figsize=(1, 1))

    def draw(history, options):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plotting, "learning_curve", empty)
            return whole(history, options)

    monkeypatch.setattr(affinet.cli.train, "draw", draw)


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
