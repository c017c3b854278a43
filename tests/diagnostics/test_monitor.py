"""Monitor: what it measures, what it reports, and that it disturbs nothing."""

import copy
import json
from itertools import pairwise

import numpy as np
import pytest

import affinet as an
from affinet.cli import main
from affinet.diagnostics import Monitor, dead_units, monitor
from affinet.training import step as steps
from tolerance import assert_close

DIGITS = an.datasets.load_digits()


def net_of(widths, activation=an.ReLU, scale=None, dtype=np.float32):
    """A classifier; its weights start at affinet's scale, or at ``scale`` times N(0, 1)."""
    rng, layers = np.random.default_rng(0), []
    for n_inputs, n_outputs in pairwise(widths):
        kind = "sigmoid" if activation in (an.Sigmoid, an.Tanh) else "relu"
        layer = an.Affine.init(n_inputs, n_outputs, rng, kind, dtype)
        if scale is not None:
            layer.W[...] = scale * rng.standard_normal(layer.W.shape)
        layers += [layer, activation()]
    return an.Sequential(*layers[:-1], loss=an.SoftmaxWithLoss())


@pytest.fixture(params=["fused", "layer by layer"])
def kind(request, monkeypatch):
    if request.param != "fused":
        monkeypatch.setattr(steps, "can_fuse", lambda *_: False)
    return request.param


class EveryStep:
    """Parameters and gradients after every step, recorded independently."""

    every_steps = 1

    def begin(self, state):
        self.params, self.grads = [state.net.params.flat.astype(float)], [None]

    def __call__(self, state):
        self.params.append(state.net.params.flat.astype(float))
        self.grads.append(state.net.grads.flat.astype(float))


# What it measures --------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [an.SGD(0.1), an.Adam(0.01)])
def test_norms_are_those_of_each_layers_arrays(kind, rule):
    net, watch, every = net_of([64, 6, 5, 10]), Monitor(every=8, verbose=False), EveryStep()
    x, t = (part[:200] for part in DIGITS[0])
    history = net.fit(x, t, steps=30, batch_size=20, optimizer=rule, callbacks=[every, watch])
    assert history.step_kind == kind
    assert watch.steps.tolist() == [1, 8, 16, 24]
    sizes = [64 * 6 + 6, 6 * 5 + 5, 5 * 10 + 10]
    parts = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    assert watch.layers == ["Affine(64 -> 6)", "Affine(6 -> 5)", "Affine(5 -> 10)"]
    for row, step in enumerate(watch.steps):
        before, after, g = every.params[step - 1], every.params[step], every.grads[step]
        for k, part in enumerate(parts):
            norm = np.linalg.norm(before[part])
            assert_close(watch.gradient_norms[row, k], np.linalg.norm(g[part]), reduction=400)
            assert_close(watch.weight_norms[row, k], norm, reduction=400)
            moved = np.linalg.norm(after[part] - before[part]) / norm
            assert abs(watch.update_ratios[row, k] - moved) < 2e-6
            if isinstance(rule, an.SGD):  # its update is rho times the gradient
                closed = 0.1 * watch.gradient_norms[row, k] / norm
                assert abs(watch.update_ratios[row, k] - closed) < 2e-6


def test_the_training_stays_the_same_to_the_bit(kind):
    def trained(*callbacks):
        net = net_of([64, 8, 10])
        net.fit(*DIGITS[0], epochs=2, optimizer=an.Momentum(0.01), callbacks=callbacks)
        return net

    plain, watched = trained(), trained(Monitor(every=2, verbose=False))
    assert (plain.params.flat == watched.params.flat).all()
    assert (plain.grads.flat == watched.grads.flat).all()
    assert plain.history.to_dict()["epochs"][1]["loss"] == watched.history["loss"][1]
    assert "monitor" not in plain.metadata


