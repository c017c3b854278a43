"""What onnx.export and ``affinet export`` accept, and what they must not lose without a word."""

import sys

import numpy as np
import pytest

import affinet as an
from affinet import tables
from affinet.cli import main
from affinet.tables import Encoding, read_table

onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
STEPS = pytest.importorskip("affinet.onnx.sources").STEPS


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


@pytest.fixture
def table_model(tmp_path):
    """A network of a table with two numbers, a text and a numeric target, in a file."""
    csv = tmp_path / "t.csv"
    rows = [f"{i},{i * i},{'red' if i % 3 else 'blue'},{100 + 7 * i}" for i in range(30)]
    csv.write_text("\n".join(["width,height,colour,price", *rows]))
    encoding = Encoding.fit(read_table(csv), "price", task="regression")
    net = an.Sequential(an.Affine.init(4, 1, rng=0), loss=an.MeanSquaredError())
    net.metadata["table"] = encoding.to_json()
    net.save(tmp_path / "model.npz")
    return net


def properties_of(path):
    return {p.key: p.value for p in onnx.load(path).metadata_props}


LOST = ("standardisation of width, height", "one-hot inputs of colour", "unit of 'price'")


def test_a_table_model_is_written_with_its_encoding(table_model, path):
    an.onnx.export(table_model, path)
    model = onnx.load(path)
    assert [i.name for i in model.graph.input] == ["width", "height", "colour"]
    assert model.doc_string == ""
    assert an.onnx.load(path).metadata == table_model.metadata


def test_without_its_encoding_a_table_model_is_written_and_says_so(table_model, path):
    an.onnx.export(table_model, path, encoding=False)
    assert all(part in onnx.load(path).doc_string for part in LOST)
    back = an.onnx.load(path)
    x = np.ones((3, 4), np.float32)
    np.testing.assert_array_equal(back.predict(x), table_model.predict(x))
    assert back.metadata == table_model.metadata


@pytest.mark.parametrize("record", [5, None, {}, {"columns": [3]}, "text"])
def test_a_table_record_that_cannot_be_read_is_no_reason_to_export(path, record):
    net = an.Sequential(an.Affine.init(2, 1))
    net.metadata["table"] = record
    with pytest.raises(ValueError, match=r"its encoding of a table's columns.*encoding=False"):
        an.onnx.export(net, path)
    assert not path.exists()
    an.onnx.export(net, path, encoding=False)


def test_dates_the_decimal_mark_and_the_character_encoding_are_named(tmp_path, path):
    csv = tmp_path / "t.csv"
    towns = ("Ulm", "M\xfcnchen")
    rows = [f"{1 + i % 28:02}.03.2024;{i},5;{towns[i % 2]};{i}" for i in range(30)]
    csv.write_bytes("\n".join(["day;width;town;price", *rows]).encode("latin-1"))
    encoding = Encoding.fit(read_table(csv), "price", task="regression")
    assert {column.kind for column in encoding.columns} == {"number", "date", "category"}
    width = sum(column.width for column in encoding.columns)
    net = an.Sequential(an.Affine.init(width, 1, rng=0))
    net.metadata["table"] = encoding.to_json()
    parts = ("the days and cycles of day", "decimal mark ','", f"encoding {encoding.charset}")
    an.onnx.export(net, path, encoding=False)
    assert all(part in onnx.load(path).doc_string for part in parts)


def test_every_kind_of_column_has_a_word():
    columns = [value for name, value in vars(tables).items() if name.endswith("Column")]
    kinds = {cls.kind for cls in columns}
    assert kinds == set(STEPS)


def test_other_networks_have_nothing_to_lose(path):
    net = an.Sequential(an.Affine.init(2, 1), input_scale=0.5)
    an.onnx.export(net, path)
    assert onnx.load(path).doc_string == ""


# Estimators --------------------------------------------------------------------------------------


