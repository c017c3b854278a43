"""Property tests: a network that is written, as a model or as ONNX, is read back to the bit."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import affinet as an
from affinet.network.inner import arrays_of, walk, width_taken
from parts.activations import ACTIVATIONS
from parts.layers import LAYERS

# Codes come first or not at all.
KINDS = sorted(name for name, row in LAYERS.items() if not row.codes)
RELAXED = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
NUMBERS = st.floats(1e-12, 1e6) | st.sampled_from([1e-5, 0.1, 1 / 3, 3.0, 1.0])
NUMBERS |= st.sampled_from([float(np.float32(0.1)), float(np.float32(1 / 3))])


@st.composite
def layers(draw, width, depth=2):
    """One layer that takes ``width`` numbers a row, and how many it gives; float32 parameters."""
    kind = draw(st.sampled_from(KINDS if depth else [k for k in KINDS if k != "Residual"]))
    if kind == "Residual":
        return draw(residuals(width, depth - 1))
    if kind == "Affine":
        outputs = draw(st.integers(1, 4))
        return an.Affine.init(width, outputs, rng=draw(st.integers(0, 99))), outputs
    if kind == "LeakyReLU":
        return an.LeakyReLU(draw(st.sampled_from([0.0, 1e-50]) | NUMBERS)), width
    if kind == "Dropout":
        return an.Dropout(draw(st.floats(0, 0.99)), rng=0), width
    if kind == "BatchNorm":
        return an.BatchNorm(width, draw(st.floats(0, 1)), draw(NUMBERS)), width
    if kind == "LayerNorm":
        return an.LayerNorm(width, draw(NUMBERS)), width
    return LAYERS[kind].make(width, "float32"), width


@st.composite
def residuals(draw, width, depth):
    """A Residual of up to three layers, which may be Residuals, with a projection or without."""
    branch, outputs = [], width
    for _ in range(draw(st.integers(1, 3))):
        layer, outputs = draw(layers(outputs, depth))
        branch.append(layer)
    projected = outputs != width or draw(st.booleans())
    projection = an.Affine.init(width, outputs, rng=5) if projected else None
    return an.Residual(*branch, projection=projection), outputs


@st.composite
def networks(draw):
    """Networks of every kind of layer in any order, at least one of them with parameters."""
    width, parts = draw(st.integers(1, 4)), []
    if draw(st.booleans()):
        sizes = {column: 2 + column for column in range(draw(st.integers(1, width)))}
        parts.append(an.Embedding(width, sizes, draw(st.integers(1, 3)), rng=3))
        width = parts[0].n_outputs
    for _ in range(draw(st.integers(0, 3))):
        layer, width = draw(layers(width))
        parts.append(layer)
    if width_taken(parts) is None:
        parts.append(an.Affine.init(width, draw(st.integers(1, 3)), rng=7))
        width = parts[-1].W.shape[1]
    for _ in range(draw(st.integers(0, 3))):
        layer, width = draw(layers(width))
        parts.append(layer)
    dtype = draw(st.sampled_from(["float32", "float64"]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    for _, layer in walk(parts):
        for name in (*layer.parameters, *layer.buffers):
            shape = np.shape(getattr(layer, name))
            value = rng.standard_normal(shape).astype(dtype)
            setattr(layer, name, abs(value) if name == "running_var" else value)
    losses = [None, an.SoftmaxWithLoss(), an.SigmoidWithLoss(), an.MeanSquaredError()]
    scale = draw(st.none() | st.sampled_from([1 / 255, 0.5, 3.0]) | st.floats(1e-6, 1e6))
    scale = None if hasattr(parts[0], "code_columns") else scale
    return an.Sequential(*parts, loss=draw(st.sampled_from(losses)), input_scale=scale)


def rows_of(net):
    n = width_taken(net.layers)
    rng = np.random.default_rng(1)
    rows = [rng.standard_normal((5, n)).astype(net.dtype), rng.integers(0, 256, (3, n), np.uint8)]
    for column, size in getattr(net.layers[0], "sizes", {}).items():
        for x in rows:
            x[:, column] = rng.integers(0, size, len(x))
    return rows


def assert_same_predictions(back, net):
    assert back.dtype == net.dtype
    for rows in rows_of(net):
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(back.predict(rows), net.predict(rows))


def through_onnx(net, **options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        an.onnx.export(net, path, **options)
        return an.onnx.load(path)


@RELAXED
@given(net=networks(), suffix=st.sampled_from([".npz", ".safetensors"]))
def test_model_files(net, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{suffix}"
        net.save(path)
        back = an.load(path)
    assert repr(back) == repr(net)
    assert back.input_scale == net.input_scale
    assert_same_predictions(back, net)


def structure(layers):
    """What ONNX keeps of layers: the kinds of all but Dropouts, and the numbers that predict."""
    kept = []
    for layer in layers:
        if isinstance(layer, an.Residual):
            branch, projection = structure(layer.layers), layer.projection is not None
            # The sum of x and an Affine of it is read as a branch of that Affine.
            kept.append(
                ["Residual", *(branch or ["Affine"] * projection), bool(branch) and projection]
            )
        elif not isinstance(layer, an.Dropout):
            kept.append(type(layer).__name__)
            # The share of a BatchNorm's mean is not used to predict: ONNX keeps seven digits of it.
            kept += [v for name, v in layer.config().items() if name in ("slope", "eps")]
    return kept


@RELAXED
@given(net=networks(), opset=st.sampled_from([17, 18, 20, 21]))
def test_onnx_files(net, opset):
    pytest.importorskip("onnx")
    back = through_onnx(net, opset=opset)
    assert_same_predictions(back, net)
    assert back.input_scale == net.input_scale
    assert structure(back.layers) == structure(net.layers)
    for one, other in zip(arrays_of(back).values(), arrays_of(net).values(), strict=True):
        np.testing.assert_array_equal(one, other)


@RELAXED
@given(net=networks(), dtype=st.sampled_from(["uint8", "float64", "float32", "int32"]))
def test_onnx_files_with_another_input(net, dtype):
    pytest.importorskip("onnx")
    assert_same_predictions(through_onnx(net, input_dtype=dtype), net)


@RELAXED
@given(net=networks().filter(lambda net: hasattr(net.loss, "probabilities")))
def test_onnx_files_of_probabilities(net):
    pytest.importorskip("onnx")
    back = through_onnx(net, probabilities=True)
    assert type(back.loss) is type(net.loss)
    for rows in rows_of(net):
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(back.predict_proba(rows), net.predict_proba(rows))
    assert_same_predictions(back, net)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("last", ACTIVATIONS)
@pytest.mark.parametrize("before", [(), ("Sigmoid",), ("Sigmoid", "Sigmoid"), ("SiLU",)])
@pytest.mark.parametrize("scale", [None, 1 / 255])
def test_every_last_activation(last, before, dtype, scale):
    """A last Sigmoid is a layer of the network's, not its loss."""
    pytest.importorskip("onnx")
    parts = [ACTIVATIONS[name].make() for name in (*before, last)]
    net = an.Sequential(an.Affine.init(3, 1, rng=0, dtype=dtype), *parts, input_scale=scale)
    back = through_onnx(net)
    assert repr(back) == repr(net)
    assert_same_predictions(back, net)


