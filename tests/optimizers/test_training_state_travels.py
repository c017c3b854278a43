"""However networks, estimators and optimizers are copied or moved, their training goes on."""

import copy
import gc
import io
import multiprocessing
import pickle
import weakref

import numpy as np
import pytest

import affinet as an
from parts.optimizers import OPTIMIZERS
from travelling import Halving, data, step_arrays, step_estimator, step_net, worker

LARGE = 600  # a square matrix of float32 takes 1.4 MB: loky maps such arrays from files
WAYS = [
    "copy", "deepcopy", "pickle", "pickle 2", "joblib", "joblib packed", "joblib mapped",
    "joblib mapped for writing", "cloudpickle", "loky", "spawn",
]  # fmt: skip


def moved(way, thing, path):
    """The thing after it went this way; workers have sent it back."""
    if way == "copy":
        return thing  # through copy.copy of the optimizer, see the caller
    if way == "deepcopy":
        return copy.deepcopy(thing)
    if way.startswith("pickle"):
        return pickle.loads(pickle.dumps(thing, protocol=2 if way.endswith("2") else 5))
    if way.startswith("joblib"):
        joblib = pytest.importorskip("joblib")
        joblib.dump(thing, path, compress=3 if way == "joblib packed" else 0)
        mode = {"joblib mapped": "r", "joblib mapped for writing": "r+"}.get(way)
        return joblib.load(path, mmap_mode=mode)
    if way == "cloudpickle":
        return pickle.loads(pytest.importorskip("cloudpickle").dumps(thing))
    raise AssertionError(way)


def continued(way, step, thing, path):
    """The numbers that ``step(thing)`` gives where the thing has arrived."""
    if way == "loky":
        joblib = pytest.importorskip("joblib")
        with joblib.parallel_config("loky", n_jobs=2):
            # A second one, for joblib runs a single task in this process.
            return joblib.Parallel(max_nbytes="1M")(
                joblib.delayed(step)(each) for each in (thing, thing)
            )[0]
    if way == "spawn":
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.map_async(worker, [(step, thing)]).get(timeout=120)[0]
    return step(moved(way, thing, path))


def trained_net(n, make=an.Adam):
    net = an.Sequential(
        an.Affine.init(n, n, rng=0), an.BatchNorm(n), an.ReLU(), an.Affine.init(n, 2, rng=1),
        loss=an.SoftmaxWithLoss(),
    )  # fmt: skip
    optimizer = make()
    net.fit(*data(n), epochs=3, batch_size=4, optimizer=optimizer)
    return net, optimizer


