"""Random problems for a row of the table of kernels, calls between guarded borders, comparisons.

The oracle is `affinet.reference`, computed in float64.
"""

from __future__ import annotations

import inspect
import itertools
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from affinet import reference
from affinet._kernels import baseline
from kernel_rows.row import Kernel
from kernel_values import normal
from tolerance import assert_close

ROW_DIMENSIONS = "BM"  # these take few rows; all others are columns or lengths of sums
GUARD = 64  # elements on either side of every array, more than the widest store has
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0)
FILL = {"f": np.nan, "i": 2**62, "u": 0xA5}  # by kind of dtype: what must not get into results


def kernel_arguments(name):
    """The names of a kernel's arguments, from the only level with docstrings and signatures."""
    return list(inspect.signature(getattr(baseline, name)).parameters)


@dataclass
class Problem:
    """Arguments for one call: ``arrays`` holds the inputs and the states before it."""

    kernel: Kernel
    dtype: np.dtype
    sizes: dict[str, int]
    arrays: dict[str, np.ndarray]
    scalars: dict[str, float]


def problem(kernel, dtype, sizes, rng):
    """A random problem of the given sizes."""
    scalars = {name: draw(rng) for name, draw in kernel.scalars.items()}
    sizes, arrays = kernel.all_sizes(sizes, scalars), {}
    for argument in kernel.arrays:
        if argument in kernel.inputs or argument.name in kernel.states:
            draw = kernel.values.get(argument.name, normal)
            values = draw(rng, argument.shape(sizes), sizes)
            arrays[argument.name] = np.asarray(values).astype(argument.dtype(dtype))
    return Problem(kernel, np.dtype(dtype), dict(sizes), arrays, scalars)


def solvable(kernel, sizes):
    """Whether problems of these sizes exist: most losses want at least one element."""
    return not kernel.loss or kernel.any_size or 0 not in sizes.values()


def reference_results(problem, dtype=np.float64):
    """The results of `affinet.reference`, computed in ``dtype``, by name."""
    kernel = problem.kernel
    arrays = {name: array.copy() for name, array in problem.arrays.items()}
    for argument in kernel.arrays:
        if argument.name in arrays and argument.fixed_dtype is None:
            arrays[argument.name] = arrays[argument.name].astype(dtype)
    inputs = [arrays[argument.name] for argument in kernel.inputs]
    states = [arrays[name] for name in kernel.states]
    with np.errstate(all="ignore"):  # NaN and infinities are given on purpose
        results = getattr(reference, kernel.name)(*inputs, *problem.scalars.values(), *states)
    if not isinstance(results, tuple):
        results = (results,)
    return dict(zip(kernel.results, results, strict=True))


# Calls between guards ----------------------------------------------------------------------------


class Guarded:
    """An array inside a larger buffer whose borders must not change.

    It starts at an address that is a multiple of the element's size and of nothing else. What is
    read from an input's border shows as NaN or as a label out of range; an output's border is a
    number that no kernel leaves as it is.
    """

    def __init__(self, values, rng, *, written):
        border = -1.5 if written and values.dtype.kind == "f" else FILL[values.dtype.kind]
        before = GUARD + int(rng.integers(1, 16))
        self.buffer = np.full(before + values.size + GUARD, border, dtype=values.dtype)
        self.inside = slice(before, before + values.size)
        self.array = self.buffer[self.inside].reshape(values.shape)
        self.array[...] = values
        self.image = self.buffer.tobytes()

    def unchanged(self):
        return self.buffer.tobytes() == self.image

    def borders_unchanged(self):
        now = self.buffer.copy()
        now[self.inside] = np.frombuffer(self.image, now.dtype)[self.inside]
        return now.tobytes() == self.image


def before_call(problem, argument):
    """What an array holds before the call; an output that is not a state holds garbage."""
    if argument.name in problem.arrays:
        return problem.arrays[argument.name]
    dtype = argument.dtype(problem.dtype)
    return np.full(argument.shape(problem.sizes), FILL[dtype.kind], dtype)


