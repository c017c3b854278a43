"""The error of one optimizer step against the same step in 40 decimal digits."""

import decimal

import numpy as np
import pytest

from decimals import DIGITS
from kernel_calls import Call, problem
from kernel_table import KERNELS
from parts.optimizers import RULES as ROWS

RULES = {f"{row.kernel}_update": (row.rule, row.settings) for row in ROWS}


@pytest.mark.parametrize("name", RULES)
def test_the_error_of_an_update(kernels, dtype, name):
    """Within 4 eps of the sum of the terms' absolute values."""
    rng, (rule, settings) = np.random.default_rng(3), RULES[name]
    for scalars in settings:
        made = problem(KERNELS[name], dtype, {"n": 203}, rng)
        made.scalars = scalars
        for array in made.arrays.values():
            array *= 10.0 ** rng.uniform(-2, 2, array.shape)
        actual = Call(made, rng).run(kernels)
        with decimal.localcontext(DIGITS):
            arrays = {
                name: np.array([decimal.Decimal(value) for value in array.tolist()])
                for name, array in made.arrays.items()
            }
            numbers = {name: decimal.Decimal(value) for name, value in scalars.items()}
            exact = rule(**arrays, **numbers)
            for result, (value, terms) in exact.items():
                got = [decimal.Decimal(number) for number in actual[result].tolist()]
                allowed = 4 * decimal.Decimal(float(np.finfo(dtype).eps)) * terms
                assert (abs(np.array(got) - value) <= allowed).all(), (result, scalars)