def test_the_compiled_epoch_is_cut_seldom(monkeypatch):
    calls = []
    run = steps.FusedStep.run
    monkeypatch.setattr(steps.FusedStep, "run", lambda *a: calls.append(len(a[1])) or run(*a))
    refreshed = []
    refresh = steps.FusedStep.refresh
    monkeypatch.setattr(steps.FusedStep, "refresh", lambda s: refreshed.append(s) or refresh(s))
    monkeypatch.setattr("affinet.training.run.PAUSE", 1e9)
    watch, (x, t) = Monitor(verbose=False), DIGITS[0]
    net_of([64, 4, 10]).fit(x, t, steps=1024, batch_size=1, callbacks=[watch])
    assert watch.steps.tolist() == [1, 16, 256, 512, 768, 1024]
    assert len(calls) == 1 + 2 * 5  # steps 1, then up to 15, 16, up to 255, 256, ...
    assert len(refreshed) == 1  # it only looks: the plan need not be made anew


@pytest.mark.parametrize(("every", "wanted"), [(1, range(1, 9)), (20, [1, 16, 20, 40, 60])])
def test_when_it_looks(every, wanted):
    watch, found, step = Monitor(every), [], 0
    for _ in wanted:
        step = watch._next_sample(step)
        found.append(step)
        assert watch.next_step(step - 1) == step
    assert found == list(wanted)
    assert Monitor(20).next_step(3) == 15  # the parameters before step 16
    for bad, error in ((0, ValueError), (1.5, TypeError)):
        with pytest.raises(error, match="every"):
            Monitor(bad)
        with pytest.raises(error, match="rows"):
            Monitor(rows=bad)


def test_a_long_record_is_thinned_out(monkeypatch):
    monkeypatch.setattr(monitor, "MOST_SAMPLES", 8)
    watch, (x, t) = Monitor(every=2, verbose=False), DIGITS[0]
    net_of([64, 4, 10]).fit(x, t, steps=40, callbacks=[watch])
    assert watch.steps.tolist() == [1, 2, 8, 16, 24, 32, 40]
    assert watch.gradient_norms.shape == (7, 2)
    net_of([64, 4, 10]).fit(x, t, steps=3, callbacks=[watch])  # and begins anew
    assert watch.steps.tolist() == [1, 2]


def test_dead_units_are_counted_on_evenly_spaced_rows():
    net, (x, t) = net_of([64, 30, 20, 10]), DIGITS[0]
    net.layers[0].b[:12] = -50.0
    watch, seen = Monitor(every=40, rows=99, verbose=False), []

    def note(state):
        rows = np.linspace(0, len(x) - 1, 99).astype(int)
        seen.append([units.mean() for units in dead_units(state.net, x[rows])])

    net.fit(x, t, epochs=4, optimizer=an.SGD(0.01), callbacks=[note, watch])
    # 45 steps an epoch: after the first, 80 or more later, and at the end.
    assert (watch.dead_shares == np.array([seen[0], seen[2], seen[3]])).all()
    assert watch.dead_shares[0, 0] >= 12 / 30
    assert watch.rows()[1][-1] == f"{seen[3][0]:.0%}"


def test_gaps_are_validation_against_training():
    net, watch = net_of([64, 8, 10]), Monitor(verbose=False)
    history = net.fit(*DIGITS[0], epochs=3, validation_data=DIGITS[1], callbacks=[watch])
    gap = np.array(history["val_loss"]) - np.array(history["loss"])
    assert (watch.gaps["loss"] == gap).all()
    gap = np.array(history["accuracy"]) - np.array(history["val_accuracy"])
    assert (watch.gaps["accuracy"] == gap).all()
    net_of([64, 8, 10]).fit(*DIGITS[0], epochs=1, callbacks=[watch])
    assert watch.gaps == {}


class Halved:
    """A custom layer with a parameter."""

    parameters = ("s",)

    def __init__(self):
        self.s = np.full(3, 0.5)

    def forward(self, x):
        self.x = x
        return self.s * x

    def backward(self, dout):
        self.ds = (dout * self.x).sum(axis=0)
        return dout * self.s


