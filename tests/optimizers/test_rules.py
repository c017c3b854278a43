"""Update rules: against the reference, by hand, and against NumPy programs."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import affinet as an
from affinet import reference
from affinet.parameters import Parameters
from array_forms import COMPUTED_IN, FORMS, WRITEABLE_FORMS, draw, in_form
from optimizer_rows import OPTIMIZERS, every_optimizer
from tolerance import assert_close

STEPS = 20
repeatable = settings(deadline=None, derandomize=True, max_examples=60)


def reference_steps(optimizer, W, gradients):
    """W after an update by each of the gradients, by the reference."""
    o, states = optimizer, [np.zeros_like(W), np.zeros_like(W)]
    for step, dW in enumerate(gradients, 1):
        match o:
            case an.SGD():
                W = reference.sgd_update(dW, o.lr, o.weight_decay, W)
            case an.Nesterov():
                states[0], W = reference.nesterov_update(dW, o.lr, o.momentum, states[0], W)
            case an.RMSprop():
                states[0], W = reference.rmsprop_update(dW, o.lr, o.decay, o.eps, states[0], W)
            case an.AdamW():
                *states, W = reference.adamw_update(
                    dW, o.lr, o.beta1, o.beta2, o.eps, o.weight_decay, step, *states, W
                )
            case an.Momentum():
                states[0], W = reference.momentum_update(dW, o.lr, o.momentum, states[0], W)
            case an.AdaGrad():
                states[0], W = reference.adagrad_update(dW, o.lr, 1e-7, states[0], W)
            case an.Adam():
                *states, W = reference.adam_update(
                    dW, o.lr, o.beta1, o.beta2, o.eps, step, *states, W
                )
    return W


def gradients(shape, n=STEPS, dtype="float64", seed=7):
    return [draw(dtype, shape, seed + i) for i in range(n)]


def check_steps(W, before, optimizer, dWs):
    """W, which went through updates by dWs, against the reference in float64."""
    before64 = np.array(before, np.float64, order="C")
    computed = np.result_type(np.float32, W.dtype)
    # Gradients reach the rule in the dtype that it computes in.
    expected = reference_steps(optimizer, before64, [d.astype(computed).astype("f8") for d in dWs])
    scale = abs(before64) + 4 * optimizer.lr * sum(abs(np.asarray(d, np.float64)) + 1 for d in dWs)
    kept_in = W.dtype.newbyteorder("=")
    assert_close(W.astype(kept_in), expected, reduction=8 * len(dWs), scale=scale, name="W")


def test_the_table_holds_every_public_optimizer():
    public = {name for name in an.__all__ if isinstance(getattr(an, name), type)}
    optimizers = {n for n in public if issubclass(getattr(an, n), an.Optimizer)} - {"Optimizer"}
    assert optimizers == {type(make()).__name__ for make in OPTIMIZERS.values()}


@repeatable
@given(
    kind=st.sampled_from(sorted(OPTIMIZERS)),
    shape=st.lists(st.integers(0, 5), max_size=3).map(tuple),
    form=st.sampled_from(WRITEABLE_FORMS),
    dtype=st.sampled_from(["float16", "float32", "float64"]),
    dW_form=st.sampled_from(sorted(FORMS)),
    dW_dtype=st.sampled_from(sorted(COMPUTED_IN)),
    seed=st.integers(0, 2**31),
)
def test_twenty_steps_equal_the_reference(kind, shape, form, dtype, dW_form, dW_dtype, seed):
    shape = shape or (1,)
    before = draw(dtype, shape, seed)
    W, optimizer = in_form(form, before), OPTIMIZERS[kind]()
    dWs = gradients(shape, 1 if dtype == "float16" else STEPS, dW_dtype, seed)
    for dW in dWs:
        given_dW = in_form(dW_form, dW)
        optimizer.update({"W": W}, {"W": given_dW})
        np.testing.assert_array_equal(given_dW, dW)
    assert W.dtype == in_form(form, before).dtype
    check_steps(W, before, optimizer, dWs)


@every_optimizer
def test_arrays_dicts_floats_and_flat_parameters_take_the_same_path(make):
    shapes = {"a": (3, 4), "b": (5,)}
    dWs = [
        dict(zip(shapes, pair, strict=True))
        for pair in zip(gradients((3, 4)), gradients((5,), seed=50), strict=True)
    ]
    flat, flat_grads = Parameters(shapes, np.float64), Parameters(shapes, np.float64)
    flat.flat[:] = draw("float64", 17)
    plain = {name: array.copy() for name, array in flat.items()}
    single = plain["a"].copy()
    scalars = {i: float(value) for i, value in enumerate(flat.flat)}
    optimizers = [make() for _ in range(5)]
    mixed = copy.deepcopy(flat)
    for dW in dWs:
        flat_grads.update(dW)
        optimizers[0].update(flat, flat_grads)
        optimizers[1].update(plain, dW)
        optimizers[2].update(single, dW["a"])
        optimizers[3].update(scalars, dict(enumerate(flat_grads.flat)))
        optimizers[4].update(mixed, dW)  # Parameters with a plain dict of gradients
    for name in shapes:
        np.testing.assert_array_equal(plain[name], flat[name])
    np.testing.assert_array_equal(single, flat["a"])
    np.testing.assert_array_equal(list(scalars.values()), flat.flat)
    np.testing.assert_array_equal(mixed.flat, flat.flat)


def test_sgd_by_hand():
    W = np.array([1.0, 2.0])
    an.SGD(0.5).update(W, np.array([2.0, -4.0]))
    assert W.tolist() == [0, 4]


def test_momentum_by_hand():
    """v: -1, -1.5 (half of -1, less 1); W: 3, 1.5."""
    W, optimizer = np.array([4.0]), an.Momentum(lr=0.5, momentum=0.5)
    for wanted in (3.0, 1.5):
        optimizer.update(W, np.array([2.0]))
        assert W.item() == wanted


def test_adagrad_by_hand():
    """h: 9, 25; steps 0.5 * 3 / 3 and 0.5 * 4 / 5."""
    W, optimizer = np.array([1.0]), an.AdaGrad(lr=0.5)
    for dW, wanted in ((3.0, 0.5), (4.0, 0.1)):
        optimizer.update(W, np.array([dW]))
        assert W.item() == pytest.approx(wanted, rel=1e-6)


def test_adam_starts_with_steps_of_the_learning_rate():
    """m^ / sqrt(v^) is the gradient's sign as long as the gradient stays the same."""
    W, optimizer = np.array([1.0, 1.0]), an.Adam(lr=0.125)
    for wanted in (0.875, 0.75, 0.625):
        optimizer.update(W, np.array([1e-3, -5.0]))
        np.testing.assert_allclose(W, [wanted, 2 - wanted], rtol=1e-4)


