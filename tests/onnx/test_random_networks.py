"""Random networks of all layers and losses, in any precision and version of the operators."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import affinet as an
from affinet.network.inner import walk
from parts.layers import LAYERS, SETTINGS, affine, inputs

onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
pytest.importorskip("onnxruntime", reason="needs onnxruntime")

from onnx_records import assert_same, newest_opset, run  # noqa: E402

# Codes come first or not at all. ONNX Runtime has no erf in double precision.
BETWEEN = [name for name in SETTINGS if not LAYERS[name.partition(",")[0]].codes]
CODED = [name for name in SETTINGS if name not in BETWEEN]
N = 40
HEADS = {  # for two outputs
    "none": lambda: None,
    "squares": an.MeanSquaredError,
    "classes": an.SoftmaxWithLoss,
    "labels": an.SigmoidWithLoss,
    "counts": an.Poisson,
    "quantiles": lambda: an.Quantile([0.1, 0.9]),
    "gaussian": an.Gaussian,
}


@st.composite
def networks(draw, dtype, head):
    """A network from four numbers to two, and what its first layer makes of rows."""
    first = draw(st.sampled_from(["", "", *CODED]))
    layers, width = [], 4
    for name in ([first] if first else []) + draw(st.lists(st.sampled_from(BETWEEN), max_size=3)):
        if name == "GELU" and dtype == "float64":
            continue
        layer = SETTINGS[name](width, dtype)
        if draw(st.booleans()) and layers and getattr(layer, "widths", lambda: None)() is None:
            layer = an.Residual(affine(width, dtype), layer)
        layers.append(layer)
        width = (getattr(layer, "widths", lambda: None)() or (width, width))[1]
    layers.append(an.Affine.init(width, 2, rng=0, dtype=dtype))
    if head == "quantiles":
        layers.append(an.Increasing(2))
    scale = None if first else draw(st.sampled_from([None, 0.5]))
    return an.Sequential(*layers, loss=HEADS[head](), input_scale=scale), first


def rows(first, dtype):
    x = np.random.default_rng(0).standard_normal((6, 4)).astype(dtype)
    return inputs(first, x) if first else x


def assert_alike(found, wanted):
    """Equal in the first half of the digits: a wrong formula differs in them."""
    assert found.dtype == wanted.dtype
    largest = max(1, abs(wanted).max())
    np.testing.assert_allclose(
        found, wanted, rtol=0, atol=largest * np.finfo(wanted.dtype).eps ** 0.5
    )


@settings(max_examples=N)
@given(st.data())
def test_networks(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    net, first = data.draw(networks(dtype, data.draw(st.sampled_from([*HEADS]))))
    x, opset = rows(first, dtype), data.draw(st.integers(13, newest_opset()))
    certain = hasattr(net.loss, "probabilities") and data.draw(st.booleans())
    an.onnx.export(net, path, opset=opset, probabilities=certain)
    wanted = net.predict_proba(x) if certain else net.predict(x)
    assert_alike(run(path, x), wanted)
    assert run(path, x[:0]).shape == (0, 2)
    back = an.onnx.load(path)
    np.testing.assert_array_equal(back.predict(x), net.predict(x))
    assert type(back.loss) is (type(net.loss) if certain else type(None))
    if not any(isinstance(layer, an.Dropout) for _, layer in walk(net.layers)):
        net.loss = back.loss
        assert_same(back, net, x)


@settings(max_examples=N // 2)
@given(st.data())
def test_ensembles(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    head = data.draw(st.sampled_from([*HEADS]))
    dtypes = data.draw(st.lists(st.sampled_from(["float32", "float64"]), min_size=1, max_size=3))
    drawn = [networks(dtype, head).filter(lambda pair: not pair[1]) for dtype in dtypes]
    nets = [data.draw(one)[0] for one in drawn]
    weights = data.draw(st.lists(st.integers(1, 5), min_size=len(nets), max_size=len(nets)))
    ensemble, x = an.Ensemble(nets, weights), rows("", "float32")
    certain = hasattr(ensemble.loss, "probabilities") and data.draw(st.booleans())
    opset = data.draw(st.integers(13, newest_opset()))
    an.onnx.export(ensemble, path, opset=opset, probabilities=certain, input_dtype=np.float32)
    wanted = ensemble.predict_proba(x) if certain else ensemble.predict(x)
    found = run(path, x)
    assert found.dtype == wanted.dtype
    exact = wanted if "float32" not in dtypes else wanted.astype(np.float32)
    assert_alike(found.astype(exact.dtype), exact)
