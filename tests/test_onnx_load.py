"""ONNX files that affinet reads: its own, and those of PyTorch and skl2onnx in tests/data/onnx."""

import math
import warnings
from pathlib import Path

import numpy as np
import pytest

import affinet as an
from network_oracle import exact, filled, lacking
from tolerance import assert_close

onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
evaluator = pytest.importorskip("onnx.reference")
helper, numpy_helper = onnx.helper, onnx.numpy_helper

DATA = Path(__file__).parent / "data" / "onnx"
RNG = np.random.default_rng(0)
W1, W2 = (RNG.standard_normal(shape).astype(np.float32) for shape in ((4, 5), (5, 3)))
B1, B2 = (RNG.standard_normal(n).astype(np.float32) for n in (5, 3))
X = RNG.standard_normal((6, 4)).astype(np.float32)


def needs(*names):
    missing = lacking(*names)
    if missing:
        pytest.skip(f"this affinet has no {', '.join(missing)}")


# Real files --------------------------------------------------------------------------------------

REAL = {  # file: the layers in it, its loss
    "torch-plain": ("Affine ReLU Affine LeakyReLU Affine", "SoftmaxWithLoss"),
    "torch-gated": (
        "Affine GELU LayerNorm Affine SiLU Affine BatchNorm Tanh Affine BatchNorm",
        None,
    ),
    "torch-gated-dynamo": ("Affine GELU LayerNorm Affine SiLU Affine Tanh Affine", None),
    "torch-view": ("Affine Tanh Affine", "SigmoidWithLoss"),
    "torch-view-dynamo": ("Affine Tanh Affine", "SigmoidWithLoss"),
    "torch-double": ("Affine Tanh Affine", "SoftmaxWithLoss"),
    "sklearn-classes": ("Affine ReLU Affine", "SoftmaxWithLoss"),
    "sklearn-two-classes": ("Affine Tanh Affine", "SigmoidWithLoss"),
    "sklearn-values": ("Affine Sigmoid Affine Sigmoid Affine", None),
}


def real(name):
    """The network of a file, its rows, and what the library that made it gave for them."""
    needs(*[layer for layer in REAL[name][0].split() if layer != "Affine"])
    with np.load(DATA / "expected.npz") as expected:
        return an.onnx.load(DATA / f"{name}.onnx"), expected[f"{name}.x"], expected[f"{name}.y"]


@pytest.mark.parametrize("name", REAL)
def test_the_layers_of_real_files(name):
    net, x, _ = real(name)
    layers, loss = REAL[name]
    if lacking(*([] if loss is None else [loss])):
        layers, loss = f"{layers} Sigmoid", None
    assert " ".join(type(layer).__name__ for layer in net.layers) == layers
    assert (None if net.loss is None else type(net.loss).__name__) == loss
    assert net.dtype == x.dtype


@pytest.mark.parametrize("name", REAL)
def test_predictions_of_real_files_are_those_of_their_makers(name):
    net, x, y = real(name)
    p = net.predict(x) if net.loss is None else net.predict_proba(x)
    if name == "torch-double":
        p = np.log(p)  # it ends with a LogSoftmax
    _, scale, reduction = exact(net, x)
    # The makers computed in this dtype or a wider one: twice the bound of one of them.
    assert_close(p, y.astype(p.dtype), scale=2 * (scale + 1), reduction=reduction + 8)


def test_class_names_of_skl2onnx():
    assert real("sklearn-classes")[0].metadata == {"classes": ["ash", "elm", "oak"]}
    assert real("sklearn-two-classes")[0].metadata["classes"] == [0, 1]
    assert real("sklearn-values")[0].metadata == {}


