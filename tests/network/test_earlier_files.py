"""What earlier versions wrote is read to the bit: pickles, model files and checkpoints.

``tests/data/earlier`` holds them, with the program that wrote them.
"""

import copy
import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest

import affinet as an

FILES = Path(__file__).parents[1] / "data" / "earlier"
MADE = runpy.run_path(str(FILES / "make.py"))


@pytest.fixture(scope="module")
def expected():
    with np.load(FILES / "expected.npz") as arrays:
        return {name: a.astype(a.dtype.newbyteorder("=")) for name, a in arrays.items()}


@pytest.fixture
def pickled():
    return pickle.loads((FILES / "network.pickle").read_bytes())


def assert_same_model(net, expected):
    for name, array in net.params.items():
        np.testing.assert_array_equal(array, expected[name], strict=True)
    norm = net.layers[1]
    np.testing.assert_array_equal(norm.running_mean, expected["1.running_mean"], strict=True)
    np.testing.assert_array_equal(norm.running_var, expected["1.running_var"], strict=True)
    outputs = net.predict(MADE["data"]()[0])
    np.testing.assert_allclose(outputs, expected["outputs"], rtol=1e-5, atol=1e-6)


def test_a_pickled_network(pickled, expected):
    net = pickled["net"]
    assert_same_model(net, expected)
    assert repr(net) == repr(MADE["build"]())
    assert net.metadata == {"note": "written before networks could nest"}
    assert net.history.steps == 8
    assert net.history.step_kind == "fused"
    assert net.layers[0].W is net.params["0.W"]
    with pytest.raises(ValueError, match="another network"):
        an.Sequential(net.layers[0])


def test_a_pickle_of_a_machine_with_the_other_order_of_bytes(pickled):
    """NumPy makes the arrays native, not the dtypes that are pickled by themselves."""
    net, swapped = pickled["net"], pickled["net"].params.flat.dtype.newbyteorder("S")
    x, _ = MADE["data"]()
    moved = an.Sequential.__new__(an.Sequential)
    moved.__setstate__(copy.deepcopy(net.__getstate__()) | {"_dtype": swapped})
    for name in ("predict", "forward"):
        found = getattr(moved, name)(x)
        assert found.dtype.isnative
        np.testing.assert_array_equal(found, getattr(net, name)(x), strict=True)
    make, (shapes, _, flat, penalized) = net.params.__reduce__()
    assert make(shapes, swapped, flat.astype(swapped), penalized).flat.dtype.isnative


def test_a_pickled_network_trains_on_with_its_optimizer_and_callback(pickled):
    net, optimizer, stop = pickled.values()
    history = MADE["train"](net, optimizer, 3, [stop])
    assert (history.steps, history.step_kind) == (3, "fused")
    assert optimizer.state_of(net.params.flat).step == 11


def test_a_pickled_optimizer(pickled, expected):
    found = MADE["arrays"](pickled["net"], pickled["optimizer"])
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name], strict=True)


def test_a_model_file(expected):
    net = an.load(FILES / "model.npz")
    assert_same_model(net, expected)
    assert net.metadata == {"note": "written before networks could nest"}
    assert (net.input_scale, net.layers[2].slope, net.layers[3].p) == (0.5, 0.2, 0.25)


def test_a_checkpoint_gives_back_all_that_it_held(expected):
    """A training that is to end where the checkpoint stands makes no step of its own."""
    net, optimizer = MADE["build"](), an.Adam(0.9)
    stop = an.EarlyStopping("loss", patience=9)
    history = MADE["train"](net, optimizer, 8, [stop], resume=FILES / "checkpoint.npz")
    assert history.steps == optimizer.state_of(net.params.flat).step == 8
    assert optimizer.lr == 0.05
    for name, array in MADE["arrays"](net, optimizer).items():
        np.testing.assert_array_equal(array, expected[name], strict=True)


def test_a_training_goes_on_from_a_checkpoint(expected):
    """To which numbers is the kernels' affair: their last bits may change."""
    net, optimizer = MADE["build"](), an.Adam(0.05)
    stop = an.EarlyStopping("loss", patience=9, restore_best=False)
    resume = FILES / "checkpoint.npz"
    history = MADE["train"](net, optimizer, 12, [stop], resume=resume)
    assert (history.steps, len(history.epochs)) == (12, 4)
    assert optimizer.state_of(net.params.flat).step == 12
    assert np.isfinite(net.params.flat).all()
    assert (net.params["0.W"] != expected["0.W"]).any()
