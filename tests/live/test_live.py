"""The live view: what it shows, whom it refuses, and that nobody who watches holds the training."""

import copy
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

import affinet as an
from affinet.cli import main
from affinet.live import LiveView, hub, server
from affinet.live.server import encoded
from live.browser import CHROMIUM, Browser

(X, T), TEST = an.datasets.load_digits()


def quiet(**options):
    return LiveView(announce=lambda _: None, **options)


def make_net():
    return an.Sequential(
        an.Affine.init(64, 20, rng=0), an.ReLU(), an.Affine.init(20, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )  # fmt: skip


@pytest.fixture
def view():
    with quiet() as opened:
        yield opened


def parts(view):
    """Port and token of an open view."""
    place = urlsplit(view.url)
    return place.port, place.query.removeprefix("token=")


def exchange(view, raw, seconds=10):
    """What comes back for these bytes."""
    with closing(socket.create_connection(("127.0.0.1", parts(view)[0]), seconds)) as connection:
        connection.sendall(raw)
        answer = b""
        while part := connection.recv(4096):
            answer += part
    return answer


def ask(view, method="GET", path="/", token=True, host=None, **headers):
    """Status and body of one request; ``token``: True for the right one, else what to send."""
    port, right = parts(view)
    sent = right if token is True else token
    headers = {"Host": host or f"127.0.0.1:{port}", **headers}
    if method == "POST":
        headers |= {"X-Token": sent} if sent else {}
    elif sent:
        path = f"{path}?token={sent}"
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    answer = exchange(view, "\r\n".join([*lines, "", ""]).encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), body.decode()


class Listener:
    """A page's stream of events."""

    def __init__(self, view):
        port, token = parts(view)
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self.connection.request("GET", f"/events?token={token}")
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        assert self.answer.headers["Content-Type"] == "text/event-stream"

    def next(self):
        """The next event's name and data, None at the end."""
        name = None
        while line := self.answer.readline().decode():
            kind, _, text = line.rstrip("\n").partition(": ")
            if kind == "event":
                name = text
            elif kind == "data":
                return name, json.loads(text)
        return None

    def rest(self):
        return list(iter(self.next, None))


def in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def slowly(state):
    time.sleep(0.002)


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
    monkeypatch.setattr("affinet.live.view.LiveView._tell", lambda *_: None)
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
    view._hub.tell("update", {"points": [{"step": 1}], "epochs": [{"step": 2}]})
    view._hub.tell("weights", {"data": np.array([-1, 1], np.int8)})
    name, data = Listener(view).next()
    assert name == "begin"
    assert data == {
        "title": "a", "points": [{"step": 1}], "epochs": [{"step": 2}], "weights": {"data": "/wE="}
    }  # fmt: skip


def test_a_long_training_is_kept_in_part():
    kept = hub.Hub()
    for step in range(10_000):
        kept.tell("update", {"points": [step], "epochs": []})
    points = kept.join().events.get_nowait()[1]["points"]
    assert len(points) <= hub.MOST_KEPT
    assert points[-1] == 9999
    assert points == sorted(points)


def test_events_are_lines_of_json():
    text = encoded(("update", {"loss": float("inf"), "text": "a\nb"})).decode()
    assert text == 'event: update\ndata: {"loss": null, "text": "a\\nb"}\n\n'


def test_the_training_stays_the_same_to_the_bit():
    plain, watched = make_net(), make_net()
    plain.fit(X, T, epochs=2, verbose=0)
    watched.fit(X, T, epochs=2, verbose=0, callbacks=[quiet(interval=1e-9)])
    assert (plain.params.flat == watched.params.flat).all()


# The end -----------------------------------------------------------------------------------------


def test_the_button_ends_the_training_after_a_step():
    view, net, found = quiet(interval=0.01).open(), make_net(), []
    thread = in_thread(
        lambda: found.append(
            net.fit(X, T, epochs=10**6, callbacks=[an.every_steps(1, slowly), view], verbose=0)
        )
    )
    listener = Listener(view)
    while listener.next()[0] != "update":
        pass
    assert ask(view, "POST", "/stop")[0] == 204
    thread.join(20)
    (history,) = found
    assert history.stopped_by == "LiveView: stopped in the browser"
    assert history.epochs  # the begun epoch was closed
    assert listener.rest()[-1][1]["step"] == history.steps
    # The next training is another one, at another address.
    net.fit(X, T, epochs=1, callbacks=[view], verbose=0)
    assert net.history.stopped_by == "epochs"


def test_the_end_may_be_asked_for_before_the_first_step(view):
    assert ask(view, "POST", "/stop")[0] == 204
    history = make_net().fit(X, T, epochs=10**6, callbacks=[view], verbose=0)
    assert (history.steps, history.stopped_by) == (1, "LiveView: stopped in the browser")


def test_an_error_leaves_the_closing_to_with():
    def fail(state):
        raise ZeroDivisionError

    view = quiet()
    with pytest.raises(ZeroDivisionError), view:
        make_net().fit(X, T, epochs=1, callbacks=[view, fail], verbose=0)
    assert view.url is None


def test_a_closed_view_listens_no_more():
    view = quiet().open()
    port, _ = parts(view)
    assert view.open().url == view.url
    view.close()
    view.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 2)


