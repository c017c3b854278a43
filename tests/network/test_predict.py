"""predict: row blocks, out=, and equality to the bit."""

import tracemalloc

import numpy as np
import pytest

import affinet as an
from affinet import reference
from affinet.network.prediction import PREDICT_ROWS
from array_forms import FORMS, draw, in_form


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "rows", [0, 1, 2, PREDICT_ROWS - 1, PREDICT_ROWS, PREDICT_ROWS + 1, 2 * PREDICT_ROWS + 3]
)
def test_blocks_equal_row_by_row_to_the_bit(make_net, dtype, rows):
    net, x = make_net(dtype), draw(dtype, (rows, 3))
    whole = net.predict(x)
    assert whole.shape == (rows, 2)
    assert whole.dtype == dtype
    checked = range(0, rows, max(1, rows // 50))
    for i in checked:
        np.testing.assert_array_equal(whole[i], net.predict(x[i : i + 1])[0])
        np.testing.assert_array_equal(whole[i], net.predict(x[i]))
    np.testing.assert_array_equal(whole[5:], net.predict(x[5:]))


def test_forward_and_predict_agree_to_the_bit(make_net):
    net, x = make_net("float32"), draw("float32", (70, 3))
    out = x
    for layer in net.layers:
        out = layer.forward(out)
    np.testing.assert_array_equal(net.predict(x), out)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_memory(net, form):
    x = draw("float64", (PREDICT_ROWS + 7, 3))
    np.testing.assert_array_equal(net.predict(in_form(form, x)), net.predict(x))


def test_rows_of_higher_rank():
    net = an.Sequential(an.Affine.init(12, 2, rng=0))
    x = draw("float32", (PREDICT_ROWS + 5, 2, 3, 2))
    np.testing.assert_array_equal(net.predict(x), net.predict(x.reshape(len(x), 12)))


def test_results_are_new_arrays(net, data):
    for some in (net, an.Sequential(an.Dropout(0.5)), an.Sequential(an.ReLU())):
        x = np.abs(data[0]).astype(some.dtype)
        y = some.predict(x)
        assert not np.shares_memory(y, x)
        y[...] = np.nan
        assert np.isfinite(some.predict(x)).all()


def test_evaluation_mode_and_no_counting():
    net = an.Sequential(an.Dropout(0.9, rng=0))
    x = draw("float32", (5, 3))
    np.testing.assert_array_equal(net.predict(x), x)
    assert net.layers[0].calls == 0


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_memory_does_not_grow_with_the_rows(dtype):
    net = an.Sequential(an.Affine.init(8, 64, rng=0), an.ReLU(), an.Affine.init(64, 2, rng=1))

    def peak(rows):
        x, out = np.zeros((rows, 8), dtype), np.empty((rows, 2), np.float32)
        tracemalloc.start()
        try:
            net.predict(x, out=out)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(40 * PREDICT_ROWS) < 1.5 * peak(2 * PREDICT_ROWS)


# out= --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [0, 1, 6, PREDICT_ROWS, PREDICT_ROWS + 1, 3 * PREDICT_ROWS])
def test_out_is_filled_and_returned(net, rows):
    x = draw("float64", (rows, 3))
    out = np.full((rows, 2), np.nan)
    assert net.predict(x, out=out) is out
    np.testing.assert_array_equal(out, net.predict(x))


def test_out_for_one_row_of_one_dimension(net):
    out = np.empty(2)
    assert net.predict(np.ones(3), out) is out
    np.testing.assert_array_equal(out, net.predict(np.ones((1, 3)))[0])


@pytest.mark.parametrize("rows", [6, PREDICT_ROWS + 1])
def test_out_may_be_a_view(net, rows):
    x, larger = draw("float64", (rows, 3)), np.zeros((rows, 9))
    view = larger[:, 1:8:4]
    assert net.predict(x, out=view) is view
    np.testing.assert_array_equal(larger[:, [1, 5]], net.predict(x))
    assert not np.delete(larger, [1, 5], axis=1).any()


@pytest.mark.parametrize("rows", [6, PREDICT_ROWS, 2 * PREDICT_ROWS + 3])
@pytest.mark.parametrize("shift", [-2, -1, 0, 1, 2])
def test_out_may_overlap_x(rows, shift):
    """Rows must be read before results are written over them, whichever way out lies."""
    net = an.Sequential(an.Affine.init(3, 3, rng=0, dtype="float64"), an.Tanh())
    buffer = draw("float64", (rows + 4, 3))
    x, out = buffer[2 : rows + 2], buffer[2 + shift : rows + 2 + shift]
    expected = net.predict(x.copy())
    assert net.predict(x, out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("rows", [6, PREDICT_ROWS + 1])
@pytest.mark.parametrize("shape", [(-1, 2), (0, 3), (0,), (0, 2, 1), (1, 2)])
def test_out_of_another_shape(net, rows, shape):
    out = np.zeros((rows + shape[0], *shape[1:]))
    with pytest.raises(ValueError, match="out has shape"):
        net.predict(np.ones((rows, 3)), out=out)
    assert not out.any()


@pytest.mark.parametrize("rows", [6, PREDICT_ROWS + 1])
@pytest.mark.parametrize("dtype", ["float32", "int64", "complex128", "object", "float16", "bool"])
def test_out_of_another_dtype(net, rows, dtype):
    """Silently rounded or truncated numbers would be wrong."""
    out = np.zeros((rows, 2), dtype)
    with pytest.raises(TypeError, match=rf"out has dtype {dtype}.*float64"):
        net.predict(np.ones((rows, 3)), out=out)
    assert not out.any()


@pytest.mark.parametrize("rows", [6, PREDICT_ROWS + 1])
def test_out_that_is_locked(net, rows):
    out = in_form("read_only", np.zeros((rows, 2)))
    with pytest.raises(ValueError, match=r"out.*read-only"):
        net.predict(np.ones((rows, 3)), out=out)


@pytest.mark.parametrize("out", [[[0.0, 0.0]], 0.0, "out", (1,)])
def test_out_that_is_no_array(net, out):
    with pytest.raises(TypeError, match="out"):
        net.predict(np.ones((1, 3)), out=out)


# predict_proba -----------------------------------------------------------------------------------


def test_predict_proba_is_the_softmax_of_predict(net, data):
    y = net.predict_proba(data[0])
    np.testing.assert_allclose(y, reference.softmax_forward(net.predict(data[0])), rtol=1e-14)
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-15)
    np.testing.assert_array_equal(net.predict_proba(data[0][2]), y[2])
    assert net.predict_proba(data[0][:0]).shape == (0, 2)


@pytest.mark.parametrize("loss", [an.MeanSquaredError(), an.SumSquaredError(), None])
def test_predict_proba_needs_a_loss_that_knows_probabilities(make_net, data, loss):
    with pytest.raises(TypeError, match="probabilities"):
        make_net(loss=loss).predict_proba(data[0])


def test_predict_proba_of_the_softmax_in_the_classic_sense(net, data):
    net.forward(*data, train=False)
    np.testing.assert_array_equal(net.predict_proba(data[0]), net.loss.y)