def data(n_classes):
    rng = np.random.default_rng(0)
    return rng.standard_normal((60, 3)), np.arange(60) % n_classes


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("names", [["no", "yes"], ["a", "b", "c"], [3, 5, 9], [False, True]])
def test_classifiers(path, names):
    estimators = pytest.importorskip("affinet.estimators")
    X, y = data(len(names))
    model = estimators.MLPClassifier((4,), max_iter=3, random_state=0).fit(X, np.array(names)[y])
    before = dict(model.net_.metadata)
    an.onnx.export(model, path, probabilities=True, input_dtype=np.float64)
    back = an.onnx.load(path)
    assert back.metadata["classes"] == names
    np.testing.assert_array_equal(back.predict(X), model.net_.predict(X))
    proba = back.predict_proba(X)
    wanted = model.predict_proba(X)
    np.testing.assert_allclose(proba[:, -1], wanted[:, -1], rtol=1e-6)
    assert model.net_.metadata == before


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_regressors_and_weights_that_were_replaced(path):
    estimators = pytest.importorskip("affinet.estimators")
    X, y = data(5)
    model = estimators.MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0).fit(X, y)
    model.coefs_ = [2 * W for W in model.coefs_]
    an.onnx.export(model, path)
    np.testing.assert_array_equal(an.onnx.load(path).predict(X).ravel(), model.predict(X))
    assert "classes" not in properties_of(path)


def test_what_is_no_network(path):
    estimators = pytest.importorskip("affinet.estimators")
    pipeline = pytest.importorskip("sklearn.pipeline")
    with pytest.raises(ValueError, match="MLPClassifier has no network yet, call fit first"):
        an.onnx.export(estimators.MLPClassifier(), path)
    steps = pipeline.make_pipeline(estimators.MLPClassifier())
    for wrong, name in ((steps, "Pipeline"), ("net.npz", "str"), (None, "NoneType")):
        with pytest.raises(TypeError, match=f"net is {name}, wanted a Sequential"):
            an.onnx.export(wrong, path)


def test_an_estimator_that_encodes_columns_in_its_own_way_is_refused(path, table_model):
    class Tabular:
        net_ = an.Sequential(an.Affine.init(4, 1))
        encoding_ = Encoding.from_json(table_model.metadata["table"])

    an.onnx.export(Tabular(), path)
    assert an.onnx.load(path).metadata["table"] == table_model.metadata["table"]
    path.unlink()
    Tabular.encoding_ = object()
    with pytest.raises(ValueError, match="its encoding of columns"):
        an.onnx.export(Tabular(), path)
    assert not path.exists()


# The shell ---------------------------------------------------------------------------------------


def test_the_shell_exports(tmp_path, capsys):
    net = an.Sequential(an.Affine.init(3, 2, rng=0), loss=an.SoftmaxWithLoss())
    net.save(tmp_path / "net.npz")
    assert main(["export", str(tmp_path / "net.npz")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'net.onnx'}\n"
    out = tmp_path / "other.onnx"
    assert main(
        ["export", str(tmp_path / "net.npz"), "--out", str(out), "--probabilities", "--opset", "20"]
    ) == 0  # fmt: skip
    assert onnx.load(out).opset_import[0].version == 20
    assert isinstance(an.onnx.load(out).loss, an.SoftmaxWithLoss)
    assert an.onnx.load(tmp_path / "net.onnx").loss is None


def test_the_shell_exports_a_table_model(table_model, tmp_path, capsys):
    model = str(tmp_path / "model.npz")
    assert main(["export", model]) == 0
    assert capsys.readouterr() == (f"{tmp_path / 'model.onnx'}\n", "")
    assert len(onnx.load(tmp_path / "model.onnx").graph.input) == 3
    assert main(["export", model, "--no-encoding"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{tmp_path / 'model.onnx'}\n"
    assert all(part in printed.err for part in LOST)
    assert main(["export", model, "--no-encoding", "--out", "model.npz"]) == 2
    assert "--out" in capsys.readouterr().err
    table_model.metadata["table"]["columns"][0]["std"] = 0
    table_model.save(model)
    (tmp_path / "model.onnx").unlink()
    assert main(["export", model]) == 2
    line = capsys.readouterr().err
    assert "model.npz" in line
    assert "--no-encoding" in line
    assert not (tmp_path / "model.onnx").exists()


# Pipelines ---------------------------------------------------------------------------------------


def test_the_converters_for_pipelines_need_skl2onnx(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r'needs skl2onnx: pip install "affinet\[skl2onnx\]"'):
        an.onnx.register_skl2onnx()
