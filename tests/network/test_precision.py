"""``Sequential(precision=)``: what it changes, what it leaves, and that it is kept everywhere."""

import copy
import json
import pickle
import warnings

import numpy as np
import pytest

import affinet as an
import affinet.precision
from affinet import reference
from affinet._dispatch import kernels
from affinet.training import step as steps

PRECISIONS = ("bfloat16", "bfloat16x3", "bfloat16x6")
N, I, O = 53, 20, 5  # noqa: E741 - rows, inputs, outputs

pytestmark = pytest.mark.filterwarnings("ignore:precision=:RuntimeWarning")


def make(precision, loss=None):
    """All layers that multiply matrices, and one that is too small for precision=."""
    rng = np.random.default_rng(0)
    return an.Sequential(
        an.Affine.init(I, 24, rng=0),
        an.ReLU(),
        an.Residual(an.Affine.init(24, 17, rng=1), an.Tanh(), an.Affine.init(17, 32, rng=2),
                    projection=an.Affine.init(24, 32, rng=3)),
        an.NTKAffine(rng.standard_normal((32, 18)).astype("f"), np.zeros(18, "f")),
        an.ReLU(),
        an.BatchNorm(18),
        an.Affine.init(18, O, rng=4),
        loss=an.SoftmaxWithLoss() if loss is None else loss,
        precision=precision,
    )  # fmt: skip


def make_members(precision):
    return an.Sequential(
        an.BatchEnsemble(3, I, 24, rng=0),
        an.ReLU(),
        an.MemberAffine(3, 24, 16, rng=1),
        loss=an.MeanSquaredError(),
        precision=precision,
    )


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    return rng.standard_normal((N, I)).astype("f"), rng.integers(0, O, N)


@pytest.fixture(autouse=True)
def _threads():
    before = an.get_num_threads()
    yield
    kernels.always_team(False, False)
    an.set_num_threads(before)


def trained(net, x, t, **options):
    net.fit(x, t, epochs=2, batch_size=12, optimizer=an.Adam(0.01), verbose=0, **options)
    return net


# What it computes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", PRECISIONS)
def test_forward_and_gradients_are_those_of_the_reference(precision, data):
    x, t = data[0], np.float32(np.random.default_rng(2).standard_normal((N, 16)))
    net = an.Sequential(an.Affine.init(I, 16, rng=0), precision=precision)
    layer = net.layers[0]
    layer.b = np.arange(16.0)
    out = reference.gemm_in_parts(x, layer.W, layer.b, precision, "nn")
    np.testing.assert_array_equal(net.forward(x), out)
    np.testing.assert_array_equal(net.predict(x), out)
    dx = net.backward(t, need_dx=True)
    np.testing.assert_array_equal(dx, reference.gemm_in_parts(t, layer.W, None, precision, "nt"))
    np.testing.assert_array_equal(layer.dW, reference.gemm_in_parts(x, t, None, precision, "tn"))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("members", [1, 3])
def test_layer_by_layer_fused_and_teams_give_the_same_bits(precision, members, data, monkeypatch):
    x, t = data
    fused = trained(make(precision), x, t)
    assert fused.history.step_kind == "fused"
    an.set_num_threads(members)
    kernels.always_team(members > 1, False)
    team = trained(make(precision), x, t)
    assert team.history.threads == members
    monkeypatch.setattr(steps, "can_fuse", lambda *_: False)
    alone = trained(make(precision), x, t)
    assert alone.history.step_kind == "layer by layer"
    np.testing.assert_array_equal(team.params.flat, fused.params.flat)
    np.testing.assert_array_equal(alone.params.flat, fused.params.flat)
    assert not np.array_equal(trained(make(None), x, t).params.flat, fused.params.flat)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_members_of_an_ensemble_in_one_network(precision, data, monkeypatch):
    x = data[0][:48]
    t = np.float32(np.random.default_rng(3).standard_normal((48, 16)))
    fused = trained(make_members(precision), x, t, shuffle=False)
    assert fused.history.step_kind == "fused"
    monkeypatch.setattr(steps, "can_fuse", lambda *_: False)
    alone = trained(make_members(precision), x, t, shuffle=False)
    np.testing.assert_array_equal(alone.params.flat, fused.params.flat)
    plain = trained(make_members(None), x, t, shuffle=False)
    assert not np.array_equal(plain.params.flat, fused.params.flat)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_row_alone_has_the_bits_that_it_has_in_a_batch(precision, data):
    net = make(precision)
    together = net.predict(data[0])
    for i in (0, 7, N - 1):
        np.testing.assert_array_equal(net.predict(data[0][i]), together[i])
        np.testing.assert_array_equal(net.predict(data[0][i : i + 1])[0], together[i])


