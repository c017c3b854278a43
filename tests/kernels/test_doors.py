"""The checked doors: what they refuse, what they leave alone, and when they release the GIL."""

import functools
import re
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from everywhere import everywhere
from kernel_calls import (
    Call,
    check_results,
    kernel_arguments,
    problem,
    reference_results,
    run_and_check,
    solvable,
    vector_edges,
)
from kernel_table import KERNELS

every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
REFUSAL = (ValueError, TypeError, BufferError)  # Cython's own, for what stands in the type
SIZES = {"B": 5, "C": 6, "I": 7, "K": 8, "M": 4, "N": 9, "O": 10, "n": 11}
SIZES |= {"P": 3, "Q": 2, "D": 2, "k": 3, "r": 5, "t": 7}


def ready(kernel, dtype, *, seed=0, **how):
    rng = np.random.default_rng(seed)
    sizes = kernel.sized(0, **{letter: SIZES[letter] for letter in kernel.dimensions})
    return Call(problem(kernel, dtype, sizes, rng), rng, **how)


def call_with(kernels, call, name, replacement):
    """Call the kernel with one argument replaced."""
    original = call.guarded[name].array
    arguments = [replacement if a is original else a for a in call.arguments()]
    return getattr(kernels, call.kernel.name)(*arguments)


def refused(kernels, call, name, replacement, errors=REFUSAL):
    """The call must raise, and must not have written anything; the error's message."""
    try:
        call_with(kernels, call, name, replacement)
    except errors as error:
        call.check_nothing_written()
        return str(error)
    kind = getattr(replacement, "dtype", type(replacement).__name__)
    shape, strides = (getattr(replacement, attribute, "") for attribute in ("shape", "strides"))
    raise AssertionError(f"{call.kernel.name} took {name}: {kind} {shape} strides {strides}")


def each_array(kernel, dtype, ndim=None):
    """For each array argument a call to spoil, the argument, and the array that belongs there."""
    for argument in kernel.arrays:
        if ndim is None or len(argument.dims) == ndim:
            call = ready(kernel, dtype)
            yield call, argument, call.guarded[argument.name].array


# Shapes ------------------------------------------------------------------------------------------


def to_blame(kernel, argument, letter):
    """Whom an error may name: the argument, or where it comes first, any that shares the size."""
    sharing = [a.name for a in kernel.arrays if letter in a.dims]
    return sharing if argument.name == sharing[0] else [argument.name]


@every_kernel
@pytest.mark.parametrize("change", [-1, 1])
@everywhere
def test_a_wrong_size_is_named(kernels, dtype, kernel, change):
    for call, argument, _ in each_array(kernel, dtype):
        for letter in argument.dims:
            if sum(letter in other.dims for other in kernel.arrays) == 1:
                continue  # nothing to disagree with
            if letter in kernel.derived and argument in kernel.inputs:
                continue  # the others follow from it
            size = call.problem.sizes[letter] + change
            shape = argument.shape(call.problem.sizes | {letter: size})
            wrong = np.ones(shape, argument.dtype(dtype))
            message = refused(kernels, call, argument.name, wrong, ValueError)
            named = [re.search(rf"\b{n}\b", message) for n in to_blame(kernel, argument, letter)]
            assert any(named), f"{argument.name} {shape}: {message}"
            assert re.search(rf"\b{size}\b", message), f"{argument.name} {shape}: {message}"


@every_kernel
@everywhere
def test_a_wrong_number_of_dimensions_is_refused(kernels, dtype, kernel):
    for call, argument, array in each_array(kernel, dtype):
        refused(kernels, call, argument.name, array[np.newaxis])
        refused(kernels, call, argument.name, array.ravel() if array.ndim == 2 else array[0])


# Types -------------------------------------------------------------------------------------------


@every_kernel
@everywhere
def test_what_is_no_array_is_refused(kernels, dtype, kernel):
    for call, argument, array in each_array(kernel, dtype):
        nothing = [] if argument.optional else [None]
        for wrong in (*nothing, array.tolist(), 1.0, "x"):
            refused(kernels, call, argument.name, wrong)


