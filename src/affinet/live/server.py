"""Serves one page and its events to a browser on this machine that has the token."""

from __future__ import annotations

import base64
import hmac
import io
import json
import os
import queue
import secrets
import socket
import socketserver
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from affinet.live.hub import Event, Hub

HOST = "127.0.0.1"
MOST_CONNECTIONS = 16
BURST, RATE = 64, 20.0  # connections at once, and per second: a flood must not slow the training
MOST_BYTES = 8192  # of a request line and headers; requests have no body
SECONDS = 5.0  # within which a request must be complete
SILENCE = 5.0  # seconds without events after which the connection is tested
SLOW = 10.0  # seconds within which one event must be sent


class Handler(BaseHTTPRequestHandler):
    """One request on one connection."""

    server: LiveServer
    server_version, sys_version = "affinet", ""
    timeout = SECONDS

    def handle(self) -> None:
        """Read a request of limited size in limited time, check it, and answer."""
        self.close_connection = True
        self.requestline, self.request_version, self.command = "", "HTTP/1.0", ""
        with suppress(OSError):  # the browser has disconnected
            head = self.read_head()
            if head is None:
                self.refuse(431, "the request is too large or too slow")
                return
            self.rfile = io.BufferedReader(io.BytesIO(head))
            self.raw_requestline = self.rfile.readline()
            if self.parse_request():
                self.answer()

    def read_head(self) -> bytes | None:
        """Everything up to the empty line; None if it is too long or too slow."""
        head, until = b"", time.monotonic() + SECONDS
        while b"\r\n\r\n" not in head:
            if len(head) > MOST_BYTES or time.monotonic() > until:
                return None
            part = self.connection.recv(4096)
            if not part:
                return head  # incomplete: it is parsed and refused
            head += part
        return head if len(head) <= MOST_BYTES else None

    def answer(self) -> None:
        """Answer, or refuse for the first problem found."""
        place = urlsplit(self.path)
        get = {"/": self.send_page, "/events": self.send_events}
        known = {"GET": get, "POST": {"/stop": self.stop}}
        hosts = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        host, origin = self.headers.get_all("Host") or [], self.headers.get("Origin")
        if self.command not in known:
            self.refuse(405, "wanted GET or POST")
        elif "Transfer-Encoding" in self.headers or self.headers.get("Content-Length", "0") != "0":
            self.refuse(413, "wanted a request without a body")
        elif len(host) != 1 or host[0] not in hosts:  # DNS rebinding: another name for this address
            self.refuse(403, "this server is 127.0.0.1")
        elif origin is not None and origin != f"http://{host[0]}":
            self.refuse(403, "the request comes from another page")
        elif not hmac.compare_digest(self.token(place.query).encode(), self.server.token.encode()):
            self.refuse(403, "the token is missing or wrong")
        elif place.path not in known[self.command]:
            self.refuse(404, "there is no such page")
        else:
            known[self.command][place.path]()

    def token(self, query: str) -> str:
        """The token received: in the query of a GET request, in a header of a POST request."""
        if self.command == "POST":
            return self.headers.get("X-Token", "")
        found = parse_qs(query, max_num_fields=4) if query.count("&") < 4 else {}
        return found.get("token", [""])[0]

    def send_page(self) -> None:
        """Send the page, which may not load or run anything else."""
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        text = resources.files("affinet.live").joinpath("page.html").read_text("utf-8")
        body = text.replace("NONCE", nonce).encode()
        self.head(200, "text/html; charset=utf-8", len(body), policy)
        self.wfile.write(body)

    def send_events(self) -> None:
        """Send events as long as the page is connected and keeps up."""
        hub = self.server.hub
        page = hub.join()
        if page is None:
            self.refuse(503, "too many pages are open")
            return
        try:
            self.connection.settimeout(SLOW)
            self.head(200, "text/event-stream")
            while not page.dropped:
                try:
                    event = page.events.get(timeout=SILENCE)
                except queue.Empty:
                    self.wfile.write(b": still training\n\n")
                    continue
                if event is None:
                    break
                self.wfile.write(encoded(event))
        finally:
            hub.leave(page)

    def stop(self) -> None:
        """Ask the training to stop."""
        self.server.hub.stop.set()
        self.head(204, None, 0)

    def head(
        self, code: int, kind: str | None, length: int | None = None, policy: str | None = None
    ) -> None:
        """Send headers that forbid caching, content sniffing and embedding."""
        self.request_version = "HTTP/1.0"  # send headers whatever the request said
        self.send_response(code)
        fields = {
            "Content-Type": kind,
            "Content-Length": length,
            "Content-Security-Policy": policy or "default-src 'none'",
            "Cache-Control": "no-store",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Allow": "GET, POST" if code == 405 else None,
            "Connection": "close",
        }
        for name, value in fields.items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()

    def refuse(self, code: int, why: str) -> None:
        """Send the reason in one line, and drain the input so that the line arrives."""
        body = f"{why}\n".encode()
        self.head(code, "text/plain; charset=utf-8", len(body))
        self.wfile.write(body)
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(0.2)
            for _ in range(16):
                if not self.connection.recv(4096):
                    break

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Report problems found by the base class in the same way."""
        self.refuse(int(code), message or "the request is malformed")

    def log_message(self, *_: Any) -> None:
        """Log nothing: the terminal belongs to the training."""


class LiveServer(ThreadingHTTPServer):
    """Serves a limited number of connections, each in its own thread."""

    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = os.name == "posix"

    def __init__(self, hub: Hub, port: int) -> None:
        self.hub = hub
        self.token = secrets.token_urlsafe(24)
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._budget, self._counted = float(BURST), time.monotonic()
        super().__init__((HOST, port), Handler)
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.05,), name="affinet live", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The address of the page, with the token."""
        return f"http://{HOST}:{self.server_port}/?token={self.token}"

    def server_bind(self) -> None:
        """Bind without looking up this machine's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection, or close it if there are too many; wait where they come too fast."""
        self._pace()
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def _pace(self) -> None:
        """Take one connection from the budget, which grows with time; sleep if it is used up."""
        now = time.monotonic()
        self._budget = min(BURST, self._budget + (now - self._counted) * RATE) - 1
        self._counted = now
        if self._budget < 0:
            time.sleep(1 / RATE)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Like the base class; free the slot afterwards."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, *_: Any) -> None:
        """Ignore the error: a browser's mistakes must not disturb the training."""

    def close(self) -> None:
        """Notify the pages, give them a moment to receive it, and close the port."""
        self.hub.close()
        until = time.monotonic() + 1.0
        while self.hub.watched and time.monotonic() < until:
            time.sleep(0.01)
        self.shutdown()
        self.server_close()
        self._thread.join()


def encoded(event: Event) -> bytes:
    """An event in the format of a browser's EventSource."""
    name, data = event or ("end", None)
    return f"event: {name}\ndata: {json.dumps(jsonable(data), allow_nan=False)}\n\n".encode()


def jsonable(value: Any) -> Any:
    """Plain values: numbers that are not finite become null, an array of bytes base64.

    Examples
    --------
    >>> jsonable({"loss": float("nan"), "steps": (1, 2)})
    {'loss': None, 'steps': [1, 2]}
    """
    if isinstance(value, dict):
        return {name: jsonable(inside) for name, inside in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(inside) for inside in value]
    if isinstance(value, np.ndarray):
        return base64.b64encode(value.tobytes()).decode()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return value
