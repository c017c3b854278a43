"""What holds for every function of affinet.reference: dtypes, shapes, inputs left alone."""

import ast
import itertools
from pathlib import Path

import numpy as np
import pytest

from affinet import reference
from kernel_calls import check_results, problem, reference_results
from kernel_table import KERNELS

every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
DTYPES = [np.float32, np.float64]
SIZES = {"B": 3, "C": 4, "I": 5, "K": 6, "M": 3, "N": 4, "O": 7, "n": 9}
SIZES |= {"P": 3, "Q": 2, "D": 2, "k": 3, "r": 5, "t": 7}


def example(kernel, dtype, seed=0):
    sizes = kernel.sized(0, **{letter: SIZES[letter] for letter in kernel.dimensions})
    return problem(kernel, dtype, sizes, np.random.default_rng(seed))


def call(made):
    """The reference on the problem's own arrays, not on copies; its results in a list."""
    arrays = [made.arrays[argument.name] for argument in made.kernel.inputs]
    states = [made.arrays[name] for name in made.kernel.states]
    results = getattr(reference, made.kernel.name)(*arrays, *made.scalars.values(), *states)
    return list(results) if isinstance(results, tuple) else [results]


# What holds for all of them ----------------------------------------------------------------------


@every_kernel
@pytest.mark.parametrize("dtype", DTYPES)
def test_results_have_the_dtype_and_shape_of_the_inputs(kernel, dtype):
    made = example(kernel, dtype)
    results = call(made)
    if kernel.loss:
        assert type(results.pop(0)) is float
    for argument, result in zip(kernel.outputs, results, strict=True):
        assert result.dtype == argument.dtype(dtype)
        assert result.shape == argument.shape(made.sizes)


@every_kernel
def test_numpy_scalars_do_not_widen_float32(kernel):
    made = example(kernel, np.float32)
    made.scalars = {
        name: np.float64(value) if isinstance(value, float) else value
        for name, value in made.scalars.items()
    }
    for argument, result in zip(kernel.outputs[::-1], call(made)[::-1], strict=False):
        assert result.dtype == argument.dtype(np.float32)


@every_kernel
@pytest.mark.parametrize("dtype", DTYPES)
def test_inputs_stay_as_they_are(kernel, dtype):
    made = example(kernel, dtype)
    before = {name: array.tobytes() for name, array in made.arrays.items()}
    results = call(made)
    assert {name: array.tobytes() for name, array in made.arrays.items()} == before
    for result, array in itertools.product(results, made.arrays.values()):
        assert not np.shares_memory(result, array)
    for array in made.arrays.values():
        array.flags.writeable = False
    call(made)


@every_kernel
def test_float32_is_float64_rounded(kernel):
    made = example(kernel, np.dtype("float32"))
    check_results(made, reference_results(made, np.float32))


@every_kernel
def test_every_function_is_explained(kernel):
    text = getattr(reference, kernel.name).__doc__
    for section in ("Parameters", "Returns", "Notes", "Examples"):
        assert f"\n    {section}\n    {'-' * len(section)}\n" in text, section
    assert "Source" in text
    assert ">>>" in text


def test_the_reference_needs_numpy_alone():
    modules = set()
    for file in Path(reference.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module)
    others = {module for module in modules if not module.startswith("affinet.reference")}
    # NumPy has no error function; the standard library's math has.
    assert others == {"__future__", "math", "typing", "numpy", "numpy.typing"}


# Shapes that NumPy would broadcast ---------------------------------------------------------------

ONE, THREE = np.ones(1), np.ones(3)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: reference.affine_forward(np.ones((2, 3)), np.ones((3, 3)), ONE), "b"),
        (lambda: reference.affine_relu_forward(np.ones((2, 3)), np.ones((3, 3)), ONE), "b"),
        (lambda: reference.relu_backward(THREE, ONE), "dout"),
        (lambda: reference.leaky_relu_backward(THREE, ONE, 0.1), "dout"),
        (lambda: reference.sigmoid_backward(THREE, ONE), "dout"),
        (lambda: reference.tanh_backward(THREE, ONE), "dout"),
        (lambda: reference.mean_squared_error(THREE, np.ones((3, 1))), "t"),
        (lambda: reference.sum_squared_error(THREE, ONE), "t"),
        (lambda: reference.huber_loss(THREE, np.ones((1, 3))), "t"),
        (lambda: reference.poisson_loss(THREE, THREE, ONE), "weights"),
        (lambda: reference.mean_squared_error(THREE, THREE, np.ones((3, 1))), "weights"),
        (lambda: reference.softmax_cross_entropy_labels(np.ones((3, 2)), np.array([[0]])), "t"),
        (lambda: reference.softmax_cross_entropy_rows(np.ones((3, 2)), np.ones((1, 2))), "t"),
        (lambda: reference.dropout_backward(np.ones((3, 2)), np.ones((1, 2)), 0.5), "mask"),
        (lambda: reference.sgd_update(THREE, 0.1, 0.0, ONE), "W"),
        (lambda: reference.nesterov_update(THREE, 0.1, 0.9, ONE, THREE), "v"),
        (lambda: reference.nesterov_update(THREE, 0.1, 0.9, THREE, ONE), "W"),
        (lambda: reference.rmsprop_update(THREE, 0.1, 0.9, 1, ONE, THREE), "h"),
        (lambda: reference.rmsprop_update(THREE, 0.1, 0.9, 1, THREE, ONE), "W"),
        (lambda: reference.adamw_update(THREE, 0.1, 0.9, 0.9, 1, 0.1, 1, THREE, ONE, THREE), "v"),
        (lambda: reference.adamw_update(THREE, 0.1, 0.9, 0.9, 1, 0.1, 1, THREE, THREE, ONE), "W"),
        (lambda: reference.l2_penalty(THREE, 0.1, ONE), "dW"),
        (lambda: reference.momentum_update(THREE, 0.1, 0.9, ONE, THREE), "v"),
        (lambda: reference.momentum_update(THREE, 0.1, 0.9, THREE, ONE), "W"),
        (lambda: reference.adagrad_update(THREE, 0.1, 0.9, ONE, THREE), "h"),
        (lambda: reference.adagrad_update(THREE, 0.1, 0.9, THREE, ONE), "W"),
        (lambda: reference.adam_update(THREE, 0.1, 0.9, 0.9, 1, 1, ONE, THREE, THREE), "m"),
        (lambda: reference.adam_update(THREE, 0.1, 0.9, 0.9, 1, 1, THREE, ONE, THREE), "v"),
        (lambda: reference.adam_update(THREE, 0.1, 0.9, 0.9, 1, 1, THREE, THREE, ONE), "W"),
    ],
)
def test_a_shape_that_would_be_broadcast_is_refused(call, name):
    with pytest.raises(ValueError, match=rf"^{name} has shape .*, wanted "):
        call()
