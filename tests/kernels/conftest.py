"""Fixtures of the kernel tests: every level that was built, in both precisions."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from affinet import _dispatch
from everywhere import lanes_of

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Mark everything in this folder; the hook sees the items of all folders."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.kernels)


@pytest.fixture(scope="session", params=_dispatch.compiled_levels())
def level(request):
    """Name of a level that was built; skips, for all to see, where this processor lacks it."""
    if request.param not in _dispatch.supported_levels():
        pytest.skip(f"this processor cannot run {request.param}")
    return request.param


@pytest.fixture(scope="session")
def kernels(level):
    """The level's module. A level that is built and supported and does not import is an error."""
    return importlib.import_module(f"affinet._kernels.{level}")


@pytest.fixture(scope="session", params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture(scope="session")
def lanes(level, dtype):
    """Elements in one vector."""
    return lanes_of(level, dtype)
