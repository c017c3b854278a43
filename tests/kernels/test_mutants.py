"""The tests of the kernels find mistakes: here they are given wrong kernels.

The mutants are NumPy functions behind the kernels' doors. Each is the reference with one mistake
that a kernel could make, and `check_edges` or `check_special_values` must object to it.
"""

import numpy as np
import pytest

from affinet import reference
from kernel_calls import check_edges, check_special_values, element_by_element
from kernel_table import KERNELS
from mutants import MUTANTS

LANES = 4
DTYPE = np.dtype("float32")


class Twin:
    """A module of kernels that call ``compute`` and write what it returns into their outputs."""

    def __init__(self, compute, spoil=None):
        self.compute, self.spoil = compute, spoil

    def __getattr__(self, name):
        kernel = KERNELS[name]

        def door(*arguments):
            outputs = arguments[len(arguments) - len(kernel.outputs) :]
            before = [output.copy() for output in outputs]
            given = arguments[: len(arguments) - len(outputs)]
            states = [
                old
                for old, argument in zip(before, kernel.outputs, strict=True)
                if argument.name in kernel.states
            ]
            with np.errstate(all="ignore"):
                results = self.compute(*given, *states)
            results = list(results) if isinstance(results, tuple) else [results]
            loss = results.pop(0) if kernel.loss else None
            for output, result in zip(outputs, results, strict=True):
                output[...] = result
            if self.spoil:
                loss = self.spoil(given, before, outputs, loss)
            return loss

        return door


def check(kernel, twin):
    """Raise AssertionError if the checks object to the twin."""
    check_edges(twin, kernel, DTYPE, LANES)
    if element_by_element(kernel):
        check_special_values(twin, kernel, DTYPE, LANES)


def found(kernel, twin):
    """Whether the checks object to the twin."""
    try:
        check(kernel, twin)
    except AssertionError:
        return True
    return False


every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)


@every_kernel
def test_the_right_twin_passes(kernel):
    check(kernel, Twin(getattr(reference, kernel.name)))


def last_element_left_out(given, before, outputs, loss):
    for output, old in zip(outputs, before, strict=True):
        output.flat[-1:] = old.flat[-1:]
    return loss


def last_element_off(given, before, outputs, loss):
    outputs[-1].flat[-1:] = outputs[-1].flat[-1:] * 1.001 + (outputs[-1].dtype.kind == "u")
    return loss


def one_sign_flipped(given, before, outputs, loss):
    outputs[0].flat[:1] = -outputs[0].flat[:1]
    return loss


def one_past_the_end(given, before, outputs, loss):
    outputs[0].base[...].reshape(-1)  # the buffer around the output
    start = outputs[0].__array_interface__["data"][0] - outputs[0].base.ctypes.data
    outputs[0].base[start // outputs[0].itemsize + outputs[0].size] = 0
    return loss


def one_before_the_start(given, before, outputs, loss):
    start = outputs[0].__array_interface__["data"][0] - outputs[0].base.ctypes.data
    outputs[0].base[start // outputs[0].itemsize - 1] = 0
    return loss


def first_input_changed(given, before, outputs, loss):
    given[0].flat[:1] = 0.75
    return loss


def something_returned(given, before, outputs, loss):
    return 0 if loss is None else np.float32(loss)


@every_kernel
@pytest.mark.parametrize(
    "mistake",
    [
        last_element_left_out,
        last_element_off,
        one_sign_flipped,
        one_past_the_end,
        one_before_the_start,
        first_input_changed,
        something_returned,
    ],
    ids=lambda mistake: mistake.__name__,
)
def test_a_common_mistake_is_found(kernel, mistake):
    assert found(kernel, Twin(getattr(reference, kernel.name), mistake))


@pytest.mark.parametrize(
    "kernel", [kernel for kernel in KERNELS.values() if kernel.loss], ids=lambda k: k.name
)
@pytest.mark.parametrize("factor", [-1, 0.5, 1.001])
def test_a_wrong_loss_is_found(kernel, factor):
    right = getattr(reference, kernel.name)
    assert found(kernel, Twin(right, lambda given, before, outputs, loss: loss * factor))


@pytest.mark.parametrize(
    ("name", "mistake"), [(name, mistake) for name in MUTANTS for mistake in MUTANTS[name]]
)
def test_a_wrong_formula_is_found(name, mistake):
    assert found(KERNELS[name], Twin(MUTANTS[name][mistake]))


def test_every_kernel_has_mutants():
    assert set(MUTANTS) == set(KERNELS)