def test_a_port_of_ones_own_and_one_that_is_taken(view):
    port, _ = parts(view)
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1, port {port}: "):
        quiet(port=port).open()
    view.close()
    with quiet(port=port) as again:
        assert parts(again)[0] == port


def test_arguments_that_are_wrong():
    for options, error in (
        ({"port": -1}, ValueError), ({"port": 65536}, ValueError), ({"port": "80"}, TypeError),
        ({"monitor": 3}, TypeError), ({"interval": 0}, ValueError), ({"shape": (0, 3)}, ValueError),
    ):  # fmt: skip
        with pytest.raises(error, match=next(iter(options))):
            LiveView(**options)


def test_a_copy_is_closed(view):
    assert copy.deepcopy(view).url is None
    assert repr(view) == "LiveView(port=0)"


def test_the_address_goes_to_standard_error(capsys):
    with LiveView() as opened:
        assert capsys.readouterr().err == f"live view: {opened.url}\n"


# Whom it refuses ---------------------------------------------------------------------------------


def test_nothing_listens_unless_asked():
    code = (
        "import sys, affinet as an\n"
        "events = []\n"
        "hook = lambda event, args: event.startswith('socket.') and events.append(event)\n"
        "sys.addaudithook(hook)\n"
        "view = an.live.LiveView()\n"
        "net = an.Sequential(an.Affine.init(1, 1), loss=an.MeanSquaredError())\n"
        "net.fit([[1.0]], [[1.0]], epochs=1, callbacks=[an.diagnostics.Monitor()])\n"
        "print(events, 'http.server' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"


def test_only_the_loopback_is_listened_on(view):
    assert view._server.socket.getsockname()[0] == "127.0.0.1"
    port, _ = parts(view)
    if Path("/proc/net/tcp").exists():
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        found = {line[1] for line in lines if line[1].endswith(f":{port:04X}") and line[3] == "0A"}
        assert found == {f"0100007F:{port:04X}"}


def test_the_page_is_one_and_loads_nothing_else(view):
    code, head, body = ask(view)
    assert code == 200
    policy = re.search("Content-Security-Policy: (.*)", head)[1]
    nonce = re.search("script-src 'nonce-([^']+)'", policy)[1]
    assert policy.startswith("default-src 'none'")
    assert body.count(f'nonce="{nonce}"') == 2
    assert "NONCE" not in body
    assert not re.search(r"(?:src|href)=(?!\"data:,\")|https?:|@import|url\(", body)
    for field in ("Cache-Control: no-store", "Referrer-Policy: no-referrer",
                  "X-Content-Type-Options: nosniff"):  # fmt: skip
        assert field in head
    assert nonce not in ask(view)[2]  # another one every time
    assert ask(view, host=f"localhost:{parts(view)[0]}")[0] == 200


@pytest.mark.parametrize("path", ["/", "/events", "/other"])
@pytest.mark.parametrize("token", [None, "", "wrong", "%00", "ü"])
def test_without_the_token_there_is_nothing(view, path, token):
    code, head, body = ask(view, path=path, token=token)
    assert (code, body) == (403, "the token is missing or wrong\n")
    assert parts(view)[1] not in head + body


def test_tokens_are_random_and_acting_wants_a_header(view):
    with quiet() as other:
        assert parts(other)[1] != parts(view)[1]
        assert len(parts(other)[1]) >= 32
        assert ask(view, token=parts(other)[1])[0] == 403
    _, token = parts(view)
    assert ask(view, "POST", "/stop", token="wrong")[0] == 403
    assert ask(view, "POST", f"/stop?token={token}", token=None)[0] == 403
    assert ask(view, "GET", "/stop")[0] == 404
    assert ask(view, "POST", "/")[0] == 404
    assert not view._hub.stop.is_set()
    assert ask(view, "POST", "/stop")[0] == 204
    assert view._hub.stop.is_set()


def test_other_names_and_other_pages_are_refused(view):
    port, token = parts(view)
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}",
                 f"127.0.0.1:{port}, evil"):  # fmt: skip
        assert ask(view, host=host)[0] == 403
    assert b" 403 " in exchange(view, f"GET /?token={token} HTTP/1.0\r\n\r\n".encode())
    two = f"GET /?token={token} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: a\r\n\r\n"
    assert b" 403 " in exchange(view, two.encode())
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{port + 1}"):
        assert ask(view, "POST", "/stop", Origin=origin)[0] == 403
    assert ask(view, "POST", "/stop", Origin=f"http://127.0.0.1:{port}")[0] == 204


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "CONNECT", "get", "X" * 99])
def test_other_methods_are_refused(view, method):
    code, head, _ = ask(view, method)
    assert code == 405
    assert "Allow: GET, POST" in head


