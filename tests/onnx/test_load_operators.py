"""ONNX operators that affinet reads as layers, in graphs made by hand."""

import numpy as np
import pytest

import affinet as an
from network_oracle import lacking
from onnx_graphs import B1, B2, W1, W2, Made, layers_of

onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
evaluator = pytest.importorskip("onnx.reference")
helper, numpy_helper = onnx.helper, onnx.numpy_helper


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
