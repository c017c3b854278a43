"""Damaged and malicious ONNX files: one ValueError that names the file, in little time and memory.

Costs are counted in calls of Python functions, which do not depend on the machine's load.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import affinet as an

onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
RELAXED = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
OPSET = helper.make_opsetid("", 17)
W = np.eye(4, dtype=np.float32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


def value(name, width=4):
    return helper.make_tensor_value_info(name, 1, ["batch", width])


def save(path, nodes, constants=(), outputs=("y",), **options):
    graph = helper.make_graph(
        nodes, "g", [value("x")], [value(name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in dict(constants).items()],
    )  # fmt: skip
    options = {"opset_imports": [OPSET], "ir_version": 9} | options
    onnx.save(helper.make_model(graph, **options), path)
    return path


def chain(op, n, first="x", last="y", **attributes):
    """n nodes of one operator in a row."""
    names = [first, *(f"{op}{k}" for k in range(n - 1)), last]
    return [helper.make_node(op, [a], [b], **attributes) for a, b in zip(names, names[1:])]  # noqa: B905, RUF007


def calls_of(function):
    """How many Python functions are called, built-in ones too."""
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        function()
    except ValueError:
        pass
    finally:
        sys.setprofile(None)
    return count


def functions_that_call_twice(depth):
    domain = helper.make_opsetid("d", 1)
    node = helper.make_node
    made = [helper.make_function("d", "f0", ["a"], ["b"], [node("Relu", ["a"], ["b"])], [OPSET])]
    for k in range(1, depth):
        inside = [
            node(f"f{k - 1}", ["a"], ["t"], domain="d"),
            node(f"f{k - 1}", ["t"], ["b"], domain="d"),
        ]
        made.append(helper.make_function("d", f"f{k}", ["a"], ["b"], inside, [OPSET, domain]))
    return made


@pytest.mark.parametrize("depth", [15, 40, 300])
def test_functions_that_call_each_other_twice(path, depth):
    save(
        path,
        [helper.make_node(f"f{depth - 1}", ["x"], ["y"], domain="d")],
        opset_imports=[OPSET, helper.make_opsetid("d", 1)],
        functions=functions_that_call_twice(depth),
    )
    assert path.stat().st_size < 100 * depth
    with pytest.raises(ValueError, match=r"model\.onnx: .*(inlined|recursion|damaged)"):
        an.onnx.load(path)


def test_a_few_functions_are_inlined(path):
    save(
        path,
        [helper.make_node("f5", ["x"], ["y"], domain="d")],
        opset_imports=[OPSET, helper.make_opsetid("d", 1)],
        functions=functions_that_call_twice(6),
    )
    assert len(an.onnx.load(path).layers) == 2**5


def test_a_function_that_calls_itself(path):
    inside = [helper.make_node("f", ["a"], ["b"], domain="d")]
    function = helper.make_function(
        "d", "f", ["a"], ["b"], inside, [OPSET, helper.make_opsetid("d", 1)]
    )
    save(
        path,
        [helper.make_node("f", ["x"], ["y"], domain="d")],
        opset_imports=[OPSET, helper.make_opsetid("d", 1)],
        functions=[function],
    )
    with pytest.raises(ValueError, match=r"model\.onnx"):
        an.onnx.load(path)


def relus(n):
    return chain("Relu", n), {}


def identities(n):
    return [*chain("Identity", n, last="t"), helper.make_node("Relu", ["t"], ["y"])], {}


def identities_of_a_constant(n):
    return [
        *chain("Identity", n, "W", "V"),
        helper.make_node("MatMul", ["x", "V"], ["y"]),
    ], {"W": W}


def transposes_of_a_constant(n):
    return [
        *chain("Transpose", n, "W", "V", perm=[1, 0]),
        helper.make_node("MatMul", ["x", "V"], ["y"]),
    ], {"W": W}


def products_with_a_constant(n):
    names = ["x", *(f"t{k}" for k in range(n - 1)), "y"]
    nodes = [helper.make_node("Mul", [a, "c"], [b]) for a, b in zip(names, names[1:])]  # noqa: B905, RUF007
    return nodes, {"c": np.float32(1.0)}


def squares(n):
    names = ["x", *(f"t{k}" for k in range(n - 1)), "y"]
    return [helper.make_node("Mul", [a, a], [b]) for a, b in zip(names, names[1:])], {}  # noqa: B905, RUF007


def gates(n):
    nodes, names = [], ["x", *(f"t{k}" for k in range(n - 1)), "y"]
    for k, (a, b) in enumerate(zip(names, names[1:])):  # noqa: B905, RUF007
        nodes += [helper.make_node("Sigmoid", [a], [f"s{k}"])]
        nodes += [helper.make_node("Mul", [a, f"s{k}"], [b])]
    return nodes, {}


def one_matrix_many_times(n):
    names = ["x", *(f"t{k}" for k in range(n - 1)), "y"]
    nodes = [helper.make_node("MatMul", [a, "W"], [b]) for a, b in zip(names, names[1:])]  # noqa: B905, RUF007
    return nodes, {"W": W}


@pytest.mark.parametrize(
    "make",
    [relus, identities, identities_of_a_constant, transposes_of_a_constant,
     products_with_a_constant, squares, gates, one_matrix_many_times],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_repeated_nodes_take_linear_work(path, make):
    """Four times the nodes: at most about four times the calls."""
    counts = []
    for n in (150, 600):
        nodes, constants = make(n)
        save(path, nodes, constants)
        counts.append(calls_of(lambda: an.onnx.load(path)))
    assert counts[1] < 5 * counts[0]


def test_long_chains_are_read_whatever_the_limit_of_recursion(path):
    nodes, constants = identities_of_a_constant(5000)
    net = an.onnx.load(save(path, nodes, constants))
    np.testing.assert_array_equal(net.params["0.W"], W)
    nodes, constants = transposes_of_a_constant(5000)
    assert len(an.onnx.load(save(path, nodes, constants)).layers) == 1


def test_one_matrix_in_many_layers_is_refused_before_it_fills_the_memory(path):
    n, size = 600, 512
    names = ["x", *(f"t{k}" for k in range(n - 1)), "y"]
    nodes = [helper.make_node("MatMul", [a, "W"], [b]) for a, b in zip(names, names[1:])]  # noqa: B905, RUF007
    graph = helper.make_graph(
        nodes, "g", [value("x", size)], [value("y", size)],
        [numpy_helper.from_array(np.eye(size, dtype=np.float32), "W")],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[OPSET], ir_version=9), path)
    with pytest.raises(ValueError, match=r"model\.onnx: .*bytes of parameters"):
        an.onnx.load(path)


def test_thousands_of_outputs_are_refused(path):
    nodes = chain("Relu", 50)
    names = [f"o{k}" for k in range(2000)]
    nodes += [helper.make_node("Identity", ["y"], [name]) for name in names]
    with pytest.raises(ValueError, match="2000 outputs"):
        an.onnx.load(save(path, nodes, outputs=names))


# Nodes that lack something -----------------------------------------------------------------------


OPERATORS = ["Gemm", "MatMul", "Add", "Relu", "LeakyRelu", "PRelu", "Sigmoid", "Softmax", "Mul",
             "Div", "Sub", "Concat", "Cast", "Reshape", "Flatten", "Transpose", "Identity",
             "Dropout", "BatchNormalization", "LayerNormalization", "Constant", "Erf", "Gather",
             "ArgMax", "ZipMap", "Swish"]  # fmt: skip
TENSORS = st.sampled_from(["x", "W", "b", "c", "i", "t0", "t1", "", "nowhere"])
CONSTANTS = {
    "W": W,
    "b": np.ones(4, np.float32),
    "c": np.float32(0.5),
    "i": np.array([0, -1], np.int64),
}
ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        ["axis", "alpha", "beta", "epsilon", "momentum", "perm", "to", "transA", "transB", "value",
         "training_mode", "approximate"]
    ),
    st.sampled_from([0, 1, -1, 7, 10**6, 0.5, float("nan"), float("inf"), "x", [1, 0], [5], [0.5]]),
    max_size=3,
)  # fmt: skip


@RELAXED
@given(data=st.data(), checked=st.booleans())
def test_random_nodes_give_a_network_or_one_value_error(path, data, checked):
    nodes = []
    for k in range(data.draw(st.integers(1, 4))):
        inputs = data.draw(st.lists(TENSORS, max_size=5))
        op = data.draw(st.sampled_from(OPERATORS))
        nodes.append(helper.make_node(op, inputs, [f"t{k}"], **data.draw(ATTRIBUTES)))
    nodes[-1].output[0] = "y"
    save(path, nodes, CONSTANTS)
    with pytest.MonkeyPatch.context() as patch:
        if not checked:  # as if a checker of another version had let it pass
            patch.setattr(onnx.checker, "check_model", lambda model: None)
        try:
            an.onnx.load(path)
        except ValueError as error:
            if str(path) not in str(error):
                raise


SOUND = sorted((Path(__file__).parents[1] / "data" / "onnx").glob("*.onnx"))


@RELAXED
@given(data=st.data(), file=st.sampled_from(SOUND))
def test_wrong_bits_give_a_network_or_one_value_error(path, data, file):
    whole = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(whole[: data.draw(st.integers(len(whole) // 2, len(whole)))]))
    try:
        an.onnx.load(path)
    except ValueError as error:
        if str(path) not in str(error):
            raise


def test_weights_outside_of_the_folder_are_not_read(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(W.tobytes())
    (tmp_path / "inside").mkdir()
    path = tmp_path / "inside" / "model.onnx"
    save(path, [helper.make_node("MatMul", ["x", "W"], ["y"])], {"W": W})
    for location in ("../secret", str(secret)):
        model = onnx.load(path)
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.ClearField("external_data")
        tensor.external_data.add(key="location", value=location)
        outside = path.with_name("outside.onnx")
        outside.write_bytes(model.SerializeToString())
        with pytest.raises(ValueError, match=r"outside\.onnx"):
            an.onnx.load(outside)
