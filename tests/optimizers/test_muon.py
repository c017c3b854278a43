"""Muon: which parameters are matrices, its two rules against the reference, and whole trainings."""

import copy
import pickle

import numpy as np
import pytest

import affinet as an
from affinet import reference, schedules
from affinet._dispatch import kernels
from interrupted_training import (
    assert_same,
    build,
    content_of,
    interrupted,
    refused,
    rewrite,
    train,
)
from tolerance import assert_close

NUMBERS = {"momentum": 0.9, "weight_decay": 0.2, "adamw_lr": 0.01, "beta1": 0.8, "beta2": 0.95}


@pytest.fixture(autouse=True)
def threads():
    before = an.get_num_threads()
    yield
    kernels.always_team(False, False)
    an.set_num_threads(before)


def network(dtype=np.float64):
    return an.Sequential(
        an.Affine.init(6, 9, rng=0, dtype=dtype),
        an.LayerNorm(9, dtype=dtype),
        an.Residual(an.Affine.init(9, 9, rng=2, dtype=dtype), an.Tanh()),
        an.Dropout(0.2, rng=0),
        an.Affine.init(9, 3, rng=1, dtype=dtype),
        loss=an.SoftmaxWithLoss(),
    )


def gradients(params, seed):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(W.shape).astype(W.dtype) for name, W in params.items()}


def by_the_reference(params, steps, lr=0.05, adamw_lr=0.01, matrices=None):
    """Both rules in double precision; ``lr`` and ``adamw_lr`` may be lists."""
    found = {name: np.array(W, np.float64) for name, W in params.items()}
    kept = {name: (np.zeros(W.shape), np.zeros(W.shape)) for name, W in params.items()}
    rates = [lr] * len(steps) if np.isscalar(lr) else lr
    adamw_rates = [adamw_lr] * len(steps) if np.isscalar(adamw_lr) else adamw_lr
    for number, grads in enumerate(steps):
        for name, W in found.items():
            dW = grads[name].astype(np.float64)
            if W.ndim == 2 and (matrices is None or name in matrices):
                v, found[name] = reference.muon_update(
                    dW, rates[number], 0.9, 0.2, kept[name][0], W
                )
                kept[name] = v, v
            else:
                m, v, found[name] = reference.adamw_update(
                    dW, adamw_rates[number], 0.8, 0.95, 1e-8, 0.2, number + 1, *kept[name], W
                )
                kept[name] = m, v
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("flat", [True, False])
def test_both_rules_are_those_of_the_reference(flat, dtype):
    net = network(dtype)
    params = net.params if flat else {name: W.copy() for name, W in net.params.items()}
    steps = [gradients(params, seed) for seed in range(4)]
    wanted = by_the_reference(params, steps)
    optimizer = an.Muon(0.05, **NUMBERS)
    for grads in steps:
        optimizer.update(params, grads)
    for name, W in params.items():
        assert W.dtype == dtype
        assert_close(W, wanted[name], reduction=4 * 485, scale=1, name=name)


def test_a_network_and_a_mapping_give_the_same_bits():
    net = network()
    mapping = {name: W.copy() for name, W in net.params.items()}
    one, two = an.Muon(0.05, **NUMBERS), an.Muon(0.05, **NUMBERS)
    for seed in range(3):
        one.update(net.params, gradients(mapping, seed))
        two.update(mapping, gradients(mapping, seed))
    for name, W in mapping.items():
        np.testing.assert_array_equal(net.params[name], W, name)


def test_singular_values_come_close_to_1():
    """Those above 1/1000 of the norm end between 0.65 and 1.25, whatever the shape."""
    rng = np.random.default_rng(0)
    for shape in ((5, 5), (30, 8), (8, 30), (1, 4), (4, 1), (1, 1), (64, 64)):
        W, dW = np.zeros(shape), rng.standard_normal(shape)
        an.Muon(1.0, momentum=0.0).update(W, dW)
        values = np.linalg.svd(-W, compute_uv=False) / np.sqrt(max(1, shape[1] / shape[0]))
        relative = np.linalg.svd(dW, compute_uv=False) / np.linalg.norm(dW)
        assert ((values > 0.65) & (values < 1.25))[relative > 1e-3].all(), (shape, values)
        u, _, v = np.linalg.svd(dW, full_matrices=False)
        assert np.trace(-W @ (u @ v).T) > 0


def test_the_scale_is_by_outputs_and_inputs():
    """More outputs than inputs give longer steps; Jordan's matrices are transposed."""
    dW = np.random.default_rng(0).standard_normal((4, 16))
    wide, tall = np.zeros((4, 16)), np.zeros((16, 4))
    an.Muon(1.0).update(wide, dW)
    an.Muon(1.0).update(tall, np.ascontiguousarray(dW.T))
    np.testing.assert_allclose(wide, 2 * tall.T, rtol=1e-10)


