"""Metrics: by hand, against scikit-learn, and what they refuse."""

import functools

import numpy as np
import pytest

import affinet as an
from affinet import metrics

CLASSES = (metrics.accuracy, metrics.top_k_accuracy, metrics.f1_score, metrics.confusion_matrix)
VALUES = (metrics.mean_absolute_error, metrics.root_mean_squared_error, metrics.r2_score)


@pytest.fixture
def scored():
    """Scores (60, 4), classes of which the last never comes, weights with zeros."""
    rng = np.random.default_rng(3)
    return rng.standard_normal((60, 4)), rng.integers(0, 3, 60), rng.integers(0, 4, 60) / 2


# By hand -----------------------------------------------------------------------------------------


def test_accuracy_of_indices_and_rows():
    y = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    labels = np.array([0, 1, 1, 1], np.uint8)
    assert metrics.accuracy(y, labels) == metrics.accuracy(y, np.eye(2)[labels]) == 0.75
    assert metrics.accuracy(y.tolist(), labels.tolist()) == 0.75
    assert metrics.accuracy(y, labels[:, np.newaxis]) == 0.75
    assert metrics.accuracy([0, 1, 0, 1], labels.astype(float)) == 0.75


def test_a_column_of_logits_stands_for_class_one_where_it_is_positive():
    logits = np.array([[-2.0], [0.0], [1e-9], [3.0]])
    assert metrics.accuracy(logits, [0, 0, 1, 1]) == 1
    assert metrics.confusion_matrix(logits, [0, 1, 0, 1]).tolist() == [[1, 1], [1, 1]]


def test_of_equal_scores_the_first_counts():
    y = np.zeros((3, 3))
    assert metrics.accuracy(y, [0, 1, 2]) == 1 / 3
    assert [metrics.top_k_accuracy(y, [0, 1, 2], k) for k in (1, 2, 3, 9)] == [1 / 3, 2 / 3, 1, 1]


def test_a_nan_hits_no_target_of_another_class():
    y = np.array([[np.nan, 1.0], [0.0, np.nan]])
    assert metrics.top_k_accuracy(y, [1, 0], k=1) == 0


def test_f1_by_hand():
    y, t = [0, 0, 1, 1, 2], [0, 1, 1, 2, 2]
    # Class 0: TP 1, FP 1, FN 0; class 1: 1, 1, 1; class 2: 1, 0, 1.
    assert metrics.f1_score(y, t) == pytest.approx((2 / 3 + 2 / 4 + 2 / 3) / 3)
    assert metrics.f1_score(y, t, "micro") == pytest.approx(3 / 5)
    assert metrics.f1_score([0, 0], [0, 0], "binary") == 0
    assert metrics.f1_score([1, 1], [1, 1], "binary") == 1


def test_the_matrix_has_targets_as_rows_and_predictions_as_columns():
    matrix = metrics.confusion_matrix([2, 2, 0], [0, 0, 1])
    assert matrix.tolist() == [[0, 0, 2], [1, 0, 0], [0, 0, 0]]
    assert matrix.dtype.kind == "i"
    assert metrics.confusion_matrix([0], [0], n_classes=3).shape == (3, 3)
    assert metrics.confusion_matrix(np.eye(4)[:1], [0]).shape == (4, 4)


def test_errors_of_values():
    y, t = [[1.0, 2.0], [3.0, 5.0]], [[0.0, 2.0], [6.0, 1.0]]
    assert metrics.mean_absolute_error(y, t) == (1 + 0 + 3 + 4) / 4
    assert metrics.root_mean_squared_error(y, t) == pytest.approx((5**0.5 + 8**0.5) / 2)
    assert metrics.mean_absolute_error(y, t, [3, 1]) == (3 * 0.5 + 3.5) / 4
    assert metrics.mean_absolute_error([1, 2], np.array([[0], [0]])) == 1.5
    assert metrics.mean_absolute_error(np.array([0], np.uint8), np.array([255], np.uint8)) == 255


def test_r2_of_equal_targets():
    assert metrics.r2_score([2.0, 2.0], [2.0, 2.0]) == 1
    assert metrics.r2_score([2.0, 3.0], [2.0, 2.0]) == 0


@pytest.mark.parametrize("metric", CLASSES + VALUES, ids=lambda m: m.__name__)
def test_whole_weights_are_rows_so_many_times(metric, scored):
    y, t, weights = scored
    if metric in VALUES:
        t = y[::-1] + 0.5
    times = (2 * weights).astype(int)
    np.testing.assert_allclose(
        metric(y, t, sample_weight=2 * weights), metric(y.repeat(times, 0), t.repeat(times, 0))
    )
    np.testing.assert_allclose(metric(y, t, sample_weight=np.ones(60)), metric(y, t))