def test_malformed_and_oversized_requests_are_refused(view, monkeypatch):
    port, token = parts(view)
    good = f"POST /stop HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Token: {token}\r\n"
    for raw, code in (
        (b"\r\n\r\n", None),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"GET / HTTP/x\r\n\r\n", 400),
        (bytes(range(256)) + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET /" + b"a" * 10**6, 431),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (f"{good}Content-Length: 3\r\n\r\nabc".encode(), 413),
        (f"{good}Content-Length: 99999999999\r\n\r\n".encode() + b"a" * 50_000, 413),
        (f"{good}Content-Length: -1\r\n\r\n".encode(), 413),
        (f"{good}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode(), 413),
        (
            f"GET /?token={token}{'&a' * 99} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode(),
            403,
        ),
    ):
        try:
            answer = exchange(view, raw)
        except ConnectionResetError:  # it closed while we went on sending
            assert code in (413, 431)
            continue
        assert (code is None and not answer) or f" {code} ".encode() in answer[:20], raw[:60]
    assert not view._hub.stop.is_set()
    monkeypatch.setattr(server, "SECONDS", 0.2)
    monkeypatch.setattr(server.Handler, "timeout", 0.2)
    started = time.monotonic()
    assert exchange(view, b"GET / HT") == b""  # never ended: no more is waited for
    assert time.monotonic() - started < 5
    assert ask(view)[0] == 200


def test_pages_and_connections_are_limited(view, monkeypatch):
    monkeypatch.setattr(server, "SECONDS", 1.0)
    monkeypatch.setattr(server.Handler, "timeout", 1.0)
    listeners = [Listener(view) for _ in range(hub.MOST_PAGES)]
    assert ask(view, path="/events")[0] == 503
    for listener in listeners:
        listener.next()
    port, _ = parts(view)
    idle = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(40)]
    refused = 0
    for connection in idle:
        connection.settimeout(0.02)
        try:
            refused += connection.recv(1) == b""
        except TimeoutError:
            pass
        except ConnectionResetError:
            refused += 1
        if refused == 24:
            break
    assert refused >= 24
    for connection in idle:
        connection.close()
    until = time.monotonic() + 10
    while view._server._free._value < server.MOST_CONNECTIONS - hub.MOST_PAGES:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert ask(view)[0] == 200


# Those who watch hold nobody ---------------------------------------------------------------------


