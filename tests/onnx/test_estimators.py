"""Estimators with several networks as one graph, and the precisions of an ensemble's members."""

import json

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")
onnx = pytest.importorskip("onnx", reason="needs onnx, the extra onnx")
pytest.importorskip("onnxruntime", reason="needs onnxruntime")

import affinet as an  # noqa: E402
from affinet.ensemble.selection import combined  # noqa: E402
from affinet.estimators import (  # noqa: E402
    MLPClassifier,
    MLPRegressor,
    SearchClassifier,
    SearchRegressor,
)
from affinet.tables import Table  # noqa: E402
from affinet.tabular import calibrated, outputs  # noqa: E402
from onnx_tables import feed, raw_columns, session  # noqa: E402
from tabular_frames import CLASS, VALUE, classifier, objects, pandas_frame, regressor  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(0).standard_normal((60, 4))
PLACE = np.arange(60) % 3
MLP = {"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0}
SPACE = {"width": [8, 16], "lr": [0.003, 0.01], "batch_size": 32}
OF_MANY = [{"n_estimators": 2}, {"cv": 2}, {"cv": 2, "n_estimators": 2}]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


def run(path, frame):
    """What ONNX Runtime makes of the columns of a frame, and of none of its rows."""
    opened = session(path)
    columns = feed(opened, raw_columns(opened, Table.from_frame(frame)))
    nothing = opened.run(None, {name: column[:0] for name, column in columns.items()})
    assert all(len(answer) == 0 for answer in nothing)
    return opened.run(None, columns)


# Networks of the same rows -----------------------------------------------------------------------


@pytest.mark.parametrize("options", OF_MANY)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_classifiers(path, n_classes, options):
    model = MLPClassifier(**MLP, **options).fit(X, PLACE % n_classes)
    an.onnx.export(model, path, probabilities=True)
    (found,) = session(path).run(None, {"x": X})
    wanted = model.predict_proba(X)
    np.testing.assert_allclose(found, wanted[:, -found.shape[1] :], rtol=1e-12)
    properties = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert json.loads(properties["classes"]) == list(range(n_classes))


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("options", OF_MANY)
def test_regressors(path, loss, options):
    model = MLPRegressor(loss, **MLP, **options).fit(X, PLACE)
    an.onnx.export(model, path)
    (found,) = session(path).run(None, {"x": X})
    found = np.exp(found) if loss == "poisson" else found
    np.testing.assert_allclose(found.ravel(), model.predict(X), rtol=1e-12)


def test_a_fold_without_a_class_is_refused(path):
    places, known = np.arange(60), np.flatnonzero(PLACE)
    folds = [(places[:30], places[30:]), (known[:30], known[30:])]
    model = MLPClassifier(**MLP, cv=folds).fit(X, PLACE)
    with pytest.raises(
        ValueError, match=r"network 1 of the MLPClassifier knows the classes \[1, 2"
    ):
        an.onnx.export(model, path)
    assert not path.exists()


class Own:
    """A custom loss, which has no probabilities."""

    def __init__(self):
        self.inner = an.SoftmaxWithLoss()

    def forward(self, x, t):
        return self.inner.forward(x, t)

    def backward(self, dout=1.0):
        return self.inner.backward(dout)


class OwnProbabilities(Own):
    """Another one, which has."""

    def probabilities(self, x):
        return self.inner.probabilities(2 * x)


def test_custom_losses_of_classifiers(path):
    model = MLPClassifier(**MLP, n_estimators=2, loss=Own()).fit(X, PLACE)
    an.onnx.export(model, path, probabilities=True)
    (found,) = session(path).run(None, {"x": X})
    np.testing.assert_allclose(found, model.predict_proba(X), rtol=1e-12)
    assert all(type(single.net_.loss) is Own for single in model.estimators_)
    model = MLPClassifier(**MLP, n_estimators=2, loss=OwnProbabilities()).fit(X, PLACE)
    with pytest.raises(TypeError, match=r"OwnProbabilities.* defines its own probabilities"):
        an.onnx.export(model, path)


def test_the_precisions_of_members_are_kept(path):
    nets = [
        an.Sequential(an.Affine.init(4, 2, rng=seed), precision=precision)
        for seed, precision in enumerate(["bfloat16", None])
    ]
    an.onnx.export(an.Ensemble(nets), path)
    properties = {p.key: json.loads(p.value) for p in onnx.load(path).metadata_props}
    assert properties["affinet.precision"] == ["bfloat16", None]
    with pytest.raises(ValueError, match="it holds an ensemble of 2 networks, wanted a single one"):
        an.onnx.load(path)


# Networks that encode a table --------------------------------------------------------------------


@pytest.mark.parametrize("options", [*OF_MANY, {"n_estimators": 2, "method": "tabm"}])
def test_classifiers_of_tables(path, options):
    frame = pandas_frame().iloc[:60]
    model = classifier(epochs=1, **options).fit(frame, CLASS[:60])
    an.onnx.export(model, path)
    label, probabilities = run(path, frame)
    np.testing.assert_array_equal(label, model.predict(frame))
    np.testing.assert_allclose(probabilities, model.predict_proba(frame), rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="it holds an ensemble of"):
        an.onnx.load(path)


@pytest.mark.parametrize("options", OF_MANY)
def test_regressors_of_tables(path, options):
    rows = objects()
    model = regressor(epochs=1, **options).fit(rows, VALUE)
    an.onnx.export(model, path, opset=18)
    (found,) = run(path, rows)
    np.testing.assert_allclose(found.ravel(), model.predict(rows), rtol=1e-6)


def test_networks_with_the_same_encoding_encode_rows_once(path):
    model = classifier(epochs=1, n_estimators=3).fit(pandas_frame(), CLASS)
    an.onnx.export(model.estimators_[0], path)
    once = [node.op_type for node in onnx.load(path).graph.node].count("LabelEncoder")
    an.onnx.export(model, path)
    assert [node.op_type for node in onnx.load(path).graph.node].count("LabelEncoder") == once > 0


def test_folds_of_a_table_without_a_class(path):
    rows, places = objects(), np.arange(len(CLASS))
    known = places[CLASS != "low"]
    folds = [(places[40:], places[:40]), (known[40:], known[:40])]
    model = classifier(epochs=1, cv=folds).fit(rows, CLASS)
    assert {len(fold.classes_) for fold in model.estimators_} == {2, 3}
    an.onnx.export(model, path)
    label, probabilities = run(path, rows)
    np.testing.assert_array_equal(label, model.predict(rows))
    np.testing.assert_allclose(probabilities, model.predict_proba(rows), rtol=0, atol=1e-6)


def test_rows_that_predict_refuses(path):
    rows = objects()[:, :1].astype(float)
    for model, y in ((classifier(n_estimators=2), CLASS), (regressor(cv=2), VALUE)):
        an.onnx.export(model.fit(rows, y), path)
        opened = session(path)
        given = {opened.get_inputs()[0].name: np.array([[0.5], [np.inf]])}
        *label, numbers = opened.run(None, given)
        assert np.isfinite(numbers[0]).all()
        assert np.isnan(numbers[1]).all()
        assert all(texts[1] == "" != texts[0] for texts in label)


@pytest.mark.parametrize("search", [SearchClassifier, SearchRegressor])
def test_searches(path, search):
    frame, classifies = pandas_frame(), search is SearchClassifier
    model = search(SPACE, 4, epochs=3, random_state=0).fit(frame, CLASS if classifies else VALUE)
    an.onnx.export(model, path)
    *label, numbers = run(path, frame)
    if classifies:
        np.testing.assert_array_equal(label[0], model.predict(frame))
        np.testing.assert_allclose(numbers, model.predict_proba(frame), rtol=0, atol=1e-6)
    else:
        np.testing.assert_allclose(numbers.ravel(), model.predict(frame), rtol=1e-6)


def test_an_ensemble_of_models_of_one_table(path):
    """Each is calibrated by its own temperature, and the weights are the ensemble's."""
    frame = pandas_frame()
    model = classifier(epochs=1, n_estimators=2).fit(frame, CLASS)
    nets, wanted = [], 0
    for temperature, weight, single in zip(
        (1.5, 0.7), (0.25, 0.75), model.estimators_, strict=True
    ):
        single.temperature_ = temperature
        an.onnx.export(single, path)
        nets.append(an.onnx.load(path))  # with its encoding and temperature
        wanted = wanted + weight * single.predict_proba(frame)
    an.onnx.export(an.Ensemble(nets, [1, 3]), path)
    label, probabilities = run(path, frame)
    np.testing.assert_allclose(probabilities, wanted, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(label, model.classes_[wanted.argmax(axis=1)])


@pytest.mark.parametrize("make", [classifier, regressor])
def test_one_record_for_all_networks(path, make):
    """As a training of several networks is saved: each of them may be an ensemble in itself."""
    frame = pandas_frame().iloc[:60]
    model = make(method="tabm", epochs=1, n_estimators=2)
    model.fit(frame, (CLASS if make is classifier else VALUE)[:60])
    first, recipe = model.estimators_[0], model.estimators_[0].recipe_
    ensemble = an.Ensemble([single.net_ for single in model.estimators_], [1, 3])
    ensemble.metadata = {
        "table": first.encoding_.to_json(), "recipe": recipe.to_json(), "temperature": 1.5
    }  # fmt: skip
    an.onnx.export(ensemble, path)
    *_, found = run(path, frame)
    x = first.encoding_.inputs(Table.from_frame(frame), unknown="zero")
    each = np.stack([outputs(recipe, net, x) for net in ensemble.members])
    mean = combined(ensemble.loss, each, ensemble.weights)
    target = first.encoding_.target
    wanted = calibrated(mean, 1.5) if make is classifier else target.restore(mean)
    np.testing.assert_allclose(found, wanted.reshape(found.shape), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="each of its networks has members itself"):
        an.onnx.export(ensemble, path, encoding=False)


def test_what_is_refused(path):
    rows = np.empty((60, 1), object)
    rows[:, 0] = [*range(30), *"abcde" * 6]  # numbers in one fold, texts in the other
    folds = [(np.arange(20), np.arange(20, 30)), (np.arange(30, 50), np.arange(50, 60))]
    model = regressor(epochs=1, cv=folds).fit(rows, X[:, 0])
    with pytest.raises(ValueError, match="column 'x0' holds numbers for one network"):
        an.onnx.export(model, path)
    with pytest.raises(TypeError, match="several networks for a table, wanted one"):
        an.onnx.export(model, path, encoding=False)
    assert not path.exists()
