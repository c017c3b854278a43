"""The compiled forward pass equals the layers, and its door is safe."""

import importlib

import numpy as np
import pytest

from affinet import _dispatch, reference
from affinet.layers.operation import Operation

LEVELS = [x for x in _dispatch.compiled_levels() if x in _dispatch.supported_levels()]
OPERATIONS = [
    Operation("affine", n_outputs=20, starts=(0, 60)),
    Operation("sigmoid"),
    Operation("dropout", numbers=(0.5,), key=7),
    Operation("affine", n_outputs=5, starts=(80, 180)),
    Operation("leaky_relu", numbers=(0.1,)),
    Operation("tanh"),
]


def expected(params, x):
    """OPERATIONS over these parameters, by the reference."""
    W1, b1 = params[:60].reshape(3, 20), params[60:80]
    W2, b2 = params[80:180].reshape(20, 5), params[180:185]
    hidden = reference.sigmoid_forward(reference.affine_forward(x, W1, b1).ravel()).reshape(-1, 20)
    out = reference.affine_forward(hidden, W2, b2).ravel()
    return reference.tanh_forward(reference.leaky_relu_forward(out, 0.1)).reshape(-1, 5)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [0, 1, 2, 127, 128, 129, 300])
def test_forward_equals_the_reference(level, dtype, rows):
    kernels = importlib.import_module(f"affinet._kernels.{level}")
    rng = np.random.default_rng(rows)
    params = rng.standard_normal(185).astype(dtype)
    x = rng.standard_normal((rows, 3)).astype(dtype)
    guarded = np.full((rows + 2, 5), np.nan, dtype)
    x.flags.writeable = params.flags.writeable = False
    writable = params.copy()
    kernels.make_operations(writable, OPERATIONS, 3).forward(x, guarded[1:-1])
    wanted = expected(params.astype(np.float64), x.astype(np.float64))
    np.testing.assert_allclose(guarded[1:-1], wanted, rtol=1e-3 if dtype == "float32" else 1e-12,
                               atol=2e-6 if dtype == "float32" else 1e-14)  # fmt: skip
    assert np.isnan(guarded[[0, -1]]).all()
    np.testing.assert_array_equal(writable, params)


def normalized(mean, var):
    return [
        Operation("layer_norm", (), 3, starts=(0, 3), numbers=(1e-3,)),
        Operation("gelu"),
        Operation("affine", n_outputs=70, starts=(6, 216)),
        Operation("batch_norm", starts=(286, 356), numbers=(1e-2, 0.1), arrays=(mean, var)),
        Operation("silu"),
        Operation("affine", n_outputs=5, starts=(426, 776)),
        Operation("layer_norm", starts=(781, 786), numbers=(1e-5,)),
    ]


def expected_normalized(params, mean, var, x):
    """``normalized`` over these parameters and running statistics, by the reference."""
    out, _, _ = reference.layer_norm_forward(x, params[:3], params[3:6], 1e-3)
    out = reference.gelu_forward(out)
    out = reference.affine_forward(out, params[6:216].reshape(3, 70), params[216:286])
    out = reference.batch_norm_predict(out, params[286:356], params[356:426], mean, var, 1e-2)
    out = reference.silu_forward(out)
    out = reference.affine_forward(out, params[426:776].reshape(70, 5), params[776:781])
    return reference.layer_norm_forward(out, params[781:786], params[786:791], 1e-5)[0]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [0, 1, 129])
def test_normalizations_and_what_keeps_its_input(level, dtype, rows):
    kernels = importlib.import_module(f"affinet._kernels.{level}")
    rng = np.random.default_rng(rows)
    params, mean = rng.standard_normal(791).astype(dtype), rng.standard_normal(70).astype(dtype)
    var = (rng.random(70) + 0.5).astype(dtype)
    x = rng.standard_normal((rows, 3)).astype(dtype)
    before = [a.copy() for a in (params, mean, var, x)]
    guarded = np.full((rows + 2, 5), np.nan, dtype)
    kernels.make_operations(params, normalized(mean, var), 3).forward(x, guarded[1:-1])
    wanted = expected_normalized(*(a.astype(np.float64) for a in (params, mean, var, x)))
    tolerance = 1e-3 if dtype == "float32" else 1e-11
    np.testing.assert_allclose(guarded[1:-1], wanted, rtol=tolerance, atol=tolerance)
    assert np.isnan(guarded[[0, -1]]).all()
    for array, kept in zip((params, mean, var, x), before, strict=True):
        np.testing.assert_array_equal(array, kept)


def batch_norm(**changes):
    """Three operations, a batch_norm in the middle with something changed."""
    fields = {
        "n_outputs": 20, "starts": (80, 100), "numbers": (1e-5, 0.1),
        "arrays": (np.zeros(20), np.ones(20)),
    } | changes  # fmt: skip
    return [
        Operation("affine", n_outputs=20, starts=(0, 60)),
        Operation("batch_norm", **fields),
        Operation("silu"),
    ]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"n_outputs": 19}, ValueError),
        ({"n_outputs": 21}, ValueError),
        ({"starts": (-1, 100)}, ValueError),
        ({"starts": (101, 80)}, ValueError),
        ({"starts": (80, 101)}, ValueError),
        ({"starts": (80, 80)}, ValueError),
        ({"starts": (80, 90)}, ValueError),
        ({"starts": (0, 100)}, ValueError),
        ({"starts": (80,)}, ValueError),
        ({"numbers": (0.0, 0.1)}, ValueError),
        ({"numbers": (np.nan, 0.1)}, ValueError),
        ({"numbers": (1e-5, 1.5)}, ValueError),
        ({"numbers": (1e-5, np.nan)}, ValueError),
        ({"numbers": (1e-5,)}, ValueError),
        ({"key": 3}, ValueError),
        ({"arrays": (np.zeros(20),)}, ValueError),
        ({"arrays": (np.zeros(19), np.ones(20))}, ValueError),
        ({"arrays": (np.zeros(20), np.ones(21))}, ValueError),
        ({"arrays": (np.zeros(20, "f"), np.ones(20))}, (TypeError, ValueError)),
        ({"arrays": (np.zeros(20), np.ones(40)[::2])}, (TypeError, ValueError)),
        ({"arrays": (np.zeros(20), None)}, (TypeError, ValueError)),
    ],
    ids=str,
)
def test_a_batch_norm_that_does_not_fit_is_refused(change, error):
    make = _dispatch.kernels.make_operations
    make(np.zeros(120), batch_norm(), 3)
    make(np.zeros(120), batch_norm(starts=(100, 80)), 3)
    with pytest.raises(error):
        make(np.zeros(120), batch_norm(**change), 3)


