"""an.search: successive halving, the ensemble, what ends networks, and reproducible bits."""

import numpy as np
import pytest

import affinet as an
from affinet import tuning
from affinet.tuning import rungs

SPACE = {
    "layers": [1, 2],
    "width": [8, 16],
    "dropout": tuning.Choice([0.0, tuning.Uniform(0.0, 0.3)]),
    "lr": tuning.LogUniform(1e-3, 3e-2),
    "batch_size": 16,
}


def data(n=200):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 4)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


def run(space=SPACE, n=8, **options):
    return an.search(space, *data(), n, **{"epochs": 16, "rungs": 3, "verbose": 0} | options)


def small():
    return tuning.networks.network_of({"width": 8}, 4, 2, None, an.SoftmaxWithLoss(), 0)


def test_options_of_fit_come_with_a_network_and_begin_anew_in_each_rung():
    def build(params, seed):
        options = {"schedule": an.schedules.Cosine(params["lr"])} if params["lr"] < 0.5 else {}
        return small(), an.SGD(1e-3), options

    found = run({"lr": [0.1, 0.9], "batch_size": 20}, build=build, patience=None)
    for trial in found.trials:
        # 160 rows, 8 steps an epoch; rungs of 3, 4 and 9 epochs
        assert trial.history.steps == 8 * trial.epochs
        rates = trial.history.epochs[0].get("lr")
        assert (rates is None) == (trial.params["lr"] > 0.5)
        if trial.epochs > 3 and rates is not None:
            assert trial.history["lr"][2] < 0.02 < trial.history["lr"][3]


def test_the_best_epoch_of_every_rung_is_a_candidate(monkeypatch):
    seen = []
    counts = rungs.greedy_counts

    def watched(loss, outputs, *given):
        seen.append(len(outputs))
        return counts(loss, outputs, *given)

    monkeypatch.setattr(rungs, "greedy_counts", watched)
    run(patience=None)
    assert seen == [8, 8 + 4, 8 + 4 + 2]
    seen.clear()
    run(patience=None, members=5)
    assert seen == [5, 5, 5]


def test_an_ensemble_starts_with_many_only_if_they_are_better_together():
    t = np.zeros((4, 1))
    better = np.array([[[1.0]], [[-1.5]], [[2.0]], [[-2.5]]]).repeat(4, axis=1)
    assert rungs.sorted_start(an.MeanSquaredError(), better, t, None) == 2
    alike = np.array([[[1.0]], [[1.5]], [[2.0]], [[2.5]]]).repeat(4, axis=1)
    assert rungs.sorted_start(an.MeanSquaredError(), alike, t, None) == 1
    assert rungs.sorted_start(an.MeanSquaredError(), better[:1], t, None) == 1


def test_halving_follows_the_written_rule():
    found = run(patience=99)
    assert [trial.number for trial in found.trials] == list(range(8))
    assert sorted(trial.epochs for trial in found.trials) == [3, 3, 3, 3, 7, 7, 16, 16]
    assert {t.stopped for t in found.trials if t.epochs < 16} == {"behind"}
    first = sorted(found.trials, key=lambda t: min(t.history["val_loss"][:3]))
    assert {t.number for t in first[:4]} == {t.number for t in found.trials if t.epochs > 3}
    for trial in found.trials:
        assert trial.score == min(trial.history["val_loss"])
        assert trial.history["val_loss"][trial.best_epoch - 1] == trial.score
        assert [e["epoch"] for e in trial.history.epochs] == list(range(1, trial.epochs + 1))
    assert found.best.score == min(trial.score for trial in found.trials)


def test_the_ensemble_is_not_worse_than_its_best_network_on_the_rows_that_chose_it():
    (x, t), held = data(), data(60)
    found = an.search(SPACE, x, t, 6, validation_data=held, epochs=8, verbose=0)
    assert found.score <= found.best.score
    assert found.ensemble.evaluate(*held)["loss"] == pytest.approx(found.score, rel=1e-5)
    for trial in found.trials:  # networks have the parameters of their best epochs
        assert trial.net.evaluate(*held)["loss"] == pytest.approx(trial.score, rel=1e-5)


def test_the_same_bits_again_and_on_any_number_of_threads():
    def bits(threads, n=6, **options):
        with an.num_threads(threads):
            found = run(n=n, **options)
        return found, [trial.net.params.flat.copy() for trial in found.trials]

    one, parameters = bits(1)
    for threads in (1, 3):
        other, others = bits(threads)
        for a, b in zip(parameters, others, strict=True):
            np.testing.assert_array_equal(a, b)
        assert other.score == one.score
        assert [t.params for t in other.trials] == [t.params for t in one.trials]
        x = data()[0]
        np.testing.assert_array_equal(other.ensemble.predict(x), one.ensemble.predict(x))
    assert bits(1, seed=1)[0].score != one.score
    assert [t.params for t in run(n=3).trials] == [t.params for t in one.trials[:3]]


