"""Operations of ensembles and of piecewise embeddings: records that do not fit, rows, None."""

import numpy as np
import pytest

from affinet.layers.operation import Operation

I64 = np.int64
BINS = {  # of 2 of 4 columns: at most 2 bins, 3 values
    "n_outputs": 8,
    "starts": (0, 6, 12),
    "numbers": (2.0, 3.0),
    "arrays": (np.array([1, 3], I64), np.array([2, 1], I64), np.array([0.0, 1, 2, 0, 1, np.nan])),
}
GOOD = {
    "piecewise_embedding": (BINS, 24),
    "member_scale": ({"starts": (0,), "numbers": (2.0,)}, 8),
    "member_scale_shift": ({"starts": (0, 8), "numbers": (2.0,)}, 16),
    "member_affine": ({"n_outputs": 3, "starts": (0, 24), "numbers": (2.0,)}, 30),
    "linear": ({"n_outputs": 3, "starts": (0,)}, 12),
}


def make(kernels, kernel, **change):
    fields, size = GOOD[kernel]
    record = Operation(**{"kernel": kernel} | fields | change)
    return kernels.make_operations(np.zeros(size), [record], 4)


@pytest.mark.parametrize("kernel", GOOD)
def test_what_fits(kernels, kernel):
    assert make(kernels, kernel).n_outputs == GOOD[kernel][0].get("n_outputs", 4)


def bins(columns=(1, 3), counts=(2, 1), edges=(0, 1, 2, 0, 1, 9)):
    return {"arrays": (np.array(columns, I64), np.array(counts, I64), np.array(edges, float))}


@pytest.mark.parametrize(
    ("kernel", "change", "message"),
    [
        ("piecewise_embedding", bins(columns=(3, 1)), r"columns\[1\] is 1"),
        ("piecewise_embedding", bins(columns=(1, 4)), r"columns\[1\] is 4, .*below 4"),
        ("piecewise_embedding", bins(columns=(-1, 3)), r"columns\[0\] is -1"),
        ("piecewise_embedding", bins((), (), ()), "columns is empty"),
        ("piecewise_embedding", bins(counts=(2, 3)), r"counts\[1\] is 3, wanted 1 to 2 bins"),
        ("piecewise_embedding", bins(counts=(0, 1)), r"counts\[0\] is 0, wanted 1 to 2 bins"),
        ("piecewise_embedding", bins(counts=(1,)), "counts"),
        ("piecewise_embedding", bins(edges=(0, 1, 2, 0, 1)), "edges"),
        ("piecewise_embedding", bins(edges=(0, 2, 1, 0, 1, 9)), r"edges\[0\] has 1.0 at 2"),
        ("piecewise_embedding", bins(edges=(0, 1, 2, 1, 1, 9)), r"edges\[1\] has 1.0 at 1"),
        ("piecewise_embedding", bins(edges=(0, 1, np.nan, 0, 1, 9)), r"edges\[0\] has nan at 2"),
        ("piecewise_embedding", bins(edges=(np.nan, 1, 2, 0, 1, 9)), r"edges\[0\] has nan at 0"),
        ("piecewise_embedding", bins(edges=(0, 1, 2, 0, np.inf, 9)), r"edges\[1\] has inf at 1"),
        ("piecewise_embedding", bins(edges=(-np.inf, 1, 2, 0, 1, 9)), r"edges\[0\] has -inf"),
        ("piecewise_embedding", {"n_outputs": 9}, "gives numbers a row: 9, wanted 8"),
        ("piecewise_embedding", {"n_outputs": None}, "gives numbers a row: 4, wanted 8"),
        ("piecewise_embedding", {"starts": (0, 6)}, r"wanted a tuple of 3: \(w, b, W\)"),
        ("piecewise_embedding", {"starts": (0, 6, 13)}, "parameters at 13"),
        ("piecewise_embedding", {"numbers": (2.0,)}, r"wanted a tuple of 2: \(T, d\)"),
        ("piecewise_embedding", {"numbers": (2.5, 3.0)}, "T is 2.5"),
        ("piecewise_embedding", {"numbers": (2.0, 3.5)}, "d is 3.5"),
        ("piecewise_embedding", {"numbers": (np.nan, 3.0)}, "T and d are nan|edges"),
        ("piecewise_embedding", {"numbers": (0.0, 3.0)}, "T and d are 0|edges"),
        ("piecewise_embedding", {"numbers": (2.0, -1.0)}, "T and d are 2 and -1"),
        ("piecewise_embedding", {"numbers": (2.0, 1e30)}, "T and d are 2 and 1e.30"),
        ("piecewise_embedding", {"key": 1}, "has the key 1"),
        ("member_scale", {"numbers": (0.0,)}, "k is 0, wanted a whole number from 1"),
        ("member_scale", {"numbers": (1.5,)}, "k is 1.5"),
        ("member_scale", {"numbers": (np.nan,)}, "k is nan"),
        ("member_scale", {"numbers": (1e30,)}, r"k is 1e\+30"),
        ("member_scale", {"numbers": (3.0,)}, "parameters at 0, wanted 12 numbers within 8"),
        ("member_scale", {"numbers": (1.0,)}, "parameters end at 4"),
        ("member_scale", {"numbers": ()}, r"wanted a tuple of 1: \(k\)"),
        ("member_scale", {"starts": (0, 4)}, r"wanted a tuple of 1: \(s\)"),
        ("member_scale", {"n_outputs": 5}, "gives numbers a row: 5, wanted 4"),
        ("member_scale_shift", {"starts": (0,)}, r"wanted a tuple of 2: \(s, b\)"),
        ("member_scale_shift", {"starts": (0, 9)}, "parameters at 9"),
        ("member_affine", {"n_outputs": 4}, "parameters at 0, wanted 32 numbers within 30"),
        ("member_affine", {"n_outputs": 0}, "gives numbers a row: 0"),
        ("member_affine", {"n_outputs": 2**61}, "has parameters: 4 x"),
        ("member_affine", {"starts": (0,)}, r"wanted a tuple of 2: \(W, b\)"),
        ("member_affine", {"starts": (0, 25)}, "parameters at 25"),
        ("linear", {"n_outputs": 4}, "parameters at 0|has parameters: 4 x 4"),
        ("linear", {"starts": (0, 9)}, r"wanted a tuple of 1: \(W\)"),
    ],
    ids=str,
)
def test_a_record_that_does_not_fit_is_refused(kernels, kernel, change, message):
    with pytest.raises(ValueError, match=message):
        make(kernels, kernel, **change)