# Against scikit-learn ----------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_as_scikit_learn_has_it(scored, weighted):
    learn = pytest.importorskip("sklearn.metrics")
    y, t, weights = scored
    w = {"sample_weight": weights if weighted else None}
    predicted = y.argmax(axis=1)
    assert metrics.accuracy(y, t, **w) == pytest.approx(learn.accuracy_score(t, predicted, **w))
    for average in ("macro", "micro"):
        expected = learn.f1_score(t, predicted, average=average, **w)
        assert metrics.f1_score(y, t, average, **w) == pytest.approx(expected)
    expected = learn.f1_score(t > 0, predicted > 0, **w)
    assert metrics.f1_score(predicted > 0, t > 0, "binary", **w) == pytest.approx(expected)
    for k in (1, 2, 3):
        expected = learn.top_k_accuracy_score(t, y, k=k, labels=range(4), **w)
        assert metrics.top_k_accuracy(y, t, k, **w) == pytest.approx(expected)
    matrix = learn.confusion_matrix(t, predicted, labels=range(4), **w)
    np.testing.assert_allclose(metrics.confusion_matrix(y, t, **w), matrix)
    targets = y + np.random.default_rng(0).standard_normal(y.shape)
    for metric in VALUES:
        expected = getattr(learn, metric.__name__)(targets, y, **w)
        assert metric(y, targets, **w) == pytest.approx(expected)


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "t", "error", "match"),
    [
        ([0.5, 0.2], [0, 1], TypeError, "y has fractions"),
        ([[0.5, 0.2]], [0.5], TypeError, "t has fractions"),
        ([[0.5, 0.2]], [-1], ValueError, "t holds -1"),
        ([[0.5, 0.2]], [0, 1], ValueError, "t has 2 rows, wanted 1"),
        (np.zeros((0, 2)), np.zeros(0, int), ValueError, "at least one row"),
        (np.zeros((2, 2, 2)), [0, 1], ValueError, "y has shape"),
        ([["a", "b"]], [0], TypeError, "y has dtype"),
        (1, 1, ValueError, "y has shape"),
    ],
)
@pytest.mark.parametrize("metric", [metrics.accuracy, metrics.f1_score, metrics.confusion_matrix])
def test_classes_that_are_none(metric, y, t, error, match):
    with pytest.raises(error, match=match):
        metric(y, t)


def test_arguments_out_of_range():
    y = [[0.1, 0.9]]
    with pytest.raises(ValueError, match=r"class 2, wanted 0\.\.1"):
        metrics.top_k_accuracy(y, [2])
    with pytest.raises(ValueError, match="k is 0"):
        metrics.top_k_accuracy(y, [1], 0)
    with pytest.raises(ValueError, match=r"y has shape \(1,\)"):
        metrics.top_k_accuracy([1], [1])
    with pytest.raises(ValueError, match=r"t holds class 2, wanted 0\.\.1"):
        metrics.confusion_matrix(y, [2], n_classes=2)
    with pytest.raises(ValueError, match="average is 'weighted', wanted one of macro"):
        metrics.f1_score(y, [1], "weighted")
    with pytest.raises(ValueError, match="there is a class 2"):
        metrics.f1_score([2], [1], "binary")
    for shape in ((2, 1), (1, 2), (1, 3, 1)):
        with pytest.raises(ValueError, match="t has shape"):
            metrics.mean_absolute_error(np.zeros((1, 3)), np.zeros(shape))


@pytest.mark.parametrize("metric", [metrics.accuracy, metrics.mean_absolute_error])
@pytest.mark.parametrize("weights", [[1], [1, -1], [0, 0], [1, np.nan], [1, np.inf], [[1], [1]]])
def test_weights_that_are_none(metric, weights):
    with pytest.raises(ValueError, match="sample_weight"):
        metric([1, 0], [1, 1], sample_weight=weights)


# In evaluate and fit -----------------------------------------------------------------------------


@pytest.fixture
def net():
    return an.Sequential(an.Affine.init(4, 3, rng=0), loss=an.SoftmaxWithLoss())


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((20, 4)), np.arange(20) % 3


def never_wrong(y, t):
    assert y.shape[0] == len(t)
    return np.float32(1)


def test_evaluate_gives_what_is_asked_for_after_its_own(net, data):
    y, t = net.predict(data[0]), data[1]
    second = functools.partial(metrics.top_k_accuracy, k=2)
    figures = net.evaluate(*data, metrics=["f1", never_wrong, second])
    assert list(figures) == ["loss", "accuracy", "f1", "never_wrong", "top_k_accuracy"]
    assert figures["f1"] == metrics.f1_score(y, t)
    assert figures["top_k_accuracy"] == metrics.top_k_accuracy(y, t, k=2)
    assert type(figures["never_wrong"]) is float
    named = net.evaluate(*data, metrics={"first": lambda y, t: 0, "second": "f1"})
    assert (named["first"], named["second"]) == (0, figures["f1"])


