"""ONNX files of layers of several nodes: run, compared, and damaged on purpose."""

import functools
import json

import numpy as np
import pytest

import affinet as an

onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
numpy_helper = onnx.numpy_helper


def run(path, x):
    """What ONNX Runtime makes of x."""
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    runtime.set_default_logger_severity(3)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {session.get_inputs()[0].name: x})
    return y


@functools.cache
def newest_opset():
    """The newest operators that onnx and, where it is installed, ONNX Runtime know."""
    newest, helper = onnx.defs.onnx_opset_version(), onnx.helper
    try:
        import onnxruntime as runtime
    except ImportError:
        return newest
    x, y = (helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["n"]) for n in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    for opset in range(newest, 13, -1):
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = helper.find_min_ir_version_for(model.opset_import)
        try:
            runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        except Exception:
            continue
        return opset
    return 13


def assert_same(back, net, x):
    assert repr(back) == repr(net)
    assert back.dtype == net.dtype
    for name, array in net.params.items():
        assert back.params[name].tobytes() == array.tobytes(), name
    np.testing.assert_array_equal(back.predict(x), net.predict(x))


def altered(path, alter, record=lambda record: record):
    """The file with a changed model, and a changed record of its last layer; the refusal."""
    model = onnx.load(path)
    alter(model.graph)
    (node,) = [node for node in model.graph.node if node.output[0] == "y"]
    node.doc_string = json.dumps(record(json.loads(node.doc_string)))
    onnx.save(model, path)
    with pytest.raises(ValueError, match=r"model\.onnx: ") as caught:
        an.onnx.load(path)
    return str(caught.value)


def config(**change):
    return lambda record: record | {"layer": record["layer"] | change}


def arrays(**change):
    return lambda record: record | {"arrays": record["arrays"] | change}


def nothing(graph):
    pass


def with_array(name, value):
    def alter(graph):
        (tensor,) = [tensor for tensor in graph.initializer if tensor.name == name]
        tensor.CopyFrom(numpy_helper.from_array(value, name))

    return alter
