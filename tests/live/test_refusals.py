"""The live view answers its own page only: no other host, no other page, no request too large."""

import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from affinet.live import hub, server
from live_client import Listener, ask, exchange, parts, quiet


def test_nothing_listens_unless_asked():
    code = (
        "import sys, affinet as an\n"
        "events = []\n"
        "hook = lambda event, args: event.startswith('socket.') and events.append(event)\n"
        "sys.addaudithook(hook)\n"
        "view = an.live.LiveView()\n"
        "net = an.Sequential(an.Affine.init(1, 1, rng=0), loss=an.MeanSquaredError())\n"
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
    assert exchange(view, b"GET / HT") == b""  # never ended: the server does not wait for more
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


def test_a_flood_is_slowed_down(view):
    """Beyond a first burst, connections are served at a limited rate; none is lost."""
    view._server._budget = 2.0
    begin = time.monotonic()
    assert [ask(view, token="x")[0] for _ in range(5)] == [403] * 5
    assert time.monotonic() - begin > 2 / 20
