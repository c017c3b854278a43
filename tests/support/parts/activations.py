"""Activations: the type of a row, and a row each."""

from __future__ import annotations

import decimal
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

import affinet as an
from affinet import reference
from decimals import (
    DIGITS,
    Oracle,
    double_normal,
    double_sigmoid,
    exp_of,
    gelu_of,
    sigmoid_of,
    silu_of,
    tanh_of,
)
from kernel_values import (
    bend,
    minus_one_to_one,
    normal_with_zeros,
    uniform,
    unit_interval,
    wide,
)

SELU_SCALE = decimal.Decimal("1.0507009873554804934193349852946")
SELU_ALPHA = decimal.Decimal("1.6732632423543772848170429916717")
INF, NAN = np.inf, np.nan


@dataclass(frozen=True)
class ActivationRow:
    """One activation ``y = f(x)``.

    Attributes
    ----------
    make : callable
        Returns the layer, with settings other than the defaults.
    formula : callable
        ``y`` of float64 x and the layer, in NumPy alone: the oracle of whole networks.
    edges : dict
        ``(f(x), f'(x))`` by x: "inf", "-inf", "nan", "1e4", "-1e4", "0", "-0.0"; also "s" and
        "-s", the smallest subnormal numbers, where f is exact there.
    greatest : tuple of two numbers
        The greatest slope, and an x that has it; None for x if a whole half-line has it.
    x, kept : callables of kernel_values
        How the kernels' tests draw x, and what the backward keeps (x or y).
    numbers : dict
        How they draw the numbers that the kernels take, such as a slope, by name.
    exact : bool
        Whether results involve one rounding or none, so that they must be equal to the bit.
    value_terms, slope_terms : callables, optional
        Sizes of the terms that f(x) and f'(x) are sums of, of ``(x, y)`` and of what is kept.
    oracle : Oracle, optional
        f in 40 decimal digits, and the error that the kernel is held to. Only exact ones need none.
    single_in_onnx : bool
        Whether ONNX computes it in single precision in a graph of doubles too.
    variants : dict
        Further settings by name, each a callable like ``make``.
    value_mutants, slope_mutants : dict
        Wrong formulas by their mistake: those that someone could write for the two kernels. They
        take the kernels' inputs and numbers, and the tests must find each of them.
    """

    make: Callable
    formula: Callable
    edges: dict
    greatest: tuple[float, float | None]
    x: Callable
    kept: Callable
    value_mutants: dict[str, Callable]
    slope_mutants: dict[str, Callable]
    numbers: dict[str, Callable] = field(default_factory=dict)
    exact: bool = False
    value_terms: Callable | None = None
    slope_terms: Callable | None = None
    oracle: Oracle | None = None
    single_in_onnx: bool = False
    variants: dict[str, Callable] = field(default_factory=dict)

    @property
    def kernel(self):
        return self.make().kernel

    @property
    def keeps(self):
        """Name of what the reference's backward takes first: "x" or "y"."""
        return next(
            iter(inspect.signature(getattr(reference, f"{self.kernel}_backward")).parameters)
        )

    def forward(self, x, **numbers):
        """f(x) by the reference, with the numbers of ``make()`` unless others are given."""
        return getattr(reference, f"{self.kernel}_forward")(x, **self._numbers(numbers))

    def backward(self, kept, dout, **numbers):
        """dout f'(x) by the reference."""
        return getattr(reference, f"{self.kernel}_backward")(kept, dout, **self._numbers(numbers))

    def _numbers(self, given):
        layer = self.make()
        return {name: given.get(name, getattr(layer, name, None)) for name in self.numbers}


def gelu_by_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_that_cancels(x):
    """Phi(x) as 1 - Phi(-x) on both sides."""
    return x * (1 - reference.gelu_forward(-x) / -x)


def gelu_slope_terms(x):
    """Of Phi(x) + x phi(x); the reference's exp(-x^2 / 2) has the error of its argument."""
    x = np.clip(x, -1e4, 1e4)
    density = np.exp(-x * x / 2)
    below = density / (1 + abs(x))  # at least Phi(-|x|)
    return (np.where(x > 0, 1, below) + abs(x) * density) * (1 + x * x)


