"""Parameters, gradients and settings that optimizers refuse; then nothing has changed."""

import types

import numpy as np
import pytest

import affinet as an
from affinet.parameters import Parameters
from array_forms import REFUSED, in_form
from optimizer_rows import every_optimizer

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
    """The optimizer behaves like a new one."""
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
