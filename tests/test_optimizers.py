"""Optimizers: the rules, what they change in place, and what they remember of which array."""

import copy
import gc
import pickle
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import affinet as an
from affinet import reference
from affinet.parameters import Parameters
from array_forms import COMPUTED_IN, FORMS, REFUSED, WRITEABLE_FORMS, draw, in_form
from tolerance import assert_close

STEPS = 20
repeatable = settings(deadline=None, derandomize=True, max_examples=60)
OPTIMIZERS = {
    "SGD": lambda: an.SGD(0.1),
    "Momentum": lambda: an.Momentum(0.1, 0.8),
    "AdaGrad": lambda: an.AdaGrad(0.1),
    "Adam": lambda: an.Adam(0.1, 0.8, 0.95, 1e-6),
    "SGD with weight decay": lambda: an.SGD(0.1, 0.3),
    "Nesterov": lambda: an.Nesterov(0.1, 0.8),
    "RMSprop": lambda: an.RMSprop(0.1, 0.8, 1e-6),
    "AdamW": lambda: an.AdamW(0.1, 0.8, 0.95, 1e-6, 0.2),
}
every_optimizer = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
with_memory = pytest.mark.parametrize(
    "make", [make for make in OPTIMIZERS.values() if make().n_averages > 0]
)


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


# The rules ---------------------------------------------------------------------------------------


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


# What is changed, and how ------------------------------------------------------------------------


@every_optimizer
@pytest.mark.parametrize("form", WRITEABLE_FORMS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_parameters_change_in_place_in_every_form(make, form, dtype):
    values = draw(dtype, (4, 3))
    W = in_form(form, values)
    params, grads = {"W": W}, {"W": draw("float64", (4, 3), 1)}
    make().update(params, grads)
    assert params["W"] is W
    assert (values != W).all()
    assert W.dtype == in_form(form, values).dtype
    twin = values.copy()
    make().update(twin, grads["W"])
    np.testing.assert_array_equal(W, twin)


@every_optimizer
def test_numbers_around_a_view_stay(make):
    buffer = np.ones((6, 8))
    make().update(buffer[1:5:2, ::3], np.ones((2, 3)))
    changed = buffer != 1
    assert changed[1:5:2, ::3].all()
    assert changed.sum() == 6


@every_optimizer
@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (1, 1, 1)])
def test_small_and_empty_arrays(make, shape):
    W = np.ones(shape)
    make().update({"W": W}, {"W": np.ones(shape)})
    assert (W < 1).all()


@every_optimizer
@pytest.mark.parametrize("kind", [float, np.float64, np.float32, np.float16])
def test_floats_in_a_dict_are_replaced(make, kind):
    params, array, optimizer, twin = {"w": kind(1.5)}, np.array([1.5]), make(), make()
    for _ in range(5):
        optimizer.update(params, {"w": 0.25})
        twin.update(array, np.array([0.25]))
    assert type(params["w"]) is float
    assert params["w"] == array[0]


@every_optimizer
def test_floats_and_arrays_side_by_side(make):
    params = {"w": 1.0, "W": np.ones(3)}
    make().update(params, {"w": np.float32(1), "W": [1, 1, 1]})
    assert (params["W"] == params["w"]).all()
    assert params["w"] < 1


@every_optimizer
@pytest.mark.parametrize("gradient", [1, 1.0, np.float16(1), np.array(1, np.int8), True])
def test_gradients_of_floats(make, gradient):
    params = {"w": 1.0}
    make().update(params, {"w": gradient})
    assert params["w"] < 1


@every_optimizer
def test_any_mapping_will_do(make):
    W = np.ones(2)
    make().update(types.MappingProxyType({"W": W}), types.MappingProxyType({"W": np.ones(2)}))
    assert (W < 1).all()


@every_optimizer
def test_gradients_for_more_than_the_parameters_are_ignored(make):
    params = {"W": np.ones(2)}
    make().update(params, {"W": np.ones(2), "other": np.ones(5)})
    assert list(params) == ["W"]


