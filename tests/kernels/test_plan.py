"""The door of the compiled plan is safe: it refuses what does not fit and writes nothing."""

import numpy as np
import pytest

from affinet import _dispatch
from affinet.layers.operation import Operation

kernels = _dispatch.kernels
AFFINE = Operation("affine", n_outputs=2, starts=(0, 6))


def dropout(p, key):
    return Operation("dropout", numbers=(p,), key=key)


def make(params=None, grads=None, layers=None, **changes):
    """A plan of one 3 -> 2 affine layer, with something changed."""
    arguments = {
        "params": np.arange(8.0) if params is None else params,
        "grads": np.zeros(8) if grads is None else grads,
        "layers": [AFFINE] if layers is None else layers,
        "loss": "softmax_cross_entropy",
        "rule": "sgd",
        "averages": [],
        "batch_size": 4,
        "n_inputs": 3,
        "input_scale": None,
    } | changes
    network = kernels.make_operations(
        arguments.pop("params"), arguments.pop("layers"), arguments.pop("n_inputs")
    )
    numbers = arguments.pop("numbers", (0.1, 0.0))
    plan = kernels.make_plan(network, *arguments.values())
    plan.set_rule(arguments["rule"], numbers, 0)
    return plan


def with_data(plan, x=None, t=None):
    plan.set_inputs(np.ones((5, 3)) if x is None else x)
    plan.set_labels(np.array([0, 1, 0, 1, 0]) if t is None else t)
    return plan


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": [AFFINE._replace(starts=(3, 6))]},
        {"layers": [AFFINE._replace(starts=(-1, 6))]},
        {"layers": [AFFINE._replace(starts=(0, 7))]},
        {"layers": [AFFINE._replace(n_outputs=0)]},
        {"layers": [AFFINE, dropout(1.0, 0)]},
        {"layers": []},
        {"layers": [Operation("relu")] * 1001},
        {"grads": np.zeros(7)},
        {"batch_size": 0},
        {"n_inputs": 0},
        {"n_inputs": 2},
        {"rule": "adam"},
        {"averages": [np.zeros(8)]},
        {"rule": "momentum", "averages": [np.zeros(7)]},
    ],
    ids=str,
)
def test_make_plan_refuses(changes):
    with pytest.raises(ValueError, match=r"\w"):
        make(**changes)


def test_make_plan_refuses_unknown_names():
    with pytest.raises(ValueError, match=r"operation 0, conv, is no kernel.*affine.*gelu"):
        make(layers=[Operation("conv")])
    with pytest.raises(ValueError, match=r"no loss is called hinge.*softmax_cross_entropy"):
        make(loss="hinge")
    with pytest.raises(ValueError, match=r"no update rule is called lbfgs.*sgd"):
        make(rule="lbfgs")


def test_make_plan_refuses_mixed_precision():
    with pytest.raises((ValueError, TypeError)):
        make(grads=np.zeros(8, np.float32))


def test_no_memory_is_an_error_and_not_a_crash():
    for rows in (2**45, 2**55, 2**62):
        with pytest.raises(MemoryError):
            make(batch_size=rows)


def test_run_refuses_rows_out_of_range():
    plan = with_data(make())
    for bad in (-1, 5, 2**62):
        with pytest.raises(ValueError, match=r"wanted a row 0\.\.4"):
            plan.run(np.array([0, bad]), 0, np.empty(1), np.empty(1))
        with pytest.raises(ValueError, match=r"wanted a row 0\.\.4"):
            plan.gradients(np.array([0, bad]), 0)


def test_run_refuses_outputs_of_the_wrong_length():
    plan = with_data(make())
    with pytest.raises(ValueError, match="losses"):
        plan.run(np.arange(5), 0, np.empty(1), np.empty(2))
    with pytest.raises(ValueError, match="hits"):
        plan.run(np.arange(5), 0, np.empty(2), np.empty(1))
    for wrong in (1, 3):
        with pytest.raises(ValueError, match="lrs"):
            plan.run(np.arange(5), 0, np.empty(2), np.empty(2), np.ones(wrong))
    assert plan.updates == 0


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


@pytest.mark.parametrize("rows", [0, 5])
def test_gradients_refuses_an_empty_or_too_large_batch(rows):
    with pytest.raises(ValueError, match="wanted 1 to 4 rows"):
        with_data(make()).gradients(np.zeros(rows, np.int64), 0)


