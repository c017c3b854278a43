"""The reference against closed forms, known values and central differences, not against kernels."""

import ast
import itertools
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affinet import reference
from affinet.reference.dropout import _philox4x32_10
from kernel_calls import check_results, problem, reference_results
from kernel_table import KERNELS
from tolerance import assert_close

every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
DTYPES = [np.float32, np.float64]
SIZES = {"B": 3, "C": 4, "I": 5, "K": 6, "M": 3, "N": 4, "O": 7, "n": 9}


def example(kernel, dtype, seed=0):
    return problem(kernel, dtype, SIZES, np.random.default_rng(seed))


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
        assert result.shape == argument.shape(SIZES)


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
    others = {module for module in modules if not module.startswith("affinet.reference.")}
    # NumPy has no error function; the standard library's math has.
    assert others == {"__future__", "math", "typing", "numpy", "numpy.typing"}


# Gradients against central differences -----------------------------------------------------------


def central_difference(f, x, h=1e-5):
    """Gradient of the float ``f(x)``; its error is of the order h^2, about 1e-10."""
    gradient = np.empty_like(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = h
        gradient[place] = (f(x + step) - f(x - step)) / (2 * h)
    return gradient


def check_gradient(f, x, analytic):
    np.testing.assert_allclose(analytic, central_difference(f, x), rtol=1e-7, atol=1e-8)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def away_from_the_kink(*shape):
    x = normal(*shape, seed=1)
    return x + 0.01 * np.sign(x)


def test_affine_gradients():
    x, W, b, dout = normal(3, 4), normal(4, 5, seed=1), normal(5, seed=2), normal(3, 5, seed=3)

    def f(x=x, W=W, b=b):
        return np.sum(reference.affine_forward(x, W, b) * dout)

    check_gradient(lambda x: f(x=x), x, reference.affine_backward_dx(dout, W))
    check_gradient(lambda W: f(W=W), W, reference.affine_backward_dw(x, dout))
    check_gradient(lambda b: f(b=b), b, reference.affine_backward_db(dout))


@pytest.mark.parametrize(
    ("name", "scalars"),
    [("relu", ()), ("leaky_relu", (0.1,)), ("leaky_relu", (0.9,)), ("sigmoid", ()), ("tanh", ())],
)
def test_activation_gradients(name, scalars):
    forward = getattr(reference, f"{name}_forward")
    backward = getattr(reference, f"{name}_backward")
    x, dout = 2 * away_from_the_kink(40), normal(40, seed=2)
    dx = backward(forward(x, *scalars), dout, *scalars)
    check_gradient(lambda x: np.sum(forward(x, *scalars) * dout), x, dx)


@pytest.mark.parametrize("name", ["gelu", "silu"])
def test_gradients_of_activations_that_keep_their_input(name):
    forward = getattr(reference, f"{name}_forward")
    x, dout = 3 * normal(40), normal(40, seed=2)
    dx = getattr(reference, f"{name}_backward")(x, dout)
    check_gradient(lambda x: np.sum(forward(x) * dout), x, dx)


def given_statistics(x, gamma, beta, eps):
    mean, variance = np.linspace(-1, 1, 5), np.linspace(0.5, 2, 5)
    return reference.batch_norm_predict(x, gamma, beta, mean, variance, eps), mean, variance


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (reference.batch_norm_forward, lambda *a: reference.batch_norm_backward(*a, True)),
        (given_statistics, lambda *a: reference.batch_norm_backward(*a, False)),
        (reference.layer_norm_forward, reference.layer_norm_backward),
    ],
    ids=["batch", "given", "layer"],
)
def test_normalization_gradients(forward, backward):
    x, dout = normal(4, 5), normal(4, 5, seed=1)
    gamma, beta = normal(5, seed=2), normal(5, seed=3)

    def f(x=x, gamma=gamma, beta=beta):
        return np.sum(forward(x, gamma, beta, 1e-2)[0] * dout)

    _, mean, variance = forward(x, gamma, beta, 1e-2)
    dx, dgamma, dbeta = backward(x, dout, gamma, mean, variance, 1e-2)
    check_gradient(lambda x: f(x=x), x, dx)
    check_gradient(lambda gamma: f(gamma=gamma), gamma, dgamma)
    check_gradient(lambda beta: f(beta=beta), beta, dbeta)


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_cross_entropy_gradients(classes):
    x = normal(4, classes)
    t = np.arange(4) % classes
    _, _, dx = reference.softmax_cross_entropy_labels(x, t)
    check_gradient(lambda x: reference.softmax_cross_entropy_labels(x, t)[0], x, dx)
    weights = np.abs(normal(4, classes, seed=3))
    _, _, dx = reference.softmax_cross_entropy_rows(x, weights)
    check_gradient(lambda x: reference.softmax_cross_entropy_rows(x, weights)[0], x, dx)


ELEMENTWISE = {
    "mean_squared_error": (),
    "sum_squared_error": (),
    "sigmoid_cross_entropy": (),
    "mean_absolute_error": (),
    "huber_loss": (0.6,),
    "poisson_loss": (),
    "quantile_loss": (0.2,),
}
WEIGHTS = [None, np.array([0.5, 0.0, 2.0])]


