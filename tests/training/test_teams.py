"""A step that several threads share computes the same bits as on one thread.

``always_team`` has teams also where they do not pay, so that small networks can be tried; a second
argument has them share every affine layer: each member computes a part of it for the whole batch.
"""

import itertools
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import affinet as an
import parts.losses
import parts.optimizers
from affinet import schedules
from affinet._dispatch import kernels
from affinet.network.team_plan import plan_values
from parts.activations import ACTIVATIONS
from rank_threads import on_ranks

# Threads, more than this machine may have and than a small batch has tiles, and shared layers.
TEAMS = [(2, False), (2, True), (3, True), (8, False)]


@pytest.fixture(autouse=True)
def threads():
    before = an.get_num_threads()
    yield
    kernels.always_team(False, False)
    an.set_num_threads(before)


def trained(team, make, x, t, optimizer=None, **options):
    """What a training by this team leaves."""
    members, shared = team
    an.set_num_threads(members)
    kernels.always_team(members > 1, shared)
    net = make()
    history = net.fit(
        x, t, optimizer=an.SGD(0.1) if optimizer is None else optimizer(), verbose=0,
        stop_if_not_finite=False, **options,
    )  # fmt: skip
    assert history.threads == members
    return net.params.flat.tobytes(), net.grads.flat.tobytes(), history


def require_same_bits(make, x, t, optimizer=None, **options):
    alone = trained((1, False), make, x, t, optimizer, **options)
    for team in TEAMS:
        together = trained(team, make, x, t, optimizer, **options)
        assert together[:2] == alone[:2], team
        for name in set(alone[2].names) - {"seconds"}:
            np.testing.assert_array_equal(together[2][name], alone[2][name], err_msg=name)


