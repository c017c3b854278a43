"""How networks learn and fail, in numbers: from the derivative to overfitting.

Each function runs a small experiment with affinet's own layers, losses and optimizers, and returns
a record of arrays, a :class:`Study`. The function of the same name in :mod:`affinet.plotting` draws
it; matplotlib is not needed here.
"""

import warnings
from typing import Any

from affinet.diagnostics.capacity import NetworkRegions, Trial, network_regions
from affinet.diagnostics.cost import GradientCost, gradient_cost
from affinet.diagnostics.dead import Cause, DeadReLU, dead_relu, dead_units
from affinet.diagnostics.descents import (
    Descent,
    DescentPath,
    ErrorFunction,
    all_optimizers,
    descent,
)
from affinet.diagnostics.functions import ActivationCurve, activation_functions
from affinet.diagnostics.generalization import Overfitting, Remedy, overfitting
from affinet.diagnostics.monitor import Monitor
from affinet.diagnostics.passes import LayerPass, ThreeSteps, three_steps
from affinet.diagnostics.secants import Derivative, derivative
from affinet.diagnostics.study import Study
from affinet.diagnostics.vanishing import VanishingGradient, derivative_bound, vanishing_gradient

__all__ = [
    "ActivationCurve",
    "Cause",
    "DeadReLU",
    "Derivative",
    "Descent",
    "DescentPath",
    "ErrorFunction",
    "GradientCost",
    "LayerPass",
    "Monitor",
    "NetworkRegions",
    "Overfitting",
    "Remedy",
    "Study",
    "ThreeSteps",
    "Trial",
    "VanishingGradient",
    "activation_functions",
    "all_optimizers",
    "dead_relu",
    "dead_units",
    "derivative",
    "derivative_bound",
    "descent",
    "gradient_cost",
    "network_regions",
    "overfitting",
    "three_steps",
    "vanishing_gradient",
]


def __getattr__(name: str) -> Any:
    if name == "Path":
        message = "affinet.diagnostics.Path is deprecated: its name is DescentPath"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return DescentPath
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
