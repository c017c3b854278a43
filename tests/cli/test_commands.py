"""``affinet info``, the version, the help, and commands that do not exist."""

import json
import sys
import warnings

import pytest

import affinet as an
import affinet_shell
from affinet.cli import warnings_as_lines
from affinet.cli.info import VARIABLES, installed_version


def test_info_tells_the_level_and_why(shell):
    out, _ = shell("info")
    info = an.runtime_info()
    lines = [line.split(maxsplit=1) for line in out.splitlines()]
    assert ["level", info["level"]] in lines
    assert ["reason", info["reason"]] in lines
    assert ", ".join(info["compiled_levels"]) in out
    starts = {line.index(line.split("  ")[-1].strip()) for line in out.splitlines()}
    assert len(starts) == 1  # aligned


def test_info_json(shell, monkeypatch):
    monkeypatch.setenv("AFFINET_DATA_DIR", "somewhere")
    result = json.loads(shell("info", "--json")[0])
    assert result["level"] == an.runtime_info()["level"]
    assert result["affinet"] == an.__version__
    assert set(result["packages"]) == {
        "tqdm",
        "matplotlib",
        "pooch",
        "safetensors",
        "mpi4py",
        "pyarrow",
    }
    assert set(result["environment"]) == set(VARIABLES)
    assert result["environment"]["AFFINET_DATA_DIR"] == "somewhere"


def test_info_names_the_extra_of_a_missing_package(shell, monkeypatch):
    monkeypatch.setattr("affinet.cli.info.installed_version", lambda name: None)
    out, _ = shell("info")
    assert 'pip install "affinet[data]"' in out


def test_version(shell):
    assert shell("--version") == (f"affinet {an.__version__}\n", [])


def test_help_lists_the_commands(shell):
    out, _ = shell("--help")
    commands = ("train", "evaluate", "predict", "inspect", "export", "gradcheck", "plot", "info")
    assert all(any(line.split()[:1] == [name] for line in out.splitlines()) for name in commands)


@pytest.mark.parametrize(
    "command", ["train", "evaluate", "predict", "inspect", "export", "gradcheck"]
)
def test_every_command_has_help(shell, command):
    out, _ = shell(command, "--help")
    assert out.startswith(f"usage: affinet {command}")


def test_no_command_and_unknown_commands_are_refused(refused):
    assert "COMMAND" in refused()
    assert "'bake'" in refused("bake")
    assert "--colour" in refused("info", "--colour")


def test_names_of_files_may_hold_line_breaks_and_the_error_is_still_one_line(refused, tmp_path):
    refused("inspect", tmp_path / "a\nb.npz")


def test_a_package_that_is_not_installed_has_no_version():
    assert installed_version("no-such-package-anywhere") is None


def test_warnings_are_lines_without_a_place(capsys):
    with warnings_as_lines():
        warnings.warn_explicit("the rate is large", RuntimeWarning, "fit.py", 1, "affinet.fit")
    assert capsys.readouterr().err == "affinet: warning: the rate is large\n"


def test_without_the_package_and_standard_error_the_shell_refuses(monkeypatch):
    monkeypatch.setitem(sys.modules, "affinet.cli", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert affinet_shell.main() == 2
