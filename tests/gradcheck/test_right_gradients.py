"""gradient_check passes every layer, loss and network whose gradients are right."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import affinet as an
import parts.layers
from affinet.gradcheck import gradient_check
from hand_written import Block, GeneratorDropout, MeanFree, OwnAffine, OwnDropout, Scale, normal
from parts.losses import WITH_EVERY_TARGET

LAYERS = parts.layers.SETTINGS
LOSSES = {
    name: (make, lambda targets=targets: targets(normal(6, 5, seed=1)))
    for name, (make, targets) in WITH_EVERY_TARGET.items()
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_passes(name, dtype):
    x = parts.layers.inputs(name, normal(6, 5).astype(dtype))
    report = gradient_check(LAYERS[name](5, dtype), x)
    assert report.passed, str(report)
    parameters = an.Sequential(LAYERS[name](5, dtype)).params
    assert [check.name for check in report.checks] == [
        *(path.removeprefix("0.") for path in parameters),
        "x",
    ]
    assert all(check.compared + check.kinks == check.size for check in report.checks)
    assert all(len(check.direction_errors) == 3 for check in report.checks)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_passes(name, dtype):
    loss, targets = LOSSES[name]
    t = targets()
    t = t if t.dtype.kind == "i" else t.astype(dtype)
    report = gradient_check(loss(), 2 * normal(6, 5).astype(dtype), t)
    assert report.passed, str(report)
    assert [check.name for check in report.checks] == ["x"]


@pytest.mark.parametrize("shape", [(5,), (2, 5), (3, 5, 1)])
def test_inputs_of_any_rank(shape):
    for layer in (an.Affine.init(5, 4, rng=0), an.Tanh(), an.Dropout(0.5, rng=3)):
        assert gradient_check(layer, normal(*shape))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("loss", "input_scale"),
    [
        *((loss, None) for loss in LOSSES),
        ("SoftmaxWithLoss", 1 / 255),
        ("MeanSquaredError", 1 / 255),
    ],
)
def test_whole_networks_pass(dtype, loss, input_scale):
    make, targets = LOSSES[loss]
    net = an.Sequential(
        an.Affine.init(7, 8, rng=0, dtype=dtype),
        an.ReLU(),
        an.Dropout(0.3, rng=0),
        an.Affine.init(8, 6, rng=1, dtype=dtype),
        an.LeakyReLU(0.1),
        an.Affine.init(6, 5, rng=2, activation="tanh", dtype=dtype),
        an.Tanh(),
        an.Affine.init(5, 5, rng=3, dtype=dtype),
        loss=make(),
        input_scale=input_scale,
    )
    x = normal(6, 7) if input_scale is None else 255 * normal(6, 7)
    report = gradient_check(net, x, targets())
    assert report.passed, str(report)
    assert [check.name for check in report.checks] == [*net.params, "x"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_with_normalizations_passes_and_keeps_its_statistics(dtype):
    net = an.Sequential(
        an.LayerNorm(5, dtype=dtype), an.Affine.init(5, 6, rng=0, dtype=dtype),
        an.BatchNorm(6, dtype=dtype), an.GELU(), an.Dropout(0.3, rng=0),
        an.Affine.init(6, 4, rng=1, dtype=dtype), an.SiLU(), an.BatchNorm(4, dtype=dtype),
        loss=an.SoftmaxWithLoss(),
    )  # fmt: skip
    for layer in net.layers:
        for name in layer.parameters:
            setattr(layer, name, getattr(layer, name) + dtype(0.1))
    net.forward(normal(6, 5), np.arange(6) % 4)
    before = {name: array.copy() for name, array in net._arrays().items()}
    report = gradient_check(net, normal(6, 5), np.arange(6) % 4)
    assert report.passed, str(report)
    assert [check.name for check in report.checks] == [*net.params, "x"]
    assert len(before) == len(net.params) + 4
    for name, array in net._arrays().items():
        np.testing.assert_array_equal(array, before[name])


def test_statistics_of_a_single_layer_are_left_alone():
    layer = an.BatchNorm(5)
    assert gradient_check(layer, normal(6, 5))
    np.testing.assert_array_equal(layer.running_mean, np.zeros(5))
    np.testing.assert_array_equal(layer.running_var, np.ones(5))


def test_network_without_parameters_is_checked_in_float64():
    net = an.Sequential(an.Sigmoid(), an.Tanh(), loss=an.MeanSquaredError())
    assert gradient_check(net, normal(4, 3), np.zeros((4, 3)))


def test_images_of_integers_leave_dx_out_and_say_so():
    net = an.Sequential(an.Affine.init(6, 3, rng=0), loss=an.SoftmaxWithLoss(), input_scale=1 / 255)
    x = np.random.default_rng(0).integers(0, 256, (4, 6), dtype=np.uint8)
    report = gradient_check(net, x, [0, 1, 2, 0])
    assert report.passed
    assert [check.name for check in report.checks] == ["0.W", "0.b"]
    assert "dx was not checked" in str(report)


def test_nothing_to_check_does_not_pass():
    report = gradient_check(an.ReLU(), np.array([[1, 2]]))
    assert not report
    assert "nothing to check" in str(report)


def test_small_and_large_numbers():
    for scale in (1e-4, 1e4):
        layer = an.Affine(normal(5, 4) / scale, normal(4, seed=1))
        assert gradient_check(layer, scale * normal(6, 5, seed=2))
    assert gradient_check(an.SumSquaredError(), 1e4 * normal(6, 5), 1e4 * normal(6, 5, seed=1))
    assert gradient_check(an.Affine(normal(3, 2), np.zeros(2)), np.array([[1e6, -1e6, 3e5]]))


def test_gradients_that_are_zero_pass():
    net = an.Sequential(  # the dead unit passes nothing back
        an.Affine(normal(3, 2), np.array([-100.0, -100.0])),
        an.ReLU(),
        an.Affine(normal(2, 2, seed=1), np.zeros(2)),
        loss=an.SoftmaxWithLoss(),
    )
    report = gradient_check(net, normal(4, 3), [0, 1, 0, 1])
    assert report.passed, str(report)
    shift = MeanFree()  # its gradient is zero by cancellation, so never quite
    net = an.Sequential(
        an.Affine(normal(3, 4), normal(4)), shift, an.Tanh(), loss=an.MeanSquaredError()
    )
    report = gradient_check(net, normal(6, 3), normal(6, 4, seed=2))
    assert report.passed, str(report)


def test_sampled_elements_and_directions():
    report = gradient_check(an.Affine.init(20, 30, rng=0), normal(4, 20), samples=7, directions=2)
    assert report.passed
    assert [check.compared for check in report.checks] == [7, 7, 7]
    assert [check.size for check in report.checks] == [600, 30, 80]
    assert [len(check.direction_errors) for check in report.checks] == [2, 2, 2]
    assert gradient_check(an.Tanh(), normal(2, 2), directions=0).passed


def test_same_rng_gives_the_same_report():
    layer, x = an.Affine.init(20, 30, rng=0), normal(4, 20)
    assert gradient_check(layer, x, rng=1) == gradient_check(layer, x, rng=1)
    first, second = (gradient_check(layer, x, rng=np.random.default_rng(1)) for _ in range(2))
    assert first == second
    assert first != gradient_check(layer, x, rng=1)  # not the stream that x may come from
    assert gradient_check(layer, x, rng=None)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_undeclared_parameters_are_found(dtype):
    layer = OwnAffine(normal(5, 4).astype(dtype), np.zeros(4, dtype))
    for _ in range(2):  # also when x and dx of an earlier call lie about
        report = gradient_check(layer, normal(6, 5))
        assert report.passed, str(report)
        assert [check.name for check in report.checks] == ["W", "b", "x"]
        layer.backward(layer.forward(normal(6, 5)))
    net = an.Sequential(an.ReLU(), layer, loss=an.MeanSquaredError())
    report = gradient_check(net, normal(6, 5), normal(6, 4))
    assert report.passed, str(report)
    assert [check.name for check in report.checks] == ["1.W", "1.b", "x"]


def test_parameter_that_is_a_python_float():
    layer = Scale()
    assert gradient_check(layer, normal(3, 2))
    assert type(layer.a) is float
    net = an.Sequential(an.Affine.init(3, 2, rng=0, dtype=np.float64), loss=an.MeanSquaredError())
    assert gradient_check(net, normal(4, 3), normal(4, 2))


def test_declared_parameter_of_ones_own_inside_a_network():
    class Shift:
        parameters = ("s",)

        def __init__(self, s):
            self.s = s

        def forward(self, x):
            return x + self.s

        def backward(self, dout):
            self.ds = dout.sum(axis=0)
            return dout

    net = an.Sequential(an.Affine.init(3, 2, rng=0), Shift(np.zeros(2, np.float32)))
    net = an.Sequential(
        an.Affine.init(3, 2, rng=0), Shift(np.zeros(2, np.float32)), loss=an.MeanSquaredError()
    )
    report = gradient_check(net, normal(4, 3), normal(4, 2))
    assert report.passed, str(report)
    assert [check.name for check in report.checks] == ["0.W", "0.b", "1.s", "x"]


def test_loss_of_ones_own():
    class LogCosh:
        def forward(self, x, t):
            self.difference = x - t
            return np.log(np.cosh(self.difference)).sum()

        def backward(self, dout=1):
            return dout * np.tanh(self.difference)

    assert gradient_check(LogCosh(), normal(3, 2), normal(3, 2, seed=1))
    net = an.Sequential(an.Affine.init(3, 2, rng=0), loss=LogCosh())
    assert gradient_check(net, normal(4, 3), normal(4, 2))


def test_subclass_of_sequential_is_checked_as_it_is():
    class Decayed(an.Sequential):
        decay = 0.1

        def forward(self, x, t, train=True):
            return super().forward(x, t, train) + self.decay / 2 * (self.params.flat**2).sum()

        def backward(self, dout=1.0, need_dx=False):
            dx = super().backward(dout, need_dx)
            self.grads.flat[:] += dout * self.decay * self.params.flat
            return dx

    net = Decayed(an.Affine.init(3, 2, rng=0), an.Tanh(), loss=an.MeanSquaredError())
    assert gradient_check(net, normal(4, 3), normal(4, 2))

    class Forgetful(Decayed):
        backward = an.Sequential.backward

    net = Forgetful(an.Affine.init(3, 2, rng=0), an.Tanh(), loss=an.MeanSquaredError())
    assert not gradient_check(net, normal(4, 3), normal(4, 2))


def test_masks_from_a_generator_of_the_layer_stay_the_same():
    for generator in (np.random.default_rng(5), np.random.RandomState(5)):
        twin = copy.deepcopy(generator)
        assert gradient_check(GeneratorDropout(generator), normal(6, 5))
        block = Block(an.Tanh(), GeneratorDropout(generator), an.Dropout(0.5, rng=0))
        assert gradient_check(block, normal(6, 5))
        assert generator.random(3).tolist() == twin.random(3).tolist()


def test_masks_from_numpys_global_generator_stay_the_same():
    layer = OwnDropout(lambda shape: np.random.rand(*shape))  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    wanted = np.random.rand(3).tolist()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    assert gradient_check(layer, normal(6, 5))
    assert np.random.rand(3).tolist() == wanted  # noqa: NPY002


def test_unrepeatable_forward_fails():
    layer = OwnDropout(lambda shape: np.random.default_rng().random(shape))
    report = gradient_check(layer, normal(6, 5))
    assert not report
    assert "not repeatable" in str(report)