@every_optimizer
def test_an_empty_dict_is_no_error(make):
    make().update({}, {})


@every_optimizer
def test_a_gradient_may_be_the_parameter_itself(make):
    """The gradient of W^2 / 2 is W."""
    W, twin = draw("float64", 9), draw("float64", 9)
    make().update(W, W)
    make().update(twin, twin.copy())
    np.testing.assert_array_equal(W, twin)


@every_optimizer
def test_nan_is_not_hidden(make):
    W = np.ones(3)
    make().update(W, np.array([1.0, np.nan, 1.0]))
    assert np.isnan(W).tolist() == [False, True, False]


# What is refused, and then nothing has changed ---------------------------------------------------

BAD_PARAMETERS = {
    "int": (1, TypeError),
    "list": ([1.0, 1.0], TypeError),
    "None": (None, TypeError),
    "integers": (np.ones(2, int), TypeError),
    "bool": (np.ones(2, bool), TypeError),
    "complex": (np.ones(2, complex), TypeError),
    "object": (np.ones(2, object), TypeError),
    "read-only": (in_form("read_only", np.ones(2)), ValueError),
    "broadcast": (np.broadcast_to(1.0, 2), ValueError),
}


@every_optimizer
@pytest.mark.parametrize("kind", BAD_PARAMETERS)
def test_parameters_that_are_refused(make, kind):
    bad, error = BAD_PARAMETERS[kind]
    optimizer, first = make(), np.ones(2)
    with pytest.raises(error, match=r"params\['bad'\]"):
        optimizer.update({"a": first, "bad": bad}, {"a": np.ones(2), "bad": np.ones(2)})
    with pytest.raises(error, match="params"):
        optimizer.update(bad, np.ones(2))
    assert (first == 1).all()
    check_untouched(optimizer, make)


def check_untouched(optimizer, make):
    """The optimizer behaves as a new one does."""
    W, twin = np.ones(2), np.ones(2)
    optimizer.update(W, np.ones(2))
    make().update(twin, np.ones(2))
    np.testing.assert_array_equal(W, twin)


@every_optimizer
@pytest.mark.parametrize("shape", [(3,), (2, 1), (1, 2), (), (1,), (0,)])
def test_gradients_of_a_wrong_shape(make, shape):
    optimizer, params = make(), {"a": np.ones(2), "f": 1.0, "bad": np.ones(2)}
    grads = {"a": np.ones(2), "f": 1.0, "bad": np.ones(shape)}
    with pytest.raises(ValueError, match=r"grads\['bad'\] has shape .*wanted \(2,\)"):
        optimizer.update(params, grads)
    assert (params["a"] == 1).all()
    assert params["f"] == 1.0
    optimizer.update(params, grads | {"bad": np.ones(2)})
    first = {"a": np.ones(2), "f": 1.0, "bad": np.ones(2)}
    make().update(first, grads | {"bad": np.ones(2)})
    np.testing.assert_array_equal(params["a"], first["a"])
    assert params["f"] == first["f"]


@every_optimizer
@pytest.mark.parametrize("kind", REFUSED)
def test_gradients_that_are_not_of_real_numbers(make, kind):
    params = {"a": np.ones(2), "bad": np.ones((2, 3))}
    with pytest.raises(TypeError, match=r"grads\['bad'\] has dtype"):
        make().update(params, {"a": np.ones(2), "bad": REFUSED[kind]})
    assert (params["a"] == 1).all()
    flat = Parameters({"a": (2,), "bad": (2, 3)}, np.float64)
    with pytest.raises(TypeError, match=r"bad.* has dtype"):
        make().update(flat, {"a": np.ones(2), "bad": REFUSED[kind]})
    assert not flat.flat.any()


@every_optimizer
def test_a_float_with_an_array_for_its_gradient(make):
    params = {"a": np.ones(2), "w": 1.0}
    with pytest.raises(ValueError, match=r"grads\['w'\] has shape \(2,\), wanted \(\)"):
        make().update(params, {"a": np.ones(2), "w": np.ones(2)})
    assert (params["a"] == 1).all()


