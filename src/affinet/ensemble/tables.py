"""The outputs of models of tables: one network, or several."""

from __future__ import annotations

import numpy as np

from affinet import tabular
from affinet._validation import Array
from affinet.ensemble.ensemble import Ensemble
from affinet.ensemble.selection import combined
from affinet.network import Sequential
from affinet.tabular import Recipe


def outputs(recipe: Recipe | None, net: Sequential | Ensemble, x: Array) -> Array:
    """Logits (N, C) or numbers (N, 1) for encoded rows; without a recipe ``net.predict(x)``.

    Those of an ensemble are the mean of its members', which may be ensembles in one network.
    """
    if recipe is None or recipe.members == 1:
        return net.predict(x)
    if isinstance(net, Sequential):
        return tabular.outputs(recipe, net, x)
    own = np.stack([tabular.outputs(recipe, member, x) for member in net.members])
    return combined(net.loss, own, net.weights)
