"""many.py verifies, measures and reports."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import numpy as np
import pytest


def test_quick_run(run_script: Any, tmp_path: Any) -> None:
    path, peer = tmp_path / "many.json", [*["sklearn"] * bool(importlib.util.find_spec("sklearn"))]
    done = run_script(
        "many.py", "--quick", "--only", "tiny", "--repeats", 1, "--cores", 1, "--json", path,
        "--peers", *peer,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "/ sum of fits" in done.stdout
    (run,) = json.loads(path.read_text())["runs"]
    alone, beside = run["cases"]
    affinet = {"fit_many", "fit_many, 1 thread", "loop of fits", "loop of fits, 1 thread"}
    affinet.add("loops of fits, a process a core")
    assert set(alone["contenders"]) == affinet
    assert set(beside["contenders"]) - affinet == {"joblib, MLPClassifier"} & set(
        beside["contenders"] if peer else ()
    )
    assert len(beside["deviations"]) == len(peer)
    assert all(value > 0 for value in alone["processor_seconds"].values())


def test_another_result_is_an_error(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    many = load("many")
    task = many.crowds(True, ["tiny"])[0][0]

    class Wrong(many.FitManyAlone):  # type: ignore[misc, name-defined]
        def run(self, count: int) -> None:
            super().run(count)
            self.nets[1].params["0.W"][0, 0] = np.nextafter(self.nets[1].params["0.W"][0, 0], 9)

    assert many.verify(task, {}) == {}
    peer = many.FitMany(task, shuffle=True)  # another order of rows is another result
    with pytest.raises(many.VerificationError, match="peer, network 0: W1"):
        many.verify(task, {"peer": peer})
    monkeypatch.setattr(many, "FitManyAlone", Wrong)
    with pytest.raises(many.VerificationError, match=r"Wrong: .* has other bits"):
        many.verify(task, {})
