"""A small HTTP client for the live view, and a network to train before it."""

import http.client
import json
import socket
import threading
import time
from contextlib import closing
from urllib.parse import urlsplit

import affinet as an
from affinet.live import LiveView

(X, T), TEST = an.datasets.load_digits()


def quiet(**options):
    return LiveView(announce=lambda _: None, **options)


def make_net():
    return an.Sequential(
        an.Affine.init(64, 20, rng=0), an.ReLU(), an.Affine.init(20, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )  # fmt: skip


def parts(view):
    """Port and token of an open view."""
    place = urlsplit(view.url)
    return place.port, place.query.removeprefix("token=")


def exchange(view, raw, seconds=10):
    """The answer to these bytes."""
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
