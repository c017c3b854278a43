"""scikit-learn's own checks of an estimator: none fails, and none is expected to."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

from sklearn.utils import estimator_checks

from affinet.estimators import MLPClassifier, MLPRegressor

# What scikit-learn's own suite checks its MLPs' weights with, and affinet's parameters.
WEIGHTED = [
    MLPClassifier(solver="lbfgs"),
    MLPRegressor(solver="sgd", tol=1e-2),
    MLPClassifier(class_weight="balanced", hidden_layer_sizes=(8, 8), activation=["tanh", "relu"]),
    MLPRegressor(loss="huber", dtype="float64", n_threads=1),
]
# Of every check, in a process of its own: SciPy reads the variable when it is imported.
ARRAY_API = """
import warnings
warnings.simplefilter("ignore")
from sklearn.utils.estimator_checks import check_estimator
from affinet.estimators import MLPClassifier, MLPRegressor
for estimator in MLPClassifier(hidden_layer_sizes=20, max_iter=60), MLPRegressor(n_threads=1):
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    bad = [r for r in results if r["status"] not in ("passed", "skipped")]
    assert len(results) > 50 and not bad, [(r["check_name"], r["exception"]) for r in bad]
    print(*(r["check_name"] for r in results if r["status"] == "skipped"))
"""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("estimator", WEIGHTED, ids=repr)
@pytest.mark.parametrize("data", ["dense", "sparse"])
def test_a_weight_of_two_is_two_rows(estimator, data):
    check = getattr(estimator_checks, f"check_sample_weight_equivalence_on_{data}_data")
    check(type(estimator).__name__, estimator)


def test_every_check_with_the_array_api_switched_on():
    result = subprocess.run(
        [sys.executable, "-c", ARRAY_API],
        env=os.environ | {"SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    # One wants a decision_function, which scikit-learn's MLPClassifier lacks too.
    assert [len(line.split()) <= 1 for line in result.stdout.splitlines()] == [True, True]