def test_one_row_and_a_batch_norm_are_refused():
    """A batch of one row has no variance; nothing has changed then."""
    mean, var = np.zeros(3), np.ones(3)
    norm = Operation("batch_norm", starts=(8, 11), numbers=(1e-5, 0.1), arrays=(mean, var))
    layers = [norm, AFFINE]
    params = np.arange(14.0)
    plan = with_data(make(params, np.zeros(14), layers))
    for order in (np.arange(5), np.arange(1)):
        batches = -(-len(order) // 4)
        with pytest.raises(ValueError, match=r"one row: operation 0, batch_norm"):
            plan.run(order, 0, np.empty(batches), np.empty(batches))
    with pytest.raises(ValueError, match=r"one row: operation 0, batch_norm"):
        plan.gradients(np.arange(1), 0)
    single = with_data(make(params, np.zeros(14), layers, batch_size=1))
    with pytest.raises(ValueError, match=r"one row: operation 0, batch_norm"):
        single.run(np.arange(4), 0, np.empty(4), np.empty(4))
    np.testing.assert_array_equal(params, np.arange(14.0))
    assert not mean.any()
    plan.run(np.arange(4), 0, np.empty(1), np.empty(1))
    np.testing.assert_allclose(mean, 0.1)


@pytest.mark.parametrize("bad", [-1, 2, 2**40])
def test_class_index_out_of_range_changes_no_parameter(bad):
    params = np.arange(8.0)
    plan = with_data(make(params), t=np.array([0, 1, bad, 1, 0]))
    with pytest.raises(ValueError, match="class index"):
        plan.run(np.array([2, 2, 2, 2]), 0, np.empty(1), np.empty(1))
    np.testing.assert_array_equal(params, np.arange(8.0))


def test_data_must_be_set_and_fit():
    plan = make()
    with pytest.raises(RuntimeError, match="inputs and targets"):
        plan.gradients(np.zeros(1, np.int64), 0)
    with pytest.raises(ValueError, match="x has shape"):
        plan.set_inputs(np.ones((5, 4)))
    with pytest.raises(ValueError, match="t has shape"):
        plan.set_target_rows(np.ones((5, 3)))
    with pytest.raises(ValueError, match="softmax_cross_entropy only"):
        make(loss="mean_squared_error").set_labels(np.zeros(5, np.int64))
    with pytest.raises((ValueError, TypeError)):
        plan.set_inputs(np.ones((5, 3), np.int64))


def test_targets_shorter_than_inputs_bound_the_rows():
    plan = with_data(make(), t=np.array([0, 1]))
    with pytest.raises(ValueError, match=r"wanted a row 0\.\.1"):
        plan.gradients(np.array([2]), 0)


def test_weights_bound_the_rows_and_are_summed():
    plan = with_data(make())
    plan.gradients(np.array([0, 1, 1]), 0)
    assert plan.weight_sum == 3
    plan.set_weights(np.array([0.5, 2.0, 0.25]))
    plan.gradients(np.array([0, 1, 1]), 0)
    assert plan.weight_sum == 4.5
    with pytest.raises(ValueError, match=r"order\[1\] is 3, wanted a row 0\.\.2"):
        plan.gradients(np.array([0, 3]), 0)
    with pytest.raises(ValueError, match="weights has shape"):
        plan.set_weights(np.empty(0))
    for wrong in (np.ones(5, np.float32), np.ones((5, 1)), None, np.ones(10)[::2]):
        with pytest.raises((TypeError, ValueError)):
            plan.set_weights(wrong)


def test_hits_are_sums_of_weights():
    params = np.array([1.0, 0, 0, 0, 0, 0, 0, 0.5])  # the first input decides
    x = np.array([[1.0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0], [2, 0, 0]])
    plan = with_data(make(params, batch_size=5), x, np.array([0, 0, 1, 1, 0]))
    assert plan.gradients(np.arange(5), 0)[1] == 3
    plan.set_weights(np.array([0.5, 8, 4, 0.25, 2]))
    assert plan.gradients(np.arange(5), 0)[1] == 2.75
    rows = make(params, loss="sigmoid_cross_entropy", batch_size=5)
    rows.set_inputs(x)
    rows.set_target_rows(np.array([[1.0, 1], [0, 1], [0, 1], [1, 1], [1, 0]]))
    assert rows.gradients(np.arange(5), 0)[1] == 2
    rows.set_weights(np.array([0.5, 8, 4, 0.25, 2]))
    assert rows.gradients(np.arange(5), 0)[1] == 8.5
    values = make(params, loss="poisson_loss", batch_size=5)
    values.set_inputs(x)
    values.set_target_rows(np.ones((5, 2)))
    assert values.gradients(np.arange(5), 0)[1] == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("C", [1, 2, 4, 10, 15, 16, 17, 40])
def test_the_first_of_the_highest_is_the_hit(C, dtype):
    """With weights 2^row the sum tells which rows were hits; integers have many ties."""
    B, rng = 50, np.random.default_rng(C)
    x = rng.integers(-2, 3, (B, C)).astype(dtype)
    x[7], x[23], x[44, -1] = 1, np.nan, np.nan  # where a logit is NaN, all of softmax's outputs are
    best = np.where(np.isnan(x).any(axis=1), 0, x.argmax(axis=1))
    t = np.where(rng.random(B) < 0.5, best, rng.integers(0, C, B))
    params = np.concatenate([np.eye(C, dtype=dtype).ravel(), np.zeros(C, dtype)])
    layers = [Operation("affine", n_outputs=C, starts=(0, C * C))]
    plan = make(params, np.zeros_like(params), layers, batch_size=B, n_inputs=C)
    plan.set_inputs(x)
    plan.set_labels(t)
    plan.set_weights(2.0 ** np.arange(B))
    for rows in (1, 15, 16, 17, 33, B):
        expected = (2.0 ** np.arange(rows))[best[:rows] == t[:rows]].sum()
        assert plan.gradients(np.arange(rows), 0)[1] == expected


def test_set_loss_of_another_loss():
    for name in ("huber_loss", "hinge"):
        with pytest.raises(ValueError, match=f"made for softmax_cross_entropy, not for {name}"):
            make().set_loss(name, 1.0)


@pytest.mark.parametrize(
    ("loss", "good", "bad"),
    [
        ("softmax_cross_entropy", 0.1, (-0.1, 1.0, np.nan)),
        ("huber_loss", 0.5, (0.0, -1.0, np.inf, np.nan)),
        ("quantile_loss", 0.5, (0.0, 1.0, np.nan)),
        *((name, 0.0, (0.5, np.nan)) for name in kernels.known_losses()
          if name not in ("softmax_cross_entropy", "huber_loss", "quantile_loss")),
    ],
)  # fmt: skip
def test_set_loss_refuses_a_number(loss, good, bad):
    plan = make(loss=loss)
    plan.set_loss(loss, good)
    for number in bad:
        with pytest.raises(ValueError, match=r"\d|nan|inf"):
            plan.set_loss(loss, number)


@pytest.mark.parametrize("loss", ["huber_loss", "quantile_loss"])
def test_a_loss_without_its_number_does_not_run(loss):
    plan = make(loss=loss)
    plan.set_inputs(np.ones((5, 3)))
    plan.set_target_rows(np.ones((5, 2)))
    with pytest.raises(RuntimeError, match=f"the number of {loss}"):
        plan.gradients(np.arange(2), 0)
    plan.set_loss(loss, 0.5)
    assert np.isfinite(plan.gradients(np.arange(2), 0)[0])


def test_set_rule_of_another_optimizer():
    with pytest.raises(ValueError, match="made for sgd, not for adam"):
        make().set_rule("adam", (0.1, 0.9, 0.999, 1e-8), 0)


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


@pytest.mark.parametrize("count", [0, 1, 3, 6])
def test_set_rule_wants_all_its_numbers_and_no_more(count):
    with pytest.raises(ValueError, match=f"sgd got {count} numbers, wanted lr, weight_decay"):
        make().set_rule("sgd", (0.1,) * count, 0)


def test_arrays_live_as_long_as_the_plan():
    plan = with_data(make(np.arange(8.0), np.zeros(8)))
    loss, hits = plan.gradients(np.arange(4), 0)
    plan.update()
    assert np.isfinite(loss)
    assert 0 <= hits <= 4
    assert plan.updates == 1


@pytest.mark.parametrize("weights", [None, np.array([0.5, 0, 2, 1, 0.25])])
def test_shares_of_a_batch_add_up(weights):
    """Rows 0 and 1, none, and rows 2 and 3 of a batch: with their places, and divided by it all."""
    layers = [dropout(0.4, 77), AFFINE]
    x, order = np.random.default_rng(3).standard_normal((5, 3)), np.array([4, 2, 0, 3])
    whole, part = np.zeros(8), np.zeros(8)
    plans = [with_data(make(grads=grads, layers=layers), x) for grads in (whole, part)]
    total = 4.0
    for plan in plans:
        plan.set_regularization(0.5, 0.01)
        if weights is not None:
            plan.set_weights(weights)
            total = weights[order].sum()
    loss, hits = plans[0].gradients(order, 5)
    told, summed = [], np.zeros(8)
    for rows, place in ((order[:2], 0), (order[:0], 2), (order[2:], 2)):
        told.append(plans[1].gradients(rows, 5, place, total))
        summed += part
    assert told[1] == (0, 0)
    part[:] = summed
    penalty = plans[1].regularize(total)
    assert sum(share for share, _ in told) + penalty == pytest.approx(loss, rel=1e-15)
    assert sum(found for _, found in told) == hits
    np.testing.assert_allclose(part, whole, rtol=1e-14)
    assert np.linalg.norm(whole) == pytest.approx(0.01)
    for plan in plans:
        plan.update()
    assert plans[1].updates == 1


def test_gradients_refuses_a_total():
    plan = with_data(make())
    for total in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"^total is"):
            plan.gradients(np.arange(2), 0, 0, total)
    with pytest.raises(ValueError, match="wanted 0 to 4 rows"):
        plan.gradients(np.zeros(5, np.int64), 0, 0, 5.0)


def test_eager_may_be_switched():
    plan = with_data(make())
    plan.eager(True)
    losses = [plan.gradients(np.arange(4), 0)[0]]
    plan.eager(False)
    losses.append(plan.gradients(np.arange(4), 0)[0])
    assert losses[0] == losses[1]
