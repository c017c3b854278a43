"""One thread a network, the longest first, plans for as many as there are threads."""

import contextvars
import gc
import io
import sys
import threading
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

import affinet as an
from affinet.training import many_options
from affinet.training.crowd import Crowd, Threads, cost_of
from affinet.training.step import FusedStep
from many_networks import N, build, crowd, data, require_same

X, T = data()


class Peak:
    """Counts the objects of a class that are alive at once."""

    def __init__(self, cls, monkeypatch):
        self.alive, self.most, self.made = weakref.WeakSet(), 0, 0
        self.lock, make = threading.Lock(), cls.__init__

        def init(step, *args, **options):
            make(step, *args, **options)
            with self.lock:
                self.alive.add(step)
                self.made += 1
                self.most = max(self.most, len(self.alive))

        monkeypatch.setattr(cls, "__init__", init)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_as_many_plans_as_threads(n, monkeypatch):
    """Without the help of the garbage collector, with metrics and failures too."""

    def fail(state):
        raise OSError

    peak = Peak(FusedStep, monkeypatch)
    nets = [build(place) for place in range(20)]
    lists = [[fail] if place % 3 == 0 else [] for place in range(20)]
    gc.collect()
    gc.disable()
    try:
        with an.num_threads(n), pytest.raises(an.FitManyError):
            an.fit_many(
                nets, X, T, epochs=2, callback_lists=lists, metrics=["f1"], validation_data=(X, T)
            )
    finally:
        gc.enable()
    assert peak.made == 20
    assert peak.most <= n


def test_n_networks_are_in_training_at_once_each_on_one_thread(three_threads):
    meet, seen = threading.Barrier(3, timeout=30), []

    def together(state):
        meet.wait()  # broken unless three networks are here
        seen.append((threading.get_ident(), an.get_num_threads(), state.history.threads))

    an.fit_many([build(place) for place in range(6)], X, T, epochs=1, callbacks=[together])
    assert len({ident for ident, _, _ in seen}) == 3
    assert {numbers[1:] for numbers in seen} == {(1, 1)}
    assert an.get_num_threads() == 3


def test_a_single_network_may_use_all_threads_in_the_calling_one(three_threads):
    seen = []
    an.fit_many([build(0)], X, T, epochs=1, callbacks=[
        lambda state: seen.append((threading.current_thread(), an.get_num_threads()))
    ])  # fmt: skip
    assert seen == [(threading.current_thread(), 3)]


def test_the_longest_come_first():
    widths, order = [3, 300, 1, 30], []
    nets = [build(place, width=width) for place, width in enumerate(widths)]
    with an.num_threads(1):
        an.fit_many(nets, X, T, epochs=1, callbacks=[lambda state: order.append(state.net)])
    assert [nets.index(net) for net in order] == [1, 3, 0, 2]


def test_costs_grow_with_every_size():
    def cost(net=None, x=X, t=T, **options):
        net = build(0) if net is None else net
        made = Crowd([net], x, t, None, many_options.ManyOptions(options, 1))
        return cost_of(made.trainings[0])

    least = cost(epochs=2)
    assert cost(epochs=3) > least
    assert cost(build(0, width=50), epochs=2) > least
    assert cost(epochs=2, batch_size=8) > least
    assert cost(epochs=2, validation_data=(X, T)) > least
    assert cost(epochs=2, x=X[:20], t=T[:20]) < least


def test_the_error_state_of_numpy_is_the_caller_s(three_threads):
    seen = []
    with np.errstate(over="raise", call=seen.append):
        an.fit_many([build(i) for i in range(3)], X, T, epochs=1, callbacks=[
            lambda state: seen.append(np.geterr()["over"])
        ])  # fmt: skip
    assert seen == ["raise"] * 3


def test_the_context_variables_are_the_caller_s(three_threads):
    name, seen = contextvars.ContextVar("name"), []
    token = name.set("caller")
    an.fit_many([build(i) for i in range(3)], X, T, epochs=1, callbacks=[
        lambda state: seen.append(name.get("none"))
    ])  # fmt: skip
    name.reset(token)
    assert seen == ["caller"] * 3


def test_crowds_of_several_threads_at_once(three_threads):
    """Threads of the caller may each train networks of their own."""
    all_nets = [crowd() for _ in range(3)]
    callers = [
        threading.Thread(target=an.fit_many, args=(nets, X, T), kwargs={"epochs": 2})
        for nets in all_nets
    ]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    own = crowd()
    for net in own:
        net.fit(X, T, epochs=2)
    for nets in all_nets:
        require_same(nets, own)
    assert an.get_num_threads() == 3


