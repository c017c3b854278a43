"""published_table.py runs the classic program and rejects results outside its bounds."""

from __future__ import annotations

import gzip
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DATA_DIR = os.environ.get("AFFINET_DATA_DIR")


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """A folder of official names that holds small pictures of noise."""
    rng = np.random.default_rng(0)
    for prefix, rows in (("train", 300), ("t10k", 200)):
        write_idx(
            tmp_path / f"{prefix}-images-idx3-ubyte.gz",
            rng.integers(0, 256, (rows, 28, 28), np.uint8),
        )
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte.gz", rng.integers(0, 10, rows, np.uint8))
    return tmp_path


def write_idx(path: Path, array: Any) -> None:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


def published_runs(published: dict[str, tuple[float, ...]]) -> list[dict[str, Any]]:
    return [{"seed": 3, **{name: list(column) for name, column in published.items()}}]


def test_published_columns_have_seventeen_rows(load: Any) -> None:
    published = load("published_table").PUBLISHED
    assert {name: len(column) for name, column in published.items()} == {"train": 17, "test": 17}
    assert (published["train"][-1], published["test"][-1]) == (0.9779, 0.9694)


@pytest.mark.parametrize("name", ["train", "test"])
@pytest.mark.parametrize(
    ("epoch", "by", "holds"),
    [
        (0, 0.5, True),
        (1, 0.0079, True),
        (1, -0.0079, True),
        (1, 0.0081, False),
        (15, -0.0081, False),
        (16, 0.0029, True),
        (16, 0.0031, False),
        (16, -0.0031, False),
        (5, np.nan, False),
    ],
)
def test_bounds(load: Any, name: str, epoch: int, by: float, holds: bool) -> None:
    script = load("published_table")
    runs = published_runs(script.PUBLISHED)
    assert script.broken_bounds(runs) == []
    runs[0][name][epoch] += by
    problems = script.broken_bounds(runs)
    assert len(problems) == (0 if holds else 1)
    if not holds:
        assert f"seed 3: {name} accuracy of epoch {epoch} " in problems[0]


def test_largest_deviations(load: Any) -> None:
    script = load("published_table")
    runs = published_runs(script.PUBLISHED) + published_runs(script.PUBLISHED)
    runs[0]["train"][0] += 0.1
    runs[0]["train"][4] -= 0.005
    runs[1]["test"][16] += 0.002
    assert script.largest_deviations(runs) == pytest.approx(
        {
            "train, from epoch 1 on": 0.005,
            "train, last row": 0,
            "test, from epoch 1 on": 0.002,
            "test, last row": 0.002,
        }
    )


def test_first_parameters(load: Any) -> None:
    W1, b1, W2, b2 = load("published_table").first_parameters(
        np.random.default_rng(0), np.dtype("float32")
    )
    assert (W1.shape, b1.shape, W2.shape, b2.shape) == ((784, 50), (50,), (50, 10), (10,))
    assert W1.dtype == W2.dtype == b1.dtype == np.float32
    assert not b1.any()
    assert not b2.any()
    assert W1.std() == pytest.approx(0.01, rel=0.02)


def test_one_step_has_one_row_and_no_bound(run_script: Any, noise: Path, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    arguments = ("--data-dir", noise, "--steps", 1, "--dtype", "float64", "--json", path)
    done = run_script("published_table.py", *arguments)
    assert done.returncode == 0, done.stderr
    assert "every bound holds" in done.stdout
    results = json.loads(path.read_text())
    assert results["dtype"] == "float64"
    assert [run["seed"] for run in results["runs"]] == [0, 1, 2]
    assert all(len(run[name]) == 1 for run in results["runs"] for name in ("train", "test"))
    assert results["largest_deviations"] == {}


def test_broken_bound_ends_with_exit_code_1(run_script: Any, noise: Path, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    arguments = ("--data-dir", noise, "--steps", 601, "--seeds", 4, "--json", path)
    done = run_script("published_table.py", *arguments)
    assert done.returncode == 1, done.stderr
    assert "seed 4: test accuracy of epoch 1 is" in done.stdout
    assert json.loads(path.read_text())["problems"]


@pytest.mark.parametrize("arguments", [("--steps", "0"), ("--steps", "10001"), ("--seeds", "-1")])
def test_bad_options_are_named(
    load: Any, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as caught:
        load("published_table").parse(arguments)
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


@pytest.mark.skipif(not DATA_DIR, reason="needs MNIST: AFFINET_DATA_DIR is not set")
def test_first_epoch_on_the_real_digits(run_script: Any, tmp_path: Path) -> None:
    arguments = ("--steps", 601, "--seeds", 0, "--json", tmp_path / "results.json")
    done = run_script("published_table.py", "--data-dir", DATA_DIR, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
