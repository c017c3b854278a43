"""scikit-learn's pipelines that end in an estimator of affinet's, converted by skl2onnx."""

import warnings

import numpy as np
import pytest

skl2onnx = pytest.importorskip("skl2onnx", reason="needs skl2onnx, the extra skl2onnx")
runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")

import onnx  # noqa: E402
from skl2onnx.common import data_types as kinds  # noqa: E402
from sklearn.compose import make_column_transformer  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler  # noqa: E402

import affinet as an  # noqa: E402
from affinet.estimators import (  # noqa: E402
    MLPClassifier,
    MLPRegressor,
    SearchClassifier,
    TabularClassifier,
    TabularRegressor,
)

N = 60
RNG = np.random.default_rng(0)
X = 3 * RNG.standard_normal((N, 4)) + 1
PLACE = np.arange(N) % 3
NAMES = np.array(["ash", "elm", "oak"])[PLACE]
MLP = {"hidden_layer_sizes": (6,), "max_iter": 4, "random_state": 0}
TABLE = {"method": "mlp", "epochs": 1, "random_state": 0, "n_threads": 1}
SPACE = {"width": [8, 16], "lr": [0.01], "batch_size": 32}

CLASSIFIERS = {
    "texts": (MLPClassifier(**MLP), NAMES),
    "integers": (MLPClassifier(**MLP, activation="mish"), 7 * PLACE - 3),
    "whole floats": (MLPClassifier(**MLP), PLACE.astype(float)),
    "two": (MLPClassifier(**MLP), PLACE > 0),
    "one": (MLPClassifier(**MLP), 0 * PLACE + 5),
    "several labels": (MLPClassifier(**MLP), np.eye(3, dtype=int)[PLACE]),
    "seeds": (MLPClassifier(**MLP, n_estimators=2), PLACE % 2),
    "folds": (MLPClassifier(**MLP, cv=2), NAMES),
    "table": (TabularClassifier(**TABLE), PLACE - 1),
    "folds of a table": (TabularClassifier(**TABLE, cv=2, n_estimators=2), NAMES),
    "search": (SearchClassifier(SPACE, 3, epochs=2, random_state=0), NAMES),
}
REGRESSORS = {
    "number": (MLPRegressor(**MLP, activation="leaky_relu"), X[:, 0]),
    "two numbers": (MLPRegressor(**MLP, n_estimators=2), X[:, :2]),
    "counts": (MLPRegressor(**MLP, loss="poisson", cv=2), PLACE),
    "table": (TabularRegressor(**TABLE), X[:, 0]),
    "folds of a table": (TabularRegressor(**TABLE, cv=2), X[:, 1]),
}


@pytest.fixture(autouse=True)
def registered():
    an.onnx.register_skl2onnx()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # networks of four epochs, and skl2onnx's of its own code
        yield


def run(model, *columns):
    """What ONNX Runtime makes of the columns."""
    onnx.checker.check_model(model, full_check=True)
    runtime.set_default_logger_severity(3)
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [given.name for given in session.get_inputs()]
    return session.run(None, dict(zip(names, columns, strict=True)))


def tolerance(dtype):
    return {"rtol": 0, "atol": 2e-6 if dtype == np.float32 else 2e-7}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name, dtype):
    estimator, y = CLASSIFIERS[name]
    # A scaling by quantiles is steep: the last digit of another one before it would count.
    first = FunctionTransformer() if name == "search" else StandardScaler()
    pipeline = make_pipeline(first, estimator).fit(X, y)
    model = skl2onnx.to_onnx(pipeline, X[:1].astype(dtype), options={"zipmap": False})
    x = X.astype(dtype)
    label, probabilities = run(model, x)
    np.testing.assert_array_equal(label, pipeline.predict(x))
    assert probabilities.dtype == dtype
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(x), **tolerance(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors(name, dtype):
    estimator, y = REGRESSORS[name]
    pipeline = make_pipeline(StandardScaler(), estimator).fit(X, y)
    x = X.astype(dtype)
    (found,) = run(skl2onnx.to_onnx(pipeline, x[:1]), x)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, pipeline.predict(x).reshape(N, -1), **tolerance(dtype))


@pytest.mark.parametrize("opset", [13, 18, 21])
def test_the_opset_asked_for(opset):
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(**MLP)).fit(X, PLACE)
    model = skl2onnx.to_onnx(pipeline, X[:1], options={"zipmap": False}, target_opset=opset)
    assert next(i.version for i in model.opset_import if not i.domain) <= opset
    np.testing.assert_array_equal(run(model, X)[0], pipeline.predict(X))


