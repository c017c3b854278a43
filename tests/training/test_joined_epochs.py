"""Epochs in one compiled call train as epochs in calls of their own."""

import warnings

import numpy as np
import pytest

import affinet as an
from affinet.training import joined_epochs, run
from affinet.training.step import FusedStep

RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((50, 6)).astype("f4"), RNG.integers(0, 3, 50)


def network(seed=0):
    return an.Sequential(
        *(an.Affine.init(6, 8, rng=seed), an.BatchNorm(8), an.ReLU(), an.Dropout(0.2)),
        an.Affine.init(8, 3, rng=seed + 1),
        loss=an.SoftmaxWithLoss(),
    )


@pytest.fixture
def joined(monkeypatch):
    """How many epochs each call with several has trained."""
    found, real = [], FusedStep.run_epochs

    def counted(self, order, first, epochs):
        found.append(epochs)
        return real(self, order, first, epochs)

    monkeypatch.setattr(FusedStep, "run_epochs", counted)
    # Enough for all epochs in one call, however slow the machine is just now.
    monkeypatch.setattr(run, "PAUSE", 30.0)
    return found


def trained(one_by_one, monkeypatch, make=network, x=X, t=T, **options):
    """The network and its history, with the seconds left out."""
    with monkeypatch.context() as patch:
        if one_by_one:
            patch.setattr(joined_epochs, "MOST_ROWS", 0)
        net = make()
        history = net.fit(x, t, **{"epochs": 9, "batch_size": 16, "seed": 3} | options)
    epochs = [{k: v for k, v in e.items() if k != "seconds"} for e in history.epochs]
    return net.params.flat, epochs, history.steps, history.stopped_by


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_size": 50},
        {"batch_size": 10},
        {"batch_size": 1000},
        {"optimizer": an.Adam(0.01)},
        {"sample_weight": RNG.random(50)},
        {"shuffle": False},
        {"l2": 0.1, "clip_norm": 0.5},
        {"epochs": None, "steps": 30},
        {"seed": 2**70},
    ],
    ids=str,
)
def test_bits_and_figures_are_those_of_single_calls(joined, monkeypatch, options):
    params, *figures = trained(False, monkeypatch, **options)
    assert max(joined) > 1
    joined.clear()
    wanted, *as_figures = trained(True, monkeypatch, **options)
    assert not joined
    np.testing.assert_array_equal(params, wanted)
    assert figures == as_figures


@pytest.mark.parametrize("stop", [True, False])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_training_that_breaks_ends_after_the_same_epoch(joined, monkeypatch, stop):
    def make():
        return an.Sequential(an.Affine.init(6, 3, rng=0), loss=an.MeanSquaredError())

    t, options = np.eye(3, dtype="f4")[T], {"optimizer": an.SGD(12.0), "epochs": 40}
    options["stop_if_not_finite"] = stop
    params, epochs, *rest = trained(False, monkeypatch, make, t=t, **options)
    assert max(joined) > 1
    wanted, as_epochs, *as_rest = trained(True, monkeypatch, make, t=t, **options)
    broken = [epoch["epoch"] for epoch in epochs if not np.isfinite(epoch["loss"])]
    assert broken[0] > 3
    assert len(broken) == (1 if stop else 40 - broken[0] + 1)
    assert rest == as_rest
    np.testing.assert_array_equal(params, wanted)
    np.testing.assert_equal(epochs, as_epochs)


