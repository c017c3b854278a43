"""The examples of searches and predictions with joblib, Dask, Ray and Optuna, each in a process."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import affinet

EXAMPLES = Path(__file__).parent / "examples"
SECONDS = 300  # most of it for the start of workers on a busy machine
THREAD_VARIABLES = ("AFFINET_NUM_THREADS", "OMP_NUM_THREADS")


def run(name, *arguments, needs):
    for package in needs:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{name} needs {package}")
    environment = {k: v for k, v in os.environ.items() if k not in THREAD_VARIABLES}
    environment |= {
        "PYTHONPATH": str(Path(affinet.__file__).parents[1]),
        "PYTHONWARNINGS": "ignore",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("engine", "packages", "best"),
    [
        ("loky", ["joblib"], r"0\.1\} 0\.[89]\d"),
        ("dask", ["distributed"], r"\} 0\.[789]\d"),
        ("ray", ["ray"], r"\{'alpha': 0\.0001\}"),
    ],
)
def test_a_search_finds_the_better_one_with_one_thread_a_worker(engine, packages, best):
    told = run(f"search_{engine}.py", needs=["sklearn", *packages])
    assert re.search(best, told), told
    assert re.search(r"^threads a worker 1(\.0)?$", told, re.MULTILINE), told


def test_optuna_prunes_by_a_callback():
    told = run("prune_optuna.py", needs=["optuna"])
    complete, pruned, fewest = map(
        int, re.match(r"(\d+) complete of 10 epochs, (\d+) pruned of (\d+) and more", told).groups()
    )
    assert complete + pruned == 10
    assert pruned > 0
    assert fewest < 10


@pytest.mark.parametrize(("engine", "package"), [("joblib", "joblib"), ("dask", "distributed")])
def test_predictions_on_workers_are_those_of_one_process(engine, package):
    told = run("predict_blocks.py", engine, needs=[package])
    assert told.startswith("as one process: True\n")
    assert re.search(r"loading the model took \d+\.\d ms", told)


@pytest.mark.parametrize(
    ("engine", "package"), [("loky", "joblib"), ("dask", "distributed"), ("ray", "ray")]
)
def test_networks_on_workers_are_those_of_their_own_fits(engine, package):
    told = run("many_networks.py", engine, needs=["joblib", package])
    assert told.splitlines() == [
        "as one by one: True",
        "outside this process: True",
        "threads a worker 1",
    ]
