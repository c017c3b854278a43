"""scikit-learn's own tests of its MLPs, run with affinet's in their place.

They come with scikit-learn, in the version that is installed. Each that fails stands here with the
private attribute of scikit-learn's solver that it reads; any other failure is one of affinet's.
"""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor\n"
SWAPPED = IMPORT.replace("sklearn.neural_network", "affinet.estimators")
# Of each test that cannot pass, what of scikit-learn's solver it reads.
PRIVATE = {
    "test_gradient": "_loss_grad_lbfgs",
    "test_learning_rate_warmstart": "_optimizer.learning_rate",
    "test_adaptive_learning_rate": "_optimizer.learning_rate",
}
FEWEST = 40  # tests in the file; 59 in scikit-learn 1.9


def suite():
    """The text of scikit-learn's test module; a visible skip where it is not installed."""
    spec = find_spec("sklearn.neural_network")
    path = Path(spec.origin).parent / "tests" / "test_mlp.py"
    if not path.exists():
        pytest.skip("this scikit-learn came without its tests")
    return path.read_text(encoding="utf-8")


def test_scikit_learns_tests_pass_with_the_import_swapped(tmp_path):
    text = suite()
    assert text.count(IMPORT) == 1
    (tmp_path / "test_mlp.py").write_text(text.replace(IMPORT, SWAPPED), encoding="utf-8")
    (tmp_path / "conftest.py").write_text("from sklearn.conftest import *\n", encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:randomly", "-p", "no:xdist",
         "-p", "no:cacheprovider", "-W", "ignore", "test_mlp.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTEST_ADDOPTS": "", "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    found = re.findall(r"^(PASSED|FAILED|ERROR) \S+?::(\S+)", run.stdout, re.M)
    outcomes = {name: outcome for outcome, name in found}
    assert len(outcomes) >= FEWEST, run.stdout + run.stderr
    failed = {name.partition("[")[0] for name, outcome in outcomes.items() if outcome != "PASSED"}
    assert failed == PRIVATE.keys(), run.stdout


@pytest.mark.parametrize("name", PRIVATE)
def test_what_fails_reads_private_attributes(name):
    """A test stands on the list only while it reads what it is said to read."""
    body = re.search(rf"^def {name}\(.*?(?=^def |^@|\Z)", suite(), re.M | re.S)
    assert body is not None
    assert PRIVATE[name] in body.group()
