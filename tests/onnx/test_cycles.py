"""A file whose nodes form a cycle is one ValueError, not a walk without end."""

import pytest

onnx = pytest.importorskip("onnx", reason="needs onnx")

import affinet as an  # noqa: E402


@pytest.mark.parametrize(
    "edges",
    [
        [("y", "y")],
        [("a", "y"), ("y", "a")],
        [("b", "y"), ("c", "b"), ("b", "c")],
    ],
)
@pytest.mark.parametrize("op", ["Identity", "Relu", "Cast", "Dropout"])
def test_a_cycle_is_refused(tmp_path, monkeypatch, edges, op):
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    extra = {"to": kind} if op == "Cast" else {}
    nodes = [helper.make_node(op, [source], [target], **extra) for source, target in edges]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, ["batch", 3])],
        [helper.make_tensor_value_info("y", kind, ["batch", 3])],
    )
    path = tmp_path / "m.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(ValueError, match=r"m\.onnx.*topologically sorted"):
        an.onnx.load(path)
    # As if a checker of another version had let it pass.
    monkeypatch.setattr(onnx.checker, "check_model", lambda model: None)
    with pytest.raises(ValueError, match=r"m\.onnx.*cycle"):
        an.onnx.load(path)
