"""Groups of parameters: which parameters they are, and what their factors do."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest

import affinet as an
from affinet.optimizers.groups import Factors, factors_of, segments_of
from parts.optimizers import CLASSES, SETTINGS, decays

PARAMS = {"0.W": (3, 2), "0.b": (2,), "2.gamma": (2,), "2.beta": (2,), "3.W": (2, 4), "3.b": (4,)}


def arrays(seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape).astype(dtype) for name, shape in PARAMS.items()}


def network(dtype=np.float64):
    return an.Sequential(
        an.Affine.init(3, 2, rng=0, dtype=dtype),
        an.ReLU(),
        an.LayerNorm(2, dtype=dtype),
        an.Affine.init(2, 4, rng=1, dtype=dtype),
        loss=an.SoftmaxWithLoss(),
    )


# Which parameters --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        ("*.b", ["0.b", "3.b"]),
        ("0.*", ["0.W", "0.b"]),
        ("3.W", ["3.W"]),
        (["3.W", "*.beta"], ["2.beta", "3.W"]),
        (("?.[bg]*",), ["0.b", "2.gamma", "2.beta", "3.b"]),
        ("*", list(PARAMS)),
    ],
)
def test_patterns(patterns, wanted):
    group = an.Group(patterns, lr=2.0)
    assert [name for name in PARAMS if group.matches(name)] == wanted
    factors = factors_of(tuple(PARAMS), (group,), frozenset())
    assert factors == tuple(Factors(2.0 if name in wanted else 1.0) for name in PARAMS)


def test_patterns_tell_upper_from_lower_case():
    assert not an.Group("*.w").matches("0.W")


def test_the_first_group_that_matches_counts():
    groups = (an.Group("0.*", 2.0, 3.0), an.Group("*.b", 5.0, 7.0))
    assert factors_of(("0.W", "0.b", "1.b"), groups, frozenset()) == ((2, 3), (2, 3), (5, 7))


def test_neighbours_with_the_same_factors_are_one_segment():
    one, two = Factors(), Factors(2.0)
    assert segments_of([3, 4, 5, 6], [one, one, two, one]) == (
        (0, 7, 1.0, 1.0, 0),
        (7, 12, 2.0, 1.0, 0),
        (12, 18, 1.0, 1.0, 0),
    )
    assert segments_of([3, 0, 5], [one, two, one]) == ()
    assert segments_of([3, 4, 6], [one] * 3, [0, 0, 2]) == (
        (0, 7, 1.0, 1.0, 0),
        (7, 13, 1.0, 1.0, 2),
    )
    assert segments_of([3, 4], [two, two]) == ((0, 7, 2.0, 1.0, 0),)


def test_segments_of_a_network():
    net = network()
    assert an.SGD(groups=[an.Group("*.b")]).segments(net.params) == ()
    assert an.SGD(groups=[an.Group("2.*", 2.0)]).segments(net.params) == (
        (0, 8, 1.0, 1.0, 0),
        (8, 12, 2.0, 1.0, 0),
        (12, 24, 1.0, 1.0, 0),
    )
    assert an.SGD(decay_bias=False).segments(net.params) == (
        (0, 6, 1.0, 1.0, 0),
        (6, 12, 1.0, 0.0, 0),
        (12, 20, 1.0, 1.0, 0),
        (20, 24, 1.0, 0.0, 0),
    )


class Gain:
    """A matrix that no penalty is meant for."""

    parameters = ("W", "M")
    penalized = ("M",)

    def __init__(self):
        self.W, self.M = np.ones((2, 2)), np.ones((2, 2))

    def forward(self, x, train=True):
        return x

    def backward(self, dout):
        self.dW, self.dM = np.zeros((2, 2)), np.zeros((2, 2))
        return dout


def test_decay_bias_goes_by_what_layers_penalize():
    net = an.Sequential(Gain(), loss=an.MeanSquaredError())
    assert net.params.penalized == {"0.M"}
    optimizer = an.SGD(0.5, weight_decay=1.0, decay_bias=False)
    for twin in (net, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        optimizer.update(twin.params, {"0.W": np.zeros((2, 2)), "0.M": np.zeros((2, 2))})
        assert (twin.params["0.W"] == 1).all()
        assert (twin.params["0.M"] == 0.5).all()


def test_decay_bias_in_a_plain_mapping_goes_by_dimensions():
    params = {"W1": np.ones((2, 2)), "b1": np.ones(2), "scale": 1.0}
    grads = {"W1": np.zeros((2, 2)), "b1": np.zeros(2), "scale": 0.0}
    for make in (an.SGD, an.AdamW, an.Lion):
        own = copy.deepcopy(params)
        make(0.5, weight_decay=0.5, decay_bias=False).update(own, grads)
        assert (own["W1"] == 0.75).all()
        assert (own["b1"] == 1).all()
        assert own["scale"] == 1


# What the factors do -----------------------------------------------------------------------------


def test_by_hand():
    params = {"W": np.array([1.0]), "b": np.array([1.0])}
    grads = {"W": np.array([2.0]), "b": np.array([2.0])}
    optimizer = an.SGD(0.1, 0.5, groups=[an.Group("b", lr=3.0, weight_decay=0.2)])
    optimizer.update(params, grads)
    assert params["W"] == pytest.approx(1 - 0.1 * (2 + 0.5))
    assert params["b"] == pytest.approx(1 - 0.3 * (2 + 0.1))


def test_decoupled_decay_has_both_factors():
    """W -= (lr 3) (decay 0.5) W; the gradient is 0."""
    for make in (an.AdamW, an.Lion):
        params, grads = {"W": np.array([1.0])}, {"W": np.array([0.0])}
        group = an.Group("W", lr=3.0, weight_decay=0.5)
        make(0.1, weight_decay=0.2, groups=[group]).update(params, grads)
        assert params["W"] == pytest.approx(1 - 0.3 * 0.1)


def separate(make, params, grads_of_steps, groups):
    """One optimizer for each parameter, with the numbers of its group."""
    optimizers = {}
    for name in params:
        optimizers[name] = own = make(0.05)
        group = next((group for group in groups if group.matches(name)), an.Group(name))
        own.lr *= group.lr
        if decays(own):
            own.weight_decay *= group.weight_decay
    for grads in grads_of_steps:
        for name, optimizer in optimizers.items():
            optimizer.update(params[name], grads[name])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SETTINGS)
def test_groups_are_separate_optimizers(name, dtype):
    """To the bit, for a mapping of arrays and for a network's flat buffer."""
    make = SETTINGS[name]
    decay = 0.3 if decays(make(0.1)) else 1.0
    groups = [an.Group("*.b", lr=0.3), an.Group(["0.*", "2.beta"], lr=7.0, weight_decay=decay)]
    steps = [arrays(step, dtype) for step in range(1, 5)]
    wanted, mapping, net = arrays(0, dtype), arrays(0, dtype), network(dtype)
    net.params.update(mapping)
    separate(make, wanted, steps, groups)
    for params in (mapping, net.params):
        optimizer = make(0.05)
        optimizer.groups = groups
        for grads in steps:
            optimizer.update(params, grads)
        for key, value in wanted.items():
            np.testing.assert_array_equal(params[key], value, key)
    assert optimizer.state_of(net.params.flat).step == 4