@every_kernel
@everywhere
def test_a_wrong_dtype_is_refused(kernels, dtype, kernel):
    """Among them float32 beside float64: the arrays of one call have one precision."""
    reals = sum(argument.fixed_dtype is None for argument in kernel.arrays)
    for call, argument, array in each_array(kernel, dtype):
        for wrong in ("f2", "f4", "f8", "i1", "u1", "i4", "u4", "i8", "u8", "?", "c8", "O"):
            right = array.dtype == wrong or (argument.fixed_dtype == "uint8" and wrong == "?")
            if right or (argument.fixed_dtype is None and reals == 1 and wrong in ("f4", "f8")):
                continue
            with np.errstate(invalid="ignore"):
                refused(kernels, call, argument.name, array.astype(wrong))


@every_kernel
@everywhere
def test_another_byte_order_is_refused(kernels, dtype, kernel):
    for call, argument, array in each_array(kernel, dtype):
        if array.itemsize > 1:
            swapped = array.astype(array.dtype.newbyteorder())
            refused(kernels, call, argument.name, swapped)


@every_kernel
@everywhere
def test_fortran_order_is_refused(kernels, dtype, kernel):
    for call, argument, array in each_array(kernel, dtype, ndim=2):
        refused(kernels, call, argument.name, np.asfortranarray(array))


@every_kernel
@everywhere
def test_gaps_are_refused(kernels, dtype, kernel):
    """Between elements, between rows, and elements in reverse."""
    for call, argument, array in each_array(kernel, dtype):
        refused(kernels, call, argument.name, np.repeat(array, 2, axis=-1)[..., ::2])
        refused(kernels, call, argument.name, array[::-1].copy()[::-1])
        if array.ndim == 2:
            refused(kernels, call, argument.name, np.pad(array, [(0, 0), (0, 3)])[:, :-3])


@every_kernel
@everywhere
def test_a_missing_argument_and_one_too_many_are_refused(kernels, dtype, kernel):
    call = ready(kernel, dtype)
    function = getattr(kernels, kernel.name)
    for wrong in (call.arguments()[:-1], [*call.arguments(), 1], []):
        with pytest.raises(TypeError):
            function(*wrong)
    call.check_nothing_written()


# Scalars -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "scalar", "values"),
    [
        ("dropout_forward", "p", [1.0, -0.1, 2.0, np.nan, np.inf]),
        ("dropout_backward", "p", [1.0, -0.1, 2.0, np.nan, np.inf]),
        ("adam_update", "step", [0]),
        ("adamw_update", "step", [0]),
        ("scikit_learn_adam_update", "step", [0]),
        ("clip_norm", "max_norm", [0.0, -1.0, np.nan]),
        ("clip_value", "max_value", [0.0, -1.0, np.nan]),
        ("softmax_cross_entropy_labels", "label_smoothing", [1.0, -0.1, np.nan, np.inf]),
        ("softmax_cross_entropy_rows", "label_smoothing", [1.0, -0.1, np.nan, np.inf]),
        ("huber_loss", "delta", [0.0, -1.0, np.nan, np.inf]),
        ("quantile_loss", "q", [0.0, 1.0, -0.5, np.nan]),
        *(
            (f"{name}_norm_{way}", "eps", [0.0, -1e-5, np.nan, np.inf])
            for name, way in [
                *(("batch", way) for way in ("forward", "predict", "backward")),
                *(("layer", way) for way in ("forward", "backward")),
            ]
        ),
        ("batch_norm_update", "momentum", [-0.1, 1.1, np.nan]),
        ("batch_norm_update", "rows", [1, 0, -3]),
    ],
)
@everywhere
def test_a_scalar_out_of_range_is_named(kernels, dtype, name, scalar, values):
    for value in values:
        call = ready(KERNELS[name], dtype)
        call.problem.scalars[scalar] = value
        with pytest.raises(ValueError, match=rf"^{scalar} is {value}, wanted"):
            getattr(kernels, name)(*call.arguments())
        call.check_nothing_written()


