"""One test for all levels and both precisions, where thousands of small ones would take longer."""

from __future__ import annotations

import functools
import importlib
import inspect

import numpy as np

from affinet import _dispatch

VECTOR_BYTES = {"avx512": 64, "avx2": 32}  # elsewhere 16
DTYPES = [np.dtype("float32"), np.dtype("float64")]
ALL_LANES = (2, 4, 8, 16)  # of any level and precision
GIVEN = ("kernels", "dtype", "lanes")  # as the fixtures of tests/kernels/conftest.py


def lanes_of(level: str, dtype: np.dtype) -> int:
    """Elements in one vector of the level."""
    return VECTOR_BYTES.get(level, 16) // dtype.itemsize


def everywhere(test):
    """The test at every level that this processor runs, in both precisions, one after the other.

    For kernels whose own time is far below that of a test of pytest's. An error says where.
    """
    signature = inspect.signature(test)
    dtypes = (
        DTYPES if "dtype" in signature.parameters or "lanes" in signature.parameters else [None]
    )

    @functools.wraps(test)
    def one_by_one(**others):
        for level in _dispatch.compiled_levels():
            if level not in _dispatch.supported_levels():
                continue  # other tests skip it for all to see
            kernels = importlib.import_module(f"affinet._kernels.{level}")
            for dtype in dtypes:
                lanes = dtype and lanes_of(level, dtype)
                given = {"kernels": kernels, "dtype": dtype, "lanes": lanes}
                own = {name: given[name] for name in GIVEN if name in signature.parameters}
                try:
                    test(**own, **others)
                except BaseException as error:
                    error.add_note(f"at the level {level}, {dtype or 'either precision'}")
                    raise

    rest = [value for name, value in signature.parameters.items() if name not in GIVEN]
    one_by_one.__signature__ = signature.replace(parameters=rest)
    return one_by_one
