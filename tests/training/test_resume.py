"""A training that was interrupted anywhere, even killed, and resumed ends with the same bits."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import affinet as an
from affinet import archive, schedules
from affinet.training import step as steps

OPTIMIZERS = (
    *(an.SGD, an.Momentum, an.Nesterov, an.AdaGrad),
    *(an.RMSprop, an.Adam, an.AdamW),
)
KINDS = ("fused", "layer by layer")
ROWS, BATCH, EPOCHS = 23, 5, 3
STEPS = 5 * EPOCHS


class Interruption(Exception):  # noqa: N818 - not an error
    pass


class RunningMean:
    """A layer of the user's own that changes an array of its own while it trains."""

    buffers = ("mean",)

    def __init__(self, n):
        self.mean = np.zeros(n)

    def forward(self, x, train=True):
        if train:
            self.mean += 0.1 * (x.mean(axis=0) - self.mean)
        return x - self.mean

    def backward(self, dout):
        return dout


class OwnOptimizer:
    """An optimizer of the user's own, with a state that it tells."""

    def __init__(self, lr=0.05):
        self.lr, self.count = lr, 0

    def update(self, params, grads):
        self.count += 1
        params.flat[:] -= self.lr / self.count * np.sign(grads.flat)

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


@pytest.fixture
def data():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((ROWS, 4))
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "c.npz"


@pytest.fixture(params=KINDS)
def kind(request, monkeypatch):
    if request.param != "fused":
        monkeypatch.setattr(steps, "can_fuse", lambda *_: False)
    return request.param


def build(*, seed=1, width=6, dropout=0.4, dtype="float64", last=3, middle=()):
    return an.Sequential(
        an.Affine.init(4, width, rng=seed, dtype=dtype),
        an.ReLU(),
        *middle,
        an.Dropout(dropout, rng=9),
        an.Affine.init(width, last, rng=2, dtype=dtype),
        loss=an.SoftmaxWithLoss(),
    )


def train(data, *, net=None, optimizer=None, **options):
    """A training of three epochs; the network, the optimizer and the record."""
    net = build() if net is None else net
    optimizer = an.Adam(0.05) if optimizer is None else optimizer
    history = net.fit(
        *data, optimizer=optimizer, **{"epochs": EPOCHS, "batch_size": BATCH, "seed": 3} | options
    )
    return net, optimizer, history


def interrupt_after(step):
    """A callback that ends the training by an exception."""

    def interrupt(state):
        if state.step == step:
            raise Interruption

    interrupt.comes_last = True  # after the checkpoint of this very step
    return an.every_steps(1, interrupt)


def interrupted(data, path, step, *, every=1, callbacks=(), **options):
    """Train with checkpoints every so many steps, up to an interruption after ``step``."""
    callbacks = [*callbacks, an.Checkpoint(path, every_steps=every), interrupt_after(step)]
    with pytest.raises(Interruption):
        train(data, callbacks=callbacks, **options)


def record(history):
    """A record without what differs from run to run."""
    content = history.to_dict()
    for epoch in content["epochs"]:
        assert epoch.pop("seconds") > 0
    return content


def assert_same(one, two):
    np.testing.assert_array_equal(one[0].params.flat, two[0].params.flat)
    for a, b in zip(one[0]._arrays().items(), two[0]._arrays().items(), strict=True):
        np.testing.assert_array_equal(a[1], b[1], err_msg=a[0])
    if isinstance(one[1], an.Optimizer):
        states = [optimizer.state_of(net.params.flat) for net, optimizer, _ in (one, two)]
        assert states[0].step == states[1].step
        for a, b in zip(states[0].averages, states[1].averages, strict=True):
            np.testing.assert_array_equal(a, b)
    assert one[1].lr == two[1].lr
    assert record(one[2]) == record(two[2])


# The same bits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_at_every_step(kind, optimizer, dtype, data, path):
    def options():
        return {"net": build(dtype=dtype), "optimizer": optimizer(0.05), "validation_data": data}

    whole = train(data, **options())
    assert whole[2].step_kind == kind
    for step in (1, 4, 5, 6, 9, 10, 14, 15):
        interrupted(data, path, step, **options())
        other = {**options(), "net": build(seed=77, dtype=dtype), "optimizer": optimizer(0.9)}
        assert_same(whole, train(data, **other, resume=path))


def test_checkpoints_that_are_not_of_the_last_step(kind, data, path):
    whole = train(data)
    for every in (2, 3, 4, 7):
        interrupted(data, path, 13, every=every)
        assert_same(whole, train(data, resume=path))


