"""ONNX files that affinet writes: a runtime computes from them what affinet computes."""

import json
import os

import numpy as np
import pytest

import affinet as an
from network_oracle import exact, filled, lacking, softmax
from parts.activations import ACTIVATIONS
from tolerance import assert_close

onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
evaluator = pytest.importorskip("onnx.reference")

from onnx_records import newest_opset  # noqa: E402

NEWEST = onnx.defs.onnx_opset_version()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


def needs(*names):
    missing = lacking(*names)
    if missing:
        pytest.skip(f"this affinet has no {', '.join(missing)}")


def affine(n_inputs, n_outputs, rng, dtype):
    layer = an.Affine.init(n_inputs, n_outputs, rng=rng, dtype=dtype)
    layer.b = rng.standard_normal(n_outputs).astype(dtype)
    return layer


def make_net(*between, dtype="float32", loss=None, **options):
    """5 -> 7, then the given layers, then 7 -> 3."""
    rng = np.random.default_rng(0)
    layers = [filled(layer, rng) for layer in between]
    return an.Sequential(
        affine(5, 7, rng, dtype), *layers, affine(7, 3, rng, dtype), loss=loss, **options
    )


def normalisation(name, dtype):
    """A layer for seven columns, in this dtype."""
    layer = getattr(an, name)(7)
    for array in ("gamma", "beta", "running_mean", "running_var"):
        if hasattr(layer, array):
            setattr(layer, array, getattr(layer, array).astype(dtype))
    return layer


def rows(n=9, width=5, dtype="float32"):
    return np.random.default_rng(1).standard_normal((n, width)).astype(dtype)


def run(path, x):
    """What ONNX Runtime makes of x."""
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    runtime.set_default_logger_severity(3)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {session.get_inputs()[0].name: x})
    return y


def run_reference(path, x):
    """What onnx's own evaluator, plain NumPy, makes of x."""
    session = evaluator.ReferenceEvaluator(str(path))
    (y,) = session.run(None, {session.input_names[0]: x})
    return y


def check(net, y, x):
    expected, scale, reduction = exact(net, x)
    assert y.dtype == net.dtype
    assert_close(y, expected, scale=scale, reduction=reduction)


def ops(path):
    return [node.op_type for node in onnx.load(path).graph.node]


# Values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_a_runtime_predicts_alike_for_any_number_of_rows(path, dtype, n):
    net = make_net(an.ReLU(), dtype=dtype)
    an.onnx.export(net, path)
    x = rows(n, dtype=dtype)
    y = run(path, x)
    assert y.shape == (n, 3)
    check(net, y, x)
    check(net, net.predict(x), x)


@pytest.mark.parametrize("opset", [13, 17, 20, newest_opset()])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation(path, dtype, name, opset):
    net = make_net(ACTIVATIONS[name].make(), dtype=dtype)
    an.onnx.export(net, path, opset=opset)
    x = rows(dtype=dtype)
    if ACTIVATIONS[name].single_in_onnx and dtype == np.float64:
        np.testing.assert_allclose(run_reference(path, x), exact(net, x)[0], rtol=0, atol=1e-6)
    else:
        check(net, run_reference(path, x), x)
    if dtype == np.float32 or name != "GELU":  # it has no erf in double precision
        check(net, run(path, x), x)
    check(net, net.predict(x), x)


@pytest.mark.parametrize("opset", [13, 17, newest_opset()])
@pytest.mark.parametrize("name", ["BatchNorm", "LayerNorm"])
def test_every_normalisation(path, dtype, name, opset):
    needs(name)
    net = make_net(normalisation(name, dtype), an.Tanh(), dtype=dtype)
    an.onnx.export(net, path, opset=opset)
    x = rows(dtype=dtype)
    y = run(path, x)
    if dtype == np.float64:  # its epsilon is single precision: 1e-5 is off by less than 1e-12
        expected, _, _ = exact(net, x)
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-10)
    else:
        check(net, y, x)


