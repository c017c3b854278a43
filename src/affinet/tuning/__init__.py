"""Searches for hyper-parameters: spaces to draw them from, and :func:`affinet.search`.

Examples
--------
>>> import numpy as np
>>> from affinet import tuning
>>> space = {"lr": tuning.LogUniform(1e-4, 1e-2), "layers": tuning.Integer(1, 3), "width": [32, 64]}
>>> sorted(tuning.drawn(space, np.random.default_rng(0)))
['layers', 'lr', 'width']
"""

from affinet.tuning.networks import DEFAULTS, default_space
from affinet.tuning.search import Search, search
from affinet.tuning.spaces import Choice, Distribution, Integer, LogUniform, Uniform, drawn
from affinet.tuning.tables import table_space
from affinet.tuning.trials import Trial

__all__ = [
    "DEFAULTS",
    "Choice",
    "Distribution",
    "Integer",
    "LogUniform",
    "Search",
    "Trial",
    "Uniform",
    "default_space",
    "drawn",
    "search",
    "table_space",
]
