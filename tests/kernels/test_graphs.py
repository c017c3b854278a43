"""Networks with branches: a whole compiled pass against a walk through their operations."""

import importlib

import numpy as np
import pytest

from affinet import _dispatch, reference
from affinet.layers.operation import Operation
from kernel_graphs import (
    PARAMETRIC,
    PLACE,
    STEP,
    Compiled,
    Walk,
    elementwise,
    inputs,
    members_of,
    numbers_of,
    random_network,
)

SEEDS = range(60)
ROWS = (2, 3, 7, 17, 33)


def copied(records):
    """The same operations with running statistics of their own."""
    return [record._replace(arrays=tuple(a.copy() for a in record.arrays)) for record in records]


def train_and_compare(kernels, records, n_inputs, params, rows, seed, l2=0.0, codes=()):
    """One step's gradients of a plan; returns what there is to compare with a walk."""
    rng, k = np.random.default_rng(seed), members_of(records)
    rows = -(-rows // k) * k
    x = inputs(rng, (rows, n_inputs), codes, params.dtype)
    own = copied(records)
    grads = np.full_like(params, np.nan)
    network = kernels.make_operations(params, own, n_inputs)
    t = rng.standard_normal((rows, network.n_outputs)).astype(params.dtype)
    plan = kernels.make_plan(network, grads, "mean_squared_error", "sgd", [], rows + 3 * k, None)
    plan.set_regularization(l2, None)
    plan.set_inputs(x)
    plan.set_target_rows(t)
    loss, _ = plan.gradients(np.arange(rows), STEP, PLACE)
    return x, t, loss, grads, own


@pytest.mark.parametrize("seed", SEEDS)
def test_a_whole_pass_repeats_the_kernels_of_its_parts_to_the_bit(kernels, dtype, seed):
    records, n_inputs, params, codes = random_network(seed, dtype, elementwise(kernels))
    rows = ROWS[seed % len(ROWS)]
    kept = params.copy()
    x, t, loss, grads, own = train_and_compare(
        kernels, records, n_inputs, params, rows, seed, codes=codes
    )
    walk = Walk(Compiled(kernels), records, params)
    dx = np.empty_like(t)
    assert loss == kernels.mean_squared_error(walk.forward(x, True), t, None, dx)
    walk.backward(dx)
    np.testing.assert_array_equal(grads, walk.grads)
    for i, arrays in walk.running.items():
        for one, two in zip(own[i].arrays, arrays, strict=True):
            np.testing.assert_array_equal(one, two)
    out = np.full((300, t.shape[1]), np.nan, dtype)
    many = inputs(np.random.default_rng(seed), (300, n_inputs), codes, dtype)
    kernels.make_operations(params, own, n_inputs).forward(many, out)
    np.testing.assert_array_equal(out, Walk(Compiled(kernels), own, params).forward(many, False))
    np.testing.assert_array_equal(params, kept)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_whole_pass_means_what_the_reference_says(kernels, seed):
    """Float64 on both sides: only the order of sums differs."""
    dtype = np.dtype(np.float64)
    records, n_inputs, params, codes = random_network(seed, dtype, elementwise(kernels))
    rows = ROWS[seed % len(ROWS)]
    x, t, loss, grads, _ = train_and_compare(
        kernels, records, n_inputs, params, rows, seed, codes=codes
    )
    walk = Walk(reference, records, params)
    wanted, dx = reference.mean_squared_error(walk.forward(x, True), t)
    walk.backward(dx)
    assert loss == pytest.approx(wanted, rel=1e-9)
    assert np.linalg.norm(grads - walk.grads) <= 1e-9 * np.linalg.norm(walk.grads)


def test_the_random_networks_have_everything(kernels):
    """Every kind of operation, and every way in which an output is read."""
    seen, readers = set(), set()
    for seed in SEEDS:
        records, *_ = random_network(seed, np.dtype(np.float64), elementwise(kernels))
        seen |= {record.kernel for record in records}
        sources = [s for i, r in enumerate(records) for s in r.sources or (i - 1,)]
        readers |= {min(sources.count(i), 3) for i in range(-1, len(records) - 1)}
    parametric = {kernel for kernel in seen if kernel.startswith(PARAMETRIC)}
    assert seen - parametric == set(kernels.known_operations())
    assert {kernel.removeprefix(PARAMETRIC) for kernel in parametric} >= {"leaky_relu", "selu"}
    assert readers == {1, 2, 3}


SMOOTH = ("sigmoid", "tanh", "gelu", "silu")


def smooth(record):
    """A record without the relu of a periodic embedding, or the kinks between bins."""
    if record.kernel == "periodic_embedding":
        return record._replace(numbers=(*record.numbers[:4], 0.0))
    if record.kernel == "piecewise_embedding":
        columns, counts, edges = record.arrays
        return record._replace(arrays=(columns, np.ones_like(counts), edges))
    return record


@pytest.mark.parametrize("seed", range(20))
def test_gradients_by_differences(kernels, seed):
    """Central differences along a random direction, of networks without kinks."""
    names = [name for name in elementwise(kernels) if name in SMOOTH]
    records, n_inputs, params, codes = random_network(1000 + seed, np.dtype(np.float64), names)
    records = [smooth(record) for record in records]
    options = {"l2": 0.3, "codes": codes}
    grads = train_and_compare(kernels, records, n_inputs, params, 9, seed, **options)[3]
    direction = np.random.default_rng(seed).standard_normal(len(params))

    def loss(shift):
        moved = params + shift * direction
        return train_and_compare(kernels, records, n_inputs, moved, 9, seed, **options)[2]

    h = 1e-5
    slope = (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h)
    assert slope == pytest.approx(grads @ direction, rel=1e-5, abs=1e-7)
    assert abs(slope + grads @ direction) > abs(slope - grads @ direction)


def test_every_elementwise_kernel_in_a_whole_pass(kernels, dtype):
    """Before a product, behind one, as the one reader, as one of two, and parametric."""
    for name in elementwise(kernels):
        f = Operation(name, numbers=numbers_of(name))
        learned = f._replace(kernel=PARAMETRIC + name, starts=(86,))
        records = [
            Operation("affine", n_outputs=6, starts=(0, 24)),
            f,
            Operation("affine", n_outputs=6, starts=(30, 66)),
            f._replace(sources=(2,)),
            Operation("add", (2, 3)),
            Operation("affine", n_outputs=2, starts=(72, 84)),
            f,
            learned,
        ]
        params = np.random.default_rng(3).standard_normal(88).astype(dtype)
        x, t, loss, grads, _ = train_and_compare(kernels, records, 4, params, 5, 7)
        walk = Walk(Compiled(kernels), records, params)
        dx = np.empty_like(t)
        assert loss == kernels.mean_squared_error(walk.forward(x, True), t, None, dx), name
        walk.backward(dx)
        np.testing.assert_array_equal(grads, walk.grads, name)
        assert np.isfinite(grads).all(), name
        assert grads.any(), name


def test_gradients_are_added_from_the_last_reader_to_the_first(kernels, dtype):
    slopes = (0.3, 0.7, 0.11)
    leaky = [Operation("leaky_relu", (0,), numbers=(slope,)) for slope in slopes]
    records = [
        Operation("affine", n_outputs=50, starts=(0, 50)),
        *leaky,
        Operation("add", (1, 2)),
        Operation("add", (4, 3)),
    ]
    params = -np.ones(100, dtype)
    grads = np.empty_like(params)
    plan = kernels.make_plan(
        kernels.make_operations(params, records, 1), grads, "sum_squared_error", "sgd", [], 1, None
    )
    plan.set_inputs(np.ones((1, 1), dtype))
    t = np.random.default_rng(0).standard_normal((1, 50)).astype(dtype)
    plan.set_target_rows(t)
    plan.gradients(np.array([0]), 0)
    x, (a, b, c) = dtype.type(-2), (dtype.type(slope) for slope in slopes)
    dout = (a * x + b * x) + c * x - t[0]
    np.testing.assert_array_equal(grads[50:], (c * dout + b * dout) + a * dout)
    assert (grads[50:] != c * dout + (b * dout + a * dout)).any()


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([Operation("add")], "operation 0, add, has no sources, wanted 2"),
        ([Operation("add", (-1,))], r"has sources \(-1,\), wanted a tuple of 2"),
        ([Operation("relu", (-1, -1))], r"has sources \(-1, -1\), wanted a tuple of 1"),
        ([Operation("relu", [-1])], r"has sources \[-1\], wanted a tuple"),
        ([Operation("relu", (0,))], "reads operation 0, wanted an earlier one"),
        ([Operation("relu", (-2,))], "reads operation -2"),
        ([Operation("relu", (1,)), Operation("relu")], "operation 0, relu, reads operation 1"),
        ([Operation("relu"), Operation("tanh", (-1,))], "operation 0, .*is read by none"),
        ([Operation("relu", n_outputs=4)], "gives numbers a row: 4, wanted 3"),
        ([Operation("affine", starts=(0, 9))], "has parameters: 3 x 3, wanted at most 8"),
        ([Operation("relu", numbers=(1.0,))], "relu, has numbers"),
        ([Operation("leaky_relu")], r"wanted a tuple of 1: \(slope\)"),
        ([Operation("relu", starts=(0,))], "relu, has starts"),
        ([Operation("relu", arrays=(np.zeros(3),))], "relu, has arrays"),
        ([Operation("relu", key=1)], "relu, has the key 1"),
        ([("relu",)], "operation 0, .* has the fields 1, wanted 7: kernel, sources"),
        (
            [Operation("affine", n_outputs=2, starts=(0, 6)), Operation("add", (0, -1))],
            "reads numbers a row: 2 and 3",
        ),
    ],
    ids=str,
)
def test_an_operation_that_does_not_fit_is_refused(records, message):
    with pytest.raises(ValueError, match=message):
        _dispatch.kernels.make_operations(np.zeros(8 * (records[0][0] == "affine")), records, 3)


@pytest.mark.parametrize("level", _dispatch.supported_levels())
def test_what_is_known_is_the_same_at_every_level(level):
    if level in _dispatch.compiled_levels():
        kernels = importlib.import_module(f"affinet._kernels.{level}")
        for name in ("known_operations", "known_losses", "known_optimizers"):
            assert getattr(kernels, name)() == getattr(_dispatch.kernels, name)()


MOST = 1000  # operations, as operations.pyx says


def test_a_network_of_the_most_operations_computes_and_one_more_is_refused(kernels):
    """Beyond so many, the lists of those in use would be too short."""
    chain = [Operation("scale", (k - 1,), 1, (k,)) for k in range(MOST + 1)]
    params = np.ones(MOST + 1, np.float32)
    network = kernels.make_operations(params[:MOST], chain[:MOST], 1)
    out, x = np.empty((2, 1), np.float32), np.full((2, 1), 0.5, np.float32)
    network.forward(x, out)
    np.testing.assert_array_equal(out, x)
    with pytest.raises(ValueError, match=rf"{MOST + 1} operations, wanted .* 1 to {MOST} operat"):
        kernels.make_operations(params, chain, 1)
