"""Compiled plans of one small layer, for tests of their doors."""

import numpy as np

from affinet import _dispatch
from affinet.layers.operation import Operation

kernels = _dispatch.kernels
AFFINE = Operation("affine", n_outputs=2, starts=(0, 6))


def dropout(p, key):
    return Operation("dropout", numbers=(p,), key=key)


def make(params=None, grads=None, layers=None, **changes):
    """A plan of one 3 -> 2 affine layer, with something changed."""
    arguments = {
        "params": np.arange(8.0) if params is None else params,
        "grads": np.zeros(8) if grads is None else grads,
        "layers": [AFFINE] if layers is None else layers,
        "loss": "softmax_cross_entropy",
        "rule": "sgd",
        "averages": [],
        "batch_size": 4,
        "n_inputs": 3,
        "input_scale": None,
    } | changes
    network = kernels.make_operations(
        arguments.pop("params"), arguments.pop("layers"), arguments.pop("n_inputs")
    )
    numbers = arguments.pop("numbers", (0.1, 0.0))
    plan = kernels.make_plan(network, *arguments.values())
    plan.set_rule(arguments["rule"], numbers, 0)
    return plan


def with_data(plan, x=None, t=None):
    plan.set_inputs(np.ones((5, 3)) if x is None else x)
    plan.set_labels(np.array([0, 1, 0, 1, 0]) if t is None else t)
    return plan
