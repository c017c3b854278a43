"""A fork while another thread uses a network: the child has the network, and not the thread."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")

HEAD = """
import os, sys, threading, warnings
import numpy as np, affinet as an
warnings.simplefilter("ignore")  # that other threads are running

class Gate:
    armed = False
    def __init__(self):
        self.entered, self.opened = threading.Event(), threading.Event()
    def forward(self, x, train=True):
        if self.armed:
            self.entered.set()
            assert self.opened.wait(30)
        return x
    def backward(self, dout):
        return dout

gate, dropout = Gate(), an.Dropout(0.5, rng=3)
net = an.Sequential(dropout, gate, an.Affine.init(4, 2, rng=0), loss=an.SoftmaxWithLoss())
x, t = np.eye(4), np.arange(4) % 2

def in_child(job):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            gate.armed = False
            job()
            code = 0
        except BaseException as error:
            print(repr(error), flush=True)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def beside(call, job):
    gate.armed = True
    thread = threading.Thread(target=call)
    thread.start()
    assert gate.entered.wait(30)
    code = in_child(job)
    gate.armed = False
    gate.opened.set()
    thread.join()
    return code
"""


def run(program):
    result = subprocess.run(
        [sys.executable, "-c", HEAD + program],
        capture_output=True, text=True, timeout=120, check=False, env=os.environ,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.split()


@pytest.mark.parametrize(
    "call", ["net.predict(x)", "net.evaluate(x, t)", "net.fit(x, t, epochs=1)"]
)
def test_the_child_predicts_and_trains(call):
    job = "net.predict(x), net.fit(x, t, epochs=2), net.evaluate(x, t)"
    assert run(f"print(beside(lambda: {call}, lambda: ({job})))") == ["0"]


def test_the_parent_goes_on():
    program = "beside(lambda: net.predict(x), lambda: None); net.fit(x, t, epochs=1); print('fine')"
    assert run(program) == ["fine"]


def test_dropout_draws_its_own_masks_in_the_child():
    """Though a step of fit, which had set them, stood between its forward and its end."""
    assert run(
        "def job():\n"
        "    assert dropout.position is None\n"
        "    assert (dropout.forward(np.ones((9, 9))) != dropout.forward(np.ones((9, 9)))).any()\n"
        "print(beside(lambda: net.fit(x, t, epochs=1), job))"
    ) == ["0"]


def test_a_fork_inside_a_callback_stays_inside_the_training():
    assert run(
        "codes = []\n"
        "def job():\n"
        "    net.predict(x)\n"
        "    try:\n"
        "        net.fit(x, t, epochs=1)\n"
        "    except RuntimeError as error:\n"
        "        assert 'already being trained' in str(error)\n"
        "    else:\n"
        "        raise AssertionError('a second fit')\n"
        "net.fit(x, t, epochs=1, callbacks=[lambda state: codes.append(in_child(job))])\n"
        "print(*codes)"
    ) == ["0"]


def test_a_fork_inside_a_prediction_ends_that_prediction():
    assert run(
        "class Forking(Gate):\n"
        "    pid = None\n"
        "    def forward(self, x):\n"
        "        if self.pid is None:\n"
        "            self.pid = os.fork()\n"
        "        return x\n"
        "net = an.Sequential(Forking(), an.Affine.init(4, 2, rng=0), loss=an.SoftmaxWithLoss())\n"
        "net.predict(x)\n"
        "net.fit(x, t, epochs=1)\n"
        "pid = net.layers[0].pid\n"
        "if pid == 0:\n"
        "    os._exit(5)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    ) == ["5"]


@pytest.mark.parametrize(
    "lock", ["affinet.network.usage", "affinet.network.parts", "affinet.network.kept"]
)
def test_a_lock_that_another_thread_holds_is_free_in_the_child(lock):
    assert run(
        f"import importlib\nlock = importlib.import_module('{lock}')._LOCK\n"
        "def hold():\n"
        "    with lock:\n"
        "        gate.entered.set()\n"
        "        gate.opened.wait(30)\n"
        "def job():\n"
        "    an.Sequential(Gate(), an.Affine.init(4, 2), loss=an.SoftmaxWithLoss()).fit(x, t)\n"
        "print(beside(hold, job))"
    ) == ["0"]


def test_the_thread_limit_of_another_threads_estimator_is_lifted():
    pytest.importorskip("sklearn")
    assert run(
        "from affinet.thread_limit import thread_limit\n"
        "an.set_num_threads(3)\n"
        "def hold():\n"
        "    with thread_limit(1):\n"
        "        gate.entered.set()\n"
        "        gate.opened.wait(30)\n"
        "def job():\n"
        "    assert an.get_num_threads() == 3\n"
        "    with thread_limit(2):\n"
        "        assert an.get_num_threads() == 2\n"
        "    assert an.get_num_threads() == 3\n"
        "print(beside(hold, job))"
    ) == ["0"]