def test_checkpoints_at_the_end_of_epochs(kind, data, path):
    whole = train(data, validation_data=data)

    def interrupt(state):
        if state.epoch == 2:
            raise Interruption

    for every in (1, 2):
        with pytest.raises(Interruption):
            train(data, validation_data=data, callbacks=[an.Checkpoint(path, every), interrupt])
        if every == 2:
            assert not path.exists()  # the others come first
        else:
            assert archive_epochs(path) == 1
            assert_same(whole, train(data, validation_data=data, resume=path))
        path.unlink(missing_ok=True)


def archive_epochs(path):
    description, _ = archive.read_archive(path, "affinet checkpoint", 1)
    return len(description["history"]["epochs"])


def test_one_step_kind_goes_on_where_the_other_stopped(data, path, monkeypatch):
    whole = train(data)
    interrupted(data, path, 7)
    monkeypatch.setattr(steps, "can_fuse", lambda *_: False)
    resumed = train(data, resume=path)
    assert resumed[2].step_kind == "layer by layer"
    np.testing.assert_array_equal(whole[0].params.flat, resumed[0].params.flat)


SCHEDULES = {
    "cosine": lambda: schedules.Cosine(0.1, warmup=4),
    "exponential": lambda: schedules.Exponential(0.1, 0.9),
    "step": lambda: schedules.Step(0.1, 1, 0.5),
    "plateau": lambda: schedules.ReduceOnPlateau(0.5, 1, "accuracy", min_delta=1.0),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule(kind, schedule, data, path):
    whole = train(data, schedule=SCHEDULES[schedule]())
    for step in (3, 5, 12):
        interrupted(data, path, step, schedule=SCHEDULES[schedule]())
        resumed = train(data, schedule=SCHEDULES[schedule](), optimizer=an.Adam(9.0), resume=path)
        assert_same(whole, resumed)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_early_stopping_goes_on_counting_and_keeps_its_best(kind, data, tmp_path, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"c{suffix}"

    def options():
        stop = an.EarlyStopping("val_loss", patience=2)
        return {"validation_data": (data[0][:9], data[1][:9] * 0), "callbacks": [stop], "epochs": 9}

    whole = train(data, **options())
    assert whole[2].stopped_by.startswith("EarlyStopping")
    assert whole[2].best_epoch < len(whole[2].epochs)
    last = whole[2].steps
    for step in (4, 5, last - 6, last - 5, last - 1):
        interrupted(data, path, step, **options())
        assert_same(whole, train(data, **options(), resume=path))


def test_a_learning_rate_that_a_callback_changed(kind, data, path):
    def halve(state):
        state.optimizer.lr /= 2

    whole = train(data, callbacks=[halve])
    interrupted(data, path, 12, callbacks=[halve])
    assert_same(whole, train(data, callbacks=[halve], resume=path))


def test_buffers_and_own_optimizers(data, path):
    def options():
        return {"net": build(middle=[RunningMean(6)]), "optimizer": OwnOptimizer()}

    whole = train(data, **options())
    assert whole[0]._arrays()["2.mean"].any()
    for step in (2, 11):
        interrupted(data, path, step, **options())
        assert_same(whole, train(data, **options(), resume=path))


def test_callbacks_with_a_state(data, path):
    class Counter:
        def __init__(self):
            self.calls, self.seen = 0, np.zeros(3)

        def __call__(self, state):
            self.calls += 1
            self.seen[state.epoch - 1] = state.step

        def state_dict(self):
            return {"calls": self.calls, "seen": self.seen}

        def load_state_dict(self, state):
            self.calls, self.seen = state["calls"], state["seen"]

    first, second = Counter(), Counter()
    callbacks = [an.every_steps(2, first), second]
    interrupted(data, path, 9, callbacks=callbacks)
    first, second = Counter(), Counter()
    train(data, callbacks=[an.every_steps(2, first), second], resume=path)
    assert (first.calls, second.calls) == (7, 3)
    assert second.seen.tolist() == [5, 10, 15]


def test_going_on_for_longer_than_was_planned(kind, data, path):
    train(data, epochs=2, callbacks=[an.Checkpoint(path)])
    assert_same(train(data, epochs=4), train(data, epochs=4, resume=path))


def test_a_training_that_had_ended_stays_as_it_was(data, path):
    whole = train(data, callbacks=[an.Checkpoint(path)])
    again = train(data, net=build(seed=5), resume=path)
    assert_same(whole, again)
    assert again[2].stopped_by == "epochs"


def test_steps_that_end_in_an_epoch(kind, data, path):
    whole = train(data, epochs=None, steps=7)
    interrupted(data, path, 6, epochs=None, steps=7)
    resumed = train(data, epochs=None, steps=7, resume=path)
    assert_same(whole, resumed)
    assert resumed[2].stopped_by == "steps"


def test_rows_in_the_order_of_the_data(data, path):
    whole = train(data, shuffle=False)
    interrupted(data, path, 7, shuffle=False)
    assert_same(whole, train(data, net=build(seed=5), shuffle=False, resume=path))


def test_rates_and_figures_of_every_kind_of_number_survive(data, path):
    def note(state):
        state.metrics["own"] = np.float32(1 / 3)

    whole = train(data, callbacks=[note])
    interrupted(data, path, 6, callbacks=[note])
    assert_same(whole, train(data, callbacks=[note], resume=path))


# Killed ------------------------------------------------------------------------------------------

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
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_killed_at_a_step(kind, optimizer, data, path):
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
    """From outside: wherever it stands then, going on gives what an endless training had there."""
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


# What is refused, and then nothing has changed ---------------------------------------------------


@pytest.fixture
def written(data, path):
    interrupted(data, path, 7)
    return path


def refused(data, match, error=ValueError, **options):
    net = options.pop("net", None) or build(seed=5)
    optimizer = options.pop("optimizer", None) or an.Adam(0.123)
    net.fit(*data, epochs=1, optimizer=optimizer)
    before, history = net.params.flat.copy(), net.history
    is_own = isinstance(optimizer, an.Optimizer)
    state = optimizer.state_of(net.params.flat).copy() if is_own else None
    with pytest.raises(error, match=match) as caught:
        train(data, net=net, optimizer=optimizer, **options)
    np.testing.assert_array_equal(net.params.flat, before)
    assert net.history is history
    if is_own:
        assert optimizer.lr == 0.123
        assert optimizer.state_of(net.params.flat).step == state.step
        for a, b in zip(optimizer.state_of(net.params.flat).averages, state.averages, strict=True):
            np.testing.assert_array_equal(a, b)
    net.predict(data[0])
    return str(caught.value)


OTHERS = {
    "batch size": ({"batch_size": 4}, "batch_size is 5, in this training it is 4"),
    "seed": ({"seed": 4}, "seed is 3, in this training it is 4"),
    "order": ({"shuffle": False}, "shuffle is True, in this training it is False"),
    "optimizer": ({"optimizer": an.SGD(0.123)}, "optimizer is 'Adam', .* 'SGD'"),
    "schedule": ({"schedule": schedules.Cosine(0.1)}, "schedule is None, .* 'Cosine'"),
    "callbacks": ({"callbacks": [an.EarlyStopping()]}, "callbacks with a state .*EarlyStopping"),
    "fewer steps": ({"epochs": 1}, "stands at step 7, this training is to end at step 5"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_training(written, data, case):
    options, match = OTHERS[case]
    assert str(written) in refused(data, match, **options, resume=written)


def test_other_data(written, data):
    fewer = (data[0][:20], data[1][:20])
    refused(fewer, "rows is 23, in this training it is 20", resume=written)


NETWORKS = {
    "width": ({"width": 7}, r"0\.W has shape \(4, 6\), wanted \(4, 7\)"),
    "dtype": ({"dtype": "float32"}, "dtype is 'float64', .*'float32'"),
    "dropout": ({"dropout": 0.1}, r"layer 2 is 'Dropout\(p=0.4\)', .*p=0.1"),
    "another layer": ({"middle": [an.Tanh()]}, "number of layers is 4, .* 5"),
}


@pytest.mark.parametrize("case", NETWORKS)
def test_another_network(written, data, case):
    options, match = NETWORKS[case]
    refused(data, match, net=build(seed=5, **options), resume=written)


def test_another_loss_or_input_scale(written, data):
    layers = build(seed=5).layers
    net = an.Sequential(*layers, loss=an.SoftmaxWithLoss(), input_scale=0.5)
    refused(data, "input_scale is None, in this training it is 0.5", net=net, resume=written)
    net = an.Sequential(*build(seed=5).layers, loss=an.MeanSquaredError())
    refused((data[0], np.eye(3)[data[1]]), "loss is 'SoftmaxWithLoss", net=net, resume=written)


def content_of(path):
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    return json.loads(str(arrays.pop("description"))), arrays


def rewrite(path, description, arrays):
    np.savez(path, description=np.array(json.dumps(description)), **arrays)


FIELDS = ["training", "network", "optimizer", "callbacks", "history", "epoch", "format", "version"]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", ["missing", 5, [1], {"a": 1}, None])
def test_a_field_that_is_missing_or_something_else(written, data, field, value):
    description, arrays = content_of(written)
    if value == "missing":
        del description[field]
    else:
        description[field] = value
    rewrite(written, description, arrays)
    refused(data, re.escape(str(written)), resume=written)


DAMAGES = {
    "epochs": ("history", {"epochs": 5}),
    "an epoch": ("history", {"epochs": [5]}),
    "steps": ("history", {"steps": "7"}),
    "batches": ("epoch", {"batches": -1}),
    "sum": ("epoch", {"loss": "1"}),
    "optimizer's step": ("optimizer", {"step": 1.5}),
    "rate": ("optimizer", {"numbers": {"lr": 1}}),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_field_with_something_else_in_it(written, data, case):
    description, arrays = content_of(written)
    field, change = DAMAGES[case]
    description[field] |= change
    rewrite(written, description, arrays)
    refused(data, re.escape(str(written)), resume=written)


def test_a_newer_format(written, data):
    description, arrays = content_of(written)
    rewrite(written, {**description, "version": 2}, arrays)
    refused(data, "version 2 of the format, this affinet reads 1..1", resume=written)


@pytest.mark.parametrize(
    "name", ["network/0.W", "network/4.b", "optimizer/averages/0", "optimizer/averages/1"]
)
@pytest.mark.parametrize("what", ["missing", "shape", "dtype"])
def test_an_array_that_is_missing_or_does_not_fit(written, data, name, what):
    description, arrays = content_of(written)
    array = arrays.pop(name.replace("4.b", "3.b"))
    name = name.replace("4.b", "3.b")
    if what != "missing":
        arrays[name] = array[:-1] if what == "shape" else array.astype(np.float32)
    rewrite(written, description, arrays)
    assert str(written) in refused(data, name.split("/")[-1], resume=written)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_truncated_file(data, tmp_path, share, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"c{suffix}"
    interrupted(data, path, 7)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(data, "not an affinet checkpoint, or damaged", resume=path)


def test_files_of_other_kinds(data, tmp_path):
    refused(data, "missing.npz", error=FileNotFoundError, resume=tmp_path / "missing.npz")
    refused(data, "ends in .npz or .safetensors", resume=tmp_path / "model.pickle")
    build().save(tmp_path / "model.npz")
    refused(data, "not an affinet checkpoint .*'affinet model'", resume=tmp_path / "model.npz")
    train(data, callbacks=[an.Checkpoint(tmp_path / "c.npz")])
    with pytest.raises(ValueError, match=r"not an affinet model .*'affinet checkpoint'"):
        an.load(tmp_path / "c.npz")


# The callback ------------------------------------------------------------------------------------


def test_a_checkpoint_every_so_many_epochs_or_steps(data, path):
    seen = []

    def look(state):
        seen.append((state.step, content_of(path)[0]["history"]["steps"] if path.exists() else 0))

    look.comes_last = True
    train(data, epochs=5, callbacks=[an.Checkpoint(path, every=2), look])
    assert seen == [(5, 0), (10, 10), (15, 10), (20, 20), (25, 20)]
    path.unlink()
    seen.clear()
    train(data, epochs=2, callbacks=[an.Checkpoint(path, every_steps=4), an.every_steps(1, look)])
    assert [wrote for _, wrote in seen] == [0, 0, 0, 4, 4, 4, 4, 8, 8, 8]


def test_a_checkpoint_changes_nothing(kind, data, path):
    assert_same(train(data), train(data, callbacks=[an.Checkpoint(path, every_steps=3)]))


def test_arguments_of_a_checkpoint(data, tmp_path, path):
    for wrong in ("c.pickle", "c", tmp_path):
        with pytest.raises(ValueError, match=r"ends in \.npz or \.safetensors"):
            an.Checkpoint(wrong)
    with pytest.raises(ValueError, match="every is 0"):
        an.Checkpoint(path, every=0)
    with pytest.raises(ValueError, match="every_steps is 0"):
        an.Checkpoint(path, every_steps=0)
    checkpoint = an.Checkpoint(tmp_path / "nowhere" / "c.npz")
    refused(data, "there is no folder", error=FileNotFoundError, callbacks=[checkpoint])

    class Stateless:
        def update(self, params, grads):
            pass

    refused(
        data, "which a checkpoint cannot hold", error=TypeError, optimizer=Stateless(),
        callbacks=[an.Checkpoint(path)],
    )  # fmt: skip
    assert repr(an.Checkpoint("a.npz")) == "Checkpoint('a.npz', every=1)"
    assert repr(an.Checkpoint("a.npz", every_steps=7)) == "Checkpoint('a.npz', every_steps=7)"


def test_a_state_that_cannot_be_written_names_its_place(data, path):
    class Holder:
        def __call__(self, state):
            pass

        def state_dict(self):
            return {"thing": [object()]}

    with pytest.raises(TypeError, match="callbacks/0/state/thing/0 is <object"):
        train(data, callbacks=[Holder(), an.Checkpoint(path)])
    assert not path.exists()


def test_without_the_package_a_safetensors_file_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r'pip install "affinet\[safetensors\]"'):
        an.Checkpoint(tmp_path / "c.safetensors")
    with pytest.raises(ImportError, match="safetensors"):
        build().save(tmp_path / "m.safetensors")
    assert os.listdir(tmp_path) == []