@pytest.mark.parametrize("weights", WEIGHTS, ids=["no weights", "weights"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_loss_gradients(name, weights):
    loss, scalars = getattr(reference, name), ELEMENTWISE[name]
    y, t = normal(3, 4), np.random.default_rng(1).random((3, 4))
    check_gradient(lambda y: loss(y, t, weights, *scalars)[0], y, loss(y, t, weights, *scalars)[1])


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_weighted_cross_entropy_gradients(smoothing):
    x, weights = normal(3, 4), WEIGHTS[1]
    for loss, t in (
        (reference.softmax_cross_entropy_labels, np.array([0, 3, 2])),
        (reference.softmax_cross_entropy_rows, np.abs(normal(3, 4, seed=3))),
    ):
        _, _, dx = loss(x, t, weights, smoothing)
        check_gradient(lambda x, loss=loss, t=t: loss(x, t, weights, smoothing)[0], x, dx)


def test_dropout_gradient():
    x, dout = normal(4, 9), normal(4, 9, seed=1)
    scalars = {"p": 0.4, "key": 1, "step": 2, "row": 3}
    _, mask = reference.dropout_forward(x, **scalars)
    dx = reference.dropout_backward(dout, mask, 0.4)
    check_gradient(lambda x: np.sum(reference.dropout_forward(x, **scalars)[0] * dout), x, dx)


# Products and the affine layer -------------------------------------------------------------------


def test_products_are_sums_of_products():
    A, B = normal(3, 5), normal(5, 2, seed=1)
    wanted = np.zeros((3, 2))
    for i, j, k in itertools.product(range(3), range(2), range(5)):
        wanted[i, j] += A[i, k] * B[k, j]
    terms = {"reduction": 5, "scale": np.abs(A) @ np.abs(B)}
    assert_close(reference.gemm_nn(A, B), wanted, **terms)
    assert_close(reference.gemm_nt(A, B.T.copy()), wanted, **terms)
    assert_close(reference.gemm_tn(A.T.copy(), B), wanted, **terms)


def test_the_bias_is_added_to_every_row():
    out = reference.affine_forward(np.zeros((3, 2)), np.ones((2, 4)), np.array([1.0, 2, 3, 4]))
    np.testing.assert_array_equal(out, [[1, 2, 3, 4]] * 3)


def test_no_inputs_leave_the_bias():
    out = reference.affine_forward(np.zeros((2, 0)), np.zeros((0, 3)), np.array([1.0, 2, 3]))
    np.testing.assert_array_equal(out, [[1, 2, 3]] * 2)


def test_an_empty_batch_has_gradients_of_zero():
    x, dout, W = np.zeros((0, 3)), np.zeros((0, 2)), np.ones((3, 2))
    assert reference.affine_forward(x, W, np.ones(2)).shape == (0, 2)
    assert reference.affine_backward_dx(dout, W).shape == (0, 3)
    np.testing.assert_array_equal(reference.affine_backward_dw(x, dout), np.zeros((3, 2)))
    np.testing.assert_array_equal(reference.affine_backward_db(dout), np.zeros(2))


def test_affine_relu_by_hand():
    out = reference.affine_relu_forward(
        np.array([[1.0, np.nan], [1, 2]]), np.array([[1.0, -1], [1, 1]]), np.array([-4.0, 1])
    )
    np.testing.assert_array_equal(out, [[np.nan, np.nan], [0, 2]])


# Normalization -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["batch", "layer"])
def test_what_is_normalized_has_mean_0_and_variance_1(name):
    x = 3 * normal(6, 8) + normal(6, 8, seed=1) + 5
    axis = 0 if name == "batch" else 1
    forward = getattr(reference, f"{name}_norm_forward")
    out, mean, variance = forward(x, np.ones(8), np.zeros(8), 1e-12)
    np.testing.assert_allclose(out.mean(axis=axis), 0, atol=1e-12)
    np.testing.assert_allclose(out.var(axis=axis), 1, rtol=1e-9)
    np.testing.assert_allclose(mean, x.mean(axis=axis))
    np.testing.assert_allclose(variance, x.var(axis=axis))
    scaled, _, _ = forward(x, np.full(8, 2.0), np.full(8, 7.0), 1e-12)
    np.testing.assert_allclose(scaled, 2 * out + 7)


def test_running_statistics_of_equal_batches_go_to_theirs():
    x = normal(5, 3)
    _, mean, variance = reference.batch_norm_forward(x, np.ones(3), np.zeros(3), 1e-5)
    running = np.zeros(3), np.ones(3)
    for _ in range(200):
        running = reference.batch_norm_update(mean, variance, 0.2, 5, *running)
    np.testing.assert_allclose(running[0], x.mean(axis=0))
    np.testing.assert_allclose(running[1], x.var(axis=0, ddof=1))


def test_one_row_gives_no_unbiased_variance():
    with pytest.raises(ValueError, match="rows is 1"):
        reference.batch_norm_update(*np.ones((2, 3)), 0.1, 1, *np.ones((2, 3)))


@pytest.mark.parametrize("name", ["gamma", "beta", "mean", "variance", "dout"])
def test_numpy_does_not_broadcast_in_normalizations(name):
    arrays = {a: np.ones(4) for a in ("gamma", "beta", "mean", "variance")}
    arrays |= {"x": np.ones((4, 4)), "dout": np.ones((4, 4)), name: np.ones(1)}
    for kernel in KERNELS.values():
        names = [argument.name for argument in kernel.inputs]
        if "_norm_" in kernel.name and "x" in names and name in names:
            scalars = {"eps": 1e-5, "train": True}
            given = [arrays[n] for n in names] + [scalars[s] for s in kernel.scalars]
            with pytest.raises(ValueError, match=rf"^{name} has shape \(1,\)"):
                getattr(reference, kernel.name)(*given)


# Activations -------------------------------------------------------------------------------------

ODD = np.array([-np.inf, -2, -0.0, 0, 2, np.inf, np.nan])


def test_relu_by_hand():
    np.testing.assert_array_equal(reference.relu_forward(ODD), [0, 0, 0, 0, 2, np.inf, np.nan])
    dout = np.arange(1.0, 8)
    np.testing.assert_array_equal(reference.relu_backward(ODD, dout), [0, 0, 0, 0, 5, 6, 7])


def test_relu_blocks_even_an_infinite_gradient():
    dout = np.array([np.inf, np.nan, np.inf, np.nan])
    dx = reference.relu_backward(np.array([-1.0, 0, 1, 1]), dout)
    np.testing.assert_array_equal(dx, [0, 0, np.inf, np.nan])


def test_gelu_and_silu_at_the_ends():
    x = np.array([-np.inf, -1e4, -1.0, 0.0, 1.0, 1e4, np.inf, np.nan])
    p, s = 0.8413447460685429, 1 / (1 + math.exp(-1))
    gelu, silu = reference.gelu_forward(x), reference.silu_forward(x)
    np.testing.assert_allclose(gelu, [0, 0, p - 1, 0, p, 1e4, np.inf, np.nan], rtol=1e-15)
    np.testing.assert_allclose(silu, [0, 0, s - 1, 0, s, 1e4, np.inf, np.nan], rtol=1e-15)
    for name in ("gelu", "silu"):
        slopes = getattr(reference, f"{name}_backward")(x, np.ones(8))
        np.testing.assert_array_equal(slopes[[0, 1, 3, 5, 6, 7]], [0, 0, 0.5, 1, 1, np.nan])


def test_leaky_relu_by_hand():
    np.testing.assert_array_equal(
        reference.leaky_relu_forward(ODD, 0.25), [-np.inf, -0.5, 0, 0, 2, np.inf, np.nan]
    )
    dout = np.full(7, 8.0)
    np.testing.assert_array_equal(
        reference.leaky_relu_backward(ODD, dout, 0.25), [2, 2, 2, 2, 8, 8, 8]
    )


def test_a_slope_of_one_is_the_identity_and_of_zero_the_relu():
    x, dout = normal(20), normal(20, seed=1)
    np.testing.assert_array_equal(reference.leaky_relu_forward(x, 1), x)
    np.testing.assert_array_equal(reference.leaky_relu_backward(x, dout, 1), dout)
    np.testing.assert_array_equal(reference.leaky_relu_forward(x, 0), reference.relu_forward(x))


def test_sigmoid_by_hand():
    x = np.array([-np.inf, -1e4, 0, math.log(3), -math.log(3), 1e4, np.inf, np.nan])
    assert_close(reference.sigmoid_forward(x), np.array([0, 0, 0.5, 0.75, 0.25, 1, 1, np.nan]))
    y = np.array([0.0, 0.25, 0.5, 1])
    np.testing.assert_array_equal(reference.sigmoid_backward(y, np.full(4, 16.0)), [0, 3, 4, 0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_keeps_its_digits_far_to_the_left(dtype):
    x = np.array([-80.0, -20.0, -5.0], dtype)
    wanted = [1 / (1 + math.exp(-value)) for value in x.tolist()]
    assert_close(reference.sigmoid_forward(x), np.array(wanted))


def test_sigmoids_of_opposite_numbers_sum_to_one():
    x = 10 * normal(100)
    total = reference.sigmoid_forward(x) + reference.sigmoid_forward(-x)
    assert_close(total, np.ones(100))


def test_tanh_by_hand():
    x = np.array([-np.inf, -1e4, 0, math.log(2), 1e-20, 1e4, np.inf, np.nan])
    assert_close(reference.tanh_forward(x), np.array([-1, -1, 0, 0.6, 1e-20, 1, 1, np.nan]))
    y = np.array([-1, -0.5, 0, 0.5, 1])
    np.testing.assert_array_equal(reference.tanh_backward(y, np.full(5, 4.0)), [0, 3, 4, 3, 0])


def test_tanh_is_a_stretched_sigmoid():
    x = normal(100)
    wanted = 2 * reference.sigmoid_forward(2 * x) - 1
    assert_close(reference.tanh_forward(x), wanted, scale=np.full(100, 3.0))


# Softmax and its losses --------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(0, 5),
    classes=st.integers(1, 40),
    size=st.sampled_from([0.0, 1.0, 100.0, 1e4, 1e30]),
    dtype=st.sampled_from(DTYPES),
)
def test_softmax_rows_are_probabilities(seed, rows, classes, size, dtype):
    x = (size * normal(rows, classes, seed=seed)).astype(dtype)
    y = reference.softmax_forward(x)
    assert ((y >= 0) & (y <= 1)).all()
    assert_close(y.sum(axis=1), np.ones(rows), reduction=2 * classes)
    np.testing.assert_array_equal(y.argmax(axis=1), x.argmax(axis=1))


def test_softmax_by_hand():
    y = reference.softmax_forward(np.log(np.array([[1.0, 2, 5], [3, 3, 2]])))
    assert_close(y, np.array([[0.125, 0.25, 0.625], [0.375, 0.375, 0.25]]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shift", [-1e4, 1e4, 2.0**20])
def test_softmax_does_not_see_a_common_shift(dtype, shift):
    x = np.arange(-8, 8, dtype=dtype).reshape(2, 8)  # whole numbers shift exactly
    np.testing.assert_array_equal(
        reference.softmax_forward(x + dtype(shift)), reference.softmax_forward(x)
    )


def test_softmax_of_odd_rows():
    x = np.array([[0, -np.inf], [np.nan, 0], [np.inf, 0], [-np.inf, -np.inf], [1e4, -1e4]])
    y = reference.softmax_forward(x)
    np.testing.assert_array_equal(y, [[1, 0], [np.nan] * 2, [np.nan] * 2, [np.nan] * 2, [1, 0]])


def test_softmax_without_classes_or_rows():
    assert reference.softmax_forward(np.zeros((3, 0))).shape == (3, 0)
    assert reference.softmax_forward(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [1, 2, 10, 1000])
@pytest.mark.parametrize("level", [0, 1e4, -1e4])
def test_cross_entropy_of_equal_logits_is_log_c(dtype, classes, level):
    x, t = np.full((7, classes), level, dtype), np.arange(7) % classes
    loss, y, dx = reference.softmax_cross_entropy_labels(x, t)
    assert_close(loss, math.log(classes), dtype=dtype, reduction=classes)
    assert_close(y, np.full((7, classes), 1 / classes))
    assert_close(dx, (1 / classes - np.eye(classes)[t]) / 7, scale=np.full(dx.shape, 2 / 7))


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_of_sure_answers(dtype):
    x = np.array([[1e4, -1e4], [1e4, -1e4]], dtype)
    assert reference.softmax_cross_entropy_labels(x, np.array([0, 0]))[0] == 0
    assert reference.softmax_cross_entropy_labels(x, np.array([1, 1]))[0] == 2e4
    assert reference.softmax_cross_entropy_labels(x, np.array([0, 1]))[0] == 1e4


def test_cross_entropy_by_hand():
    x = np.log(np.array([[1.0, 2, 5], [3, 3, 2]]))
    loss, y, dx = reference.softmax_cross_entropy_labels(x, np.array([2, 0]))
    assert_close(loss, -(math.log(0.625) + math.log(0.375)) / 2)
    assert_close(y, np.array([[0.125, 0.25, 0.625], [0.375, 0.375, 0.25]]))
    wanted = np.array([[0.0625, 0.125, -0.1875], [-0.3125, 0.1875, 0.125]])
    assert_close(dx, wanted, scale=np.ones((2, 3)))


def test_cross_entropy_keeps_its_digits_where_the_answer_is_nearly_sure():
    """log(1 + e^-30) is e^-30 to 13 digits; a loss worked out from y would be 0 or noise."""
    loss, _, _ = reference.softmax_cross_entropy_labels(np.array([[0.0, 30]]), np.array([0]))
    assert_close(loss, 30 + math.exp(-30))


def test_labels_and_one_hot_rows_mean_the_same():
    x, t = 3 * normal(6, 4), np.array([0, 1, 2, 3, 3, 0])
    labels = reference.softmax_cross_entropy_labels(x, t)
    rows = reference.softmax_cross_entropy_rows(x, np.eye(4)[t])
    for a, b in zip(labels, rows, strict=True):
        assert_close(a, np.asarray(b), scale=np.abs(b) + 1)


def test_rows_are_linear_in_their_weights():
    x, t, u = normal(3, 5), np.abs(normal(3, 5, seed=1)), np.abs(normal(3, 5, seed=2))
    loss_t, _, dx_t = reference.softmax_cross_entropy_rows(x, t)
    loss_u, _, dx_u = reference.softmax_cross_entropy_rows(x, u)
    loss, _, dx = reference.softmax_cross_entropy_rows(x, 2 * t + u)
    assert_close(loss, 2 * loss_t + loss_u, reduction=15)
    assert_close(dx, 2 * dx_t + dx_u, reduction=10, scale=np.full((3, 5), 10.0))


def test_a_soft_target_equal_to_y_leaves_no_gradient():
    x = normal(4, 6)
    y = reference.softmax_forward(x)
    loss, _, dx = reference.softmax_cross_entropy_rows(x, y)
    assert_close(loss, float(-np.sum(y * np.log(y)) / 4), reduction=24)
    assert_close(dx, np.zeros((4, 6)), reduction=6, scale=y)


def test_no_weight_no_loss_even_for_an_infinite_logit():
    x = np.array([[0.0, 0.0, -np.inf]])
    loss, y, dx = reference.softmax_cross_entropy_rows(x, np.array([[1.0, 0, 0]]))
    assert_close(loss, math.log(2))
    np.testing.assert_array_equal(y, [[0.5, 0.5, 0]])
    np.testing.assert_array_equal(dx, [[-0.5, 0.5, 0]])
    assert reference.softmax_cross_entropy_rows(x, np.array([[0.0, 0, 1]]))[0] == math.inf
    assert reference.softmax_cross_entropy_rows(x, np.zeros((1, 3)))[0] == 0


def test_cross_entropy_gradients_sum_to_zero_in_every_row():
    x = 5 * normal(6, 9)
    _, _, dx = reference.softmax_cross_entropy_labels(x, np.arange(6))
    assert_close(dx.sum(axis=1), np.zeros(6), reduction=18, scale=np.abs(dx).sum(axis=1))


@pytest.mark.parametrize("bad", [-1, 3, 100])
def test_a_label_out_of_range_is_named_with_its_row(bad):
    with pytest.raises(ValueError, match=rf"t\[1\] is {bad}, wanted a class from 0 to 2"):
        reference.softmax_cross_entropy_labels(np.zeros((4, 3)), np.array([2, bad, 0, -7]))


# Squared errors ----------------------------------------------------------------------------------


def test_squared_errors_by_hand():
    y, t = np.array([[1.0, 2], [3, 4]]), np.array([[1.0, 0], [6, 4]])
    loss, dx = reference.mean_squared_error(y, t)
    assert loss == 13 / 4
    np.testing.assert_array_equal(dx, [[0, 1], [-1.5, 0]])
    loss, dx = reference.sum_squared_error(y, t)
    assert loss == 6.5
    np.testing.assert_array_equal(dx, [[0, 2], [-3, 0]])


def test_other_elementwise_losses_by_hand():
    y, t = np.array([[1.0, 2], [3, 4]]), np.array([[1.0, 0], [6, 4]])
    loss, dx = reference.mean_absolute_error(y, t)
    assert loss == 5 / 4
    np.testing.assert_array_equal(dx, [[0, 0.25], [-0.25, 0]])
    loss, dx = reference.huber_loss(y, t, None, 2.5)
    assert loss == (2 + 2.5 * 1.75) / 4
    np.testing.assert_array_equal(dx, [[0, 0.5], [-0.625, 0]])
    loss, dx = reference.quantile_loss(y, t, None, 0.75)
    assert loss == (0.25 * 2 + 0.75 * 3) / 4
    np.testing.assert_array_equal(dx, [[0, 0.0625], [-0.1875, 0]])
    loss, dx = reference.poisson_loss(np.log(y), t)
    assert loss == pytest.approx((10 - 6 * math.log(3) - 4 * math.log(4)) / 4)
    np.testing.assert_allclose(dx, [[0, 0.5], [-0.75, 0]], atol=1e-15)
    loss, dx = reference.sigmoid_cross_entropy(np.log(y), np.array([[1.0, 0], [0.5, 0]]))
    wanted = math.log(2) + math.log(3) + math.log(4) - math.log(3) / 2 + math.log(5)
    assert loss == pytest.approx(wanted / 2)
    np.testing.assert_allclose(2 * dx, [[-0.5, 2 / 3], [0.25, 0.8]], rtol=1e-15)


def test_weights_by_hand():
    y, t = np.array([[1.0, 2], [3, 4], [np.nan, np.inf]]), np.zeros((3, 2))
    weights = np.array([3.0, 1.0, 0.0])
    loss, dx = reference.mean_squared_error(y, t, weights)
    assert loss == (3 * 5 + 25) / 8
    np.testing.assert_array_equal(dx, [[0.75, 1.5], [0.75, 1], [0, 0]])
    loss, dx = reference.sum_squared_error(y, t, weights)
    assert loss == (3 * 5 + 25) / 2
    np.testing.assert_array_equal(dx, [[3, 6], [3, 4], [0, 0]])
    for name, scalars in ELEMENTWISE.items():
        with np.errstate(all="ignore"):
            loss, dx = getattr(reference, name)(y, t, np.zeros(3), *scalars)
        assert loss == 0
        assert not dx.any()


def test_smoothing_by_hand():
    """Logits 0 and log 3: probabilities 1/4 and 3/4; targets 0.9 and 0.1."""
    x = np.array([[0.0, math.log(3)]])
    wanted = -0.9 * math.log(1 / 4) - 0.1 * math.log(3 / 4)
    for loss, y, dx in (
        reference.softmax_cross_entropy_labels(x, np.array([0]), None, 0.2),
        reference.softmax_cross_entropy_rows(x, np.array([[1.0, 0]]), None, 0.2),
    ):
        assert loss == pytest.approx(wanted)
        np.testing.assert_allclose(y, [[0.25, 0.75]])
        np.testing.assert_allclose(dx, [[-0.65, 0.65]])


def test_sums_over_elements_are_carried_in_double():
    y, t = np.full(3_000_000, 0.1, np.float32), np.zeros(3_000_000, np.float32)
    term = np.float32(0.1) * np.float32(0.1)
    assert_close(reference.mean_squared_error(y, t)[0], float(term), reduction=3_000_000)
    assert_close(reference.sum_squared_error(y, t)[0], 1.5e6 * float(term), reduction=3_000_000)


@pytest.mark.parametrize(
    "call",
    [
        lambda: reference.mean_squared_error(np.ones(0), np.ones(0)),
        lambda: reference.sum_squared_error(np.ones((3, 0)), np.ones((3, 0))),
        lambda: reference.sigmoid_cross_entropy(np.ones((0, 2)), np.ones((0, 2))),
        lambda: reference.quantile_loss(np.ones((3, 0)), np.ones((3, 0))),
        lambda: reference.softmax_cross_entropy_labels(np.ones((0, 3)), np.ones(0, int)),
        lambda: reference.softmax_cross_entropy_rows(np.ones((0, 3)), np.ones((0, 3))),
        lambda: reference.softmax_cross_entropy_rows(np.ones((3, 0)), np.ones((3, 0))),
    ],
)
def test_there_is_no_loss_of_nothing(call):
    with pytest.raises(ValueError, match=r"^[xy] has shape .* wanted at least one element"):
        call()


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


# Dropout -----------------------------------------------------------------------------------------


def words(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(
    ("counter", "key", "wanted"),
    [
        (
            "00000000 00000000 00000000 00000000",
            "00000000 00000000",
            "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
        ),
        (
            "ffffffff ffffffff ffffffff ffffffff",
            "ffffffff ffffffff",
            "408f276d 41c83b0e a20bc7c6 6d5451fd",
        ),
        (
            "243f6a88 85a308d3 13198a2e 03707344",
            "a4093822 299f31d0",
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_published_answers(counter, key, wanted):
    """The vectors "philox4x32 10" of Random123, file tests/kat_vectors."""
    counter = np.array(words(counter), dtype=np.uint64)
    before = counter.copy()
    result = _philox4x32_10(counter, tuple(words(key)))
    assert result.tolist() == words(wanted)
    np.testing.assert_array_equal(counter, before)


def test_philox_works_on_many_counters_at_once():
    counters = np.random.default_rng(0).integers(0, 2**32, (3, 5, 4), dtype=np.uint64)
    together = _philox4x32_10(counters, (1, 2))
    for place in np.ndindex(3, 5):
        alone = _philox4x32_10(counters[place], (1, 2))
        np.testing.assert_array_equal(together[place], alone)


def mask_of(rows, columns, p=0.5, key=0, step=0, row=0):
    return reference.dropout_forward(np.ones((rows, columns)), p, key, step, row)[1]


@pytest.mark.parametrize(
    ("p", "wanted"),
    [
        (Fraction(0x6627E8D5, 2**32), [1, 1, 1, 1]),
        (Fraction(0x6627E8D5 + 1, 2**32), [0, 1, 1, 1]),
        (Fraction(0x9B00DBD8, 2**32), [0, 1, 1, 1]),
        (Fraction(0x9B00DBD8 + 1, 2**32), [0, 1, 1, 0]),
        (Fraction(0xBC57AC4C + 1, 2**32), [0, 1, 0, 0]),
        (Fraction(0xE169C58D, 2**32), [0, 1, 0, 0]),
        (Fraction(0xE169C58D + 1, 2**32), [0, 0, 0, 0]),
        # Halves go to the even neighbour: up to ...d6, which drops, and down to ...d4.
        (Fraction(2 * 0x6627E8D5 + 1, 2**33), [0, 1, 1, 1]),
        (Fraction(2 * 0x6627E8D5 - 1, 2**33), [1, 1, 1, 1]),
        (Fraction(2 * 0xBC57AC4C + 1, 2**33), [0, 1, 1, 0]),
    ],
)
def test_the_threshold_is_exact(p, wanted):
    """The first four words under key 0 and counter 0 are those of the first published vector."""
    assert mask_of(1, 4, p=float(p)).tolist() == [wanted]


@settings(deadline=None, max_examples=30)
@given(
    key=st.integers(0, 2**64 - 1),
    step=st.integers(0, 2**64 - 1),
    row=st.integers(0, 2**34),
    p=st.floats(0, 0.99),
)
def test_an_element_is_kept_by_its_own_word(key, step, row, p):
    """Straight from the definition, one element at a time, in Python's integers."""
    mask = mask_of(2, 7, p, key, step, row)
    threshold = round(Fraction(p) * 2**32)
    for r, column in np.ndindex(2, 7):
        counter = [column // 4, (row + r) % 2**32, step % 2**32, step // 2**32]
        word = philox_in_integers(counter, [key % 2**32, key // 2**32])[column % 4]
        assert mask[r, column] == (word >= threshold)


def philox_in_integers(c, k):
    for _ in range(10):
        low, high = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [high >> 32 ^ c[1] ^ k[0], high % 2**32, low >> 32 ^ c[3] ^ k[1], low % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_of_kept_elements_is_binomial(p):
    for key in range(5):
        mask = mask_of(300, 333, p, key=key)
        deviation = math.sqrt(mask.size * p * (1 - p))
        assert abs(int(mask.sum()) - mask.size * (1 - p)) < 5 * deviation


def test_columns_rows_and_lanes_are_kept_alike():
    """No row, column or lane of a counter is favoured: six deviations, 1200 sums."""
    mask = mask_of(600, 600, key=11)
    for sums in (mask.sum(axis=0), mask.sum(axis=1)):
        assert np.abs(sums.astype(int) - 300).max() < 6 * math.sqrt(150)
    neighbours = np.mean(mask[:, 1:] == mask[:, :-1]), np.mean(mask[1:] == mask[:-1])
    assert max(abs(share - 0.5) for share in neighbours) < 0.005


@settings(deadline=None, max_examples=30)
@given(
    rows=st.integers(0, 12),
    columns=st.integers(0, 20),
    cut=st.integers(0, 12),
    narrow=st.integers(0, 20),
    row=st.sampled_from([0, 1, 1000, 2**32 - 5, 2**33 - 1]),
)
def test_a_part_of_a_batch_gets_its_part_of_the_mask(rows, columns, cut, narrow, row):
    whole = mask_of(rows, columns, key=3, step=4, row=row)
    cut, narrow = min(cut, rows), min(narrow, columns)
    np.testing.assert_array_equal(mask_of(cut, columns, key=3, step=4, row=row), whole[:cut])
    rest = mask_of(rows - cut, columns, key=3, step=4, row=row + cut)
    np.testing.assert_array_equal(rest, whole[cut:])
    np.testing.assert_array_equal(mask_of(rows, narrow, key=3, step=4, row=row), whole[:, :narrow])


def test_the_mask_does_not_see_the_values():
    scalars = {"p": 0.3, "key": 5, "step": 6, "row": 7}
    masks = [
        reference.dropout_forward(x, **scalars)[1]
        for x in (np.zeros((4, 9)), normal(4, 9), np.full((4, 9), np.nan, np.float32))
    ]
    np.testing.assert_array_equal(masks[0], masks[1])
    np.testing.assert_array_equal(masks[0], masks[2])


def test_every_part_of_key_and_step_matters():
    choices = [{}, {"row": 64}]
    for name in ("key", "step"):
        choices += [{name: value} for value in (1, 2, 2**31, 2**32, 2**63, 2**64 - 1)]
    choices.append({"key": 1, "step": 1})
    masks = [mask_of(8, 64, **choice) for choice in choices]
    for a, b in itertools.combinations(masks, 2):
        assert 0.3 < np.mean(a == b) < 0.7


def test_rows_count_modulo_2_to_the_32():
    np.testing.assert_array_equal(mask_of(4, 9, row=2**32 - 2)[2:], mask_of(2, 9, row=0))
    np.testing.assert_array_equal(mask_of(4, 9, row=2**32 + 3), mask_of(4, 9, row=3))


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_kept_grows_and_the_rest_is_zero(dtype):
    x = normal(20, 20).astype(dtype)
    out, mask = reference.dropout_forward(x, 0.3, 1, 2, 3)
    scale = dtype(1 / 0.7)
    np.testing.assert_array_equal(out, np.where(mask, x * scale, 0), strict=True)
    assert set(np.unique(mask)) == {0, 1}
    dx = reference.dropout_backward(x, mask, 0.3)
    np.testing.assert_array_equal(dx, out, strict=True)


def test_the_mean_is_kept():
    out, _ = reference.dropout_forward(np.ones((500, 500)), 0.8, 1, 2, 3)
    assert out.mean() == pytest.approx(1, abs=5 * math.sqrt(0.8 / 0.2 / 250_000))


def test_a_rate_of_zero_drops_nothing():
    x = normal(5, 6)
    out, mask = reference.dropout_forward(x, 0, 1, 2, 3)
    np.testing.assert_array_equal(out, x)
    assert mask.all()
    np.testing.assert_array_equal(reference.dropout_backward(x, mask, 0), x)


def test_what_is_dropped_is_zero_even_if_it_was_not_a_number():
    x = np.full((1, 4), np.nan)
    out, _ = reference.dropout_forward(x, 0.5, 0, 0, 0)
    np.testing.assert_array_equal(out, [[0, np.nan, np.nan, np.nan]])
    dx = reference.dropout_backward(np.full((1, 2), np.inf), np.array([[0, 1]]), 0.5)
    np.testing.assert_array_equal(dx, [[0, np.inf]])


@pytest.mark.parametrize("p", [-0.1, 1, 1.5, math.nan])
def test_a_rate_out_of_range_is_refused(p):
    with pytest.raises(ValueError, match=f"^p is {p}, wanted 0 <= p < 1"):
        reference.dropout_forward(np.ones((1, 1)), p, 0, 0, 0)
    with pytest.raises(ValueError, match=f"^p is {p}, wanted 0 <= p < 1"):
        reference.dropout_backward(np.ones((1, 1)), np.ones((1, 1)), p)


# Optimizers --------------------------------------------------------------------------------------


def test_sgd_by_hand():
    W = reference.sgd_update(np.array([2.0, -4]), 0.25, 0.0, np.array([1.0, 1]))
    np.testing.assert_array_equal(W, [0.5, 2])


def test_sgd_with_weight_decay_by_hand():
    """1 - (2 + 1) / 4 and -2 - (-4 - 2) / 4."""
    W = reference.sgd_update(np.array([2.0, -4]), 0.25, 1.0, np.array([1.0, -2]))
    np.testing.assert_array_equal(W, [0.25, -0.5])


def test_weight_decay_alone_shrinks_by_a_factor():
    W = np.array([8.0, -16])
    for _ in range(3):
        W = reference.sgd_update(np.zeros(2), 0.5, 1.0, W)
    np.testing.assert_array_equal(W, [1, -2])


def test_momentum_by_hand():
    v, W = np.zeros(1), np.ones(1)
    v, W = reference.momentum_update(np.array([2.0]), 0.5, 0.5, v, W)
    assert (v[0], W[0]) == (-1, 0)
    v, W = reference.momentum_update(np.array([2.0]), 0.5, 0.5, v, W)
    assert (v[0], W[0]) == (-1.5, -1.5)


def test_momentum_without_momentum_is_sgd():
    dW, W = normal(9), normal(9, seed=1)
    v, new = reference.momentum_update(dW, 0.1, 0.0, normal(9, seed=2), W)
    np.testing.assert_array_equal(v, -0.1 * dW)
    np.testing.assert_array_equal(new, reference.sgd_update(dW, 0.1, 0.0, W))


def test_momentum_reaches_its_terminal_velocity():
    v, W, dW = np.zeros(1), np.zeros(1), np.ones(1)
    for _ in range(500):
        v, W = reference.momentum_update(dW, 0.1, 0.9, v, W)
    assert_close(v, np.array([-0.1 / (1 - 0.9)]), reduction=100)


def test_nesterov_by_hand():
    """v: -1, -1.5; W: 1 - 0.5 - 1, then -0.5 - 0.75 - 1."""
    v, W = np.zeros(1), np.ones(1)
    v, W = reference.nesterov_update(np.array([2.0]), 0.5, 0.5, v, W)
    assert (v[0], W[0]) == (-1, -0.5)
    v, W = reference.nesterov_update(np.array([2.0]), 0.5, 0.5, v, W)
    assert (v[0], W[0]) == (-1.5, -2.25)


def test_nesterov_looks_ahead():
    """W is theta + momentum v, for the theta and v of Sutskever et al., equations 3 and 4."""
    lr, momentum, curvature = 0.1, 0.9, np.array([0.3, 2.0, 5.0])
    theta, velocity, W = np.ones(3), np.zeros(3), np.ones(3)
    v = np.zeros(3)
    for _ in range(20):
        velocity = momentum * velocity - lr * curvature * (theta + momentum * velocity)
        theta = theta + velocity
        v, W = reference.nesterov_update(curvature * W, lr, momentum, v, W)
        np.testing.assert_allclose(W, theta + momentum * velocity, rtol=1e-11, atol=1e-13)


def test_nesterov_without_momentum_is_sgd():
    dW, W = normal(9), normal(9, seed=1)
    _, new = reference.nesterov_update(dW, 0.1, 0.0, normal(9, seed=2), W)
    np.testing.assert_array_equal(new, reference.sgd_update(dW, 0.1, 0.0, W))


def test_rmsprop_by_hand():
    """h: 4, 4 / 2 + 16 / 2; steps of 3 * 2 / (2 + 1) and 3 * 4 / (sqrt(10) + 1)."""
    h, W = np.array([4.0]), np.array([1.0])
    h, W = reference.rmsprop_update(np.array([2.0]), 3.0, 0.5, 1.0, h, W)
    assert (h[0], W[0]) == (4, -1)
    h, W = reference.rmsprop_update(np.array([4.0]), 3.0, 0.5, 1.0, h, W)
    assert h[0] == 10
    assert_close(W, np.array([-1 - 12 / (math.sqrt(10) + 1)]))


def test_rmsprop_with_a_constant_gradient_comes_to_walk_at_its_rate():
    h, W, dW = np.zeros(2), np.zeros(2), np.array([5.0, -0.2])
    for _ in range(300):
        before = W
        h, W = reference.rmsprop_update(dW, 0.1, 0.9, 1e-12, h, W)
    np.testing.assert_allclose(W - before, -0.1 * np.sign(dW), rtol=1e-9)


def test_adagrad_by_hand():
    h, W = reference.adagrad_update(np.array([4.0]), 3.0, 1.0, np.array([9.0]), np.array([1.0]))
    assert (h[0], W[0]) == (25, -1)


def test_adagrad_steps_shrink_with_the_root_of_their_number():
    h, W = np.zeros(2), np.zeros(2)
    dW = np.array([3.0, -0.01])
    for step in range(1, 30):
        before = W
        h, W = reference.adagrad_update(dW, 0.1, 0.0, h, W)
        wanted = before - 0.1 * np.sign(dW) / math.sqrt(step)
        assert_close(W, wanted, reduction=step, scale=np.ones(2))


def test_adagrad_divides_by_eps_where_there_was_no_gradient():
    h, W = reference.adagrad_update(np.zeros(1), 0.1, 1e-7, np.zeros(1), np.ones(1))
    assert (h[0], W[0]) == (0, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e6])
def test_the_first_step_of_adam_is_lr_whatever_the_gradient(dtype, size):
    dW = (size * normal(50)).astype(dtype)
    dW = dW[np.abs(dW) > 1e-2 * size]
    zero = np.zeros_like(dW)
    m, v, W = reference.adam_update(dW, 0.01, 0.9, 0.999, 0.0, 1, zero, zero, zero)
    wanted = dW.astype(np.float64)
    assert_close(W, -0.01 * np.sign(wanted))
    assert_close(m, (1 - 0.9) * wanted)
    assert_close(v, (1 - 0.999) * wanted**2)


def test_adam_by_hand():
    """Two steps of its paper's algorithm 1 in fractions, with roots that come out even."""
    m, v, W = np.zeros(1), np.zeros(1), np.zeros(1)
    m, v, W = reference.adam_update(np.array([4.0]), 1.0, 0.5, 0.75, 1.0, 1, m, v, W)
    assert (m[0], v[0]) == (2, 4)
    assert W[0] == -4 / (4 + 1)
    m, v, W = reference.adam_update(np.array([-4.0]), 1.0, 0.5, 0.75, 1.0, 2, m, v, W)
    assert (m[0], v[0]) == (-1, 7)
    assert_close(W, np.array([-4 / 5 + (1 / 0.75) / (math.sqrt(7 / 0.4375) + 1)]))


def test_adam_with_a_constant_gradient_walks_evenly():
    m, v, W = np.zeros(2), np.zeros(2), np.zeros(2)
    dW = np.array([5.0, -0.2])
    for step in range(1, 40):
        m, v, W = reference.adam_update(dW, 0.1, 0.9, 0.999, 1e-9, step, m, v, W)
        np.testing.assert_allclose(W, -0.1 * step * np.sign(dW), rtol=1e-7)


def test_adam_stands_still_without_a_gradient():
    zero = np.zeros(3)
    m, v, W = reference.adam_update(zero, 0.1, 0.9, 0.999, 1e-8, 1, zero, zero, np.ones(3))
    np.testing.assert_array_equal([m, v, W], [zero, zero, np.ones(3)])


@pytest.mark.parametrize("step", [0, -1])
def test_adam_counts_from_one(step):
    zero = np.zeros(1)
    with pytest.raises(ValueError, match=f"^step is {step}, wanted 1 or more"):
        reference.adam_update(zero, 0.1, 0.9, 0.999, 1e-8, step, zero, zero, zero)
    with pytest.raises(ValueError, match=f"^step is {step}, wanted 1 or more"):
        reference.adamw_update(zero, 0.1, 0.9, 0.999, 1e-8, 0.1, step, zero, zero, zero)


def test_adamw_by_hand():
    """Adam's first step is 4 / (4 + 1); the decay takes a quarter of 8 before it."""
    m, v, W = np.zeros(1), np.zeros(1), np.array([8.0])
    m, v, W = reference.adamw_update(np.array([4.0]), 1.0, 0.5, 0.75, 1.0, 0.25, 1, m, v, W)
    assert (m[0], v[0]) == (2, 4)
    assert_close(W, np.array([6 - 4 / 5]))


def test_the_decay_of_adamw_does_not_depend_on_the_gradient():
    """Decoupled: two parameters with the same W and other gradients are pulled alike."""
    dW, W, zero = np.array([1e-3, 1e3]), np.full(2, 4.0), np.zeros(2)
    numbers = (0.1, 0.9, 0.999, 1e-8)
    _, _, with_decay = reference.adamw_update(dW, *numbers, 0.5, 1, zero, zero, W)
    _, _, without = reference.adam_update(dW, *numbers, 1, zero, zero, W)
    np.testing.assert_allclose(without - with_decay, 0.1 * 0.5 * 4, rtol=1e-12)


# What is done to a gradient before an update -----------------------------------------------------


def test_l2_penalty_by_hand():
    loss, dW = reference.l2_penalty(np.array([[1.0, -2], [3, 0]]), 0.5, np.ones((2, 2)))
    assert loss == 0.25 * 14
    np.testing.assert_array_equal(dW, [[1.5, 0], [2.5, 1]])


def test_the_pull_is_the_gradient_of_the_penalty():
    W, step = normal(7), 1e-6
    _, dW = reference.l2_penalty(W, 0.3, np.zeros(7))
    for i in range(7):
        ends = [reference.l2_penalty(W + h * np.eye(7)[i], 0.3, W)[0] for h in (step, -step)]
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(dW[i], rel=1e-6, abs=1e-8)


def test_clip_norm_by_hand():
    dW = np.array([[2.0, -3.0], [6.0, 0.0]])
    for max_norm, wanted in ((3.5, dW / 2), (7.0, dW), (1e9, dW)):
        norm, out = reference.clip_norm(dW, max_norm)
        assert norm == 7
        np.testing.assert_array_equal(out, wanted)
    assert reference.clip_norm(np.zeros(3), 1.0) == (0, pytest.approx(np.zeros(3)))
    assert reference.clip_norm(np.zeros(0), 1.0)[0] == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_norm_that_is_not_finite_makes_all_of_it_nan(bad):
    norm, out = reference.clip_norm(np.array([1.0, bad, 0.0]), 1.0)
    assert not math.isfinite(norm)
    assert np.isnan(out).all()


@pytest.mark.parametrize("max_norm", [0.0, -1.0, math.nan])
def test_a_bound_that_is_none_is_refused(max_norm):
    with pytest.raises(ValueError, match=f"^max_norm is {max_norm}, wanted a number above 0"):
        reference.clip_norm(np.ones(2), max_norm)
