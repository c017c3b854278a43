"""The example in docs/examples: SHAP values of a network."""

import runpy
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("shap", reason="needs shap")

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "shap_values.py"


def test_values_add_up_to_the_predictions():
    values, base, predictions = runpy.run_path(str(EXAMPLE))["main"](rows=10)
    np.testing.assert_allclose(values.sum(axis=1) + base, predictions, atol=1e-6)
    sizes = np.abs(values).mean(axis=0)
    assert sizes.argmax() == 0
    assert sizes[3] < 0.1 * sizes[0]