def test_any_net_can_be_watched():
    x = np.random.default_rng(0).standard_normal((40, 3))
    watch = Monitor(every=1, verbose=False)
    an.Sequential(Halved(), loss=an.MeanSquaredError()).fit(x, x, epochs=3, callbacks=[watch])
    assert watch.weight_norms.shape == (6, 1)
    assert watch.advice == []
    zeros = an.Sequential(an.Affine(np.zeros((3, 3)), np.zeros(3)), loss=an.MeanSquaredError())
    zeros.fit(x, x, epochs=3, callbacks=[watch])
    assert np.isnan(watch.update_ratios[0, 0])
    assert zeros.metadata["monitor"]["update"][0] == [None]
    json.dumps(zeros.metadata, allow_nan=False)
    images = (16 * DIGITS[0][0][:64]).astype(np.uint8)
    scaled = an.Sequential(*net_of([64, 4, 10]).layers[:-1], input_scale=1 / 16)
    scaled = an.Sequential(
        *copy.deepcopy(scaled.layers),
        an.Affine.init(4, 2, rng=0),
        input_scale=1 / 16,
        loss=an.SoftmaxWithLoss(),
    )
    scaled.fit(images, np.arange(64) % 2, epochs=1, callbacks=[watch])
    assert watch.dead_shares.shape == (1, 1)
    assert Monitor().rows() == [watch.rows()[0]]
    assert Monitor().advice == []
    assert repr(Monitor(7)) == "Monitor(every=7, rows=128)"


# What it says ------------------------------------------------------------------------------------


def advice_of(net, optimizer, epochs=10, data=DIGITS, **options):
    watch = Monitor(verbose=False)
    net.fit(*data[0], epochs=epochs, optimizer=optimizer, validation_data=data[1], verbose=0,
            callbacks=[watch], **options)  # fmt: skip
    assert net.metadata["monitor"]["advice"] == watch.advice
    return watch.advice


@pytest.mark.parametrize(
    ("widths", "activation", "optimizer"),
    [
        ([64, 64, 10], an.ReLU, an.Adam(0.003)),
        ([64, 64, 64, 10], an.LeakyReLU, an.SGD(0.1)),
        ([64, 32, 32, 32, 32, 32, 10], an.Tanh, an.SGD(0.1)),
        ([64, 32, 10], an.Sigmoid, an.Momentum(0.05)),
        ([64, 10], an.ReLU, an.AdaGrad(0.05)),
    ],
)
def test_a_healthy_training_gets_no_advice(widths, activation, optimizer, capsys):
    assert advice_of(net_of(widths, activation), optimizer) == []
    assert capsys.readouterr().err == ""