def assert_alike(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("n", [5, LARGE])
@pytest.mark.parametrize("way", WAYS)
def test_a_network_with_its_optimizer(way, n, tmp_path):
    if way == "copy":
        net, optimizer = trained_net(n)
        found = step_net((net, copy.copy(optimizer)))
    else:
        found = continued(way, step_net, trained_net(n), tmp_path / "pair")
    wanted = step_net(trained_net(n))
    assert wanted[1] == 12
    assert_alike(found, wanted)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_rule_through_joblib(name, tmp_path):
    make = getattr(an, name)
    found = continued("joblib", step_net, trained_net(5, make), tmp_path / "pair")
    assert_alike(found, step_net(trained_net(5, make)))


def trained_estimator(n, solver="adam"):
    estimators = pytest.importorskip("affinet.estimators")
    model = estimators.MLPClassifier((n,), random_state=0, solver=solver)
    for _ in range(3):
        model.partial_fit(*data(n), classes=[0, 1])
    return model


@pytest.mark.parametrize("n", [5, LARGE])
@pytest.mark.parametrize("way", [way for way in WAYS if way != "copy"])
def test_an_estimator(way, n, tmp_path):
    found = continued(way, step_estimator, trained_estimator(n), tmp_path / "model")
    wanted = step_estimator(trained_estimator(n))
    assert wanted[-1] == 4
    assert_alike(found, wanted)


def trained_arrays(n):
    rng = np.random.default_rng(3)
    params = {
        "W": rng.standard_normal((n, n)).astype("f4"),
        "b": np.zeros(n),
        "same": np.zeros(n),
        "half": rng.standard_normal(n).astype("f2"),
        "fortran": np.asfortranarray(rng.standard_normal((n, 3))),
        "number": 0.5,
    }
    optimizer = an.Adam()
    for _ in range(3):
        grads = {name: np.sin(value) + 0.1 for name, value in params.items()}
        optimizer.update(params, grads)
    optimizer.update({"b": params["b"]}, {"b": np.zeros(n)})  # "same" is one step behind
    return params, optimizer


@pytest.mark.parametrize("n", [5, LARGE])
@pytest.mark.parametrize("way", [way for way in WAYS if "mapped" not in way])
def test_an_optimizer_over_a_dict_of_arrays(way, n, tmp_path):
    if way == "copy":
        params, optimizer = trained_arrays(n)
        found = step_arrays((params, copy.copy(optimizer)))
    else:
        found = continued(way, step_arrays, trained_arrays(n), tmp_path / "pair")
    wanted = step_arrays(trained_arrays(n))
    assert wanted[-1] == [5, 6, 5, 5, 5]
    assert_alike(found, wanted)


@pytest.mark.parametrize("way", ["pickle", "joblib", "cloudpickle", "deepcopy"])
def test_parts_that_travel_in_separate_calls(way, tmp_path):
    net, optimizer = trained_net(5)
    found = step_net((moved(way, net, tmp_path / "a"), moved(way, optimizer, tmp_path / "b")))
    assert_alike(found, step_net(trained_net(5)))


@pytest.mark.parametrize("way", ["pickle", "joblib", "loky"])
def test_twice_the_way(way, tmp_path):
    pair = moved("joblib", trained_net(5), tmp_path / "a")
    assert_alike(continued(way, step_net, pair, tmp_path / "b"), step_net(trained_net(5)))
    arrays = moved("joblib", trained_arrays(5), tmp_path / "a")
    assert_alike(
        continued(way, step_arrays, arrays, tmp_path / "b"), step_arrays(trained_arrays(5))
    )


@pytest.mark.parametrize("way", ["pickle", "joblib", "deepcopy"])
def test_a_network_that_changed_between_arrival_and_the_next_step(way, tmp_path):
    """The Parameters lead to the state, not the numbers."""
    wanted, found = trained_net(5), moved(way, trained_net(5), tmp_path / "pair")
    for net, _ in (wanted, found):
        net.params.flat[...] *= 0.5
    assert_alike(step_net(found), step_net(wanted))


# What must not happen ----------------------------------------------------------------------------


def test_another_network_gets_no_state_that_travelled(tmp_path):
    _, optimizer = moved("joblib", trained_net(5), tmp_path / "pair")
    gc.collect()
    fresh = an.Sequential(an.Affine.init(5, 2, rng=8), loss=an.SoftmaxWithLoss())
    assert optimizer.state_of(fresh.params.flat).step == 0


def test_two_arrays_of_the_same_numbers_never_share_a_state():
    params, optimizer = pickle.loads(pickle.dumps(trained_arrays(5)))
    twin = params["b"].copy()
    assert optimizer.state_of(twin).step == 0  # the one that travelled lives
    assert optimizer.state_of(params["b"]).step == 4
    assert optimizer.state_of(twin) is not optimizer.state_of(params["b"])


def test_a_state_is_claimed_once():
    W = np.ones(3)
    optimizer = an.Adam()
    optimizer.update(W, W)
    alone = pickle.loads(pickle.dumps(optimizer))
    gc.collect()
    one, two = W.copy(), W.copy()
    assert [alone.state_of(one).step, alone.state_of(two).step] == [1, 0]


def test_an_array_that_was_updated_after_its_arrival_is_forgotten_when_it_dies():
    params, optimizer = pickle.loads(pickle.dumps(trained_arrays(5)))
    optimizer.update(params, {name: np.zeros_like(v) for name, v in params.items()})
    values = {name: np.array(v) for name, v in params.items() if name != "number"}
    del params
    gc.collect()
    assert len(optimizer._states) == 0
    assert [optimizer.state_of(value).step for value in values.values()] == [0] * 5


def test_neither_arrays_nor_optimizers_are_kept_alive():
    net, optimizer = copy.deepcopy(trained_net(5))
    flat, rule = weakref.ref(net.params.flat), weakref.ref(optimizer)
    gc.collect()
    gc.disable()
    try:
        del optimizer
        assert rule() is None
    finally:
        gc.enable()
    del net
    gc.collect()
    assert flat() is None


def test_training_never_writes_into_a_file_that_was_mapped(tmp_path):
    path = tmp_path / "pair"
    pair = moved("joblib mapped for writing", trained_net(5), path)
    before = path.read_bytes()
    step_net(pair)
    gc.collect()
    assert path.read_bytes() == before


def test_a_stream_of_joblib(tmp_path):
    joblib = pytest.importorskip("joblib")
    stream = io.BytesIO()
    joblib.dump(trained_net(5), stream)
    stream.seek(0)
    assert_alike(step_net(joblib.load(stream)), step_net(trained_net(5)))


def test_a_custom_rule_travels_too(tmp_path):
    joblib = pytest.importorskip("joblib")
    W, rule = np.array([1.0, 2.0]), Halving(0.5)
    for _ in range(3):
        rule.update(W, np.ones(2))
    joblib.dump((W, rule), tmp_path / "rule")
    V, twin = joblib.load(tmp_path / "rule")
    for array, own in ((W, rule), (V, twin)):
        own.update(array, np.ones(2))
    np.testing.assert_array_equal(V, W)
