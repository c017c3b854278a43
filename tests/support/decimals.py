"""Elementary functions and update rules in 40 decimal digits."""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

try:
    from scipy import special
except ImportError:
    special = None

DIGITS = decimal.Context(prec=40, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[])
PI = decimal.Decimal("3.14159265358979323846264338327950288419716939937510582097494459230782")
ROOT_2PI = decimal.Decimal("2.50662827463100050241576528481104525300698674060993831662992357634229")


@dataclass(frozen=True)
class Oracle:
    """A function of one number: in decimal, in double for float32, and what is asked of a kernel.

    Attributes
    ----------
    in_decimal, in_double : callables
        Of a Decimal, and of a float64 array.
    eps : float
        The error that the kernel is held to, in eps of its dtype; the files of kernels/ say what
        was measured. No function is given more than 5.
    """

    in_decimal: Callable
    in_double: Callable
    eps: float


def exp_of(x):
    """Beyond 800 on either side double precision knows only 0 and infinity."""
    if abs(x) > 800:
        return decimal.Decimal("inf" if x > 0 else 0)
    return DIGITS.exp(x)


def sigmoid_of(x):
    e = exp_of(-abs(x))
    return DIGITS.divide(e if x < 0 else decimal.Decimal(1), DIGITS.add(1, e))


def tanh_of(x):
    if abs(x) < decimal.Decimal("1e-12"):  # x - x^3 / 3, where the quotient would cancel
        return DIGITS.subtract(x, DIGITS.divide(DIGITS.power(x, 3), 3))
    e = exp_of(-2 * abs(x))
    return DIGITS.divide(DIGITS.subtract(1, e), DIGITS.add(1, e)).copy_sign(x)


def normal_of(x):
    """By the series of the integral near 0, by Laplace's continued fraction far from it.

    Beyond 50 on either side double precision knows only 0 and 1.
    """
    if abs(x) > 50:
        return decimal.Decimal(0 if x < 0 else 1)
    z, context = abs(x), decimal.Context(prec=70, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)
    with decimal.localcontext(context):
        density = (-z * z / 2).exp() / ROOT_2PI
        if z < 5:
            term = total = z
            for k in range(1, 400):
                term *= z * z / (2 * k + 1)
                total += term
                if term <= total * decimal.Decimal("1e-65"):
                    break
            tail = decimal.Decimal("0.5") - density * total
        else:
            fraction = z
            for k in range(150 if z < 12 else 40, 0, -1):
                fraction = z + k / fraction
            tail = density / fraction
        return tail if x < 0 else 1 - tail


def turns_of(t):
    """Cosine and sine of t turns: of the exact distance to a whole number, by their series."""
    with decimal.localcontext(decimal.Context(prec=60)):
        angle = 2 * PI * t.remainder_near(1)
        cosine, sine, term = decimal.Decimal(0), decimal.Decimal(0), decimal.Decimal(1)
        for k in range(60):
            if k % 2 == 0:
                cosine += term if k % 4 == 0 else -term
            else:
                sine += term if k % 4 == 1 else -term
            term *= angle / (k + 1)
        return cosine, sine


def gelu_of(x):
    return DIGITS.multiply(x, normal_of(x))


def silu_of(x):
    return DIGITS.multiply(x, sigmoid_of(x))


def double_normal(x):
    """Good where float32 can tell: its own argument's rounding is multiplied by x^2."""
    return erfc(-x / math.sqrt(2)) / 2


def erfc(x):
    """By SciPy where it is installed, which takes a tenth of the time."""
    if special is not None:
        return special.erfc(x)
    numbers = np.ravel(x).tolist()
    return np.fromiter(map(math.erfc, numbers), np.float64, len(numbers)).reshape(np.shape(x))


def double_sigmoid(x):
    e = np.exp(-abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def square_root(x):
    """Of an array of Decimals or of floats."""
    return np.vectorize(DIGITS.sqrt, otypes=[object])(x) if x.dtype == object else np.sqrt(x)
