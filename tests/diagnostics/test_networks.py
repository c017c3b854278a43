"""Diagnostics of networks, against closed forms and against the layers themselves."""

import copy
import math

import numpy as np
import pytest

import affinet as an
from affinet.diagnostics import (
    activation_functions,
    dead_relu,
    dead_units,
    derivative_bound,
    network_regions,
    overfitting,
    three_steps,
    vanishing_gradient,
)
from affinet.diagnostics.dead import Cause
from affinet.diagnostics.generalization import Remedy, with_wrong_labels
from affinet.network.inner import errors, outputs
from parts.activations import ACTIVATIONS
from tolerance import assert_close

# Walks -------------------------------------------------------------------------------------------


def test_a_walk_is_a_forward_and_a_backward():
    net = an.Sequential(
        an.Affine.init(5, 4, rng=0), an.Tanh(), an.Affine.init(4, 3, rng=1),
        loss=an.SoftmaxWithLoss(), input_scale=0.5,
    )  # fmt: skip
    x, t = np.random.default_rng(2).standard_normal((6, 5)), np.arange(6) % 3
    loss = net.forward(x, t)
    dx = net.backward(need_dx=True)
    gradients = net.grads.flat.copy()
    outs = outputs(net, x)
    assert net.loss.forward(outs[-1], t) == loss
    passed = errors(net, net.loss.backward())
    assert (net.grads.flat == gradients).all()
    assert (passed[0] == dx).all()
    assert [error.shape for error in passed] == [(6, 5), (6, 4), (6, 4), (6, 3)]


# Three steps -------------------------------------------------------------------------------------


def test_every_matrix_of_a_step_follows_from_those_before_it():
    found = three_steps()
    first, relu, second = found.layers
    W1, b1, W2, b2 = (layer.before[name] for layer in (first, second) for name in "Wb")
    assert_close(first.out, found.x @ W1 + b1, reduction=3, scale=np.abs(found.x) @ np.abs(W1))
    assert (relu.out == np.maximum(first.out, 0)).all()
    assert_close(second.out, relu.out @ W2 + b2, reduction=4, scale=relu.out @ np.abs(W2))
    y = np.exp(second.out) / np.exp(second.out).sum(axis=1, keepdims=True)
    assert_close(found.y, y, reduction=4)
    assert_close(found.loss, -np.log(y[[0, 1], found.t]).mean(), reduction=4, scale=4.0)
    assert_close(second.dout, (y - np.eye(2)[found.t]) / 2, reduction=4, scale=1.0)
    assert (relu.dout == second.dx).all()
    assert (first.dout == relu.dx).all()
    assert_close(second.dx, second.dout @ W2.T, reduction=2, scale=1.0)
    assert_close(relu.dx, relu.dout * (first.out > 0))
    assert_close(first.dx, first.dout @ W1.T, reduction=3, scale=1.0)
    for layer, x in ((first, found.x), (second, relu.out)):
        assert_close(layer.gradients["W"], x.T @ layer.dout, reduction=2, scale=1.0)
        assert_close(layer.gradients["b"], layer.dout.sum(axis=0), reduction=2, scale=1.0)
        for name in "Wb":
            after = layer.before[name] - 0.5 * layer.gradients[name]
            assert_close(layer.after[name], after, scale=1.0)
    assert found.loss_after < found.loss
    assert (relu.out == 0).any()  # so that the picture shows what a ReLU blocks
    assert (relu.out > 0).any()


def test_a_net_of_ones_own_is_left_alone():
    parts = an.Affine.init(3, 20, rng=0), an.Dropout(0.5, rng=0)
    net = an.Sequential(*parts, loss=an.MeanSquaredError())
    before, rule = net.params.flat.copy(), an.Adam(0.1)
    found = three_steps(net, np.ones((2, 3)), np.zeros((2, 20)), optimizer=rule)
    assert (net.params.flat == before).all()
    assert found.y is None
    assert not (found.layers[0].after["W"] == found.layers[0].before["W"]).all()
    # The gradients belong to the pass that is shown: the same units were dropped.
    dropped = found.layers[1].out == 0
    assert 0 < dropped.sum() < dropped.size
    assert (found.layers[1].dx[dropped] == 0).all()
    assert any("loss after" in row for row in found.rows())


