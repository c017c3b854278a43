"""How much a flood of requests and slow clients slow a training down (row 23): paired, by turns."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import affinet as an
from affinet.live import LiveView
from live_client import parts

PAIRS, EPOCHS = 21, 600
MOST = 1.03  # of the time of a training that no one disturbs
# Ten clients send a byte a second; requests with a wrong token follow each other without a stop.
CLIENT = """
import contextlib, socket, sys, threading, time
place = ("127.0.0.1", int(sys.argv[1]))
def slow():
    while True:
        with contextlib.suppress(OSError), socket.create_connection(place, 5) as sock:
            for byte in b"GET / HTTP/1.1":
                sock.sendall(bytes([byte]))
                time.sleep(1)
for _ in range(10):
    threading.Thread(target=slow, daemon=True).start()
print("ready", flush=True)
refused = False
while True:
    time.sleep(0.01 * refused)
    refused = True
    with contextlib.suppress(OSError), socket.create_connection(place, 5) as sock:
        refused = False
        sock.sendall(b"GET /?token=x HTTP/1.1\\r\\nHost: 127.0.0.1:%d\\r\\n\\r\\n" % place[1])
        while sock.recv(65536):
            pass
"""


def network():
    return an.Sequential(
        an.Affine.init(64, 100, rng=0), an.ReLU(), an.Affine.init(100, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )  # fmt: skip


def seconds(port, x, t):
    net, begin, view = network(), time.perf_counter(), LiveView(port, announce=lambda _: None)
    net.fit(x, t, epochs=EPOCHS, batch_size=32, seed=1, callbacks=[view])
    return time.perf_counter() - begin


def slowed(b):
    """The median ratio of the pairs, and whether it is surely above what is allowed.

    By the sign test the median is above the sixth of 21 ratios with 97 per cent.
    """
    (x, t), _ = an.datasets.load_digits()
    ratios = []
    with LiveView(announce=lambda _: None) as view:  # a training closes its own at the end
        port, _ = parts(view)
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(port)], stdout=subprocess.PIPE, text=True
    )
    try:
        client.stdout.readline()
        seconds(port, x, t)
        for _ in range(PAIRS):
            ratios.append(pair(b.rng, client, lambda: seconds(port, x, t)))
    finally:
        client.kill()
        client.wait()
        client.stdout.close()
    b.case(PAIRS)
    ratios.sort()
    b.measure("time of a training under a flood, median ratio", ratios[PAIRS // 2])
    b.expect(ratios[5] <= MOST, f"a flood makes a training {ratios[PAIRS // 2]:.3f} times as long")


def pair(rng, client, run):
    """Flooded by undisturbed, in a random order; in between, the client stands still."""
    times = {}
    for flooded in rng.permutation([True, False]):
        os.kill(client.pid, signal.SIGCONT if flooded else signal.SIGSTOP)
        time.sleep(0.05)
        times[bool(flooded)] = run()
    os.kill(client.pid, signal.SIGCONT)
    return times[True] / times[False]
