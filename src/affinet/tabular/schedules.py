"""The learning-rate schedules that recipes and the shell know by name."""

from __future__ import annotations

from collections.abc import Callable

from affinet.schedules import Constant, Cosine, CosLog4, FlatCosine, OneCycle, Schedule

LR_SCHEDULES: dict[str, Callable[[float], Schedule]] = {
    "constant": Constant,
    "cosine": Cosine,
    "flat-cosine": FlatCosine,
    "coslog4": CosLog4,
    "one-cycle": OneCycle,
}
"""Learning-rate schedules by name, for :func:`~affinet.tabular.named_schedule`."""


def named_schedule(name: str, lr: float) -> Schedule:
    """The schedule of this name, with ``lr`` as its highest rate.

    Examples
    --------
    >>> named_schedule("cosine", 0.1)
    Cosine(lr=0.1, total=None, warmup=0, final=0.0)
    """
    return LR_SCHEDULES[name](lr)
