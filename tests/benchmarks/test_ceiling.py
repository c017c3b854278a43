"""ceiling.py measures the rate of a core and of its matrix unit, or says what is missing."""

from __future__ import annotations

from typing import Any

import pytest


def test_ceiling_names_its_way_and_what_it_misses(load: Any, monkeypatch: Any) -> None:
    ceiling = load("ceiling")
    monkeypatch.setattr(ceiling, "REPEATS", 2)
    found = ceiling.measure(1)
    assert found["gflops"] == max(found["product_gflops"], *found["loops"].values(), 0)
    assert found["misses"] == ceiling.MISSES[found["how"]]

    monkeypatch.setattr(ceiling.shutil, "which", lambda name: None)
    without = ceiling.measure(1)
    assert without["loops"] == {}
    assert without["how"] == ceiling.PRODUCT
    assert without["gflops"] == without["product_gflops"] > 0


def test_ceiling_of_the_matrix_unit_or_why_there_is_none(load: Any, monkeypatch: Any) -> None:
    ceiling, report = load("ceiling"), load("peers.tables")
    monkeypatch.setattr(ceiling, "REPEATS", 2)
    found = {"cores": 1, "gflops": 1.0, "how": "a", "misses": "b", "loops": {}}
    found |= {"product_gflops": 1.0}
    assert "matrix unit" not in report.ceiling_line(found)  # results of earlier runs
    unit = ceiling.matrix_unit(1)
    line = report.ceiling_line(found | {"matrix_unit": unit}).splitlines()[1]
    if unit["gflops"] is None:
        assert line == f"matrix unit of 1 core: none; {unit['how']}"
    else:
        assert unit["gflops"] > 2 * ceiling.product_rate(1)
        assert line.endswith(
            "GFLOP/s in bfloat16; a compiled loop of products of bfloat16 tiles in registers"
        )
    monkeypatch.setattr(ceiling, "processor_flags", set)
    assert ceiling.matrix_unit(1) == {
        "gflops": None,
        "how": "this processor has none that is known here (AMX)",
    }


def test_tile_loop_compiles_and_asks_for_permission(load: Any) -> None:
    ceiling = load("ceiling")
    if not ceiling.processor_flags():
        pytest.skip("the loop is for Linux on x86")
    library = ceiling.compiled(ceiling.TILE_SOURCE, ceiling.TILE_FLAGS)
    if library is None:
        pytest.skip("no compiler that knows AMX")
    assert (library.permit_tiles() == 0) == ("amx_tile" in ceiling.processor_flags())
