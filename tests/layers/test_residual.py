"""Residual: values, gradients, modes, shapes and refusals of one that stands by itself."""

import copy
import pickle

import numpy as np
import pytest

import affinet as an
from array_forms import draw


class Spoiler:
    """A custom layer that doubles, and whose backward overwrites its dout."""

    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        dout *= 2
        return dout


class Flags:
    """A custom layer that notes the modes it was called in."""

    def __init__(self):
        self.seen = []

    def forward(self, x, train=True):
        self.seen.append(train)
        return x

    def backward(self, dout):
        return dout


def affine(n_inputs, n_outputs, seed=0):
    return an.Affine.init(n_inputs, n_outputs, rng=seed, dtype="float64")


def test_the_input_is_added_to_the_branch():
    first, second = affine(3, 5, 1), affine(5, 3, 2)
    block, x = an.Residual(first, an.Tanh(), second), draw("float64", (4, 3))
    wanted = np.tanh(x @ first.W + first.b) @ second.W + second.b + x
    np.testing.assert_allclose(block.forward(x), wanted, rtol=1e-13)
    np.testing.assert_array_equal(block.predict(x), block.forward(x, False))


def test_a_projection_brings_the_input_to_the_branchs_width():
    branch, projection = affine(3, 5, 1), affine(3, 5, 2)
    block, x = an.Residual(branch, projection=projection), draw("float64", (4, 3))
    wanted = x @ branch.W + branch.b + x @ projection.W + projection.b
    np.testing.assert_allclose(block.forward(x), wanted, rtol=1e-13)
    dout = draw("float64", (4, 5), 1)
    dx = block.backward(dout)
    np.testing.assert_allclose(dx, dout @ (branch.W + projection.W).T, rtol=1e-12)
    np.testing.assert_allclose(projection.dW, x.T @ dout, rtol=1e-12)
    np.testing.assert_array_equal(projection.db, branch.db)


@pytest.mark.parametrize(
    "make",
    [
        lambda: an.Residual(an.Tanh()),
        lambda: an.Residual(affine(3, 3), an.Dropout(0.4, rng=1)),
        lambda: an.Residual(an.BatchNorm(3, dtype="float64"), an.GELU(), affine(3, 3)),
        lambda: an.Residual(affine(3, 4), projection=affine(3, 4, 1)),
        lambda: an.Residual(an.Residual(affine(3, 3), an.Tanh()), an.Residual(affine(3, 3, 1))),
    ],
)
def test_gradients(make):
    report = an.gradient_check(make(), draw("float64", (6, 3)))
    assert report.passed, report


def test_names_in_a_gradient_check_are_paths():
    block = an.Residual(an.Residual(affine(3, 2), projection=affine(3, 2, 1)), affine(2, 3, 2))
    report = an.gradient_check(block, draw("float64", (6, 3)))
    assert [check.name for check in report.checks] == [
        "0.0.W", "0.0.b", "0.1.W", "0.1.b", "1.W", "1.b", "x",
    ]  # fmt: skip


def test_a_gradient_check_sees_a_wrong_gradient_inside():
    class Wrong(an.Affine):
        def backward(self, dout):
            dx = super().backward(dout)
            self.dW *= 1.01
            return dx

    report = an.gradient_check(
        an.Residual(Wrong(*map(np.array, ([[0.5]], [0.1])))), draw("float64", (6, 1))
    )
    assert not report.passed
    assert [c.name for c in report.checks if not c.passed(report.tolerance)] == ["0.W"]


def test_a_gradient_check_names_a_parameter_inside_that_a_forward_changes():
    class Drifting(an.Affine):
        def forward(self, x):
            out = super().forward(x)
            self.W *= 1.5
            return out

    block = an.Residual(an.Tanh(), Drifting(np.eye(2), np.zeros(2)))
    report = an.gradient_check(block, draw("float64", (4, 2)))
    assert not report.passed
    assert "Residual.forward changes 1.W" in str(report)


