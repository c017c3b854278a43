"""Networks with branches in the compiled pass and step: the same bits as layer by layer."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import affinet as an
from parts.activations import ACTIVATIONS


class OwnSoftmax(an.SoftmaxWithLoss):
    """What fit cannot know, so that it trains layer by layer."""


ANY_WIDTH = {name: row.make for name, row in ACTIVATIONS.items()} | {
    "Dropout": lambda: an.Dropout(0.3, rng=0)
}
NORMS = {"BatchNorm": an.BatchNorm, "LayerNorm": an.LayerNorm}


def affine(n_inputs, n_outputs, dtype, seed):
    return an.Affine.init(n_inputs, n_outputs, rng=seed, activation="tanh", dtype=dtype)


@st.composite
def chains(draw, width, dtype, depth, most=4):
    """Layers in a row that take ``width`` numbers, and how many they return."""
    layers = []
    for _ in range(draw(st.integers(1, most))):
        kind = draw(st.sampled_from(["Affine", "Residual", *ANY_WIDTH, *NORMS]))
        if kind == "Affine":
            wider = draw(st.integers(1, 9))
            layers.append(affine(width, wider, dtype, draw(st.integers(0, 99))))
            width = wider
        elif kind in NORMS:
            layers.append(NORMS[kind](width, dtype=dtype))
        elif kind == "Residual" and depth > 0:
            inside, returned = draw(chains(width, dtype, depth - 1))
            projection = None
            if returned != width or draw(st.booleans()):
                projection = affine(width, returned, dtype, draw(st.integers(0, 99)))
            layers.append(an.Residual(*inside, projection=projection))
            width = returned
        elif kind in ANY_WIDTH:
            layers.append(ANY_WIDTH[kind]())
    return layers or [an.Tanh()], width


@st.composite
def networks(draw, dtype):
    """A network of three inputs with branches, and a softmax over its outputs."""
    layers, width = draw(chains(3, dtype, 3))
    return an.Sequential(*layers, affine(width, 4, dtype, 1), loss=an.SoftmaxWithLoss())


def layer_by_layer(net):
    twin = copy.deepcopy(net)
    twin.loss = OwnSoftmax()
    return twin


@settings(deadline=None, derandomize=True, max_examples=120)
@given(st.data())
def test_any_nest_trains_alike(data):
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    net = data.draw(networks(dtype))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x, t = rng.standard_normal((12, 3)).astype(dtype), rng.integers(0, 4, 12)
    options = {
        "steps": data.draw(st.integers(1, 4)),
        "batch_size": data.draw(st.sampled_from([3, 4, 12])),
        "seed": data.draw(st.integers(0, 99)),
        "l2": data.draw(st.sampled_from([0.0, 0.2])),
        "clip_norm": data.draw(st.sampled_from([None, 0.5])),
        "clip_value": data.draw(st.sampled_from([None, 0.1])),
    }
    other = layer_by_layer(net)
    fused = net.fit(x, t, optimizer=an.Momentum(0.01, 0.5), **options)
    layered = other.fit(x, t, optimizer=an.Momentum(0.01, 0.5), **options)
    assert (fused.step_kind, fused.step_reason) == ("fused", None)
    assert layered.step_kind == "layer by layer"
    assert fused["loss"] == pytest.approx(layered["loss"], rel=1e-12)
    for name, array in net._arrays().items():
        np.testing.assert_array_equal(array, other._arrays()[name], name)


@settings(deadline=None, derandomize=True, max_examples=120)
@given(st.data())
def test_any_nest_predicts_alike(data):
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    net = data.draw(networks(dtype))
    x = np.random.default_rng(0).standard_normal((data.draw(st.integers(0, 40)), 3)).astype(dtype)
    out = x
    for layer in net.layers:
        out = layer.predict(out)
    np.testing.assert_array_equal(net.predict(x), out)
    for row, one in zip(x[:3], out, strict=False):
        np.testing.assert_array_equal(net.predict(row), one)


def test_a_slope_and_a_probability_inside_that_a_callback_changes():
    x, t = np.random.default_rng(0).standard_normal((12, 3)), np.arange(12) % 4
    block = an.Residual(an.LeakyReLU(0.1), affine(3, 3, "float64", 1), an.Dropout(0.2, rng=0))
    net = an.Sequential(block, affine(3, 4, "float64", 2), loss=an.SoftmaxWithLoss())
    untouched, other = copy.deepcopy(net), layer_by_layer(net)

    def change(state):
        block = state.net.layers[0]
        block.layers[0].slope, block.layers[2].p = 0.7, 0.6

    for each in (net, other):
        each.fit(x, t, epochs=3, batch_size=4, optimizer=an.SGD(0.1), callbacks=[change])
    untouched.fit(x, t, epochs=3, batch_size=4, optimizer=an.SGD(0.1))
    np.testing.assert_array_equal(net.params.flat, other.params.flat)
    assert (net.params.flat != untouched.params.flat).any()
    before = net.predict(x)
    net.layers[0].layers[0].slope = 0.05
    assert (net.predict(x) != before).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_deep_stack_of_blocks(dtype):
    blocks = [
        an.Residual(an.LayerNorm(8, dtype=dtype), affine(8, 16, dtype, k), an.GELU(),
                    affine(16, 8, dtype, k + 50))
        for k in range(20)
    ]  # fmt: skip
    net = an.Sequential(
        affine(3, 8, dtype, 0), *blocks, affine(8, 4, dtype, 1), loss=an.SoftmaxWithLoss()
    )
    other = layer_by_layer(net)
    x, t = np.random.default_rng(0).standard_normal((64, 3)), np.arange(64) % 4
    for each in (net, other):
        each.fit(x, t, epochs=2, batch_size=16, optimizer=an.SGD(0.01))
    assert net.history.step_kind == "fused"
    np.testing.assert_array_equal(net.params.flat, other.params.flat)
