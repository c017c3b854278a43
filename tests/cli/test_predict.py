"""``affinet predict``: the files it reads, what it prints, what it refuses."""

import gzip
import json
import struct

import numpy as np
import pytest

import affinet as an


def as_npy(path, x):
    np.save(path.with_suffix(".npy"), x)
    return path.with_suffix(".npy")


def as_npz(path, x):
    np.savez(path.with_suffix(".npz"), x=x, t=np.zeros(3))
    return path.with_suffix(".npz")


def as_npz_of_one(path, x):
    np.savez_compressed(path.with_suffix(".npz"), anything=x)
    return path.with_suffix(".npz")


def as_csv(path, x, header="", suffix=".csv"):
    text = header + "".join(",".join(map(str, row)) + "\n" for row in x)
    packed = gzip.compress(text.encode()) if suffix.endswith("gz") else text.encode()
    path.with_suffix(suffix).write_bytes(packed)
    return path.with_suffix(suffix)


def as_csv_with_names(path, x):
    return as_csv(path, x, header=",".join(f"pixel {i}" for i in range(x.shape[1])) + "\r\n\n")


def as_packed_csv(path, x):
    return as_csv(path, x, suffix=".csv.gz")


def as_csv_with_byte_order_mark(path, x):
    return as_csv(path, x, header="\ufeff")


