"""Row 23: the live page of a running training under hostile requests.

No request here has all of what stopping takes: the method, the path, the page's host, its origin
and the token in its header. So the stop must never be set, the token never be sent to anyone
without it, and the training end with the parameters of an undisturbed one.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time

import numpy as np

import affinet as an
from affinet.live import LiveView
from evidence import Row
from flood import slowed
from live_client import parts

REQUESTS, QUICK_REQUESTS = 400, 60
FLOODS = 100  # batches, of which one measures what a flood costs
STATUSES = {200, 204, 400, 403, 404, 405, 408, 413, 414, 417, 431, 501, 503, 505}
METHODS = ("GET", "POST", "PUT", "OPTIONS", "HEAD", "get", "", "POST POST", "X" * 300)
PATHS = (
    "/", "/stop", "/events", "/stop/", "//stop", "/../stop", "/%73top", "/stop%00", "/stop#x",
    "http://127.0.0.1/stop", "/etc/passwd", "/..%2f..%2fetc/passwd", "*", "", "/" + "a" * 9000,
    "/st\top",
)  # fmt: skip
HOSTS = ("evil.example", "127.0.0.1", "localhost.evil.example", "[::1]", "", "127.0.0.1:1")
ORIGINS = (None, "null", "http://evil.example", "https://127.0.0.1", "http://127.0.0.1:1")
EXTRA = (
    "Content-Length: -1", "Content-Length: 99999999999", "Transfer-Encoding: chunked",
    "Expect: 100-continue", "X-Token : a", " folded", "Upgrade: websocket", "A" * 5000 + ": b",
    "X-Forwarded-Host: 127.0.0.1",
)  # fmt: skip


def text(rng, port, token):
    """A request that lacks one thing at least, and whether it has the token."""
    host, origin = f"127.0.0.1:{port}", rng.choice(5)
    method, path = (str(rng.choice(kinds)) for kinds in (METHODS, PATHS))
    missing = rng.integers(4)
    shown = None
    if missing == 0:  # another host: DNS rebinding
        host, shown = str(rng.choice(HOSTS)), token
    elif missing == 1:  # another page in the same browser
        origin, shown = int(rng.integers(1, 5)), token
    elif missing == 2:  # the right token in the wrong place
        path = f"{path}?token={token}"
    else:
        wrong = ("", token[:-1], token + "a", token.swapcase(), "0", token[::-1], "\x00")
        shown = wrong[rng.integers(len(wrong))]
        shown = "x" if shown == token else shown
    if missing in (2, 3):
        origin = 0
    lines = [f"{method} {path} HTTP/1.{rng.integers(0, 3)}", f"Host: {host}"]
    if ORIGINS[origin] is not None:
        lines.append(f"Origin: {ORIGINS[origin]}")
    if shown is not None:
        lines.append(f"X-Token: {shown}")
    lines += [str(rng.choice(EXTRA)) for _ in range(rng.integers(0, 2))]
    return "\r\n".join([*lines, "", ""]).encode("latin1"), missing == 2


def spoiled(rng, raw):
    """Some requests are cut off, or have other bytes in them."""
    kind = rng.integers(8)
    if kind == 0:
        return raw[: rng.integers(len(raw))]
    if kind == 1:
        at = int(rng.integers(len(raw)))
        return raw[:at] + rng.bytes(6) + raw[at:]
    return raw


def answer(port, raw):
    """What comes back in the time of a short patience; half a request is dropped by this side."""
    sock = socket.create_connection(("127.0.0.1", port), 5)
    with contextlib.suppress(OSError), sock:
        sock.sendall(raw)
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(0.5)
        got = b""
        with contextlib.suppress(TimeoutError):
            while part := sock.recv(65536):
                got += part
                if b"text/event-stream" in got:
                    break
        return got
    return b""


def train(view=None, step=lambda state: None):
    """A training of a small network; its parameters at the end."""
    (x, t), _ = an.datasets.load_digits()
    net = an.Sequential(
        an.Affine.init(64, 20, rng=0), an.ReLU(), an.Affine.init(20, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )  # fmt: skip
    callbacks = [] if view is None else [view, an.every_steps(1, step)]
    net.fit(x, t, epochs=6, batch_size=100, seed=1, callbacks=callbacks)
    return net.params.flat.copy()


class Attack:
    """Requests during a training: each of its steps waits for its share of them."""

    def __init__(self, requests):
        self.requests, self.sent, self.steps, self.started = requests, 0, 0, threading.Event()

    def step(self, state):
        self.started.set()
        self.steps += 1
        while self.sent < min(self.requests, 10 * self.steps):  # a training has 90 steps or more
            time.sleep(0.0005)


def batch(b):
    if not b.quick and b.index % FLOODS == FLOODS // 2:
        slowed(b)
    undisturbed = train()
    with LiveView(announce=lambda _: None) as view:
        port, token = parts(view)
        view._server._pace = lambda: None  # the attack is faster than the page allows
        crowd, ended = Attack(QUICK_REQUESTS if b.quick else REQUESTS), []
        thread = threading.Thread(target=lambda: ended.append(train(view, crowd.step)))
        thread.start()
        crowd.started.wait(20)
        try:
            for _ in range(crowd.requests):
                raw, may_know = text(b.rng, port, token)
                attack(b, view, port, token, spoiled(b.rng, raw), may_know)
                crowd.sent += 1
        finally:
            crowd.requests = 0
        thread.join(60)
        b.expect(len(ended) == 1, "the training did not end")
        same = bool(ended) and np.array_equal(ended[0], undisturbed)
        b.expect(same, "the training's parameters differ from those of an undisturbed one")


def attack(b, view, port, token, raw, may_know):
    got = answer(port, raw)
    b.case()
    shown = repr(raw[:150].replace(token.encode(), b"TOKEN"))
    b.expect(not view._hub.stop.is_set(), f"the stop was set by {shown}")
    view._hub.stop.clear()
    b.expect(may_know or token.encode() not in got, f"the token was sent to {shown}")
    status = re.match(rb"HTTP/1\.[01] (\d+) ", got)
    if status:
        b.expect(int(status[1]) in STATUSES, f"{status[0]!r} for {shown}")
        b.expect(int(status[1]) != 204, f"{status[0]!r} for {shown}")
    b.expect(b"Traceback" not in got, f"a traceback for {shown}")


ROW = Row(
    number=23,
    title="The live page: rebinding, other origins, traversal, malformed requests, floods",
    holds="the stop is never set, the token never sent, and the training ends with the parameters "
    "of an undisturbed one; beside a flood and slow clients it takes at most 1.03 times as "
    "long (one batch in 100; on a machine without other work)",
    aim=1_000_000,
    batch=batch,
    cases="requests",
    quick=1,
    also=("tests/live",),
    alone=True,
)
