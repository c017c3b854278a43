"""Every name that the compiled step knows does what the kernel of that name does."""

import numpy as np
import pytest

import affinet as an
from affinet.layers.operation import Operation
from kernel_calls import kernel_arguments
from kernel_graphs import elementwise
from kernel_table import KERNELS

NUMBERS = {
    "lr": 0.1,
    "momentum": 0.9,
    "weight_decay": 0.01,
    "decay": 0.8,
    "eps": 1e-6,
    "beta1": 0.85,
    "beta2": 0.95,
    "delta": 0.5,
    "q": 0.3,
    "label_smoothing": 0.1,
}
SOFTMAX = "softmax_cross_entropy"
ROWS, WIDTH = 19, 4


def identity_plan(kernels, dtype, loss="mean_squared_error", rule="sgd", averages=()):
    """A plan whose network is the identity, its parameters and their gradients."""
    params = np.concatenate([np.eye(WIDTH).ravel(), np.zeros(WIDTH)]).astype(dtype)
    grads = np.zeros_like(params)
    records = [Operation("affine", n_outputs=WIDTH, starts=(0, WIDTH * WIDTH))]
    network = kernels.make_operations(params, records, WIDTH)
    plan = kernels.make_plan(network, grads, loss, rule, list(averages), ROWS, None)
    return plan, params, grads


def data(dtype):
    rng = np.random.default_rng(0)
    y = rng.standard_normal((ROWS, WIDTH)).astype(dtype)
    t = rng.integers(0, 2, (ROWS, WIDTH)).astype(dtype)
    t[3] = y[3]  # kinks
    return y, t, rng.random(ROWS)


def loss_names():
    """The elementwise losses among the kernels, and softmax's."""
    taken = {k.name for k in KERNELS.values() if k.loss and any(a.name == "t" for a in k.inputs)}
    return {SOFTMAX if name.startswith(SOFTMAX) else name for name in taken}


def test_every_kernel_of_a_part_is_known_to_the_step(kernels):
    assert set(kernels.known_losses()) == loss_names()
    rules = {name[: -len("_update")] for name in KERNELS if name.endswith("_update")}
    assert set(kernels.known_optimizers()) == rules - {"batch_norm"}  # no rule
    flat = {
        name[: -len("_forward")]
        for name, kernel in KERNELS.items()
        if name.endswith("_forward") and kernel.dimensions == ("n",)
    }
    assert set(elementwise(kernels)) == flat


def kernels_of(kind):
    """The kernels that public classes of a kind name."""
    found = [getattr(an, name) for name in an.__all__]
    classes = [cls for cls in found if isinstance(cls, type) and issubclass(cls, kind)]
    return {kernel for cls in classes if (kernel := vars(cls).get("kernel")) is not None}


def test_every_known_name_has_a_class(kernels):
    """add and identity join branches, multiply and member_scale_shift are parts of a layer.

    "parametric" stands before the name of another kernel.
    """
    layers, joins = kernels_of(an.Layer), {"add", "identity", "multiply"}
    joins |= {"member_scale_shift"}
    assert layers - {"add", "parametric"} == set(kernels.known_operations()) - joins
    assert kernels_of(an.Loss) == set(kernels.known_losses())
    # The estimators' own rule is not a public name.
    assert kernels_of(an.Optimizer) | {"scikit_learn_adam"} == set(kernels.known_optimizers())


def losses(kernels):
    return [(name, weighted) for name in kernels.known_losses() for weighted in (False, True)]


def test_every_loss_is_that_of_its_kernel(kernels, dtype):
    y, t, weights = data(dtype)
    for name, weighted in losses(kernels):
        plan, _, grads = identity_plan(kernels, dtype, name)
        kernel = getattr(kernels, f"{name}_rows" if name == SOFTMAX else name)
        extra = [p for p in kernel_arguments(kernel.__name__) if p in NUMBERS]
        numbers = [NUMBERS[p] for p in extra]
        plan.set_loss(name, *numbers or [0.0])
        plan.set_inputs(y)
        plan.set_target_rows(t)
        if weighted:
            plan.set_weights(weights)
        loss, _ = plan.gradients(np.arange(ROWS), 0)
        dx, rest = np.full_like(y, np.nan), [np.empty_like(y)] * (name == SOFTMAX)
        wanted = kernel(y, t, weights if weighted else None, *numbers, *rest, dx)
        assert loss == wanted, (name, weighted)
        db = np.empty(WIDTH, dtype)
        kernels.affine_backward_db(dx, db)
        np.testing.assert_array_equal(grads[-WIDTH:], db, name)
        assert np.isfinite(dx).all(), name
        assert dx.any(), name