def test_what_was_read_can_be_trained_and_saved(tmp_path):
    net, x, _ = real("sklearn-classes")
    before = net.evaluate(x, np.arange(len(x)) % 3)["loss"]
    net.fit(x, np.arange(len(x)) % 3, epochs=50, optimizer=an.Adam(0.01))
    assert net.evaluate(x, np.arange(len(x)) % 3)["loss"] < before
    net.save(tmp_path / "model.npz")
    assert an.load(tmp_path / "model.npz").metadata == net.metadata


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("opset", [None, 13])
def test_what_pytorch_exports_now(tmp_path, dynamo, opset, monkeypatch):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    if dynamo:
        pytest.importorskip("onnxscript", reason="needs onnxscript")
        if opset is not None:
            pytest.skip("this exporter writes newer opsets")
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        *(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 5), torch.nn.Tanh()),
        *(torch.nn.Linear(5, 3), torch.nn.Softmax(dim=1)),
    ).eval()
    x = torch.from_numpy(X)
    batch = {"x": {0: "batch"}} if not dynamo else None
    names = {"input_names": ["x"], "dynamic_axes": batch} if not dynamo else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the exporter about itself
        torch.onnx.export(model, (x,), "model.onnx", dynamo=dynamo, opset_version=opset, **names)
    net = an.onnx.load("model.onnx")
    _, scale, reduction = exact(net, X)
    y = model(x).detach().numpy()
    assert_close(net.predict_proba(X), y, scale=2 * (scale + 1), reduction=reduction + 8)


# Its own files -----------------------------------------------------------------------------------


def some_layers():
    """Everything that this affinet has, between 4 inputs and 3 outputs."""
    layers = [an.Affine.init(4, 5, rng=0), an.ReLU(), an.LeakyReLU(0.3), an.Sigmoid(), an.Tanh()]
    rng = np.random.default_rng(0)
    for name in ("GELU", "SiLU"):
        layers += [] if lacking(name) else [getattr(an, name)()] * 1
    for name in ("BatchNorm", "LayerNorm"):
        layers += [] if lacking(name) else [filled(getattr(an, name)(5), rng)]
    return [*layers, an.Affine.init(5, 3, rng=1)]


@pytest.mark.parametrize("opset", [17, 20])
def test_a_round_trip_keeps_the_bits(tmp_path, opset):
    net = an.Sequential(*some_layers(), loss=an.SoftmaxWithLoss(), input_scale=0.25)
    net.metadata = {"classes": ["a", "b", "c"], "input_shape": [2, 2]}
    an.onnx.export(net, tmp_path / "model.onnx", opset=opset, probabilities=True)
    back = an.onnx.load(tmp_path / "model.onnx")
    assert repr(back) == repr(net)
    assert back.input_scale == 0.25
    assert back.metadata == net.metadata
    assert back.params.flat.tobytes() == net.params.flat.tobytes()
    assert back.predict(X).tobytes() == net.predict(X).tobytes()


@pytest.mark.parametrize("name", ["GELU", "SiLU"])
def test_gates_in_a_row_are_told_apart(tmp_path, name):
    needs(name)
    gate = getattr(an, name)
    net = an.Sequential(an.Affine.init(4, 3), gate(), gate(), gate())
    an.onnx.export(net, tmp_path / "model.onnx")
    back = an.onnx.load(tmp_path / "model.onnx")
    assert repr(back) == repr(net)


def test_float64_and_no_loss_stay_so(tmp_path):
    net = an.Sequential(an.Affine.init(4, 3, dtype=np.float64), an.LeakyReLU(0.1))
    an.onnx.export(net, tmp_path / "model.onnx", input_dtype=np.uint8)
    back = an.onnx.load(tmp_path / "model.onnx")
    assert back.loss is None
    assert back.dtype == np.float64
    assert back.predict(X).tobytes() == net.predict(X).tobytes()


# Graphs made by hand -----------------------------------------------------------------------------


