"""A training killed at any moment resumes with the same bits."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

import affinet as an
from affinet.training import step as steps
from interrupted_training import KINDS, archive_epochs, assert_same, train
from parts.optimizers import CLASSES

KILLED = """
    import os, signal, sys
    import numpy as np
    import affinet as an
    from affinet.training import step as steps

    kind, optimizer, path, moment = sys.argv[1:]
    if kind != "fused":
        steps.can_fuse = lambda *_: False

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    def at_step(state):
        if moment == f"step {state.step}":
            die()

    def at_write(name, number):
        module, function = name.split(".")
        module = {"os": os, "np": np}[module]
        original, calls = getattr(module, function), []

        def counting(*arguments, **options):
            calls.append(1)
            if len(calls) == number:
                if function == "savez":
                    arguments[0].write(b"half of a file")
                    arguments[0].flush()
                if function == "replace" and moment.endswith("after"):
                    original(*arguments)
                die()
            return original(*arguments, **options)

        setattr(module, function, counting)

    if moment.split()[0] in ("os.fsync", "os.replace", "np.savez"):
        at_write(moment.split()[0], int(moment.split()[1]))
    rng = np.random.default_rng(6)
    x = rng.standard_normal((23, 4))
    t = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
    net = an.Sequential(
        an.Affine.init(4, 6, rng=1, dtype="float64"), an.ReLU(), an.Dropout(0.4, rng=9),
        an.Affine.init(6, 3, rng=2, dtype="float64"), loss=an.SoftmaxWithLoss(),
    )
    if moment == "any":
        print("begun", flush=True)
    while True:
        net.fit(
            x, t, optimizer=getattr(an, optimizer)(0.05), epochs=3 if moment != "any" else 100000,
            batch_size=5, seed=3,
            callbacks=[an.every_steps(1, at_step), an.Checkpoint(path, every_steps=2)],
        )
        sys.exit("it was not killed")
"""


def start(kind, optimizer, path, moment):
    arguments = [sys.executable, "-c", textwrap.dedent(KILLED), kind, optimizer.__name__, path]
    return subprocess.Popen(
        [*map(str, arguments), moment], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


posix = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")


@posix
@pytest.mark.parametrize("optimizer", CLASSES)
def test_killed_at_a_step(optimizer, data, path, monkeypatch):
    """Every second rule layer by layer; ``test_same_bits`` resumes every rule in both kinds."""
    kind = KINDS[CLASSES.index(optimizer) % 2]
    if kind != "fused":
        monkeypatch.setattr(steps, "can_fuse", lambda *_: False)
    process = start(kind, optimizer, path, "step 9")
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    whole = train(data, optimizer=optimizer(0.05))
    assert_same(whole, train(data, optimizer=optimizer(0.05), resume=path))


@posix
@pytest.mark.parametrize(
    "moment",
    ["np.savez 3", "os.fsync 5", "os.replace 3", "os.replace 3 after", "os.replace 1 after"],
)
def test_killed_while_a_checkpoint_is_written(moment, data, path):
    process = start("fused", an.Adam, path, moment)
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    assert_same(train(data), train(data, resume=path))


@posix
def test_killed_at_any_moment(data, path):
    """Killed from outside at any point: resuming gives what an uninterrupted training had there."""
    for pause in (0.05, 0.12, 0.31):
        path.unlink(missing_ok=True)
        process = start("fused", an.Adam, path, "any")
        assert process.stdout.readline() == "begun\n"
        while not path.exists():
            assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(pause)
        process.kill()
        process.communicate()
        epochs = archive_epochs(path) + 2
        assert_same(train(data, epochs=epochs), train(data, epochs=epochs, resume=path))
