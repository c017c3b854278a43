"""Model files of layers whose arguments are columns and sizes: damaged descriptions are refused."""

import numpy as np
import pytest

import affinet as an
from model_files import entries, refused, rewrite


def waves():
    return an.PeriodicEmbedding(4, [1, 3], 5, 2, rng=0)


def table():
    return an.Embedding(4, {0: 3, 2: 2}, 2, rng=0)


DAMAGED = [
    (waves, {"columns": [1]}, "by its description"),
    (waves, {"columns": [1, 1]}, "wanted different ones"),
    (waves, {"columns": [1, 4]}, "below 4"),
    (waves, {"columns": [-1, 2]}, "a column is -1"),
    (waves, {"columns": "13"}, "a column is '1'"),
    (waves, {"columns": 3}, "not iterable"),
    (waves, {"columns": None}, "by its description"),
    (waves, {"n_inputs": 1}, "below 1"),
    (waves, {"n_inputs": "4"}, "n_inputs|layer 0"),
    (waves, {"frequencies": 1000}, "by its description"),
    (waves, {"frequencies": 1e30}, "frequencies is 1e.30"),
    (waves, {"outputs": -2}, "outputs is -2"),
    (waves, {"kind": "plr"}, "by its description"),
    (waves, {"kind": ["plr"]}, "kind is"),
    (waves, {"kind": "sin"}, "kind is 'sin'"),
    (waves, {"phase": 1}, "unexpected keyword"),
    (table, {"sizes": {"0": 2, "2": 2}}, "by its description"),
    (table, {"sizes": {"0": 3, "4": 2}}, "below 4"),
    (table, {"sizes": {"0": 3, "x": 2}}, "a column is 'x'"),
    (table, {"sizes": {"0": 5, "2": 0}}, "a size is 0"),
    (table, {"sizes": {str(k): 1000 for k in range(4)}, "outputs": 1000}, "by its description"),
    (table, {"sizes": [3, 2]}, "wanted a mapping"),
    (table, {"sizes": None}, "wanted a mapping"),
    (table, {"outputs": 3}, "by its description"),
    (table, {"outputs": None}, "outputs is None"),
    (lambda: an.Scale(3), {"n": 4}, "s has shape"),
    (lambda: an.Parametric(3), {"activation": "none"}, "activation is 'none'"),
    (lambda: an.Parametric(3), {"activation": {"type": "relu", "slope": 1}}, "layer 0"),
    (lambda: an.Parametric(3, an.LeakyReLU(0.1)), {"activation": {"type": "leaky_relu",
     "slope": "x"}}, "layer 0"),
]  # fmt: skip


def alter(path, change):
    description, arrays = entries(path)
    description["layers"][0].update(change)
    rewrite(path, description, arrays)


@pytest.mark.parametrize(
    ("make", "change", "words"), DAMAGED, ids=lambda value: "" if callable(value) else str(value)
)
def test_a_damaged_description_is_refused(tmp_path, make, change, words):
    path = tmp_path / "m.npz"
    an.Sequential(make()).save(path)
    an.load(path)
    alter(path, change)
    refused(path, words)


def test_swapped_columns_of_one_size_are_the_file_s_word(tmp_path):
    """What is a network too comes back as what the file says."""
    path = tmp_path / "m.npz"
    an.Sequential(table()).save(path)
    alter(path, {"sizes": {"1": 3, "3": 2}})
    assert an.load(path).layers[0].sizes == {1: 3, 3: 2}
    assert np.isfinite(an.load(path).predict(np.zeros((1, 4)))).all()
