"""Networks of ensembles and piecewise embeddings in files, summaries and monitors."""

import numpy as np
import pytest

import affinet as an
from model_files import entries, refused, rewrite
from parts.ensembles import ENSEMBLES


def bins():
    return an.PiecewiseEmbedding(4, {1: [0.0, 1.0, 3.0], 3: [0.0, 0.5]}, 2, rng=0)


def scale():
    return an.MemberScale(3, 4, rng=0)


def shared():
    return an.BatchEnsemble(3, 4, 2, rng=0)


def heads():
    return an.MemberAffine(3, 4, 2, rng=0)


DAMAGED = [
    (bins, {"edges": {"1": [0, 3, 1], "3": [0, 0.5]}}, "edges of column 1 are .* ascend"),
    (bins, {"edges": {"1": [0, 1, 1], "3": [0, 0.5]}}, "edges of column 1 are .* ascend"),
    (bins, {"edges": {"1": [0, 1, 3], "3": [0.5]}}, "edges of column 3 are .* two finite numbers"),
    (bins, {"edges": {"1": [0, 1, 3], "3": ["a", 1]}}, "could not convert|layer 0"),
    (bins, {"edges": {"1": [0, 1, 3], "4": [0, 1]}}, "below 4"),
    (bins, {"edges": {"1": [0, 1, 3], "x": [0, 1]}}, "a column is 'x'"),
    (bins, {"edges": {"1": [0, 1, 3]}}, "by its description"),
    (bins, {"edges": {"1": [0, 1, 3, 4], "3": [0, 1]}}, "by its description"),
    (bins, {"edges": {"1": 3, "3": [0, 1]}}, "not iterable"),
    (bins, {"edges": [0, 1]}, "wanted a mapping"),
    (bins, {"edges": {}}, "columns is empty"),
    (bins, {"outputs": 0}, "outputs is 0"),
    (bins, {"outputs": 10**9}, "by its description"),
    (bins, {"n_inputs": 3}, "below 3"),
    *(
        case
        for make in (scale, shared, heads)
        for case in (
            (make, {"members": 0}, "members is 0"),
            (make, {"members": "3"}, "members is '3'"),
            (make, {"members": 4}, "by its description"),
            (make, {"members": 10**12}, "by its description"),
        )
    ),
    (scale, {"n": -1}, "n is -1"),
    (shared, {"n_inputs": 5}, "by its description"),
    (heads, {"n_outputs": 10**9}, "by its description"),
    (heads, {"n_outputs": None}, "n_outputs is None"),
    (heads, {"first": True}, "unexpected keyword"),
]


@pytest.mark.parametrize(
    ("make", "change", "words"), DAMAGED, ids=lambda value: "" if callable(value) else str(value)
)
def test_a_damaged_description_is_refused(tmp_path, make, change, words):
    path = tmp_path / "m.npz"
    an.Sequential(make()).save(path)
    an.load(path)
    description, arrays = entries(path)
    description["layers"][0].update(change)
    rewrite(path, description, arrays)
    refused(path, words)


@pytest.mark.parametrize("make", [bins, scale, shared, heads])
def test_parameters_are_counted(make):
    layer = make()
    counted = type(layer).count_parameters(**layer.config())
    assert counted == an.Sequential(layer).params.flat.size


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("name", ENSEMBLES)
def test_several_members_come_back(tmp_path, name, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    net = an.Sequential(ENSEMBLES[name](4, "float32"))
    path = tmp_path / f"m{suffix}"
    net.save(path)
    back, x = an.load(path), np.random.default_rng(0).standard_normal((9, 4)).astype("f4")
    assert repr(back) == repr(net)
    np.testing.assert_array_equal(back.predict(x), net.predict(x))


def test_summaries_and_monitors():
    rng = np.random.default_rng(0)
    embedding = bins()
    net = an.Sequential(
        embedding, an.BatchEnsemble(3, embedding.n_outputs, 5, rng, first=True), an.ReLU(),
        an.MemberAffine(3, 5, 2, rng), loss=an.SoftmaxWithLoss(),
    )  # fmt: skip
    text = str(net.summary())
    for name in ("PiecewiseEmbedding", "BatchEnsemble", "MemberAffine"):
        assert name in text
    x, t = rng.standard_normal((12, 4)), np.arange(12) % 2
    monitor = an.diagnostics.Monitor(verbose=False)
    net.fit(x, t, epochs=2, batch_size=6, callbacks=[monitor], verbose=0)
    assert all(np.isfinite(values).all() for values in net.grads.values())
