"""Inside fit a mask is a function of (seed, layer position, step) and of nothing else."""

import contextlib
import copy
import threading

import numpy as np
import pytest

import affinet as an
from affinet import reference
from affinet.training.step import DropoutPlaces, forget_other_threads

ROWS, WIDTH, BATCH = 12, 8, 6


class Masks:
    """Stands behind a Dropout that receives ones, and records what was kept."""

    def __init__(self):
        self.seen = []

    def forward(self, x, train=True):
        if train:
            self.seen.append(np.sign(x))
        return x

    def backward(self, dout):
        return dout


class Ones:
    """Hides the data: returns ones for any input."""

    def forward(self, x):
        return np.ones((len(x), WIDTH), x.dtype)

    def backward(self, dout):
        return dout


def masks(
    *, place=1, seed=0, rng=1, calls=0, data_seed=2, epochs=2, p=0.5, dtype="float64", lr=0.1
):
    """Masks of every step of a fit, with the Dropout at ``place``."""
    dropout, notes = an.Dropout(p, rng=rng), Masks()
    dropout.calls = calls
    filler = [an.ReLU() for _ in range(place - 1)]
    net = an.Sequential(
        Ones(), *filler, dropout, notes, an.Affine.init(WIDTH, 2, rng=0, dtype=dtype),
        loss=an.SoftmaxWithLoss(),
    )  # fmt: skip
    data = np.random.default_rng(data_seed)
    x, t = data.standard_normal((ROWS, 3)), data.integers(0, 2, ROWS)
    net.fit(x, t, epochs=epochs, batch_size=BATCH, seed=seed, optimizer=an.SGD(lr))
    assert dropout.calls == calls
    return np.array(notes.seen)


@pytest.fixture(scope="module")
def standard():
    return masks()


@pytest.mark.parametrize(
    "change",
    [{"rng": 77}, {"calls": 40}, {"data_seed": 9}, {"dtype": "float32"}, {"lr": 0.5}, {}],
    ids=str,
)
def test_what_the_masks_do_not_depend_on(standard, change):
    np.testing.assert_array_equal(masks(**change), standard)


@pytest.mark.parametrize("change", [{"seed": 1}, {"place": 2}], ids=str)
def test_what_they_depend_on(standard, change):
    other = masks(**change)
    for step in range(len(standard)):
        assert (other[step] != standard[step]).any()


def test_every_step_has_its_own(standard):
    for i, mask in enumerate(standard):
        for other in standard[:i]:
            assert (mask != other).any()


def test_a_longer_training_begins_with_the_same_masks(standard):
    np.testing.assert_array_equal(masks(epochs=4)[: len(standard)], standard)


def test_the_rows_are_counted_within_the_batch(standard):
    key = int(np.random.SeedSequence([0, 1]).generate_state(1, np.uint64)[0])
    for step, mask in enumerate(standard):
        _, expected = reference.dropout_forward(np.ones((BATCH, WIDTH)), 0.5, key, step, 0)
        np.testing.assert_array_equal(mask, expected)


def test_two_layers_of_one_network_drop_different_numbers():
    first, second = Masks(), Masks()
    net = an.Sequential(
        Ones(), an.Dropout(0.5, rng=3), first, Ones(), an.Dropout(0.5, rng=3), second,
        an.Affine.init(WIDTH, 2, rng=0, dtype="float64"), loss=an.SoftmaxWithLoss(),
    )  # fmt: skip
    net.fit(np.ones((ROWS, 3)), np.arange(ROWS) % 2, epochs=1)
    assert (first.seen[0] != second.seen[0]).any()


class OwnLoss(an.SoftmaxWithLoss):
    """A custom loss: fit goes layer by layer."""


every_speed = pytest.mark.parametrize("loss", [an.SoftmaxWithLoss, OwnLoss])


@every_speed
def test_after_fit_the_layer_goes_on_with_its_own_masks(loss):
    dropout = an.Dropout(0.5, rng=1)
    twin = copy.deepcopy(dropout)
    x = np.ones((5, 6))
    for layer in (dropout, twin):
        layer.forward(x, True)
    net = an.Sequential(an.Affine.init(3, 6, rng=0), dropout, loss=loss())
    net.fit(np.ones((4, 3)), [0, 1, 2, 3], epochs=2)
    np.testing.assert_array_equal(dropout.forward(x, True), twin.forward(x, True))
    assert dropout.calls == twin.calls == 2


@every_speed
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, an.StopTraining])
def test_after_an_interrupted_fit_too(error, loss):
    def interrupt(state):
        raise error

    dropout, x = an.Dropout(0.5, rng=1), np.ones((5, 6))
    net = an.Sequential(an.Affine.init(3, 6, rng=0), dropout, loss=loss())
    with contextlib.suppress(error):
        net.fit(np.ones((4, 3)), [0, 1, 2, 3], epochs=2, callbacks=[interrupt])
    np.testing.assert_array_equal(dropout.forward(x, True), an.Dropout(0.5, rng=1).forward(x, True))


@every_speed
def test_a_copy_that_a_callback_made_counts_its_own_calls(loss):
    """Else every mask of the copy would be that of the step at which it was made."""
    copies = []
    net = an.Sequential(an.Dropout(0.5, rng=1), an.Affine.init(6, 2, rng=0), loss=loss())
    net.fit(
        np.ones((4, 6)), [0, 1, 0, 1], epochs=1,
        callbacks=[lambda state: copies.append(copy.deepcopy(state.net))],
    )  # fmt: skip
    dropout, x = copies[0].layers[0], np.ones((5, 6))
    first, second = dropout.forward(x, True), dropout.forward(x, True)
    assert (first != second).any()
    assert dropout.calls == 2


def test_a_forked_child_ends_the_step_of_a_thread_that_it_lacks():
    """What the child calls, in a process where that thread has ended in the middle of its step."""
    layer, step = an.Dropout(0.4), contextlib.ExitStack()
    net = an.Sequential(layer)

    def begin():
        step.enter_context(DropoutPlaces(net, 1).held(3, 0, factor=0.5))

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    assert (layer.p, layer.position is None) == (0.2, False)
    forget_other_threads()
    assert (layer.p, layer.position) == (0.4, None)


def test_a_fork_keeps_the_step_of_the_thread_that_forks():
    layer = an.Dropout(0.4)
    with DropoutPlaces(an.Sequential(layer), 1).held(3, 0, factor=0.5):
        place = layer.position
        forget_other_threads()
        assert (layer.p, layer.position) == (0.2, place)
    assert (layer.p, layer.position) == (0.4, None)