def flat_rules(kernels):
    """All rules but Muon's, which takes the shapes of matrices."""
    return [name for name in kernels.known_optimizers() if name != "muon"]


def test_every_update_is_that_of_its_kernel(kernels, dtype):
    rng = np.random.default_rng(1)
    for name in flat_rules(kernels):
        kernel = getattr(kernels, f"{name}_update")
        arguments = kernel_arguments(kernel.__name__)
        numbers = [NUMBERS[p] for p in arguments if p in NUMBERS]
        kept = [p for p in arguments if p not in (*NUMBERS, "dW", "W", "step")]
        own = [np.zeros(WIDTH * (WIDTH + 1), dtype) for _ in kept]
        plan, params, grads = identity_plan(kernels, dtype, rule=name, averages=own)
        W, averages = params.copy(), [average.copy() for average in own]
        plan.set_rule(name, tuple(numbers), 0)
        for step in (1, 2, 3):
            grads[:] = rng.standard_normal(len(grads))
            before = W.copy()
            plan.update()
            kernel(grads, *numbers, *([step] * ("step" in arguments)), *averages, W)
            np.testing.assert_array_equal(params, W, name)
            assert np.isfinite(W).all(), name
            assert (before != W).all(), name
            for one, two in zip(own, averages, strict=True):
                np.testing.assert_array_equal(one, two, name)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_averages_are_counted(kernels, dtype, count):
    averages = [np.zeros(WIDTH * (WIDTH + 1), dtype) for _ in range(count)]
    for name in flat_rules(kernels):
        arguments = kernel_arguments(f"{name}_update")
        wanted = len([p for p in arguments if p not in (*NUMBERS, "dW", "W", "step")])
        if count == wanted:
            identity_plan(kernels, dtype, rule=name, averages=averages)
        else:
            with pytest.raises(ValueError, match=f"{name} got {count} averages, wanted {wanted}"):
                identity_plan(kernels, dtype, rule=name, averages=averages)


def test_muons_updates_are_those_of_two_kernels(kernels, dtype):
    """A matrix goes to muon's, the rest to adamw's, each with its group's factors."""
    n, size = WIDTH * WIDTH, WIDTH * (WIDTH + 1)
    own = [np.zeros(size, dtype) for _ in range(2)]
    plan, params, grads = identity_plan(kernels, dtype, rule="muon", averages=own)
    plan.set_rule("muon", (0.1, 0.9, 0.01, 0.02, 0.8, 0.95, 1e-8, 0.05), 0)
    for wrong in (WIDTH + 1, -1):
        with pytest.raises(ValueError, match="wanted 0 columns, or whole rows"):
            plan.set_groups([(0, n, 1.0, 1.0, wrong), (n, size, 1.0, 1.0, 0)])
    plan.set_groups([(0, n, 0.5, 2.0, WIDTH), (n, size, 3.0, 0.5, 0)])
    rng, W, averages = np.random.default_rng(1), params.copy(), [a.copy() for a in own]
    for step in (1, 2, 3):
        grads[:] = rng.standard_normal(size)
        plan.update()
        matrix = [a[:n].reshape(WIDTH, WIDTH) for a in (grads, averages[0], W)]
        kernels.muon_update(matrix[0], 0.1 * 0.5, 0.9, 0.01 * 2.0, *matrix[1:])
        rest = [a[n:] for a in (*averages, W)]
        rate = 0.02 * (0.1 * 3.0 / 0.05)
        kernels.adamw_update(grads[n:], rate, 0.8, 0.95, 1e-8, 0.01 * 0.5, step, *rest)
        np.testing.assert_array_equal(params, W)
        for one, two in zip(own, averages, strict=True):
            np.testing.assert_array_equal(one, two)
    assert np.isfinite(W).all()
