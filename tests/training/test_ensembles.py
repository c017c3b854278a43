"""Training of ensembles: the batches of members, teams of threads, and resumed trainings."""

import numpy as np
import pytest

import affinet as an
from affinet._dispatch import kernels
from affinet.samplers import MemberBatches

TEAMS = (2, 3, 8)
ROWS, EACH, N_INPUTS = 53, 8, 5  # the last batch has 5 rows a member


@pytest.fixture(autouse=True)
def threads():
    before = an.get_num_threads()
    yield
    kernels.always_team(False, False)
    an.set_num_threads(before)


def network(k, dtype="float32", dropout=0.2):
    """All layers of ensembles, behind bins of two columns."""
    rng = np.random.default_rng(1)
    bins = an.PiecewiseEmbedding(
        N_INPUTS, {0: (-1.0, 0.0, 0.5, 1.0), 3: (-0.5, 0.5)}, 3, rng, dtype
    )
    hidden = an.BatchEnsemble(k, 20, 17, rng, dtype=dtype)
    hidden.s = (1 + 0.3 * rng.standard_normal((k, 17))).astype(dtype)
    return an.Sequential(
        bins,
        an.MemberScale(k, bins.n_outputs, rng, dtype),
        an.BatchEnsemble(k, bins.n_outputs, 20, rng, first=True, dtype=dtype),
        an.ReLU(),
        an.Dropout(dropout, rng=0),
        hidden,
        an.Tanh(),
        an.MemberAffine(k, 17, 3, rng, dtype=dtype),
        loss=an.SoftmaxWithLoss(),
    )


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((ROWS, N_INPUTS)), rng.integers(0, 3, ROWS)


class LayerByLayer(an.AdamW):
    """A subclass, which no compiled step knows."""


def trained(k, data, n_threads, dtype="float32", rule=an.AdamW, **options):
    """The network, its flat parameters and the record of a training by this many threads."""
    an.set_num_threads(n_threads)
    kernels.always_team(n_threads > 1, n_threads == 3)
    net = network(k, dtype)
    options = {"epochs": 2, "seed": 3, "optimizer": rule(0.01), "verbose": 0} | options
    history = net.fit(*data, batch_size=k * EACH, sampler=MemberBatches(k, EACH), **options)
    return net, net.params.flat.copy(), history


LIMITS = {"l2": 0.1, "clip_norm": 0.3, "clip_value": 0.02}


@pytest.mark.parametrize(("k", "dtype"), [(1, "float32"), (2, "float64"), (4, "float32")])
def test_no_bit_depends_on_the_team(data, k, dtype):
    """One member too: all of its rows belong to one thread."""
    for options in ({"sample_weight": np.arange(ROWS) % 4, "epochs": 1}, LIMITS | {"epochs": 1}):
        _, alone, history = trained(k, data, 1, dtype, **options)
        for members in TEAMS:
            _, shared, other = trained(k, data, members, dtype, **options)
            assert other.threads == members
            np.testing.assert_array_equal(shared, alone)
            assert other["loss"] == history["loss"]


@pytest.mark.parametrize(("k", "dtype"), [(1, "float64"), (4, "float32"), (5, "float64")])
def test_the_fused_step_repeats_the_layers_to_the_bit(data, k, dtype):
    _, fused, history = trained(k, data, 1, dtype)
    _, layers, other = trained(k, data, 1, dtype, rule=LayerByLayer)
    assert (history.step_kind, other.step_kind) == ("fused", "layer by layer")
    np.testing.assert_array_equal(fused, layers)
    assert history["loss"] == other["loss"]


def test_every_parameter_learns(data):
    for n_threads in (1, 3):
        net, _, _ = trained(1, data, n_threads)
        twin = network(1)
        for name, array in net.params.items():
            assert (array != twin.params[name]).any(), name


