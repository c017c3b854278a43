"""Importing affinet: what it does, and what it leaves alone."""

import os
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import affinet

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
OPTIONAL = {
    "matplotlib", "tqdm", "scipy", "pooch", "sklearn", "pandas", "torch", "onnx", "mpi4py",
    "threadpoolctl", "safetensors", "requests", "urllib3", "joblib", "Cython", "hypothesis",
}  # fmt: skip


def test_imports_nothing_but_numpy_and_the_standard_library(run):
    loaded = run(
        "import sys, numpy\n"
        "before = set(sys.modules)\n"
        "import affinet\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    ).split()
    strangers = set(loaded) - sys.stdlib_module_names - {"affinet", "numpy"}
    assert not strangers & OPTIONAL
    assert all(name.startswith(("__editable__", "_")) or "cython" in name for name in strangers)


def test_what_only_a_team_or_a_file_needs_is_imported_later(run):
    brought = set(
        run(
            "import sys, numpy\n"
            "before = set(sys.modules)\n"
            "import affinet\n"
            "print(*set(sys.modules) - before)"
        ).split()
    )
    assert "affinet.training.trainer" in brought
    # Importing these standard modules took as long as all of affinet.
    heavy = {"hashlib", "tempfile", "shutil", "pathlib", "zipfile", "json", "socket", "logging"}
    assert not brought & heavy
    later = {"affinet.training.team", "affinet.training.team_run", "affinet.training.checkpoint"}
    later |= {"affinet.training.checkpoint_file", "affinet.training.snapshot"}
    later |= {"affinet.archive", "affinet.model_file", "affinet.reference"}
    later |= {"affinet.samplers", "affinet.training.sampling"}
    assert not brought & later


def test_opens_no_connection_and_starts_no_process(run):
    events = run(
        "import sys, numpy\n"
        "events = []\n"
        "watched = ('socket.', 'subprocess.', 'os.fork', 'os.system', 'os.exec', 'os.posix_spawn',"
        " 'urllib.', 'pickle.', 'os.putenv', 'os.unsetenv', '_thread.start')\n"
        "sys.addaudithook(lambda event, args: event.startswith(watched) and events.append(event))\n"
        "import affinet\n"
        "print(events)"
    )
    assert events == "[]"


def test_reads_no_data_and_writes_nothing(run):
    opened = run(
        "import sys, numpy\n"
        "opened = []\n"
        "def hook(event, args):\n"
        "    if event == 'open' and isinstance(args[0], str):\n"
        "        mode = args[1] or 'r'\n"
        "        if args[0].endswith(('.gz', '.csv', '.npz')) or set(mode) & set('wax+'):\n"
        "            opened.append(args[:2])\n"
        "sys.dont_write_bytecode = True\n"
        "sys.addaudithook(hook)\n"
        "import affinet\n"
        "print(opened)"
    )
    assert opened == "[]"


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads in /proc")
def test_starts_no_thread_not_even_a_native_one(run):
    counts = run(
        "import os, threading, numpy\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "import affinet\n"
        "print(before, len(os.listdir('/proc/self/task')), threading.active_count())"
    ).split()
    assert counts[0] == counts[1]
    assert counts[2] == "1"


def test_leaves_the_process_as_it_was(run):
    """Float state, warnings, signals, random state, environment and output."""
    snapshot = (
        "(np.geterr(), list(warnings.filters), [signal.getsignal(s) for s in (2, 15)], "
        "np.random.get_state()[1].tolist(), dict(os.environ), np.get_printoptions(), "
        "sys.getrecursionlimit(), os.getcwd(), 5e-324 / 2 + 5e-324)"
    )
    assert (
        run(
            "import os, signal, sys, warnings\n"
            "import numpy as np\n"
            "np.random.seed(0)\n"
            f"before = {snapshot}\n"
            "import affinet\n"
            f"print(before == {snapshot})"
        )
        == "True"
    )


def test_imports_without_a_terminal_a_home_or_standard_streams(run):
    run(
        "import sys\nsys.stdin = sys.stderr = None\nimport affinet",
        HOME=None, TERM=None, LANG=None, PYTHONIOENCODING=None,
    )  # fmt: skip


def test_checks_are_no_assertions(run):
    """Nor do they need their docstrings: both are stripped here."""
    assert (
        run(
            "import affinet as an, numpy as np\n"
            "assert False, 'stripped'\n"
            "net = an.Sequential(an.Affine.init(2, 2, rng=0), loss=an.SoftmaxWithLoss())\n"
            "net.fit(np.ones((4, 2)), [0, 1, 0, 1], epochs=1)\n"
            "try:\n"
            "    an.SoftmaxWithLoss().forward(np.ones((1, 2)), [0.5])\n"
            "except TypeError as error:\n"
            "    print(error)",
            PYTHONOPTIMIZE="2",
        )
        == "t has dtype float64, wanted integers for class indices"
    )


def test_warnings_as_errors_on_import(run):
    run("import affinet", PYTHONWARNINGS="error")


def test_the_version_is_a_string_of_one_source():
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?(\.(dev|post)\d+)?", affinet.__version__)
    assert affinet.runtime_info()["affinet"] == affinet.__version__


def test_the_installed_metadata_say_the_same():
    try:
        installed = version("affinet")
    except PackageNotFoundError:
        pytest.skip("affinet is imported from a folder, not installed")
    assert installed == affinet.__version__


@pytest.mark.skipif(not PYPROJECT.exists(), reason="the repository's pyproject.toml is not here")
def test_pyproject_takes_the_version_from_there():
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    assert "version" in project["project"]["dynamic"]
    attribute = project["tool"]["setuptools"]["dynamic"]["version"]["attr"]
    assert attribute == "affinet._version.__version__"
    assert affinet._version.__version__ == affinet.__version__


@pytest.mark.skipif(not PYPROJECT.exists(), reason="the repository's pyproject.toml is not here")
def test_numpy_is_the_only_hard_dependency_and_every_package_is_shipped():
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    assert [d.partition(">")[0] for d in project["project"]["dependencies"]] == ["numpy"]
    root = Path(affinet.__file__).parent
    packages = {
        ".".join(("affinet", *folder.parent.relative_to(root).parts))
        for folder in root.rglob("__init__.py")
    }
    assert packages == set(project["tool"]["setuptools"]["packages"])


def test_c_files_are_in_the_sdist_from_which_wheels_are_built():
    """MANIFEST.in leaves out C, which is translated kernels, and takes these in again."""
    root = PYPROJECT.parent
    included = (root / "MANIFEST.in").read_text(encoding="utf-8").partition("global-exclude")[2]
    for folder in ("src", "tests"):
        for path in (root / folder).rglob("*.c"):
            assert f"include {path.relative_to(root).as_posix()}\n" in included, path


def test_onnx_is_imported_when_a_file_is_written_or_read_and_missed_in_one_sentence(run):
    code = (
        "import sys\n"
        "sys.modules['onnx'] = None\n"
        "import affinet as an\n"
        "net = an.Sequential(an.Affine.init(2, 2, rng=0))\n"
        "for use in (lambda: an.onnx.load('m.onnx'), lambda: an.onnx.export(net, 'm.onnx')):\n"
        "    try:\n"
        "        use()\n"
        "    except ImportError as error:\n"
        "        print(error)"
    )
    sentence = 'affinet.onnx needs onnx: pip install "affinet[onnx]"'
    assert run(code).splitlines() == [sentence] * 2


def test_the_package_is_typed():
    assert (Path(affinet.__file__).parent / "py.typed").is_file()