class Made:
    """Builds a model file of nodes in a row; ``"_"`` stands for the last node's output."""

    def __init__(self, folder, dims=("batch", 4), dtype=np.float32, opset=20):
        self.path, self.dims, self.opset = folder / "made.onnx", dims, opset
        self.element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self.nodes, self.initializers, self.last = [], [], "x"

    def const(self, value, as_node=False):
        name = f"c{len(self.nodes)}-{len(self.initializers)}"
        tensor = numpy_helper.from_array(np.asarray(value), name)
        if as_node:
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        else:
            self.initializers.append(tensor)
        return name

    def add(self, op, *inputs, domain="", **attributes):
        inputs = [i if isinstance(i, str) else self.const(i) for i in inputs or ["_"]]
        inputs = [self.last if i == "_" else i for i in inputs]
        self.last = f"t{len(self.nodes)}"
        name = f"node {op}"
        self.nodes.append(
            helper.make_node(op, inputs, [self.last], name=name, domain=domain, **attributes)
        )
        return self.last

    def model(self, *outputs):
        open_tensor = [
            helper.make_tensor_value_info(name, self.element, ["rows", "columns"])
            for name in outputs or (self.last,)
        ]
        graph = helper.make_graph(
            self.nodes,
            "made",
            [helper.make_tensor_value_info("x", self.element, self.dims)],
            open_tensor,
            self.initializers,
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("ai.onnx.ml", 3)]
        opsets.append(helper.make_opsetid("elsewhere", 1))
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = helper.find_min_ir_version_for(opsets[:1])
        return model

    def load(self, *outputs):
        onnx.save(self.model(*outputs), self.path)
        return an.onnx.load(self.path)

    def check(self, x=X):
        """Load it, and compare with onnx's own evaluator; the network."""
        net = self.load()
        (y,) = evaluator.ReferenceEvaluator(self.model()).run(None, {"x": x})
        p = net.predict(x) if net.loss is None else net.predict_proba(x)
        _, scale, reduction = exact(net, x)
        assert_close(p, np.asarray(y, p.dtype), scale=2 * (scale + 1), reduction=reduction + 8)
        return net

    def refused(self, *outputs):
        with pytest.raises(ValueError, match=r"made\.onnx: ") as caught:
            self.load(*outputs)
        return str(caught.value)


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path)


def layers_of(net):
    return " ".join(type(layer).__name__ for layer in net.layers)


@pytest.mark.parametrize("alpha", [1.0, 0.5])
@pytest.mark.parametrize("beta", [1.0, -2.0])
@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm(made, alpha, beta, transposed):
    W = W1.T.copy() if transposed else W1
    made.add("Gemm", "_", W, B1, alpha=alpha, beta=beta, transB=transposed)
    made.add("Relu")
    made.add("Gemm", "_", W2)
    net = made.check()
    assert layers_of(net) == "Affine ReLU Affine"
    assert not net.layers[2].b.any()


@pytest.mark.parametrize("C", [B1.reshape(1, 5), np.float32(0.5), B1[:1], B1[:1].reshape(1, 1)])
def test_gemm_spreads_its_bias(made, C):
    made.add("Gemm", "_", W1, C)
    made.check()


def test_gemm_of_a_transposed_input(made):
    made.add("Transpose", "_", perm=[1, 0])
    made.add("Gemm", "_", W1, B1, transA=1)
    made.check()


@pytest.mark.parametrize("bias_first", [False, True])
@pytest.mark.parametrize("as_node", [False, True])
def test_matmul_and_add(made, bias_first, as_node):
    made.add("MatMul", "_", made.const(W1, as_node))
    b = made.const(B1, as_node)
    made.add("Add", *((b, "_") if bias_first else ("_", b)))
    made.add("Tanh")
    made.add("MatMul", "_", W2)
    assert layers_of(made.check()) == "Affine Tanh Affine"


def test_gemm_and_a_second_bias(made):
    made.add("Gemm", "_", W1.T.copy(), B1, transB=1)
    made.add("Add", "_", B1)
    assert layers_of(made.check()) == "Affine"


def test_weights_through_transpose_cast_and_identity(made):
    W = made.const(W1.T.astype(np.float64))
    made.add("Cast", W, to=onnx.TensorProto.FLOAT)
    made.add("Transpose", "_", perm=[1, 0])
    turned = made.add("Identity")
    made.add("MatMul", "x", turned)
    assert made.check().dtype == np.float32


