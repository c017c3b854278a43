"""Activations and normalizations as JAX, TensorFlow and PyTorch's newer exporter write them."""

import numpy as np
import pytest

import affinet as an
from onnx_graphs import B1, B2, W1, W2, Made, layers_of

pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
F = np.float32


def started(made, dtype=F):
    return made.add("Gemm", "_", W1.astype(dtype), B1.astype(dtype))


def logistic(made, x, one=1.0, quotient=False, order=1):
    """``1 / (1 + exp(-x))``."""
    made.add("Neg", x)
    terms = [F(one), made.add("Exp")][::order]
    made.add("Add", *terms)
    return made.add("Div", F(1), "_") if quotient else made.add("Reciprocal")


@pytest.mark.parametrize("quotient", [False, True])
@pytest.mark.parametrize("order", [1, -1])
def test_a_logistic_function(made, quotient, order):
    x = logistic(made, started(made), quotient=quotient, order=order)
    made.add("Gemm", x, W2, B2)
    net = made.check()
    assert layers_of(net) == "Affine Sigmoid Affine"


def test_a_last_logistic_function_becomes_the_loss(made):
    logistic(made, started(made))
    net = made.check()
    assert layers_of(net) == "Affine"
    assert isinstance(net.loss, an.SigmoidWithLoss)


def test_a_gate_of_a_logistic_function(made):
    x = started(made)
    made.add("Mul", x, logistic(made, x))
    assert layers_of(made.check()) == "Affine SiLU"


@pytest.mark.parametrize("order", [1, -1])
def test_a_maximum_with_zero(made, order):
    made.add("Max", *[started(made), F(0)][::order])
    assert layers_of(made.check()) == "Affine ReLU"


@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_softplus_with_a_threshold(made, shape):
    x = started(made)
    softplus = made.add("Softplus")
    made.add("Where", made.add("Greater", x, np.full(shape, 20, F)), x, softplus)
    assert layers_of(made.check()) == "Affine Softplus"


def test_a_batch_norm_that_is_a_product_and_a_sum(made):
    x = made.add("Relu", started(made))
    scaled = made.add("Mul", B1 + F(3), x)
    made.add("Add", scaled, B1)
    net = made.check()
    assert layers_of(net) == "Affine ReLU BatchNorm"
    assert net.layers[2].eps == 1e-5  # as in a new one: it can be trained


def spoilt(made, what):
    x = started(made)
    if what == "one":
        logistic(made, x, one=2.0)
    elif what == "numerator":
        made.add("Neg", x)
        made.add("Exp")
        made.add("Div", F(2), made.add("Add", "_", F(1)))
    elif what == "maximum":
        made.add("Max", x, F(0.5))
    elif what == "two":
        made.add("Max", x, made.add("Tanh", x))
    elif what in ("threshold", "other", "order"):
        softplus = made.add("Softplus", made.add("Tanh", x) if what == "other" else x)
        above = made.add("Greater", x, F(3 if what == "threshold" else 20))
        made.add("Where", above, *((softplus, x) if what == "order" else (x, softplus)))
    else:
        made.add("Add", made.add("Mul", x, B1), np.ones((6, 5), F) if what == "rows" else F(1))


@pytest.mark.parametrize(
    ("what", "node"),
    [
        ("one", "Reciprocal"), ("numerator", "Div"), ("maximum", "Max"), ("two", "Max"),
        ("threshold", "Where"), ("other", "Where"), ("order", "Where"), ("rows", "Add"),
        ("number", "Add"),
    ],
)  # fmt: skip
def test_what_only_looks_alike_is_refused(made, what, node):
    spoilt(made, what)
    assert f"node 'node {node}' ({node}): " in made.refused()


def test_a_threshold_that_double_precision_notices_is_refused(tmp_path):
    made = Made(tmp_path, dtype=np.float64)
    x = started(made, np.float64)
    softplus = made.add("Softplus")
    made.add("Where", made.add("Greater", x, np.float64(20)), x, softplus)
    assert "(Where): " in made.refused()
