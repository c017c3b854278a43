"""What a newcomer types: fresh weights by default, and other libraries' names for arguments."""

import copy
import pickle

import numpy as np
import pytest

import affinet as an


def test_two_layers_made_with_defaults_differ():
    assert not np.array_equal(an.Affine.init(6, 8).W, an.Affine.init(6, 8).W)
    seeded = [an.Affine.init(6, 8, rng=0).W for _ in range(2)]
    assert np.array_equal(*seeded)


def test_sizes_instead_of_arrays_name_the_constructor_for_sizes():
    with pytest.raises(TypeError, match=r"use Affine\.init\(6, 8\)"):
        an.Affine(6, 8)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: an.Adam(learning_rate=0.1), "lr"),
        (lambda: an.Adam(beta_1=0.9), "beta1"),
        (lambda: an.Adam(betas=(0.9, 0.999)), "beta1 and beta2"),
        (lambda: an.SGD(learning_rate=0.1), "lr"),
        (lambda: an.RMSprop(rho=0.9), "decay"),
        (lambda: an.Dropout(rate=0.5), "p"),
        (lambda: an.LeakyReLU(negative_slope=0.1), "slope"),
        (lambda: an.BatchNorm(num_features=3), "n"),
        (lambda: an.LayerNorm(normalized_shape=3), "n"),
        (lambda: an.Quantile(tau=0.5), "q"),
    ],
)
def test_a_foreign_name_gets_affinets(make, name):
    with pytest.raises(TypeError, match=rf"affinet's name for it is {name}$"):
        make()


def test_an_unknown_name_is_refused_as_ever():
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        an.Adam(colour="red")


def test_an_own_layer_may_use_any_name():
    class Scale(an.ReLU):
        def __init__(self, rate):
            super().__init__()
            self.rate = rate

    assert Scale(rate=2).rate == 2
    for twin in (copy.deepcopy(an.Dropout(p=0.5)), pickle.loads(pickle.dumps(an.Dropout(p=0.5)))):
        assert twin.p == 0.5
