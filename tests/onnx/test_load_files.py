"""ONNX files that affinet reads: its own, and those of other libraries in tests/data/onnx."""

import warnings

import numpy as np
import pytest

import affinet as an
from network_oracle import exact, lacking
from onnx_graphs import DATA, X, needs
from parts.layers import LAYERS, make
from tolerance import assert_close

onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
pytest.importorskip("onnx.version_converter")

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
    "torch-skip": ("Affine Softplus Residual Affine", None),
    "torch-skip-dynamo": ("Affine Softplus Residual Affine", None),
    "keras-plain": ("Affine ReLU Affine", "SoftmaxWithLoss"),
    "keras-gated": ("Affine BatchNorm SiLU Affine LeakyReLU BatchNorm Affine", "SigmoidWithLoss"),
    "keras-skip": ("Affine ReLU Residual Affine", None),
    "jax2tf-relu": ("Affine ReLU Affine", None),
    "jax2tf-gelu": ("Affine GELU Affine", None),
    "jax2tf-gates": ("Affine SiLU Affine", "SigmoidWithLoss"),
    "jax2onnx-relu": ("Affine ReLU Affine", None),
    "jax2onnx-gelu": ("Affine GELU Affine", None),
    "jax2onnx-gates": ("Affine SiLU Affine", "SigmoidWithLoss"),
    "jax2onnx-softmax": ("Affine", "SoftmaxWithLoss"),
}
REFUSED = {  # file: the node that the message names
    "keras-layer-norm": "layer_normalization_1/mul_2' (Mul): ",
    "keras-gelu": "Gelu/Erfc OpType: Erfc",  # not an operator of ONNX
    "jax2tf-softmax": "truediv' (Div): ",
}


def real(name):
    """The network of a file, its rows, and what the library that made it gave for them."""
    needs(*[layer for layer in REAL[name][0].split() if layer != "Affine"])
    library = name.partition("-")[0]
    own = "" if library in ("torch", "sklearn") else f"-{library}"
    with np.load(DATA / f"expected{own}.npz") as expected:
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


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_by_node(name):
    with pytest.raises(ValueError, match=f"{name}.onnx: ") as caught:
        an.onnx.load(DATA / f"{name}.onnx")
    assert REFUSED[name] in str(caught.value)


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


# Dropout does nothing there, Residual is refused.
NOT_IN_FILES = {"Dropout", "Residual"}


def some_layers():
    """Every layer but those without a form in ONNX, between 4 inputs and 3 outputs."""
    layers = [make(name, 5, "float32") for name in LAYERS if name not in NOT_IN_FILES]
    return [an.Affine.init(4, 5, rng=0), *layers, an.Affine.init(5, 3, rng=1)]


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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_files_converted_to_newer_operators(tmp_path, name, dtype):
    net = an.Sequential(make(name, 4, dtype), an.Affine.init(4, 3, rng=0, dtype=dtype))
    net.metadata, net.loss = {"classes": ["a", "b", "c"]}, an.SoftmaxWithLoss()
    path = tmp_path / "model.onnx"
    an.onnx.export(net, path, opset=13, probabilities=True)
    onnx.save(onnx.version_converter.convert_version(onnx.load(path), 20), path)
    back = an.onnx.load(path)
    x = LAYERS[name].inputs(X.astype(dtype))
    np.testing.assert_array_equal(back.predict_proba(x), net.predict_proba(x))
    assert back.metadata == net.metadata
    if name != "Dropout":
        assert repr(back) == repr(net)


@pytest.mark.parametrize("name", ["GELU", "SiLU"])
def test_gates_in_a_row_are_told_apart(tmp_path, name):
    needs(name)
    gate = getattr(an, name)
    net = an.Sequential(an.Affine.init(4, 3, rng=0), gate(), gate(), gate())
    an.onnx.export(net, tmp_path / "model.onnx")
    back = an.onnx.load(tmp_path / "model.onnx")
    assert repr(back) == repr(net)


def test_float64_and_no_loss_stay_so(tmp_path):
    net = an.Sequential(an.Affine.init(4, 3, rng=0, dtype=np.float64), an.LeakyReLU(0.1))
    an.onnx.export(net, tmp_path / "model.onnx", input_dtype=np.uint8)
    back = an.onnx.load(tmp_path / "model.onnx")
    assert back.loss is None
    assert back.dtype == np.float64
    assert back.predict(X).tobytes() == net.predict(X).tobytes()
