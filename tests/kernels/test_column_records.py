"""Operations of columns: records that do not fit, and codes that are none, in a whole pass."""

import numpy as np
import pytest

from affinet import _dispatch
from affinet.layers.operation import Operation

I64 = np.int64
WAVES = {  # of 2 of 4 columns: 3 waves, 2 outputs and x
    "n_outputs": 8,
    "starts": (0, 6, 12, 24),
    "numbers": (3.0, 2.0, 0.0, 1.0, 0.0),
    "arrays": (np.array([1, 3], I64),),
}
TABLES = {  # for 2 of 4 columns: 3 and 2 rows of 2 numbers
    "n_outputs": 6,
    "starts": (0,),
    "numbers": (5.0, 2.0),
    "arrays": (np.array([0, 2], I64), np.array([0, 3], I64)),
}
GOOD = {
    "periodic_embedding": (WAVES, 28),
    "embedding": (TABLES, 10),
    "scale": ({"starts": (0,)}, 4),
    "parametric_leaky_relu": ({"starts": (0,), "numbers": (0.1,)}, 4),
    "multiply": ({"numbers": (0.5,)}, 0),
}


def make(kernel, **change):
    fields, size = GOOD[kernel]
    record = Operation(kernel, **fields | change)
    return _dispatch.kernels.make_operations(np.zeros(size), [record], 4)


@pytest.mark.parametrize("kernel", GOOD)
def test_what_fits(kernel):
    assert make(kernel).n_outputs == GOOD[kernel][0].get("n_outputs", 4)


def of_columns(*columns):
    return {"arrays": (np.array(columns, I64),)}


def of_tables(columns, firsts):
    return {"arrays": (np.array(columns, I64), np.array(firsts, I64))}


BIG = float(2**24 + 1)


@pytest.mark.parametrize(
    ("kernel", "change", "message"),
    [
        ("periodic_embedding", of_columns(3, 1), r"columns\[1\] is 1, wanted ascending"),
        ("periodic_embedding", of_columns(1, 1), r"columns\[1\] is 1, wanted ascending"),
        ("periodic_embedding", of_columns(1, 4), r"columns\[1\] is 4, .*below 4"),
        ("periodic_embedding", of_columns(-1, 3), r"columns\[0\] is -1"),
        ("periodic_embedding", of_columns(), "columns is empty"),
        ("periodic_embedding", of_columns(1, 2, 3), "gives numbers a row: 8, wanted 10"),
        ("periodic_embedding", {"n_outputs": 9}, "gives numbers a row: 9, wanted 8"),
        ("periodic_embedding", {"n_outputs": None}, "gives numbers a row: 4, wanted 8"),
        ("periodic_embedding", {"starts": (0, 6, 12)}, "wanted a tuple of 4: .w, b, V, c."),
        ("periodic_embedding", {"starts": (0, 6, 12, 23)}, "parameters end at"),
        ("periodic_embedding", {"starts": (0, 6, 12, 25)}, "parameters at 25"),
        ("periodic_embedding", {"numbers": (3.0, 2.0)}, "wanted a tuple of 5"),
        ("periodic_embedding", {"numbers": (0.0, 2.0, 0, 1, 0)}, "K is 0 and M 2"),
        ("periodic_embedding", {"numbers": (BIG, 2.0, 0, 1, 0)}, "K is 1.67772e"),
        ("periodic_embedding", {"numbers": (3.0, 65.0, 0, 1, 0)}, "M 65, wanted .*1 to 64"),
        ("periodic_embedding", {"numbers": (np.nan, 2.0, 0, 1, 0)}, "K is nan"),
        ("periodic_embedding", {"numbers": (3.5, 2.0, 0, 1, 0)}, "K is 3.5"),
        ("periodic_embedding", {"numbers": (3.0, 2.0, 0.5, 1, 0)}, "a switch is 0.5"),
        ("periodic_embedding", {"key": 1}, "has the key 1"),
        ("embedding", of_tables([2, 0], [0, 3]), r"columns\[1\] is 0"),
        ("embedding", of_tables([0, 2], [1, 3]), r"firsts\[0\] is 1, .*from 0 on"),
        ("embedding", of_tables([0, 2], [0, 0]), r"firsts\[1\] is 0"),
        ("embedding", of_tables([0, 2], [0, 5]), r"firsts\[1\] is 5, .*below 5"),
        ("embedding", of_tables([0, 2], [0]), "firsts has shape|firsts has length|firsts"),
        ("embedding", of_tables([0], [0]), "gives numbers a row: 6, wanted 5"),
        ("embedding", {"n_outputs": 7}, "gives numbers a row: 7, wanted 6"),
        ("embedding", {"numbers": (4.0, 2.0)}, "parameters end at 8"),
        ("embedding", {"numbers": (6.0, 2.0)}, "parameters at 0, wanted 12 numbers within 10"),
        ("embedding", {"numbers": (5.5, 2.0)}, "rows is 5.5"),
        ("embedding", {"numbers": (5.0, np.nan)}, "rows and d are 5 and nan"),
        ("embedding", {"numbers": (5.0, BIG)}, "rows and d are 5 and 1.67772e"),
        ("embedding", {"starts": (1,)}, "parameters at 1"),
        ("scale", {"n_outputs": 5}, "gives numbers a row: 5, wanted 4"),
        ("scale", {"starts": ()}, r"wanted a tuple of 1: \(s\)"),
        ("scale", {"starts": (1,)}, "parameters at 1"),
        ("parametric_leaky_relu", {"numbers": ()}, r"wanted a tuple of 1: \(slope\)"),
        ("parametric_leaky_relu", {"starts": ()}, r"wanted a tuple of 1: \(a\)"),
        ("parametric_leaky_relu", {"kernel": "parametric_"}, "is no kernel"),
        ("parametric_leaky_relu", {"kernel": "parametric_affine"}, "is no kernel"),
        ("multiply", {"numbers": ()}, r"wanted a tuple of 1: \(factor\)"),
    ],
    ids=str,
)
def test_a_record_that_does_not_fit_is_refused(kernel, change, message):
    fields, size = GOOD[kernel]
    record = Operation(**{"kernel": kernel} | fields | change)
    with pytest.raises(ValueError, match=message):
        _dispatch.kernels.make_operations(np.zeros(size), [record], 4)


