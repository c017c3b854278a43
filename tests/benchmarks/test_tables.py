"""``tables.py``: its run on tiny tables made here, its figures, the comparison with pytabkit."""

from __future__ import annotations

import gzip
import json
import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pandas", reason="needs pandas")
pytest.importorskip("sklearn", reason="needs scikit-learn")

PYTABKIT = all(find_spec(name) is not None for name in ("pytabkit", "torch"))
QUICK = ("--quick", "--threads", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tables in the format of ``tables.json``: numbers, and classes with missing cells."""
    rng = np.random.default_rng(0)
    described, splits = {}, {}
    for name, task in (("costs", "regression"), ("kinds", "classification")):
        lines = ["a,b,target"]
        for k in range(120):
            a, b = rng.standard_normal(), "rgb"[k % 3]
            y = f"{a + k % 3:.3f}" if task == "regression" else ("yes" if a > 0 else "no")
            lines.append(f"{'' if k % 9 == 0 else f'{a:.3f}'},{'' if k % 13 == 0 else b},{y}")
        (tmp_path / f"{name}.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
        places = [list(range(80)), list(range(80, 100)), list(range(100, 120))]
        splits[name] = dict(zip(("train", "validation", "test"), places, strict=True))
        described[name] = {"task": task}
    (tmp_path / "tables.json").write_text(json.dumps(described))
    (tmp_path / "splits.json").write_text(json.dumps(splits))
    return tmp_path


def record(table: str, method: str, seed: int = 0, threads: int = 2, **figures: Any) -> Any:
    base = {"task": "regression", "wall_s": 1.0, "cpu_s": 1.0, "predict_s": 0.1, "peak_mb": 100}
    names = {"table": table, "method": method, "seed": seed, "threads": threads}
    return base | {"train_rows": 80, "test_rows": 20} | names | figures


def run_here(load: Any, *arguments: object) -> int:
    """The script without a process of its own."""
    code: int = load("tables.run").main([str(argument) for argument in arguments])
    return code


def open_jobs(load: Any, *arguments: object) -> set[tuple[str, str]]:
    """The tables and methods that a run with these options would measure."""
    run = load("tables.run")
    options = run.parse([str(argument) for argument in arguments])
    return {(job["table"], job["method"]) for job in run.jobs_of(options, run.started(options))}


def test_a_run_measures_every_table_and_resumes(
    run_script: Any, load: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plot = tmp_path / "out.json", tmp_path / "out.png"
    arguments = (*QUICK, "--data-dir", folder, "--out", out, "--seeds", 0)
    methods = ("--methods", "mlp")
    assert run_here(load, *arguments, *methods, "--tables", "kinds") == 0
    assert "kinds: 80 training rows, 20 test rows" in capsys.readouterr().out
    second = run_script("tables.py", *arguments, *methods, "--plot", plot)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "1/1 costs" in second.stderr  # those of the other table are there
    assert "mean rank by error or RMSE" in second.stdout
    records = json.loads(out.read_text())["records"]
    assert {(r["table"], r["method"]) for r in records} == {("costs", "mlp"), ("kinds", "mlp")}
    for found in records:
        scores = {"rmse"} if found["table"] == "costs" else {"error", "log_loss"}
        assert scores <= found.keys()
        assert found["wall_s"] > 0
        assert found["peak_mb"] >= found["before_mb"] > 0
    assert plot.exists() or "matplotlib is not installed" in second.stdout
    assert open_jobs(load, *arguments, "--methods", "mlp", "sklearn-mlp") == {
        ("costs", "sklearn-mlp"), ("kinds", "sklearn-mlp")
    }  # fmt: skip
    assert run_here(load, *arguments[1:], "--methods", "mlp") == 2
    assert "give another --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "method", ["realmlp", "realmlp-s", "tabm", "fast", "sklearn-mlp", "sklearn-boosting"]
)
@pytest.mark.parametrize("table", ["costs", "kinds"])
def test_every_method_is_fitted(load: Any, folder: Path, method: str, table: str) -> None:
    task = {"costs": "regression", "kinds": "classification"}[table]
    parts = load("tables.data").load(folder, table, None)
    module = load("tables.methods").METHODS[method].module
    found = load(f"tables.{module}").contender(method, task, 0, 1, True)
    found.fit(parts["train"], parts["validation"])
    predicted = found.predict(parts["test"].X)
    assert predicted.shape == ((20,) if table == "costs" else (20, 2))
    assert np.isfinite(predicted).all()
    if table == "kinds":
        assert found.classes.tolist() == ["no", "yes"]


def test_a_fit_that_fails_is_reported_and_tried_again(
    load: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    arguments = (*QUICK, "--data-dir", folder, "--out", out, "--methods", "mlp", "--seeds", 0)
    assert run_here(load, *arguments, "--tables", "costs", "--limit", 0.01) == 1
    assert "costs, mlp, seed 0, 1 threads: longer than 0.01 s" in capsys.readouterr().out
    assert run_here(load, *arguments, "--tables", "costs") == 0
    assert len(json.loads(out.read_text())["records"]) == 1


def test_wrong_folders_and_tables_are_named(
    load: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, wanted in (
        ((), "--data-dir is missing"),
        (("--data-dir", tmp_path / "nowhere"), "holds no tables.json"),
        (("--data-dir", folder, "--tables", "cost"), "--tables has 'cost'"),
    ):
        assert run_here(load, *arguments) == 2
        assert wanted in capsys.readouterr().err


def test_missing_packages_are_named(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    methods = load("tables.methods")
    monkeypatch.setattr(methods, "find_spec", lambda name: None if name == "xgboost" else name)
    assert methods.missing(["mlp", "xgboost"]) == {"xgboost": "xgboost is not installed"}
    assert methods.thread_counts("pytabkit-td", 2) == [1, 2]
    assert methods.thread_counts("realmlp", 2) == [2]


def test_scores(load: Any) -> None:
    scores = load("tables.scores")
    assert scores.scores(np.array([1.0, 3.0]), np.array([1.0, 1.0]), None) == {
        "rmse": pytest.approx(math.sqrt(2))
    }
    p = np.array([[0.5, 0.5], [0.25, 0.75], [0.9, 0.1]])
    found = scores.scores(np.array(["a", "b", "c"]), p, np.array(["a", "b"]))
    assert found["error"] == pytest.approx(1 / 3)  # "c" is unknown, "a" the first of two
    assert found["log_loss"] == pytest.approx(-np.log([0.5, 0.75, 1e-7]).mean())


def test_ratios_ranks_and_means(load: Any) -> None:
    scores = load("tables.scores")
    value, error = scores.ratio([1.0, 1.2], [2.0, 2.0])
    assert (value, error) == pytest.approx((0.55, 0.05))
    assert scores.ratio([0.0], [0.0], floor=0.1)[0] == 1
    assert math.isnan(scores.mean_and_error([3.0])[1])
    assert scores.ranks([3.0, 1.0, 3.0, 0.5]) == [3.5, 2.0, 3.5, 1.0]
    assert scores.geometric_mean([1.0, 4.0]) == pytest.approx(2)


def test_the_faster_number_of_threads_counts(load: Any) -> None:
    results, text = load("tables.results"), load("tables.text")
    records = [
        record("costs", "realmlp", rmse=2.0, wall_s=1.0),
        record("costs", "pytabkit-td", rmse=1.0, wall_s=8.0),
        record("costs", "pytabkit-td", threads=1, rmse=1.0, wall_s=6.0),
        record("costs", "mlp", rmse=3.0),
        record("costs", "lightgbm", failed="out of memory"),
    ]
    found = results.cells(records)
    assert found["costs", "pytabkit-td"][0]["threads"] == 1
    (row,) = results.ratios(found, "realmlp")
    assert row["rmse"][0] == 2
    assert results.summary([row]) == {"score": pytest.approx(2), "speed": pytest.approx(6)}
    assert results.mean_ranks(found) == {"pytabkit-td": 1.0, "realmlp": 2.0, "mlp": 3.0}
    shown = text.text({"records": records})
    assert "realmlp / pytabkit-td" in shown
    assert "costs, lightgbm, seed 0, 2 threads: out of memory" in shown


def test_a_method_without_all_tables_is_not_ranked(load: Any) -> None:
    text = load("tables.text")
    records = [record(t, "mlp", rmse=1.0) for t in ("costs", "kinds")]
    shown = text.text({"records": [*records, record("costs", "xgboost", rmse=2.0)]})
    assert "not ranked, without a result for every table: xgboost" in shown


@pytest.mark.parametrize(
    ("method", "dtype", "figures", "count"),
    [
        ("realmlp", "float32", {"forward": 1e-6, "trained": 1e-6}, 0),
        ("realmlp", "float32", {"forward": 1e-6, "trained": 2e-5}, 1),
        ("tabm", "float32", {"forward": 1e-6, "trained": 2e-2}, 0),
        ("tabm", "float64", {"forward": 1e-6, "trained": 2e-2}, 1),
        ("tabm", "float32", {"forward": math.nan, "trained": 0.0}, 1),
    ],
)
def test_disagreement_is_a_problem(
    load: Any, method: str, dtype: str, figures: dict[str, float], count: int
) -> None:
    reference = load("tables.reference")
    case = {"method": method, "task": "regression", "dtype": dtype, **figures}
    assert len(reference.problems([case])) == count


@pytest.mark.skipif(PYTABKIT, reason="pytabkit is installed: the comparison runs")
def test_verification_is_skipped_by_name_without_pytabkit(run_script: Any) -> None:
    done = run_script("tables.py", "--verify")
    assert done.returncode == 0, done.stderr
    assert "skipped: pytabkit is not installed" in done.stdout


@pytest.mark.skipif(not PYTABKIT, reason="pytabkit is not installed")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("method", ["realmlp", "realmlp-s", "tabm"])
def test_networks_and_their_training_agree_with_pytabkit(load: Any, method: str, task: str) -> None:
    reference = load("tables.reference")
    found = reference.compare(method, task, "float64")
    assert reference.problems([found]) == []
    assert found["moved"] > 0.1


@pytest.mark.skipif(not PYTABKIT, reason="pytabkit is not installed")
@pytest.mark.filterwarnings("ignore")
def test_numbers_are_encoded_as_in_pytabkit(load: Any) -> None:
    encoding = load("tables.reference_encoding")
    found = [row for row in encoding.numbers() if row["method"] == "realmlp"]
    assert max(row["difference"] for row in found) < 1e-6
    most = encoding.most_one_hot()
    assert most["affinet"] == most["pytabkit"]
