"""Pictures of networks and of what they predict."""

import subprocess
import sys

import numpy as np
import pytest

import affinet as an
from affinet.diagnostics.functions import POINTS
from affinet.plotting import (
    activation_functions,
    confusion_matrix,
    decision_regions,
    first_layer_weights,
    predicted_against_true,
    predictions,
    save_figure,
)
from affinet.plotting.figures import COLOURS, MARKERS
from affinet.plotting.images import image_shape, mosaic
from affinet.plotting.regions import blend
from tolerance import assert_close

matplotlib = pytest.importorskip("matplotlib", reason="needs matplotlib, the extra cli")
figure_module = pytest.importorskip("matplotlib.figure")


@pytest.fixture
def ax():
    return figure_module.Figure().subplots()


@pytest.fixture
def plane():
    """A network that calls points right of the middle 1, and some points."""
    net = an.Sequential(
        an.Affine(np.array([[-4.0, 4.0], [0.0, 0.0]]), np.zeros(2)), loss=an.SoftmaxWithLoss()
    )
    return net, np.array([[-1.0, 0.0], [1.0, 1.0], [0.5, -1.0]]), np.array([0, 1, 1])


def texts(axes):
    return [text.get_text() for text in axes.texts]


# Every one of them -------------------------------------------------------------------------------


def draw_all(net, x, t, ax=None):
    return {
        "confusion_matrix": confusion_matrix([[1, 0], [1, 2]], ax=ax),
        "predicted_against_true": predicted_against_true([1, 2], [1, 3], ax=ax),
        "decision_regions": decision_regions(net, x, t, ax=ax, resolution=8),
        "first_layer_weights": first_layer_weights(net, (1, 2), ax=ax),
    }