def as_idx(path, x, packed=False):
    content = struct.pack(">4B3I", 0, 0, 8, 3, len(x), 8, 8) + x.tobytes()
    path = path.with_name("images-idx3-ubyte" + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def as_packed_idx(path, x):
    return as_idx(path, x, packed=True)


WRITERS = [
    *(as_npy, as_npz, as_npz_of_one, as_csv, as_csv_with_names, as_packed_csv),
    *(as_csv_with_byte_order_mark, as_idx, as_packed_idx),
]


@pytest.mark.parametrize("write", WRITERS)
def test_predict_reads_raw_pixels_from(shell, model, net, digits, tmp_path, write):
    x = digits[0][:7]
    out, err = shell("predict", model, write(tmp_path / "rows", x))
    assert err == []
    p = net.predict_proba(x)
    assert out == "".join(f"{row.argmax()}\t{row.max():.4f}\n" for row in p)


def test_predict_probabilities(shell, model, net, digits, tmp_path):
    x = digits[0][:3]
    out, _ = shell("predict", model, as_npy(tmp_path / "x", x), "--probabilities")
    header, *rows = [line.split("\t") for line in out.splitlines()]
    assert header == ["class", *map(str, range(10))]
    p = net.predict_proba(x)
    assert [int(row[0]) for row in rows] == p.argmax(axis=1).tolist()
    np.testing.assert_allclose(np.array([row[1:] for row in rows], float), p, atol=6e-5)


def test_predict_json(shell, model, net, digits, tmp_path):
    x = digits[0][:3]
    path = as_npy(tmp_path / "x", x)
    p = net.predict_proba(x)
    rows = json.loads(shell("predict", model, path, "--json")[0])["rows"]
    assert [row["index"] for row in rows] == p.argmax(axis=1).tolist()
    assert all(row["class"] == str(row["index"]) for row in rows)
    assert all("probabilities" not in row for row in rows)
    rows = json.loads(shell("predict", model, path, "--json", "--probabilities")[0])["rows"]
    np.testing.assert_allclose([list(row["probabilities"].values()) for row in rows], p)


@pytest.mark.parametrize("shape", [(64,), (8, 8), (1, 64), (1, 8, 8)])
def test_one_row_in_its_forms(shell, model, net, digits, tmp_path, shape):
    x = digits[0][0]
    out, _ = shell("predict", model, as_npy(tmp_path / "x", x.reshape(shape)))
    assert out.split("\t")[0] == str(net.predict(x).argmax())
    assert len(out.splitlines()) == 1


def test_class_names_come_from_the_metadata(shell, net, digits, tmp_path):
    x = digits[0][:1]
    net.metadata["classes"] = [f"the {digit}" for digit in "0123456789"]
    net.save(tmp_path / "named.npz")
    out, _ = shell("predict", tmp_path / "named.npz", as_npy(tmp_path / "x", x))
    assert out.startswith(f"the {net.predict(x).argmax()}\t")


@pytest.mark.parametrize("metadata", [{}, {"classes": 3, "input_shape": "x", "input_range": [1]}])
def test_a_model_with_little_or_odd_metadata_predicts(shell, net, digits, tmp_path, metadata):
    net.metadata = metadata
    net.save(tmp_path / "m.npz")
    x = digits[0][:1]
    out, err = shell("predict", tmp_path / "m.npz", as_npy(tmp_path / "x", x))
    assert out.startswith(f"{net.predict(x).argmax()}\t")
    assert err == []


@pytest.mark.parametrize(("factor", "told"), [(1 / 16, "raw pixels"), (255 / 16, "0 to 16")])
def test_pixels_on_another_scale_are_warned_of(shell, model, digits, tmp_path, factor, told):
    path = as_npy(tmp_path / "x", digits[0][:5] * np.float32(factor))
    out, err = shell("predict", model, path)
    assert len(out.splitlines()) == 5
    (line,) = err
    assert line.startswith("affinet: warning: ")
    assert told in line


def test_predict_values_of_a_network_without_classes(shell, refused, regression, tmp_path):
    x = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    path = as_npy(tmp_path / "x", x)
    y = an.load(regression).predict(x)
    out, _ = shell("predict", regression, path)
    printed = np.array([line.split("\t") for line in out.splitlines()], float)
    np.testing.assert_allclose(printed, y, rtol=1e-5)
    rows = json.loads(shell("predict", regression, path, "--json")[0])["rows"]
    np.testing.assert_allclose(rows, y)
    assert "no probabilities" in refused("predict", regression, path, "--probabilities")


BAD_ROWS = {
    "a column too few": ("x.csv", ",".join("1" * 63), "63 numbers a row"),
    "a text": ("x.csv", ",".join(["1"] * 63 + ["one"]), "line 1, column 64: 'one'"),
    "a missing value": ("x.csv", ",".join(["1"] * 63 + [""]), "line 1, column 64: ''"),
    "rows of two lengths": ("x.csv", "1,2\n1,2,3", "line 2 has 3 columns, wanted 2"),
    "names alone": ("x.csv", "a,b,c\n", "no rows"),
    "nothing": ("x.csv", "", "no rows"),
    "not a number": ("x.csv", ",".join(["1"] * 63 + ["nan"]), "x[0, 63] is nan"),
    "text as .npy": ("x.npy", "hello", "not a NumPy file"),
    "nothing as .npy": ("x.npy", "", "x.npy"),
    "text as .npz": ("x.npz", "hello", "not a NumPy file"),
    "text as .csv.gz": ("x.csv.gz", "1,2", "x.csv.gz"),
    "text as images": ("x-ubyte", "hello", "magic number"),
    "text as packed images": ("x-idx3-ubyte.gz", "hello", "gzip data"),
    "another kind": ("x.jpg", "hello", "wanted .npy"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_files_are_refused_by_name(refused, model, tmp_path, case):
    name, text, problem = BAD_ROWS[case]
    path = tmp_path / name
    path.write_text(text)
    line = refused("predict", model, path)
    assert str(path) in line
    assert problem in line


BAD_ARRAYS = {
    "complex": (np.zeros((2, 64), complex), "complex128"),
    "text": (np.array([["a"] * 64]), "<U1"),
    "a single number": (np.array(3.0), "at least one row"),
    "no rows": (np.zeros((0, 64)), "at least one row"),
    "another width": (np.zeros((2, 65)), "65 numbers a row"),
    "infinite": (np.full((1, 64), np.inf), "is inf"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_bad_arrays_are_refused(refused, model, tmp_path, case):
    array, problem = BAD_ARRAYS[case]
    assert problem in refused("predict", model, as_npy(tmp_path / "x", array))


def test_no_pickle_is_read(refused, model, tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "not a NumPy file of numbers" in refused("predict", model, tmp_path / "x.npy")


def test_several_arrays_without_an_x_are_refused(refused, model, tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(64), b=np.zeros(64))
    assert "arrays a, b" in refused("predict", model, tmp_path / "x.npz")


def test_a_truncated_archive_is_refused(refused, model, digits, tmp_path):
    path = as_npz_of_one(tmp_path / "x", digits[0])
    content = bytearray(path.read_bytes())
    content[200:230] = bytes(30)
    path.write_bytes(content)
    assert str(path) in refused("predict", model, path)


def test_missing_files_and_folders_are_refused(refused, model, tmp_path):
    assert "gone.npy: No such file" in refused("predict", model, tmp_path / "gone.npy")
    (tmp_path / "folder.npy").mkdir()
    assert "folder.npy" in refused("predict", model, tmp_path / "folder.npy")


def test_predict_several_labels(shell, tmp_path):
    """Each output is a separate yes or no; predict prints their probabilities."""
    net = an.Sequential(an.Affine.init(3, 2, rng=0), loss=an.SigmoidWithLoss())
    net.save(tmp_path / "labels.npz")
    x = np.random.default_rng(0).standard_normal((4, 3))
    path, p = as_npy(tmp_path / "x", x), net.predict_proba(x)
    for options in ((), ("--probabilities",)):
        out, _ = shell("predict", tmp_path / "labels.npz", path, *options)
        np.testing.assert_allclose(
            [list(map(float, line.split("\t"))) for line in out.splitlines()], p, rtol=1e-5
        )
