"""Models of tables as graphs that take the table's columns, beside the models themselves."""

import json

import numpy as np
import pytest

import affinet as an
from affinet.cli import main
from affinet.tables import Encoding, NumberTarget, Table, read_table
from affinet.tabular import recipe_for
from shell_tables import NAMES, people, prices, write_csv

onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
pytest.importorskip("onnxruntime", reason="needs onnxruntime")

from onnx_tables import feed, raw_columns, session  # noqa: E402


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


def answers(path, columns):
    """The outputs of a file for columns, by name."""
    opened = session(path)
    found = opened.run(None, feed(opened, columns))
    return dict(zip((output.name for output in opened.get_outputs()), found, strict=True))


def network(encoding, n_outputs, dtype="float32", **options):
    rng = np.random.default_rng(0)
    return an.Sequential(
        an.Affine.init(encoding.width, 5, rng=rng, dtype=dtype),
        an.SiLU(),
        an.Affine.init(5, n_outputs, rng=rng, dtype=dtype),
        **options,
    )


COLUMNS = {
    "größe in m²": np.array([1.5, 2.5, np.nan, 4.0, 5.5, -1.0]),
    "x y": ["rot", "", "blau", "rot", "grün", "blau"],
    "label": np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0]),
    "constant": np.full(6, 2.0),
}
CLASSES = ["so", "anders", "weiß", "so", "anders", "weiß"]


def of_classes(dtype="float32", **options):
    table = Table("t", COLUMNS | {"ziel": CLASSES})
    options = {"scaling": "robust", "one_hot": 9, "missing": "indicator"} | options
    encoding = Encoding.fit(table, "ziel", **options)
    net = network(encoding, 3, dtype, loss=an.SoftmaxWithLoss(label_smoothing=0.1))
    net.metadata = {"table": encoding.to_json(), "classes": list(encoding.target.classes)}
    return net, encoding


def of_numbers(dtype="float32", clamp=True):
    table = Table("t", COLUMNS | {"ziel": np.arange(6.0) * 1e4 + 7})
    encoding = Encoding.fit(
        table, "ziel", task="regression", scaling="quantile", missing="indicator", clamp=clamp
    )
    net = network(encoding, 1, dtype, loss=an.MeanSquaredError(), input_scale=0.5)
    net.metadata = {"table": encoding.to_json()}
    return net, encoding