def test_half_precision_is_read_as_single(made, tmp_path):
    made = Made(tmp_path, dtype=np.float16)
    made.add("Gemm", "_", W1.astype(np.float16), B1.astype(np.float16))
    net = made.load()
    assert net.dtype == np.float32
    assert (W1.astype(np.float16) == net.layers[0].W).all()


@pytest.mark.parametrize(
    ("op", "attributes", "layer"),
    [
        ("Relu", {}, an.ReLU()),
        ("Tanh", {}, an.Tanh()),
        ("Sigmoid", {}, an.Sigmoid()),
        ("LeakyRelu", {}, an.LeakyReLU(0.01)),
        ("LeakyRelu", {"alpha": 0.3}, an.LeakyReLU(0.3)),
        ("Dropout", {}, an.Dropout(0.5)),
        ("Identity", {}, None),
        ("Cast", {"to": onnx.TensorProto.FLOAT}, None),
        ("Flatten", {"axis": 1}, None),
    ],
)
def test_operators_of_one_layer(made, op, attributes, layer):
    made.add(op, **attributes)
    made.add("Gemm", "_", W1, B1)
    net = made.check()
    found = [repr(each) for each in net.layers[:-1]]
    assert found == ([] if layer is None else [repr(layer)])


def test_prelu_of_one_slope(made):
    made.add("Gemm", "_", W1, B1)
    made.add("PRelu", "_", np.float32([0.25]))
    assert made.check().layers[1].slope == 0.25


def test_dropout_with_its_rate_as_input(made):
    made.add("Dropout", "_", np.float32(0.3), np.array(True))
    made.add("Gemm", "_", W1, B1)
    assert made.load().layers[0].p == 0.3


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("axis", [None, -1, 1])
def test_a_last_softmax_becomes_the_loss(made, op, axis):
    made.add("Gemm", "_", W1, B1)
    made.add(op, **({} if axis is None else {"axis": axis}))
    made.add("Identity")
    net = made.load()
    assert isinstance(net.loss, an.SoftmaxWithLoss)
    assert layers_of(net) == "Affine"


def test_a_sigmoid_is_the_loss_at_the_end_and_a_layer_elsewhere(made):
    made.add("Gemm", "_", W1, B1)
    made.add("Sigmoid")
    made.add("Gemm", "_", W2, B2)
    made.add("Sigmoid")
    net = made.check()
    if lacking("SigmoidWithLoss"):
        assert layers_of(net) == "Affine Sigmoid Affine Sigmoid"
    else:
        assert layers_of(net) == "Affine Sigmoid Affine"
        assert isinstance(net.loss, an.SigmoidWithLoss)


# Normalisations and gates -------------------------------------------------------------------------


def test_batch_normalization(made):
    needs("BatchNorm")
    gamma, beta, mean, var = (RNG.random(5).astype(np.float32) + 0.1 for _ in range(4))
    made.add("Gemm", "_", W1, B1)
    made.add("BatchNormalization", "_", gamma, beta, mean, var, epsilon=1e-3, momentum=0.8)
    layer = made.check().layers[1]
    assert (layer.eps, layer.momentum) == (1e-3, 0.2)


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("with_beta", [True, False])
def test_layer_normalization(made, axis, with_beta):
    needs("LayerNorm")
    made.add("Gemm", "_", W1, B1)
    more = [B1] if with_beta else []
    made.add("LayerNormalization", "_", abs(B1), *more, axis=axis, epsilon=1e-3)
    assert made.check().layers[1].eps == 1e-3


def erf_gate(made, x, form):
    """x (1 + erf(x / sqrt 2)) / 2, written in one of the ways that exporters know."""
    root, half, one = (np.float32(c) for c in (math.sqrt(2), 0.5, 1))
    if form % 2:
        made.add("Mul", np.float32(math.sqrt(0.5)), x)
    else:
        made.add("Div", x, root)
    made.add("Erf")
    gate = made.add("Add", one, "_") if form % 3 else made.add("Add", "_", one)
    if form < 2:
        made.add("Mul", x, gate)
        return made.add("Mul", "_", half)
    if form < 4:
        made.add("Mul", x, half)
        return made.add("Mul", "_", gate)
    made.add("Mul", gate, half)
    return made.add("Mul", x, "_")