def test_python_floats_have_groups_too():
    params = {"W": 1.0, "b": 1.0}
    an.SGD(0.1, groups=[an.Group("b", lr=3.0)]).update(params, {"W": 1.0, "b": 1.0})
    assert params == {"W": pytest.approx(0.9), "b": pytest.approx(0.7)}


class SignDescent(an.Optimizer):
    """A custom rule, with a weight decay."""

    n_averages = 1

    def __init__(self, lr, weight_decay=0.5, groups=None):
        super().__init__(lr, groups)
        self.weight_decay = weight_decay

    def _apply(self, dW, W, state):
        state.averages[0] += 1
        W -= self.lr * (np.sign(dW) + self.weight_decay * W) / state.averages[0]


def test_a_custom_rule_has_groups():
    groups = [an.Group("*.b", lr=0.5, weight_decay=0.0)]
    steps = [arrays(step) for step in range(1, 4)]
    wanted, mapping, net = arrays(0), arrays(0), network()
    net.params.update(mapping)
    separate(SignDescent, wanted, steps, groups)
    for params in (mapping, net.params):
        optimizer = SignDescent(0.05, groups=groups)
        for grads in steps:
            optimizer.update(params, grads)
        for key, value in wanted.items():
            np.testing.assert_array_equal(params[key], value, key)
    assert (optimizer.lr, optimizer.weight_decay) == (0.05, 0.5)


def test_groups_may_change_between_updates():
    params, optimizer = {"W": np.array([1.0])}, an.SGD(0.1)
    optimizer.update(params, {"W": np.array([1.0])})
    optimizer.groups = [an.Group("W", lr=5.0)]
    optimizer.update(params, {"W": np.array([1.0])})
    optimizer.groups = None
    optimizer.update(params, {"W": np.array([1.0])})
    assert params["W"] == pytest.approx(1 - 0.1 - 0.5 - 0.1)