def test_a_gradient_of_0_only_decays():
    W = np.ones((3, 2))
    an.Muon(0.1, weight_decay=0.5).update(W, np.zeros((3, 2)))
    np.testing.assert_allclose(W, 0.95)


def test_a_gradient_that_is_not_finite():
    W = np.ones((3, 2))
    an.Muon(0.1).update(W, np.full((3, 2), np.inf))
    assert np.isnan(W).all()


def test_the_defaults_are_jordans():
    assert an.Muon().config() == {
        "lr": 0.02, "momentum": 0.95, "weight_decay": 0.0, "adamw_lr": 0.0003, "beta1": 0.9,
        "beta2": 0.95, "eps": 1e-8, "initial_lr": 0.02,
    }  # fmt: skip


# Which parameters --------------------------------------------------------------------------------


def test_matrices_of_a_network():
    optimizer, net = an.Muon(), network()
    assert optimizer.matrices(net.params) == ["0.W", "2.0.W", "4.W"]
    optimizer.adamw = ("4.*", "0.W")
    assert optimizer.matrices(net.params) == ["2.0.W"]
    params = {"W": np.ones((2, 2)), "b": np.ones(2), 3: np.ones((1, 1)), "T": np.ones((2, 2, 2))}
    assert an.Muon().matrices(params) == ["W", 3]


