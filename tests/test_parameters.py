"""Parameters: named views into one flat buffer."""

import copy
import pickle

import numpy as np
import pytest

from affinet.parameters import LARGE_PAGE, Parameters, flat_zeros, weakly
from array_forms import FORMS, in_form

SHAPES = {"0.W": (2, 3), "0.b": (3,), "2.W": (3, 1), "2.b": (1,)}


@pytest.fixture
def params():
    p = Parameters(SHAPES, np.float64)
    p.flat[:] = np.arange(p.flat.size)
    return p


def test_arrays_lie_behind_each_other_without_gaps(params):
    assert params.flat.shape == (6 + 3 + 3 + 1,)
    assert list(params) == list(SHAPES)
    assert params.shapes == SHAPES
    together = np.concatenate([array.ravel() for array in params.values()])
    np.testing.assert_array_equal(together, params.flat)
    for name, array in params.items():
        assert array.shape == SHAPES[name]
        assert np.shares_memory(array, params.flat)
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_starts_as_zeros_of_the_dtype():
    for dtype in (np.float32, "float64"):
        p = Parameters(SHAPES, dtype)
        assert p.flat.dtype == p["0.W"].dtype == dtype
        assert not p.flat.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "n_bytes", [0, 8, LARGE_PAGE // 2 - 8, LARGE_PAGE // 2, 3 * LARGE_PAGE + 8]
)
def test_many_zeros_begin_at_a_large_page(n_bytes, dtype):
    size = n_bytes // np.dtype(dtype).itemsize
    for _ in range(2):  # the second is likely to get the memory that the first gave back
        flat = flat_zeros(size, dtype)
        assert flat.shape == (size,)
        assert flat.dtype == dtype
        assert not flat.any()
        assert flat.flags.c_contiguous
        assert flat.flags.writeable
        assert n_bytes < LARGE_PAGE // 2 or flat.ctypes.data % LARGE_PAGE == 0
        flat[:] = 1
        del flat


def test_copies_of_a_large_buffer_hold_nothing_but_its_numbers():
    p = Parameters({"W": (512, 1024)}, np.float32)
    p.flat[:] = np.arange(p.flat.size)
    stored = pickle.dumps(p)
    assert len(stored) < p.flat.nbytes + 1000
    for twin in (pickle.loads(stored), copy.deepcopy(p)):
        np.testing.assert_array_equal(twin["W"], p["W"])
        assert not np.shares_memory(twin.flat, p.flat)


def test_takes_a_buffer_without_copying_it():
    flat = np.arange(13.0)
    p = Parameters(SHAPES, np.float64, flat)
    assert p.flat is flat
    p["2.b"][0] = -1
    assert flat[12] == -1


def test_no_arrays_and_empty_arrays():
    assert Parameters({}, np.float32).flat.shape == (0,)
    p = Parameters({"a": (0, 3), "b": (2,)}, np.float32)
    assert p["a"].shape == (0, 3)
    assert p.flat.shape == (2,)


def test_writing_into_a_view_shows_in_the_buffer_and_back(params):
    params["0.b"][1] = 99
    assert params.flat[7] == 99
    params.flat[12] = -5
    assert params["2.b"].tolist() == [-5]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8"])
def test_assigning_copies_into_the_view(params, form, dtype):
    view, values = params["0.W"], np.arange(6).reshape(2, 3).astype(dtype)
    params["0.W"] = in_form(form, values)
    assert params["0.W"] is view
    np.testing.assert_array_equal(params.flat[:6], np.arange(6.0))


def test_assigning_keeps_no_tie_to_the_array(params):
    values = np.zeros((2, 3))
    params["0.W"] = values
    values += 7
    assert not params["0.W"].any()


def test_assigning_a_part_of_itself(params):
    params["0.b"] = params["0.b"][::-1]
    assert params["0.b"].tolist() == [8, 7, 6]
    params["0.b"] = params.flat[5:8]  # overlaps its target
    assert params["0.b"].tolist() == [5, 8, 7]


def test_augmented_assignment_works_in_place(params):
    view = params["0.W"]
    params["0.W"] -= 0.5
    params["0.W"] *= 2
    assert params["0.W"] is view
    np.testing.assert_array_equal(params.flat[:6], 2 * (np.arange(6) - 0.5))


@pytest.mark.parametrize("shape", [(3, 2), (6,), (3,), (1, 2, 3), (), (2, 1)])
def test_assigning_another_shape_is_refused(params, shape):
    before = params.flat.copy()
    with pytest.raises(ValueError, match=r"0\.W has shape .*wanted \(2, 3\)"):
        params["0.W"] = np.zeros(shape)
    np.testing.assert_array_equal(params.flat, before)


