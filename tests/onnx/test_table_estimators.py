"""Fitted estimators of tables as graphs that take the table's columns."""

import functools

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")
onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
version_converter = pytest.importorskip("onnx.version_converter")
pytest.importorskip("onnxruntime", reason="needs onnxruntime")

import affinet as an  # noqa: E402
from affinet.tables import Encoding, Table  # noqa: E402
from affinet.tabular import outputs, recipe_for  # noqa: E402
from onnx_tables import feed, raw_columns, session  # noqa: E402
from tabular_frames import CLASS, CODE, NUMBER, VALUE, classifier, objects, pandas_frame, regressor  # noqa: E402

METHODS = ("mlp", "realmlp", "realmlp-s", "tabm")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


def run(path, frame):
    opened = session(path)
    return opened.run(None, feed(opened, raw_columns(opened, Table.from_frame(frame))))


def assert_parameters(back, net):
    for (name, array), other in zip(net.params.items(), back.params.values(), strict=True):
        assert other.tobytes() == array.tobytes(), name


@pytest.fixture(scope="module")
def fitted():
    """A classifier of a method, fitted once."""

    @functools.cache
    def fit(method):
        model = classifier(method=method, epochs=1).fit(pandas_frame(), CLASS)
        model.temperature_ = 1.75
        return model

    return fit


@pytest.mark.parametrize("method", METHODS)
def test_classifiers(path, fitted, method):
    X = pandas_frame()
    model = fitted(method)
    an.onnx.export(model, path)
    label, probabilities = run(path, X)
    np.testing.assert_array_equal(label, model.predict(X))
    np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=0, atol=1e-5)
    back = an.onnx.load(path)
    assert_parameters(back, model.net_)
    assert Encoding.from_json(back.metadata["table"]) == model.encoding_
    assert back.metadata["temperature"] == 1.75
    assert repr(back.loss) == repr(model.net_.loss)
    x = model.encoding_.inputs(Table.from_frame(X), unknown="zero")
    np.testing.assert_array_equal(
        outputs(model.recipe_, back, x), outputs(model.recipe_, model.net_, x)
    )


@pytest.mark.parametrize("method", METHODS)
def test_regressors(path, method):
    X = objects()
    model = regressor(method=method, epochs=1).fit(X, VALUE)
    an.onnx.export(model, path, opset=18)
    (found,) = run(path, X)
    np.testing.assert_allclose(found.ravel(), model.predict(X), rtol=1e-5)
    assert_parameters(an.onnx.load(path), model.net_)


@pytest.mark.parametrize("opset", [13, 18])
def test_a_file_converted_to_newer_operators(path, fitted, opset):
    model = fitted("tabm")
    an.onnx.export(model, path, opset=opset)
    wanted = run(path, pandas_frame())
    onnx.save(version_converter.convert_version(onnx.load(path), 20), path)
    for found, answer in zip(run(path, pandas_frame()), wanted, strict=True):
        np.testing.assert_array_equal(found, answer)
    assert_parameters(an.onnx.load(path), model.net_)


def test_labels_that_are_numbers_are_texts(path):
    X = np.column_stack([NUMBER, CODE])
    model = classifier(categorical_features=[1]).fit(X, CODE)
    an.onnx.export(model, path)
    label, _ = run(path, X)
    assert label.tolist() == [str(value) for value in model.predict(X)]
    assert an.onnx.load(path).metadata["classes"] == [0, 1, 2, 3]


# An ensemble alone -------------------------------------------------------------------------------


@pytest.mark.parametrize(("opset", "probabilities"), [(17, True), (18, False)])
def test_an_ensemble_alone_takes_every_row_once(path, fitted, opset, probabilities):
    X = pandas_frame()
    model = fitted("tabm")
    an.onnx.export(
        *(model, path), encoding=False, opset=opset, probabilities=probabilities,
        input_dtype=np.float64,
    )  # fmt: skip
    x = model.encoding_.inputs(Table.from_frame(X), np.float64, unknown="zero")
    wanted = outputs(model.recipe_, model.net_, x)
    if probabilities:
        wanted = np.exp(wanted) / np.exp(wanted).sum(axis=1, keepdims=True)
    (found,) = session(path).run(None, {"x": x})
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
    (found,) = session(path).run(None, {"x": x[:0]})
    assert found.shape == (0, 3)
    back = an.onnx.load(path)
    assert_parameters(back, model.net_)
    np.testing.assert_array_equal(
        outputs(model.recipe_, back, x), outputs(model.recipe_, model.net_, x)
    )


def test_an_ensemble_of_double_precision_alone(path):
    recipe = recipe_for("tabm", "default", "regression", n_rows=100)
    table = Table("t", {"a": NUMBER, "t": VALUE})
    encoding = Encoding.fit(table, "t", task="regression", missing="indicator")
    net = an.Sequential(
        an.MemberAffine(recipe.members, encoding.width, 1, rng=0, dtype="float64"),
        loss=an.MeanSquaredError(),
    )
    net.metadata = {"table": encoding.to_json(), "recipe": recipe.to_json()}
    an.onnx.export(net, path, encoding=False)
    x = encoding.inputs(table, np.float64)
    (found,) = session(path).run(None, {"x": x})
    np.testing.assert_allclose(found, outputs(recipe, net, x), rtol=1e-12, atol=1e-12)
    assert "Cast" not in {node.op_type for node in onnx.load(path).graph.node}
    assert_parameters(an.onnx.load(path), net)