@every_optimizer
def test_missing_gradients(make):
    params = {"a": np.ones(2), "b": np.ones(2)}
    with pytest.raises(KeyError, match="b"):
        make().update(params, {"a": np.ones(2)})
    assert (params["a"] == 1).all()
    flat = Parameters({"a": (2,), "b": (2,)}, np.float32)
    with pytest.raises(KeyError, match="b"):
        make().update(flat, {"a": np.ones(2)})
    assert not flat.flat.any()


@every_optimizer
@pytest.mark.parametrize("grads", [None, 1.0, np.ones(2), [np.ones(2)]])
def test_gradients_that_are_no_mapping(make, grads):
    with pytest.raises(TypeError, match="grads"):
        make().update({"W": np.ones(2)}, grads)
    with pytest.raises(TypeError, match="grads"):
        make().update(Parameters({"W": (2,)}, np.float32), grads)


@every_optimizer
def test_floats_in_a_mapping_that_cannot_change(make):
    with pytest.raises(TypeError, match="params"):
        make().update(types.MappingProxyType({"w": 1.0}), {"w": 1.0})


@every_optimizer
def test_a_locked_flat_buffer(make):
    params, optimizer = Parameters({"W": (2,)}, np.float64), make()
    params.flat.flags.writeable = False
    with pytest.raises(ValueError, match=r"params.* read-only"):
        optimizer.update(params, {"W": np.ones(2)})
    params.flat.flags.writeable = True
    twin = np.zeros(2)
    optimizer.update(params, {"W": np.ones(2)})
    make().update(twin, np.ones(2))
    np.testing.assert_array_equal(params.flat, twin)


@pytest.mark.parametrize(
    ("make", "name", "error"),
    [
        *((lambda v=v: an.SGD(v), "lr", ValueError) for v in (-0.1, np.nan, np.inf)),
        *((lambda v=v: an.SGD(v), "lr", TypeError) for v in ("0.1", None, 1j, [0.1])),
        *((lambda v=v: an.Momentum(0.1, v), "momentum", ValueError) for v in (-0.1, 1.0)),
        (lambda: an.AdaGrad(-1), "lr", ValueError),
        *((lambda v=v: an.Adam(beta1=v), "beta1", ValueError) for v in (-0.1, 1.0)),
        *((lambda v=v: an.Adam(beta2=v), "beta2", ValueError) for v in (-0.1, 1.0, np.nan)),
        *((lambda v=v: an.Adam(eps=v), "eps", ValueError) for v in (0, -1e-8)),
        *((lambda v=v: an.SGD(0.1, v), "weight_decay", ValueError) for v in (-0.1, np.nan)),
        (lambda: an.SGD(0.1, "0.1"), "weight_decay", TypeError),
        *((lambda v=v: an.Nesterov(0.1, v), "momentum", ValueError) for v in (-0.1, 1.0)),
        *((lambda v=v: an.RMSprop(decay=v), "decay", ValueError) for v in (-0.1, 1.0, np.nan)),
        *((lambda v=v: an.RMSprop(eps=v), "eps", ValueError) for v in (0, -1e-8)),
        *(
            (lambda v=v: an.AdamW(weight_decay=v), "weight_decay", ValueError)
            for v in (-0.1, np.inf)
        ),
        (lambda: an.AdamW(beta1=1.0), "beta1", ValueError),
    ],
)
def test_constructors_refuse_by_name(make, name, error):
    with pytest.raises(error, match=name):
        make()


def test_zero_is_a_learning_rate():
    W = np.ones(2)
    an.SGD(0).update(W, np.ones(2))
    assert (W == 1).all()


# State belongs to arrays -------------------------------------------------------------------------


