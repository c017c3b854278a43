"""What runs inside Pyodide, by browser.mjs; ``options`` are pytest's, or --speed alone."""

import importlib
import os
import shutil
import sys
import time

importlib.invalidate_caches()  # browser.mjs has just unpacked the packages
begun = time.perf_counter()
import affinet as an  # noqa: E402

print(f"imported in {time.perf_counter() - begun:.2f} s: {an.runtime_info()}", flush=True)
info = an.runtime_info()
assert info["baseline"] == "simd128", info
assert info["threads"] == 1, info

# The tests alone: affinet itself must come from the wheel.
os.mkdir("/here")
for name in ("tests", "kernels"):
    shutil.copytree(f"/repository/{name}", f"/here/{name}")
shutil.copy("/repository/pyproject.toml", "/here")
os.chdir("/here")


# What holds at this level alone, and within two minutes; not those of threads.
FEW = [
    *(f"tests/kernels/test_{name}.py" for name in ("values", "special_values", "promises")),
    *(f"tests/kernels/test_{name}.py" for name in ("same_bits", "forward", "plan")),
    *(
        f"tests/kernels/test_doors.py::test_{name}"
        for name in (
            *("a_wrong_dtype_is_refused", "another_byte_order_is_refused"),
            *("a_scalar_out_of_range_is_named", "a_number_beyond_64_bits_is_refused"),
            *("the_first_bad_row_is_named", "the_first_and_the_last_class_are_labels"),
        )
    ),
    *("tests/training/test_narrow_indices.py", "--hypothesis-profile=few"),
]


def train() -> None:
    """``affinet train digits``, with its usual settings."""
    from affinet.cli import main

    begun = time.perf_counter()
    code = main(["train", "digits"])
    print(f"train digits: {code}, {time.perf_counter() - begun:.2f} s", flush=True)
    assert not code


def test(chosen: list[str]) -> None:
    """The kernels' tests of this level."""
    import pytest

    fixed = ["-q", "-o", "addopts=--strict-markers --import-mode=importlib"]
    code = pytest.main([*fixed, "-p", "no:cacheprovider", "-p", "no:threadexception", *chosen])
    assert code == 0, code


options = list(globals().get("options") or FEW)
if options == ["--speed"]:
    with open("/repository/.ci/browser_speed.py") as file:
        exec(file.read())
else:
    train()
    test(options)
sys.stdout.flush()
