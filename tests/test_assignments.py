"""Assigning to an attribute either works or raises."""

import copy
import pickle

import numpy as np
import pytest

import affinet as an

PARTS = {
    "Affine": lambda: an.Affine.init(2, 3, rng=0),
    "ReLU": an.ReLU,
    "LeakyReLU": an.LeakyReLU,
    "Dropout": an.Dropout,
    "BatchNorm": lambda: an.BatchNorm(3),
    "LayerNorm": lambda: an.LayerNorm(3),
    "SoftmaxWithLoss": an.SoftmaxWithLoss,
    "Huber": an.Huber,
    "SGD": an.SGD,
    "Adam": an.Adam,
}


def net(seed=0):
    return an.Sequential(
        an.Affine.init(4, 5, rng=seed),
        an.ReLU(),
        an.Affine.init(5, 2, rng=seed + 1),
        loss=an.MeanSquaredError(),
    )


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("attribute", ["rate", "m", "weights", "learning_rate"])
def test_an_attribute_that_nothing_reads_cannot_be_set(name, attribute):
    part = PARTS[name]()
    with pytest.raises(AttributeError, match=f"{name} has no attribute '{attribute}'"):
        setattr(part, attribute, 1)
    assert not hasattr(part, attribute)


def test_the_error_names_affinets_attribute():
    with pytest.raises(AttributeError, match="affinet's name for it is lr"):
        an.Adam().learning_rate = 0.1
    with pytest.raises(AttributeError, match="affinet's name for it is p"):
        an.Dropout().rate = 0.1


@pytest.mark.parametrize("name", PARTS)
def test_what_a_constructor_takes_can_be_set_again(name):
    part = PARTS[name]()
    for twin in (part, copy.deepcopy(part), pickle.loads(pickle.dumps(part))):
        for attribute, value in part.config().items():
            if not (name.endswith("Norm") and attribute in ("n", "eps")):  # fixed, by properties
                setattr(twin, attribute, value)


def test_subclasses_of_ones_own_may_keep_what_they_like():
    class Own(an.Optimizer):
        def __init__(self):
            super().__init__(0.1)
            self.memory = {}

        def _apply(self, dW, W, state):
            self.last = dW

    optimizer = Own()
    optimizer.update(np.ones(2), np.ones(2))
    assert optimizer.memory == {}
    assert optimizer.last.tolist() == [1, 1]


def test_assigning_flat_copies_into_the_buffer():
    a, b, target = net(0), net(10), net(20)
    view, buffer = target.layers[0].W, target.params.flat
    target.params.flat = 0.5 * a.params.flat + 0.5 * b.params.flat
    assert target.params.flat is buffer
    assert np.array_equal(view, 0.5 * a.layers[0].W + 0.5 * b.layers[0].W)
    target.params.flat *= 0
    assert not target.predict(np.ones((1, 4))).any()
    with pytest.raises(ValueError, match="flat has shape"):
        target.params.flat = np.zeros(3)
    with pytest.raises(AttributeError, match="no attribute 'W'"):
        target.params.W = np.zeros(3)


@pytest.mark.parametrize("make", [an.Adam, an.RMSprop, an.AdamW])
@pytest.mark.parametrize("eps", [1e-50, 1e50, 0.0, -1.0])
def test_an_epsilon_that_single_precision_does_not_hold_is_refused(make, eps):
    with pytest.raises(ValueError, match="eps is"):
        make(eps=eps)
    with pytest.raises(ValueError, match="eps is"):
        an.BatchNorm(3, eps=eps)
