"""Normalizations and gates (GELU, SiLU) in ONNX, in every spelling that exporters use."""

import math

import numpy as np
import pytest

from onnx_graphs import B1, RNG, W1, Made, layers_of, needs

onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
evaluator = pytest.importorskip("onnx.reference")
helper, numpy_helper = onnx.helper, onnx.numpy_helper


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
