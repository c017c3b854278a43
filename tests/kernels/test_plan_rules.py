"""Learning rates, groups, factors and penalties that a compiled plan is given."""

import numpy as np
import pytest

from plans import AFFINE, dropout, make, with_data

RULES = {
    "sgd": (0, (0.1, 0.01)),
    "momentum": (1, (0.1, 0.9)),
    "nesterov": (1, (0.1, 0.9)),
    "adagrad": (1, (0.1, 1e-7)),
    "rmsprop": (1, (0.1, 0.9, 1e-8)),
    "adam": (2, (0.1, 0.9, 0.999, 1e-8)),
    "scikit_learn_adam": (2, (0.1, 0.9, 0.999, 1e-8)),
    "adamw": (2, (0.1, 0.9, 0.999, 1e-8, 0.01)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", RULES)
def test_a_learning_rate_for_each_update(rule, dtype):
    """One run with three rates is three runs, each with its rate; the last rate stays."""
    count, numbers = RULES[rule]
    order, rates = np.array([4, 1, 0, 2, 3, 3, 0, 1, 2]), np.array([0.5, 0.0, 0.25])
    results = []
    for together in (True, False):
        params = np.linspace(-1, 1, 8).astype(dtype)
        averages = [np.zeros(8, dtype) for _ in range(count)]
        plan = make(params, np.zeros(8, dtype), rule=rule, averages=averages, numbers=numbers)
        with_data(plan, np.random.default_rng(0).standard_normal((5, 3)))
        losses, hits = np.empty(3), np.empty(3)
        if together:
            plan.run(order, 7, losses, hits, rates)
        else:
            for i in range(3):
                plan.set_rule(rule, (rates[i], *numbers[1:]), i)
                plan.run(order[4 * i :][:4], 7 + i, losses[i : i + 1], hits[i : i + 1])
        assert plan.updates == 3
        plan.run(order[:1], 10, np.empty(1), np.empty(1))
        results.append((params, losses, hits, *averages))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)
    assert (params != np.linspace(-1, 1, 8).astype(dtype)).any()


GROUPS = [(0, 5, 3.0, 0.5), (5, 6, 1.0, 1.0), (6, 8, 0.0, 2.0)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", RULES)
def test_groups_have_their_numbers(rule, dtype):
    """Each range is as a plan with its numbers leaves it; an empty list ends that."""
    count, numbers = RULES[rule]
    place = {"sgd": 1, "adamw": 4}.get(rule)

    def updated(lr, decay, groups):
        own = [numbers[0] * lr, *numbers[1:]]
        if place is not None:
            own[place] *= decay
        params = np.linspace(-1, 1, 8).astype(dtype)
        averages = [np.zeros(8, dtype) for _ in range(count)]
        grads = np.zeros(8, dtype)
        plan = make(params, grads, rule=rule, averages=averages, numbers=tuple(own))
        plan.set_groups(groups)
        for step in range(3):
            if step == 2:
                plan.set_groups([])
            grads[:] = np.random.default_rng(step).standard_normal(8)
            plan.update()
            if step == 1:
                yield params.copy(), *(average.copy() for average in averages)
        yield params, *averages

    found, ended = updated(1.0, 1.0, GROUPS)
    for start, end, lr, decay in GROUPS:
        wanted, _ = updated(lr, decay, [])
        for one, two in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one[start:end], two[start:end])
    assert (ended[0] != found[0]).all()


@pytest.mark.parametrize(
    "groups",
    [
        [(0, 7, 1.0, 1.0)],
        [(0, 9, 1.0, 1.0)],
        [(1, 8, 1.0, 1.0)],
        [(0, 4, 1.0, 1.0), (5, 8, 1.0, 1.0)],
        [(0, 4, 1.0, 1.0), (3, 8, 1.0, 1.0)],
        [(0, 0, 1.0, 1.0), (0, 8, 1.0, 1.0)],
        [(0, 8, -1.0, 1.0)],
        [(0, 8, 1.0, np.nan)],
        [(0, 8, np.inf, 1.0)],
        [(0, 8, 1.0)],
        [(0, 8, 1.0, 1.0, 1.0)],
        [(0, 2**62, 1.0, 1.0)],
    ],
    ids=str,
)
def test_set_groups_refuses(groups):
    params = np.arange(8.0)
    plan = with_data(make(params))
    with pytest.raises(ValueError, match=r"group|unpack"):
        plan.set_groups(groups)
    plan.gradients(np.arange(4), 0)
    plan.update()
    assert np.isfinite(params).all()


def test_factors_that_are_refused():
    plan = with_data(make(layers=[AFFINE, dropout(0.4, 0)]))
    out = np.empty(2), np.empty(2)
    for bad in (np.nan, -0.1, np.inf):
        with pytest.raises(ValueError, match=r"decays\[1\] is .*wanted 0 or more, finite"):
            plan.run(np.arange(5), 0, *out, decays=np.array([1.0, bad]))
        with pytest.raises(ValueError, match=r"decays\[0\] is"):
            plan.update(bad)
    for bad in (np.nan, -0.1, np.inf, 2.5, 3.0):
        with pytest.raises(ValueError, match=r"dropouts\[1\] is .*the largest p, 0\.4"):
            plan.run(np.arange(5), 0, *out, dropouts=np.array([1.0, bad]))
        with pytest.raises(ValueError, match=r"dropouts\[0\] is"):
            plan.gradients(np.arange(4), 0, dropout=bad)
    for name in ("decays", "dropouts"):
        with pytest.raises(ValueError, match=name):
            plan.run(np.arange(5), 0, *out, **{name: np.ones(3)})
    momentum = with_data(make(rule="momentum", averages=[np.zeros(8)]))
    with pytest.raises(ValueError, match="momentum has none"):
        momentum.run(np.arange(5), 0, *out, decays=np.ones(2))
    assert plan.updates == 0


def test_factors_end_with_their_call():
    """The next call has the decay and the p that the plan was given."""
    layers, order = [AFFINE, dropout(0.4, 3)], np.arange(4)
    results = []
    for before in (False, True):
        params = np.linspace(-1, 1, 8)
        plan = with_data(make(params, layers=layers, numbers=(0.5, 0.25)))
        if before:
            out = np.empty(1), np.empty(1)
            plan.run(order, 0, *out, decays=np.array([7.0]), dropouts=np.array([2.0]))
            plan.gradients(order, 0, dropout=0.5)
            plan.update(3.0)
            plan.set_rule("sgd", (0.5, 0.25), 0)
            plan.update(0.0)
            with pytest.raises(ValueError, match="row"):
                plan.gradients(np.array([9]), 0, dropout=0.5)
            params[:] = np.linspace(-1, 1, 8)
        plan.gradients(order, 5)
        plan.update()
        plan.run(order, 6, np.empty(1), np.empty(1))
        results.append(params)
    np.testing.assert_array_equal(*results)


def test_set_rule_of_another_optimizer():
    with pytest.raises(ValueError, match="made for sgd, not for adam"):
        make().set_rule("adam", (0.1, 0.9, 0.999, 1e-8), 0)


@pytest.mark.parametrize("count", [0, 1, 3, 6])
def test_set_rule_wants_all_its_numbers_and_no_more(count):
    with pytest.raises(ValueError, match=f"sgd got {count} numbers, wanted lr, weight_decay"):
        make().set_rule("sgd", (0.1,) * count, 0)


@pytest.mark.parametrize("l2", [-0.1, np.nan, np.inf])
def test_set_regularization_refuses_a_penalty(l2):
    with pytest.raises(ValueError, match=r"^l2 is"):
        make().set_regularization(l2, None)


@pytest.mark.parametrize("clip_norm", [0.0, -1.0, np.nan, np.inf])
def test_set_regularization_refuses_a_bound(clip_norm):
    with pytest.raises(ValueError, match=r"^clip_norm is"):
        make().set_regularization(0.0, clip_norm)


@pytest.mark.parametrize("clip_value", [0.0, -1.0, np.nan, np.inf])
def test_set_regularization_refuses_a_bound_of_elements_and_keeps_what_it_had(clip_value):
    grads = np.zeros(8)
    plan = with_data(make(grads=grads))
    plan.set_regularization(0.0, None, 0.01)
    with pytest.raises(ValueError, match=r"^clip_value is"):
        plan.set_regularization(0.0, 0.001, clip_value)
    plan.gradients(np.arange(4), 0)
    assert abs(grads).max() == 0.01


def test_set_regularization_may_be_taken_back():
    grads = [np.zeros(8) for _ in range(3)]
    plans = [with_data(make(grads=own)) for own in grads]
    for plan in plans[1:]:
        plan.set_regularization(0.5, 0.25)
    plans[2].set_regularization(0.0, None)
    losses = [plan.gradients(np.arange(4), 0)[0] for plan in plans]
    assert losses[0] == losses[2] < losses[1]
    np.testing.assert_array_equal(grads[0], grads[2])
    assert np.linalg.norm(grads[1]) == pytest.approx(0.25)
