"""ONNX Runtime's contenders: forward passes, with and without bound memory."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from nets import Array
from onnx import TensorProto, helper, numpy_helper

from .tasks import Prediction, threads

VERSION = onnxruntime.__version__


class SessionPrediction:
    """``session.run``."""

    gives = "logits"

    def __init__(self, task: Prediction) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            model(task).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.feed = {"x": task.x}

    def run(self, count: int) -> None:
        run, feed = self.session.run, self.feed
        for _ in range(count):
            run(None, feed)

    def output(self) -> Array:
        result: Array = self.session.run(None, self.feed)[0]
        return result


class BoundPrediction(SessionPrediction):
    """``run_with_iobinding`` on memory that was bound once."""

    def __init__(self, task: Prediction) -> None:
        super().__init__(task)
        self.out = np.empty((len(task.x), task.net.widths[-1]), np.float32)
        self.x = task.x
        self.binding = self.session.io_binding()
        for bind, name, array in (
            (self.binding.bind_input, "x", self.x),
            (self.binding.bind_output, "y", self.out),
        ):
            bind(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)

    def run(self, count: int) -> None:
        run, binding = self.session.run_with_iobinding, self.binding
        for _ in range(count):
            run(binding)

    def output(self) -> Array:
        self.run(1)
        return self.out


def model(task: Prediction) -> onnx.ModelProto:
    """Gemm nodes with Relu between them, for exactly these rows."""
    nodes, constants, name = [], [], "x"
    n_layers = len(task.parameters) // 2
    for i, (W, b) in enumerate(zip(task.parameters[::2], task.parameters[1::2], strict=True)):
        constants += [numpy_helper.from_array(W, f"W{i}"), numpy_helper.from_array(b, f"b{i}")]
        last = i == n_layers - 1
        nodes.append(helper.make_node("Gemm", [name, f"W{i}", f"b{i}"], ["y" if last else f"a{i}"]))
        if not last:
            nodes.append(helper.make_node("Relu", [f"a{i}"], [f"h{i}"]))
        name = f"h{i}"
    rows, n_in, n_out = len(task.x), task.net.widths[0], task.net.widths[-1]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, n_in])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, n_out])],
        constants,
    )
    # versions that every runtime of recent years reads
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


CONTENDERS = {
    "predict": {
        "ONNX Runtime": SessionPrediction,
        "ONNX Runtime, bound": BoundPrediction,
    }
}