@pytest.mark.parametrize("wrong", [np.array([0.0, 2.0]), np.array([0, 2], "i4"), None])
def test_columns_of_another_type_are_refused(wrong):
    with pytest.raises((TypeError, ValueError)):
        make("embedding", arrays=(wrong, np.array([0, 3], I64)))
    with pytest.raises((TypeError, ValueError)):
        make("embedding", arrays=(np.array([0, 2], I64), wrong))


def test_columns_live_as_long_as_the_operations():
    columns, firsts = np.array([0, 2], I64), np.array([0, 3], I64)
    operations = make("embedding", arrays=(columns, firsts))
    del columns, firsts
    out = np.empty((1, 6))
    operations.forward(np.array([[0.0, 7.0, 1.0, 8.0]]), out)
    np.testing.assert_array_equal(out, [[0, 0, 7, 0, 0, 8]])


@pytest.mark.parametrize("code", [-1.0, 3.0, 0.5, 1e30, np.nan, np.inf, -np.inf, -1e-300, 2.0**63])
def test_what_is_no_code_becomes_nan(kernels, dtype, code):
    E = np.arange(10).astype(dtype)
    operations = kernels.make_operations(E, [Operation("embedding", **TABLES)], 4)
    x = np.array([[1, 7, 0, 8], [code, 7, 1, 8], [2, 7, -0.0, 8]]).astype(dtype)
    if x[1, 0] == 0:
        pytest.skip("rounds to the code 0")
    out = np.empty((3, 6), dtype)
    operations.forward(x, out)
    nan = np.nan
    wanted = [[2, 3, 7, 6, 7, 8], [nan, nan, 7, 8, 9, 8], [4, 5, 7, 6, 7, 8]]
    np.testing.assert_array_equal(out, wanted)


def test_v_of_another_shape_is_refused(kernels, dtype):
    """What follows from the others and the switches is checked too."""
    x, w, c = np.zeros((2, 2), dtype), np.zeros((1, 3), dtype), np.zeros((1, 2), dtype)
    columns, out = np.zeros(1, I64), np.zeros((2, 3), dtype)

    def call(V, sines):
        kernels.periodic_embedding_forward(x, w, w, V, c, columns, sines, False, False, out)

    call(np.zeros((1, 2, 3), dtype), False)
    call(np.zeros((1, 2, 6), dtype), True)
    for V, sines in (
        ((1, 2, 3), True),
        ((1, 2, 6), False),
        ((1, 65, 3), False),
        ((1, 0, 3), False),
    ):
        with pytest.raises(ValueError, match=r"^V "):
            call(np.zeros(V, dtype), sines)
    for wrong in ([-1], [2]):
        columns[:] = wrong
        with pytest.raises(ValueError, match=r"columns\[0\]"):
            call(np.zeros((1, 2, 3), dtype), False)
