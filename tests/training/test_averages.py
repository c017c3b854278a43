"""Averages of the weights over the updates: EMA and SWA as options of fit."""

import copy
import pickle
import threading

import numpy as np
import pytest

import affinet as an
from affinet._dispatch import kernels
from rank_threads import on_ranks, same_bits

ROWS = 23


class OwnReLU(an.ReLU):
    """A custom layer, which fit trains layer by layer only."""


@pytest.fixture
def data():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((ROWS, 4))
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)


def build(kind="fused", dtype="float64", middle=(), width=6):
    return an.Sequential(
        an.Affine.init(4, width, rng=1, dtype=dtype),
        an.ReLU() if kind == "fused" else OwnReLU(),
        *middle,
        an.Affine.init(width, 3, rng=2, dtype=dtype),
        loss=an.SoftmaxWithLoss(),
    )


def arrays(net):
    """Parameters and buffers."""
    return {**net.params, **net.params.buffers}


def weights_by_update(data, net, **options):
    """Copies of all arrays before the first update and after each."""
    found = [{name: array.copy() for name, array in arrays(net).items()}]

    def look(state):
        found.append({name: array.copy() for name, array in arrays(net).items()})

    net.fit(*data, callbacks=[an.every_steps(1, look)], **options)
    return found


def batch_norm(dtype="float64"):
    return an.BatchNorm(6, dtype=dtype)


OPTIONS = {"epochs": 3, "batch_size": 5, "seed": 3}


@pytest.mark.parametrize("kind", ["fused", "layer by layer"])
@pytest.mark.parametrize(("start", "every"), [(0, 1), (0, 4), (5, 1), (7, 3)])
def test_ema_is_its_formula(data, kind, start, every):
    seen = weights_by_update(data, build(kind, middle=[batch_norm()]), **OPTIONS)
    average = an.EMA(0.8, start, every)
    net = build(kind, middle=[batch_norm()])
    assert net.fit(*data, average=average, **OPTIONS).step_kind == kind
    mean = seen[start]
    for update in range(start + every, len(seen), every):
        mean = {name: 0.8 * mean[name] + 0.2 * seen[update][name] for name in mean}
    assert average.steps == len(seen) - 1 == 15
    for name, array in arrays(average.net).items():
        np.testing.assert_allclose(array, mean[name], rtol=1e-12, err_msg=name)
    assert average.net.predict(data[0]).shape == (ROWS, 3)


@pytest.mark.parametrize("kind", ["fused", "layer by layer"])
@pytest.mark.parametrize(("start", "every"), [(0, 1), (5, 5), (4, 3)])
def test_swa_is_a_plain_mean(data, kind, start, every):
    seen = weights_by_update(data, build(kind, middle=[batch_norm()]), **OPTIONS)
    average = an.SWA(start, every)
    build(kind, middle=[batch_norm()]).fit(*data, average=average, **OPTIONS)
    chosen = seen[start + every :: every]
    for name, array in arrays(average.net).items():
        wanted = np.mean([found[name] for found in chosen], axis=0)
        np.testing.assert_allclose(array, wanted, rtol=1e-12, err_msg=name)


