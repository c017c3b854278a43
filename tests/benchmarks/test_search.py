"""``benchmarks/search.py``: what it stores, and that it continues."""

import json

import numpy as np
import pytest

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")


@pytest.fixture
def folder(tmp_path):
    """Two small tables in the form of ``tables.py``."""
    rng = np.random.default_rng(0)
    splits, described = {}, {}
    for name, task in (("numbers", "regression"), ("classes", "classification")):
        frame = pd.DataFrame({"a": rng.standard_normal(90), "b": ["u", "v", "w"] * 30})
        frame["target"] = frame["a"] if task == "regression" else np.where(frame["a"] > 0, "y", "n")
        frame.to_csv(tmp_path / f"{name}.csv.gz", index=False)
        places = list(range(90))
        splits[name] = {"train": places[:50], "validation": places[50:70], "test": places[70:]}
        described[name] = {"task": task}
    (tmp_path / "splits.json").write_text(json.dumps(splits))
    (tmp_path / "tables.json").write_text(json.dumps(described))
    return tmp_path


@pytest.fixture
def search(load, monkeypatch):
    module = load("search")
    measured = module.measured

    def quick(kind, *given):
        model = module.KINDS[kind, given[1]]
        monkeypatch.setitem(module.KINDS, (kind, given[1]), lambda **own: model(**own, epochs=2))
        return measured(kind, *given)

    monkeypatch.setattr(module, "measured", quick)
    return module


def test_it_stores_scores_and_times_and_continues(search, folder, capsys):
    out = folder / "out.json"
    search.run(folder, ["numbers"], 1, 3, out)
    first = json.loads(out.read_text())["records"]
    assert [(r["kind"], r["networks"]) for r in first] == [("default", 1), ("search", 3)]
    search.run(folder, ["numbers", "classes"], 1, 3, out)
    records = json.loads(out.read_text())["records"]
    assert records[:2] == first
    assert len(records) == 4
    assert all(r["rmse"] >= 0 for r in first)
    assert all(0 <= r["error"] <= 1 and r["log_loss"] >= 0 for r in records[2:])
    assert all(r["seconds"] > 0 and r["cpu_seconds"] > 0 for r in records)
    assert "of 2 tables" in capsys.readouterr().out


def test_the_report_counts_by_error_and_rmse(search):
    def record(table, kind, seed, seconds, **scores):
        task = "regression" if "rmse" in scores else "classification"
        own = {
            "table": table,
            "kind": kind,
            "seed": seed,
            "networks": 64 if kind == "search" else 1,
        }
        return own | {"task": task, "seconds": seconds, "cpu_seconds": seconds} | scores

    records = [
        record("a", "default", 0, 2.0, rmse=2.0), record("a", "search", 0, 8.0, rmse=1.9),
        record("a", "default", 1, 2.0, rmse=1.0), record("a", "search", 1, 8.0, rmse=1.0),
        record("b", "default", 0, 1.0, error=0.1, log_loss=0.5),
        record("b", "search", 0, 9.0, error=0.1, log_loss=0.4),
    ]  # fmt: skip
    text = search.report(records, 64)
    assert text.endswith("better on 1 of 2 tables; it takes at most 9.0 times as long.")
    assert "0.967" in text  # 1.45 / 1.5
    assert "better on 0 of 1" in search.report(records[:1], 64)
