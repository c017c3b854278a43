"""How networks learn and fail, in numbers: from the derivative to overfitting.

Each function works something out with affinet's own layers, losses and optimizers, and returns a
small record of arrays, a :class:`Study`. The function of the same name in
:mod:`affinet.plotting` draws it; matplotlib is not needed here.
"""

from affinet.diagnostics.capacity import NetworkRegions, Trial, network_regions
from affinet.diagnostics.cost import GradientCost, gradient_cost
from affinet.diagnostics.dead import Cause, DeadReLU, dead_relu, dead_units
from affinet.diagnostics.descents import Descent, ErrorFunction, Path, all_optimizers, descent
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
    "ErrorFunction",
    "GradientCost",
    "LayerPass",
    "Monitor",
    "NetworkRegions",
    "Overfitting",
    "Path",
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
