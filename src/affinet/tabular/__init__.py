"""Networks for tables: recipes, the networks they describe, their training and calibration.

A :class:`Recipe` holds every choice of a method: preprocessing, network, optimizer, schedules and
stopping. :func:`recipe_for` returns that of a named method; :func:`build` makes its network for
encoded rows, :func:`train` trains it and keeps the best epoch, and :func:`fit_temperature`
calibrates the probabilities. The estimators and the shell are built on these.

Examples
--------
>>> import numpy as np
>>> from affinet.tables import Table
>>> rng = np.random.default_rng(0)
>>> numbers = rng.standard_normal((80, 2))
>>> table = Table("t", {"a": numbers[:, 0], "b": numbers[:, 1], "y": numbers @ [1.0, -2.0]})
>>> recipe = recipe_for("mlp", "default", "regression", n_rows=80)
>>> encoding = encode(recipe, table, "y")
>>> x, t = encoding.inputs(table), encoding.targets(table)
>>> net = build(recipe, encoding, x, t, seed=0)
>>> history = train(net, recipe, x, t, validation=None, epochs=20)
>>> history["loss"][-1] < 0.1
True
"""

from affinet.tabular.encoding import encode
from affinet.tabular.initialization import initialize_from_rows
from affinet.tabular.linear import LinearModel, fit_linear
from affinet.tabular.networks import build, optimizer_for, outputs
from affinet.tabular.recipes import METHODS, PRESETS, Recipe, recipe_for
from affinet.tabular.schedules import LR_SCHEDULES, named_schedule
from affinet.tabular.splitting import held_out
from affinet.tabular.temperature import calibrated, fit_temperature
from affinet.tabular.time_limit import epochs_within
from affinet.tabular.training import train
from affinet.tabular.training_many import train_many

__all__ = [
    "LR_SCHEDULES",
    "METHODS",
    "PRESETS",
    "LinearModel",
    "Recipe",
    "build",
    "calibrated",
    "encode",
    "epochs_within",
    "fit_linear",
    "fit_temperature",
    "held_out",
    "initialize_from_rows",
    "named_schedule",
    "optimizer_for",
    "outputs",
    "recipe_for",
    "train",
    "train_many",
]
