"""Every metric beside scikit-learn's: two classes, several, several labels, several outputs."""

import functools
import warnings

import numpy as np
import pytest

import affinet as an
from affinet import metrics

learn = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn")

RNG = np.random.default_rng(5)
N = 40
WEIGHTS = {"unweighted": None, "weighted": RNG.random(N) + 0.1}
LABELS = {
    "usual": RNG.integers(0, 2, (N, 4)),
    "one label never wanted": RNG.integers(0, 2, (N, 4)) * [1, 0, 1, 1],
    "no label wanted": np.zeros((N, 4), int),
    "every label wanted": np.ones((N, 4), int),
    "one label a row": np.eye(4, dtype=int)[RNG.integers(0, 4, N)],
}
LOGITS = {
    "usual": RNG.standard_normal((N, 4)),
    "one label never predicted": RNG.standard_normal((N, 4)) - [0, 9, 0, 0],
    "no label predicted": -RNG.random((N, 4)),
    "zeros": np.zeros((N, 4)),
}
weighted = pytest.mark.parametrize("weights", WEIGHTS)


def kept_quiet(function, *arguments, **options):
    """scikit-learn's figure without its warnings about undefined values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


@weighted
@pytest.mark.parametrize("logits", LOGITS)
@pytest.mark.parametrize("labels", LABELS)
def test_several_labels(labels, logits, weights):
    y, t, w = LOGITS[logits], LABELS[labels], {"sample_weight": WEIGHTS[weights]}
    predicted = (y > 0).astype(int)
    figure = metrics.accuracy(y, t, multilabel=True, **w)
    assert figure == pytest.approx(learn.accuracy_score(t, predicted, **w))
    for average in ("macro", "micro"):
        expected = kept_quiet(learn.f1_score, t, predicted, average=average, **w)
        assert metrics.f1_score(y, t, average, multilabel=True, **w) == pytest.approx(expected)
        assert metrics.f1_score(predicted, t, average, multilabel=True, **w) == pytest.approx(
            expected
        )


@weighted
@pytest.mark.parametrize("absent", [None, 0, 1, 2])
@pytest.mark.parametrize("t_form", ["indices", "column", "one-hot", "floats"])
def test_one_class_of_several(absent, t_form, weights):
    """A class that never occurs in the targets or the predictions, or only in the predictions."""
    y, w = RNG.standard_normal((N, 3)), {"sample_weight": WEIGHTS[weights]}
    classes = RNG.integers(0, 3, N)
    if absent is not None:
        classes = np.where(classes == absent, (absent + 1) % 3, classes)
    t = {"indices": classes, "column": classes[:, np.newaxis], "one-hot": np.eye(3)[classes],
         "floats": classes.astype(float)}[t_form]  # fmt: skip
    for scores in (y, y - 9 * np.eye(3)[absent or 0]):
        predicted = scores.argmax(axis=1)
        assert metrics.accuracy(scores, t, **w) == pytest.approx(
            learn.accuracy_score(classes, predicted, **w)
        )
        for average in ("macro", "micro"):
            expected = kept_quiet(learn.f1_score, classes, predicted, average=average, **w)
            assert metrics.f1_score(scores, t, average, **w) == pytest.approx(expected)
        np.testing.assert_allclose(
            metrics.confusion_matrix(scores, t, **w),
            learn.confusion_matrix(classes, predicted, labels=range(3), **w),
        )
        for k in (1, 2, 3):
            expected = kept_quiet(
                learn.top_k_accuracy_score, classes, scores, k=k, labels=range(3), **w
            )
            assert metrics.top_k_accuracy(scores, t, k, **w) == pytest.approx(expected)


@weighted
@pytest.mark.parametrize("wanted", [None, 0, 1])
@pytest.mark.parametrize("predicted", [None, 0, 1])
def test_two_classes(wanted, predicted, weights):
    """By a column of logits and by classes; also where only one of the two is there."""
    w = {"sample_weight": WEIGHTS[weights]}
    t = RNG.integers(0, 2, N) if wanted is None else np.full(N, wanted)
    y = RNG.standard_normal((N, 1)) if predicted is None else np.full((N, 1), 2.0 * predicted - 1)
    classes = (y[:, 0] > 0).astype(int)
    for form in (y, classes):
        assert metrics.accuracy(form, t, **w) == pytest.approx(
            learn.accuracy_score(t, classes, **w)
        )
        for average in ("macro", "micro", "binary"):
            expected = kept_quiet(learn.f1_score, t, classes, average=average, **w)
            assert metrics.f1_score(form, t, average, **w) == pytest.approx(expected)


@weighted
@pytest.mark.parametrize("n_outputs", [None, 1, 3])
@pytest.mark.parametrize("kind", ["usual", "constant", "constant and met", "one constant", "far"])
def test_values(kind, n_outputs, weights):
    shape = (N,) if n_outputs is None else (N, n_outputs)
    # Whole weights: with others scikit-learn's mean of equal numbers is rounded, see below.
    w = {"sample_weight": None if weights == "unweighted" else np.arange(N) % 3 + 1}
    t, y = RNG.standard_normal(shape), RNG.standard_normal(shape)
    if kind == "far":
        t, y = t + 1e6, y + 1e6
    elif kind == "one constant" and n_outputs == 3:
        t[:, 1] = 2.0
    elif kind.startswith("constant"):
        t = np.full(shape, 2.0)
        y = t if kind == "constant and met" else y
    for name in ("mean_absolute_error", "root_mean_squared_error", "r2_score"):
        expected = getattr(learn, name)(t, y, **w)
        assert getattr(metrics, name)(y, t, **w) == pytest.approx(expected, rel=1e-9)


def test_r2_where_scikit_learn_rounds():
    """0.1 three times has a mean that is not 0.1, and yet no variance."""
    t = np.full((3, 1), 0.1)
    assert metrics.r2_score(t, t) == 1
    assert metrics.r2_score(t + 1, t) == 0
    assert metrics.r2_score([5.0, 1.0, 2.0], [1.0, 1.0, 9.0], [1, 1, 0]) == 0


def test_r2_of_one_row_is_not_defined():
    assert np.isnan(metrics.r2_score([1.0], [1.0]))
    assert np.isnan(kept_quiet(learn.r2_score, [1.0], [1.0]))


# What has no meaning -----------------------------------------------------------------------------


@pytest.mark.parametrize("metric", [metrics.accuracy, metrics.f1_score, metrics.confusion_matrix])
@pytest.mark.parametrize("row", [[1, 1, 0], [0, 0, 0], [0.5, 0.1, 0.1], [-1, 2, 0], [1, np.nan, 0]])
def test_rows_of_several_labels_are_not_one_class(metric, row):
    with pytest.raises(ValueError, match=r"t\[1\] is .*multilabel=True"):
        metric(np.eye(3), [[1, 0, 0], row, [0, 0.25, 0.75]])


def test_arguments_of_several_labels():
    y = np.ones((3, 2))
    with pytest.raises(ValueError, match=r"t has shape \(3,\), wanted \(3, 2\)"):
        metrics.accuracy(y, [0, 1, 1], multilabel=True)
    with pytest.raises(ValueError, match=r"y has shape \(3,\), wanted \(B, L\)"):
        metrics.f1_score([0, 1, 1], [0, 1, 1], multilabel=True)
    with pytest.raises(ValueError, match="t holds values other than 0 and 1"):
        metrics.accuracy(y, 2 * y, multilabel=True)
    with pytest.raises(ValueError, match="average is 'binary'"):
        metrics.f1_score(y, y, "binary", multilabel=True)
    with pytest.raises(ValueError, match=r"y has shape \(3, 1\), wanted scores"):
        metrics.top_k_accuracy(y[:, :1], [0, 1, 1])


def test_a_nan_is_never_right():
    nan = np.nan
    assert metrics.accuracy([[nan, 1.0], [0.0, 1.0]], [0, 1]) == 0.5
    assert metrics.accuracy([[nan], [-1.0]], [0, 0]) == 0.5
    assert metrics.f1_score([[nan, 1.0], [0.0, 1.0]], [0, 1], "micro") == 2 / 3
    rows = [[nan, -1.0], [1.0, -1.0]]
    assert metrics.accuracy(rows, [[1, 0], [1, 0]], multilabel=True) == 0.5
    assert metrics.accuracy(rows, [[0, 0], [1, 0]], multilabel=True) == 0.5
    assert metrics.f1_score(rows, [[1, 0], [1, 0]], "micro", multilabel=True) == 2 / 4
    with pytest.raises(ValueError, match=r"y\[0\] holds a NaN"):
        metrics.confusion_matrix([[nan, 1.0], [0.0, 1.0]], [0, 1])


# By name, under a loss ---------------------------------------------------------------------------


def network(loss, n_outputs):
    return an.Sequential(an.Affine.init(4, n_outputs, rng=1), loss=loss)


X = RNG.standard_normal((N, 4))


@weighted
def test_evaluate_several_labels(weights):
    """The loss's accuracy and the metric of that name are the same figure."""
    net, t, w = network(an.SigmoidWithLoss(), 4), LABELS["usual"], WEIGHTS[weights]
    own = net.evaluate(X, t, w)
    found = net.evaluate(X, t, w, metrics=["accuracy", "f1", functools.partial(
        metrics.f1_score, average="micro")])  # fmt: skip
    assert found["accuracy"] == pytest.approx(own["accuracy"])
    predicted = net.predict(X) > 0
    for name, average in (("f1", "macro"), ("f1_score", "micro")):
        expected = learn.f1_score(t, predicted, average=average, sample_weight=w)
        assert found[name] == pytest.approx(expected)
    one = net.evaluate(X[0], t[0], metrics=["accuracy"])
    assert one["accuracy"] == (predicted[0] == t[0]).all()


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_evaluate_one_class(n_outputs):
    loss = an.SigmoidWithLoss() if n_outputs == 1 else an.SoftmaxWithLoss()
    net, t = network(loss, n_outputs), RNG.integers(0, max(n_outputs, 2), N)
    own = net.evaluate(X, t)["accuracy"]
    assert net.evaluate(X, t, metrics=["accuracy"])["accuracy"] == own