def test_a_net_without_a_batch_is_refused():
    net = an.Sequential(an.Affine.init(3, 2, rng=0), loss=an.SoftmaxWithLoss())
    with pytest.raises(ValueError, match="wanted a batch that fits the net"):
        three_steps(net)
    with pytest.raises(ValueError, match="must be given together"):
        three_steps(net, np.ones((1, 3)))
    with pytest.raises(RuntimeError, match="no loss"):
        three_steps(an.Sequential(an.Affine.init(3, 2, rng=0)), np.ones((1, 3)), [0])


# Activations -------------------------------------------------------------------------------------


def test_greatest_slopes():
    for curve in activation_functions():
        greatest, at = ACTIVATIONS[curve.name.partition("(")[0]].greatest
        assert math.isclose(curve.greatest, greatest, rel_tol=1e-7), curve.name
        if at is None:  # the whole right half-line
            assert 0 < curve.at < 0.01
        else:
            assert abs(curve.at - at) < 1e-3


def test_all_of_affinets_activations_are_there():
    names = {curve.name.partition("(")[0] for curve in activation_functions()}
    assert names == set(ACTIVATIONS)


def test_curves_are_those_of_the_layer():
    (curve,) = activation_functions(an.Tanh(), reach=2)
    assert (curve.x[0], curve.x[-1]) == (-2, 2)
    assert_close(curve.y, np.tanh(curve.x), reduction=4)
    assert_close(curve.dy, 1 - np.tanh(curve.x) ** 2, reduction=4, scale=1.0)
    # The search for the greatest derivative goes beyond what is drawn.
    assert activation_functions(an.Sigmoid(), reach=0.1)[0].greatest == 0.25


# Vanishing gradients -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gradients():
    return vanishing_gradient()


def test_errors_keep_within_their_bounds(gradients):
    known = ~np.isnan(gradients.bounds)
    assert (gradients.error_norms[known] <= gradients.bounds[known] * (1 + 1e-12)).all()
    assert (gradients.error_norms[known] > 0).all()
    for d, n in enumerate(gradients.depths):
        assert (known[:, :, d].sum(axis=-1) == n + 1).all()


def test_a_sigmoids_bound_is_a_quarter_to_the_depth_where_weights_have_norm_1():
    """A chain of single units with weights 1: the product of the slopes is all that is left."""
    n = 12
    layers = [part for _ in range(n) for part in (an.Affine(np.eye(1), np.zeros(1)), an.Sigmoid())]
    net = an.Sequential(*layers, loss=an.SumSquaredError())
    outs = outputs(net, np.array([[0.3]]))
    net.loss.forward(outs[-1], np.array([[2.0]]))
    passed = [float(error[0, 0]) for error in errors(net, net.loss.backward())]
    slopes = [float(out[0, 0] * (1 - out[0, 0])) for out in outs[1::2]]
    assert math.isclose(passed[0] / passed[-1], math.prod(slopes), rel_tol=1e-12)
    assert passed[0] / passed[-1] <= derivative_bound(np.array([n]))[0] == 4.0**-n


def test_bounds_are_the_greatest_slope_times_the_norms_of_the_weights():
    data = an.datasets.load_digits()[0][0][:8], an.datasets.load_digits()[0][1][:8]
    found = vanishing_gradient([2], layers=[an.Sigmoid()], initializations={"a": 0.3}, data=data)
    rng = np.random.default_rng(0)
    shapes = [(64, 64), (64, 64), (64, int(data[1].max()) + 1)]
    gains = [np.linalg.norm(0.3 * rng.standard_normal(shape), 2) for shape in shapes]
    last = found.error_norms[0, 0, 0, 2]
    wanted = [last * 0.25**2 * gains[1] * gains[2], last * 0.25 * gains[2], last]
    np.testing.assert_allclose(found.bounds[0, 0, 0], wanted, rtol=1e-12)


