"""Every public layer, loss and optimizer describes itself; none relies on a silent default."""

import inspect

import numpy as np
import pytest

import affinet as an
from affinet._dispatch import kernels
from affinet.layers.activations import Activation, activation_classes
from affinet.layers.initializers import SCALES, weight_scale
from affinet.network.operations import is_compiled
from affinet.optimizers import optimizer_classes


def public(kind):
    """The public classes of a kind that can be constructed."""
    found = [value for name in an.__all__ if inspect.isclass(value := getattr(an, name))]
    return [cls for cls in found if issubclass(cls, kind) and not inspect.isabstract(cls)]


LAYERS, LOSSES, OPTIMIZERS = public(an.Layer), public(an.Loss), public(an.Optimizer)
ACTIVATIONS = [cls for cls in LAYERS if issubclass(cls, Activation)]
COMPILED = [cls for cls in LAYERS + LOSSES + OPTIMIZERS if vars(cls).get("kernel") is not None]
OF_SEVERAL_OPERATIONS = {an.Residual, an.NTKAffine, an.BatchEnsemble}


def test_every_part_has_a_compiled_form():
    assert {*COMPILED} == {*LAYERS, *LOSSES, *OPTIMIZERS}


@pytest.mark.parametrize(
    "cls",
    [cls for cls in COMPILED if cls not in OF_SEVERAL_OPERATIONS],
    ids=lambda cls: cls.__name__,
)
def test_a_kernel_is_there_under_its_name(cls):
    suffixes = ["_forward", "_backward"] if issubclass(cls, an.Layer) else [""]
    if issubclass(cls, an.Optimizer):
        suffixes = ["_update"]
    names = [name for name in dir(kernels) if not name.startswith("_")]
    for suffix in suffixes:
        wanted = f"{cls.kernel}{suffix}"
        assert any(name.startswith(wanted) for name in names), wanted


def test_no_two_parts_share_a_name_or_a_kernel():
    for classes, attributes in (
        (ACTIVATIONS, ("shell_name", "kernel")),
        (OPTIMIZERS, ("shell_name", "kernel")),
        (LAYERS, ("kernel",)),
        (LOSSES, ("kernel",)),
    ):
        for attribute in attributes:
            several = OF_SEVERAL_OPERATIONS
            values = [vars(cls)[attribute] for cls in classes if cls not in several]
            assert len({*values}) == len(values), attribute


def test_the_tables_by_name_hold_every_public_class():
    assert {*activation_classes().values()} == {*ACTIVATIONS}
    assert {*optimizer_classes().values()} == {*OPTIMIZERS}


@pytest.mark.parametrize("cls", ACTIVATIONS, ids=lambda cls: cls.__name__)
def test_an_activation_says_how_weights_before_it_start(cls):
    assert cls.initializer in SCALES
    assert weight_scale(8, 24, cls.shell_name) == SCALES[cls.initializer](8, 24)
    an.Affine.init(8, 24, rng=0, activation=cls.shell_name)


def test_a_subclass_does_not_inherit_the_compiled_form():
    class Twice(an.ReLU):
        def forward(self, x):
            return 2 * super().forward(x)

        def predict(self, x):
            return 2 * super().predict(x)

        def backward(self, dout):
            return 2 * super().backward(dout)

    assert is_compiled(an.ReLU())
    assert not is_compiled(Twice())
    net = an.Sequential(an.Affine.init(2, 2, rng=0), Twice(), loss=an.MeanSquaredError())
    x = np.ones((4, 2), np.float32)
    wanted = 2 * np.maximum(x @ net.layers[0].W + net.layers[0].b, 0)
    np.testing.assert_allclose(net.predict(x), wanted, rtol=1e-6)


@pytest.mark.parametrize("cls", LAYERS, ids=lambda cls: cls.__name__)
def test_what_l2_penalizes_is_a_parameter(cls):
    assert {*cls.penalized} <= {*cls.parameters}