def test_a_browser_that_reads_nothing_is_let_go_and_holds_nobody(view):
    port, token = parts(view)
    silent = socket.socket()
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    silent.connect(("127.0.0.1", port))
    silent.sendall(f"GET /events?token={token} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    until = time.monotonic() + 10
    while not view._hub.watched:
        assert time.monotonic() < until
    page = next(iter(view._hub._pages))
    slowest = 0.0
    for step in range(hub.WAITING + 100):
        started = time.monotonic()
        view._hub.tell("weights", {"step": step, "data": np.zeros(300_000, np.int8)})
        slowest = max(slowest, time.monotonic() - started)
        time.sleep(0.001)
    assert page.let_go
    assert not view._hub.watched
    assert page.events.qsize() <= hub.WAITING
    assert slowest < 2.0  # a shared machine may pause us, a full socket would for SLOW seconds
    started = time.monotonic()
    view.close()
    assert time.monotonic() - started < 5
    silent.close()


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


# The shell, and a browser ------------------------------------------------------------------------


def test_the_shell_serves_and_the_button_ends_it(tmp_path):
    words = "-m affinet train digits --live --epochs 1000000 --quiet"
    with subprocess.Popen(
        [sys.executable, *words.split()], cwd=tmp_path, env={**os.environ, "MPLBACKEND": "Agg"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        url = process.stderr.readline().split("live view: ")[1].strip()
        place = urlsplit(url)
        connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=20)
        connection.request("POST", "/stop", headers={"X-Token": place.query.partition("=")[2]})
        assert connection.getresponse().status == 204
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert re.search(r"after step [\d,]+: LiveView: stopped in the browser", err)
    assert out.startswith("test accuracy ")
    assert "monitor" in an.load(tmp_path / "digits-model.npz").metadata


def test_the_shell_names_a_port_that_is_none(capsys):
    for text in ("digits", "65536", "-1"):
        assert main(["train", "digits", f"--live={text}"]) == 2
        assert "--live" in capsys.readouterr().err


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt install chromium)")
def test_chromium_draws_the_training_and_stops_it(tmp_path):
    net, found = make_net(), []
    shot = Path(os.environ.get("AFFINET_SCREENSHOTS", tmp_path)) / "live.png"  # for eyes, too
    watch = an.diagnostics.Monitor(every=16, verbose=False)
    view = quiet(monitor=watch, title="digits & <b>more</b>").open()
    callbacks = [watch, view, an.every_steps(1, slowly)]
    with view, Browser(tmp_path / "profile", view.url) as browser:
        thread = in_thread(
            lambda: found.append(
                net.fit(X, T, epochs=10**6, validation_data=TEST, callbacks=callbacks, verbose=0)
            )
        )
        try:
            browser.wait_for("document.querySelectorAll('#loss path.curve').length == 2")
            browser.wait_for("document.querySelectorAll('#gradient path.curve').length == 2")
            browser.wait_for("document.querySelectorAll('#update path.curve').length == 2")
            # The curves grow while the training runs.
            path = "document.querySelector('#loss path.curve').getAttribute('d').length"
            before = browser.evaluate(path)
            browser.wait_for(f"{path} > {before}")
            assert "NaN" not in browser.evaluate("document.querySelector('main').innerHTML")
            assert browser.evaluate("document.title") == "digits & <b>more</b>"
            state = browser.evaluate("document.getElementById('state').textContent")
            assert re.match(r"epoch \d+ · step [\d,]+ · [\d.]+ s", state)
            assert browser.evaluate("document.querySelector('canvas').width") > 50
            # No text leaves its picture.
            assert browser.evaluate("""[...document.querySelectorAll('svg')].every((svg) => {
                const box = svg.getBoundingClientRect();
                return [...svg.querySelectorAll('text')].every((t) => {
                    const b = t.getBoundingClientRect();
                    return b.left >= box.left - 1 && b.right <= box.right + 1
                        && b.top >= box.top - 1 && b.bottom <= box.bottom + 1;
                });
            })""")
            browser.screenshot(shot)
            browser.evaluate("document.getElementById('stop').click()")
            ended = browser.wait_for(
                "document.getElementById('state').textContent.startsWith('ended') &&"
                "document.getElementById('state').textContent"
            )
        finally:
            view._hub.stop.set()
            thread.join(30)
        assert ended.endswith("LiveView: stopped in the browser")
        assert browser.evaluate("document.getElementById('stop').disabled")
        assert browser.complaints() == []
        addresses = {urlsplit(url).netloc for url in browser.requested() if url != "about:blank"}
        assert len({address for address in addresses if address}) == 1
    (history,) = found
    assert history.stopped_by == "LiveView: stopped in the browser"
    pixels = picture(shot)
    colours = {tuple(colour) for colour in pixels.reshape(-1, 3)[::7]}
    assert (0, 114, 178) in colours  # the training's curve
    assert len(colours) > 50


def picture(path):
    """The pixels of a picture, (H, W, 3)."""
    image = pytest.importorskip("PIL.Image", reason="needs Pillow, which matplotlib brings")
    return np.asarray(image.open(path).convert("RGB"))
