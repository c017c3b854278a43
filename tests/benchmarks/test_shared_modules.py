"""What the scripts share: interleaved samples, the machine, tables and files."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import Any

import pytest


class Clock:
    """A perf_counter that moves only when work is done."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timing(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = importlib.import_module("affinet.bench.timing")
    monkeypatch.setattr(module.time, "perf_counter", Clock())
    return module


def runner(timing: Any, cost: float, log: list[tuple[str, int]], name: str) -> Any:
    def run(count: int) -> None:
        timing.time.perf_counter.now += cost * count
        log.append((name, count))

    return run


def test_samples_are_seconds_for_one_piece_of_work(timing: Any) -> None:
    log: list[tuple[str, int]] = []
    runners = {name: runner(timing, cost, log, name) for name, cost in (("a", 0.5), ("b", 2.0))}
    plan = timing.Sampling(repeats=4, sample_seconds=2.0, budget_seconds=1e9)
    samples, count = timing.interleaved(runners, plan, lambda: log.append(("reset", 0)))
    assert count == 4  # the fastest needs the time of a sample
    assert samples == {"a": [0.5] * 4, "b": [2.0] * 4}


def test_contenders_take_turns_and_all_start_alike(timing: Any) -> None:
    log: list[tuple[str, int]] = []
    runners = {name: runner(timing, 1.0, log, name) for name in "abc"}
    timing.interleaved(
        runners, timing.Sampling(repeats=3, budget_seconds=1e9), lambda: log.append(("reset", 0))
    )
    names = [name for name, _ in log]
    assert names[9:] == [part for name in "abcbcacab" for part in ("reset", name)]


def test_the_budget_ends_the_rounds_but_leaves_three(timing: Any) -> None:
    plan = timing.Sampling(repeats=100, budget_seconds=0.0)
    samples, _ = timing.interleaved({"a": runner(timing, 1.0, [], "a")}, plan, lambda: None)
    assert len(samples["a"]) == 3


def test_summary_is_in_microseconds(timing: Any) -> None:
    found = timing.summary([1e-6, 2e-6, 3e-6, 4e-6, 100e-6])
    assert found["median_us"] == pytest.approx(3)
    assert (found["quartile_1_us"], found["quartile_3_us"]) == pytest.approx((2, 4))
    assert found["samples"] == 5


def test_environment_holds_every_library(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    environment = load("machine").thread_environment(2)
    for name in ("OMP", "OPENBLAS", "MKL", "AFFINET"):
        assert environment[f"{name}_NUM_THREADS"] == "2"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert environment["PATH"] == os.environ["PATH"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin")
def test_pinned_gives_the_cores_back(load: Any) -> None:
    machine = load("machine")
    before = os.sched_getaffinity(0)
    assert set(machine.cores()) == before
    with machine.pinned(1) as chosen:
        assert os.sched_getaffinity(0) == set(chosen)
        assert chosen == machine.cores()[:1]
    assert os.sched_getaffinity(0) == before


def test_hardware_threads_of_one_core_come_last(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from affinet.bench import machine

    monkeypatch.setattr(machine, "_siblings", lambda core: {0: "0,1", 1: "0,1"}.get(core, "2,3"))
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    assert machine.cores() == [0, 2, 1, 3]


def test_description_is_json_and_names_the_machine(load: Any) -> None:
    machine = load("machine")
    described = machine.description()
    assert json.loads(json.dumps(described)) == described
    heading = machine.heading(described)
    for name in ("processor", "numpy", "blas", "level"):
        assert described[name]
        assert described[name] in heading
    assert str(described["cores"]) in heading


def test_table_lines_up(load: Any) -> None:
    text = load("report").table(["net", "µs"], [["a", "1,000"], ["long", "2"]])
    assert text.splitlines() == ["net      µs", "a     1,000", "long      2"]


def test_json_goes_beside_the_script_unless_told(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = load("report")
    assert Path(report.__file__).parent / "results" == report.RESULTS
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    report.write_json(None, "name", {"a": 1})
    assert json.loads((tmp_path / "results" / "name.json").read_text()) == {"a": 1}

    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr(report, "RESULTS", blocked / "results")
    report.write_json(None, "name", {})
    assert "no JSON written" in capsys.readouterr().err
    with pytest.raises(OSError, match="file"):
        report.write_json(blocked / "name.json", "name", {})