def updated(make, n, W=None, dW=1.0):
    """An optimizer, and an array after n updates by it."""
    W, optimizer = np.ones(2) if W is None else W, make()
    for _ in range(n):
        optimizer.update(W, np.full(W.shape, dW))
    return optimizer, W


@every_optimizer
def test_one_optimizer_for_several_networks(make):
    shared, params = make(), [{"W": draw("float64", 3, seed)} for seed in (1, 2)]
    alone = [{"W": p["W"].copy()} for p in params]
    for step in range(6):
        for place in (0, 1, 0)[: 2 + step % 2]:  # one of them more often
            shared.update(params[place], {"W": np.full(3, step - place)})
    for place, own in enumerate([make(), make()]):
        for step in range(6):
            for other in (0, 1, 0)[: 2 + step % 2]:
                if other == place:
                    own.update(alone[place], {"W": np.full(3, step - place)})
        np.testing.assert_array_equal(params[place]["W"], alone[place]["W"])


@with_memory
def test_state_follows_the_array_not_the_name_or_the_dict(make):
    optimizer, W = updated(make, 3)
    twin = W.copy()
    optimizer.update({"new name": W}, {"new name": np.full(2, 3.0)})
    expected, same = updated(make, 3)
    expected.update(same, np.full(2, 3.0))
    np.testing.assert_array_equal(W, same)
    make().update(twin, np.full(2, 3.0))
    assert (twin != W).all()  # the memory made a difference


@with_memory
def test_an_array_put_in_place_of_another_starts_anew(make):
    optimizer, W = updated(make, 3)
    params = {"W": W}
    params["W"] = W.copy()
    expected = W.copy()
    optimizer.update(params, {"W": np.ones(2)})
    make().update(expected, np.ones(2))
    np.testing.assert_array_equal(params["W"], expected)


def test_state_is_forgotten_when_its_array_dies():
    optimizer = an.Adam()
    kept = np.ones(3)
    optimizer.update(kept, kept)
    for _ in range(20):
        optimizer.update(np.ones(1000), np.ones(1000))
    gc.collect()
    assert len(optimizer._states) == 1


def test_state_keeps_no_array_alive():
    import weakref

    optimizer, W = updated(OPTIMIZERS["Adam"], 2)
    reference_to_W = weakref.ref(W)
    del W
    gc.collect()
    assert reference_to_W() is None
    assert not optimizer._states


@with_memory
def test_a_new_array_at_an_old_address_gets_no_old_state(make):
    optimizer = make()
    expected = updated(make, 1)[1]
    places = set()
    for _ in range(50):  # the allocator hands the same place out again and again
        W = np.ones(2)
        places.add(id(W))
        optimizer.update(W, np.ones(2))
        np.testing.assert_array_equal(W, expected)
        del W
    assert len(places) < 50


@with_memory
def test_state_of_a_float_belongs_to_its_key(make):
    optimizer, params, twin = make(), {"w": 1.0}, np.ones(1)
    same = make()
    for _ in range(4):
        optimizer.update(params, {"w": 0.5})
        same.update(twin, np.full(1, 0.5))
        params = dict(params)  # the dict may change, the key stays
    assert params["w"] == twin[0]


@with_memory
def test_views_of_one_buffer_have_states_of_their_own(make):
    buffer = np.ones(4)
    halves, optimizer = [buffer[:2], buffer[2:]], make()
    for _ in range(3):
        for half in halves:
            optimizer.update(half, np.ones(2))
    np.testing.assert_array_equal(buffer, np.tile(updated(make, 3)[1], 2))


# Copies ------------------------------------------------------------------------------------------

TOGETHER = {"pickle": lambda a: pickle.loads(pickle.dumps(a)), "deepcopy": copy.deepcopy}