class Call:
    """The guarded arguments of one call, and its results.

    ``alias``, one of `Kernel.aliases`, lets an output lie in an input; ``read_only`` locks the
    inputs.
    """

    def __init__(self, problem, rng, *, alias=(None, None), read_only=False):
        self.kernel, self.problem = problem.kernel, problem
        self.shared_output, self.shared_input = alias
        self.guarded = {}
        for argument in self.kernel.arrays:
            if argument.name == self.shared_output:
                self.guarded[argument.name] = self.guarded[self.shared_input]
                continue
            written = argument in self.kernel.outputs or argument.name == self.shared_input
            guarded = Guarded(before_call(problem, argument), rng, written=written)
            guarded.array.flags.writeable = written or not read_only
            self.guarded[argument.name] = guarded

    def arguments(self):
        arrays = {name: guarded.array for name, guarded in self.guarded.items()}
        return [
            *(arrays[argument.name] for argument in self.kernel.inputs),
            *self.problem.scalars.values(),
            *(arrays[argument.name] for argument in self.kernel.outputs),
        ]

    def run(self, module):
        """Call the kernel, check that nothing but the outputs changed; results by name."""
        returned = getattr(module, self.kernel.name)(*self.arguments())
        self.check_memory()
        outputs = (self.guarded[output.name].array for output in self.kernel.outputs)
        if not self.kernel.loss:
            assert returned is None, f"returned {returned!r}, wanted None"
            return dict(zip(self.kernel.results, outputs, strict=True))
        assert isinstance(returned, float), f"returned {returned!r}, wanted a float"
        return dict(zip(self.kernel.results, (returned, *outputs), strict=True))

    def check_memory(self):
        for argument in self.kernel.inputs:
            if argument.name != self.shared_input:
                assert self.guarded[argument.name].unchanged(), f"input {argument.name} changed"
        for argument in self.kernel.arrays:
            kept = self.guarded[argument.name].borders_unchanged()
            assert kept, f"memory around {argument.name} changed"

    def check_nothing_written(self):
        for name, guarded in self.guarded.items():
            assert guarded.unchanged(), f"{name} changed"


def check_results(problem, actual):
    """Compare results with the reference: in float64 with rounding bounds, exact ones to the bit.

    Raises AssertionError with the result's name.
    """
    kernel, expected = problem.kernel, reference_results(problem)
    rounded = reference_results(problem, problem.dtype) if kernel.exact else {}
    rounded = {name: rounded[name] for name in kernel.exact}
    bounds = known_terms(problem, expected)
    for name in kernel.results:
        if name in rounded or not np.issubdtype(np.asarray(expected[name]).dtype, np.floating):
            wanted = rounded.get(name, expected[name])
            np.testing.assert_array_equal(actual[name], wanted, err_msg=name, strict=True)
            continue
        reduction, scale = bounds.get(name, (1, None))
        assert_close(
            actual[name],
            expected[name],
            reduction=reduction,
            scale=scale,
            dtype=problem.dtype,
            name=f"{kernel.name} {name}",
        )


def known_terms(problem, expected):
    """`Kernel.terms` of everything there is to know: inputs, states before, sizes, results."""
    if problem.kernel.terms is None:
        return {}
    before = {f"{name}_before": problem.arrays[name] for name in problem.kernel.states}
    inputs = {argument.name: problem.arrays[argument.name] for argument in problem.kernel.inputs}
    real = {
        name: array.astype(np.float64) if array.dtype.kind == "f" else array
        for name, array in (inputs | before).items()
    }
    everything = expected | problem.sizes | problem.scalars | real | {"dtype": problem.dtype}
    with np.errstate(all="ignore"):
        return problem.kernel.terms(SimpleNamespace(**everything))


def run_and_check(module, problem, rng, **how):
    """One call between guards, checked; the results by name."""
    actual = Call(problem, rng, **how).run(module)
    check_results(problem, actual)
    return actual


# Sweeps ------------------------------------------------------------------------------------------


def vector_edges(lanes):
    """Column counts at which a loop over vectors begins, ends, or leaves a rest."""
    return sorted({0, 1, lanes - 1, lanes, lanes + 1, 2 * lanes + 3})


def check_edges(module, kernel, dtype, lanes):
    """No row, one, and five, at every combination of column counts from `vector_edges`."""
    rng = np.random.default_rng(1)
    columns = vector_edges(lanes)
    choices = [
        kernel.rooms.get(letter, (0, 1, 5) if letter in ROW_DIMENSIONS else columns)
        for letter in kernel.dimensions
    ]
    for combination in itertools.product(*choices):
        sizes = dict(zip(kernel.dimensions, combination, strict=True))
        if solvable(kernel, sizes):
            run_and_check(module, problem(kernel, dtype, sizes, rng), rng)


def element_by_element(kernel):
    """Whether every element of the first two arrays meets its neighbour of the same place only."""
    return kernel.dimensions == ("n",) or (kernel.loss and kernel.dimensions == ("B", "O"))


def real_arrays(problem):
    """Names of the arrays that can hold a NaN."""
    finite = problem.kernel.finite
    return [
        name
        for name, array in problem.arrays.items()
        if array.dtype.kind == "f" and name not in finite
    ]


def check_special_values(module, kernel, dtype, lanes):
    """Let all special values of the first two arrays meet, in whole vectors and in the rest."""
    rng, values = np.random.default_rng(2), (*SPECIAL, 1.5, -1.5)
    sizes = {"n": 2 * lanes + 3, "B": 2, "O": 2 * lanes + 3}
    for pair in itertools.product(values, repeat=2):
        made = problem(kernel, dtype, {letter: sizes[letter] for letter in kernel.dimensions}, rng)
        for name, value in zip(real_arrays(made), pair, strict=False):
            made.arrays[name][:] = value
        run_and_check(module, made, rng)
