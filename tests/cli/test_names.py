"""Names that nearly exist are suggested; help and arguments come from the command's own module."""

import importlib
import os
import subprocess
import sys

import pytest

from affinet.cli.parser import COMMANDS, make_parser


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (["train", "digits", "--epoch", "3"], "did you mean --epochs?"),
        (["train", "digits", "--epoch=3"], "did you mean --epochs?"),
        (["train", "digits", "--hiden", "3", "--laerning-rate", "1"], "did you mean --hidden?"),
        (["predict", "m.npz", "x.npy", "--probability"], "did you mean --probabilities?"),
        (["trian", "digits"], "did you mean train?"),
        (["train", "digit"], "did you mean digits?"),
        (["train", "fashion_mnist"], "did you mean fashion-mnist?"),
        (["train", "digits", "--optimizer", "adan"], "did you mean adam"),
        (["plot", "overfiting"], "did you mean overfitting?"),
    ],
)
def test_the_nearest_name_is_suggested(refused, arguments, suggestion):
    assert suggestion in refused(*arguments)


@pytest.mark.parametrize("arguments", [["info", "--colour"], ["bake"], ["train", "cifar"]])
def test_nothing_is_suggested_where_nothing_is_near(refused, arguments):
    assert "did you mean" not in refused(*arguments)


def test_errors_of_data_sets_name_the_option(refused, monkeypatch, tmp_path):
    monkeypatch.delenv("AFFINET_DATA_DIR", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", None)
    line = refused("train", "mnist")
    assert "--data-dir" in line
    assert "data_dir" not in line
    assert "--data-dir" in refused("train", "mnist", "--data-dir", tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_declares_its_own_arguments(command):
    module = importlib.import_module(f"affinet.cli.{command}")
    text = make_parser()._subparsers._group_actions[0].choices[command]
    text.add_own_arguments()
    shown = text.format_help()
    assert shown.startswith(f"usage: affinet {command}")
    assert " ".join(module.DESCRIPTION.split()) in " ".join(shown.split())


def test_help_imports_no_command():
    code = (
        "import sys; from affinet.cli import main; assert main(['--help']) == 0; "
        "late = [name for name in sys.modules if name.startswith('affinet.cli.')]; "
        "assert sorted(late) == ['affinet.cli.output', 'affinet.cli.parser', 'affinet.cli.streams']"
        ", late"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_does_not_break_lines_inside_names():
    done = subprocess.run(
        [sys.executable, "-m", "affinet", "train", "--help"],
        env={**os.environ, "COLUMNS": "60"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.split("\n\n", 1)[1].splitlines()
    assert not [line for line in lines if line.endswith("-") and not line.endswith(" -")]