def test_dout_is_left_alone_even_by_a_custom_layer_that_overwrites_its_own():
    block, dout = an.Residual(Spoiler()), draw("float64", (4, 3))
    before = dout.copy()
    block.forward(draw("float64", (4, 3), 1))
    np.testing.assert_array_equal(block.backward(dout), 3 * before)
    np.testing.assert_array_equal(dout, before)


def test_the_mode_reaches_the_layers_inside():
    flags = Flags()
    block = an.Residual(an.Residual(flags))
    x = np.ones((1, 2))
    block.forward(x)
    block.forward(x, False)
    block.forward(x, True)
    block.predict(x)
    assert flags.seen == [True, False, True, False]


@pytest.mark.parametrize("shape", [(4, 2, 3), (4, 6), (6,), (0, 6)])
def test_shapes(shape):
    block = an.Residual(affine(6, 6))
    x = draw("float64", shape)
    out = block.forward(x)
    wanted = an.Affine.forward(block.layers[0], x)
    np.testing.assert_array_equal(out, wanted + x.reshape(wanted.shape))
    assert block.backward(out).shape == shape


def test_a_branch_whose_output_cannot_be_added():
    class Half:
        def forward(self, x):
            return x[:, ::2]

        def backward(self, dout):
            return dout

    with pytest.raises(ValueError, match=r"Residual.*\(4, 2\).*\(4, 3\)"):
        an.Residual(Half()).forward(np.ones((4, 3)))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))])
def test_copies_share_nothing(copied):
    block, x = an.Residual(affine(3, 3), projection=affine(3, 3, 1)), draw("float64", (4, 3))
    out = block.forward(x)
    twin = copied(block)
    np.testing.assert_array_equal(twin.backward(out), block.backward(out))
    np.testing.assert_array_equal(twin.projection.dW, block.projection.dW)
    twin.layers[0].W[:] = 0
    np.testing.assert_array_equal(block.forward(x), out)


REFUSED = {
    "nothing": (lambda: an.Residual(), ValueError, "at least one layer"),
    "a list": (lambda: an.Residual([an.ReLU()]), TypeError, r"Residual\(\*layers\)"),
    "a class": (lambda: an.Residual(an.ReLU), TypeError, "layer 0"),
    "a name": (lambda: an.Residual(affine(2, 2), "relu"), TypeError, "layer 1 is 'relu'"),
    "no Affine": (lambda: an.Residual(an.ReLU(), projection=an.ReLU()), TypeError, "projection"),
    "other width": (lambda: an.Residual(affine(3, 4)), ValueError, r"give 4.*init\(3, 4\)"),
    "no match": (lambda: an.Residual(affine(3, 4), affine(5, 3)), ValueError, "layer 1 takes 5"),
    "wrong projection": (
        lambda: an.Residual(affine(3, 4), projection=affine(3, 5)),
        ValueError,
        "projection takes 3 and gives 5",
    ),
    "projection of ReLU": (
        lambda: an.Residual(an.ReLU(), projection=affine(3, 5)),
        ValueError,
        "projection takes 3 and gives 5",
    ),
    "deep inside": (
        lambda: an.Residual(affine(4, 3), an.Residual(an.Tanh(), affine(4, 4)), affine(3, 4)),
        ValueError,
        "layer 1 takes 4 numbers a row, the layer before it gives 3",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_branch(name):
    make, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        make()


def test_one_layer_twice_anywhere():
    layer = affine(3, 3)
    for make in (
        lambda: an.Residual(layer, layer),
        lambda: an.Residual(layer, projection=layer),
        lambda: an.Residual(an.Residual(layer), layer),
    ):
        with pytest.raises(ValueError, match="stands in the Residual twice"):
            make()


@pytest.mark.parametrize("name", ["layers", "projection", "children"])
def test_its_parts_cannot_be_replaced(name):
    with pytest.raises(AttributeError, match=name):
        setattr(an.Residual(an.ReLU()), name, ())


def test_repr():
    block = an.Residual(affine(3, 4), an.ReLU(), projection=affine(3, 4))
    assert repr(block) == "Residual(Affine(3 -> 4), ReLU(), projection=Affine(3 -> 4))"
