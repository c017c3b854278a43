"""The figures of ``benchmarks/uncertainty.py``: coverage and calibration error."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")


@pytest.fixture
def uncertainty(load):
    return load("uncertainty")


def test_coverage_counts_targets_on_the_border(uncertainty):
    low, high = np.array([0.0, 0.0, 0.0, 2.0]), np.array([1.0, 1.0, 1.0, 3.0])
    assert uncertainty.coverage(low, high, np.array([0.0, 1.0, 1.1, 1.9])) == 0.5


def test_a_calibration_error_by_hand(uncertainty):
    """Two rows in one bin, surest 0.9 and half right; one in another, 0.6 and right."""
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4]])
    found = uncertainty.calibration_error(probabilities, np.array([0, 0, 0]))
    assert found == pytest.approx((2 * 0.4 + 1 * 0.4) / 3)


def test_calibration_lowers_the_error_as_much_as_scikit_learn(uncertainty):
    """The same network and rows: only the prior of one row differs."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3000, 4)).astype(np.float32)
    t = (x[:, 0] + 2 * rng.standard_normal(3000) > 0).astype(int)
    rows = {"train": (x[:200], t[:200]), "validation": (x[200:1000], t[200:1000])}
    rows["test"] = x[1000:], t[1000:]
    found = uncertainty.probabilities(rows, 2, 0)
    assert found["affinet.calibrate"] == pytest.approx(found["scikit-learn"], abs=2e-3)


def test_intervals_cover_their_share(uncertainty):
    pytest.importorskip("mapie")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4000, 2)).astype(np.float32)
    t = (x[:, :1] + rng.standard_normal((4000, 1))).astype(np.float32)
    rows = {"train": (x[:500], t[:500]), "validation": (x[500:2000], t[500:2000])}
    rows["test"] = x[2000:], t[2000:]
    found = uncertainty.intervals(rows, 0)
    assert found["quantiles, conformal"] == pytest.approx(0.9, abs=0.04)
    assert found["ensemble, conformal"] == pytest.approx(0.9, abs=0.04)


def test_rows_of_the_parts_are_encoded_as_the_training_rows_say(uncertainty):
    rng = np.random.default_rng(0)
    frame = uncertainty.pd.DataFrame({"a": rng.standard_normal(30), "b": ["u", "v", "w"] * 10})
    y = np.array(["no", "yes"] * 15)
    parts = {"train": uncertainty.Part(frame, y), "test": uncertainty.Part(frame[:5], y[:5])}
    rows, n_classes = uncertainty.encoded(parts, "classification")
    assert n_classes == 2
    np.testing.assert_array_equal(rows["test"][0], rows["train"][0][:5])
    np.testing.assert_array_equal(rows["test"][1], [0, 1, 0, 1, 0])