def test_each_returns_its_axes_and_can_be_saved(plane, tmp_path):
    for name, axes in draw_all(*plane).items():
        save_figure(axes, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        if name != "first_layer_weights":
            assert axes.get_xlabel()
            assert axes.get_ylabel()


def test_each_draws_into_given_axes(plane, ax):
    assert all(axes is ax for axes in draw_all(*plane, ax=ax).values())


def test_global_settings_stay_as_they_are(plane, tmp_path):
    before = dict(matplotlib.rcParams)
    for axes in draw_all(*plane).values():
        save_figure(axes, tmp_path / "a.png")
    save_figure(activation_functions()[0], tmp_path / "a.png")
    assert dict(matplotlib.rcParams) == before


def test_pyplot_is_never_imported():
    code = (
        "import sys, numpy as np, affinet as an; from affinet.plotting import *\n"
        "net = an.Sequential(an.Affine.init(4, 2, rng=0), loss=an.SoftmaxWithLoss())\n"
        "two = an.Sequential(an.Affine.init(2, 2, rng=0), loss=an.SoftmaxWithLoss())\n"
        "confusion_matrix(np.eye(2)); first_layer_weights(net); activation_functions()\n"
        "predictions(np.ones((1, 4)), [[0.1, 0.9]]); predicted_against_true([1.0], [2.0])\n"
        "decision_regions(two, np.ones((1, 2)), [1], resolution=4)\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r'pip install "affinet\[cli\]"'):
        confusion_matrix([[1]])


def test_colours_and_marks_are_all_different():
    assert len(set(COLOURS)) == len(COLOURS) == 8
    assert len(set(MARKERS)) == len(MARKERS)


# Confusion matrix --------------------------------------------------------------------------------


def test_counts_stand_with_the_true_class_down():
    counts = [[8, 2, 0], [0, 0, 0], [1, 1, 2]]
    axes = confusion_matrix(counts, ["a", "b", "c"])
    assert texts(axes) == ["8", "2", "0", "0", "0", "0", "1", "1", "2"]
    shades = np.asarray(axes.images[0].get_array())
    assert_close(shades, np.array([[0.8, 0.2, 0], [0, 0, 0], [0.25, 0.25, 0.5]]))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    assert [text.get_color() for text in axes.texts][:2] == ["white", "black"]
    assert texts(confusion_matrix(counts, normalize=True))[:3] == ["0.80", "0.20", "0.00"]


def test_many_classes_are_drawn_without_numbers():
    axes = confusion_matrix(np.eye(60))
    assert texts(axes) == []
    assert len(axes.get_xticks()) == 20


@pytest.mark.parametrize(
    ("counts", "classes", "problem"),
    [
        ([[1, 2, 3], [4, 5, 6]], None, r"shape \(2, 3\)"),
        (np.zeros((0, 0)), None, "shape"),
        (3.0, None, "shape"),
        ([[1, -1], [0, 1]], None, "counts has -1"),
        ([[1, np.nan], [0, 1]], None, "nan"),
        ([[1, 0], [0, 1]], ["a"], "classes has 1 names, wanted 2"),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(counts, classes, problem):
    with pytest.raises(ValueError, match=problem):
        confusion_matrix(counts, classes)


# Numbers -----------------------------------------------------------------------------------------


def test_predicted_numbers_stand_over_the_true_ones():
    axes = predicted_against_true([1.0, 2.0], [[3.0], [4.0]], "price")
    assert np.asarray(axes.collections[0].get_offsets()).tolist() == [[1.0, 3.0], [2.0, 4.0]]
    (line,) = axes.lines
    assert list(line.get_xdata()) == list(line.get_ydata()) == [1.0, 4.0]


@pytest.mark.parametrize(("t", "y"), [([1], [1, 2]), ([], []), ([np.nan], [1]), ([1], [np.inf])])
def test_numbers_that_do_not_fit_are_refused(t, y):
    with pytest.raises(ValueError, match=r"t has|nan|inf"):
        predicted_against_true(t, y)


# Activation functions ----------------------------------------------------------------------------


def test_functions_and_derivatives():
    axes = activation_functions([an.Tanh(), an.ReLU()], reach=3)
    tanh, relu = axes
    x = np.linspace(-3, 3, POINTS)
    for line, values in zip(tanh.lines, (np.tanh(x), 1 - np.tanh(x) ** 2), strict=True):
        assert list(line.get_xdata()) == list(x)
        assert_close(np.asarray(line.get_ydata()), values, reduction=8, scale=1.0)
    step = np.asarray(relu.lines[1].get_ydata())
    assert np.flatnonzero(np.isnan(step)).tolist() == [POINTS // 2]  # the corner: no line across
    assert (step[: POINTS // 2] == 0).all()
    assert (step[POINTS // 2 + 1 :] == 1).all()
    assert relu.get_title() == "ReLU()"
    assert len({line.get_linestyle() for line in relu.lines}) == 2


def test_all_of_affinet_s_activations_are_drawn_if_none_is_named():
    titles = {panel.get_title().partition("(")[0] for panel in activation_functions()}
    assert titles >= {"ReLU", "LeakyReLU", "Sigmoid", "Tanh"}
    assert not titles & {"Affine", "Dropout"}


def test_activations_take_given_axes(ax):
    assert activation_functions(an.Tanh(), ax)[0] is ax
    panels = figure_module.Figure().subplots(2, 2)
    assert list(activation_functions([an.Tanh()] * 3, panels)) == list(panels.flat[:3])
    assert not panels[1, 1].axison
    with pytest.raises(ValueError, match="axes has 1 axes, wanted at least 2"):
        activation_functions([an.Tanh(), an.ReLU()], ax)


@pytest.mark.parametrize(
    "bad", [[an.Affine.init(2, 2, rng=0)], [an.Dropout(0.5)], ["relu"], [an.ReLU]]
)
def test_what_is_no_activation_is_refused(bad):
    with pytest.raises(TypeError, match="wanted activations"):
        activation_functions(bad)
    with pytest.raises(ValueError, match="layers is empty"):
        activation_functions([])


# Images ------------------------------------------------------------------------------------------


def test_a_mosaic_holds_every_image_once():
    images = np.arange(5 * 2 * 3, dtype=float).reshape(5, 2, 3)
    picture = mosaic(images)
    known = picture[~np.isnan(picture)]
    assert sorted(known) == list(range(30))
    assert picture[1:3, 1:4].tolist() == images[0].tolist()
    assert picture[1:3, 5:8].tolist() == images[1].tolist()
    assert np.isnan(picture[0]).all()
    assert np.isnan(picture[:, 0]).all()


def test_weights_are_those_of_the_first_layer():
    W = np.arange(12.0).reshape(4, 3)
    net = an.Sequential(an.Dropout(0.5), an.Affine(W, np.zeros(3)), an.ReLU())
    axes = first_layer_weights(net, n=2)
    drawn = np.asarray(axes.images[0].get_array().filled(np.nan))
    assert drawn[1:3, 1:3].tolist() == [[0, 3], [6, 9]]
    assert drawn[1:3, 4:6].tolist() == [[1, 4], [7, 10]]
    assert axes.get_title() == "weights of 2 of 3 units"
    assert axes.images[0].get_clim() == (-10.0, 10.0)  # the same both ways: white is 0


def test_the_shape_of_images():
    assert image_shape(64, None) == (8, 8)
    assert image_shape(6, None, [2, 3]) == (2, 3)
    assert image_shape(6, (3, 2), [2, 3]) == (3, 2)
    with pytest.raises(ValueError, match="6 numbers are no square image"):
        image_shape(6, None)
    with pytest.raises(ValueError, match=r"shape is \(2, 2\), wanted one of 6"):
        image_shape(6, (2, 2))


def test_weights_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match="no Affine layer"):
        first_layer_weights(an.Sequential(an.ReLU()))
    with pytest.raises(ValueError, match="not finite"):
        first_layer_weights(an.Sequential(an.Affine(np.full((1, 1), np.nan), np.zeros(1))))
    with pytest.raises(ValueError, match="n is 0"):
        first_layer_weights(an.Sequential(an.Affine.init(1, 1, rng=0)), n=0)


def test_predictions_tell_the_class_and_what_it_should_be():
    x = np.arange(3 * 4.0).reshape(3, 2, 2)
    y = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]
    axes = predictions(x, y, [0, 0, 0], classes=["cat", "dog"], n=2)
    assert [panel.get_title() for panel in axes] == ["cat 0.90", "dog 0.80\nnot cat"]
    assert np.asarray(axes[1].images[0].get_array()).tolist() == x[1].tolist()
    assert axes[0].images[0].get_clim() == axes[1].images[0].get_clim() == (0.0, 7.0)
    widths = [panel.spines["top"].get_linewidth() for panel in axes]
    assert widths[1] > widths[0]
    plain = predictions(x.reshape(3, 4), y)
    assert [panel.get_title() for panel in plain] == ["0 0.90", "1 0.80", "0 0.60"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"x": np.zeros(4)}, r"x has shape \(4,\)"),
        ({"y": np.zeros((2, 2))}, r"y has shape \(2, 2\), wanted \(1, C\)"),
        ({"t": [0, 1]}, r"t has shape \(2,\)"),
        ({"classes": ["a"]}, "classes has 1 names, wanted 2"),
        ({"shape": (3, 3)}, "shape is"),
        ({"y": [[np.nan, 1]]}, "nan"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(arguments, problem):
    given = {"x": np.zeros((1, 4)), "y": [[0.5, 0.5]], **arguments}
    with pytest.raises(ValueError, match=problem):
        predictions(given.pop("x"), given.pop("y"), **given)


# Regions -----------------------------------------------------------------------------------------


def test_regions_are_the_network_s_and_stand_where_they_are(plane):
    net, x, t = plane
    axes = decision_regions(net, x, t, resolution=11, classes=["l", "r"], names=("u", "v"))
    image = axes.images[0]
    left, right, bottom, top = image.get_extent()
    assert (left, right) == pytest.approx((-1.16, 1.16))
    assert (bottom, top) == pytest.approx((-1.16, 1.16))
    assert image.origin == "lower"
    shades = np.asarray(image.get_array())
    lattice = np.array([(u, v) for v in np.linspace(-1.16, 1.16, 11)
                        for u in np.linspace(-1.16, 1.16, 11)])  # fmt: skip
    wanted = blend(net.predict_proba(lattice).reshape(11, 11, 2))
    np.testing.assert_array_equal(shades, wanted)
    offsets = [np.asarray(points.get_offsets()).tolist() for points in axes.collections[-2:]]
    assert offsets == [[[-1.0, 0.0]], [[1.0, 1.0], [0.5, -1.0]]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["l", "r"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("u", "v")


def test_surer_is_stronger():
    pale, strong, other = blend(np.array([[[0.6, 0.4], [1.0, 0.0], [0.0, 1.0]]]))[0]
    assert (strong <= pale).all()
    assert not np.allclose(strong, other)
    assert ((pale >= 0) & (pale <= 1)).all()


def test_one_point_and_one_class_can_be_drawn():
    net = an.Sequential(an.Affine.init(2, 1, rng=0), loss=an.SoftmaxWithLoss())
    decision_regions(net, [[3.0, 3.0]], [0], resolution=4)


def test_points_that_do_not_fit_are_refused(plane):
    net, x, t = plane
    for arguments, problem in (
        ((net, x[:, :1], t), r"x has shape \(3, 1\)"),
        ((net, x, t[:2]), r"t has shape \(2,\)"),
        ((net, x * np.nan, t), "nan"),
    ):
        with pytest.raises(ValueError, match=problem):
            decision_regions(*arguments)
    with pytest.raises(ValueError, match="classes has 1 names, wanted 2"):
        decision_regions(net, x, t, classes=["a"])
    with pytest.raises(ValueError, match="names has 1"):
        decision_regions(net, x, t, names=["a"])
    with pytest.raises(TypeError, match="no probabilities"):
        decision_regions(an.Sequential(an.Affine.init(2, 2, rng=0)), x, t)
