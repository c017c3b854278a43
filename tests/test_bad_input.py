"""Bad input, one test for each promise: refused by name, or converted, and never wrong.

Each room's tests go through its arguments one by one; here the promises stand together, each
at every public function that it concerns.
"""

import os

import numpy as np
import pytest

import affinet as an
import parts.layers
import parts.losses
from affinet._dispatch import kernels
from array_forms import FORMS, REFUSED, draw, in_form

X, LABELS = draw("float64", (6, 4)), np.array([0, 2, 1, 1, 0, 2])
LOSSES = [row.make() for row in parts.losses.LOSSES.values()]
ROWS, VALUES = np.eye(3)[LABELS], draw("float64", (6, 3), 1)


def network(loss=None, **options):
    return an.Sequential(
        an.Affine.init(4, 5, rng=0, dtype="float64"),
        an.ReLU(),
        an.Affine.init(5, 3, rng=1, dtype="float64"),
        loss=an.SoftmaxWithLoss() if loss is None else loss,
        **options,
    )


def doors(t=LABELS, loss=None, **options):
    """name: a call that takes x, for every public function that takes inputs."""
    net = network(loss, **options)
    return {
        "Affine.forward": net.layers[0].forward,
        "predict": net.predict,
        "forward": lambda x: net.forward(x, t),
        "evaluate": lambda x: net.evaluate(x, t),
        "fit": lambda x: net.fit(x, t, epochs=1),
        "validation": lambda x: net.fit(X, LABELS, epochs=1, validation_data=(x, t)),
    }


every_door = pytest.mark.parametrize("door", doors())
WITH_TARGETS = ["forward", "evaluate", "fit", "validation"]


def target_doors(loss=None):
    """name: a call that takes t, and the loss itself with outputs for x."""
    net, t = network(loss), LABELS if loss is None else VALUES
    return {
        "loss": lambda t, x=VALUES: net.loss.forward(x[: len(VALUES)], t),
        "forward": lambda t: net.forward(X, t),
        "evaluate": lambda t: net.evaluate(X, t),
        "fit": lambda t: net.fit(X, t, epochs=1),
        "validation": lambda bad: net.fit(X, t, epochs=1, validation_data=(X, bad)),
    }


every_target_door = pytest.mark.parametrize("door", target_doors())


# Shapes ------------------------------------------------------------------------------------------


@every_door
@pytest.mark.parametrize("columns", [0, 3, 5])
def test_wrong_feature_count(door, columns):
    with pytest.raises(ValueError, match=rf"x has shape \(\d, {columns}\).*wanted 4"):
        doors()[door](np.ones((6, columns)))


@pytest.mark.parametrize("door", WITH_TARGETS)
def test_empty_batch(door):
    with pytest.raises(ValueError, match=r"x has shape \(0, 4\).*at least one"):
        doors(t=LABELS[:0])[door](X[:0])


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_empty_batch_at_the_losses(loss):
    with pytest.raises(ValueError, match=r"x has shape \(0, 3\).*at least one"):
        loss.forward(np.zeros((0, 3)), np.zeros((0, 3)))


def test_no_rows_are_accepted_by_layers_and_predict():
    net = network()
    assert net.predict(X[:0]).shape == (0, 3)
    assert net.predict_proba(X[:0]).shape == (0, 3)
    out = X[:0]
    for layer in net.layers:
        out = layer.forward(out)
    dout = out
    for layer in reversed(net.layers):
        dout = layer.backward(dout)
    assert dout.shape == (0, 4)
    assert not net.grads.flat.any()


@pytest.mark.parametrize("door", WITH_TARGETS)
@pytest.mark.parametrize("n", [1, 5, 7])
def test_mismatched_lengths(door, n):
    with pytest.raises(ValueError, match=rf"t has shape \({n},\)"):
        doors(t=np.zeros(n, int))[door](X)


# Targets -----------------------------------------------------------------------------------------


@every_target_door
@pytest.mark.parametrize("bad", [-1, 3, 100, 2**31, -(2**31)])
def test_labels_out_of_range(door, bad):
    t = LABELS.copy()
    t[4] = bad
    with pytest.raises(ValueError, match=rf"t\[4\] is {bad}, wanted.*0\.\.2"):
        target_doors()[door](t)


@every_target_door
def test_unsigned_labels_out_of_range(door):
    with pytest.raises(ValueError, match=r"t\[0\] is 255"):
        target_doors()[door](np.full(6, 255, np.uint8))


@every_target_door
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_labels_of_float_dtype(door, dtype):
    with pytest.raises(TypeError, match=rf"t has dtype {dtype}.*integers"):
        target_doors()[door](LABELS.astype(dtype))