def test_a_network_that_diverges_or_fails_ends_alone():
    def build(params, seed):
        net = tuning.networks.network_of({"width": 8}, 4, 2, None, an.SoftmaxWithLoss(), seed)
        if params["kind"] == "diverges":
            net.params.flat[:] = np.nan
        return net, Failing(0.01) if params["kind"] == "fails" else an.Adam(0.01)

    class Failing(an.Adam):
        kernel = None

        def _apply(self, dW, W, state):
            raise OSError("broken")

    kinds = ["works", "diverges", "fails"]
    found = run({"kind": kinds}, 12, build=build)
    assert {t.params["kind"] for t in found.trials} == set(kinds)
    for trial in found.trials:
        assert (trial.stopped == "not finite") == (trial.params["kind"] == "diverges")
        assert isinstance(trial.error, OSError) == (trial.params["kind"] == "fails")
    assert all(np.isfinite(net.params.flat).all() for net in found.ensemble.members)
    with pytest.raises(RuntimeError, match="none of the 2 networks") as caught:
        run({"kind": "fails"}, 2, build=build)
    assert isinstance(caught.value.__cause__, OSError)


def test_ctrl_c_keeps_what_was_trained(monkeypatch):
    train, calls = rungs.train_all, []

    def interrupted(crowd):
        calls.append(crowd)
        train(crowd)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(rungs, "train_all", interrupted)
    with pytest.warns(UserWarning, match="interrupted"):
        found = run()
    assert found.interrupted
    assert {t.stopped for t in found.trials} == {"behind", "interrupted"}
    assert max(t.epochs for t in found.trials) == 7
    assert np.isfinite(found.score)

    def at_once(crowd):
        raise KeyboardInterrupt

    monkeypatch.setattr(rungs, "train_all", at_once)
    with pytest.raises(KeyboardInterrupt):
        run()


def test_patience_and_a_time_limit():
    found = run({"lr": 0.3, "width": 8, "layers": 1}, 3, epochs=300, rungs=1, patience=2)
    assert {t.stopped for t in found.trials} == {"patience"}
    late = run(epochs=1000, time_limit=1e-6)
    assert {t.stopped for t in late.trials} == {"time limit"}
    assert {t.epochs for t in late.trials} == {1}


def test_numbers_weights_and_other_losses():
    x, _ = data()
    t = x[:, 0] - x[:, 2]
    weights = np.linspace(0, 1, len(x))
    space = {"lr": [0.01], "width": 16, "layers": 1, "batch_size": 16, "embedding": [0, 4]}
    found = an.search(space, x, t, 4, epochs=20, sample_weight=weights, verbose=0)
    assert found.score < 0.1
    assert np.corrcoef(found.ensemble.predict(x)[:, 0], t)[0, 1] > 0.95
    loss = an.Quantile([0.1, 0.9])
    found = an.search(space, x, t, 2, epochs=2, loss=loss, n_outputs=2, verbose=0)
    assert found.ensemble.predict(x).shape == (200, 2)


def test_the_default_space_is_tabpacks():
    x, t = data(60)
    found = an.search(None, x, t, 2, epochs=1, rungs=1, verbose=0)
    assert set(found.trials[0].params) == set(tuning.default_space())


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"space": {"depth": [1]}}, ValueError, "space has 'depth'"),
        ({"space": {"lr": -1.0}}, ValueError, "lr"),
        ({"space": {"activation": "step"}}, ValueError, "activation is 'step'"),
        ({"n": 0}, ValueError, "n is 0"),
        ({"rungs": 0}, ValueError, "rungs"),
        ({"time_limit": 0}, ValueError, "time_limit"),
        ({"validation_fraction": 0.0}, ValueError, "validation_fraction=0.0"),
        ({"validation_data": 3}, TypeError, "validation_data"),
        ({"sample_weight": [1.0]}, ValueError, "sample_weight has shape"),
        ({"build": lambda params, seed: 3}, TypeError, "build returned 3"),
        ({"build": lambda params, seed: (small(), None, 3)}, TypeError, "the options 3"),
        ({"build": lambda params, seed: (small(), None, {"seed": 3})}, ValueError, "'seed'"),
        ({"patience": 0}, ValueError, "patience"),
    ],
)
def test_what_is_refused(options, error, text):
    with pytest.raises(error, match=text):
        run(**options)


def test_one_bar_or_lines_over_all_rungs(capsys):
    run(n=4, rungs=2, patience=99, verbose=1)
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 6  # four networks, then two
    assert "6/6" in lines[-1]


@pytest.mark.parametrize(
    ("shape", "targets", "words"),
    [
        ((40, 2, 2), 40, r"x has shape \(\d+, 2, 2\), wanted \(N, I\); other shapes need build="),
        ((4, 2), 3, r"x has shape \(4, 2\) and t \(3,\), wanted N rows and N targets"),
        ((0, 2), 0, r"x has shape \(0, 2\) and t \(0,\), wanted N rows and N targets"),
    ],
)
def test_rows_that_do_not_fit_are_refused(shape, targets, words):
    rows = np.zeros(shape), np.zeros(targets)
    with pytest.raises(ValueError, match=words):
        an.search({"width": [2]}, *rows, n=2, validation_data=rows)