def test_sigmoids_lose_the_error_and_others_keep_it(gradients):
    shares = gradients.shares
    names = [name.partition("(")[0] for name in gradients.activations]
    xavier, he = 0, 1
    assert gradients.initializations[:2] == ("Xavier", "He")
    assert shares[names.index("Sigmoid"), xavier, -1] < 1e-11
    assert shares[names.index("Tanh"), xavier, -1] > 0.1
    assert shares[names.index("ReLU"), he, -1] > 0.1
    assert (gradients.weight_norms[:, 2, -1, 0] < 1e-20).all()  # all of them, for 0.01


def test_norms_are_those_of_the_networks_gradients(gradients):
    """The net of one hidden layer, built by hand from the same seed."""
    rng = np.random.default_rng(0)
    W = [rng.standard_normal((64, 64)) * math.sqrt(2 / 64) for _ in range(20)]
    W.append(rng.standard_normal((64, 10)) * math.sqrt(2 / 64))  # He
    net = an.Sequential(
        an.Affine(W[0], np.zeros(64)), an.ReLU(), an.Affine(W[-1], np.zeros(10)),
        loss=an.SoftmaxWithLoss(),
    )  # fmt: skip
    x, t = (part[:64] for part in an.datasets.load_digits()[0])
    net.forward(x, t)
    net.backward()
    wanted = [np.linalg.norm(net.grads["0.W"]), np.linalg.norm(net.grads["2.W"])]
    np.testing.assert_allclose(gradients.weight_norms[2, 1, 0, :2], wanted, rtol=1e-12)
    out = np.maximum(x.astype(float) @ W[0], 0)
    assert gradients.outputs.shape == (4, 3, 20, 64, 64)
    np.testing.assert_allclose(gradients.outputs[2, 1, 0], out, rtol=0, atol=1e-12)


def test_settings_of_vanishing_gradients_are_checked():
    for bad in ([], [0]):
        with pytest.raises(ValueError, match="depths"):
            vanishing_gradient(bad)
    with pytest.raises(ValueError, match="initializations"):
        vanishing_gradient([1], initializations={"none": 0.0})
    with pytest.raises(TypeError, match="wanted activations"):
        vanishing_gradient([1], layers=[an.Dropout(0.5)])


# Dead units --------------------------------------------------------------------------------------


def biased(kind, bias):
    layer = an.Affine.init(4, len(bias), rng=0)
    layer.b[...] = bias
    return an.Sequential(
        layer, kind, an.Affine.init(len(bias), 3, rng=1), loss=an.SoftmaxWithLoss()
    )


def test_dead_units_are_those_that_no_row_makes_fire():
    bias = [0.0, -100.0, 0.0, -100.0, 100.0]
    x, t = np.random.default_rng(0).random((50, 4)) - 0.5, np.arange(50) % 3
    net = biased(an.ReLU(), bias)
    (dead,) = dead_units(net, x)
    assert dead.tolist() == [False, True, False, True, False]
    net.forward(x, t)
    assert [out.tolist() for out in dead_units(net, x[:1])]  # does not disturb the backward
    net.backward()
    assert ((net.grads["0.W"] == 0).all(axis=0) == dead).all()
    assert ((net.grads["0.b"] == 0) == dead).all()
    leaky = biased(an.LeakyReLU(0.1), bias)
    assert dead_units(leaky, x)[0].tolist() == dead.tolist()
    leaky.forward(x, t)
    leaky.backward()
    assert (leaky.grads["0.b"] != 0).all()
    with pytest.raises(ValueError, match="x has shape"):
        dead_units(net, x[:0])


def test_relus_that_start_dead_stay_dead_and_leaky_ones_come_back():
    far = Cause("far", 0.002, -5.0)  # every unit of every layer is dead
    found = dead_relu(hidden=[16, 16], epochs=12, seeds=[0, 1], causes=[far])
    relu, leaky = found.shares[0]
    assert (relu == 1).all()
    assert (leaky[:, 0] == 1).all()
    assert (leaky[:, -1] < 1).any()
    assert (found.accuracies[0, 0] < 0.2).all()  # the best constant


def test_both_causes_kill_and_the_cure_helps():
    found = dead_relu()
    relu, leaky = found.shares[:, 0].mean(axis=1), found.shares[:, 1].mean(axis=1)
    assert (relu[0, 0] < 0.1).all()  # before the rate strikes
    assert (relu[0, -1] > 0.3).all()
    assert (leaky[:, -1] < relu[:, -1]).all()
    assert found.accuracies[1, 0].max() < 0.2
    assert found.accuracies[1, 1].min() > 0.95
    assert len(found.rows()) == 5