@every_target_door
@pytest.mark.parametrize("shape", [(6, 1), (1, 6), (6, 2), (6, 3, 1), ()])
def test_targets_of_a_wrong_shape(door, shape):
    with pytest.raises(ValueError, match="t has shape"):
        target_doors()[door](np.zeros(shape, int))


@every_target_door
@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 2), (3,), (3, 6), (18,), ()])
def test_values_never_broadcast(door, shape):
    with pytest.raises(ValueError, match="t has shape"):
        target_doors(an.MeanSquaredError())[door](np.zeros(shape))


@every_target_door
@pytest.mark.parametrize("kind", REFUSED)
def test_targets_that_are_not_of_real_numbers(door, kind):
    bad = np.resize(REFUSED[kind], (6, 3))
    with pytest.raises(TypeError, match="t has dtype"):
        target_doors()[door](bad)


# Numbers and dtypes ------------------------------------------------------------------------------


@every_door
@pytest.mark.parametrize("kind", REFUSED)
def test_inputs_that_are_not_of_real_numbers(door, kind):
    with pytest.raises(TypeError, match=r"x has dtype .*wanted real numbers"):
        doors()[door](np.resize(REFUSED[kind], (6, 4)))


@every_door
@pytest.mark.parametrize("nothing", [None, {}, {1.0}, object(), [[None] * 4] * 6])
def test_inputs_that_are_no_arrays(door, nothing):
    with pytest.raises(TypeError, match=r"\bx has dtype object"):
        doors()[door](nothing)


@every_door
def test_rows_of_unequal_lengths(door):
    with pytest.raises(ValueError, match="x is not a rectangular array"):
        doors()[door]([[1.0] * 4] * 5 + [[1.0] * 3])


@pytest.mark.parametrize("door", sorted(set(doors()) - {"Affine.forward"}))
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_in_x_on_request(door, bad):
    x = X.copy()
    x[3, 2] = bad
    with pytest.raises(ValueError, match=rf"x\[3, 2\] is {bad}"):
        doors(check_finite=True)[door](x)


@pytest.mark.parametrize("door", ["predict", "forward", "evaluate"])
def test_nan_in_x_without_request_shows_in_the_result(door):
    x = X.copy()
    x[3, 2] = np.nan
    result = doors()[door](x)
    assert np.isnan(result["loss"] if door == "evaluate" else result).any()


@every_door
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64"])
def test_every_form_of_memory_is_converted_and_never_wrong(door, form, dtype):
    """Big-endian, Fortran-ordered, negatively strided, unaligned, read-only."""
    values = draw(dtype, (6, 4))
    x = in_form(form, values)
    result, expected = doors()[door](x), doors()[door](values.copy())
    if isinstance(expected, an.History):
        # fit chooses the kind of step by the form; both agree to rounding.
        assert result["loss"] == pytest.approx(expected["loss"], rel=1e-12)
    else:
        np.testing.assert_equal(result, expected)
    np.testing.assert_array_equal(x, values)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_parameters(form):
    W, b = draw("float64", (4, 3)), draw("float64", 3)
    plain = an.Affine(W, b)
    other = an.Affine(in_form(form, W), in_form(form, b))
    np.testing.assert_array_equal(other.forward(X), plain.forward(X))
    np.testing.assert_array_equal(other.backward(VALUES), plain.backward(VALUES))
    np.testing.assert_array_equal(other.dW, plain.dW)


def test_read_only_inputs_are_accepted_everywhere():
    for name, call in doors().items():
        x = in_form("read_only", X)
        call(x)
        assert not x.flags.writeable, name
    for name, call in target_doors().items():
        for t in (LABELS, ROWS):
            call(in_form("read_only", t))
            assert name
    layer = an.Affine(in_form("read_only", np.ones((4, 3))), in_form("read_only", np.ones(3)))
    layer.forward(X)
    layer.backward(in_form("read_only", VALUES))
    an.SGD().update(np.ones(3), in_form("read_only", np.ones(3)))


def test_read_only_parameters_are_refused_by_an_update():
    with pytest.raises(ValueError, match="params is read-only"):
        an.SGD().update(in_form("read_only", np.ones(3)), np.ones(3))


def test_integer_weights_are_refused():
    with pytest.raises(TypeError, match="W has dtype int64"):
        an.Affine(np.ones((4, 3), np.int64), np.zeros(3))


