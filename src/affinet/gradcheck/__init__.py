"""Numerical derivatives, and the check of a backward against them."""

from affinet.gradcheck.check import gradient_check
from affinet.gradcheck.numerical import numerical_gradient
from affinet.gradcheck.report import Comparison, GradientReport, ParameterCheck

__all__ = [
    "Comparison",
    "GradientReport",
    "ParameterCheck",
    "gradient_check",
    "numerical_gradient",
]