def test_fit_records_several_labels():
    net, t = network(an.SigmoidWithLoss(), 4), LABELS["usual"]
    history = net.fit(X, t, epochs=2, validation_data=(X, t), metrics={"again": "accuracy"})
    assert history["val_again"] == history["val_accuracy"]


def test_poisson_is_measured_in_counts():
    net, t = network(an.Poisson(), 1), RNG.poisson(2.0, N)
    found = net.evaluate(X, t, metrics=["mae", "rmse", "r2"])
    rates = np.exp(net.predict(X))
    assert found["mae"] == pytest.approx(learn.mean_absolute_error(t, rates))
    assert found["rmse"] == pytest.approx(learn.root_mean_squared_error(t, rates))
    assert found["r2"] == pytest.approx(learn.r2_score(t, rates))


@pytest.mark.parametrize(
    ("loss", "n_outputs", "t", "name", "match"),
    [
        (an.SigmoidWithLoss(), 4, LABELS["usual"], "top_k_accuracy", "wants one class a row"),
        (an.SigmoidWithLoss(), 4, LABELS["usual"], "mae", "compares values, but .*are logits"),
        (an.SigmoidWithLoss(), 1, LABELS["usual"][:, 0], "rmse", "compares values"),
        (an.SoftmaxWithLoss(), 4, LABELS["one label a row"], "r2", "compares values"),
        (an.MeanSquaredError(), 1, LABELS["usual"][:, 0], "accuracy", "is a value; wanted mae"),
        (an.MeanSquaredError(), 4, LOGITS["usual"], "f1", "wanted one class a row"),
        (an.Huber(), 1, X[:, 0], "f1", "is a value"),
    ],
)
def test_a_metric_without_a_meaning_raises_by_name(loss, n_outputs, t, name, match):
    with pytest.raises(ValueError, match=match):
        network(loss, n_outputs).evaluate(X, t, metrics=[name])


def test_a_function_of_the_users_receives_the_outputs():
    net = network(an.Poisson(), 1)
    found = net.evaluate(X, np.ones(N), metrics={"first": lambda y, t: y[0, 0]})
    assert found["first"] == net.predict(X)[0, 0]