@pytest.mark.parametrize("flat", [True, False])
def test_exceptions_go_to_adamw(flat):
    net = network()
    params = net.params if flat else {name: W.copy() for name, W in net.params.items()}
    steps = [gradients(params, seed) for seed in range(3)]
    wanted = by_the_reference(params, steps, matrices=["0.W", "2.0.W"])
    optimizer = an.Muon(0.05, **NUMBERS, adamw="4.W")
    for grads in steps:
        optimizer.update(params, grads)
    for name, W in params.items():
        np.testing.assert_allclose(W, wanted[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_arrays_of_every_form():
    """float16, strided, byte-swapped and plain arrays, and Python floats."""
    rng = np.random.default_rng(0)
    dW = rng.standard_normal((6, 4)).astype(np.float16).astype(np.float64)
    wanted = np.ones((6, 4))
    an.Muon(0.05).update(wanted, dW)
    for W in (
        np.ones((6, 4), np.float16), np.ones((12, 8))[::2, ::2], np.ones((4, 6)).T,
        np.ones((6, 4), ">f8"),
    ):  # fmt: skip
        an.Muon(0.05).update(W, dW)
        np.testing.assert_allclose(W.astype(float), wanted, atol=1e-3 if W.itemsize == 2 else 1e-12)
    params = {"a": 1.0}
    an.Muon(adamw_lr=0.1).update(params, {"a": 2.0})
    assert params["a"] == pytest.approx(0.9)
    empty = np.ones((0, 3))
    an.Muon().update(empty, empty)


def test_groups_are_separate_optimizers():
    groups = [an.Group("*.b", lr=0.3, weight_decay=0.0), an.Group("2.0.*", lr=2.0)]
    net = network()
    mapping = {name: W.copy() for name, W in net.params.items()}
    apart = {name: W.copy() for name, W in net.params.items()}
    optimizers = {}
    for name in apart:
        group = next((group for group in groups if group.matches(name)), an.Group(name))
        optimizers[name] = own = an.Muon(0.05, **NUMBERS, decay_bias=name.endswith("W"))
        own.lr *= group.lr
        own.weight_decay *= group.weight_decay
    for params in (net.params, mapping):
        optimizer = an.Muon(0.05, **NUMBERS, decay_bias=False, groups=groups)
        for seed in range(3):
            optimizer.update(params, gradients(params, seed))
    for seed in range(3):
        grads = gradients(apart, seed)
        for name, own in optimizers.items():
            own.update({name: apart[name]}, {name: grads[name]})
    for name, W in apart.items():
        np.testing.assert_array_equal(net.params[name], W, name)
        np.testing.assert_array_equal(mapping[name], W, name)


def test_both_rates_follow_a_schedule():
    net = network()
    params = {name: W.copy() for name, W in net.params.items()}
    steps = [gradients(params, seed) for seed in range(3)]
    rates = [0.05, 0.1, 0.0]
    wanted = by_the_reference(params, steps, rates, [0.01, 0.02, 0.0])
    optimizer = an.Muon(0.05, **NUMBERS)
    for grads, lr in zip(steps, rates, strict=True):
        optimizer.lr = lr
        optimizer.update(params, grads)
    for name, W in params.items():
        np.testing.assert_allclose(W, wanted[name], rtol=1e-9, atol=1e-9, err_msg=name)
    assert an.Muon(0.1, adamw_lr=0.01, initial_lr=0.05).initial_lr == 0.05


# In fit ------------------------------------------------------------------------------------------


@pytest.fixture
def data():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((23, 4))
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)


@pytest.fixture
def digits():
    return an.datasets.load_digits()


def test_it_trains_fused_and_learns(digits):
    (x, t), test = digits
    net = an.Sequential(
        an.Affine.init(64, 64, rng=0), an.ReLU(), an.Affine.init(64, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )  # fmt: skip
    history = net.fit(x, t, epochs=5, optimizer=an.Muon(), verbose=0)
    assert history.step_kind == "fused"
    assert net.evaluate(*test)["accuracy"] > 0.95


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_bit_depends_on_the_number_of_threads(dtype):
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((300, 200)).astype(dtype), rng.integers(0, 10, 300)
    found = []
    for members in (1, 2, 3, 8):
        an.set_num_threads(members)
        net = an.Sequential(
            an.Affine.init(200, 300, rng=0, dtype=dtype), an.ReLU(),
            an.Affine.init(300, 10, rng=1, dtype=dtype), loss=an.SoftmaxWithLoss(),
        )  # fmt: skip
        net.fit(x, t, epochs=2, batch_size=100, optimizer=an.Muon(weight_decay=0.1), verbose=0)
        found.append(net.params.flat.tobytes())
    assert found[1:] == found[:1] * 3


class OwnLoss(an.SoftmaxWithLoss):
    """A subclass has no compiled form: training goes layer by layer."""


# Tall, wide and square matrices, of one row and of one column.
SIZES = [(4, 40, 3), (40, 4, 9), (7, 7, 7), (1, 5, 2), (5, 1, 3), (300, 33, 65)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("sizes", "clip"), list(zip(SIZES, 3 * [None, 0.3], strict=True)), ids=str)
def test_every_speed_gives_the_same_bits(sizes, clip, dtype):
    rng = np.random.default_rng(1)
    x, t = rng.standard_normal((90, sizes[0])).astype(dtype), rng.integers(0, sizes[2], 90)
    found = {}
    for members in ("layer by layer", 1, 2, 8):
        alone = members in ("layer by layer", 1)
        an.set_num_threads(1 if alone else members)
        kernels.always_team(not alone, False)
        loss = OwnLoss() if members == "layer by layer" else an.SoftmaxWithLoss()
        net = an.Sequential(
            an.Affine.init(*sizes[:2], rng=0, dtype=dtype), an.LayerNorm(sizes[1], dtype=dtype),
            an.Tanh(), an.Affine.init(*sizes[1:], rng=1, dtype=dtype), loss=loss,
        )  # fmt: skip
        own = options() | {"dropout_schedule": None}
        own["optimizer"].adamw = () if clip else ("3.W",)
        history = net.fit(
            x, t, epochs=2, batch_size=32, clip_norm=clip, l2=0.1, seed=4, verbose=0, **own
        )
        assert history.step_kind == ("layer by layer" if members == "layer by layer" else "fused")
        averages = own["optimizer"].state_of(net.params.flat).averages
        found[members] = [net.params.flat.tobytes(), *(a.tobytes() for a in averages)]
    for members, bits in found.items():
        assert bits == found[1], members


def test_a_network_without_matrices(data):
    """And one whose matrices all go to AdamW."""
    nets = []
    for loss in (an.MeanSquaredError(), type("Own", (an.MeanSquaredError,), {})()):
        nets.append(an.Sequential(an.Scale(4), an.LayerNorm(4), loss=loss))
        nets[-1].fit(
            data[0], data[0], epochs=2, optimizer=an.Muon(0.1), batch_size=5, seed=1, verbose=0
        )
    np.testing.assert_array_equal(nets[0].params.flat, nets[1].params.flat)
    nets = [build(), build()]
    rules = an.Muon(0.1, adamw_lr=0.02, adamw="*"), an.AdamW(0.02, 0.9, 0.95, weight_decay=0.0)
    for net, rule in zip(nets, rules, strict=True):
        net.fit(*data, epochs=2, optimizer=rule, batch_size=5, seed=1, verbose=0)
    np.testing.assert_array_equal(nets[0].params.flat, nets[1].params.flat)


def test_a_callback_changes_which_parameters_are_matrices(data):
    """The compiled plan takes other matrices, and other groups, from then on."""

    def change(state):
        state.optimizer.adamw = ("0.W",) if state.epoch == 1 else ()
        state.optimizer.groups = [an.Group("3.*", lr=0.5)] if state.epoch == 2 else None

    nets = []
    for loss in (an.SoftmaxWithLoss(), OwnLoss()):
        nets.append(build())
        nets[-1].loss = loss
        history = nets[-1].fit(
            *data, epochs=4, optimizer=an.Muon(0.1), batch_size=5, seed=1, callbacks=[change],
            verbose=0,
        )  # fmt: skip
    assert history.step_kind == "layer by layer"
    np.testing.assert_array_equal(nets[0].params.flat, nets[1].params.flat)


def options():
    return {
        "optimizer": an.Muon(
            0.05, weight_decay=0.3, adamw="3.W", decay_bias=False, groups=[an.Group("0.*", 0.5)]
        ),
        "schedule": schedules.Cosine(0.05),
        "decay_schedule": schedules.FlatCosine(1.0),
        "dropout_schedule": schedules.FlatCosine(1.0),
    }


def test_resumed_after_every_step(data, tmp_path):
    path, whole = tmp_path / "c.npz", train(data, **options())
    assert whole[2].step_kind == "fused"
    for step in range(1, whole[2].steps + 1):
        interrupted(data, path, step, **options())
        assert_same(whole, train(data, **options(), resume=path))


def test_other_exceptions_are_refused(data, tmp_path):
    path = tmp_path / "c.npz"
    interrupted(data, path, 7, **options())
    assert content_of(path)[0]["training"]["parameters with AdamW"] == ["3.W"]
    refused(
        data, r"parameters with AdamW is \['3.W'\], in this training it is \[\]",
        **options() | {"optimizer": an.Muon(0.123)}, resume=path,
    )  # fmt: skip


def test_damaged_numbers_are_refused(data, tmp_path):
    path = tmp_path / "c.npz"
    interrupted(data, path, 7, optimizer=an.Muon())
    description, arrays = content_of(path)
    description["optimizer"]["numbers"]["momentum"] = 5.0
    rewrite(path, description, arrays)
    refused(data, "momentum is 5.0", optimizer=an.Muon(0.123), resume=path)


def test_copies_go_on_alike(data):
    net, optimizer = build(), options()["optimizer"]
    net.fit(*data, epochs=2, optimizer=optimizer, verbose=0)
    pairs = [
        (net, optimizer),
        copy.deepcopy((net, optimizer)),
        pickle.loads(pickle.dumps((net, optimizer))),
    ]
    for twin, own in pairs:
        twin.fit(*data, epochs=2, optimizer=own, verbose=0)
        assert own.adamw == ("3.W",)
        np.testing.assert_array_equal(twin.params.flat, net.params.flat)


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: an.Muon(0.0), ValueError, "lr is 0"),
        (lambda: an.Muon(-1.0), ValueError, "lr is -1"),
        (lambda: an.Muon(momentum=1.0), ValueError, "momentum is 1"),
        (lambda: an.Muon(weight_decay=-1), ValueError, "weight_decay is -1"),
        (lambda: an.Muon(adamw_lr=np.nan), ValueError, "adamw_lr is nan"),
        (lambda: an.Muon(beta1=1), ValueError, "beta1 is 1"),
        (lambda: an.Muon(beta2=-1), ValueError, "beta2 is -1"),
        (lambda: an.Muon(eps=0), ValueError, "eps is 0"),
        (lambda: an.Muon(initial_lr=0), ValueError, "initial_lr is 0"),
        (lambda: an.Muon(adamw=3), TypeError, "adamw is 3, wanted a name"),
        (lambda: an.Muon(adamw=[3]), TypeError, "adamw has 3"),
        (lambda: an.Muon(groups=3), TypeError, "groups is 3"),
    ],
)
def test_arguments_that_are_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_names_that_match_nothing(data):
    net = build()
    before = net.params.flat.copy()
    match = r"adamw: '9\.W' matches no parameter, wanted one of 0\.W, 0\.b"
    with pytest.raises(ValueError, match=match):
        net.fit(*data, optimizer=an.Muon(adamw=["0.W", "9.W"]))
    params = dict(net.params)
    for target in (net.params, params):
        with pytest.raises(ValueError, match=match):
            an.Muon(adamw="9.W").update(target, net.grads)
    np.testing.assert_array_equal(net.params.flat, before)
    assert net.history is None


def test_the_kernel_refuses_what_does_not_fit():
    W = np.ones((2, 3))
    with pytest.raises(ValueError, match="v has shape"):
        kernels.muon_update(W, 0.1, 0.9, 0.0, np.ones((3, 2)), W.copy())
    with pytest.raises(TypeError, match="W has the wrong dtype"):
        kernels.muon_update(W, 0.1, 0.9, 0.0, W.copy(), np.ones((2, 3), np.float32))
    with pytest.raises((ValueError, TypeError, BufferError)):
        kernels.muon_update(W, 0.1, 0.9, 0.0, np.asfortranarray(W), W.copy())