@pytest.mark.parametrize("form", range(6))
def test_a_gelu_in_every_spelling(made, form):
    needs("GELU")
    x = made.add("Gemm", "_", W1, B1)
    erf_gate(made, x, form)
    assert layers_of(made.check()) == "Affine GELU"


@pytest.mark.parametrize("swapped", [False, True])
def test_a_silu_in_both_orders(made, swapped):
    needs("SiLU")
    x = made.add("Gemm", "_", W1, B1)
    gate = made.add("Sigmoid")
    made.add("Mul", *((gate, x) if swapped else (x, gate)))
    assert layers_of(made.check()) == "Affine SiLU"


def test_gates_behind_gates(made):
    needs("GELU", "SiLU")
    x = made.add("Gemm", "_", W1, B1)
    x = made.add("Mul", x, made.add("Sigmoid"))
    x = erf_gate(made, x, 0)
    x = erf_gate(made, x, 3)
    made.add("Mul", x, made.add("Sigmoid"))
    assert layers_of(made.check()) == "Affine SiLU GELU GELU SiLU"


def test_gelu_and_swish_operators(made, tmp_path):
    needs("GELU", "SiLU")
    made.add("Gemm", "_", W1, B1)
    made.add("Gelu")
    assert layers_of(made.check()) == "Affine GELU"
    if onnx.defs.onnx_opset_version() >= 24:
        made = Made(tmp_path, opset=24)
        made.add("Gemm", "_", W1, B1)
        made.add("Swish")
        assert layers_of(made.check()) == "Affine SiLU"


@pytest.mark.parametrize("spoilt", ["half", "one", "root", "other", "scaled"])
def test_what_only_looks_like_a_gate_is_refused(made, spoilt):
    root, half, one = (np.float32(c) for c in (math.sqrt(2), 0.5, 1))
    x = made.add("Gemm", "_", W1, B1)
    if spoilt == "scaled":  # 2 x sigmoid(x)
        made.add("Mul", x, made.add("Sigmoid"))
        made.add("Mul", "_", np.float32(2))
    else:
        made.add("Div", x, np.float32(1.5) if spoilt == "root" else root)
        made.add("Erf")
        gate = made.add("Add", "_", np.float32(2) if spoilt == "one" else one)
        other = made.add("Relu", x)
        made.add("Mul", other if spoilt == "other" else x, gate)
        made.add("Mul", "_", np.float32(0.6) if spoilt == "half" else half)
    assert "node 'node Mul' (Mul): " in made.refused()


# Inputs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "value", "scale"),
    [("Mul", 0.5, 0.5), ("Div", 4.0, 0.25), ("Mul", [0.5], 0.5), ("Mul", [[2.0]], 2.0)],
)
def test_a_factor_at_the_input(made, op, value, scale):
    made.add("Cast", to=onnx.TensorProto.FLOAT)
    made.add(op, "_", np.float32(value))
    made.add("Flatten")
    made.add("Gemm", "_", W1, B1)
    assert made.check().input_scale == scale


def test_two_factors_at_the_input_with_a_cast_between(made):
    made.add("Mul", np.float32(0.5), "_")
    made.add("Cast", to=onnx.TensorProto.FLOAT)
    made.add("Div", "_", np.float32(4))
    made.add("Gemm", "_", W1, B1)
    assert made.check().input_scale == 0.125