def random_case(seed):
    """A random network, data and options."""
    rng = np.random.default_rng(seed)
    dtype = rng.choice(["float32", "float64"])
    widths = [int(w) for w in rng.integers(1, 70, rng.integers(2, 5))]
    names = sorted(ACTIVATIONS)
    acts = [ACTIVATIONS[names[int(rng.integers(len(names)))]] for _ in widths]
    with_dropout, with_norm, with_residual, with_codes, with_waves, learned = rng.random(6) < 0.4
    row = list(parts.losses.LOSSES.values())[int(rng.integers(len(parts.losses.LOSSES)))]

    def make():
        layers = front()
        for place, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
            if learned:
                layers.append(an.Scale(n_in, dtype))
                layers.append(an.NTKAffine.init(n_in, n_out, rng=place, dtype=dtype))
            else:
                layers.append(an.Affine.init(n_in, n_out, rng=place, dtype=dtype))
            if place == len(widths) - 2:
                break
            f = acts[place].make()
            layers.append(an.Parametric(n_out, f, dtype) if learned else f)
            if with_dropout:
                layers.append(an.Dropout(0.3, rng=0))
            if with_norm:
                norm = an.LayerNorm if rng_norm < 0.5 or batch_size == 1 else an.BatchNorm
                layers.append(norm(n_out, dtype=dtype))
            if with_residual:
                inner = an.Affine.init(n_out, n_out, rng=9, dtype=dtype)
                layers.append(an.Residual(inner, acts[place].make()))
        return an.Sequential(*layers, loss=row.make(), input_scale=rng_scale)

    def front():
        """Tables for the first columns and waves of the last ones, which make widths[0]."""
        layers = []
        if with_codes:
            sizes = dict.fromkeys(range(n_inputs // 2), 3)
            layers.append(an.Embedding(n_inputs, sizes, 5, rng=7, dtype=dtype))
        if with_waves:
            width = layers[-1].n_outputs if layers else n_inputs
            columns, kind = range(width // 2, width), ["pbld", "plr"][seed % 2]
            waves = an.PeriodicEmbedding(width, columns, 17, 3, kind, rng=8, dtype=dtype)
            layers.append(waves)
        return layers

    n_inputs = widths[0] + (with_codes and widths[0] == 1)
    made = front()
    widths[0] = made[-1].n_outputs if made else n_inputs
    rng_scale, rng_norm = float(rng.choice([1.0, 0.25])), rng.random()
    n, batch_size = int(rng.integers(5, 300)), int(rng.integers(1, 130))
    n += n % batch_size == 1  # BatchNorm takes no batch of one row
    x = rng.standard_normal((n, n_inputs)).astype(rng.choice(["float32", "float64"]))
    if with_codes:
        x[:, : n_inputs // 2] = rng.integers(0, 3, (n, n_inputs // 2)) / rng_scale
    targets = [row.targets, *row.other_targets.values()]
    t = targets[int(rng.integers(len(targets)))](rng.standard_normal((n, widths[-1])))
    weights = rng.random(n) * (rng.random(n) > 0.2)
    options = {
        "epochs": 2,
        "batch_size": batch_size,
        "l2": float(rng.choice([0, 0.1])),
        "clip_norm": [None, 0.5][int(rng.integers(2))],
        "clip_value": [None, 0.01][int(rng.integers(2))],
        "sample_weight": [None, weights][int(rng.integers(2))],
        "schedule": [None, schedules.Exponential(0.1, 0.99)][int(rng.integers(2))],
        "seed": seed,
    }
    optimizers = list(parts.optimizers.TRAINED.values())
    return make, x, t, optimizers[int(rng.integers(len(optimizers)))], options


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.filterwarnings("ignore:the loss of epoch")
def test_no_bit_depends_on_the_team(seed):
    make, x, t, optimizer, options = random_case(seed)
    require_same_bits(make, x, t, optimizer, **options)


def small_net(loss=None):
    return an.Sequential(
        an.Affine.init(6, 40, rng=0), an.ReLU(), an.Affine.init(40, 3, rng=1),
        loss=an.SoftmaxWithLoss() if loss is None else loss,
    )  # fmt: skip


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.standard_normal((101, 6)), rng.integers(0, 3, 101)


@pytest.mark.parametrize("name", sorted(parts.losses.LOSSES))
def test_every_loss(name, rows):
    row = parts.losses.LOSSES[name]
    t = row.targets(np.random.default_rng(1).standard_normal((101, 3)))
    for weights in (None, np.arange(101) % 4):
        require_same_bits(
            lambda: small_net(row.make()), rows[0], t, an.Adam, epochs=2, batch_size=24,
            sample_weight=weights,
        )  # fmt: skip


@pytest.mark.parametrize("name", sorted(parts.optimizers.TRAINED))
def test_every_optimizer(name, rows):
    require_same_bits(
        small_net, *rows, parts.optimizers.TRAINED[name], epochs=2, batch_size=24, clip_norm=0.3
    )


def test_inputs_of_every_kind(rows):
    x = np.random.default_rng(2).integers(0, 255, (101, 6), np.uint8)
    for inputs in (x, x[:, ::-1], np.asfortranarray(x.astype(float))):
        require_same_bits(small_net, inputs, rows[1], epochs=2, batch_size=32)


def normalized():
    """Normalizations by columns first, last, next to each other, and in a branch."""
    return an.Sequential(
        an.BatchNorm(6, momentum=0.3),
        an.Affine.init(6, 40, rng=0),
        an.BatchNorm(40),
        an.BatchNorm(40),
        an.GELU(),
        an.Dropout(0.2, rng=0),
        an.Residual(an.Affine.init(40, 40, rng=2), an.BatchNorm(40), an.ReLU()),
        an.LayerNorm(40),
        an.Affine.init(40, 3, rng=1),
        an.BatchNorm(3),
        loss=an.SoftmaxWithLoss(),
    )


def running(net):
    return [array.tobytes() for name, array in net._arrays().items() if "running" in name]


def test_normalizations_by_columns(rows):
    for options in ({}, {"clip_norm": 0.5, "l2": 0.1, "sample_weight": np.arange(101) % 3}):
        require_same_bits(normalized, *rows, an.Adam, epochs=2, batch_size=24, **options)
    found = []
    for members, shared in [(1, False), *TEAMS]:
        an.set_num_threads(members)
        kernels.always_team(members > 1, shared)
        net = normalized()
        net.fit(*rows, epochs=2, batch_size=24, verbose=0)
        found.append(running(net))
    assert found[1:] == found[:1] * len(TEAMS)


def running_arrays(n):
    return np.zeros(n, np.float32), np.ones(n, np.float32)


@pytest.mark.parametrize("activation", ["relu", "batch_norm"])
@pytest.mark.parametrize("shared", [False, True])
def test_a_class_index_out_of_range_ends_the_run_before_its_update(activation, shared):
    """Through a plan, as fit checks targets before it begins."""
    an.set_num_threads(2)
    kernels.always_team(True, shared)
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((64, 6)).astype(np.float32), np.zeros(64, np.int64)
    middle = {
        "relu": ("relu", (), None, (), (), 0, ()),
        "batch_norm": ("batch_norm", (), None, (403, 443), (1e-5, 0.1), 0, running_arrays(40)),
    }[activation]
    size = 483 if activation == "batch_norm" else 403
    params = rng.standard_normal(size).astype(np.float32)
    operations = kernels.make_operations(
        params,
        [("affine", (), 40, (0, 240), (), 0, ()), middle, ("affine", (), 3, (280, 400), (), 0, ())],
        6,
    )
    plan = kernels.make_plan(
        operations, np.zeros(size, np.float32), "softmax_cross_entropy", "sgd", [], 16, None
    )
    plan.set_inputs(x)
    t[40] = 3  # in the third batch, and in the second member's rows
    plan.set_labels(t)
    plan.set_loss("softmax_cross_entropy", 0.0)
    plan.set_rule("sgd", (0.1, 0.0), 7)
    losses, hits = np.empty(4), np.empty(4)
    with pytest.raises(ValueError, match="class index"):
        plan.run(np.arange(64), 0, losses, hits)
    assert (plan.updates, plan.team_size) == (9, 2)
    assert 1 <= plan.team_steps <= 2  # on a busy machine a late member sends the leader to rest
    plan.run(np.arange(32), 0, losses[:2], hits[:2])
    assert plan.updates == 11


def test_two_trainings_at_once(rows):
    """The second finds the pool taken and runs alone, to the same bits."""
    alone = trained((1, False), small_net, *rows, epochs=40, batch_size=24)[:2]
    an.set_num_threads(2)
    kernels.always_team(True, False)
    nets, gate = [small_net() for _ in range(4)], threading.Barrier(4)

    def fit(net):
        gate.wait()
        net.fit(*rows, epochs=40, batch_size=24, optimizer=an.SGD(0.1), verbose=0)

    workers = [threading.Thread(target=fit, args=(net,)) for net in nets]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for net in nets:
        assert (net.params.flat.tobytes(), net.grads.flat.tobytes()) == alone


def test_fewer_threads_in_the_middle(rows):
    """A callback that sets the number of threads takes effect at the next call."""
    alone = trained((1, False), small_net, *rows, epochs=6, batch_size=24)[:2]
    an.set_num_threads(3)
    kernels.always_team(True, False)
    net, numbers = small_net(), iter([2, 1, 8, 3, 1, 2])
    net.fit(
        *rows, epochs=6, batch_size=24, optimizer=an.SGD(0.1), verbose=0,
        callbacks=[lambda _: an.set_num_threads(next(numbers))],
    )  # fmt: skip
    assert (net.params.flat.tobytes(), net.grads.flat.tobytes()) == alone


SPINNING = """
import threading, numpy as np, affinet as an
from affinet import schedules
from affinet._dispatch import kernels

rng = np.random.default_rng(0)
x, t = rng.standard_normal((4000, 30)).astype("f4"), rng.integers(0, 3, 4000)

def make():
    return an.Sequential(an.Affine.init(30, 60, rng=0), an.ReLU(), an.Affine.init(60, 3, rng=1),
                         loss=an.SoftmaxWithLoss())

def fit(threads):
    an.set_num_threads(threads)
    kernels.always_team(threads > 1, False)
    net = make()
    net.fit(x, t, epochs=30, batch_size=40, verbose=0)
    return net.params.flat.tobytes()

alone = fit(1)
import os, signal
hogs, parent = [], os.getpid()
for _ in range(2 * (os.cpu_count() or 1)):
    pid = os.fork()
    if pid == 0:
        while os.getppid() == parent:  # it may be killed, for being slow
            pass
        os._exit(0)
    hogs.append(pid)
try:
    print(fit(2) == alone)
finally:
    for pid in hogs:
        os.kill(pid, signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_late_members_change_no_bit():
    """With twice as many busy processes as processors, the leader rests from its team."""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SPINNING],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert result.stdout.split() == ["True"], result.stderr


def test_the_plan_in_words():
    an.set_num_threads(2)
    net = small_net()
    assert net.summary(plan=True, batch_size=8).splitlines()[-2:] == [
        "a step of 8 rows: 1 thread of 2",
        "  expected microseconds, but more with Muon: "
        + ", ".join(f"{cost:,.1f} on {n}" for n, cost in enumerate(costs_of(net, 8), 1)),
    ]
    kernels.always_team(True, False)
    assert net.summary(True, 50).splitlines()[-3:] == [
        "  rows of the batch: 0-23, 24-49",
        "  rows of 0.W: 0-1, 2-5",
        "  rows of 2.W: 0-15, 16-39",
    ]


def layers_from(widths):
    return [an.Affine.init(n_in, n_out, rng=0) for n_in, n_out in itertools.pairwise(widths)]


def test_a_large_layer_for_few_rows_is_shared():
    """By columns each member reads a part of W; with more rows the arithmetic hides all of it."""

    def together(widths, batch_size, members=2):
        an.set_num_threads(members)
        return plan_values(an.Sequential(*layers_from(widths)), batch_size)["together"]

    wide = (784, 1024, 1024, 10)
    assert together(wide, 64) == ["0.W", "1.W"]
    assert together(wide, 128) == []
    assert together(wide, 128, 4) == ["0.W", "1.W"]
    assert together(wide, 64, 1) == []
    assert together((784, 50, 10), 100) == []
    assert together((8, 64, 64, 4), 64) == together((64, 96, 96, 10), 64) == []
    assert together((50, 256, 256, 2), 64) == ["1.W"]
    an.set_num_threads(2)
    lines = an.Sequential(*layers_from(wide)).summary(plan=True, batch_size=64).splitlines()
    assert lines[-1] == "  all rows together, by columns: 0.W, 1.W"


def test_a_shared_layer_computes_the_same_bits():
    """Where the model itself shares them, with an odd last batch."""
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((83, 300), np.float32), rng.integers(0, 3, 83)
    found = []
    for members in (1, 2, 3):
        an.set_num_threads(members)
        net = an.Sequential(
            an.Affine.init(300, 400, rng=0), an.ReLU(), an.Affine.init(400, 400, rng=1), an.GELU(),
            an.Affine.init(400, 3, rng=2), loss=an.SoftmaxWithLoss(),
        )  # fmt: skip
        assert members == 1 or plan_values(net, 40)["together"]
        net.fit(x, t, epochs=2, batch_size=40, verbose=0)
        found.append(net.params.flat.tobytes())
    assert found[1:] == found[:1] * 2


@pytest.mark.parametrize("precision", ["bfloat16", "bfloat16x3"])
@pytest.mark.filterwarnings("ignore:precision")
def test_shared_layers_at_other_precisions(precision, rows):
    def make():
        layers = layers_from((6, 40, 40, 3))
        return an.Sequential(*layers, loss=an.SoftmaxWithLoss(), precision=precision)

    require_same_bits(make, *rows, epochs=1, batch_size=24)


def costs_of(net, rows):
    return kernels.team_plan(net._operations, rows, 2)[1]


def test_the_model_knows_small_steps_from_large_ones():
    """One thread for the smallest network and batch; more for what has work for them."""

    def size(widths, rows, threads=2):
        net = an.Sequential(*layers_from(widths))
        return kernels.team_plan(net._operations, rows, threads)[0]

    tiny = (8, 64, 64, 4)
    assert [size(tiny, rows) for rows in (1, 32, 128, 1024)] == [1, 1, 2, 2]
    assert size((784, 50, 10), 100) == 2
    assert [size((784, 512, 512, 10), 128, n) for n in (1, 2, 4)] == [1, 2, 4]
    assert size(tiny, 32, 64) == 1


def test_a_custom_layer_has_no_plan():
    net = an.Sequential(an.Affine.init(2, 2), Doubles())
    assert net.summary(plan=True).endswith("no plan: the network trains layer by layer")
    with pytest.raises(ValueError, match="batch_size is 0"):
        an.Sequential(an.Affine.init(2, 2)).summary(plan=True, batch_size=0)


class Doubles:
    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        return 2 * dout


def test_ranks_divide_the_rows_themselves(rows):
    """Each of several processes has its part of every batch, and no team of threads."""
    kernels.always_team(True, False)
    an.set_num_threads(2)

    def fit(reducer):
        return small_net().fit(*rows, epochs=1, verbose=0, reducer=reducer).threads

    assert on_ranks(2, fit) == [1, 1]


CHILD = """
import os, numpy as np, affinet as an
from affinet._dispatch import kernels

rng = np.random.default_rng(0)
x, t = rng.standard_normal((400, 30)).astype("f4"), rng.integers(0, 3, 400)

def fit():
    net = an.Sequential(an.Affine.init(30, 60, rng=0), an.ReLU(), an.Affine.init(60, 3, rng=1),
                        loss=an.SoftmaxWithLoss())
    assert net.fit(x, t, epochs=5, batch_size=40, verbose=0).threads == 3
    return net.params.flat.tobytes()

an.set_num_threads(3)
kernels.always_team(True, False)
before = fit()
pid = os.fork()
if pid == 0:
    os._exit(0 if fit() == before else 1)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(code, fit() == before)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_a_forked_child_has_a_team_of_its_own():
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.stdout.split() == ["0", "True"], result.stderr


INTERRUPTED = """
import signal, threading, time, numpy as np, affinet as an
from affinet._dispatch import kernels

rng = np.random.default_rng(0)
x, t = rng.standard_normal((4000, 30)).astype("f4"), rng.integers(0, 3, 4000)
an.set_num_threads(2)
kernels.always_team(True, False)
net = an.Sequential(an.Affine.init(30, 60, rng=0), an.ReLU(), an.Affine.init(60, 3, rng=1),
                    loss=an.SoftmaxWithLoss())
threading.Timer(0.5, lambda: signal.raise_signal(signal.SIGINT)).start()
try:
    net.fit(x, t, epochs=10**6, batch_size=40, verbose=0)
except KeyboardInterrupt:
    print("interrupted", net.history.threads, np.isfinite(net.params.flat).all())
net.fit(x, t, epochs=1, batch_size=40, verbose=0)
print("again")
"""


def test_an_interrupt_ends_a_run_and_leaves_the_team_usable():
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", INTERRUPTED],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.stdout.split() == ["interrupted", "2", "True", "again"], result.stderr