def assert_same_model(back, net):
    """The same layers, loss, metadata and bits."""
    assert repr(back) == repr(net)
    assert back.dtype == net.dtype
    assert back.metadata == net.metadata
    assert back.input_scale == net.input_scale
    for name, array in net.params.items():
        assert back.params[name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize("opset", [13, 17, 18, 22])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_classes(path, dtype, opset):
    net, encoding = of_classes(dtype)
    an.onnx.export(net, path, opset=opset)
    found = answers(path, COLUMNS)
    x = encoding.inputs(Table("t", COLUMNS), dtype)
    wanted = net.predict_proba(x)
    assert [*found] == ["label_", "probabilities"]  # label is a column
    np.testing.assert_allclose(found["probabilities"], wanted, atol=20 * np.finfo(dtype).eps)
    names = np.array(encoding.target.classes, object)
    np.testing.assert_array_equal(found["label_"], names[wanted.argmax(axis=1)])
    assert_same_model(an.onnx.load(path), net)


@pytest.mark.parametrize("clamp", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_in_their_unit(path, dtype, clamp):
    net, encoding = of_numbers(dtype, clamp)
    an.onnx.export(net, path)
    (found,) = answers(path, COLUMNS).values()
    x = encoding.inputs(Table("t", COLUMNS), dtype)
    wanted = encoding.target.restore(net.predict(x))
    np.testing.assert_allclose(found.ravel(), wanted, rtol=0, atol=5e5 * np.finfo(dtype).eps)
    assert found.shape == (6, 1)
    assert_same_model(an.onnx.load(path), net)


def test_what_predict_refuses_has_no_answer(path):
    """Infinite numbers, and what a model without indicators does not know."""
    known = {"a": np.array([1.0, 2.0, 4.0, 8.0]), "b": ["x", "y", "x", "y"]}
    encoding = Encoding.fit(Table("t", known | {"t": ["p", "q", "p", "q"]}), "t")
    net = network(encoding, 2, loss=an.SoftmaxWithLoss())
    net.metadata = {"table": encoding.to_json()}
    an.onnx.export(net, path)
    numbers = np.array([1.0, np.nan, np.inf, 1.0, 1.0, 1e300, 8.0])
    texts = ["x", "x", "x", "z", "NA", "x", "y"]
    found = answers(path, {"a": numbers, "b": texts})
    without = [1, 2, 3, 4, 5]
    assert found["label"][without].tolist() == [""] * 5
    assert np.isnan(found["probabilities"][without]).all()
    x = encoding.inputs(Table("t", {"a": numbers[[0, 6]], "b": ["x", "y"]}))
    wanted = net.predict_proba(x)
    np.testing.assert_allclose(found["probabilities"][[0, 6]], wanted, atol=1e-6)


@pytest.mark.parametrize("n", [0, 1])
def test_few_rows(path, n):
    for net, encoding in (of_classes(), of_numbers()):
        an.onnx.export(net, path)
        found = answers(path, {name: column[:n] for name, column in COLUMNS.items()})
        assert all(len(output) == n for output in found.values())
        x = encoding.inputs(Table("t", COLUMNS))[:n]
        if n:
            wanted = encoding.target
            y = net.predict(x)
            y = wanted.restore(y) if isinstance(wanted, NumberTarget) else net.predict_proba(x)
            np.testing.assert_allclose(found.popitem()[1].ravel(), y.ravel(), rtol=1e-5)


def test_inputs_of_another_dtype(path):
    net, _ = of_numbers()
    an.onnx.export(net, path, input_dtype=np.float32)
    types = {given.name: given.type for given in session(path).get_inputs()}
    assert types["label"] == "tensor(float)"
    assert types["x y"] == "tensor(string)"
    (single,) = answers(path, COLUMNS).values()
    assert_same_model(an.onnx.load(path), net)
    an.onnx.export(net, path)
    (double,) = answers(path, COLUMNS).values()
    np.testing.assert_array_equal(single, double)


def test_a_loaded_model_predicts_with_its_encoding(path):
    net, encoding = of_classes()
    an.onnx.export(net, path)
    back = an.onnx.load(path)
    again = Encoding.from_json(back.metadata["table"])
    assert again == encoding
    x = again.inputs(Table("t", COLUMNS))
    np.testing.assert_array_equal(back.predict_proba(x), net.predict_proba(x))
    first = path.read_bytes()
    an.onnx.export(back, path)
    assert path.read_bytes() == first


# What is refused ---------------------------------------------------------------------------------


def refused(net, path, match, **options):
    with pytest.raises((TypeError, ValueError), match=match) as caught:
        an.onnx.export(net, path, **options)
    assert "\n" not in str(caught.value)
    assert not path.exists()


def test_options_of_a_network_alone(path):
    net, _ = of_numbers()
    refused(net, path, "input_name is 'rows'", input_name="rows")
    refused(net, path, "output_name is 'z'", output_name="z")
    refused(net, path, "gives no probabilities", probabilities=True)
    refused(net, path, "wanted one of real numbers", input_dtype="U3")
    an.onnx.export(of_classes()[0], path, probabilities=True)


def test_names_that_a_graph_cannot_have(path):
    refusals = {
        "table.LessOrEqual": "rename it",
        "a\ud800": "UTF-8",
        "": "named '', or it is empty",
    }
    for name, match in refusals.items():
        encoding = Encoding.fit(
            Table("t", {name: np.arange(4.0), "t": np.array([1.5, 2, 3, 4])}), "t"
        )
        net = network(encoding, 1)
        net.metadata = {"table": encoding.to_json()}
        refused(net, path, match)


def test_networks_that_do_not_fit_their_metadata(path):
    net, encoding = of_classes()
    net.loss = an.MeanSquaredError()
    refused(net, path, "wanted SoftmaxWithLoss for the classes of 'ziel'")
    wide = network(encoding, 4, loss=an.SoftmaxWithLoss())
    wide.metadata = net.metadata
    refused(wide, path, "returns 4 numbers a row, its table's encoding wants . and 3")
    net, _ = of_classes()
    recipe = recipe_for("tabm", "default", "classification", n_rows=100).to_json()
    for temperature in (0, -1.0, "1", float("nan")):
        net.metadata |= {"temperature": temperature, "recipe": recipe}
        refused(net, path, "'temperature' is")
    net.metadata |= {"temperature": 1.0, "recipe": {"method": "mlp"}}
    refused(net, path, "'recipe' is")
    net.metadata["recipe"] = recipe | {"task": "regression"}
    refused(net, path, "recipe is for regression, its table for classification")
    net.metadata["recipe"] = recipe
    other = an.Sequential(an.MemberAffine(3, encoding.width, 3, rng=0), loss=an.SoftmaxWithLoss())
    other.metadata = net.metadata
    for options in ({}, {"encoding": False}):
        refused(other, path, "layer 0 has 3 members, the network's recipe 32", **options)


def ensemble_of_classes(*dtypes):
    """Networks whose ensemble, not they themselves, has the record of the table."""
    _, encoding = of_classes()
    loss = an.SoftmaxWithLoss()
    ensemble = an.Ensemble(network(encoding, 3, dtype, loss=loss) for dtype in dtypes)
    ensemble.metadata = {"table": encoding.to_json()}
    return ensemble, encoding


def test_an_ensemble_of_double_precision(path):
    ensemble, encoding = ensemble_of_classes("float64", "float64")
    an.onnx.export(ensemble, path)
    wanted = ensemble.predict_proba(encoding.inputs(Table("t", COLUMNS), np.float64))
    np.testing.assert_allclose(answers(path, COLUMNS)["probabilities"], wanted, rtol=1e-12)


def test_networks_of_one_record_share_one_dtype(path):
    ensemble, _ = ensemble_of_classes("float32", "float64")
    refused(ensemble, path, "the networks have different dtypes, wanted one for all")


def test_a_layer_without_a_form_in_onnx_is_named(path):
    class Own(an.ReLU):
        pass

    net, encoding = of_numbers()
    own = an.Sequential(an.Affine.init(encoding.width, 1), Own())
    own.metadata = net.metadata
    refused(own, path, "layer 1: cannot export Own")


# The shell ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["realmlp", "mlp"])
@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_the_shells_models(tmp_path, monkeypatch, capsys, task, model):
    monkeypatch.chdir(tmp_path)  # for the learning curve
    csv = tmp_path / "t.csv"
    if task == "classes":
        write_csv(csv, NAMES, people(80))
    else:
        write_csv(csv, ["size", "town", "price"], prices(80))
    target = "group" if task == "classes" else "price"
    out = str(tmp_path / "m.npz")
    predict = ["predict", out, str(csv), "--json"]
    predict += ["--probabilities"] if task == "classes" else []
    options = ["--model", model, "--epochs", "2", "--seed", "0", "--quiet", "--out", out]
    assert main(["train", str(csv), "--target", target, *options]) == 0
    assert main(["export", out]) == 0
    capsys.readouterr()
    assert main(predict) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    path = str(tmp_path / "m.onnx")
    found = answers(path, raw_columns(session(path), read_table(csv)))
    if task == "classes":
        assert found["label"].tolist() == [row["class"] for row in rows]
        wanted = [[*row["probabilities"].values()] for row in rows]
        np.testing.assert_allclose(found["probabilities"], wanted, atol=1e-5)
    else:
        np.testing.assert_allclose(found["prediction"], rows, rtol=1e-4)
    an.onnx.load(path).save(out)
    assert main(predict) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == rows
