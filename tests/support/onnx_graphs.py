"""ONNX graphs made by hand, node by node."""

from pathlib import Path

import numpy as np
import pytest

import affinet as an
from network_oracle import exact, lacking
from tolerance import assert_close

onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
evaluator = pytest.importorskip("onnx.reference")
helper, numpy_helper = onnx.helper, onnx.numpy_helper

DATA = Path(__file__).parents[1] / "data" / "onnx"
RNG = np.random.default_rng(0)
W1, W2 = (RNG.standard_normal(shape).astype(np.float32) for shape in ((4, 5), (5, 3)))
B1, B2 = (RNG.standard_normal(n).astype(np.float32) for n in (5, 3))
X = RNG.standard_normal((6, 4)).astype(np.float32)


def needs(*names):
    missing = lacking(*names)
    if missing:
        pytest.skip(f"this affinet has no {', '.join(missing)}")


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


def layers_of(net):
    return " ".join(type(layer).__name__ for layer in net.layers)