@pytest.mark.parametrize("name", SETTINGS)
def test_copies_keep_their_groups(name):
    groups = (an.Group("*.b", lr=0.3), an.Group(["0.*"], lr=7.0))
    optimizer = SETTINGS[name](0.05)
    optimizer.groups = groups
    params = arrays(0)
    optimizer.update(params, arrays(1))
    for twin in (copy.copy, copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))):
        other, own = twin((optimizer, params)) if twin is not copy.copy else (optimizer, params)
        other = copy.copy(other) if twin is copy.copy else other
        assert other.groups == groups
        assert repr(other) == repr(optimizer)
        assert own is params or other is not optimizer


def test_an_optimizer_pickled_before_there_were_groups():
    optimizer = an.AdamW()
    old = {k: v for k, v in optimizer.__getstate__().items() if k not in ("_groups", "decay_bias")}
    twin = an.AdamW.__new__(an.AdamW)
    twin.__setstate__(old)
    assert twin.groups == ()
    assert twin.decay_bias
    twin.update(np.ones(2), np.ones(2))


def test_representations():
    group = an.Group(["*.b", "3.W"], 0.1)
    assert repr(group) == "Group(['*.b', '3.W'], lr=0.1, weight_decay=1.0)"
    assert repr(an.Group("*.b", weight_decay=0)) == "Group('*.b', lr=1.0, weight_decay=0.0)"
    assert eval(repr(group), {"Group": an.Group}) == group
    assert repr(an.SGD(decay_bias=False, groups=[an.Group("0.b")])) == (
        "SGD(lr=0.01, weight_decay=0.0, decay_bias=False, "
        "groups=[Group('0.b', lr=1.0, weight_decay=1.0)])"
    )


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: an.Group(3), TypeError, "parameters is 3, wanted a name or a sequence"),
        (lambda: an.Group([]), ValueError, r"parameters is \[\], wanted at least one"),
        (lambda: an.Group(["*.b", 3]), TypeError, "parameters has 3, wanted names"),
        (lambda: an.Group("*.b", lr=-1), ValueError, "lr is -1"),
        (lambda: an.Group("*.b", lr=np.nan), ValueError, "lr is nan"),
        (lambda: an.Group("*.b", weight_decay=np.inf), ValueError, "weight_decay is inf"),
        (lambda: an.Group("*.b", lr="a"), TypeError, "lr is 'a'"),
        (lambda: an.SGD(groups=3), TypeError, "groups is 3, wanted a list"),
        (lambda: an.SGD(groups=an.Group("*")), TypeError, "groups is Group.*wanted a list"),
        (lambda: an.SGD(groups=["*.b"]), TypeError, r"groups\[0\] is '\*.b', wanted a Group"),
    ],
)
def test_arguments_that_are_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_groups_want_names():
    W = np.ones(2)
    with pytest.raises(TypeError, match=r"params is an array, but SGD has groups.*mapping"):
        an.SGD(groups=[an.Group("*")]).update(W, W)
    with pytest.raises(TypeError, match=r"but AdamW has decay_bias=False.*mapping"):
        an.AdamW(decay_bias=False).update(W, W)
    assert (W == 1).all()


@pytest.mark.parametrize("params", [arrays(0), network().params], ids=["mapping", "network"])
def test_a_pattern_that_matches_nothing(params):
    before = {name: array.copy() for name, array in params.items()}
    optimizer = an.SGD(groups=[an.Group(["*.b", "4.W"])])
    with pytest.raises(ValueError, match=r"'4\.W' matches no parameter, wanted one of 0\.W, 0\.b"):
        optimizer.update(params, before)
    for name, array in before.items():
        np.testing.assert_array_equal(params[name], array)


@pytest.mark.parametrize("make", [cls for cls in CLASSES if not decays(cls(0.1))])
def test_a_decay_that_the_rule_lacks(make):
    params = arrays(0)
    optimizer = make(groups=[an.Group("*.b", weight_decay=0.5)])
    with pytest.raises(ValueError, match=rf"{make.__name__} has no weight decay to multiply"):
        optimizer.update(params, arrays(1))


def test_attributes_that_are_mistyped():
    with pytest.raises(AttributeError, match="no attribute 'group'"):
        an.SGD().group = []
    with pytest.raises(TypeError, match="Group"):
        partial(an.Group, "*", rate=3)()