def test_adam_epsilon_stands_outside_the_root():
    W = np.zeros(1)
    an.Adam(lr=1.0, eps=1.0).update(W, np.array([1.0]))
    assert W.item() == pytest.approx(-1 / (1 + 1))
    W = np.zeros(1)
    an.Adam(lr=1.0, eps=3.0).update(W, np.array([4.0]))
    assert W.item() == pytest.approx(-4 / (4 + 3))


def test_sgd_with_weight_decay_by_hand():
    """4 - 0.5 (2 + 0.25 4) and -8 - 0.5 (2 - 0.25 8)."""
    W = np.array([4.0, -8.0])
    an.SGD(0.5, weight_decay=0.25).update(W, np.array([2.0, 2.0]))
    assert W.tolist() == [2.5, -8]


def test_nesterov_by_hand():
    """v: -1, -1.5; W: 4 - 0.5 - 1, then 2.5 - 0.75 - 1."""
    W, optimizer = np.array([4.0]), an.Nesterov(lr=0.5, momentum=0.5)
    for wanted in (2.5, 0.75):
        optimizer.update(W, np.array([2.0]))
        assert W.item() == wanted


def test_rmsprop_by_hand():
    """h: 4.5, 10.25; eps stands outside the root."""
    W, optimizer = np.array([1.0]), an.RMSprop(lr=0.5, decay=0.5, eps=2.0)
    for dW, wanted in ((3.0, 1 - 1.5 / (4.5**0.5 + 2)), (4.0, None)):
        before = W.item()
        optimizer.update(W, np.array([dW]))
        assert W.item() == pytest.approx(wanted or before - 2 / (10.25**0.5 + 2), rel=1e-15)


def test_adamw_by_hand():
    """The decay takes 0.5 0.25 of W, whatever the gradient; Adam's first step is lr."""
    W = np.array([8.0, 8.0])
    an.AdamW(lr=0.5, weight_decay=0.25).update(W, np.array([1e-3, -50.0]))
    np.testing.assert_allclose(W, [7 - 0.5, 7 + 0.5], rtol=1e-5)