def test_before_its_start_it_is_the_network_as_it_was(data):
    net, average = build(), an.SWA(start=100)
    before = net.params.flat.copy()
    net.fit(*data, average=average, **OPTIONS)
    assert np.array_equal(average.net.params.flat, before)
    assert not np.array_equal(net.params.flat, before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", [an.SGD, an.Adam, an.Muon])
@pytest.mark.parametrize("average", [lambda: an.EMA(0.9, 2, 2), lambda: an.SWA(3)])
def test_fused_and_layer_by_layer_agree_to_the_bit(data, dtype, optimizer, average):
    found = []
    for kind in ("fused", "layer by layer"):
        net, mean = build(kind, dtype, [batch_norm(dtype)]), average()
        history = net.fit(*data, optimizer=optimizer(0.05), average=mean, **OPTIONS)
        assert history.step_kind == kind
        found.append((net, mean.net))
    for one, other in zip(*found, strict=True):
        for name, array in arrays(one).items():
            assert np.array_equal(array, arrays(other)[name]), name


def test_it_leaves_the_training_as_it_is(data):
    nets = [build(), build()]
    nets[0].fit(*data, **OPTIONS)
    nets[1].fit(*data, average=an.EMA(0.9), **OPTIONS)
    assert np.array_equal(nets[0].params.flat, nets[1].params.flat)


@pytest.mark.parametrize("clip", [None, 0.01])
@pytest.mark.parametrize("optimizer", [an.SGD, an.AdamW, an.Muon])
def test_teams_of_threads_change_no_bit(optimizer, clip):
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((200, 4)), rng.integers(0, 3, 200)
    before, found = an.get_num_threads(), []
    groups = [an.Group("*.b", lr=0.5)]
    try:
        for members in (1, 2, 3):
            an.set_num_threads(members)
            kernels.always_team(members > 1, False)
            net, average = build(middle=[an.BatchNorm(70, dtype="float64")], width=70), an.EMA(0.9)
            history = net.fit(x, t, epochs=2, batch_size=40, average=average, clip_norm=clip,
                              optimizer=optimizer(0.01, groups=groups))  # fmt: skip
            assert history.threads == members
            found.append({name: array.copy() for name, array in arrays(average.net).items()})
    finally:
        kernels.always_team(False, False)
        an.set_num_threads(before)
    for other in found[1:]:
        for name, array in found[0].items():
            assert np.array_equal(array, other[name]), name


@pytest.mark.parametrize("kind", ["fused", "layer by layer"])
def test_a_later_fit_continues_the_average(data, kind):
    """As one fit of the same updates: no shuffle, so both see the same batches."""
    options = {"batch_size": ROWS, "shuffle": False}
    whole, parts = an.EMA(0.9, start=2, every=3), an.EMA(0.9, start=2, every=3)
    build(kind).fit(*data, steps=12, average=whole, optimizer=an.Adam(0.05), **options)
    net, optimizer = build(kind), an.Adam(0.05)
    for steps in (1, 1, 3, 7):
        net.fit(*data, steps=steps, average=parts, optimizer=optimizer, **options)
    assert parts.steps == 12
    assert np.array_equal(parts.net.params.flat, whole.net.params.flat)


def test_pickles_and_copies_continue(data):
    net, average = build(), an.SWA(2)
    net.fit(*data, average=average, **OPTIONS)
    for twin in (copy.deepcopy(average), pickle.loads(pickle.dumps(average))):
        other = copy.deepcopy(net)
        other.fit(*data, average=twin, **OPTIONS)
        assert twin.steps == 30
    net.fit(*data, average=average, **OPTIONS)
    assert np.array_equal(average.net.params.flat, twin.net.params.flat)
    assert repr(average) == "SWA(start=2, every=1)"


def test_callbacks_may_use_it_and_other_threads_may_not(data):
    net, average, seen = build(), an.EMA(0.5), []

    def look(state):
        seen.append(average.net.evaluate(*data)["loss"])
        thread = threading.Thread(target=from_outside)
        thread.start()
        thread.join()

    def from_outside():
        try:
            average.net.predict(data[0])
        except RuntimeError as error:
            seen.append(str(error))

    net.fit(*data, average=average, callbacks=[look], epochs=1)
    assert np.isfinite(seen[0])
    assert "trained in another thread" in seen[1]


def test_refusals(data):
    net = build()
    before = net.params.flat.copy()
    with pytest.raises(TypeError, match=r"average is 0.9, wanted an object such as EMA"):
        net.fit(*data, average=0.9)
    average = an.EMA()
    build(width=7).fit(*data, epochs=1, average=average)
    with pytest.raises(ValueError, match=r"average: EMA\(.*\) is the average of a network with"):
        net.fit(*data, average=average)
    assert np.array_equal(net.params.flat, before)
    for decay in (1.0, -0.1, np.nan):
        with pytest.raises(ValueError, match="decay is"):
            an.EMA(decay)
    with pytest.raises(ValueError, match="every is 0"):
        an.SWA(every=0)
    with pytest.raises(TypeError, match=r"start is 0.5"):
        an.EMA(start=0.5)
    with pytest.raises(AttributeError):
        average.beta = 3


def test_two_trainings_at_once_may_not_share_it(data):
    average = an.EMA()

    def train_another(state):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    def other():
        try:
            build().fit(*data, epochs=1, average=average)
        except RuntimeError as error:
            errors.append(str(error))

    errors = []
    build().fit(*data, epochs=1, average=average, callbacks=[train_another])
    assert "the average EMA" in errors[0]


def test_ranks_have_the_same_average(data):
    alone = an.EMA(0.9)
    build().fit(*data, average=alone, **OPTIONS)

    def work(reducer):
        net, average = build(), an.EMA(0.9)
        net.params.flat += reducer.rank  # as a random start would
        net.fit(*data, average=average, reducer=reducer, verbose=0, **OPTIONS)
        return average.net.params.flat

    found = on_ranks(3, work)
    assert same_bits(found)
    np.testing.assert_allclose(found[0], alone.net.params.flat, rtol=1e-9)

    def local(reducer):
        build().fit(*data, average=an.EMA(), reducer=reducer, verbose=0, **OPTIONS)

    for error in on_ranks(2, local, average_every=3):
        assert "average was given with a reducer that averages parameters" in str(error)


def test_the_plan_refuses_what_does_not_fit(data):
    net, wide = build(), build(width=7)
    x = np.ascontiguousarray(data[0])
    plan = kernels.make_plan(
        kernels.make_operations(net.params.flat, describe(net), 4), net.grads.flat,
        "softmax_cross_entropy", "sgd", [], 5, None,
    )  # fmt: skip
    plan.set_inputs(x)
    plan.set_labels(np.asarray(data[1], np.int64))
    plan.set_loss("softmax_cross_entropy", 0.0)
    plan.set_rule("sgd", (0.1, 0.0), 0)
    order, numbers = np.arange(5), [np.zeros(1), np.zeros(1)]
    with pytest.raises(ValueError, match="averages came, but the plan has no average"):
        plan.run(order, 0, *numbers, averages=np.ones(1))
    with pytest.raises(ValueError, match="the operations of the average differ"):
        plan.set_average(kernels.make_operations(wide.params.flat, describe(wide), 4))
    with pytest.raises(TypeError):
        plan.set_average(None)
    plan.set_average(kernels.make_operations(build().params.flat, describe(build()), 4))
    for wrong in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match=r"averages\[0\] is"):
            plan.run(order, 0, *numbers, averages=np.array([wrong]))


def describe(net):
    from affinet.network.inner import describe_layers

    return describe_layers(net.layers, {})
