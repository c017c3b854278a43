"""Ensembles in files: they come back whole, and damaged files are refused by name."""

import copy

import numpy as np
import pytest

import affinet as an
from model_files import entries, rewrite

WEIGHTS = [0.1, 0.7, 0.3]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ensemble.npz"


@pytest.fixture
def saved(made, path):
    ensemble = an.Ensemble(made(), WEIGHTS)
    ensemble.metadata = {"note": ["kept"]}
    ensemble.save(path)
    return ensemble


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_it_comes_back_to_the_bit(made, x, tmp_path, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="needs safetensors")
    path = tmp_path / f"ensemble{suffix}"
    nets = [*made(), an.Sequential(an.BatchNorm(4), an.Affine.init(4, 3, dtype="float32"),
                                   loss=an.SoftmaxWithLoss(), input_scale=0.5)]  # fmt: skip
    nets[3].layers[0].running_mean[:] = [1, 2, 3, 4]
    nets[1].metadata = {"own": 1}
    ensemble = an.Ensemble(nets, [0.3, 1.7, 0.2, 5.0])
    ensemble.metadata = {"note": ["kept"]}
    ensemble.save(path)
    twin = an.Ensemble.load(path)
    assert np.array_equal(twin.weights, ensemble.weights)
    assert np.array_equal(twin.predict(x), ensemble.predict(x))
    assert np.array_equal(twin.predict_members(x), ensemble.predict_members(x))
    assert twin.metadata == {"note": ["kept"]}
    assert [net.metadata for net in twin.members] == [{}, {"own": 1}, {}, {}]


def test_custom_layers(path, x):
    class Twice:
        def forward(self, x):
            return 2 * x

        def backward(self, dout):
            return 2 * dout

        def config(self):
            return {}

    ensemble = an.Ensemble([an.Sequential(an.Affine.init(4, 2), Twice()) for _ in range(2)])
    ensemble.save(path)
    with pytest.raises(ValueError, match="member 0: layer 1: layer 'Twice' is unknown"):
        an.Ensemble.load(path)
    twin = an.Ensemble.load(path, custom={"Twice": Twice})
    assert np.array_equal(twin.predict(x), ensemble.predict(x))


def refused(path, match):
    with pytest.raises(ValueError, match=match) as caught:
        an.Ensemble.load(path)
    assert str(path) in str(caught.value)


def test_a_model_is_not_an_ensemble(made, path, saved):
    with pytest.raises(
        ValueError, match=r"not an affinet model .*; affinet\.Ensemble\.load reads it"
    ):
        an.load(path)
    made()[0].save(path)
    refused(path, "not an affinet ensemble")
    with pytest.raises(FileNotFoundError):
        an.Ensemble.load(path.with_name("other.npz"))
    with pytest.raises(ValueError, match="path is"):
        saved.save(path.with_suffix(".txt"))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: d.pop("weights"), "weights is None"),
        (lambda d: d.update(weights=[1.0]), "1 weights, wanted 3"),
        (lambda d: d.update(weights=[1.0, "a", 2.0]), "weights has dtype"),
        (lambda d: d.update(weights=[1.0, -1.0, 2.0]), r"weights\[1\] is -1.0"),
        (lambda d: d.update(weights=[0, 0, 0]), "weights are all 0"),
        (lambda d: d.update(members={}), "members is {}"),
        (lambda d: d.update(members=[], weights=[]), "nets is empty"),
        (lambda d: d.update(metadata=3), "metadata is 3"),
        (lambda d: d.update(version=2), "version 2"),
        (lambda d: d["members"].insert(1, None), "3 weights, wanted 4"),
        (lambda d: d["members"].__setitem__(1, None), "member 1: description is not a table"),
        (lambda d: d["members"][1].update(version=9), "member 1: version 9"),
        (lambda d: d["members"][1].update(layers=3), "member 1: layers is 3"),
        (lambda d: d["members"][2]["loss"].update(type="MeanSquaredError"), "has the loss"),
        (lambda d: d["members"][2]["shapes"].update({"0.W": [9, 9]}), "member 2: array 0.W has"),
        (lambda d: d["members"][2].update(metadata={"classes": [1]}), r"nets\[2\] has metadata"),
    ],
)
def test_damaged_descriptions(path, saved, change, match):
    description, arrays = entries(path)
    description = copy.deepcopy(description)
    change(description)
    rewrite(path, description, arrays)
    refused(path, match)


def test_damaged_arrays(path, saved):
    description, arrays = entries(path)
    lacking = {name: array for name, array in arrays.items() if name != "1/0.W"}
    rewrite(path, description, lacking)
    refused(path, r"member 1: array 0\.W is missing")
    rewrite(path, description, arrays | {"2/2.b": np.zeros(9)})
    refused(path, r"member 2: array 2\.b has shape")
    rewrite(path, description, arrays | {"0/0.W": arrays["0/0.W"].astype("float64")})
    refused(path, "member 0: .*dtype")


def test_cut_files(path, saved):
    content = path.read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 20):
        path.write_bytes(content[:length])
        refused(path, "not an affinet ensemble, or damaged|damaged")


def test_layers_that_claim_more_than_the_file_holds(path, saved):
    description, arrays = entries(path)
    description["members"][1]["layers"].insert(0, {"type": "BatchNorm", "n": 10**9})
    rewrite(path, description, arrays)
    refused(path, "member 1: layer 0 has the number 1000000000")