def test_vanishing():
    watch = Monitor(verbose=False)
    net = net_of([64, *[32] * 6, 10], an.Sigmoid)
    net.fit(*DIGITS[0], epochs=3, optimizer=an.SGD(0.1), callbacks=[watch])
    (sentence,) = watch.advice
    share = np.sort(watch.gradient_norms[:, 0] / watch.gradient_norms[:, -1])[len(watch.steps) // 2]
    assert sentence == (
        f"layer 0: gradient norm {monitor_number(share)} of layer 12's: vanishing; "
        "try ReLU or He initialisation"
    )
    # The remedy that it names.
    assert advice_of(net_of([64, *[32] * 6, 10]), an.SGD(0.1), 3) == []


def monitor_number(value):
    return f"{value:.2g}".replace("e-0", "e-")


def test_exploding():
    found = advice_of(net_of([64, *[32] * 5, 10], scale=1.0), an.SGD(1e-4))
    assert len(found) == 1
    assert "times that of its weights: exploding; try He" in found[0]


def test_dead_units_and_a_rate_that_is_too_large():
    found = advice_of(net_of([64, 64, 64, 10]), an.Adam(0.3))
    assert [sentence.partition(":")[0] for sentence in found] == ["layer 0", "layer 2", "layer 4"]
    assert "of its units fire for none of 128 rows: dead; try a smaller learning" in found[0]
    assert "100% of its units" in found[1]
    assert "step 1 changed it by 1.6 times its norm" in found[2]
    assert found[2].endswith("learning rate too large")
    net = net_of([64, 16, 10])
    net.layers[0].b[...] = -50.0  # dead from the start, so no update caused it
    (sentence,) = advice_of(net, an.SGD(0.01))
    assert "layer 0: 100% of its units" in sentence
    assert "learning rate" not in sentence


def test_a_rate_that_is_too_small():
    (sentence,) = advice_of(net_of([64, 32, 10]), an.SGD(1e-6))
    assert sentence.startswith("updates of at most ")
    assert sentence.endswith("learning rate too small")


def test_a_training_that_diverged():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 3))
    net = an.Sequential(an.Affine.init(3, 1, rng=0), loss=an.MeanSquaredError())
    watch = Monitor(verbose=False)
    with pytest.warns(RuntimeWarning, match="diverges"):
        net.fit(x, x[:, 0], epochs=300, optimizer=an.SGD(100.0), callbacks=[watch])
    (sentence,) = watch.advice
    assert sentence.startswith("diverged: the loss of epoch ")
    assert "smaller learning rate" in sentence
    watch._record["epochs"].clear()  # a gradient may overflow where its loss does not
    watch._record["gradient"][-1] = [np.inf]
    step = watch._record["steps"][-1]
    assert watch.advice[0].startswith(f"diverged: gradient norm inf after step {step}; ")


def test_overfitting_by_loss_and_by_accuracy():
    rng, (x, t) = np.random.default_rng(1), (part[:300] for part in DIGITS[0])
    noisy = t.copy()
    wrong = rng.permutation(300)[:60]
    noisy[wrong] = (noisy[wrong] + rng.integers(1, 10, 60)) % 10
    net = net_of([64, 128, 128, 128, 10])
    (sentence,) = advice_of(net, an.AdamW(0.001), 60, ((x, noisy), DIGITS[1]))
    assert sentence.startswith("validation loss ")
    assert "overfitting; try EarlyStopping" in sentence
    few = (x[:60], t[:60]), DIGITS[1]
    (sentence,) = advice_of(net_of([64, 64, 10]), an.Adam(0.003), 30, few)
    assert sentence.startswith("accuracy 0.9")
    assert "in training, 0.6" in sentence
    # It stopped in time: nothing to report.
    watch, stop = Monitor(verbose=False), an.EarlyStopping(patience=2)
    net = net_of([64, 64, 10])
    net.fit(*DIGITS[0], epochs=50, validation_data=DIGITS[1], callbacks=[stop, watch],
            optimizer=an.Adam(0.01))  # fmt: skip
    assert net.history.stopped_by.startswith("EarlyStopping")
    assert watch.advice == []


def test_advice_is_printed_once_at_the_end(capsys):
    net = net_of([64, *[16] * 6, 10], an.Sigmoid)
    net.fit(*DIGITS[0], epochs=2, optimizer=an.SGD(0.1), callbacks=[Monitor()], verbose=0)
    (line,) = capsys.readouterr().err.splitlines()
    assert [line] == net.metadata["monitor"]["advice"]


# Where it is kept --------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [7, 8, 15, 16, 17, 45])
def test_a_resumed_training_has_the_same_record(kind, at, tmp_path):
    def train(*callbacks, **options):
        net, watch = net_of([64, 8, 10]), Monitor(every=8, verbose=False)
        net.fit(*DIGITS[0], batch_size=64, validation_data=DIGITS[1],
                callbacks=[watch, *callbacks], **options)  # fmt: skip
        return watch.to_dict()

    path = tmp_path / "c.npz"
    whole = train(epochs=3)

    with pytest.raises(KeyboardInterrupt):
        train(an.Checkpoint(path, every_steps=1), Interrupt(at), epochs=3)
    assert train(epochs=3, resume=path) == whole