def test_a_batch_norm_keeps_its_attributes(path):
    needs("BatchNorm")
    net = make_net(an.BatchNorm(7, momentum=0.25, eps=1e-3))
    an.onnx.export(net, path)
    (node,) = [node for node in onnx.load(path).graph.node if node.op_type == "BatchNormalization"]
    values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    assert values["momentum"] == 0.75
    assert values["epsilon"] == pytest.approx(1e-3)
    assert not values.get("training_mode")


def test_the_slope_of_a_leaky_relu_is_exact_in_double(path):
    net = make_net(an.LeakyReLU(0.3), dtype="float64")
    an.onnx.export(net, path)
    assert an.onnx.load(path).layers[1].slope == 0.3
    x = rows(dtype="float64")
    check(net, run(path, x), x)


def test_dropout_is_left_out(path):
    net = make_net(an.Dropout(0.5, rng=0), an.ReLU())
    an.onnx.export(net, path)
    assert ops(path) == ["Gemm", "Relu", "Gemm"]
    check(net, run(path, rows()), rows())


@pytest.mark.parametrize("opset", [13, 17])
def test_input_scale_and_bytes(path, dtype, opset):
    net = make_net(an.ReLU(), dtype=dtype, input_scale=1 / 255)
    x = np.random.default_rng(0).integers(0, 256, (20, 5)).astype(np.uint8)
    an.onnx.export(net, path, input_dtype=np.uint8, opset=opset)
    check(net, run(path, x), x)
    assert ops(path)[:2] == ["Cast", "Mul"]
    an.onnx.export(net, path, opset=opset)
    check(net, run(path, x.astype(dtype)), x)
    assert ops(path)[0] == "Mul"


def test_probabilities_of_classes(path, dtype):
    net = make_net(an.Tanh(), dtype=dtype, loss=an.SoftmaxWithLoss())
    x = rows(dtype=dtype)
    an.onnx.export(net, path, probabilities=True)
    y, scale, reduction = exact(net, x)
    assert_close(run(path, x), softmax(y), scale=scale + 1, reduction=reduction + 3)
    an.onnx.export(net, path)
    check(net, run(path, x), x)


def test_probabilities_of_labels(path, dtype):
    needs("SigmoidWithLoss")
    net = make_net(an.Tanh(), dtype=dtype, loss=an.SigmoidWithLoss())
    x = rows(dtype=dtype)
    an.onnx.export(net, path, probabilities=True)
    y, scale, reduction = exact(net, x)
    assert_close(run(path, x), 1 / (1 + np.exp(-y)), scale=scale + 1, reduction=reduction + 3)


def test_layers_before_and_behind_the_affine_ones(path):
    net = an.Sequential(an.Tanh(), an.Dropout(0.1), an.Affine.init(5, 3, rng=0), an.Sigmoid())
    an.onnx.export(net, path)
    check(net, run(path, rows()), rows())


# The file ----------------------------------------------------------------------------------------


def test_the_graph_declares_its_input_and_output(path, dtype):
    an.onnx.export(make_net(dtype=dtype), path, input_name="pixels", output_name="logits")
    graph = onnx.load(path).graph
    (x,), (y,) = graph.input, graph.output
    for tensor, name, width in ((x, "pixels", 5), (y, "logits", 3)):
        kind = tensor.type.tensor_type
        assert tensor.name == name
        assert onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type) == dtype
        assert kind.shape.dim[0].dim_param == "batch"
        assert kind.shape.dim[1].dim_value == width


def test_producer_metadata_and_class_names(path):
    net = make_net(loss=an.SoftmaxWithLoss())
    net.metadata = {"classes": ["ash", "elm", "oak"], "dataset": "trees"}
    an.onnx.export(net, path)
    model = onnx.load(path)
    assert (model.producer_name, model.producer_version) == ("affinet", an.__version__)
    properties = {p.key: json.loads(p.value) for p in model.metadata_props}
    assert properties.pop("affinet.probabilities") is False
    assert properties == {"affinet.metadata": net.metadata, "classes": ["ash", "elm", "oak"]}