def silu_slope_terms(x):
    x = np.clip(x, -1e4, 1e4)
    share = reference.sigmoid_forward(x)
    return share * (1 + abs(x) * (1 - share))


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))


def softplus_of(x):
    e = exp_of(-abs(x))
    small = e < decimal.Decimal("1e-12")  # the series, where 1 + e would lose the digits of e
    rest = e - e * e / 2 + e * e * e / 3 if small else DIGITS.ln(DIGITS.add(1, e))
    return DIGITS.add(max(x, decimal.Decimal(0)), rest)


def mish_of(x):
    """By t = n / (n + 2) with n = e (e + 2), e = exp(x)."""
    if x > 100:
        return x
    e = exp_of(x)
    n = DIGITS.multiply(e, DIGITS.add(e, 2))
    return DIGITS.multiply(x, DIGITS.divide(n, DIGITS.add(n, 2)))


def mish_slope_terms(x):
    x = np.clip(x, -1e4, 1e4)
    t = np.tanh(softplus(x))
    return 2 * t + 4 * abs(x) * (1 - t * t) * reference.sigmoid_forward(x)


def selu_of(x):
    if x >= 0:
        return DIGITS.multiply(x, SELU_SCALE)
    rest = DIGITS.subtract(exp_of(x), 1) if x < -1e-10 else DIGITS.add(x, DIGITS.divide(x * x, 2))
    return DIGITS.multiply(rest, DIGITS.multiply(SELU_SCALE, SELU_ALPHA))


def gate_edges(at_zero):
    """Of x times a function that grows from 0 to 1."""
    return {
        "inf": (INF, 1),
        "-inf": (0, 0),
        "nan": (NAN, NAN),
        "1e4": (1e4, 1),
        "-1e4": (0, 0),
        "0": (0, at_zero),
        "-0.0": (-0.0, at_zero),
    }