def test_the_warning_comes_once_and_names_the_epoch(joined, monkeypatch):
    net = an.Sequential(an.Affine.init(6, 3, rng=0), loss=an.MeanSquaredError())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = net.fit(X, np.eye(3, dtype="f4")[T], epochs=40, optimizer=an.SGD(12.0), seed=0)
    assert max(joined) > 1
    (warning,) = caught
    assert f"the loss of epoch {len(history.epochs)} is" in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize(
    "options",
    [
        {"callbacks": [lambda state: None]},
        {"validation_data": (X, T)},
        {"schedule": an.schedules.Constant(0.1)},
        {"sampler": an.samplers.WithReplacement()},
        {"average": an.EMA(0.9)},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_looks_between_epochs_keeps_them_apart(joined, options):
    network().fit(X, T, epochs=5, batch_size=16, **options)
    assert not joined


def test_a_layerwise_step_takes_epoch_by_epoch(joined):
    class Own(an.ReLU):
        def forward(self, x):
            return super().forward(x)

    net = an.Sequential(an.Affine.init(6, 3, rng=0), Own(), loss=an.SoftmaxWithLoss())
    history = net.fit(X, T, epochs=5, batch_size=16)
    assert history.step_kind == "layer by layer"
    assert len(history.epochs) == 5
    assert not joined


@pytest.mark.parametrize("threads", [1, 2])
def test_one_network_of_a_kind_tries_the_pace_out_for_all(joined, threads):
    """The others' epochs are one call each, with the bits of their own fits."""
    options = {"epochs": 9, "batch_size": 16}
    alone = [network(seed) for seed in range(8)]
    for seed, net in enumerate(alone):
        net.fit(X, T, seed=seed, **options)
    joined.clear()
    nets = [network(seed) for seed in range(8)]
    with an.num_threads(threads):
        an.fit_many(nets, X, T, seeds=range(8), **options)
    tried = joined.count(8)  # a thread may begin when another has tried it out
    assert 1 <= tried <= threads
    assert joined.count(9) == 8 - tried
    for one, two in zip(nets, alone, strict=True):
        assert one.params.flat.tobytes() == two.params.flat.tobytes()


def test_another_kind_of_training_tries_out_its_own_pace(joined):
    """A step of twice the rows, or of another rule, takes another time."""
    nets = [network(seed) for seed in range(4)]
    with an.num_threads(1):
        an.fit_many(nets, X, T, epochs=9, batch_sizes=[16, 16, 25, 25])
        assert joined == [8, 9, 8, 9]
        joined.clear()
        rules = [an.SGD(0.1), an.SGD(0.1), an.Adam(), an.Adam()]
        an.fit_many(nets, X, T, epochs=9, batch_size=16, optimizers=rules)
    assert sorted(joined) == [8, 8, 9, 9]


def test_every_epoch_is_shown(joined, capsys):
    network().fit(X, T, epochs=12, batch_size=16, verbose=True)
    assert max(joined) > 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch")]
    assert len(lines) == 12
    assert lines[-1].startswith("epoch 12/12")


def test_seconds_are_shared_by_the_epochs_of_a_call(joined):
    history = network().fit(X, T, epochs=12, batch_size=16)
    seconds = [epoch["seconds"] for epoch in history.epochs]
    assert min(seconds) > 0
    assert len(set(seconds[-joined[-1] :])) == 1


def test_an_interrupted_call_counts_its_updates(monkeypatch):
    real = FusedStep.run_epochs

    def interrupted(self, order, first, epochs):
        real(self, order, first, epochs)
        raise KeyboardInterrupt

    monkeypatch.setattr(FusedStep, "run_epochs", interrupted)
    monkeypatch.setattr(run, "PAUSE", 30.0)
    net, optimizer = network(), an.Adam()
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, T, epochs=9, batch_size=16, optimizer=optimizer)
    assert net.history.stopped_by == "KeyboardInterrupt"
    assert net.history.steps == optimizer.state_of(net.params.flat).step == 9 * 4
    monkeypatch.undo()
    assert len(net.fit(X, T, epochs=2, optimizer=optimizer).epochs) == 2


def test_a_call_ends_after_a_pause(monkeypatch):
    """Ctrl-C and the display are waited for: a call has no more epochs than fit into a pause."""
    monkeypatch.setattr(run, "PAUSE", 1e-9)
    calls = []
    monkeypatch.setattr(FusedStep, "run_epochs", lambda *arguments: calls.append(arguments))
    history = network().fit(X, T, epochs=3, batch_size=16)
    assert len(history.epochs) == 3
    assert not calls
