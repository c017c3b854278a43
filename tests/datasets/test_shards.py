"""Rows in many files look like one array, and are read a few at a time."""

import tracemalloc

import numpy as np
import pytest

import affinet as an
from affinet.datasets import Shards, open_shards

rng = np.random.default_rng(8)
X = rng.integers(0, 256, (57, 2, 3)).astype(np.uint8)
T = rng.integers(0, 4, 57)
CUTS = [slice(0, 20), slice(20, 21), slice(21, 57)]


@pytest.fixture
def folder(tmp_path):
    for name, cut in zip(("_a", "_b", "_c"), CUTS, strict=True):
        np.save(tmp_path / f"x{name}.npy", X[cut])
        np.save(tmp_path / f"t{name}.npy", T[cut])
    (tmp_path / "notes.txt").write_text("other files are let be")
    return tmp_path


@pytest.mark.parametrize(
    "rows",
    [
        0,
        -1,
        np.int64(20),
        slice(None),
        slice(19, 23),
        slice(50, 3, -7),
        [],
        [56, 0, 20, 20, -57],
        np.array([[3, 30], [21, 20]]),
        np.arange(57) % 3 == 0,
    ],
    ids=str,
)
def test_rows_are_those_of_the_array(folder, rows):
    x, t = open_shards(folder)
    for shards, array in ((x, X), (t, T)):
        wanted = array[np.asarray(rows, int) if isinstance(rows, list) else rows]
        found = shards[rows]
        np.testing.assert_array_equal(found, wanted)
        assert np.asarray(found).dtype == array.dtype
        assert np.shape(found) == np.shape(wanted)


def test_they_look_like_an_array(folder):
    x, _ = open_shards(folder)
    assert (x.shape, x.ndim, len(x), x.dtype) == (X.shape, 3, 57, X.dtype)
    np.testing.assert_array_equal(np.asarray(x), X)
    assert np.asarray(x, np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="only be copied"):
        x.__array__(copy=False)
    assert repr(x) == "Shards(3 parts, shape (57, 2, 3), uint8)"


@pytest.mark.parametrize("row", [57, -58, [0, 57]])
def test_rows_that_are_not_there(folder, row):
    with pytest.raises(IndexError, match="wanted one of 57 rows"):
        open_shards(folder)[0][row]


def test_a_selection_reads_nothing_and_may_be_selected_from(folder):
    x, _ = open_shards(folder)
    some = x.select(np.array([40, 3, 20, 21]))
    assert some.shape == (4, 2, 3)
    np.testing.assert_array_equal(some[[0, -1]], X[[40, 21]])
    np.testing.assert_array_equal(some.select(np.array([2, 0]))[:], X[[20, 40]])
    np.testing.assert_array_equal(np.asarray(some), X[[40, 3, 20, 21]])


