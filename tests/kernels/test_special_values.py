"""NaN, infinities and extremes in every kernel give what they give in the reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everywhere import ALL_LANES, everywhere
from kernel_calls import (
    ROW_DIMENSIONS,
    SPECIAL,
    Call,
    check_special_values,
    element_by_element,
    problem,
    real_arrays,
    run_and_check,
)
from kernel_groups import LINEAR
from kernel_table import KERNELS
from parts.activations import ACTIVATIONS

every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
RANDOM = settings(max_examples=min(8, settings.default.max_examples), deadline=None)


@everywhere
def check_with_one_value(kernels, dtype, kernel, sizes, seed, at, value):
    rng = np.random.default_rng(seed)
    made = problem(kernel, dtype, sizes, rng)
    name, place = at
    made.arrays[name].flat[place] = value
    run_and_check(kernels, made, rng)


@every_kernel
@RANDOM
@given(data=st.data())
def test_one_special_value_anywhere(kernel, data):
    """A NaN or an infinity reaches what depends on it and nothing else."""
    lanes = data.draw(st.sampled_from(ALL_LANES), label="lanes")
    choices = {
        letter: st.integers(1, 5) if letter in ROW_DIMENSIONS else st.integers(1, 3 * lanes + 3)
        for letter in kernel.dimensions
    }
    for letter, room in kernel.rooms.items():
        choices[letter] = st.sampled_from([size for size in room if size > 0])
    sizes = data.draw(st.fixed_dictionaries(choices), label="sizes")
    seed = data.draw(st.integers(0, 2**32), label="seed")
    made = problem(kernel, "float64", sizes, np.random.default_rng(seed))
    name = data.draw(st.sampled_from(real_arrays(made)), label="array")
    place = data.draw(st.integers(0, made.arrays[name].size - 1), label="place")
    value = data.draw(st.sampled_from(SPECIAL), label="value")
    check_with_one_value(kernel=kernel, sizes=sizes, seed=seed, at=(name, place), value=value)


@pytest.mark.parametrize(
    "kernel", [k for k in KERNELS.values() if element_by_element(k)], ids=lambda k: k.key
)
@everywhere
def test_special_values_in_every_lane(kernels, dtype, lanes, kernel):
    """All special values of all arguments meet, in the vectors and in the rest."""
    check_special_values(kernels, kernel, dtype, lanes)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", [name for name in LINEAR if name != "affine_backward_db"])
@everywhere
def test_zero_times_infinity_is_not_skipped(kernels, dtype, lanes, name, value):
    kernel, rng = KERNELS[name], np.random.default_rng(7)
    made = problem(kernel, dtype, dict.fromkeys(kernel.dimensions, 2 * lanes + 3), rng)
    first, second = (argument.name for argument in kernel.inputs[:2])
    for zeros, specials in ((first, second), (second, first)):
        made.arrays[zeros][:], made.arrays[specials][:] = 0, value
        (result,) = Call(made, rng).run(kernels).values()
        assert np.isnan(result).all()


@pytest.mark.parametrize(
    "name", [f"{row.kernel}_backward" for row in ACTIVATIONS.values() if row.exact]
)
@pytest.mark.parametrize("value", SPECIAL)
@everywhere
def test_the_kink_belongs_to_the_left(kernels, dtype, lanes, name, value):
    """Where y is 0 the rectifier's gradient is 0 even for an infinite or undefined dout."""
    rng = np.random.default_rng(8)
    made = problem(KERNELS[name], dtype, {"n": 2 * lanes + 3}, rng)
    made.arrays["y"][:], made.arrays["dout"][:] = 0, value
    run_and_check(kernels, made, rng)


@pytest.mark.parametrize(
    "name",
    [f"{row.kernel}_forward" for row in ACTIVATIONS.values() if not row.exact]
    + ["softmax_forward"],
)
@everywhere
def test_extreme_arguments(kernels, dtype, lanes, name):
    kernel, rng = KERNELS[name], np.random.default_rng(9)
    ladder = np.concatenate([np.linspace(-120, 120, 481), np.linspace(-760, 760, 381)])
    ends = np.array(
        [1e4, 1e10, 1e30, np.finfo(dtype).max / 2, np.finfo(dtype).tiny, 1e-20, 1e-3, 0.1]
    )
    values = np.concatenate([ladder, ends, -ends]).astype(dtype)
    sizes = {"n": values.size, "B": values.size, "C": lanes + 1}
    made = problem(kernel, dtype, sizes, rng)
    if name == "softmax_forward":
        made.arrays["x"][:] = 0
        made.arrays["x"][np.arange(values.size), np.arange(values.size) % (lanes + 1)] = values
    else:
        made.arrays["x"][:] = values
    actual = run_and_check(kernels, made, rng)
    if name == "softmax_forward":
        np.testing.assert_allclose(actual["y"].sum(axis=1), 1, rtol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("gap", [1e4, 1e30])
@everywhere
def test_a_sure_mistake_costs_its_logit(kernels, dtype, lanes, gap):
    rng = np.random.default_rng(10)
    kernel = KERNELS["softmax_cross_entropy_labels"]
    made = problem(kernel, dtype, {"B": 4, "C": lanes + 2}, rng)
    made.scalars["label_smoothing"] = 0.0
    made.arrays["x"][:], made.arrays["t"][:] = 0, lanes + 1
    made.arrays["x"][:, 0] = gap
    actual = run_and_check(kernels, made, rng)
    assert actual["loss"] == float(dtype.type(gap))
