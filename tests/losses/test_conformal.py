"""The example in docs/examples: conformal intervals by MAPIE hold the share that they promise."""

import runpy
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")
pytest.importorskip("mapie", reason="needs mapie")

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "conformal_intervals.py"


def test_conformal_intervals_hold_nine_of_ten():
    example = runpy.run_path(str(EXAMPLE))
    own, conformal = example["main"](seed=0)
    assert 0.88 < conformal < 0.92
    assert abs(own - 0.9) < 0.1
