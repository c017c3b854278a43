"""What a page receives of a training, and pages that never hold it up."""

import socket
import time

import numpy as np
import pytest

import affinet as an
from affinet.live import LiveView, hub, server
from affinet.live.server import encoded
from live_client import TEST, Listener, T, X, make_net, parts, quiet, slowly

# What it shows -----------------------------------------------------------------------------------


def test_a_page_is_told_the_whole_training(monkeypatch):
    monkeypatch.setattr("affinet.live.view.WEIGHTS_EVERY", 0.0)
    net, watch = make_net(), an.diagnostics.Monitor(every=10, verbose=False)
    view = quiet(monitor=watch, title="mine", interval=0.02).open()
    listener = Listener(view)
    assert listener.next() == ("begin", {"points": [], "epochs": []})
    norms = {}

    def note(state):
        arrays = [(net.grads[f"{k}.W"], net.grads[f"{k}.b"]) for k in (0, 2)]
        norms[state.step] = [np.sqrt(sum(np.sum(a.astype(float) ** 2) for a in p)) for p in arrays]
        slowly(state)

    history = net.fit(X, T, epochs=2, validation_data=TEST, verbose=0,
                      callbacks=[an.every_steps(1, note), watch, view])  # fmt: skip
    events = listener.rest()
    assert events[0][0] == "begin"
    assert events[0][1]["title"] == "mine"
    assert events[0][1]["layers"] == ["Affine(64 -> 20)", "Affine(20 -> 10)"]
    points = [point for name, data in events if name == "update" for point in data["points"]]
    epochs = [epoch for name, data in events if name == "update" for epoch in data["epochs"]]
    assert 3 <= len(points) <= 90
    for point in points:
        np.testing.assert_allclose(point["gradient"], norms[point["step"]], rtol=1e-4)
        assert point["step"] <= 45 * point["epoch"]
        assert 0 < point["loss"] < 5
        assert 0 <= point["accuracy"] <= 1
    assert [epoch["step"] for epoch in epochs] == [45, 90]
    for name in ("loss", "val_loss", "val_accuracy"):
        np.testing.assert_allclose([epoch[name] for epoch in epochs], history[name], rtol=1e-4)
    assert points[-1]["update"] == pytest.approx(
        watch.update_ratios[list(watch.steps).index(points[-1]["sampled"])], rel=1e-4
    )
    weights = [data for name, data in events if name == "weights"]
    shown = np.frombuffer(__import__("base64").b64decode(weights[-1]["data"]), np.int8)
    W = net.params["0.W"]
    assert (weights[-1]["units"], weights[-1]["height"], weights[-1]["width"]) == (20, 8, 8)
    np.testing.assert_allclose(
        shown.reshape(20, 64) * (weights[-1]["greatest"] / 127), W.T, atol=np.abs(W).max() / 200
    )
    assert events[-1] == ("end", {"step": 90, "by": "epochs", "advice": watch.advice})
    assert view.url is None


def test_means_between_points_are_those_of_the_steps_between(monkeypatch):
    view, sums = quiet(interval=1e-9), [np.zeros(3)]
    monkeypatch.setattr("affinet.live.view.LiveView.next_step", lambda _, step: step - step % 7 + 7)
    monkeypatch.setattr("affinet.live.view.LiveView._send", lambda *_: None)
    options = {"sample_weight": np.arange(len(X)) % 3 + 0.5}

    class Sums:
        """Losses and hits of all steps so far, from what every step adds to its epoch."""

        every_steps = 1

        def __call__(self, state):
            totals = np.array(state.totals)
            fresh = len(sums) % 45 == 1  # the first step of an epoch
            sums.append(sums[-1] + totals - (0 if fresh else self.before))
            self.before = totals

    make_net().fit(X, T, epochs=3, callbacks=[Sums(), view], verbose=0, **options)
    points = view._points
    assert [point["step"] for point in points] == list(range(7, 136, 7))
    for point, before in zip(points, [0, *range(7, 136, 7)], strict=False):
        weight, loss, hits = sums[point["step"]] - sums[before]
        np.testing.assert_allclose(
            [point["loss"], point["accuracy"]], [loss / weight, hits / weight]
        )


def test_a_page_that_comes_later_hears_what_was(view):
    view._hub.begin({"title": "a"})
    view._hub.publish("update", {"points": [{"step": 1}], "epochs": [{"step": 2}]})
    view._hub.publish("weights", {"data": np.array([-1, 1], np.int8)})
    name, data = Listener(view).next()
    assert name == "begin"
    assert data == {
        "title": "a", "points": [{"step": 1}], "epochs": [{"step": 2}], "weights": {"data": "/wE="}
    }  # fmt: skip


