"""Pictures of how networks learn and fail show the numbers that they are given."""

import math
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import affinet as an
from affinet import diagnostics, plotting
from affinet.cli.recipes import NAMED_PICTURES
from affinet.diagnostics.generalization import REMEDIES
from affinet.plotting import save_figure
from affinet.plotting.figures import share_text

matplotlib = pytest.importorskip("matplotlib", reason="needs matplotlib, the extra cli")
figure_module = pytest.importorskip("matplotlib.figure")

DOCS = Path(__file__).parents[2] / "docs"
DRAWERS = (
    "derivative", "descent", "gradient_cost", "three_steps", "activation_functions",
    "vanishing_gradient", "activation_histograms", "dead_relu", "overfitting", "network_regions",
)  # fmt: skip


@pytest.fixture(scope="module")
def studies():
    """Small ones, by the function that draws them."""
    gradients = diagnostics.vanishing_gradient([1, 2, 6])
    return {
        "derivative": diagnostics.derivative(math.sin, 1.0, df=math.cos, name="sin x"),
        "descent": diagnostics.descent("flat"),
        "gradient_cost": diagnostics.gradient_cost([1, 2]),
        "three_steps": diagnostics.three_steps(),
        "activation_functions": diagnostics.activation_functions(),
        "vanishing_gradient": gradients,
        "activation_histograms": gradients,
        "dead_relu": diagnostics.dead_relu(hidden=[8, 8], epochs=3, seeds=[0, 1]),
        "overfitting": diagnostics.overfitting(epochs=4, seeds=[0, 1]),
        "network_regions": diagnostics.network_regions(["XOR"], steps=100),
    }


def y_of(line):
    return np.asarray(line.get_ydata(), float)


# Every one of them -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(studies):
    """The pictures, each in separate axes, by function; drawn once."""
    return {name: getattr(plotting, name)(studies[name]) for name in DRAWERS}


@pytest.mark.parametrize("name", DRAWERS)
def test_each_can_be_saved_and_drawn_into_given_axes(name, studies, drawn, tmp_path):
    draw, data, own = getattr(plotting, name), studies[name], drawn[name]
    before = dict(matplotlib.rcParams)
    save_figure(own[0], tmp_path / "a.png", dpi=50)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    n = len(own[0].figure.axes)
    given = figure_module.Figure().subplots(1, n) if n > 1 else figure_module.Figure().subplots()
    assert all(panel in np.asarray(given).reshape(-1) for panel in draw(data, given))
    with pytest.raises(ValueError, match="axes has 1 axes"):
        draw(data, figure_module.Figure().subplots())
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", DRAWERS)
def test_no_text_is_cut_off(name, drawn):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = drawn[name][0].figure
    FigureCanvasAgg(figure).draw()
    width, height = figure.canvas.get_width_height()
    for ax in figure.axes:
        written = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
        for text in (text for text in written if text.get_text()):
            box = text.get_window_extent()
            assert -1 <= box.x0 <= box.x1 <= width + 1, text.get_text()
            assert -1 <= box.y0 <= box.y1 <= height + 1, text.get_text()


@pytest.mark.parametrize("name", sorted(set(DRAWERS) - {"three_steps", "network_regions"}))
def test_lines_of_one_panel_differ_by_more_than_colour(name, studies):
    for panel in getattr(plotting, name)(studies[name]):
        strokes = [
            (str(line._dash_pattern), line.get_marker(), line.get_linewidth())
            for line in panel.lines
            if not line.get_label().startswith("_")
        ]
        assert len(set(strokes)) == len(strokes), panel.get_title()