@pytest.mark.parametrize(
    "change",
    [
        {"numbers": ()},
        {"n_outputs": 4},
        {"starts": (0, 4)},
        {"starts": (-1, 3)},
        {"numbers": (-1.0,)},
    ],
    ids=str,
)
def test_a_layer_norm_that_does_not_fit_is_refused(change):
    fields = {"n_outputs": 3, "starts": (0, 3), "numbers": (1e-5,)}
    make = _dispatch.kernels.make_operations
    make(np.zeros(6), [Operation("layer_norm", **fields)], 3)
    with pytest.raises(ValueError, match=r"operation 0|eps"):
        make(np.zeros(6), [Operation("layer_norm", **fields | change)], 3)


def test_running_statistics_live_as_long_as_the_operations():
    mean, var = np.full(2, 3.0), np.full(2, 4.0)
    records = [Operation("batch_norm", starts=(0, 2), numbers=(1e-9, 0.1), arrays=(mean, var))]
    operations = _dispatch.kernels.make_operations(np.array([2.0, 2.0, 1.0, 1.0]), records, 2)
    del mean, var, records
    out = np.empty((1, 2))
    operations.forward(np.array([[3.0, 5.0]]), out)
    np.testing.assert_allclose(out, [[1, 3]])


AFFINE = Operation("affine", n_outputs=3, starts=(0, 9))
RELU = Operation("relu")


def dropout(p, key):
    return Operation("dropout", numbers=(p,), key=key)


@pytest.mark.parametrize(
    "layers",
    [
        [dropout(0.5, 1)],
        [RELU],
        [Operation("identity")],
        [dropout(0.5, 1), RELU, dropout(0.1, 2)],
        [RELU, AFFINE],
        [dropout(0.5, 1), AFFINE, dropout(0.5, 1)],
        [Operation("identity"), AFFINE, Operation("identity"), RELU],
    ],
    ids=str,
)
def test_first_and_last_operations_of_every_kind(layers):
    kernels = _dispatch.kernels
    params = np.zeros(0)
    if AFFINE in layers:
        params = np.concatenate([np.eye(3).ravel(), np.zeros(3)])  # the affine map is the identity
    x = np.array([[-1.0, 0.0, 2.0], [3.0, -4.0, 5.0]])
    kept, out = x.copy(), np.full((2, 3), np.nan)
    kernels.make_operations(params, layers, 3).forward(x, out)
    wanted = np.maximum(x, 0) if RELU in layers else x
    np.testing.assert_array_equal(out, wanted)
    np.testing.assert_array_equal(x, kept)


def test_forward_refuses_what_does_not_fit():
    operations = _dispatch.kernels.make_operations(np.zeros(185), OPERATIONS, 3)
    x, out = np.zeros((4, 3)), np.zeros((4, 5))
    for wrong_x in (np.zeros((4, 2)), np.zeros((4, 4))):
        with pytest.raises(ValueError, match="x has shape"):
            operations.forward(wrong_x, out)
    with pytest.raises(TypeError, match="x has 1 dimensions"):
        operations.forward(np.zeros(3), out)
    with pytest.raises(TypeError, match="bytes-like"):
        operations.forward([[1.0, 2.0, 3.0]], out)
    with pytest.raises(TypeError, match="x has the wrong dtype"):
        operations.forward(x.astype(x.dtype.newbyteorder()), out)
    for wrong_out in (np.zeros((3, 5)), np.zeros((5, 5)), np.zeros((4, 4))):
        with pytest.raises(ValueError, match="out has shape"):
            operations.forward(x, wrong_out)
    with pytest.raises(TypeError, match="precision"):
        operations.forward(x.astype("f"), out.astype("f"))
    with pytest.raises((TypeError, ValueError)):
        operations.forward(x.astype("f"), out)
    with pytest.raises((TypeError, ValueError)):
        operations.forward(np.asfortranarray(x), out)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        operations.forward(x, out)
    out.flags.writeable = True
    assert not out.any()
    held = memoryview(bytearray(x.nbytes)).cast("d", x.shape)
    with pytest.raises(ValueError, match="out has shape"):
        operations.forward(held, np.zeros((4, 4)))
    held.release()  # an error where the refused call still held it
    assert (operations.n_inputs, operations.n_outputs) == (3, 5)


@pytest.mark.parametrize(
    ("layers", "n_inputs"),
    [
        ([], 3),
        (OPERATIONS, 0),
        (OPERATIONS, 4),
        (OPERATIONS, 2),
        (OPERATIONS[:3], 3),
        ([AFFINE._replace(n_outputs=np.iinfo(np.intp).max >> 1)], 3),
        ([RELU], 3),
    ],
)
def test_make_operations_refuses(layers, n_inputs):
    with pytest.raises(ValueError, match="operation"):
        _dispatch.kernels.make_operations(np.zeros(185), layers, n_inputs)