@pytest.mark.parametrize("kind", ["fused", "layer by layer"])
@pytest.mark.parametrize("step", [1, 7, 15])
def test_a_resumed_training_has_the_same_bits(data, tmp_path, kind, step):
    """Of 7 steps an epoch: within one, at its end and at the beginning of the next."""
    path, rule = tmp_path / "run.npz", an.AdamW if kind == "fused" else LayerByLayer
    _, wanted, history = trained(4, data, 1, rule=rule, epochs=3)

    def interrupt(state):
        if state.step == step:
            raise an.StopTraining("interrupted")

    interrupt.comes_last = True
    callbacks = [an.Checkpoint(path, every_steps=1), an.every_steps(1, interrupt)]
    trained(4, data, 1, rule=rule, epochs=3, callbacks=callbacks)
    net = network(4)
    resumed = net.fit(
        *data, batch_size=4 * EACH, sampler=MemberBatches(4, EACH), epochs=3, seed=3,
        optimizer=rule(0.01), verbose=0, resume=path,
    )  # fmt: skip
    np.testing.assert_array_equal(net.params.flat, wanted)
    assert resumed["loss"] == history["loss"]


def test_a_resumed_training_wants_the_same_members(data, tmp_path):
    path = tmp_path / "run.npz"
    trained(4, data, 1, callbacks=[an.Checkpoint(path)], epochs=1)
    with pytest.raises(ValueError, match="sampler"):
        network(4).fit(
            *data, batch_size=4 * EACH, sampler=MemberBatches(2, 2 * EACH), epochs=3, seed=3,
            optimizer=an.AdamW(0.01), resume=path,
        )  # fmt: skip


@pytest.mark.parametrize(
    "first",
    [
        lambda: an.PiecewiseEmbedding(3, {0: (0.0, 1.0, 2.0), 2: (0.0, 0.5)}, 2, rng=0),
        lambda: an.PeriodicEmbedding(3, rng=0),
        lambda: an.Embedding(3, {0: 2, 1: 2}, rng=0),
    ],
)
def test_callbacks_between_epochs_do_not_disturb_columns(first):
    """The compiled step compares the layers with those that its plan is made for."""

    def net():
        layer = first()
        head = an.Affine.init(layer.n_outputs, 1, rng=1)
        return an.Sequential(layer, head, loss=an.MeanSquaredError())

    x = np.random.default_rng(0).integers(0, 2, (20, 3)).astype(float)
    options = {"epochs": 4, "batch_size": 6, "seed": 0}
    alone, called = net(), net()
    alone.fit(x, x[:, :1], **options)
    called.fit(x, x[:, :1], callbacks=[lambda state: None], **options)
    np.testing.assert_array_equal(alone.params.flat, called.params.flat)


# MemberBatches -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "each", "n"), [(1, 4, 10), (3, 4, 10), (2, 5, 5), (4, 9, 7)])
def test_each_member_sees_every_row_once_in_an_order_of_its_own(k, each, n):
    order = MemberBatches(k, each)(0, n, np.random.default_rng(0))
    assert order.shape == (k * n,)
    seen = [[] for _ in range(k)]
    for start in range(0, k * n, k * each):
        batch = order[start : start + k * each]
        for rows, part in zip(seen, np.split(batch, k), strict=True):
            rows.extend(part)
    for rows in seen:
        assert sorted(rows) == list(range(n))
    assert len({tuple(rows) for rows in seen}) == k


def test_the_order_is_that_of_the_generator():
    sampler = MemberBatches(3, 4)
    first, again, other = (sampler(1, 30, np.random.default_rng([7, s])) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    golden = MemberBatches(2, 3)(2, 5, np.random.default_rng([7, 2]))
    assert golden.tolist() == [0, 2, 1, 1, 0, 2, 3, 4, 3, 4]
    assert repr(sampler) == "MemberBatches(members=3, rows=4)"
    assert sampler.config() == {"members": 3, "rows": 4}


@pytest.mark.parametrize("wrong", [(0, 4), (2, 0), (1.5, 4), (2, None), (True, 4)])
def test_numbers_that_are_none(wrong):
    with pytest.raises((TypeError, ValueError), match=r"^(members|rows) is"):
        MemberBatches(*wrong)


def test_a_batch_that_does_not_suit_the_members(data):
    with pytest.raises(ValueError, match="members"):
        network(4).fit(*data, batch_size=30, sampler=MemberBatches(4, 8), verbose=0)
    with pytest.raises(ValueError, match="members"):
        network(4).fit(*data, batch_size=32, verbose=0)  # 53 rows in one order for all


def test_fewer_rows_than_members_train_too():
    net = network(4)
    x, t = np.zeros((3, N_INPUTS)), np.arange(3)
    history = net.fit(x, t, epochs=2, batch_size=8, sampler=MemberBatches(4, 2), verbose=0)
    assert history.steps == 4
    assert np.isfinite(history["loss"]).all()
