"""Sums that are residual connections, in whatever form another program writes them."""

import numpy as np
import pytest

import affinet as an
from affinet.onnx.joins import Joins
from onnx_graphs import B1, W1, helper

W = np.random.default_rng(1).standard_normal((5, 5)).astype(np.float32)


def swapped(made):
    x = made.add("Gemm", "x", W1, B1)
    made.add("Gemm", made.add("Relu"), W, B1)
    made.add("Add", x, "_")


def projection_first(made):
    made.add("Add", made.add("MatMul", "x", W1), B1)
    projection = made.last
    made.add("Relu", made.add("Gemm", "x", W1, B1))
    made.add("Add", projection, "_")


def nested(made):
    x = made.add("Gemm", "x", W1, B1)
    y = made.add("Tanh")
    made.add("Add", made.add("Gemm", made.add("Sigmoid"), W, B1), y)
    made.add("Add", x, "_")


def doubled(made):
    x = made.add("Gemm", "x", W1, B1)
    made.add("Add", x, x)


def of_the_input(made):
    made.add("Add", "x", made.add("Relu"))
    made.add("Gemm", "_", W1, B1)


FORMS = {
    swapped: "Affine(4 -> 5), Residual(ReLU(), Affine(5 -> 5))",
    projection_first: "Residual(Affine(4 -> 5), ReLU(), projection=Affine(4 -> 5))",
    nested: "Affine(4 -> 5), Residual(Tanh(), Residual(Sigmoid(), Affine(5 -> 5)))",
    doubled: "Affine(4 -> 5), Residual(Dropout(p=0.0))",
    of_the_input: "Residual(ReLU()), Affine(4 -> 5)",
}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_a_residual_connection_is_read(made, form):
    form(made)
    assert repr(made.check()) == f"Sequential({FORMS[form]})"


def test_a_branch_of_another_width_is_refused(made):
    x = made.add("Gemm", "x", W1, B1)
    made.add("Add", made.add("Gemm", "_", W[:, :1], B1[:1]), x)
    with pytest.raises(ValueError, match=r"node 'node Add' \(Add\): Residual: its layers take 5"):
        made.load()


def test_branches_that_share_nodes_take_no_exponential_time(made):
    one, other = made.add("Relu"), made.add("Tanh")
    for _ in range(50):
        one, other = made.add("Add", made.add("Relu", one), made.add("Tanh", other)), one
    with pytest.raises(ValueError, match="Add"):
        made.load()


def common_by_hand(start, inputs, tensors):
    """The last tensor through which all paths to any of these pass, by trying each out."""

    def reached(without):
        found = {start} - {without}
        for name, sources in inputs.items():
            if name != without and any(source in found for source in sources):
                found.add(name)
        return found

    before = [name for name in (start, *inputs) if all(
        t == name or t not in reached(name) for t in tensors
    )]  # fmt: skip
    return max(before, key=[start, *inputs].index)


@pytest.mark.parametrize("seed", range(20))
def test_joins_are_those_found_by_hand(seed):
    rng = np.random.default_rng(seed)
    names, inputs = ["x"], {}
    for k in range(30):
        chosen = rng.choice(names[-5:], size=rng.integers(1, 3))
        inputs[f"t{k}"] = list(map(str, chosen))
        names.append(f"t{k}")
    joins = Joins("x", [helper.make_node("Sum", s, [name]) for name, s in inputs.items()])
    for one, other in rng.choice(names, (60, 2)):
        found = joins.last_common([str(one), str(other)])
        assert found == common_by_hand("x", inputs, (one, other))


def test_a_long_chain_of_residuals(made):
    made.add("Gemm", "x", W1, B1)
    for _ in range(1000):
        x = made.last
        made.add("Add", made.add("Tanh"), x)
    assert len(made.load().layers) == 1001
    assert isinstance(an.onnx.load(made.path).layers[-1], an.Residual)