def test_float64_inputs_too_large_for_a_float32_network():
    net = an.Sequential(an.Affine.init(4, 3, rng=0))
    with pytest.warns(RuntimeWarning, match="overflow"):
        y = net.predict(np.full((1, 4), 1e300))
    assert not np.isfinite(y).all()


# Order of calls ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "thing",
    [*map(parts.layers.make, parts.layers.LAYERS), *LOSSES, network()],
    ids=lambda thing: type(thing).__name__,
)
def test_backward_before_forward(thing):
    arguments = (np.ones((1, 3)),) if isinstance(thing, an.Layer) else ()
    with pytest.raises(
        RuntimeError, match=rf"{type(thing).__name__}\.backward came before forward"
    ):
        thing.backward(*arguments)


def test_rows_of_another_width_are_told_with_the_shape_that_came():
    net = network()
    width = net.layers[0].W.shape[0]
    wanted = rf"^x has shape \({len(X)}, {width - 1}\): {width - 1} numbers a row, wanted {width}$"
    with pytest.raises(ValueError, match=wanted):
        net.fit(X[:, :-1], LABELS)
    net = an.Sequential(an.Dropout(), an.Affine.init(4, 3, rng=0), loss=an.SoftmaxWithLoss())
    with pytest.raises(ValueError, match=r"^x has shape \(6,\): 1 numbers a row, wanted 4$"):
        net.fit(np.ones(6), [0] * 6)


@pytest.mark.parametrize(
    "rng", [np.random.RandomState(0), "0", 0.0, True], ids=lambda rng: type(rng).__name__
)
def test_a_generator_of_another_kind(rng):
    with pytest.raises(TypeError, match=r"^rng is .*wanted an integer, a numpy\.random\.Generator"):
        an.Affine.init(4, 3, rng=rng)


def test_nothing_changes_when_fit_refuses():
    net = network()
    before = net.params.flat.copy()
    for x, t in ((X[:, :3], LABELS), (X, LABELS[:5]), (X, LABELS + 1), (X, LABELS / 2)):
        with pytest.raises((TypeError, ValueError)):
            net.fit(x, t)
    np.testing.assert_array_equal(net.params.flat, before)
    assert net.history is None


# Sizes beyond 2^31 elements ----------------------------------------------------------------------

GIB = 2**30


def free_memory():
    """Bytes that this process may still allocate, by the system and its control group."""
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0
    try:
        with (
            open("/sys/fs/cgroup/memory.max") as limit,
            open("/sys/fs/cgroup/memory.current") as now,
        ):
            free = min(free, int(limit.read()) - int(now.read()))
    except (OSError, ValueError):  # no control group, or one without a limit
        pass
    return free


def needs(gib):
    """Skip visibly where this much memory is not free."""
    free = free_memory()
    if free < gib * GIB:
        pytest.skip(f"needs {gib} GiB of free memory, {free / GIB:.1f} are there")


@pytest.fixture(scope="module")
def huge():
    """2049 x 2^20 numbers of float32: 8 GiB of zeros, which cost little until they are written."""
    needs(10)
    huge = np.zeros((2049, 2**20), np.float32)
    huge[-1, -2:] = 3, 5
    huge[0, :2] = 7, 11
    huge[2047, -1] = 13  # the element of number 2^31 - 1
    huge[2048, 0] = 17  # and that of number 2^31
    return huge


@pytest.mark.large
def test_a_product_over_more_than_2_to_the_31_elements(huge):
    """At the public door: forward and dW of a layer of a million inputs."""
    W = np.zeros((2**20, 1), np.float32)
    W[-2:, 0] = 1, 100
    W[0, 0] = 10
    layer = an.Affine(W, np.zeros(1, np.float32))
    out = layer.forward(huge)
    assert out.shape == (2049, 1)
    assert out[0, 0] == 70
    assert out[2047, 0] == 1300
    assert out[2048, 0] == 170 + 3 + 500
    assert np.count_nonzero(out) == 3
    dout = np.zeros((2049, 1), np.float32)
    dout[-1], dout[0] = 2, 1
    layer.backward(dout, need_dx=False)
    wanted = np.zeros((2**20, 1))
    wanted[:2, 0] = 7 + 34, 11
    wanted[-2:, 0] = 6, 10
    np.testing.assert_array_equal(layer.dW, wanted)


@pytest.mark.large
def test_a_sum_over_more_than_2_to_the_31_elements(huge):
    db = np.empty(2**20, np.float32)
    kernels.affine_backward_db(huge, db)
    assert db[0] == 7 + 17
    assert db[1] == 11
    assert db[-2] == 3
    assert db[-1] == 13 + 5
    assert np.count_nonzero(db) == 4
