"""What pictures must not do: mislead by a scale, by rounding, or by labels that cannot be read."""

from itertools import pairwise

import numpy as np
import pytest

import affinet as an
from affinet import diagnostics, plotting
from affinet.cli.figures import in_natural_order, natural_key
from affinet.diagnostics.advice import percent
from affinet.plotting.figures import share_text

pytest.importorskip("matplotlib", reason="needs matplotlib, the extra cli")
figure_module = pytest.importorskip("matplotlib.figure")

EPOCHS = [
    {"loss": 2.0, "accuracy": 0.9, "val_loss": 1.0, "val_accuracy": 1.0},
    {"loss": 1.0, "accuracy": 0.95, "val_loss": 0.5, "val_accuracy": 1.0},
]


def drawn(axes):
    """The figure of these axes, with every text in its place."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(axes.figure).draw()
    return axes.figure


def boxes(texts):
    return [text.get_window_extent() for text in texts if text.get_text() and text.get_visible()]


def overlaps(one, other):
    return (
        min(one.x1, other.x1) - max(one.x0, other.x0) > 0.5
        and min(one.y1, other.y1) - max(one.y0, other.y0) > 0.5
    )


def test_labels_of_large_numbers_do_not_overlap():
    t = np.linspace(1.2e5, 1.05e6, 50)
    axes = plotting.predicted_against_true(t, t + 1e4, "price")
    drawn(axes)
    labels = axes.get_xticklabels()
    assert any(label.get_text() == "500,000" for label in labels)
    assert {label.get_rotation() for label in labels} == {30.0}
    # Parallel texts at 30 degrees, so half the distance of their ticks must exceed their height.
    ticks = axes.transData.transform([(tick, 0.0) for tick in axes.get_xticks()])[:, 0]
    height = labels[0].get_fontsize() / 72 * axes.figure.dpi
    assert 0.5 * np.diff(ticks).min() > 1.2 * height
    small = plotting.predicted_against_true([1.0, 2.0], [1.0, 2.0])
    drawn(small)
    assert {label.get_rotation() for label in small.get_xticklabels()} == {0.0}
    found = boxes(small.get_xticklabels())
    assert not any(overlaps(a, b) for a, b in pairwise(found))


@pytest.mark.parametrize("study", ["descent", "activations", "dead"])
def test_captions_keep_away_from_the_next_title(study):
    if study == "descent":
        panels, columns = plotting.descent([diagnostics.descent(), diagnostics.descent("flat")]), 3
    elif study == "activations":
        panels, columns = plotting.activation_functions(), 3
    else:
        data = diagnostics.dead_relu(hidden=[8], epochs=1, seeds=[0])
        panels, columns = plotting.dead_relu(data), 2
    figure = drawn(panels[0])
    for above, below in zip(panels, panels[columns:], strict=False):
        gap = above.xaxis.label.get_window_extent().y0 - below.title.get_window_extent().y1
        assert gap > 0.06 * figure.dpi


def test_a_share_below_one_never_reads_as_one():
    assert [share_text(value) for value in (1.0, 0.9997, 0.997, 0.0, 0.0002)] == [
        "1.000", ">0.999", "0.997", "0.000", "<0.001",
    ]  # fmt: skip
    assert [percent(value) for value in (1.0, 0.996, 0.5, 0.004, 0.0)] == [
        "100%", ">99%", "50%", "<1%", "0%",
    ]  # fmt: skip
    axes = plotting.confusion_matrix([[999, 1], [0, 5]], normalize=True)
    assert [text.get_text() for text in axes.texts] == [">0.99", "<0.01", "0.00", "1.00"]
    (panel,) = plotting.predictions(np.eye(4)[None], [[0.998, 0.002]])
    assert panel.get_title() == "0 >0.99"


def test_a_learning_curve_says_how_its_values_were_measured():
    figure = plotting.learning_curve(EPOCHS).figure
    text = figure.get_supxlabel()
    assert "with dropout and penalty" in text
    assert "Validation: after the epoch, without them." in text
    assert "Validation" not in plotting.learning_curve([{"loss": 1.0}]).figure.get_supxlabel()
    ax = figure_module.Figure().subplots()
    plotting.learning_curve(EPOCHS, ax)
    assert "dropout" in ax.get_legend().get_title().get_text()


def test_no_axis_of_accuracies_has_a_number_above_one():
    accuracy = plotting.learning_curve(EPOCHS).figure.axes[1]
    drawn(accuracy)
    low, high = accuracy.get_ylim()
    assert 1.0 <= high < 1.05
    assert max(tick for tick in accuracy.get_yticks() if low <= tick <= high) <= 1.0
    data = diagnostics.dead_relu(hidden=[8], epochs=1, seeds=[0])
    for panel in plotting.dead_relu(data):
        assert max(panel.get_yticks()) <= 1.0
        assert panel.get_ylim()[1] < 1.05
        assert "training accuracy" in panel.get_title()


def test_norms_of_all_initialisations_share_one_scale():
    panels = plotting.vanishing_gradient(diagnostics.vanishing_gradient([1, 6]))
    assert len({panel.get_ylim() for panel in panels[:3]}) == 1


def test_histograms_resolve_every_layer():
    data = diagnostics.vanishing_gradient([1, 20])
    panels = plotting.activation_histograms(data)
    for panel in panels[10:15]:  # ReLU
        filled = sum(bar.get_height() > 0 for bar in panel.patches)
        assert filled > 10, panel.get_title()
    assert "std over rows" in panels[0].texts[0].get_text()
    assert panels[14].get_xlim()[1] < 0.05 * panels[10].get_xlim()[1]


def test_the_scale_of_secants_comes_from_their_own_points():
    data = diagnostics.derivative(lambda x: x**3 - x, 0.5)
    left, right = plotting.derivative(data)
    low, high = left.get_ylim()
    ends = data.value + data.secants * data.widths
    assert low < min(ends.min(), data.value)
    assert ends.max() < high < 1.3 * ends.max()
    figure = drawn(left)
    for panel in (left, right):
        legend, area = panel.get_legend().get_window_extent(), panel.get_window_extent()
        assert legend.y0 >= 0
        assert legend.y1 < area.y0  # outside: no line crosses it
        assert legend.x1 <= figure.bbox.x1


def test_regions_have_a_legend():
    data = diagnostics.network_regions(["XOR", "spiral"], steps=20)
    figure = plotting.network_regions(data)[0].figure
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["class 0", "class 1", "class 2"]
    given = figure_module.Figure().subplots(2, 3)
    plotting.network_regions(data, given)
    assert given[1, 2].get_legend() is not None


def test_an_optimizer_that_passes_the_minimum_is_not_called_slow():
    rules = [an.Adam(0.3), an.SGD(0.02), an.SGD(0.15)]
    found = diagnostics.descent("convex", parameters=2, optimizers=rules, steps=40)
    adam, small, good = found.paths
    assert adam.outcome == "overshooting"
    assert np.diff(adam.errors).max() > 0
    assert small.outcome == "slow"
    assert (np.diff(small.errors) < 0).all()
    assert good.outcome == "converged"
    assert plotting.descent(found)[0].get_title().endswith("overshooting")


def test_every_one_of_26_classes_has_a_label():
    names = [f"class {k}" for k in range(26)]
    axes = plotting.confusion_matrix(np.eye(26), names)
    figure = drawn(axes)
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    assert [label.get_text() for label in axes.get_xticklabels()] == names
    found = boxes(axes.get_yticklabels())
    assert not any(overlaps(a, b) for a, b in pairwise(found))
    assert figure.get_size_inches()[1] > 7


def test_classes_are_shown_in_natural_order():
    names = sorted(map(str, range(12)))
    counts = np.arange(144).reshape(12, 12)
    part = {"classes": [{"class": name} for name in names], "confusion": counts.tolist()}
    ordered, moved = in_natural_order(part)
    assert ordered == [str(k) for k in range(12)]
    for i, row in enumerate(ordered):
        for j, column in enumerate(ordered):
            assert moved[i][j] == counts[names.index(row), names.index(column)]
    words = ["b", "a10", "a9", "-1", "nan", "2.5", "2", ""]
    assert sorted(words, key=natural_key) == ["", "-1", "2", "2.5", "a9", "a10", "b", "nan"]