ACTIVATIONS = {
    "ReLU": ActivationRow(
        an.ReLU,
        lambda x, layer: np.maximum(x, 0),
        edges={
            "inf": (INF, 1),
            "-inf": (0, 0),
            "nan": (NAN, 1),
            "1e4": (1e4, 1),
            "-1e4": (0, 0),
            "0": (0, 0),
            "-0.0": (0, 0),
            "s": ("s", 1),
            "-s": (0, 0),
        },
        greatest=(1.0, None),
        x=normal_with_zeros,
        kept=normal_with_zeros,
        exact=True,
        value_mutants={
            "NaN lost": lambda x: np.fmax(x, 0),
            "absolute value": np.abs,
            "nothing": lambda x: x,
        },
        slope_mutants={
            "kink to the right": lambda y, dout: np.where(y < 0, 0, dout),
            "NaN blocked": lambda y, dout: np.where(y > 0, dout, 0),
            "a product": lambda y, dout: dout * ~(y <= 0),
            "the other side": lambda y, dout: np.where(y <= 0, dout, 0),
        },
    ),
    "LeakyReLU": ActivationRow(
        lambda: an.LeakyReLU(0.25),
        lambda x, layer: np.where(x > 0, x, layer.slope * x),
        edges={
            "inf": (INF, 1),
            "-inf": (-INF, 0.25),
            "nan": (NAN, 1),
            "1e4": (1e4, 1),
            "-1e4": (-2500, 0.25),
            "0": (0, 0.25),
            "-0.0": (0, 0.25),
            "s": ("s", 1),
            "-s": (0, 0.25),
        },
        greatest=(1.0, None),
        x=normal_with_zeros,
        kept=normal_with_zeros,
        numbers={"slope": uniform(0.01, 1)},
        exact=True,
        variants={"of slope 0": lambda: an.LeakyReLU(0.0)},
        value_mutants={
            "no slope": lambda x, slope: np.where(x < 0, 0, x),
            "the other side": lambda x, slope: np.where(x < 0, x, slope * x),
        },
        slope_mutants={
            "no slope": lambda y, dout, slope: np.where(y <= 0, 0, dout),
            "kink to the right": lambda y, dout, slope: np.where(y < 0, slope * dout, dout),
        },
    ),
    "Sigmoid": ActivationRow(
        an.Sigmoid,
        lambda x, layer: 1 / (1 + np.exp(-x)),
        edges={
            "inf": (1, 0),
            "-inf": (0, 0),
            "nan": (NAN, NAN),
            "1e4": (1, 0),
            "-1e4": (0, 0),
            "0": (0.5, 0.25),
            "-0.0": (0.5, 0.25),
            "s": (0.5, 0.25),
            "-s": (0.5, 0.25),
        },
        greatest=(0.25, 0.0),
        x=wide,
        kept=unit_interval,
        slope_terms=lambda y: abs(y) * (1 + abs(y)),
        oracle=Oracle(sigmoid_of, double_sigmoid, eps=2),
        value_mutants={
            "wrong sign": lambda x: reference.sigmoid_forward(-x),
            "by way of tanh, inexact at the end": lambda x: (1 + np.tanh(x / 2)) / 2,
        },
        slope_mutants={
            "no y": lambda y, dout: dout * (1 - y),
            "no 1 - y": lambda y, dout: dout * y,
            "1 + y": lambda y, dout: dout * y * (1 + y),
        },
    ),
    "Tanh": ActivationRow(
        an.Tanh,
        lambda x, layer: np.tanh(x),
        edges={
            "inf": (1, 0),
            "-inf": (-1, 0),
            "nan": (NAN, NAN),
            "1e4": (1, 0),
            "-1e4": (-1, 0),
            "0": (0, 1),
            "-0.0": (-0.0, 1),
            "s": ("s", 1),
            "-s": ("-s", 1),
        },
        greatest=(1.0, 0.0),
        x=wide,
        kept=minus_one_to_one,
        slope_terms=lambda y: 1 + y * y,
        oracle=Oracle(tanh_of, np.tanh, eps=2),
        value_mutants={
            "inexact near 0": lambda x: 2 * reference.sigmoid_forward(2 * x) - 1,
            "half the argument": lambda x: np.tanh(x / 2),
        },
        slope_mutants={
            "no square": lambda y, dout: dout * (1 - y),
            "1 + y^2": lambda y, dout: dout * (1 + y * y),
        },
    ),
    "GELU": ActivationRow(
        an.GELU,
        lambda x, layer: 0.5 * x * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2))),
        edges=gate_edges(0.5),
        greatest=(
            0.5 + math.erf(1.0) / 2 + math.exp(-1.0) / math.sqrt(math.pi),
            math.sqrt(2.0),
        ),
        x=wide,
        kept=bend,
        # The error of exp(-x^2 / 2) may be that of its argument.
        value_terms=lambda x, y: abs(y) * (1 + np.clip(x, -40, 0) ** 2),
        slope_terms=gelu_slope_terms,
        oracle=Oracle(gelu_of, lambda x: x * double_normal(x), eps=5),
        single_in_onnx=True,  # the evaluator's erf
        value_mutants={
            "by way of tanh": gelu_by_tanh,
            "inexact on the left": gelu_that_cancels,
            "the distribution alone": lambda x: reference.gelu_forward(x) / x,
            "NaN at -inf": lambda x: x * (reference.gelu_forward(x) / x),
        },
        slope_mutants={
            "no density": lambda x, dout: dout * (reference.gelu_forward(x) / x),
            "the other side": lambda x, dout: reference.gelu_backward(-x, dout),
            "density unscaled": lambda x, dout: (
                reference.gelu_backward(x, dout) + dout * x * np.exp(-x * x / 2)
            ),
        },
    ),
    "SiLU": ActivationRow(
        an.SiLU,
        lambda x, layer: x / (1 + np.exp(-x)),
        edges=gate_edges(0.5),
        greatest=(1.0998393194, 2.3993572805),  # where 2 + x = (x - 2) exp(x)
        x=wide,
        kept=bend,
        slope_terms=silu_slope_terms,
        oracle=Oracle(silu_of, lambda x: x * double_sigmoid(x), eps=2),
        value_mutants={
            "the logistic function": reference.sigmoid_forward,
            "the other side": lambda x: reference.silu_forward(-x),
            "NaN at -inf": lambda x: x * reference.sigmoid_forward(x),
        },
        slope_mutants={
            "no product rule": lambda x, dout: dout * reference.sigmoid_forward(x),
            "of the logistic function": lambda x, dout: reference.sigmoid_backward(
                reference.sigmoid_forward(x), dout
            ),
            "for the output": lambda x, dout: reference.silu_backward(
                reference.silu_forward(x), dout
            ),
        },
    ),
    "Mish": ActivationRow(
        an.Mish,
        lambda x, layer: x * np.tanh(softplus(x)),
        edges=gate_edges(0.6),
        greatest=(1.0884981613, 1.4905711672),
        x=wide,
        kept=bend,
        value_terms=lambda x, y: 2 * np.minimum(abs(y), 1e30),
        slope_terms=mish_slope_terms,
        oracle=Oracle(mish_of, lambda x: x * np.tanh(softplus(x)), eps=4),
        value_mutants={
            "of the logistic function": reference.silu_forward,
            "the other side": lambda x: reference.mish_forward(-x),
            "NaN at -inf": lambda x: x * np.tanh(softplus(x)),
        },
        slope_mutants={
            "no product rule": lambda x, dout: dout * np.tanh(softplus(x)),
            "no inner derivative": lambda x, dout: (
                dout * (np.tanh(softplus(x)) + x / np.cosh(softplus(x)) ** 2)
            ),
            "for the output": lambda x, dout: reference.mish_backward(
                reference.mish_forward(x), dout
            ),
        },
    ),
    "SELU": ActivationRow(
        an.SELU,
        lambda x, layer: np.where(
            x < 0, 1.7580993408473769 * np.expm1(np.minimum(x, 0)), 1.0507009873554805 * x
        ),
        edges={
            "inf": (INF, 1.0507009873554805),
            "-inf": (-1.7580993408473769, 0),
            "nan": (NAN, 1.0507009873554805),
            "1e4": (1e4 * 1.0507009873554805, 1.0507009873554805),
            "-1e4": (-1.7580993408473769, 0),
            "0": (0, 1.7580993408473769),
            "-0.0": (-0.0, 1.7580993408473769),
        },
        greatest=(1.7580993408473769, 0.0),
        x=bend,
        kept=bend,
        oracle=Oracle(
            selu_of,
            lambda x: np.where(
                x < 0, 1.7580993408473769 * np.expm1(np.minimum(x, 0)), 1.0507009873554805 * x
            ),
            eps=4,
        ),
        value_mutants={
            "not scaled": lambda x: reference.selu_forward(x) / 1.0507009873554805,
            "alpha of 1": lambda x: (
                1.0507009873554805 * np.where(x < 0, np.expm1(np.minimum(x, 0)), x)
            ),
        },
        slope_mutants={
            "not scaled": lambda x, dout: reference.selu_backward(x, dout) / 1.0507009873554805,
            "1 above 0": lambda x, dout: np.where(x > 0, dout, reference.selu_backward(x, dout)),
            "for the output": lambda x, dout: reference.selu_backward(
                reference.selu_forward(x), dout
            ),
        },
    ),
    "Softplus": ActivationRow(
        an.Softplus,
        lambda x, layer: softplus(x),
        edges={
            "inf": (INF, 1),
            "-inf": (0, 0),
            "nan": (NAN, NAN),
            "1e4": (1e4, 1),
            "-1e4": (0, 0),
            "0": (math.log(2), 0.5),
            "-0.0": (math.log(2), 0.5),
        },
        greatest=(1 / (1 + math.exp(-10)), 10.0),  # it only approaches 1; the search ends there
        x=wide,
        kept=bend,
        oracle=Oracle(softplus_of, softplus, eps=4),
        value_mutants={
            "without the 1": lambda x: np.maximum(x, 0),
            "to base 2": lambda x: reference.softplus_forward(x) / np.log(2),
            "inexact on the left": lambda x: np.log(1 + np.exp(np.minimum(x, 80))),
        },
        slope_mutants={
            "of a ReLU": lambda x, dout: dout * (x > 0),
            "for the output": lambda x, dout: reference.softplus_backward(
                reference.softplus_forward(x), dout
            ),
        },
    ),
}