def test_a_long_training_is_kept_in_part():
    kept = hub.Hub()
    for step in range(10_000):
        kept.publish("update", {"points": [step], "epochs": []})
    points = kept.join().events.get_nowait()[1]["points"]
    assert len(points) <= hub.MOST_KEPT
    assert points[-1] == 9999
    assert points == sorted(points)


def test_what_has_no_picture_is_not_sent():
    """A loss without hits has no accuracy, and weights that are not finite are not drawn."""
    net = an.Sequential(an.Affine.init(2, 1, rng=0), loss=an.MeanSquaredError())
    net.params["0.W"][:] = np.inf
    view = quiet(interval=1e-9).open()
    listener = Listener(view)
    with pytest.warns(RuntimeWarning, match="the training diverges"):
        net.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=1, verbose=0, callbacks=[view])
    events = listener.rest()
    assert {name for name, _ in events} == {"begin", "update", "end"}
    points = [point for name, data in events if name == "update" for point in data["points"]]
    assert points
    assert all("accuracy" not in point and point["loss"] is None for point in points)


def test_events_are_lines_of_json():
    text = encoded(("update", {"loss": float("inf"), "text": "a\nb"})).decode()
    assert text == 'event: update\ndata: {"loss": null, "text": "a\\nb"}\n\n'
    numbers = {"a": np.float32(0.5), "b": np.int64(3), "c": [np.True_, np.float64("nan")]}
    wanted = 'event: x\ndata: {"a": 0.5, "b": 3, "c": [true, null]}\n\n'
    assert encoded(("x", numbers)).decode() == wanted


def test_the_training_stays_the_same_to_the_bit():
    plain, watched = make_net(), make_net()
    plain.fit(X, T, epochs=2, verbose=0)
    watched.fit(X, T, epochs=2, verbose=0, callbacks=[quiet(interval=1e-9)])
    assert (plain.params.flat == watched.params.flat).all()


# Those who watch hold nobody ---------------------------------------------------------------------


@pytest.fixture
def silent(view):
    """The connection of a browser that asks for events and has read none yet."""
    port, token = parts(view)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(10)
        connection.connect(("127.0.0.1", port))
        request = f"GET /events?token={token} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
        connection.sendall(request.encode())
        until = time.monotonic() + 10
        while not view._hub.watched:
            assert time.monotonic() < until
        yield connection


@pytest.mark.usefixtures("silent")
def test_a_browser_that_reads_nothing_is_let_go_and_holds_nobody(view):
    page = next(iter(view._hub._pages))
    slowest = 0.0
    for step in range(hub.WAITING + 100):
        started = time.monotonic()
        view._hub.publish("weights", {"step": step, "data": np.zeros(300_000, np.int8)})
        slowest = max(slowest, time.monotonic() - started)
        time.sleep(0.001)
    assert page.dropped
    assert not view._hub.watched
    assert page.events.qsize() <= hub.WAITING
    assert slowest < 2.0  # a shared machine may pause us, a full socket would for SLOW seconds
    started = time.monotonic()
    view.close()
    assert time.monotonic() - started < 5


def test_a_browser_that_fell_behind_receives_no_more_than_was_on_its_way(view, silent):
    page = next(iter(view._hub._pages))
    while not page.dropped:
        view._hub.publish("weights", {"data": np.zeros(300_000, np.int8)})
    received = b"".join(iter(lambda: silent.recv(1 << 16), b""))
    assert 0 < received.count(b"event: weights") < hub.WAITING


def test_a_browser_that_goes_away_is_forgotten(view, monkeypatch):
    monkeypatch.setattr(server, "SILENCE", 0.05)
    listener = Listener(view)
    listener.next()
    assert view._hub.watched
    listener.answer.close()
    listener.connection.close()
    until = time.monotonic() + 10
    while view._hub.watched:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_it_looks_about_once_an_interval(monkeypatch):
    now, view, looks = [0.0], quiet(), []
    monkeypatch.setattr("affinet.live.view.time.monotonic", lambda: now[0])
    monkeypatch.setattr(LiveView, "open", lambda self: self)
    look = LiveView.after_step

    def after_step(self, state):
        now[0] += 0.0005 * (state.step - (looks[-1][0] if looks else 0))  # half a millisecond each
        looks.append((state.step, now[0]))
        look(self, state)

    monkeypatch.setattr(LiveView, "after_step", after_step)
    monkeypatch.setattr("affinet.training.run.PAUSE", 1e9)
    make_net().fit(X, T, batch_size=1, epochs=5, callbacks=[view], verbose=0)
    gaps = np.diff([moment for _, moment in looks])
    assert len(looks) <= 5 * 1438 * 0.0005 / 0.1 + 12
    assert np.median(gaps) >= 0.09
    assert gaps.max() <= 0.13  # one that an epoch's end cuts in two takes a little longer