def test_neither_pyplot_nor_a_setting_is_needed():
    code = (
        "import sys, affinet as an\n"
        "an.plotting.derivative(an.diagnostics.derivative(lambda x: x * x, 1.0))\n"
        "an.plotting.network_regions(an.diagnostics.network_regions(['XOR'], steps=5))\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_diagnostics_need_no_matplotlib():
    code = (
        "import sys; sys.modules['matplotlib'] = None; import affinet as an\n"
        "an.diagnostics.dead_relu(hidden=[4], epochs=1, seeds=[0]); an.diagnostics.three_steps()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# What they show ----------------------------------------------------------------------------------


def test_secants_and_errors(studies):
    data = studies["derivative"]
    left, right = plotting.derivative(data)
    lines = {line.get_label(): line for line in left.lines}
    for h, slope in zip(data.widths, data.secants, strict=True):
        line = lines[f"secant, h = {h:g}: slope {slope:.3f}"]
        x = np.asarray(line.get_xdata(), float)
        rise = np.diff(y_of(line))[0] / np.diff(x)[0]
        assert abs(rise - slope) < 1e-9
    assert "tangent: slope 0.540" in lines
    lines = {line.get_label(): line for line in right.lines}
    assert (y_of(lines["central differences"]) == data.central_errors).all()
    assert (y_of(lines["forward differences"]) == data.forward_errors).all()
    assert (right.get_xscale(), right.get_yscale()) == ("log", "log")


def test_errors_of_zero_leave_a_gap():
    square = diagnostics.derivative(lambda x: x * x, 1.0, df=lambda x: 2 * x, steps=[1.0, 0.5])
    assert (square.central_errors == 0).all()
    right = plotting.derivative(square)[1]
    lines = {line.get_label(): line for line in right.lines}
    assert np.isnan(y_of(lines["central differences"])).all()


def test_paths_and_their_outcomes(studies):
    data = studies["descent"]
    axes = plotting.descent(data)
    for panel, path in zip(axes, data.paths, strict=True):
        drawn = [np.asarray(line.get_xdata(), float) for line in panel.lines]
        assert any(x.shape == (len(path.w),) and (x == path.w[:, 0]).all() for x in drawn)
        assert panel.get_title() == f"{path.label}: {path.outcome}"
        assert f"{len(path.w) - 1} updates" in panel.get_xlabel()
        low, high = panel.get_ylim()
        assert low < data.landscape.min() < path.errors[0] < high
    two = diagnostics.descent(parameters=2)
    assert len(plotting.descent([two, two])) == 6
    assert plotting.descent(two)[0].get_ylabel().endswith("w₂")
    with pytest.raises(ValueError, match="wanted the same number"):
        plotting.descent([two, diagnostics.descent(parameters=2, rates=[0.1])])


def test_cost_is_what_was_counted(studies):
    data = studies["gradient_cost"]
    evaluations, _, errors = plotting.gradient_cost(data)
    assert [list(y_of(line)) for line in evaluations.lines] == [
        list(data.evaluations[method]) for method in ("central", "forward", "backward")
    ]
    assert len(errors.lines) == 2
    assert "2 · 160 = 320" in evaluations.texts[0].get_text()


def test_every_number_of_a_step_is_written(studies):
    data = studies["three_steps"]
    axes = plotting.three_steps(data)
    first = data.layers[0]
    written = {panel.get_title(): [t.get_text() for t in panel.texts] for panel in axes}
    assert written["Affine(2 -> 3)"] == [f"{v:.2f}" for v in first.out.reshape(-1)]
    assert written["dout of\nReLU()"] == [f"{v:.2f}" for v in data.layers[1].dout.reshape(-1)]
    before = [*first.before["W"].reshape(-1), *first.before["b"]]
    assert written["W, b of\nAffine(2 -> 3)"] == [f"{v:.2f}" for v in before]
    assert len(axes) == 5 + 4 + 6
    (told,) = [
        panel.texts[0].get_text()
        for panel in axes[0].figure.axes
        if not panel.axison and panel.texts
    ]
    assert f"{data.loss:.3f}" in told
    assert f"{data.loss_after:.3f}" in told


def test_large_matrices_have_their_shape_in_place_of_numbers():
    net = an.Sequential(an.Affine.init(64, 20, rng=0), loss=an.MeanSquaredError())
    axes = plotting.three_steps(diagnostics.three_steps(net, np.ones((2, 64)), np.ones((2, 20))))
    assert axes[0].get_xlabel() == "2 × 64"
    assert not axes[0].texts


def test_greatest_slopes_are_marked(studies):
    curves = studies["activation_functions"]
    axes = plotting.activation_functions(curves)
    for panel, curve in zip(axes, curves, strict=True):
        assert f"{curve.greatest:.4g}" in panel.get_xlabel()
        if abs(curve.at) > curve.x[-1]:  # beyond what is drawn
            assert not panel.collections
            continue
        ((x, y),) = np.asarray(panel.collections[0].get_offsets())
        assert y == curve.greatest
        if "ReLU" in curve.name:
            assert x > 0
            assert panel.get_xlabel().endswith("for x > 0")
        else:
            assert x == curve.at


def test_norms_and_bounds(studies):
    data = studies["vanishing_gradient"]
    axes = plotting.vanishing_gradient(data)
    assert [panel.get_title() for panel in axes[:3]] == ["Xavier", "He", "0.01 · N(0, 1)"]
    for i, panel in enumerate(axes[:3]):
        assert panel.get_yscale() == "log"
        for a, line in enumerate(panel.lines):
            assert (y_of(line) == data.weight_norms[a, i, 2]).all()
    lines = {line.get_label(): line for line in axes[3].lines}
    assert (y_of(lines["$0.25^N$"]) == 0.25 ** np.array([1.0, 2.0, 6.0])).all()
    assert (y_of(lines["Sigmoid"]) == data.shares[0, 0]).all()
    (bound,) = [line for label, line in lines.items() if label.startswith("bound")]
    assert (y_of(bound) >= y_of(lines["Sigmoid"])).all()


def test_bounds_for_sigmoid_are_drawn_only_beside_it():
    data = diagnostics.vanishing_gradient([1, 2], layers=[an.Tanh()], width=4)
    lines = plotting.vanishing_gradient(data)[-1].lines
    assert [line.get_label() for line in lines] == ["Tanh"]


def test_outputs_that_are_all_alike_fill_one_bar():
    rows = np.zeros((6, 3)), np.arange(6) % 2
    data = diagnostics.vanishing_gradient([1], layers=[an.Tanh()], width=4, data=rows)
    (panel,) = plotting.activation_histograms(data)
    (bar,) = [bar for bar in panel.patches if bar.get_height()]
    assert bar.get_height() == 1
    assert bar.get_x() <= 0 <= bar.get_x() + bar.get_width()


def test_histograms_hold_every_output_once(studies):
    data = studies["activation_histograms"]
    axes = plotting.activation_histograms(data, initialization=1, n=3)
    assert len(axes) == 4 * 3
    for panel in axes:
        assert abs(sum(bar.get_height() for bar in panel.patches) - 1) < 1e-9
    assert [panel.get_title() for panel in axes[:3]] == ["layer 1", "layer 3", "layer 6"]
    with pytest.raises(ValueError, match="initialization is 3, wanted 0 to 2"):
        plotting.activation_histograms(data, initialization=3)


def test_shares_of_dead_units_are_means_over_the_seeds(studies):
    data = studies["dead_relu"]
    axes = plotting.dead_relu(data)
    for place, panel in enumerate(axes):
        mean = data.shares[place // 2, place % 2].mean(axis=0)
        assert [list(y_of(line)) for line in panel.lines] == [list(mean[:, h]) for h in range(2)]
        low, high = panel.get_ylim()
        assert low <= 0 < 1 <= high


def test_gaps_are_written(studies):
    data = studies["overfitting"]
    for r, panel in enumerate(plotting.overfitting(data)):
        assert (y_of(panel.lines[0]) == data.train[r].mean(axis=0)).all()
        assert (y_of(panel.lines[1]) == data.test[r].mean(axis=0)).all()
        assert f"gap {data.gaps[r]:.3f}" in panel.texts[0].get_text()


def test_labels_that_are_all_correct_bound_no_accuracy():
    data = diagnostics.overfitting(
        label_noise=0, n_rows=20, hidden=[4], epochs=1, seeds=[0], remedies=REMEDIES[:1]
    )
    (panel,) = plotting.overfitting(data)
    assert [line.get_label() for line in panel.lines] == ["20 training rows", "359 test rows"]


def test_regions_are_those_of_the_nets(studies):
    (trials,) = studies["network_regions"].trials
    axes = plotting.network_regions(studies["network_regions"])
    assert [panel.get_title() for panel in axes] == [
        f"{trial.name} ({units}): test {share_text(trial.test)}"
        for trial, units in zip(trials, ("no hidden layer", "128", "16-16-16"), strict=True)
    ]
    assert axes[0].get_ylabel() == "XOR"


# Files -------------------------------------------------------------------------------------------


def test_reducing_colours_is_left_to_other_tools(studies, tmp_path):
    axes = plotting.overfitting(studies["overfitting"])
    with pytest.warns(DeprecationWarning, match="colours"):
        save_figure(axes[0], tmp_path / "few.png", dpi=50, colours=256)
    assert (tmp_path / "few.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(not DOCS.is_dir(), reason="the tour is not here")
def test_the_tour_shows_every_picture_and_how_it_is_made():
    from affinet.cli.parser import make_parser

    path = DOCS / "tour.md"
    text = path.read_text(encoding="utf-8")
    # A picture, and under it a block of commands, the first of which draws it.
    parts = re.findall(r"!\[[^\]]+\]\(([^)]*pictures/[^)]+)\)\s+```\n(.*?)\n```", text, re.DOTALL)
    assert len(parts) >= len(NAMED_PICTURES)
    shown = set()
    for picture, commands in parts:
        assert (path.parent / picture).stat().st_size <= 72_000
        lines = commands.replace("\\\n", "").splitlines()
        asked = [make_parser().parse_args(shlex.split(line)[1:]) for line in lines]
        if asked[0].command == "plot":
            assert (asked[0].out or f"{asked[0].what}.png") == Path(picture).name
            shown.add(asked[0].what)
    assert shown == set(NAMED_PICTURES)