def test_what_is_missing_is_named(folder, tmp_path):
    (folder / "t_b.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"x_b\.npy, but no t_b\.npy"):
        open_shards(folder)
    (folder / "x_b.npy").rename(folder / "y_b.npy")
    (folder / "x_c.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"t_c\.npy, but no x_c\.npy"):
        open_shards(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no files x\*\.npy"):
        open_shards(tmp_path / "empty")


@pytest.mark.parametrize(
    ("file", "array", "wanted"),
    [
        ("t_b", T[:2], r"t_b\.npy holds 2 rows, wanted 1 as in x_b\.npy"),
        ("x_b", X[:1, :1], r"x_b\.npy has rows of shape \(1, 3\)"),
        ("x_b", X[:1].astype(float), r"x_b\.npy has rows .* float64, wanted .* uint8"),
        ("t_a", np.array(["a"] * 20), r"t_a\.npy has shape \(20,\) and dtype <U1"),
        ("t_a", np.float64(1), r"t_a\.npy has shape \(\)"),
        ("t_a", np.array([{}] * 20), r"t_a\.npy: not a NumPy file of numbers or text: .*O"),
    ],
)
def test_files_that_do_not_fit(folder, file, array, wanted):
    np.save(folder / f"{file}.npy", array)
    with pytest.raises(ValueError, match=wanted):
        open_shards(folder)


def test_parts_that_do_not_fit():
    with pytest.raises(ValueError, match="parts is empty"):
        Shards([])
    with pytest.raises(ValueError, match=r"parts\[1\] has shape \(2, 3\)"):
        Shards([np.zeros((2, 2)), np.zeros((2, 3))])


# In a training -----------------------------------------------------------------------------------


def train(x, t, **options):
    net = an.Sequential(
        an.Affine.init(6, 5, rng=0),
        an.Dropout(0.2),
        an.Affine.init(5, 4, rng=1),
        loss=an.SoftmaxWithLoss(),
        input_scale=1 / 255,
    )
    history = net.fit(x, t, **{"epochs": 3, "batch_size": 10, "optimizer": an.Adam()} | options)
    return net, history


@pytest.mark.parametrize("at_once", [None, 100])
def test_fit_gives_the_bits_of_an_array(folder, at_once, monkeypatch):
    if at_once is not None:  # bytes: a batch for each compiled call
        monkeypatch.setattr("affinet.training.step.READ_AT_ONCE", at_once)
    options = {
        "sample_weight": rng.uniform(size=57),
        "class_weight": "balanced",
        "schedule": an.schedules.Cosine(0.01),
    }
    x, t = open_shards(folder)
    flat = Shards([part.reshape(len(part), 6) for part in x._parts])
    in_memory, record = train(X.reshape(57, 6), T, **options)
    in_files, other = train(flat, t, validation_data=(flat, t), **options)
    np.testing.assert_array_equal(in_files.params.flat, in_memory.params.flat)
    assert other["loss"] == record["loss"]
    assert other.step_kind == record.step_kind == "fused"
    assert other["val_loss"][-1] == in_memory.evaluate(X.reshape(57, 6), T)["loss"]
    np.testing.assert_array_equal(in_files.predict(flat), in_memory.predict(X.reshape(57, 6)))


def test_layer_by_layer_and_targets_in_memory(folder):
    """Inputs of a type that the compiled step does not gather."""
    x, _ = open_shards(folder)
    halves = Shards([part.reshape(len(part), 6).astype(np.float16) for part in x._parts])
    net, record = train(halves, T)
    other, _ = train(X.reshape(57, 6).astype(np.float16), T)
    np.testing.assert_array_equal(net.params.flat, other.params.flat)
    assert record.step_kind == "layer by layer"


def test_bad_targets_are_found_behind_the_first_block(monkeypatch):
    monkeypatch.setattr("affinet._validation.SCANNED_ROWS", 8)
    t = T.copy()
    t[33] = 4
    with pytest.raises(ValueError, match=r"t\[33\] is 4, wanted a class index 0\.\.3"):
        train(Shards([X.reshape(57, 6)]), Shards([t[:30], t[30:]]))
    x = X.reshape(57, 6).astype(float)
    x[41, 2] = np.nan
    net = an.Sequential(an.Affine.init(6, 4, rng=0), loss=an.SoftmaxWithLoss(), check_finite=True)
    with pytest.raises(ValueError, match=r"x\[41, 2\] is nan"):
        net.fit(Shards([x[:40], x[40:]]), T)


def test_a_training_holds_a_small_part_of_the_rows(tmp_path):
    """64 MB in files, of which only a small part is in memory at a time."""
    for name in range(4):
        np.save(tmp_path / f"x{name}.npy", np.zeros((2000, 1000), np.float64))
        np.save(tmp_path / f"t{name}.npy", np.arange(2000) % 4)
    x, t = open_shards(tmp_path)
    net = an.Sequential(an.Affine.init(1000, 4, rng=0), loss=an.SoftmaxWithLoss())
    tracemalloc.start()
    try:
        net.fit(x, t, epochs=1, batch_size=64)
        net.evaluate(x, t)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40e6
