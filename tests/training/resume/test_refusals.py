"""Checkpoints of another training, and damaged ones, are refused; then nothing has changed."""

import re

import numpy as np
import pytest

import affinet as an
from affinet import schedules
from interrupted_training import build, content_of, interrupted, refused, rewrite, train


@pytest.fixture
def written(data, path):
    interrupted(data, path, 7)
    return path


OTHERS = {
    "batch size": ({"batch_size": 4}, "batch_size is 5, in this training it is 4"),
    "seed": ({"seed": 4}, "seed is 3, in this training it is 4"),
    "order": ({"shuffle": False}, "shuffle is True, in this training it is False"),
    "optimizer": ({"optimizer": an.SGD(0.123)}, "optimizer is 'Adam', .* 'SGD'"),
    "schedule": ({"schedule": schedules.Cosine(0.1)}, "schedule is None, .* 'Cosine'"),
    "callbacks": ({"callbacks": [an.EarlyStopping()]}, "callbacks with a state .*EarlyStopping"),
    "fewer steps": ({"epochs": 1}, "stands at step 7, this training is to end at step 5"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_training(written, data, case):
    options, match = OTHERS[case]
    assert str(written) in refused(data, match, **options, resume=written)


def test_other_data(written, data):
    fewer = (data[0][:20], data[1][:20])
    refused(fewer, "rows is 23, in this training it is 20", resume=written)


NETWORKS = {
    "width": ({"width": 7}, r"0\.W has shape \(4, 6\), wanted \(4, 7\)"),
    "dtype": ({"dtype": "float32"}, "dtype is 'float64', .*'float32'"),
    "dropout": ({"dropout": 0.1}, r"layer 2 is 'Dropout\(p=0.4\)', .*p=0.1"),
    "another layer": ({"middle": [an.Tanh()]}, "number of layers is 4, .* 5"),
}


@pytest.mark.parametrize("case", NETWORKS)
def test_another_network(written, data, case):
    options, match = NETWORKS[case]
    refused(data, match, net=build(seed=5, **options), resume=written)


def test_another_loss_or_input_scale(written, data):
    layers = build(seed=5).layers
    net = an.Sequential(*layers, loss=an.SoftmaxWithLoss(), input_scale=0.5)
    refused(data, "input_scale is None, in this training it is 0.5", net=net, resume=written)
    net = an.Sequential(*build(seed=5).layers, loss=an.MeanSquaredError())
    refused((data[0], np.eye(3)[data[1]]), "loss is 'SoftmaxWithLoss", net=net, resume=written)


FIELDS = ["training", "network", "optimizer", "callbacks", "history", "epoch", "format", "version"]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", ["missing", 5, [1], {"a": 1}, None])
def test_a_field_that_is_missing_or_something_else(written, data, field, value):
    description, arrays = content_of(written)
    if value == "missing":
        del description[field]
    else:
        description[field] = value
    rewrite(written, description, arrays)
    refused(data, re.escape(str(written)), resume=written)


DAMAGES = {
    "epochs": ("history", {"epochs": 5}),
    "an epoch": ("history", {"epochs": [5]}),
    "steps": ("history", {"steps": "7"}),
    "batches": ("epoch", {"batches": -1}),
    "sum": ("epoch", {"loss": "1"}),
    "optimizer's step": ("optimizer", {"step": 1.5}),
    "rate": ("optimizer", {"numbers": {"lr": 1}}),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_field_with_something_else_in_it(written, data, case):
    description, arrays = content_of(written)
    field, change = DAMAGES[case]
    description[field] |= change
    rewrite(written, description, arrays)
    refused(data, re.escape(str(written)), resume=written)


def test_a_newer_format(written, data):
    description, arrays = content_of(written)
    rewrite(written, {**description, "version": 2}, arrays)
    refused(data, "version 2 of the format, this affinet reads 1..1", resume=written)


@pytest.mark.parametrize(
    "name", ["network/0.W", "network/4.b", "optimizer/averages/0", "optimizer/averages/1"]
)
@pytest.mark.parametrize("what", ["missing", "shape", "dtype"])
def test_an_array_that_is_missing_or_does_not_fit(written, data, name, what):
    description, arrays = content_of(written)
    array = arrays.pop(name.replace("4.b", "3.b"))
    name = name.replace("4.b", "3.b")
    if what != "missing":
        arrays[name] = array[:-1] if what == "shape" else array.astype(np.float32)
    rewrite(written, description, arrays)
    assert str(written) in refused(data, name.split("/")[-1], resume=written)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_truncated_file(data, tmp_path, share, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"c{suffix}"
    interrupted(data, path, 7)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(data, "not an affinet checkpoint, or damaged", resume=path)


def test_files_of_other_kinds(data, tmp_path):
    refused(data, "missing.npz", error=FileNotFoundError, resume=tmp_path / "missing.npz")
    refused(data, "ends in .npz or .safetensors", resume=tmp_path / "model.pickle")
    build().save(tmp_path / "model.npz")
    refused(data, "not an affinet checkpoint .*'affinet model'", resume=tmp_path / "model.npz")
    train(data, callbacks=[an.Checkpoint(tmp_path / "c.npz")])
    with pytest.raises(ValueError, match=r"not an affinet model .*'affinet checkpoint'"):
        an.load(tmp_path / "c.npz")