def stand_in(train):
    """What the threads of a crowd use of it."""
    return SimpleNamespace(
        train=train, errors=np.geterr(), ended_by=None, watch=SimpleNamespace(stop=False)
    )


def test_no_network_of_a_group_begins_after_the_end():
    begun = []

    def train(place):
        begun.append(place)
        own.watch.stop = True

    own = stand_in(train)
    threads = Threads(own, [[0, 1], [2]], 1)
    threads.begin()
    while threads.wait():
        pass
    threads.end()
    assert begun == [0]
    assert own.ended_by is None


def test_threads_that_did_not_begin_need_no_end():
    """Ctrl-C may come before all of them run."""
    own = stand_in(pytest.fail)
    threads = Threads(own, [[0], [1]], 2)
    threads.end()
    assert own.watch.stop
    assert [thread.ident for thread in threads.threads] == [None, None]


def test_a_crowd_inside_a_callback(three_threads):
    inside = crowd()

    def train(state):
        if state.epoch == 1:
            an.fit_many(inside, X, T, epochs=1)

    net = build(7)
    net.fit(X, T, epochs=2, callbacks=[train])
    own = crowd()
    for other in own:
        other.fit(X, T, epochs=1)
    require_same(inside, own)


def test_the_call_returns_when_the_last_network_has_ended(three_threads, monkeypatch):
    """Without waiting for the time at which the caller would look again."""
    monkeypatch.setattr("affinet.training.crowd.WAIT", 600.0)
    an.fit_many(crowd(), X, T, epochs=1)


def test_no_thread_is_left(three_threads):
    before = set(threading.enumerate())
    an.fit_many(crowd(), X, T, epochs=1)
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("n", [1, 3])
def test_one_line_for_each_network_that_ends(n, capsys):
    with an.num_threads(n):
        an.fit_many(crowd(), X, T, epochs=2, verbose=1)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("  ")[0] for line in lines] == [f"networks {i}/6" for i in range(1, 7)]
    named = {line.split("  ")[1] for line in lines}
    assert named == {f"network {place}" for place in range(N)}
    assert all("loss" in line and "accuracy" in line for line in lines)


@pytest.mark.parametrize("n", [1, 3])
def test_one_bar_over_all(n, monkeypatch):
    pytest.importorskip("tqdm")

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    with an.num_threads(n):
        an.fit_many(crowd(), X, T, epochs=2)
    shown = stream.getvalue()
    assert "/732" in shown  # rows of all epochs of all networks
    assert "networks 6/6" in shown


def test_the_rows_of_samplers_are_counted():
    sampler = an.samplers.WithReplacement(7)
    made = Crowd([build(0)], X, T, None, many_options.ManyOptions({"sampler": sampler}, 1))
    assert made.rows_to_see == 70


@pytest.mark.parametrize("n", [1, 3])
def test_rows_before_an_interruption_count_as_seen(n, tmp_path, monkeypatch):
    path, shown = tmp_path / "{net}.npz", []
    an.fit_many(crowd(), X, T, epochs=2, callbacks=[an.Checkpoint(path)])

    class Display:
        def steps(self, rows, loss, accuracy):
            shown.append(rows)

        def epoch(self, number, metrics): ...

        def close(self): ...

    monkeypatch.setattr("affinet.training.many.make_progress", lambda *_: Display())
    with an.num_threads(n):
        an.fit_many(crowd(), X, T, epochs=3, resume=path)
    assert sum(shown) == 3 * N * len(X)


def test_silent(capsys):
    an.fit_many(crowd(), X, T, epochs=1, verbose=0)
    an.fit_many(crowd(), X, T, epochs=1)  # no terminal here
    assert capsys.readouterr() == ("", "")


def train_part(nets):
    an.fit_many(nets, X, T, epochs=2)
    return nets


def test_under_joblib_s_threads():
    """Its processes train in tests/distributed/test_engines.py."""
    joblib = pytest.importorskip("joblib")
    nets, own = crowd(), crowd()
    with joblib.parallel_config("threading"):
        joblib.Parallel(2)(joblib.delayed(train_part)(nets[i::2]) for i in range(2))
    for net in own:
        net.fit(X, T, epochs=2)
    require_same(nets, own)
