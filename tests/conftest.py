"""How a test run uses the machine: its processes, its memory, and fewer examples if it is slow."""

import gc
import os
import signal

import pytest
from hypothesis import HealthCheck, settings

FEW = 3

# The processes that this one starts, pytest-xdist's and those of tests, have one thread each for
# NumPy's and SciPy's products: OpenBLAS's threads spin, and two processes with two of them each
# take forty times as long on two processors.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# They also keep affinet's bytecode where this process may not: hundreds of them import affinet, and
# compiling it takes longer than importing it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# No test has a deadline: the machine may be busy.
settings.register_profile("whatever it takes", deadline=None)
settings.load_profile("whatever it takes")
# --hypothesis-profile=few, where a processor is emulated
settings.register_profile(
    "few", max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def pytest_addoption(parser):
    """How long and from which seed the long forms of the evidence run (tests/evidence)."""
    parser.addoption("--cases", type=int, help="cases of each row, with -m exhaustive")
    parser.addoption("--seed", type=int, help="seed of each row, with -m exhaustive")


def pytest_collection_modifyitems(config, items):
    """Deselect what takes minutes, unless it is asked for."""
    if "exhaustive" in config.getoption("markexpr"):
        return
    long = [item for item in items if item.get_closest_marker("exhaustive")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]


def pytest_configure():
    """Make SIGINT work in the tests' processes; background jobs of a shell ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)  # xdist is not everywhere
def pytest_xdist_auto_num_workers(config):
    """None beside this one where a few files are named: they end before others have started.

    For more it is pytest-xdist's own choice, as many as there are processors.
    """
    named = [argument.partition("::")[0] for argument in config.args]
    return 0 if len(named) <= FEW and all(name.endswith(".py") for name in named) else None


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect the tests without garbage collection, and exempt them from it afterwards.

    They live until the end; walking through them again and again takes a third of the collection.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()
