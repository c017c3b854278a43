"""The shell as a process: its entry, its exit codes, signals and pipes."""

import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import affinet as an

SHELL = [sys.executable, "-m", "affinet"]
CONSOLE = [sys.executable, "-c", "import sys; from affinet_shell import main; sys.exit(main())"]
PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def start(folder, *arguments):
    environment = {**os.environ, "PYTHONUNBUFFERED": "", "MPLBACKEND": "Agg"}
    return subprocess.Popen(
        [*SHELL, *arguments],
        cwd=folder,
        env=environment,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(folder, *arguments):
    process = start(folder, *arguments)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_train_without_a_terminal(tmp_path):
    code, out, err = run(tmp_path, "train", "digits", "--epochs", "2")
    assert code == 0
    assert re.fullmatch(r"test accuracy 0\.\d{4}", out.splitlines()[-1])
    assert out.endswith("\n")
    assert "\r" not in err
    assert [line.split()[1] for line in err.splitlines()[-2:]] == ["1/2", "2/2"]
    assert sorted(os.listdir(tmp_path)) == ["digits-curve.png", "digits-model.npz"]


def test_version_and_a_refusal(tmp_path):
    assert run(tmp_path, "--version") == (0, f"affinet {an.__version__}\n", "")
    code, out, err = run(tmp_path, "predict", "gone.npz", "x.npy")
    assert (code, out) == (2, "")
    assert err == "affinet: error: gone.npz: No such file or directory\n"


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT for a single process on Windows")
def test_an_interrupted_training_ends_in_one_line_and_leaves_no_file(tmp_path):
    process = start(tmp_path, "train", "digits", "--epochs", "1000000")
    lines = iter(process.stderr.readline, "")
    next(line for line in lines if line.startswith("epoch"))
    process.send_signal(signal.SIGINT)
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert out == ""
    told = [line for line in err.splitlines() if not line.startswith("epoch")]
    assert len(told) == 1
    assert re.fullmatch(r"affinet: interrupted in epoch \d+; no file was written", told[0])
    assert os.listdir(tmp_path) == []


def test_a_reader_that_went_away_costs_neither_the_model_nor_a_traceback(tmp_path):
    process = start(tmp_path, "train", "digits", "--epochs", "1", "--quiet")
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=120) == 141
    assert err == ""
    assert an.load(tmp_path / "digits-model.npz").metadata["dataset"] == "digits"


def test_errors_that_nobody_reads_end_the_process_as_well(tmp_path):
    process = start(tmp_path, "train", "digits", "--lr", "nan")
    process.stderr.close()
    out = process.stdout.read()
    process.stdout.close()
    assert process.wait(timeout=120) == 2
    assert out == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_told(tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*SHELL, "info"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr == "affinet: error: No space left on device\n"


def test_help_imports_neither_matplotlib_nor_tqdm(tmp_path):
    code = (
        "import sys; from affinet.cli import main; assert main(['--help']) == 0; "
        "late = {'matplotlib', 'tqdm', 'pooch', 'affinet.cli.train', 'affinet.tables', 'csv'}; "
        "assert not late & set(sys.modules), late & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", [CONSOLE, SHELL, [sys.executable, "-maffinet"]])
@pytest.mark.parametrize(("level", "code"), [("bogus", 2), ("", 0)])
def test_the_shell_tells_in_one_line_why_affinet_cannot_be_imported(shell, level, code):
    done = subprocess.run(
        [*shell, "info"],
        env={**os.environ, "AFFINET_ISA": level},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    if code:
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert line.startswith("affinet: error: AFFINET_ISA=bogus is not a level")
    else:
        assert done.stdout.startswith("affinet ")


@pytest.mark.skipif(not PYPROJECT.exists(), reason="the repository's pyproject.toml is not here")
def test_the_console_s_entry_is_the_one_that_is_installed():
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    assert project["project"]["scripts"] == {"affinet": "affinet_shell:main"}
    assert project["tool"]["setuptools"]["py-modules"] == ["affinet_shell"]
