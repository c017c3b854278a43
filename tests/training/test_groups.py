"""Groups of parameters in fit: the same bits in every kind of step and on any number of threads."""

import copy
import pickle

import numpy as np
import pytest

import affinet as an
from affinet import schedules
from affinet._dispatch import kernels
from affinet.training import step as steps
from parts.optimizers import GROUPED, TRAINED, decays
from rank_threads import on_ranks

GROUPS = [an.Group("*.b", lr=0.5), an.Group(["4.W", "2.gamma"], lr=3.0, weight_decay=0.25)]


@pytest.fixture(autouse=True)
def threads():
    before = an.get_num_threads()
    yield
    kernels.always_team(False, False)
    an.set_num_threads(before)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((101, 6)), rng.integers(0, 3, 101)


def build(dtype="float32", last=an.SoftmaxWithLoss):
    return an.Sequential(
        an.Affine.init(6, 40, rng=0, dtype=dtype),
        an.ReLU(),
        an.LayerNorm(40, dtype=dtype),
        an.Dropout(0.3, rng=0),
        an.Affine.init(40, 50, rng=1, dtype=dtype),
        an.BatchNorm(50, dtype=dtype),
        an.Residual(an.Affine.init(50, 50, rng=3, dtype=dtype), an.Tanh()),
        an.Affine.init(50, 3, rng=2, dtype=dtype),
        loss=last(),
    )


def trained(data, optimizer, members=1, fused=True, monkeypatch=None, net=None, **options):
    """The bits that a training leaves, and the network."""
    net = build() if net is None else net
    an.set_num_threads(members)
    kernels.always_team(members > 1, False)
    options = {"epochs": 2, "batch_size": 24, "verbose": 0} | options
    if fused:
        history = net.fit(*data, optimizer=optimizer, **options)
        assert history.threads == members
    else:
        with monkeypatch.context() as patch:
            patch.setattr(steps, "can_fuse", lambda *_: False)
            history = net.fit(*data, optimizer=optimizer, **options)
    assert history.step_kind == ("fused" if fused else "layer by layer")
    return bits(net, optimizer), net


def bits(net, optimizer):
    averages = optimizer.state_of(net.params.flat).averages
    return [array.tobytes() for array in (net.params.flat, net.grads.flat, *averages)]


@pytest.mark.parametrize("name", GROUPED)
def test_every_optimizer_in_every_step(name, data, monkeypatch):
    dtype = ("float32", "float64")[[*GROUPED].index(name) % 2]
    options = {"schedule": schedules.Cosine(0.02), "l2": 0.1}
    wanted, net = trained(data, GROUPED[name](0.1), net=build(dtype), **options)
    for members in (2, 8):
        assert trained(data, GROUPED[name](0.1), members, net=build(dtype), **options)[0] == wanted
    found, _ = trained(data, GROUPED[name](0.1), 1, False, monkeypatch, net=build(dtype), **options)
    assert found == wanted
    before = build(dtype).params
    np.testing.assert_array_equal(net.params["2.beta"], before["2.beta"])  # a rate of 0
    assert (net.params["0.b"] != before["0.b"]).any()


@pytest.mark.parametrize("members", [1, 2, 3, 8])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_a_bound_on_the_norm(members, clip, data, monkeypatch):
    """Teams then update cuts of the flat buffer that know nothing of layers."""

    def make():
        return an.AdamW(0.01, weight_decay=0.5, decay_bias=False, groups=GROUPS)

    wanted, _ = trained(data, make(), 1, False, monkeypatch, clip_norm=clip)
    assert trained(data, make(), members, clip_norm=clip)[0] == wanted


@pytest.mark.parametrize("name", TRAINED)
def test_a_group_for_all_is_an_optimizer_with_these_numbers(name, data):
    """And a group with the factors 1 is none."""
    one, two, three = (TRAINED[name](0.05) for _ in range(3))
    one.groups = [an.Group("*", lr=0.2)]
    two.lr *= 0.2
    three.lr *= 0.2
    three.groups = [an.Group("*.b"), an.Group("*.W")]
    if decays(one):
        one.groups = [an.Group("*", lr=0.2, weight_decay=0.3)]
        for other in (two, three):
            other.weight_decay *= 0.3
    wanted, _ = trained(data, two)
    assert trained(data, one)[0] == wanted
    assert trained(data, three)[0] == wanted