@pytest.mark.parametrize(
    "values",
    [np.full((2, 3), "1"), np.ones((2, 3), complex), np.ones((2, 3), object)],
    ids=["strings", "complex", "object"],
)
def test_assigning_other_than_real_numbers_is_refused(params, values):
    before = params.flat.copy()
    with pytest.raises(TypeError, match=r"0\.W has dtype"):
        params["0.W"] = values
    np.testing.assert_array_equal(params.flat, before)


def test_unknown_names_are_refused(params):
    with pytest.raises(KeyError, match=r"1\.W"):
        params["1.W"] = np.zeros(3)
    with pytest.raises(KeyError):
        params.update({"x": 1})
    assert list(params) == list(SHAPES)


def test_names_cannot_be_removed_or_added(params):
    removals = [
        lambda: params.__delitem__("0.W"),
        lambda: params.pop("0.W"),
        lambda: params.pop("nothing", None),
        params.popitem,
        params.clear,
        lambda: params.setdefault("new", 1),
        lambda: params.setdefault("0.W", 1),
    ]
    for remove in removals:
        with pytest.raises(TypeError, match="fixed"):
            remove()
    assert list(params) == list(SHAPES)


def test_update_copies_every_way_that_dict_update_has(params):
    view = params["0.b"]
    params.update({"0.b": [1, 1, 1]})
    params.update([("2.b", [4])])
    named = Parameters({"W": (2,)}, np.float64)
    named.update(W=[5, 6])
    assert named.flat.tolist() == [5, 6]
    assert params["0.b"] is view
    assert params.flat[6:9].tolist() == [1, 1, 1]
    assert params.flat[12] == 4


def test_or_assignment_copies_too(params):
    same, view = params, params["0.b"]
    params |= {"0.b": [3, 3, 3]}
    assert params is same
    assert params["0.b"] is view
    assert params.flat[6:9].tolist() == [3, 3, 3]


def test_like_has_the_same_layout_and_its_own_memory(params):
    other = params.like()
    assert other.shapes == params.shapes
    assert other.flat.dtype == params.flat.dtype
    assert not other.flat.any()
    assert not np.shares_memory(other.flat, params.flat)


# gather ------------------------------------------------------------------------------------------


def test_gather_lays_a_plain_dict_out_in_this_order(params):
    arrays = {name: np.array(params[name], order="F") for name in reversed(SHAPES)}
    np.testing.assert_array_equal(params.gather(arrays), params.flat)
    assert not np.shares_memory(params.gather(arrays), params.flat)


def test_gather_of_the_same_layout_copies_nothing(params):
    other = params.like()
    assert params.gather(other) is other.flat


def test_gather_of_another_order_puts_each_array_in_its_place(params):
    other = Parameters(dict(reversed(SHAPES.items())), np.float64)
    other.update(params)
    assert (other.flat != params.flat).any()
    np.testing.assert_array_equal(params.gather(other), params.flat)


def test_gather_ignores_names_that_it_does_not_have(params):
    arrays = {name: np.array(array) for name, array in params.items()} | {"extra": np.ones(1)}
    np.testing.assert_array_equal(params.gather(arrays), params.flat)


def test_gather_says_what_is_missing_or_misshapen(params):
    arrays = {name: np.array(array) for name, array in params.items()}
    with pytest.raises(ValueError, match=r"2\.b has shape"):
        params.gather(arrays | {"2.b": np.zeros(2)})
    del arrays["0.b"], arrays["2.b"]
    with pytest.raises(KeyError, match=r"0\.b, 2\.b"):
        params.gather(arrays)


# Copies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))])
def test_a_deep_copy_is_again_views_of_one_buffer(params, copied):
    twin = copied(params)
    assert type(twin) is Parameters
    np.testing.assert_array_equal(twin.flat, params.flat)
    twin["0.W"] = np.full((2, 3), 8)
    assert (twin.flat[:6] == 8).all()
    assert params.flat[0] == 0


def test_a_shallow_copy_shares_the_buffer(params):
    twin = copy.copy(params)
    twin["0.b"] = [0, 0, 0]
    assert not params["0.b"].any()


def test_a_read_only_copy_can_be_written_to(params, tmp_path):
    """joblib gives its workers large arrays as read-only maps of files."""
    params["0.W"] = np.arange(6).reshape(2, 3)
    rebuild, (shapes, dtype, flat, penalized) = params.__reduce__()
    np.save(tmp_path / "flat.npy", flat)
    twin = rebuild(shapes, dtype, np.load(tmp_path / "flat.npy", mmap_mode="r"))
    np.testing.assert_array_equal(twin.flat, params.flat)
    twin["0.W"] = np.full((2, 3), 8)
    assert (twin.flat[:6] == 8).all()
    assert rebuild(shapes, dtype, flat, penalized).flat is flat


def test_an_owner_that_cannot_be_referred_to_weakly_is_kept():
    owner = object()
    assert weakly(owner)() is owner
