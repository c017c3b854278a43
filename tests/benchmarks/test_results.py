"""The stored results: small files that still give every published number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
MOST_BYTES = 300_000  # of all JSON files together


@pytest.fixture(scope="module", params=sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def content(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.param.read_text(encoding="utf-8"))
    return found


def stored(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def timings(value: Any) -> list[dict[str, Any]]:
    """Every summary of samples in a result."""
    if isinstance(value, dict):
        own = [value] if "median_us" in value else []
        return own + [found for part in value.values() for found in timings(part)]
    if isinstance(value, list):
        return [found for part in value for found in timings(part)]
    return []


def longest_list(value: Any) -> int:
    """Numbers in the longest list of numbers."""
    if isinstance(value, dict):
        return max(map(longest_list, value.values()), default=0)
    if isinstance(value, list):
        numbers = sum(isinstance(item, int | float) for item in value)
        return max(numbers, *map(longest_list, value)) if value else 0
    return 0


def test_all_together_are_small() -> None:
    assert sum(path.stat().st_size for path in RESULTS.glob("*.json")) < MOST_BYTES


def test_medians_and_quartiles_stand_in_place_of_samples(content: dict[str, Any]) -> None:
    found = timings(content)
    assert found or "share" in content  # of uncertainty.py, which measures no times
    for figures in found:
        assert 0 < figures["quartile_1_us"] <= figures["median_us"] <= figures["quartile_3_us"]
        assert figures["samples"] >= 3
    assert longest_list(content) <= 5  # the accuracies of five random states


def test_the_readme_s_table_of_training_steps(load: Any) -> None:
    table = load("peers.tables").readme_table(stored("peers"))
    assert len(table.splitlines()) == 9
    assert table in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_tables_of_every_script_can_be_printed_again(load: Any, capsys: Any) -> None:
    peers = load("peers.tables").text(stored("peers"))
    assert "big 1024-1024-1024-1024-10, batch 1024" in peers
    script, runs = load("numpy_step"), stored("numpy_step")["runs"]
    for mode in script.OURS:  # a title, a header, a line for each net and number of threads
        assert len(script.mode_table(mode, runs).splitlines()) == 2 + 4 * len(runs)
    load("distributed").print_tables(stored("distributed"))
    assert "speed-up" in capsys.readouterr().out


def test_the_model_of_ranks_follows_from_what_is_stored(load: Any) -> None:
    script, content = load("distributed"), stored("distributed")
    one, two = content["measured"][:2]
    assert script.model(one, two) == pytest.approx(content["model"])
    assert script.extend(one) == content["extended"]
    found = script.check(content["measured"], content["model"])
    for line, wanted in zip(found, content["check"], strict=True):
        assert line == pytest.approx(wanted, rel=1e-9)


def test_json_puts_what_fits_in_one_line(load: Any) -> None:
    report = load("report")
    value = {"a": [1, 2.5, None, True, "µ"], "b": {"c": list(range(200))}, "d": [], "e": {}}
    text = report.as_json(value)
    assert json.loads(text) == value
    lines = text.splitlines()
    assert lines[1] == ' "a": [1, 2.5, null, true, "µ"],'
    assert max(map(len, lines)) <= report.LINE
    assert len(lines) == 200 + 9