@pytest.mark.parametrize(
    ("name", "scalar"),
    [("dropout_forward", scalar) for scalar in ("key", "step", "row")]
    + [("adam_update", "step"), ("adamw_update", "step")],
)
@everywhere
def test_a_number_beyond_64_bits_is_refused(kernels, dtype, name, scalar):
    for value in (-1, 2**64):
        call = ready(KERNELS[name], dtype)
        call.problem.scalars[scalar] = value
        with pytest.raises(OverflowError):
            getattr(kernels, name)(*call.arguments())
        call.check_nothing_written()


# Memory ------------------------------------------------------------------------------------------


@every_kernel
@everywhere
def test_read_only_inputs_are_taken(kernels, dtype, kernel):
    call = ready(kernel, dtype, read_only=True)
    locked = [call.guarded[argument.name].array for argument in kernel.inputs]
    assert not any(array.flags.writeable for array in locked)
    check_results(call.problem, call.run(kernels))


@every_kernel
@everywhere
def test_a_read_only_output_is_refused(kernels, dtype, kernel):
    for call, argument, array in each_array(kernel, dtype):
        if argument in kernel.outputs:
            locked = array.view()
            locked.flags.writeable = False
            refused(kernels, call, argument.name, locked)


@pytest.mark.parametrize(
    ("kernel", "alias"),
    [(kernel, alias) for kernel in KERNELS.values() for alias in kernel.aliases],
    ids=lambda value: getattr(value, "name", None) or " is ".join(value),
)
@everywhere
def test_an_output_may_be_the_input_it_replaces(kernels, dtype, lanes, kernel, alias):
    rng = np.random.default_rng(1)
    for size in (*vector_edges(lanes), 300):
        sizes = kernel.sized(size, B=5)
        if not solvable(kernel, sizes):
            continue
        made = problem(kernel, dtype, sizes, rng)
        apart = run_and_check(kernels, made, rng)
        in_place = run_and_check(kernels, made, rng, alias=alias)
        for name in kernel.results:
            np.testing.assert_array_equal(in_place[name], apart[name], strict=True)


@every_kernel
@everywhere
def test_arguments_go_by_position_only(kernels, dtype, kernel):
    """Reading keywords would take a tenth of a level's code; the table's names are the door's."""
    call = ready(kernel, dtype)
    names = [
        *(argument.name for argument in kernel.inputs),
        *kernel.scalars,
        *(argument.name for argument in kernel.outputs),
    ]
    assert kernel_arguments(kernel.name) == names
    with pytest.raises(TypeError, match="keyword"):
        getattr(kernels, kernel.name)(**dict(zip(names, call.arguments(), strict=True)))


# Empty batches -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "empty"),
    [
        (kernel, size)
        for kernel in KERNELS.values()
        if kernel.loss and not kernel.any_size
        for size in kernel.dimensions
    ],
    ids=lambda value: getattr(value, "name", value),
)
@everywhere
def test_a_loss_of_nothing_is_refused(kernels, dtype, kernel, empty):
    rng = np.random.default_rng(2)
    sizes = {letter: SIZES[letter] for letter in kernel.dimensions} | {empty: 0}
    zeros = replace(kernel, values={"t": lambda rng, shape, sizes: np.zeros(shape)})
    made = problem(zeros, dtype, sizes, rng)
    call = Call(made, rng)
    with pytest.raises(ValueError, match=rf"\b{kernel.inputs[0].name} has shape"):
        getattr(kernels, kernel.name)(*call.arguments())
    call.check_nothing_written()
    with pytest.raises(ValueError, match=rf"\b{kernel.inputs[0].name} has shape"):
        reference_results(made)


@pytest.mark.parametrize("name", ["affine_backward_dw", "affine_backward_db", "gemm_tn"])
@everywhere
def test_a_sum_over_no_rows_is_zero(kernels, dtype, name):
    rng = np.random.default_rng(3)
    sizes = dict.fromkeys(KERNELS[name].dimensions, 9) | {"B": 0, "K": 0}
    (result,) = run_and_check(kernels, problem(KERNELS[name], dtype, sizes, rng), rng).values()
    assert result.size
    assert not result.any()


# Labels ------------------------------------------------------------------------------------------


def labels_call(dtype, t, classes=4):
    kernel, rng = KERNELS["softmax_cross_entropy_labels"], np.random.default_rng(4)
    made = problem(kernel, dtype, {"B": len(t), "C": classes}, rng)
    made.arrays["t"] = np.array(t, np.int64)
    return Call(made, rng)


