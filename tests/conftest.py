"""How a test run uses the machine: its processes, its memory, and less of all where it is slow."""

import gc

from hypothesis import settings

FEW = 3

# --hypothesis-profile=few, where a processor is emulated
settings.register_profile("few", max_examples=2, deadline=None)


def pytest_xdist_auto_num_workers(config):
    """None beside this one where a few files are named: they end before others have started.

    For more it is pytest-xdist's own choice, as many as there are processors.
    """
    named = [argument.partition("::")[0] for argument in config.args]
    return 0 if len(named) <= FEW and all(name.endswith(".py") for name in named) else None


def pytest_collection_finish():
    """The tests themselves stay until the end: a garbage collection need not look at them."""
    gc.collect()
    gc.freeze()
