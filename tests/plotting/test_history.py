"""Pictures of training."""

import subprocess
import sys

import numpy as np
import pytest

import affinet as an
from affinet.plotting import learning_curve, save_figure

matplotlib = pytest.importorskip("matplotlib", reason="needs matplotlib, the extra cli")
figure_module = pytest.importorskip("matplotlib.figure")

EPOCHS = [
    {"epoch": 1, "loss": 2.0, "accuracy": 0.3, "val_loss": 2.1, "val_accuracy": 0.2, "seconds": 1},
    {"epoch": 2, "loss": 1.0, "accuracy": 0.6, "val_loss": 1.4, "val_accuracy": 0.5, "seconds": 1},
    {"epoch": 3, "loss": 0.5, "accuracy": 0.8, "val_loss": 1.2, "val_accuracy": 0.6, "seconds": 1},
]


@pytest.fixture
def history():
    return an.History(epochs=[dict(epoch) for epoch in EPOCHS])


def values(line):
    return [float(value) for value in line.get_ydata()]


def test_two_panels_hold_what_was_recorded(history):
    axes = learning_curve(history)
    loss, accuracy = axes.figure.axes
    assert axes is loss
    assert [panel.get_ylabel() for panel in (loss, accuracy)] == ["loss", "accuracy"]
    assert [panel.get_xlabel() for panel in (loss, accuracy)] == ["epoch", "epoch"]
    for panel, names in ((loss, ("loss", "val_loss")), (accuracy, ("accuracy", "val_accuracy"))):
        assert [values(line) for line in panel.lines] == [history[name] for name in names]
        assert [line.get_label() for line in panel.lines] == ["training", "validation"]
        assert all(list(line.get_xdata()) == [1, 2, 3] for line in panel.lines)
        assert panel.get_legend() is not None


def test_curves_differ_in_stroke_and_colour(history):
    panel = learning_curve(history)
    assert len({line.get_linestyle() for line in panel.lines}) == 2
    assert len({line.get_color() for line in panel.lines}) == 2


def test_given_axes_take_both_quantities(history):
    figure = figure_module.Figure()
    ax = figure.subplots()
    assert learning_curve(history, ax) is ax
    first, second = figure.axes
    assert first is ax
    assert (first.get_ylabel(), second.get_ylabel()) == ("loss", "accuracy")
    lines = [*first.lines, *second.lines]
    assert [values(line) for line in lines] == [
        history[name] for name in ("loss", "val_loss", "accuracy", "val_accuracy")
    ]
    assert len({line.get_linestyle() for line in lines}) == 4
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "training loss",
        "validation loss",
        "training accuracy",
        "validation accuracy",
    ]


def test_a_loss_alone_takes_one_panel():
    axes = learning_curve([{"loss": 2.0}, {"loss": 1.0}])
    assert len(axes.figure.axes) == 1
    (line,) = axes.lines
    assert values(line) == [2.0, 1.0]
    ax = figure_module.Figure().subplots()
    assert len(learning_curve([{"loss": 2.0}], ax).figure.axes) == 1


def test_the_epochs_of_a_record_count():
    axes = learning_curve([{"epoch": 5, "loss": 2.0}, {"epoch": 6, "loss": 1.0}])
    assert list(axes.lines[0].get_xdata()) == [5, 6]


@pytest.mark.parametrize(("last", "scale"), [(0.5, "linear"), (0.01, "log"), (-0.01, "linear")])
def test_losses_far_apart_are_drawn_on_a_logarithmic_scale(last, scale):
    assert learning_curve([{"loss": 1.0}, {"loss": last}]).get_yscale() == scale


@pytest.mark.parametrize("bad", [np.nan, np.inf, None])
def test_losses_that_are_no_numbers_leave_a_gap(tmp_path, bad):
    axes = learning_curve([{"loss": 1.0}, {"loss": bad}, {"loss": 0.5}])
    drawn = values(axes.lines[0])
    assert (drawn[0], drawn[2]) == (1.0, 0.5)
    assert not np.isfinite(drawn[1])
    save_figure(axes, tmp_path / "c.png")


def test_a_single_epoch_is_visible():
    axes = learning_curve(EPOCHS[:1])
    assert all(line.get_marker() == "o" for line in axes.lines)
    assert [tick for tick in axes.get_xticks() if 0.5 < tick < 1.5] == [1]


def test_the_history_of_a_fit_is_drawn_and_left_alone():
    net = an.Sequential(an.Affine.init(1, 1, rng=0), loss=an.MeanSquaredError())
    history = net.fit([[1.0], [2.0]], [[2.0], [4.0]], epochs=3, batch_size=1)
    before = [dict(epoch) for epoch in history.epochs]
    assert values(learning_curve(history).lines[0]) == history["loss"]
    assert history.epochs == before


@pytest.mark.parametrize("bad", [an.History(), [], [{}], [{"accuracy": 1.0}], [{"loss": None}]])
def test_nothing_to_draw_is_refused(bad):
    with pytest.raises(ValueError, match="history"):
        learning_curve(bad)


@pytest.mark.parametrize("bad", [None, 3, "loss", {"loss": [1.0]}, [1.0, 2.0]])
def test_what_is_no_history_is_refused(bad):
    with pytest.raises(TypeError, match="history"):
        learning_curve(bad)


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG\r\n"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
@pytest.mark.parametrize("whole", [True, False])
def test_save_figure_writes_the_format_of_the_suffix(tmp_path, history, suffix, start, whole):
    axes = learning_curve(history)
    path = tmp_path / f"curve{suffix}"
    save_figure(axes.figure if whole else axes, path)
    assert path.read_bytes().startswith(start)
    assert path.stat().st_size > 5_000
    assert list(tmp_path.iterdir()) == [path]


def test_a_format_that_is_not_known_leaves_no_file(tmp_path, history):
    with pytest.raises(ValueError, match="tiger"):
        save_figure(learning_curve(history), tmp_path / "curve.tiger")
    assert list(tmp_path.iterdir()) == []


def test_global_settings_stay_as_they_are(tmp_path, history):
    before = dict(matplotlib.rcParams)
    save_figure(learning_curve(history), tmp_path / "curve.png")
    assert dict(matplotlib.rcParams) == before


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, history):
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r'pip install "affinet\[cli\]"'):
        learning_curve(history)


def test_matplotlib_is_imported_late_and_pyplot_never():
    code = (
        "import sys; import affinet.plotting as p; assert 'matplotlib' not in sys.modules; "
        "p.learning_curve([{'loss': 1.0}]); assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