@pytest.mark.parametrize("bad", [-1, 4, 5, 2**31, -(2**31), 2**32, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("row", [0, 3, 6])
@everywhere
def test_a_label_out_of_range_is_refused_before_anything_is_written(kernels, dtype, bad, row):
    t = [0, 1, 2, 3, 2, 1, 0]
    t[row] = bad
    call = labels_call(dtype, t)
    with pytest.raises(ValueError, match=rf"\bt\b.*\b{row}\b"):
        kernels.softmax_cross_entropy_labels(*call.arguments())
    call.check_nothing_written()


@everywhere
def test_the_first_bad_row_is_named(kernels, dtype):
    call = labels_call(dtype, [0, 1, 2, 3, 2, 9, 1, 8])
    with pytest.raises(ValueError, match=r"\b5\b") as caught:
        kernels.softmax_cross_entropy_labels(*call.arguments())
    assert "9" in str(caught.value)
    call.check_nothing_written()


@everywhere
def test_the_first_and_the_last_class_are_labels(kernels, dtype):
    call = labels_call(dtype, [0, 3, 0, 3])
    check_results(call.problem, call.run(kernels))


# Threads of the caller ---------------------------------------------------------------------------

LARGE = {"B": 1000, "C": 400, "I": 400, "K": 400, "M": 400, "N": 400, "O": 400, "n": 1_000_000}
ATTEMPTS = 200


@pytest.fixture
def no_forced_switches():
    """No thread requests the GIL; whoever gets it was given it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(before)


@functools.lru_cache(maxsize=1)
def large_call(key, times):
    """A call that takes a while, the same for all levels: drawing its arrays takes longer."""
    kernel = KERNELS[key]
    rng = np.random.default_rng(5)
    large = LARGE | {n: times * LARGE[n] for n in "BMn"}
    sizes = kernel.sized(400, **{n: large[n] for n in kernel.dimensions if n in large})
    if len(sizes) == 1:  # a vector of a million elements takes as long as the matrices
        sizes = dict.fromkeys(sizes, large["n"])
    return Call(problem(kernel, np.dtype("float32"), sizes, rng), rng)


def let_go(kernels, kernel, times):
    """True if the main thread ran during one of many calls, on so many times as many rows."""
    call = large_call(kernel.key, times)
    function, arguments = getattr(kernels, kernel.name), call.arguments()
    gate, finished = threading.Lock(), []

    def work():
        gate.release()
        function(*arguments)
        finished.append(True)

    for _ in range(ATTEMPTS):
        gate.acquire()
        finished.clear()
        worker = threading.Thread(target=work)
        worker.start()
        gate.acquire()  # waits, without the GIL, until the worker has reached its first line
        seen_at_work = not finished
        worker.join()
        gate.release()
        if seen_at_work:
            return True
    return False


@every_kernel
@pytest.mark.usefixtures("no_forced_switches")
@everywhere
def test_others_run_while_a_kernel_does(kernels, kernel):
    """Between the first and the last line of the worker, only the kernel can let go of the GIL.

    So if the main thread ever runs in between, the kernel did. Once is enough: the operating
    system may also wake the main thread late, which proves nothing, and then we try again.
    """
    for times in (1, 5):  # a busy machine may wake a thread later than the first takes
        if let_go(kernels, kernel, times):
            return
    pytest.fail(f"{kernel.name} kept the GIL in {ATTEMPTS} calls")


def test_calls_in_many_threads_give_the_same_bits(kernels, dtype):
    """The doors keep nothing between calls."""
    made = [
        problem(kernel, dtype, kernel.sized(61), np.random.default_rng(6))
        for kernel in KERNELS.values()
    ]
    alone = [Call(one, np.random.default_rng(7)).run(kernels) for one in made]
    failures = []

    def work(seed):
        rng = np.random.default_rng(seed)
        try:
            for index in rng.permutation(len(made)):
                together = Call(made[index], rng).run(kernels)
                for name, wanted in alone[index].items():
                    np.testing.assert_array_equal(together[name], wanted, strict=True)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
