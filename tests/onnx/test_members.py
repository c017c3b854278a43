"""Layers of ensembles and piecewise embeddings in ONNX files: values, cycles, damaged records."""

import re

import numpy as np
import pytest

import affinet as an
from array_forms import draw
from onnx_records import altered, arrays, assert_same, config, nothing, run, with_array
from parts.ensembles import ENSEMBLES, MEMBERS

pytest.importorskip("onnx", reason="needs onnx, the extra onnx")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


def bins(dtype, n=4, outputs=3):
    """Columns of one and of three bins, and random parameters."""
    layer = an.PiecewiseEmbedding(n, {1: [-1, 0, 0.5, 2], n - 1: [-0.5, 1]}, outputs, dtype=dtype)
    rng = np.random.default_rng(0)
    for name in layer.parameters:
        shape = getattr(layer, name).shape
        setattr(layer, name, rng.standard_normal(shape).astype(dtype))
    return layer


def ensemble(dtype):
    """A whole TabM: bins, two hidden layers, heads."""
    first, rng = bins(dtype), np.random.default_rng(1)
    width = first.n_outputs
    return an.Sequential(
        first,
        an.MemberScale(MEMBERS, width, rng, dtype),
        an.BatchEnsemble(MEMBERS, width, 6, rng, first=True, dtype=dtype),
        an.ReLU(),
        an.Residual(an.BatchEnsemble(MEMBERS, 6, 6, rng, dtype=dtype), an.Tanh()),
        an.MemberAffine(MEMBERS, 6, 2, rng, dtype),
    )


@pytest.mark.parametrize("opset", [13, 18, 22])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*ENSEMBLES, "PiecewiseEmbedding", "TabM"])
def test_values_and_cycles(path, name, dtype, opset):
    if name == "TabM":
        net = ensemble(dtype)
    else:
        make = ENSEMBLES.get(name)
        net = an.Sequential(bins(dtype) if make is None else make(4, dtype))
    x = (2 * draw("float64", (4 * MEMBERS, 4))).astype(dtype)
    an.onnx.export(net, path, opset=opset)
    assert_same(an.onnx.load(path), net, x)
    y = net.predict(x)
    np.testing.assert_allclose(run(path, x), y, rtol=0, atol=200 * np.finfo(dtype).eps)
    assert run(path, x[:0]).shape == (0, y.shape[1])


def test_numbers_on_edges_and_far_outside(path):
    net = an.Sequential(bins(np.float64))
    an.onnx.export(net, path)
    values = [-1e9, -1, -0.5, 0, 0.5, np.nextafter(2, 0), 2, 1e9]
    x = np.tile(np.array(values)[:, np.newaxis], (1, 4))
    np.testing.assert_allclose(run(path, x), net.predict(x), rtol=1e-14, atol=1e-14)


BINS = {
    "edges of other columns": (config(edges={"0": [-1, 0, 0.5, 2], "3": [-0.5, 1]}), "something"),
    "other edges": (config(edges={"1": [-1, 0, 0.25, 2], "3": [-0.5, 1]}), "something else"),
    "fewer edges": (config(edges={"1": [-1, 0, 2], "3": [-0.5, 1]}), "arrays hold"),
    "edges that fall": (config(edges={"1": [2, 1, 0, -1], "3": [-0.5, 1]}), "ascend"),
    "no edges": (config(edges={}), "columns is empty"),
    "edges in a list": (config(edges=[0, 1]), "wanted a mapping"),
    "many inputs": (config(n_inputs=10**12), "something else"),
    "other outputs": (config(outputs=4), "arrays hold"),
    "arrays swapped": (arrays(w="0.b", b="0.w"), "something else"),
}


@pytest.mark.parametrize("name", BINS)
def test_a_damaged_record_of_bins_is_refused(path, name):
    an.onnx.export(an.Sequential(bins("float32")), path)
    record, words = BINS[name]
    message = altered(path, nothing, record)
    assert re.search(words, message), message


MEMBER_RECORDS = {
    "more members": config(members=MEMBERS + 1),
    "many members": config(members=10**12),
    "no members": config(members=0),
    "members in words": config(members="3"),
    "other widths": config(n_inputs=2, n_outputs=12),
    "arrays swapped": arrays(r="0.s", s="0.r"),
}


@pytest.mark.parametrize("name", MEMBER_RECORDS)
def test_a_damaged_record_of_members_is_refused(path, name):
    an.onnx.export(an.Sequential(an.BatchEnsemble(MEMBERS, 4, 6, rng=0)), path)
    message = altered(path, nothing, MEMBER_RECORDS[name])
    assert "BatchEnsemble" in message, message


def test_another_number_of_members_in_the_graph_is_refused(path):
    an.onnx.export(an.Sequential(an.MemberScale(MEMBERS, 4, rng=0)), path)
    message = altered(path, with_array("0.members", np.array([1, -1, 4])))
    assert "compute something else" in message
