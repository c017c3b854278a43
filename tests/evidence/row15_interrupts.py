"""Row 15: Ctrl-C at random moments of fit, fit_many and predict."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import numpy as np

import affinet as an
from evidence import Row

MOST_SECONDS = 0.2  # of CPU time until KeyboardInterrupt
ROUNDS, STEPS = 5, 12
B, WIDTH = 640, 96
BATCH = B // STEPS + 1


def network():
    return an.Sequential(
        an.Affine.init(WIDTH, 128, rng=0),
        an.GELU(),
        an.Affine.init(128, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )


def data():
    rng = np.random.default_rng(2)
    return rng.standard_normal((B, WIDTH)).astype(np.float32), rng.integers(0, 10, B)


OPTIONS = {"epochs": 400, "batch_size": BATCH, "seed": 5, "shuffle": True}


class Interrupter:
    """Sends SIGINT after so many seconds, and notes the CPU time then.

    A signal that arrives when the call has ended is caught by the context.
    """

    def __init__(self, seconds):
        self.thread = threading.Thread(target=self.send, args=(seconds,), daemon=True)
        self.sent = None

    def send(self, seconds):
        time.sleep(seconds)
        self.sent = time.process_time()
        os.kill(os.getpid(), signal.SIGINT)


def interrupted(call, seconds):
    """CPU seconds until KeyboardInterrupt, or None if the call was faster."""
    sender = Interrupter(seconds)
    try:
        sender.thread.start()
        call()
        sender.thread.join()
        time.sleep(0.01)  # the interrupt arrives here at the latest
    except KeyboardInterrupt:
        at = time.process_time()
        sender.thread.join()
        return at - sender.sent
    return None


class Steps:
    """The parameters after each whole number of steps of an uninterrupted training."""

    def __init__(self, most):
        self.seen, net = set(), network()
        self.seen.add(net.params.flat.tobytes())

        def keep(state):
            self.seen.add(net.params.flat.tobytes())

        x, t = data()
        net.fit(x, t, callbacks=[an.every_steps(1, keep)], **(OPTIONS | {"epochs": most}))


KNOWN = {}


def known(most):
    if most not in KNOWN:
        KNOWN[most] = Steps(most).seen
    return KNOWN[most]


def attack_fit(b, seconds):
    net, (x, t) = network(), data()
    epochs = 30
    late = interrupted(lambda: net.fit(x, t, **(OPTIONS | {"epochs": epochs})), seconds)
    whole = net.params.flat.tobytes() in known(epochs)
    b.expect(whole, f"fit after {seconds:.4f} s: parameters are between two steps")
    again = net.fit(x, t, **(OPTIONS | {"epochs": 1}))
    b.expect(np.isfinite(again.to_dict()["epochs"][-1]["loss"]), "fit: training cannot go on")
    return late


def attack_fit_many(b, seconds):
    nets, (x, t) = [network() for _ in range(3)], data()
    late = interrupted(lambda: an.fit_many(nets, x, t, **(OPTIONS | {"epochs": 30})), seconds)
    for net in nets:
        whole = net.params.flat.tobytes() in known(30)
        b.expect(whole, f"fit_many after {seconds:.4f} s: parameters are between two steps")
    an.fit_many(nets, x, t, **(OPTIONS | {"epochs": 1}))
    return late


def attack_predict(b, seconds):
    net = network()
    x = np.tile(data()[0], (60, 1))
    wanted = net.predict(x[:B])
    late = interrupted(lambda: [net.predict(x) for _ in range(8)], seconds)
    b.expect(np.array_equal(net.predict(x[:B]), wanted), "predict: later results differ")
    return late


ATTACKS = {"fit": attack_fit, "fit_many": attack_fit_many, "predict": attack_predict}


def batch(b):
    if threading.current_thread() is not threading.main_thread():
        return  # signals arrive in the main thread
    for _ in range(1 if b.quick else ROUNDS):
        for name, attack in ATTACKS.items():
            late = attack(b, float(b.rng.uniform(0, 0.25)))
            b.case()
            if late is not None:
                b.measure(f"{name}: CPU seconds until KeyboardInterrupt", late)
                b.expect(late <= MOST_SECONDS, f"{name}: KeyboardInterrupt after {late:.3f} s")


ROW = Row(
    number=15,
    title="Ctrl-C at random moments of fit, fit_many and predict",
    holds="KeyboardInterrupt within 0.2 s of CPU time, parameters after a whole number of steps, "
    "training goes on",
    aim=1_000,
    batch=batch,
    cases="interrupts",
    quick=0,
    also=("tests/training/test_endings.py", "tests/training/many"),
    available=lambda: sys.platform != "win32",
    alone=True,
)