def test_settings_of_dead_units_are_checked():
    for name in ("hidden", "seeds", "causes"):
        with pytest.raises(ValueError, match=name):
            dead_relu(**{name: []})
    with pytest.raises(ValueError, match="slope"):
        dead_relu(slope=-1)


# Overfitting -------------------------------------------------------------------------------------


def test_the_gap_is_the_difference_of_the_accuracies():
    remedies = [Remedy("none", 0, 0, 0), Remedy("drop", 0.5, 0, 0)]
    found = overfitting(n_rows=60, label_noise=0.0, epochs=60, seeds=[0, 1], remedies=remedies)
    assert found.train.shape == found.test.shape == (2, 2, 60)
    gaps = found.train[:, :, -1].mean(axis=1) - found.test[:, :, -1].mean(axis=1)
    assert_close(found.gaps, gaps, reduction=4, scale=1.0)
    assert (found.train[0, :, -1] == 1).all()  # memorized
    assert found.rows()[1][3] == f"{gaps[0]:.3f}"


def test_remedies_close_the_gap():
    found = overfitting(seeds=[0, 1])
    nothing, decay, dropout, both = found.gaps
    assert nothing > 0.25
    assert max(decay, dropout, both) < nothing / 2
    test = found.test[:, :, -1].mean(axis=1)
    assert (test[1:] > test[0]).all()


def test_wrong_labels_are_as_many_as_asked_for():
    t = np.arange(1000) % 10
    for share in (0.0, 0.2, 0.999):
        wrong = with_wrong_labels(t, share, 0)
        assert (wrong != t).sum() == round(1000 * share)
        assert set(wrong) <= set(range(10))
    assert (t == np.arange(1000) % 10).all()


def test_settings_of_overfitting_are_checked():
    with pytest.raises(ValueError, match="n_rows is 2000, wanted at most 1438"):
        overfitting(n_rows=2000)
    with pytest.raises(ValueError, match="label_noise"):
        overfitting(label_noise=1.0)
    for name in ("hidden", "seeds", "remedies"):
        with pytest.raises(ValueError, match=name):
            overfitting(**{name: []})


# Regions -----------------------------------------------------------------------------------------


def test_a_net_without_a_hidden_layer_gets_at_most_three_corners_of_four():
    linear, wide, deep = network_regions(["XOR"]).trials[0]
    noise = 0.05  # some points of a corner lie beyond the line
    assert linear.train <= 0.75 + noise
    assert min(wide.train, wide.test, deep.train, deep.test) > 0.97
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    assert wide.net.predict(corners).argmax(axis=1).tolist() == [0, 1, 1, 0]
    assert (linear.net.predict(corners).argmax(axis=1) == [0, 1, 1, 0]).sum() <= 3


def test_hidden_layers_are_needed_for_every_problem():
    found = network_regions()
    for linear, wide, deep in found.trials:
        assert linear.test < 0.9
        assert min(wide.test, deep.test) > 0.97
        sizes = [wide.net.params.flat.size, deep.net.params.flat.size]
        assert max(sizes) < 1.3 * min(sizes)  # form decides, not size
    assert len(found.rows()) == 10


def test_settings_of_regions_are_checked():
    for bad in ([], ["AND"], "XOR"):
        with pytest.raises(ValueError, match="problems"):
            network_regions(bad)
    with pytest.raises(ValueError, match="widths"):
        network_regions(widths={})


# All of them -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "work",
    [
        lambda: vanishing_gradient([1, 3]).weight_norms,
        lambda: dead_relu(hidden=[8], epochs=2, seeds=[0]).shares,
        lambda: overfitting(epochs=2, seeds=[0]).test,
        lambda: network_regions(["XOR"], steps=30).trials[0][1].net.params.flat,
        lambda: three_steps().layers[0].out,
    ],
)
def test_numbers_are_the_same_every_time(work):
    first = copy.deepcopy(work())
    assert np.array_equal(first, work(), equal_nan=True)