@pytest.mark.parametrize("opset", [13, 17, 20, NEWEST])
def test_the_opset_is_the_one_asked_for_in_the_oldest_format_that_has_it(path, opset):
    an.onnx.export(make_net(an.ReLU()), path, opset=opset)
    model = onnx.load(path)
    assert [(i.domain, i.version) for i in model.opset_import] == [("", opset)]
    assert model.ir_version == onnx.helper.find_min_ir_version_for(model.opset_import)


def test_the_default_opset_is_17(path):
    an.onnx.export(make_net(), path)
    assert onnx.load(path).opset_import[0].version == 17


def test_gelu_is_one_operator_from_opset_20_on(path):
    needs("GELU")
    an.onnx.export(make_net(an.GELU()), path, opset=20)
    assert ops(path) == ["Gemm", "Gelu", "Gemm"]
    an.onnx.export(make_net(an.GELU()), path, opset=19)
    assert ops(path) == ["Gemm", "Div", "Erf", "Add", "Mul", "Mul", "Gemm"]


def test_an_interruption_leaves_the_old_file(path, monkeypatch):
    path.write_bytes(b"old")

    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        an.onnx.export(make_net(), path)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_the_checker_can_be_left_out(path, monkeypatch):
    def refuse(*args, **kwargs):
        raise onnx.checker.ValidationError("seen")

    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    an.onnx.export(make_net(), path, check=False)
    path.unlink()
    with pytest.raises(onnx.checker.ValidationError, match="seen"):
        an.onnx.export(make_net(), path)
    assert not path.exists()


def test_the_network_is_left_alone(path):
    net = make_net(an.ReLU(), loss=an.SoftmaxWithLoss())
    before = net.params.flat.tobytes()
    an.onnx.export(net, path)
    assert net.params.flat.tobytes() == before
    net.fit(rows(), np.arange(9) % 3, epochs=1)  # and can still be trained


# What is refused ---------------------------------------------------------------------------------


class Mine:
    def forward(self, x):
        return x

    def backward(self, dout):
        return dout


class Derived(an.ReLU):
    """Named ReLU, but computes something else."""


Derived.__name__ = "ReLU"


@pytest.mark.parametrize("layer", [Mine(), Derived()])
def test_layers_of_ones_own_are_refused_by_place(path, layer):
    with pytest.raises(TypeError, match="layer 1: cannot export"):
        an.onnx.export(make_net(layer), path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"opset": 12}, ValueError, "opset is 12, wanted 13"),
        ({"opset": NEWEST + 1}, ValueError, f"opset is {NEWEST + 1}, wanted 13..{NEWEST}"),
        ({"opset": 17.0}, TypeError, "opset is 17.0"),
        ({"input_name": ""}, ValueError, "input_name is ''"),
        ({"output_name": 3}, ValueError, "output_name is 3"),
        ({"input_name": "y"}, ValueError, "both 'y'"),
        ({"input_name": "0.W"}, ValueError, "input_name is '0.W', a name of the graph's own"),
        ({"output_name": "0.Gemm"}, ValueError, "output_name is '0.Gemm'"),
        ({"input_dtype": "complex64"}, TypeError, "input_dtype"),
        ({"probabilities": True}, TypeError, "gives no probabilities"),
    ],
)
def test_options_are_checked_by_name(path, options, error, words):
    with pytest.raises(error, match=words):
        an.onnx.export(make_net(loss=an.MeanSquaredError()), path, **options)
    assert not path.exists()


def test_the_suffix_is_checked(tmp_path):
    with pytest.raises(ValueError, match=r"wanted a name that ends in \.onnx"):
        an.onnx.export(make_net(), tmp_path / "model.npz")


def test_a_network_of_unknown_width_is_refused(path):
    with pytest.raises(ValueError, match="number of inputs"):
        an.onnx.export(an.Sequential(an.ReLU()), path)


def test_metadata_that_json_cannot_hold_is_refused(path):
    net = make_net()
    net.metadata["when"] = {1, 2}
    with pytest.raises(TypeError, match="set"):
        an.onnx.export(net, path)
    assert not path.exists()
