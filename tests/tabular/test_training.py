"""Training by a recipe: which epoch is kept, patience, interrupts and time limits."""

from dataclasses import replace

import numpy as np
import pytest

import affinet as an
from affinet.tables import Table
from affinet.tabular import build, encode, epochs_within, outputs, recipe_for, train, train_many
from affinet.tabular.options import LastBest, error_of

RNG = np.random.default_rng(0)
N = 240
NUMBERS = RNG.standard_normal((N, 3))
VALUE = np.sin(2 * NUMBERS[:, 0]) + NUMBERS[:, 1]
CLASS = np.digitize(VALUE + 0.5 * RNG.standard_normal(N), [-0.5, 0.5])


def task_of(task, **changes):
    """A recipe, an untrained network, training rows and validation rows."""
    recipe = replace(recipe_for("mlp", "default", task, N), hidden=(16,), **changes)
    table = Table("t", {f"x{i}": NUMBERS[:, i] for i in range(3)})
    y = VALUE if task == "regression" else CLASS.astype(float)
    table = replace(table, columns={**table.columns, "y": y})
    encoding = encode(recipe, table, "y", rows=np.arange(160))
    x, t = encoding.inputs(table), encoding.targets(table)
    net = build(recipe, encoding, x[:160], t[:160], seed=5)
    return recipe, net, (x[:160], t[:160]), (x[160:], t[160:])


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_last_of_the_best_epochs_is_kept(task, weighted):
    recipe, net, rows, held = task_of(task, patience=None, lr=0.02)
    weights = (RNG.uniform(0, 2, len(held[0])),) if weighted else ()
    kept = []
    history = train(
        net, recipe, *rows, validation=(*held, *weights), epochs=25,
        callbacks=[lambda state: kept.append(state.net.params.flat.copy())],
    )  # fmt: skip
    figure = "val_error" if task == "classification" else "val_rmse"
    curve = np.array(history[figure])
    best = len(curve) - int(curve[::-1].argmin())
    assert history.best_epoch == best
    np.testing.assert_array_equal(net.params.flat, kept[best - 1])
    out = outputs(recipe, net, held[0])
    if task == "classification":
        wanted = np.average(out.argmax(axis=1) != held[1], weights=weights[0] if weights else None)
    else:
        squares = (out[:, 0].astype(float) - held[1]) ** 2
        wanted = np.sqrt(np.average(squares, weights=weights[0] if weights else None))
    assert curve.min() == pytest.approx(wanted, rel=1e-12)


def test_equal_epochs_and_not_a_number():
    class State:
        def __init__(self, net, epoch, value):
            self.net, self.epoch, self.metrics = net, epoch, {"val_error": value}
            self.history = history

    history = an.History()
    net = an.Sequential(an.Affine.init(1, 1, rng=0), loss=an.MeanSquaredError())
    best = LastBest("val_error", patience=3)
    for epoch, value in enumerate([0.4, 0.2, np.nan, 0.2], 1):
        net.params.flat[:] = epoch
        best(State(net, epoch, value))
    assert history.best_epoch == 4  # as good as epoch 2
    with pytest.raises(an.StopTraining, match="val_error has not decreased for 3 epochs"):
        best(State(net, 5, 0.3))
    best.restore(net)
    np.testing.assert_array_equal(net.params.flat, 4)


def test_patience_ends_the_training():
    recipe, net, rows, held = task_of("regression", patience=2, lr=0.1)
    history = train(net, recipe, *rows, validation=held, epochs=300)
    assert len(history.epochs) < 300
    assert history.stopped_by.startswith("LastBest: val_rmse")
    lowest = int(np.argmin(history["val_rmse"]))
    assert len(history.epochs) == lowest + 1 + 2


def test_without_validation_rows_the_last_epoch_is_kept():
    recipe, net, rows, _ = task_of("regression")
    seen = []
    history = train(
        net, recipe, *rows, validation=None, epochs=3,
        callbacks=[lambda state: seen.append(state.net.params.flat.copy())],
    )  # fmt: skip
    assert history.best_epoch is None
    assert len(history.epochs) == 3
    np.testing.assert_array_equal(net.params.flat, seen[-1])


def test_an_interrupt_keeps_the_best_epoch():
    recipe, net, rows, held = task_of("regression", lr=0.01)
    kept = []

    def interrupt(state):
        kept.append(state.net.params.flat.copy())
        if state.epoch == 4:
            state.net.params.flat[:] = 7.0
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="training was interrupted"):
        history = train(net, recipe, *rows, validation=held, callbacks=[interrupt])
    assert history.stopped_by == "KeyboardInterrupt"
    np.testing.assert_array_equal(net.params.flat, kept[history.best_epoch - 1])


