"""The scaling model of distributed.py: its terms by hand, and the tables built from it."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def script(load: Any) -> Any:
    return load("distributed")


@pytest.fixture
def results(script: Any) -> list[dict[str, Any]]:
    """What ranks of 1 ms a 64 rows and 1 ms an update would measure: a sum of 1 MB takes 1 ms."""
    shares = {str(script.ROWS // k): script.ROWS / k / 64e3 for k in (*script.RANKS, *script.LARGE)}
    alone = {"together": {"median_us": 9e3}, "alone": {"median_us": 9e3}}
    both = {"together": {"median_us": 6e3}, "alone": {"median_us": 9e3}}
    one = {"ranks": 1, "cores": 1, "share": shares, "update": 1e-3, "bytes": 1e6, "mid": alone}
    two = {"ranks": 2, "cores": 2, "mid": both}
    two["sums"] = {"allreduce_one_number": 20e-6, "shared": 1.02e-3, "allreduce": 2e-3}
    return [one, two]


def test_the_sum_s_time(script: Any) -> None:
    assert script.sum_seconds(1, 1e6, 1.0, 1.0) == 0
    assert script.sum_seconds(2, 1e6, 10e-6, 1e9) == pytest.approx(1.02e-3)
    assert script.sum_seconds(3, 3e6, 10e-6, 1e9) == pytest.approx(4.04e-3)
    assert script.sum_seconds(8, 8e6, 0.0, 1e9) == pytest.approx(14e-3)


def test_the_model_fits_what_it_was_taken_from(script: Any, results: Any) -> None:
    fitted = script.model(*results)
    assert fitted == pytest.approx({"latency": 10e-6, "bandwidth": 1e9})
    lines = script.check(results, fitted)
    assert [line["predicted_ms"] for line in lines] == pytest.approx([9.0, 4 + 1 + 1.02])
    assert lines[1]["speedup"] == pytest.approx(1.5)
    assert lines[1]["predicted_over_measured"] == pytest.approx(6.02 / 6)


def test_larger_scale(script: Any, results: Any) -> None:
    first = script.extend(results[0])[0]
    assert (first["network"], first["ranks"]) == ("10 Gbit/s", 8)
    summed = 6 * 30e-6 + 2 * 7 / 8 * 1e6 / 1.25e9
    assert first["sum_ms"] == pytest.approx(1e3 * summed)
    assert first["speedup_512_rows_for_all"] == pytest.approx(9e-3 / (2e-3 + summed))
    assert first["speedup_512_rows_each"] == pytest.approx(8 * 9e-3 / (9e-3 + summed))