@every_optimizer
@pytest.mark.parametrize("how", TOGETHER)
def test_a_copy_together_with_the_parameters_goes_on(make, how):
    params = {"W": np.ones(2), "w": 1.0}
    grads, optimizer = {"W": np.array([0.5, -2]), "w": 0.25}, make()
    for _ in range(3):
        optimizer.update(params, grads)
    copied_params, copied = TOGETHER[how]((params, optimizer))
    for _ in range(3):
        optimizer.update(params, grads)
        copied.update(copied_params, grads)
    np.testing.assert_array_equal(copied_params["W"], params["W"])
    assert copied_params["w"] == params["w"]


@every_optimizer
@pytest.mark.parametrize("how", TOGETHER)
def test_a_copy_together_with_flat_parameters_goes_on(make, how):
    params, optimizer = Parameters({"W": (2,), "b": (1,)}, np.float32), make()
    for _ in range(3):
        optimizer.update(params, {"W": np.ones(2), "b": [2]})
    copied_params, copied = TOGETHER[how]((params, optimizer))
    optimizer.update(params, {"W": np.ones(2), "b": [2]})
    copied.update(copied_params, {"W": np.ones(2), "b": [2]})
    np.testing.assert_array_equal(copied_params.flat, params.flat)


@every_optimizer
@pytest.mark.parametrize("how", TOGETHER)
def test_a_copy_without_the_parameters_keeps_the_rule(make, how):
    optimizer, W = updated(make, 3)
    copied = TOGETHER[how](optimizer)
    assert repr(copied) == repr(optimizer)
    before = W.copy()
    gc.collect()
    other = np.ones(2)
    copied.update(other, np.ones(2))
    np.testing.assert_array_equal(other, updated(make, 1)[1])
    np.testing.assert_array_equal(W, before)


@every_optimizer
@pytest.mark.parametrize("how", [*TOGETHER, "copy"])
def test_a_copy_does_not_disturb_the_original(make, how):
    optimizer, W = updated(make, 3)
    copied = copy.copy(optimizer) if how == "copy" else TOGETHER[how](optimizer)
    stranger = W.copy()
    for array in (W.copy(), stranger):
        copied.update(array, np.full(2, 9.0))
        copied.update({"w": 1.0}, {"w": 9.0})
    optimizer.update(W, np.ones(2))
    np.testing.assert_array_equal(W, updated(make, 4)[1])


@with_memory
def test_a_shallow_copy_has_its_own_memory(make):
    """Updates by the copy are not counted by the original, nor the other way round."""
    optimizer, W = updated(make, 2)
    copied, kept = copy.copy(optimizer), W.copy()
    copied.update(W, np.full(2, 9.0))
    W[...] = kept
    optimizer.update(W, np.ones(2))
    np.testing.assert_array_equal(W, updated(make, 3)[1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "optimizer", [an.Momentum(), an.Nesterov(), an.RMSprop(), an.Adam(), an.AdamW()], ids=repr
)
def test_averages_of_vanished_gradients_settle_at_zero(optimizer, dtype):
    """Subnormal numbers would slow every later step down, and some of them never decay."""
    W, dW = np.ones(20, dtype), np.full(20, 1e-3, dtype)
    optimizer = type(optimizer)()
    optimizer.update(W, dW)
    state = optimizer.state_of(W)
    for average in state.averages:
        assert average.all()
        average *= np.finfo(dtype).tiny / average[0] * 1.05  # one decay from the subnormals
    for _ in range(60):
        optimizer.update(W, np.zeros_like(dW))
    for average in state.averages:
        np.testing.assert_array_equal(average, 0)


def test_nan_does_not_settle():
    for optimizer in (an.Momentum(), an.Nesterov(), an.AdaGrad(), an.RMSprop(), an.Adam()):
        W, dW = np.ones(3), np.array([0.0, np.nan, 1.0])
        optimizer.update(W, dW)
        np.testing.assert_array_equal(np.isnan(W), [False, True, False])


def test_with_a_tiny_eps_small_squares_are_kept():
    W, dW = np.ones(4, "f"), np.full(4, 1e-20, "f")
    an.Adam(lr=0.1, eps=1e-30).update(W, dW)
    np.testing.assert_allclose(W, 0.9, rtol=1e-2)
