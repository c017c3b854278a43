"""Each of the estimators with its data."""

import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")
from estimator_data import ESTIMATORS


@pytest.fixture(params=ESTIMATORS)
def task(request):
    return ESTIMATORS[request.param]