def test_small_layers_stay_float32_and_the_summary_says_so():
    net = make("bfloat16")
    last = next(line for line in net.summary().splitlines() if "Affine(18 -> 5)" in line)
    assert last.endswith("  95 parameters, products in float32")
    assert net.summary().count("parameters, products in bfloat16\n") == 5
    assert net.summary().endswith("parameters, float32, products in bfloat16")
    assert "products" not in make(None).summary()
    small = an.Sequential(an.Affine.init(I, 15, rng=0), precision="bfloat16")
    plain = an.Sequential(copy.deepcopy(small.layers[0]))
    x = np.float32(np.random.default_rng(0).standard_normal((4, I)))
    np.testing.assert_array_equal(small.predict(x), plain.predict(x))
    np.testing.assert_array_equal(small.forward(x), plain.predict(x))


def test_a_layer_outside_of_its_network_is_float32(data):
    net = make("bfloat16")
    layer = net.layers[0]
    rough = layer.predict(data[0])
    twin = copy.deepcopy(layer)
    assert not np.array_equal(twin.predict(data[0]), rough)
    del net
    np.testing.assert_array_equal(layer.predict(data[0]), twin.predict(data[0]))


def test_float64_inputs_of_a_layer_are_not_rounded(data):
    net = make("bfloat16")
    layer, x = net.layers[0], data[0].astype(np.float64)
    np.testing.assert_allclose(layer.predict(x), x @ layer.W + layer.b, rtol=1e-12, atol=1e-12)


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["float16", "", 16, True, "BFLOAT16"])
def test_an_unknown_precision_raises(wrong):
    with pytest.raises(ValueError, match=r"precision is .* wanted None or one of 'bfloat16'"):
        an.Sequential(an.Affine.init(I, O), precision=wrong)


def test_float64_networks_have_none():
    with pytest.raises(ValueError, match="wants float32 parameters, not float64"):
        an.Sequential(an.Affine.init(I, O, dtype=np.float64), precision="bfloat16")


def test_it_cannot_be_assigned():
    net = make("bfloat16")
    with pytest.raises(AttributeError, match="precision of a network is fixed"):
        net.precision = None
    assert net.precision == "bfloat16"


def test_emulated_x3_and_x6_warn_once(monkeypatch):
    monkeypatch.setattr(affinet.precision, "_warned", set())
    with pytest.warns(RuntimeWarning, match="'bfloat16x3' is emulated") as caught:
        make("bfloat16x3")
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make("bfloat16x3")
        make("bfloat16")
        make(None)


# Kept ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))]
)
def test_copies_and_pickles_keep_it(copied, data):
    net = make("bfloat16")
    twin = copied(net)
    assert twin.precision == "bfloat16"
    np.testing.assert_array_equal(twin.predict(data[0]), net.predict(data[0]))
    np.testing.assert_array_equal(twin.forward(data[0]), net.forward(data[0]))


def test_networks_pickled_before_there_was_a_precision_have_none(data):
    net = make(None)
    state = net.__getstate__()
    del state["_precision"]
    twin = an.Sequential.__new__(an.Sequential)
    twin.__setstate__(state)
    assert twin.precision is None
    np.testing.assert_array_equal(twin.predict(data[0]), net.predict(data[0]))


def test_files_keep_it(tmp_path, data):
    net = make("bfloat16x3")
    net.save(tmp_path / "net.npz")
    found = an.load(tmp_path / "net.npz")
    assert found.precision == "bfloat16x3"
    np.testing.assert_array_equal(found.predict(data[0]), net.predict(data[0]))
    make(None).save(tmp_path / "plain.npz")
    assert an.load(tmp_path / "plain.npz").precision is None
    with np.load(tmp_path / "plain.npz") as file:
        assert "precision" not in json.loads(str(file["description"]))


def test_a_damaged_precision_in_a_file_is_named(tmp_path):
    net = make("bfloat16")
    net.__dict__["_precision"] = "bfloat17"
    net.save(tmp_path / "net.npz")
    with pytest.raises(ValueError, match="precision is 'bfloat17'"):
        an.load(tmp_path / "net.npz")