SHAPES = {
    "open": ([0, -1], ("batch", 2, 2)),
    "rows open": ([-1, 4], ("batch", 2, 2)),
    "fixed": ([6, 4], (6, 2, 2)),
    "flat already": ([-1, 4], ("batch", 4)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_reshape_to_rows(tmp_path, name):
    shape, dims = SHAPES[name]
    made = Made(tmp_path, dims=dims)
    made.add("Reshape", "_", np.array(shape))
    made.add("Gemm", "_", W1, B1)
    made.check(X if len(dims) == 2 else X.reshape(6, 2, 2))


@pytest.mark.parametrize("way", ["gather", "slice of shape"])
def test_reshape_by_the_size_of_the_batch(tmp_path, way):
    made = Made(tmp_path, dims=("batch", 2, 2))
    if way == "gather":
        made.add("Shape", "x")
        made.add("Gather", "_", np.array(0))
        size = made.add("Unsqueeze", "_", np.array([0]))
    else:
        size = made.add("Shape", "x", start=0, end=1)
    shape = made.add("Concat", size, np.array([-1]), axis=0)
    made.add("Reshape", "x", shape)
    made.add("Gemm", "_", W1, B1)
    made.check(X.reshape(6, 2, 2))


def test_images_through_elementwise_layers_and_flatten(tmp_path):
    made = Made(tmp_path, dims=("batch", 2, 2))
    made.add("Relu")
    made.add("Flatten")
    made.add("Gemm", "_", W1, B1)
    made.check(X.reshape(6, 2, 2))


# Refusals ----------------------------------------------------------------------------------------


def affine_then(op, *inputs, **attributes):
    def build(made):
        made.add("Gemm", "_", W1, B1)
        made.add(op, *inputs, **attributes)

    return build


def before_affine(op, *inputs, **attributes):
    def build(made):
        made.add(op, *inputs, **attributes)
        made.add("Gemm", "_", W1, B1)

    return build


def residual(made):
    x = made.add("Gemm", "_", W1, B1)
    made.add("Add", made.add("Relu"), x)


def quotient(made):
    made.add("Relu")
    made.add("Div", "x", "_")
    made.add("Gemm", "_", W1, B1)


def reshape_by_columns(made):
    made.add("Shape", "x")
    made.add("Gather", "_", np.array(1))
    size = made.add("Unsqueeze", "_", np.array([0]))
    made.add("Reshape", "x", made.add("Concat", size, np.array([-1]), axis=0))
    made.add("Gemm", "_", W1, B1)


REFUSED = {
    "unknown operator": (affine_then("Elu"), "node 'node Elu' (Elu): affinet has no layer"),
    "unknown domain": (affine_then("Relu", domain="elsewhere"), "(elsewhere.Relu)"),
    "residual": (residual, "node 'node Add' (Add): a sum of two tensors"),
    "squared": (affine_then("Mul", "_", "_"), "(Mul): a product or quotient"),
    "late factor": (affine_then("Mul", "_", np.float32(2)), "constant factor anywhere but"),
    "factor before a relu": (
        lambda made: (made.add("Relu"), made.add("Mul", "_", np.float32(2)), made.add("Relu")),
        "constant factor anywhere but",
    ),
    "negative factor": (before_affine("Mul", "_", np.float32(-1)), "factor -1"),
    "factors by column": (before_affine("Mul", "_", np.ones(4, "f")), "a product or quotient"),
    "reciprocal": (before_affine("Div", np.float32(1), "_"), "a product or quotient"),
    "constant behind a relu": (
        lambda made: (made.add("Gemm", "_", W1), made.add("Relu"), made.add("Add", "_", B1)),
        "added to anything but a matrix product",
    ),
    "wide bias": (
        lambda made: (made.add("MatMul", "_", W1), made.add("Add", "_", np.ones((2, 5), "f"))),
        "a constant of shape (2, 5) added to 5 columns",
    ),
    "transA": (
        lambda made: made.add("Gemm", "_", np.ones((6, 2), "f"), transA=1),
        "transA without a Transpose",
    ),
    "matrix first": (lambda made: made.add("MatMul", W1, "_"), "no constant matrix"),
    "softmax in the middle": (before_affine("Softmax"), "only at the end"),
    "softmax over rows": (affine_then("Softmax", axis=0), "axis is 0"),
    "two softmaxes": (
        lambda made: (made.add("Gemm", "_", W1), made.add("Softmax"), made.add("Softmax")),
        "only at the end",
    ),
    "negative slope": (affine_then("LeakyRelu", alpha=-0.1), "slope is -0.1"),
    "slopes by column": (affine_then("PRelu", "_", np.ones(5, "f")), "not one constant number"),
    "cast to integers": (before_affine("Cast", to=onnx.TensorProto.INT32), "cast to int32"),
    "cast to nothing": (before_affine("Cast", to=99), "a cast to the unknown type 99"),
    "dropout of all": (before_affine("Dropout", "_", np.float32(1)), "ratio"),
    "flatten of all": (before_affine("Flatten", axis=0), "axis is 0"),
    "reshape of rows": (before_affine("Reshape", "_", np.array([-1, 2])), "(Reshape)"),
    "reshape of outputs": (affine_then("Reshape", "_", np.array([-1, 1])), "gives 5 numbers a row"),
    "reshape by columns": (reshape_by_columns, "(batch, -1)"),
    "quotient": (quotient, "a product or quotient"),
    "reshape to three": (before_affine("Reshape", "_", np.array([0, 2, 2])), "(batch, -1)"),
    "reshape by a foreign size": (before_affine("Reshape", "_", np.array([3, -1])), "(batch, -1)"),
    "approximate gelu": (affine_then("Gelu", approximate="tanh"), "GELU is exact"),
    "concat": (affine_then("Concat", "_", "_", axis=1), "(Concat): affinet has no layer"),
    "nothing": (lambda made: made.add("Identity"), "at least one layer"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_perceptron_is_refused_by_node(made, name):
    build, words = REFUSED[name]
    build(made)
    assert words in made.refused()


def test_widths_that_do_not_fit_the_input(tmp_path):
    made = Made(tmp_path, dims=("batch", 7))
    made.add("Flatten")
    made.add("Gemm", "_", W1, B1)
    assert "the input has 7 numbers a row, the layers take 4" in made.refused()


@pytest.mark.parametrize("op", ["MatMul", "Softmax"])
def test_rows_of_more_than_one_dimension_are_refused(tmp_path, op):
    made = Made(tmp_path, dims=("batch", 2, 4))
    made.add(op, *(("_", W1) if op == "MatMul" else ("_",)))
    assert f"({op}): the input has 3 dimensions and is not flattened" in made.refused()


def test_a_batch_norm_in_training_mode_is_refused(made):
    ones = np.ones(5, np.float32)
    made.add("Gemm", "_", W1, B1)
    made.nodes.append(
        helper.make_node(
            "BatchNormalization",
            [made.last, *(made.const(ones) for _ in range(4))],
            ["y", "mean", "var"],
            training_mode=1,
        )
    )
    made.last = "y"
    assert "training mode" in made.refused()


def test_several_outputs_are_refused(made):
    first = made.add("Gemm", "_", W1, B1)
    second = made.add("Relu")
    assert f"outputs ['{first}', '{second}'], wanted one" in made.refused(first, second)


def test_several_inputs_are_refused(made):
    made.add("Gemm", "_", W1, B1)
    model = made.model()
    model.graph.input.append(helper.make_tensor_value_info("z", 1, ["batch", 4]))
    onnx.save(model, made.path)
    with pytest.raises(ValueError, match=r"inputs \['x', 'z'\], wanted one"):
        an.onnx.load(made.path)


def test_a_tensor_of_an_unknown_type_is_refused(made):
    made.add("Gemm", "_", W1, B1)
    made.initializers[1].data_type = 99
    assert "is of the unknown type 99" in made.refused()


def test_products_of_products_end(made):
    """Undoing each of them would take 2 to the 60."""
    made.add("Gemm", "_", W1, B1)
    for _ in range(60):
        made.add("Mul", "_", "_")
    assert "a product or quotient" in made.refused()


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08" * 50, b"PK\x03\x04"])
def test_what_is_no_model_is_refused_with_its_name(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.onnx: not an ONNX model, or damaged"):
        an.onnx.load(path)


def test_half_a_file_is_refused(tmp_path):
    whole = (DATA / "torch-plain.onnx").read_bytes()
    path = tmp_path / "model.onnx"
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"model\.onnx: "):
            an.onnx.load(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        an.onnx.load(tmp_path / "model.onnx")