@pytest.mark.parametrize("make", [an.SGD, an.AdamW, an.Lion, an.Muon])
def test_decay_bias(make, data):
    """The gradients are 0, so all that moves is the decay of the weights."""
    x, t = data
    net = build()
    optimizer = make(0.5, weight_decay=0.1, decay_bias=False)
    before = copy.deepcopy(net.params)
    net.fit(x, t, steps=1, optimizer=optimizer, sample_weight=np.eye(101)[100], shuffle=False)
    for name, array in net.params.items():
        wanted = before[name] - np.float32(0.05) * before[name] * name.endswith(".W")
        np.testing.assert_allclose(array, wanted, rtol=1e-6, err_msg=name)
    assert net.params.penalized == {"0.W", "4.W", "6.0.W", "7.W"}


def test_a_callback_changes_groups(data, monkeypatch):
    def change(state):
        state.optimizer.groups = [an.Group("7.*", lr=0.0)] if state.epoch == 1 else None

    options = {"callbacks": [change], "epochs": 3}
    wanted, net = trained(data, an.Adam(0.01, groups=GROUPS[:1]), **options)
    assert trained(data, an.Adam(0.01, groups=GROUPS[:1]), 3, **options)[0] == wanted
    found, _ = trained(data, an.Adam(0.01, groups=GROUPS[:1]), 1, False, monkeypatch, **options)
    assert found == wanted
    plain, _ = trained(data, an.Adam(0.01, groups=GROUPS[:1]), epochs=3)
    assert plain != wanted
    assert not np.array_equal(net.params["7.W"], build().params["7.W"])


def test_ranks(data):
    """Two processes, in the two halves of a step, train as one."""

    def net():
        return an.Sequential(
            an.Affine.init(6, 40, rng=0, dtype="float64"), an.ReLU(), an.Dropout(0.2, rng=0),
            an.Affine.init(40, 3, rng=1, dtype="float64"), loss=an.SoftmaxWithLoss(),
        )  # fmt: skip

    def make():
        return an.AdamW(0.02, weight_decay=0.5, groups=[an.Group("0.*", 0.3, 0.2)])

    def train(reducer):
        own = net()
        own.fit(*data, epochs=2, batch_size=24, optimizer=make(), reducer=reducer, verbose=0)
        return own.params.flat

    one, two = on_ranks(2, train)
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(one, train(None), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", [an.SGD, an.AdamW, an.Lion, an.Muon])
def test_a_checkpoint_holds_groups(optimizer, data, tmp_path, monkeypatch):
    path = tmp_path / "c.npz"

    def make():
        return optimizer(0.02, weight_decay=0.3, decay_bias=False, groups=GROUPS)

    for fused in (True, False):
        how = {"members": 1, "fused": fused, "monkeypatch": monkeypatch}
        wanted, _ = trained(data, make(), **how)
        first = {"steps": 7, "epochs": None, "callbacks": [an.Checkpoint(path, every_steps=7)]}
        trained(data, make(), **how, **first)
        bare = optimizer(0.02, weight_decay=0.3)  # groups are taken from the file
        for other in (make(), bare):
            assert trained(data, other, resume=path, **how)[0] == wanted
            assert other.groups == tuple(GROUPS)
            assert not other.decay_bias


def test_training_goes_on_after_a_pickle(data):
    net, optimizer = build(), an.AdamW(0.02, decay_bias=False, groups=GROUPS)
    net.fit(*data, epochs=1, batch_size=24, optimizer=optimizer, verbose=0)
    other, own = pickle.loads(pickle.dumps((net, optimizer)))
    for pair in ((net, optimizer), (other, own)):
        pair[0].fit(*data, epochs=1, batch_size=24, optimizer=pair[1], verbose=0)
    assert bits(net, optimizer) == bits(other, own)


@pytest.mark.parametrize(
    ("optimizer", "match"),
    [
        (an.SGD(groups=[an.Group("9.*")]), r"'9\.\*' matches no parameter, wanted one of 0\.W"),
        (an.Adam(groups=[an.Group("*", 1.0, 0.5)]), "Adam has no weight decay to multiply"),
    ],
)
@pytest.mark.parametrize("fused", [True, False])
def test_groups_that_are_refused_before_the_first_step(fused, optimizer, match, data, monkeypatch):
    net = build()
    if not fused:
        monkeypatch.setattr(steps, "can_fuse", lambda *_: False)
    before = net.params.flat.copy()
    with pytest.raises(ValueError, match=match):
        net.fit(*data, optimizer=optimizer)
    np.testing.assert_array_equal(net.params.flat, before)
    assert net.history is None