class Interrupt:
    every_steps = 1
    comes_last = True

    def __init__(self, at):
        self.at = at

    def __call__(self, state):
        if state.step == self.at:
            raise KeyboardInterrupt


def test_the_shell_watches_and_inspect_shows(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = "train digits --monitor --activation sigmoid --hidden 16,16,16,16,16,16"
    assert main([*words.split(), *["--optimizer", "sgd", "--epochs", "2", "--quiet"]]) == 0
    said = capsys.readouterr().err
    assert "affinet: advice: layer 1: gradient norm " in said
    assert main(["inspect", "digits-model.npz"]) == 0
    shown = capsys.readouterr().out
    assert "1 Affine(64 -> 16)" in shown
    assert "vanishing; try ReLU" in shown
    assert main(["inspect", "digits-model.npz", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)["metadata"]["monitor"]
    assert record["steps"] == [1, 16]
    assert main([*["train", "digits", "--monitor", "--epochs", "1", "--quiet", "--json"]]) == 0
    assert json.loads(capsys.readouterr().out)["advice"] == []
    assert main(["inspect", "digits-model.npz"]) == 0
    assert "no problems found" in capsys.readouterr().out
    net = an.load("digits-model.npz")
    net.metadata["monitor"] = "of one's own"
    net.save("own.npz")
    assert main(["inspect", "own.npz"]) == 0


RECORDS = {
    "kept": (lambda state: state | {"kept": 0, "before": None}, "kept is 0, but the parameters"),
    "loss": (lambda state: with_record(state, loss=[]), "the record's losses are not those of"),
    "numbers": (
        lambda state: with_record(state, gradient=[[0]] * len(state["record"]["steps"])),
        "the record's gradient has a sample that is not of numbers",
    ),
    "epochs": (
        lambda state: with_record(state, epochs=[{"epoch": 1, "loss": 0}]),
        "loss of an epoch is 0, wanted a number",
    ),
    "an epoch": (lambda state: with_record(state, epochs=[{}]), "the record has the epoch {}"),
}


def with_record(state, **values):
    return state | {"record": state["record"] | values}


@pytest.mark.parametrize("name", RECORDS)
def test_a_damaged_state_is_refused(name):
    watch = an.diagnostics.Monitor(verbose=False)
    net = an.Sequential(an.Affine.init(1, 1, rng=0), loss=an.MeanSquaredError())
    net.fit(np.ones((4, 1)), np.ones((4, 1)), epochs=1, callbacks=[watch], verbose=0)
    change, words = RECORDS[name]
    before = watch.state_dict()
    with pytest.raises((TypeError, ValueError), match=words):
        watch.load_state_dict(change(watch.state_dict()))
    assert watch.state_dict()["record"] == before["record"]


def test_rows_of_one_number_without_an_axis_of_columns():
    x = np.linspace(-1, 1, 40)
    net = an.Sequential(
        *(an.Affine.init(1, 4, rng=0), an.ReLU(), an.Affine.init(4, 1, rng=1)),
        loss=an.MeanSquaredError(),
    )
    flat, column = Monitor(verbose=False), Monitor(verbose=False)
    for rows, watch in (x, flat), (x[:, None], column):
        copy.deepcopy(net).fit(rows, x[:, None], epochs=2, callbacks=[watch])
    assert flat.to_dict() == column.to_dict()


def test_a_record_with_other_entries_is_refused():
    net, watch = net_of([64, 6, 10]), Monitor(verbose=False)
    x, t = (part[:60] for part in DIGITS[0])
    net.fit(x, t, epochs=1, callbacks=[watch])
    state = watch.state_dict()
    wrong = {**state, "record": {**state["record"], "mood": 1}}
    with pytest.raises(ValueError, match=r"the record has .*mood, wanted"):
        watch.load_state_dict(wrong)
    assert watch.state_dict()["record"] == state["record"]