def test_onnx_keeps_it(tmp_path, data):
    pytest.importorskip("onnx")
    layers = [an.Affine.init(I, 24, rng=0), an.ReLU(), an.Affine.init(24, 16, rng=1)]
    net = an.Sequential(*layers, precision="bfloat16")
    an.onnx.export(net, tmp_path / "net.onnx")
    found = an.onnx.load(tmp_path / "net.onnx")
    assert found.precision == "bfloat16"
    np.testing.assert_array_equal(found.predict(data[0]), net.predict(data[0]))


def test_checkpoints_resume_in_the_same_precision_only(tmp_path, data):
    x, t = data
    path = tmp_path / "check.npz"
    whole = trained(make("bfloat16"), x, t)
    net = make("bfloat16")
    options = {"batch_size": 12, "optimizer": an.Adam(0.01), "verbose": 0}
    net.fit(x, t, epochs=1, callbacks=[an.Checkpoint(path)], **options)
    again = make("bfloat16")
    again.fit(x, t, epochs=2, resume=path, **options)
    np.testing.assert_array_equal(again.params.flat, whole.params.flat)
    assert again.history.precision == "bfloat16"
    with pytest.raises(ValueError, match="precision is 'bfloat16', in this training it is None"):
        make(None).fit(x, t, epochs=2, resume=path, **options)


def test_the_history_tells(data):
    history = trained(make("bfloat16"), *data).history
    assert history.precision == "bfloat16"
    assert "products in bfloat16" in repr(history)
    assert an.History.from_dict(json.loads(json.dumps(history.to_dict()))) == history
    assert trained(make(None), *data).history.precision is None


def test_averages_have_the_bits_of_both_step_kinds(data, monkeypatch):
    x, t = data
    found = []
    for fused in (True, False):
        if not fused:
            monkeypatch.setattr(steps, "can_fuse", lambda *_: False)
        average = an.EMA(0.9)
        trained(make("bfloat16"), x, t, average=average)
        found.append(average.net.params.flat.copy())
        assert average.net.precision == "bfloat16"
    np.testing.assert_array_equal(*found)


def test_many_networks_and_ensembles(data):
    x, t = data
    alone = [trained(make(p), x, t) for p in ("bfloat16", None)]
    nets = [make("bfloat16"), make(None)]
    an.fit_many(nets, x, t, epochs=2, batch_size=12, optimizers=[an.Adam(0.01), an.Adam(0.01)])
    for net, wanted in zip(nets, alone, strict=True):
        np.testing.assert_array_equal(net.params.flat, wanted.params.flat)
    outputs = an.Ensemble(nets).predict(x)
    assert np.isfinite(outputs).all()


def test_gradient_checks_compute_without_it(data):
    net = make("bfloat16")
    report = an.gradient_check(net, data[0][:4], data[1][:4])
    assert report.passed
    assert net.precision == "bfloat16"


def test_runtime_info_names_all_precisions():
    found = an.runtime_info()["precisions"]
    assert tuple(found) == PRECISIONS
    assert all(how.startswith(("native", "emulated")) for how in found.values())


# Whole trainings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", PRECISIONS)
def test_whole_trainings_are_as_accurate(precision):
    (x, t), (x_test, t_test) = an.datasets.load_digits()
    accuracies = []
    for kind in (None, precision):
        net = an.Sequential(
            an.Affine.init(64, 48, rng=0), an.ReLU(), an.Affine.init(48, 10, rng=1),
            loss=an.SoftmaxWithLoss(), precision=kind,
        )  # fmt: skip
        net.fit(x, t, epochs=15, batch_size=32, optimizer=an.Adam(0.003), verbose=0)
        accuracies.append(net.evaluate(x_test, t_test)["accuracy"])
    # One test image of 360 is 0.28 %; seeds differ by three of them.
    assert abs(accuracies[1] - accuracies[0]) <= 0.0084
    assert accuracies[1] > 0.95


def test_the_repr_names_it():
    net = an.Sequential(an.Affine.init(32, 16, rng=0), precision="bfloat16")
    assert repr(net) == "Sequential(Affine(32 -> 16), precision='bfloat16')"
    assert "precision" not in repr(an.Sequential(an.Affine.init(32, 16, rng=0)))