def by_numpy(optimizer, W, gradients):
    """The rules once more, written for the test alone from their papers."""
    first, second = np.zeros_like(W), np.zeros_like(W)
    o = optimizer
    for step, g in enumerate(gradients, 1):
        if type(o) is an.SGD:
            W = W - o.lr * (g + o.weight_decay * W)
        elif type(o) is an.Nesterov:
            first = o.momentum * first - o.lr * g
            W = W + o.momentum * first - o.lr * g
        elif type(o) is an.RMSprop:
            first = o.decay * first + (1 - o.decay) * g**2
            W = W - o.lr * g / (np.sqrt(first) + o.eps)
        elif type(o) is an.AdamW:
            W = W * (1 - o.lr * o.weight_decay)
            first = o.beta1 * first + (1 - o.beta1) * g
            second = o.beta2 * second + (1 - o.beta2) * g**2
            first_, second_ = first / (1 - o.beta1**step), second / (1 - o.beta2**step)
            W = W - o.lr * first_ / (np.sqrt(second_) + o.eps)
    return W


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["SGD with weight decay", "Nesterov", "RMSprop", "AdamW"])
def test_thirty_steps_against_hand_written_numpy(name, dtype):
    before, dWs = draw(dtype, (5, 7)), gradients((5, 7), 30, dtype)
    W, optimizer = before.copy(), OPTIMIZERS[name]()
    for dW in dWs:
        optimizer.update(W, dW)
    expected = by_numpy(optimizer, before.astype("f8"), [dW.astype("f8") for dW in dWs])
    # Each step adds a dozen roundings to numbers of the size of W and of the steps so far.
    size = abs(before) + optimizer.lr * sum(abs(dW) + 1 for dW in dWs)
    assert_close(W, expected, reduction=12 * len(dWs), scale=size, name="W")


@pytest.mark.parametrize(
    ("with_decay", "without"),
    [(an.SGD(0.1, 0.0), an.SGD(0.1)), (an.AdamW(0.1, weight_decay=0), an.Adam(0.1))],
)
def test_no_weight_decay_is_the_plain_rule_to_the_bit(with_decay, without):
    W, twin = draw("float32", 40), draw("float32", 40)
    for dW in gradients(40, 5, "float32"):
        with_decay.update(W, dW)
        without.update(twin, dW)
    np.testing.assert_array_equal(W, twin)


def test_weight_decay_may_change_between_updates():
    for optimizer in (an.SGD(0.5, 0.0), an.AdamW(0.5, weight_decay=0.0)):
        W = np.array([4.0])
        optimizer.update(W, np.zeros(1))
        assert W == 4
        optimizer.weight_decay = 0.5
        optimizer.update(W, np.zeros(1))
        assert W == 3


def test_the_defaults_are_those_of_the_papers():
    assert an.SGD().config() == {"lr": 0.01, "weight_decay": 0.0}
    assert an.Nesterov().config() == {"lr": 0.01, "momentum": 0.9}
    assert an.RMSprop().config() == {"lr": 0.01, "decay": 0.99, "eps": 1e-8}
    assert an.AdamW().config() == an.Adam().config() | {"weight_decay": 0.01}
    assert repr(an.SGD(0.5, 0.1)) == "SGD(lr=0.5, weight_decay=0.1)"
    assert an.Momentum().config() == {"lr": 0.01, "momentum": 0.9}
    assert an.AdaGrad().config() == {"lr": 0.01}
    assert an.Adam().config() == {"lr": 0.001, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    assert repr(an.Momentum(0.5)) == "Momentum(lr=0.5, momentum=0.9)"


@every_optimizer
def test_a_gradient_of_zero_moves_nothing_at_the_start(make):
    W, optimizer = draw("float64", 5), make()
    before = W.copy()
    if hasattr(optimizer, "weight_decay"):
        optimizer.weight_decay = 0.0
    optimizer.update(W, np.zeros(5))
    np.testing.assert_array_equal(W, before)


@every_optimizer
def test_the_learning_rate_may_change_between_updates(make):
    W, optimizer = draw("float64", 5), make()
    optimizer.update(W, np.ones(5))
    optimizer.lr = 0.0
    if isinstance(optimizer, an.Momentum):
        optimizer.momentum = 0.0
    before = W.copy()
    optimizer.update(W, np.ones(5))
    np.testing.assert_array_equal(W, before)


def test_step_sizes_of_one_adam_do_not_depend_on_other_arrays():
    """The correction by 1 - beta^step counts the array's own steps."""
    shared, alone, optimizer = np.ones(1), np.ones(1), an.Adam(0.1)
    for _ in range(5):
        optimizer.update(shared, np.ones(1))
    optimizer.update(alone, np.ones(1))
    fresh = np.ones(1)
    an.Adam(0.1).update(fresh, np.ones(1))
    assert alone == fresh
