"""What an update changes, in place, in every form of parameters."""

import types

import numpy as np
import pytest

from array_forms import WRITEABLE_FORMS, draw, in_form
from optimizer_rows import every_optimizer


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