def round_trip(*layers):
    net = an.Sequential(*layers)
    back = through_onnx(net)
    assert_same_predictions(back, net)
    return back


def affine(n_inputs, n_outputs):
    return an.Affine.init(n_inputs, n_outputs, rng=0)


def test_residuals_come_back_as_residuals():
    pytest.importorskip("onnx")
    inner = an.Residual(affine(3, 3), an.SiLU(), affine(3, 2), projection=affine(3, 2))
    outer = an.Residual(affine(2, 3), inner, an.Sigmoid(), an.BatchNorm(2))
    back = round_trip(affine(4, 2), outer, an.Residual(an.GELU()), affine(2, 1))
    assert repr(back.layers) == repr((affine(4, 2), outer, an.Residual(an.GELU()), affine(2, 1)))
    back = round_trip(affine(3, 2), an.Residual(an.Dropout(0.5, rng=0)))
    assert repr(back.layers[1]) == "Residual(Dropout(p=0.0))"
    back = round_trip(affine(3, 2), an.Residual(an.Dropout(0.5, rng=0), projection=affine(2, 2)))
    assert repr(back.layers[1]) == "Residual(Affine(2 -> 2))"


def test_a_custom_layer_inside_a_residual_is_refused_by_its_path(tmp_path):
    pytest.importorskip("onnx")
    custom = type("Own", (an.ReLU,), {})()
    net = an.Sequential(affine(2, 2), an.Residual(an.Tanh(), custom))
    with pytest.raises(TypeError, match=r"layer 1\.1: cannot export"):
        an.onnx.export(net, tmp_path / "model.onnx")


def test_numbers_that_single_precision_changes_come_back_exactly():
    onnx = pytest.importorskip("onnx")
    eps, slope, scale = 1.2345678901e-5, 0.1234567890123, 1 / 255
    parts = [an.Affine.init(2, 2), an.BatchNorm(2, eps=eps), an.LeakyReLU(slope)]
    net = an.Sequential(*parts, input_scale=scale)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        an.onnx.export(net, path)
        back = an.onnx.load(path)
        assert (back.layers[1].eps, back.layers[2].slope, back.input_scale) == (eps, slope, scale)
        model = onnx.load(path)
        for node in model.graph.node:  # of another program, which changed the numbers themselves
            for attribute in node.attribute:
                if attribute.name in ("epsilon", "alpha"):
                    attribute.f = 0.25
        onnx.save(model, path)
        back = an.onnx.load(path)
        assert (back.layers[1].eps, back.layers[2].slope) == (0.25, 0.25)
        for text in ("[1]", "no JSON", '{"epsilon": "x"}', "[" * 10_000):
            for node in model.graph.node:
                node.doc_string = text
            onnx.save(model, path)
            assert an.onnx.load(path).layers[1].eps == 0.25


def test_plain_numbers_leave_no_documentation():
    onnx = pytest.importorskip("onnx")
    net = an.Sequential(an.Affine.init(2, 2), an.BatchNorm(2), an.LeakyReLU(0.2), input_scale=0.5)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        an.onnx.export(net, path)
        model = onnx.load(path)
    assert [node.doc_string for node in model.graph.node] == [""] * 4
    properties = {p.key: p.value for p in model.metadata_props}
    assert json.loads(properties["affinet.probabilities"]) is False


@pytest.mark.parametrize(
    ("net", "match"),
    [
        (lambda: an.Sequential(an.Affine.init(2, 2), input_scale=1e-60), "input_scale is 1e-60"),
        (lambda: an.Sequential(an.Affine.init(2, 2), input_scale=1e60), r"input_scale is 1e\+60"),
        (lambda: an.Sequential(an.Affine.init(2, 2), an.LeakyReLU(1e60)), r"alpha is 1e\+60"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(net, match, tmp_path):
    pytest.importorskip("onnx")
    with pytest.raises(ValueError, match=match):
        an.onnx.export(net(), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
