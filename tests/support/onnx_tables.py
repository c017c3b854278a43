"""Tables as the inputs of ONNX graphs, and graphs of an encoding alone, run by ONNX Runtime."""

import numpy as np
import pytest

from affinet.tables import Table

onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")

from affinet.onnx import writer  # noqa: E402
from affinet.onnx.columns import ColumnWriter, declarations  # noqa: E402
from affinet.onnx.tables import TableModel, write_rows  # noqa: E402

DTYPES = {"tensor(double)": "float64", "tensor(float)": "float32", "tensor(int64)": "int64"}


def session(model):
    """A session of a model or of a file."""
    runtime.set_default_logger_severity(3)
    source = model.SerializeToString() if hasattr(model, "SerializeToString") else model
    return runtime.InferenceSession(source, providers=["CPUExecutionProvider"])


def feed(opened, columns):
    """Columns by name, of numbers or texts, as the inputs of a session."""
    return {
        given.name: np.array(
            columns[given.name],
            object if given.type == "tensor(string)" else DTYPES[given.type],
        ).reshape(-1, 1)
        for given in opened.get_inputs()
    }


def raw_columns(opened, table):
    """The columns of a table by what a session takes."""
    return {
        given.name: table.texts(given.name)
        if given.type == "tensor(string)"
        else table.numbers(given.name)
        for given in opened.get_inputs()
    }


def encoded(encoding, columns, dtype="float64", opset=20, number=np.float64):
    """Encoded rows by ONNX Runtime, and which of them are known."""
    graph = writer.GraphWriter(np.dtype(dtype), opset, "")
    inputs = ColumnWriter(graph, encoding.decimal, lambda name: np.dtype(number))
    known = write_rows(graph, TableModel(encoding), inputs, np.dtype(dtype))
    outputs = [
        writer.tensor(graph.tensor, np.dtype(dtype), encoding.width),
        writer.tensor(known, np.dtype(bool), 1),
    ]
    arrays = list(graph.initializers.values())
    made = onnx.helper.make_graph(graph.nodes, "rows", declarations(inputs.inputs), outputs, arrays)
    model = writer.complete(made, opset)
    onnx.checker.check_model(model, full_check=True)
    opened = session(model)
    rows, known = opened.run(None, feed(opened, columns))
    return rows, known.ravel()


def encoded_as_far_as_known(encoding, columns, dtype="float64"):
    """The same by affinet: zeros for rows that it refuses."""
    found = {name: c if isinstance(c, list) else np.asarray(c) for name, c in columns.items()}
    table = Table("t", found, decimal=encoding.decimal)
    n = len(table)
    rows, known = np.zeros((n, encoding.width), dtype), np.zeros(n, bool)
    parts = [np.arange(n)]
    while parts:
        places = parts.pop()
        try:
            rows[places] = encoding.inputs(table.select(places), dtype)
            known[places] = True
        except ValueError:
            if len(places) > 1:  # some of them are refused
                parts += np.array_split(places, 2)
    return rows, known