def scale(k, start):
    return Operation("member_scale", starts=(start,), numbers=(float(k),))


@pytest.mark.parametrize(("one", "other"), [(2, 4), (4, 2), (1, 3), (3, 1)])
def test_all_operations_have_the_same_members(kernels, one, other):
    records = [scale(one, 0), scale(other, 2 * one)]
    with pytest.raises(ValueError, match=f"operation 1 has {other} members, wanted {one}"):
        kernels.make_operations(np.zeros(2 * (one + other)), records, 2)


@pytest.mark.parametrize("rows", [1, 2, 4, 7])
def test_rows_that_the_members_do_not_divide(kernels, dtype, rows):
    params = np.ones(6, dtype)
    network = kernels.make_operations(params, [scale(3, 0)], 2)
    x, out = np.zeros((rows, 2), dtype), np.full((rows, 2), 7, dtype)
    with pytest.raises(ValueError, match=f"x has {rows} rows, wanted a multiple of the 3 members"):
        network.forward(x, out)
    assert (out == 7).all()
    for k in (3, 1):
        network.forward(np.zeros((3 * k, 2), dtype), np.empty((3 * k, 2), dtype))
    plan = kernels.make_plan(
        network, np.zeros_like(params), "mean_squared_error", "sgd", [], 3 * rows, None
    )
    plan.set_inputs(np.zeros((9, 2), dtype))
    plan.set_target_rows(np.zeros((9, 2), dtype))
    with pytest.raises(ValueError, match=f"of {rows} rows, wanted multiples of the 3 members"):
        plan.gradients(np.zeros(rows, I64), 0)
    plan = kernels.make_plan(
        network, np.zeros_like(params), "mean_squared_error", "sgd", [], rows, None
    )
    plan.set_inputs(np.zeros((9, 2), dtype))
    plan.set_target_rows(np.zeros((9, 2), dtype))
    with pytest.raises(ValueError, match=f"batches of {rows} of 9 rows"):
        plan.gradients(np.arange(9), 0)


@pytest.mark.parametrize("name", ["member_scale", "member_affine"])
def test_kernels_refuse_rows_that_the_members_do_not_divide(kernels, dtype, name):
    x, dx = np.zeros((4, 2), dtype), np.zeros((4, 2), dtype)
    s, b, W = np.zeros((3, 2), dtype), np.zeros((3, 2), dtype), np.zeros((3, 2, 2), dtype)
    forward, backward = (getattr(kernels, f"{name}_{way}") for way in ("forward", "backward"))
    own = s if name == "member_scale" else W
    for call in (
        lambda: forward(x, own, b, dx),
        lambda: backward(x, x, own, dx, own.copy(), b),
        lambda: forward(x, own[:0], b[:0], dx),
    ):
        with pytest.raises(ValueError, match=r"x has 4 rows, wanted a multiple of the [03] mem"):
            call()


def test_no_gradient_of_offsets_that_are_not_there(kernels, dtype):
    rng = np.random.default_rng(0)
    x, dout, s = (rng.standard_normal((n, 19)).astype(dtype) for n in (6, 6, 3))
    with_db = np.empty_like(x), np.empty_like(s), np.empty_like(s)
    without = np.empty_like(x), np.empty_like(s)
    kernels.member_scale_backward(x, dout, s, *with_db)
    kernels.member_scale_backward(x, dout, s, *without, None)
    for one, other in zip(with_db, without, strict=False):
        np.testing.assert_array_equal(one, other)