def test_options():
    model = MLPClassifier(**MLP).fit(X, NAMES)
    wanted = model.predict_proba(X)
    single = X.astype(np.float32)
    _, maps = run(skl2onnx.to_onnx(model, single[:1]), single)  # maps are of single precision
    assert sorted(maps[0]) == ["ash", "elm", "oak"]
    np.testing.assert_allclose([row["elm"] for row in maps], wanted[:, 1], rtol=1e-5)
    found = run(skl2onnx.to_onnx(model, X[:1], options={"zipmap": "columns"}), X)
    np.testing.assert_allclose(np.column_stack(found[1:]), wanted, rtol=1e-6)
    options = {"zipmap": False, "nocl": True}
    label, _ = run(skl2onnx.to_onnx(model, X[:1], options=options), X)
    np.testing.assert_array_equal(label, wanted.argmax(axis=1))


def test_a_table_of_several_inputs():
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    frame = pandas.DataFrame({"size": X[:, 0], "kind": NAMES, "code": 2 * PLACE, "old": X[:, 1]})
    frame.loc[::7, "size"] = np.nan
    estimator = TabularClassifier(**TABLE, categorical_features=["code"])
    model = estimator.fit(frame, PLACE % 2)
    inputs = [
        ("size", kinds.FloatTensorType([None, 1])),
        ("kind", kinds.StringTensorType([None, 1])),
        ("rest", kinds.DoubleTensorType([None, 2])),
    ]
    converted = skl2onnx.convert_sklearn(
        model, initial_types=inputs, options={id(model): {"zipmap": False}}
    )
    size = frame[["size"]].to_numpy(np.float32).copy()
    rest = frame[["code", "old"]].to_numpy(np.float64).copy()
    label, probabilities = run(converted, size, frame[["kind"]].to_numpy(object), rest)
    np.testing.assert_array_equal(label, model.predict(frame))
    np.testing.assert_allclose(probabilities, model.predict_proba(frame), rtol=0, atol=1e-6)
    # No category, nor those that a cast to integers or a print of eight digits makes of them.
    rest[:, 0] += np.resize([0.5, 1e-9, -4, np.nan, 1e19], N)
    frame["code"] = rest[:, 0]
    label, probabilities = run(converted, size, frame[["kind"]].to_numpy(object), rest)
    np.testing.assert_allclose(probabilities, model.predict_proba(frame), rtol=0, atol=1e-6)
    size[0] = np.inf
    label, probabilities = run(converted, size, frame[["kind"]].to_numpy(object), rest)
    assert label[0] == np.iinfo(np.int64).min
    assert np.isnan(probabilities[0]).all()
    assert not np.isnan(probabilities[1:]).any()


def test_a_table_of_one_input_whose_width_is_unknown():
    model = TabularRegressor(**TABLE).fit(X, X[:, 0])
    wide = [("x", kinds.DoubleTensorType([None, None]))]
    (found,) = run(skl2onnx.convert_sklearn(model, initial_types=wide), X)
    np.testing.assert_allclose(found.ravel(), model.predict(X), rtol=1e-6)


def test_texts_through_a_column_transformer():
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    frame = pandas.DataFrame({"size": X[:, 0], "kind": NAMES})
    transformer = make_column_transformer(
        (StandardScaler(), ["size"]), (OneHotEncoder(sparse_output=False), ["kind"])
    )
    pipeline = make_pipeline(transformer, MLPRegressor(**MLP)).fit(frame, X[:, 1])
    inputs = [
        ("size", kinds.DoubleTensorType([None, 1])),
        ("kind", kinds.StringTensorType([None, 1])),
    ]
    model = skl2onnx.convert_sklearn(pipeline, initial_types=inputs)
    (found,) = run(model, frame[["size"]].to_numpy(), frame[["kind"]].to_numpy(object))
    np.testing.assert_allclose(found.ravel(), pipeline.predict(frame), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["texts", "two", "whole floats"])
def test_a_classifier_alone_is_read_back(tmp_path, name):
    estimator, y = CLASSIFIERS[name]
    model = estimator.fit(X, y)
    onnx.save(skl2onnx.to_onnx(model, X[:1]), tmp_path / "model.onnx")
    back = an.onnx.load(tmp_path / "model.onnx")
    np.testing.assert_array_equal(back.predict(X), model.net_.predict(X))
    assert back.metadata["classes"] == model.classes_.tolist()


def test_what_is_refused():
    for model, options in ((MLPClassifier(), {"zipmap": False}), (TabularRegressor(), None)):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            skl2onnx.to_onnx(model, X[:1], options=options)
    cells = np.column_stack([X[:, :1].astype(object), NAMES])
    table = TabularRegressor(**TABLE).fit(cells, X[:, 0])
    with pytest.raises(TypeError, match="column 'x1' is DoubleTensorType, wanted StringTensorType"):
        skl2onnx.to_onnx(table, X[:1, :2])
    with pytest.raises(ValueError, match=r"TabularRegressor have \[3\] columns, wanted 2"):
        skl2onnx.to_onnx(table, X[:1, :3])


def test_layers_of_ones_own_are_refused():
    class Own(an.ReLU):
        pass

    model = MLPClassifier(**MLP).fit(X, PLACE)
    model.net_.layers[1].__class__ = Own
    with pytest.raises(TypeError, match="layer 1: cannot export"):
        skl2onnx.to_onnx(model, X[:1])