@pytest.mark.parametrize("average", [None, an.EMA(0.9), an.SWA(start=1)])
@pytest.mark.parametrize("held_out", [True, False])
def test_many_are_trained_as_each_alone(average, held_out):
    parts = [np.arange(0, 130), np.arange(20, 160)]
    tasks = [task_of("classification", patience=None, lr=0.02) for _ in parts]
    recipe, _, (x, t), held = tasks[0]
    sets = [tuple(a[own] for a in held) if held_out else None for own in (slice(40), slice(40, 80))]
    nets = [net for _, net, *_ in tasks]
    histories = train_many(
        nets, recipe, x, t, validation=None, validations=sets, rows=parts, seeds=[3, 4], epochs=6,
        average=average,
    )  # fmt: skip
    assert average is None or average.net is None
    for net, own, rows, seed, history in zip(nets, sets, parts, (3, 4), histories, strict=True):
        alone = task_of("classification", patience=None, lr=0.02)[1]
        fresh = None if average is None else type(average)(**average.config())
        wanted = train(
            alone, recipe, x[rows], t[rows], validation=own, seed=seed, epochs=6, average=fresh
        )
        np.testing.assert_array_equal(net.params.flat, alone.params.flat)
        assert history.best_epoch == wanted.best_epoch
        if held_out:
            assert history["val_error"] == wanted["val_error"]
            error = error_of(recipe, 1.0, outputs(recipe, net, own[0]), own[1])
            assert error == min(history["val_error"])


@pytest.mark.parametrize("keep", [True, False])
def test_an_interrupt_keeps_networks(keep):
    tasks = [task_of("regression", patience=None) for _ in range(3)]
    recipe, _, rows, held = tasks[0]
    calls = []

    def interrupt(state):
        calls.append(state.epoch)
        if len(calls) == 7:
            raise KeyboardInterrupt

    kept = 2 if keep else 1
    warns = pytest.warns(UserWarning, match=f"interrupted; {kept} of 3 networks are kept")
    with an.num_threads(1), warns:
        histories = train_many(
            [net for _, net, *_ in tasks], recipe, *rows, validation=held, seeds=[0, 1, 2],
            epochs=4, callbacks=[interrupt], keep_interrupted=keep,
        )  # fmt: skip
    assert [history is not None for history in histories] == [True, keep, False]


def test_errors_are_in_the_unit_of_the_target():
    recipe = recipe_for("mlp", "default", "regression", 9)
    y, t = np.array([[1.0], [3.0]]), np.array([1.0, 1.0])
    assert error_of(recipe, 10.0, y, t) == pytest.approx(10 * np.sqrt(2))
    assert error_of(recipe, 10.0, y, t, np.array([1.0, 0.0])) == 0
    recipe = recipe_for("mlp", "default", "classification", 9)
    logits, t = np.array([[2.0, 0.0], [2.0, 0.0]]), np.array([0, 1])
    assert error_of(recipe, 10.0, logits, t) == 0.5
    assert error_of(recipe, 10.0, logits, t, np.array([1.0, 3.0])) == 0.75


def test_a_time_limit_chooses_the_epochs_and_changes_nothing_else(monkeypatch):
    recipe, net, rows, held = task_of("classification", patience=None)
    before = net.params.flat.copy()
    n = epochs_within(net, recipe, *rows, validation=held, seconds=0.05, epochs=10**6)
    np.testing.assert_array_equal(net.params.flat, before)
    assert 1 <= n < 10**6
    assert epochs_within(net, recipe, *rows, validation=held, seconds=1e-9) == 1
    assert epochs_within(net, recipe, *rows, validation=held, seconds=100.0, epochs=7) == 7
    monkeypatch.setattr("affinet.tabular.time_limit.seconds_per_step", lambda *_: 1.0)
    steps = -(-160 // recipe.batch_size)
    found = epochs_within(net, recipe, *rows, validation=None, seconds=100 * steps, epochs=500)
    assert found in (89, 90)  # nine tenths of the time is planned for


def test_training_within_a_time_limit_is_training_for_that_many_epochs():
    recipe, net, rows, held = task_of("classification", patience=None, lr_schedule="coslog4")
    history = train(net, recipe, *rows, validation=held, time_limit=0.05, epochs=30)
    n = len(history.epochs)
    *_, rates = history["lr"]
    assert rates < recipe.lr  # the schedule has reached its end
    recipe, again, rows, held = task_of("classification", patience=None, lr_schedule="coslog4")
    train(again, recipe, *rows, validation=held, epochs=n)
    np.testing.assert_array_equal(net.params.flat, again.params.flat)


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.inf, "soon"])
def test_a_limit_that_is_none_is_refused(wrong):
    recipe, net, rows, _ = task_of("regression")
    with pytest.raises((TypeError, ValueError), match="seconds is"):
        epochs_within(net, recipe, *rows, validation=None, seconds=wrong)


def test_no_input_is_refused():
    recipe = recipe_for("mlp", "default", "regression", N)
    table = Table("t", {"x": NUMBERS[:, 0], "y": VALUE})
    encoding = encode(recipe, table, "y")
    with pytest.raises(ValueError, match="no column has values to learn from"):
        build(recipe, encoding, np.zeros((N, 0), np.float32), VALUE, seed=0)