def test_evaluate_of_a_single_row(net, data):
    one = net.evaluate(data[0][0], data[1][0], metrics=["f1"])
    assert one == net.evaluate(data[0][:1], data[1][:1], metrics=["f1"])


@pytest.mark.parametrize("name", metrics.BY_NAME)
def test_every_name_is_known(data, name):
    values = name not in ("accuracy", "top_k_accuracy", "f1", "f1_score")
    loss = an.MeanSquaredError() if values else an.SoftmaxWithLoss()
    net = an.Sequential(an.Affine.init(4, 3, rng=0), loss=loss)
    t = np.eye(3)[data[1]]
    function = metrics.BY_NAME[name]
    assert net.evaluate(data[0], t, metrics=[name])[name] == function(net.predict(data[0]), t)


def test_fit_records_the_metrics_of_the_validation_data(net, data):
    history = net.fit(*data, epochs=3, validation_data=data, metrics=["f1", never_wrong])
    assert history.names[-2:] == ("val_f1", "val_never_wrong")
    assert history["val_f1"][-1] == net.evaluate(*data, metrics=["f1"])["f1"]


@pytest.mark.parametrize(
    ("wanted", "error", "match"),
    [
        (["speed"], ValueError, "'speed' is not one of accuracy, top_k"),
        ("f1", TypeError, "metrics is 'f1', wanted a list"),
        (5, TypeError, "metrics is 5"),
        ([5], TypeError, "metrics: 5"),
        (["f1", "f1"], ValueError, "'f1' is given twice"),
        ([lambda y, t: 0], ValueError, "a lambda has no name"),
        ({"a": dict}, TypeError, "wanted a name or a function"),
        ([metrics.confusion_matrix], TypeError, "confusion_matrix gave .*wanted one number"),
    ],
)
def test_metrics_that_are_none(net, data, wanted, error, match):
    with pytest.raises(error, match=match):
        net.evaluate(*data, metrics=wanted)


def test_metrics_without_validation_data_are_refused_before_training(net, data):
    before = net.params.flat.copy()
    with pytest.raises(ValueError, match="metrics were given without validation_data"):
        net.fit(*data, metrics=["f1"])
    with pytest.raises(ValueError, match="'speed'"):
        net.fit(*data, metrics=["speed"], validation_data=data)
    np.testing.assert_array_equal(net.params.flat, before)


# Which way is up ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["loss", "val_loss", "val_rmse", "val_mean_absolute_error", "mse"])
def test_what_is_better_when_small(name):
    assert not metrics.larger_is_better(name)


@pytest.mark.parametrize("name", ["accuracy", "val_f1", "val_top_k_accuracy", "r2_score", "my_auc"])
def test_what_is_better_when_large(name):
    assert metrics.larger_is_better(name)


def test_a_name_that_does_not_tell():
    with pytest.raises(ValueError, match="'val_norm', whose name does not say"):
        metrics.larger_is_better("val_norm")


def test_what_labels_and_values_cannot_be():
    labels = [[1, 0], [0, 1]]
    with pytest.raises(ValueError, match="average is 'binary', wanted 'macro' or 'micro' for sev"):
        metrics.f1_score(labels, labels, average="binary", multilabel=True)
    with pytest.raises(ValueError, match=r"y has shape \(2,\), wanted \(B, L\): a logit for each"):
        metrics.f1_score([1.0, 2.0], [1, 0], multilabel=True)
    with pytest.raises(ValueError, match="t holds values other than 0 and 1, wanted rows of 0"):
        metrics.f1_score(labels, [[2, 0], [0, 1]], multilabel=True)
    with pytest.raises(ValueError, match=r"y\[1\] holds a NaN, wanted finite scores"):
        metrics.confusion_matrix([[1.0, 0.0], [np.nan, 0.0]], [0, 1])
    with pytest.raises(ValueError, match=r"y has shape \(2, 0\), wanted at least one number a row"):
        metrics.r2_score(np.zeros((2, 0)), np.zeros((2, 0)))
    assert np.isnan(metrics.r2_score([1.0], [2.0]))  # one target has no variance


def test_a_metric_of_one_class_refuses_several_labels():
    net = an.Sequential(an.Affine.init(3, 2, rng=0), loss=an.SigmoidWithLoss())
    x, t = np.zeros((4, 3), "f"), np.zeros((4, 2), "f")
    with pytest.raises(ValueError, match=r"top_k_accuracy wants one class a row, but .* several"):
        net.evaluate(x, t, metrics=["top_k_accuracy"])
