"""What distinguishes the networks and the training of the published methods."""

import numpy as np
import pytest

from affinet.tables import Table
from affinet.tabular import build, encode, optimizer_for, recipe_for
from affinet.tabular.options import WholeBatches, fit_options

RNG = np.random.default_rng(7)


def of_method(method, preset="default"):
    table = Table(
        "t",
        {
            "a": RNG.standard_normal(60),
            "b": [f"c{k % 4}" for k in range(60)],
            "y": RNG.standard_normal(60),
        },
    )
    recipe = recipe_for(method, preset, "regression", n_rows=60)
    encoding = encode(recipe, table, "y")
    x, t = encoding.inputs(table), encoding.targets(table)
    return recipe, build(recipe, encoding, x, t, seed=0)


@pytest.mark.parametrize(("preset", "name"), [("default", "0.r"), ("fast", "0.s")])
def test_a_member_of_tabm_has_one_sign_for_each_column(preset, name):
    recipe, net = of_method("tabm", preset)
    signs = net.params[name]
    assert signs.shape == (recipe.members, 5)  # a number, and a column of four categories
    assert set(np.unique(signs)) == {-1, 1}
    np.testing.assert_array_equal(signs[:, 1:], np.repeat(signs[:, 1:2], 4, axis=1))
    assert not (signs[:, 0] == signs[:, 1]).all()


def test_only_biases_of_tabm_do_not_decay():
    recipe, net = of_method("tabm")
    optimizer = optimizer_for(recipe, net)
    before = {name: np.array(array) for name, array in net.params.items()}
    optimizer.lr, optimizer.weight_decay = 0.5, 0.5
    optimizer.update(net.params, {name: np.zeros_like(array) for name, array in before.items()})
    for name, array in before.items():
        factor = 1.0 if name.endswith(".b") else 0.75
        np.testing.assert_allclose(net.params[name], factor * array, rtol=1e-6)


def test_realmlp_leaves_out_what_does_not_fill_a_batch():
    recipe, net = of_method("realmlp-s")
    sampler = fit_options(recipe, net, None)["sampler"]
    assert repr(sampler) == "WholeBatches(rows=256)"
    for n_rows, kept in ((255, 255), (256, 256), (511, 256), (512, 512), (700, 512)):
        order = sampler(0, n_rows, np.random.default_rng(0))
        assert len(order) == len(np.unique(order)) == kept
    first, second = (WholeBatches(2)(0, 5, np.random.default_rng(k)) for k in (0, 1))
    assert set(first) != set(second)
