"""Networks of layers that hold layers: names by path, training, files, copies, watching."""

import copy
import pickle

import numpy as np
import pytest

import affinet as an
from affinet.diagnostics import Monitor, dead_units, three_steps
from affinet.network.inner import predictions, walk
from affinet.training.step import dropout_key

X = np.random.default_rng(0).standard_normal((24, 4))
T = np.arange(24) % 3
KEYS = ["0.W", "0.b", "1.0.W", "1.0.b", "1.2.0.W", "1.2.0.b", "1.2.2.W", "1.2.2.b", "1.3.gamma",
        "1.3.beta", "1.4.W", "1.4.b", "2.W", "2.b"]  # fmt: skip
PATHS = ["0", "1", "1.0", "1.1", "1.2", "1.2.0", "1.2.1", "1.2.2", "1.3", "1.4", "2"]


def affine(n_inputs, n_outputs, seed=0):
    return an.Affine.init(n_inputs, n_outputs, rng=seed, dtype="float64")


def build(**options):
    inner = an.Residual(affine(5, 4, 3), an.ReLU(), projection=affine(5, 4, 4))
    block = an.Residual(
        affine(5, 5, 2), an.Tanh(), inner, an.BatchNorm(4, dtype="float64"), affine(4, 5, 5)
    )
    return an.Sequential(
        affine(4, 5, 1), block, affine(5, 3, 6), **{"loss": an.SoftmaxWithLoss()} | options
    )


def test_parameters_are_named_by_path_and_are_views():
    net = build()
    assert list(net.params) == list(net.grads) == KEYS
    parts = dict(walk(net.layers))
    assert list(parts) == PATHS
    numbers = np.arange(net.params.flat.size, dtype=float)
    net.params.flat[:] = numbers
    net.grads.flat[:] = -numbers
    for key in KEYS:
        path, _, name = key.rpartition(".")
        assert getattr(parts[path], name) is net.params[key]
        assert getattr(parts[path], f"d{name}") is net.grads[key]
    seen = np.concatenate([net.params[key].ravel() for key in KEYS])
    np.testing.assert_array_equal(seen, numbers)


def test_the_gradient_of_every_parameter():
    report = an.gradient_check(build(), X, T)
    assert report.passed, report
    assert [check.name for check in report.checks] == [*KEYS, "x"]


def test_training_moves_every_parameter_and_learns():
    net = build()
    before = {key: array.copy() for key, array in net.params.items()}
    history = net.fit(X, T, epochs=60, batch_size=8, optimizer=an.Adam(0.02))
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    for key, array in net.params.items():
        assert (array != before[key]).any(), key


def test_the_penalty_reaches_the_weights_inside():
    net = build()
    W = net.params["1.2.0.W"]
    net.forward(X, T)
    net.backward()
    plain = net.grads.flat.copy()
    other = build()
    other.fit(X, T, steps=1, batch_size=24, optimizer=an.SGD(0.0), l2=0.3, shuffle=False)
    found = other.grads["1.2.0.W"] - np.split(
        plain, np.cumsum([a.size for a in net.params.values()])
    )[KEYS.index("1.2.0.W")].reshape(W.shape)
    np.testing.assert_allclose(found, 0.3 / 24 * W, rtol=1e-7)


def test_predictions_and_evaluation_use_the_mode_of_evaluation():
    net = build()
    net.fit(X, T, epochs=3, batch_size=8)
    whole = net.predict(X)
    np.testing.assert_allclose(net.predict(X[3]), whole[3], rtol=1e-12)
    assert net.evaluate(X, T)["loss"] == pytest.approx(net.forward(X, T, train=False))
    assert net.forward(X, T) != pytest.approx(net.forward(X, T, train=False))


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_files(tmp_path, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    net = build()
    net.fit(X, T, epochs=2, batch_size=8)
    path = tmp_path / f"model{suffix}"
    net.save(path)
    twin = an.load(path)
    assert repr(twin) == repr(net)
    assert twin.params.shapes == net.params.shapes
    np.testing.assert_array_equal(twin.params.flat, net.params.flat)
    norm, other = net.layers[1].layers[3], twin.layers[1].layers[3]
    np.testing.assert_array_equal(other.running_mean, norm.running_mean)
    np.testing.assert_array_equal(twin.predict(X), net.predict(X))


class Stretch:
    parameters = ("a",)

    def __init__(self, n):
        self.a = np.linspace(0.5, 1.5, n)

    def config(self):
        return {"n": len(self.a)}

    def forward(self, x):
        self.x = x
        return x * self.a

    def backward(self, dout):
        self.da = (dout * self.x).sum(axis=0)
        return dout * self.a


class Pair:
    """A custom layer that holds two, which it makes itself."""

    def __init__(self, n):
        self.n = n
        self.children = (Stretch(n), affine(n, n))

    def config(self):
        return {"n": self.n}

    def forward(self, x):
        for child in self.children:
            x = child.forward(x)
        return x

    def backward(self, dout):
        for child in reversed(self.children):
            dout = child.backward(dout)
        return dout


CUSTOM = {"Stretch": Stretch, "Pair": Pair}


def build_custom():
    return an.Sequential(
        affine(4, 5), an.Residual(Stretch(5), an.Residual(Pair(5))), affine(5, 3, 1),
        loss=an.SoftmaxWithLoss(),
    )  # fmt: skip


def test_custom_layers_inside_in_training_and_files(tmp_path):
    net = build_custom()
    assert [key for key in net.params if key.startswith("1.")] == [
        "1.0.a", "1.1.0.0.a", "1.1.0.1.W", "1.1.0.1.b",
    ]  # fmt: skip
    assert an.gradient_check(net, X, T).passed
    before = net.params.flat.copy()
    net.fit(X, T, epochs=2, batch_size=8, optimizer=an.Adam())
    assert (net.params.flat != before).all()
    assert net.layers[1].layers[0].a is net.params["1.0.a"]
    net.save(tmp_path / "model.npz")
    twin = an.load(tmp_path / "model.npz", custom=CUSTOM)
    np.testing.assert_array_equal(twin.params.flat, net.params.flat)
    np.testing.assert_array_equal(twin.predict(X), net.predict(X))
    with pytest.raises(ValueError, match=r"layer 1\.0: layer 'Stretch' is unknown"):
        an.load(tmp_path / "model.npz")


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
@pytest.mark.parametrize("make", [build, build_custom])
def test_copies_train_on_alike_and_live_by_themselves(copied, make):
    net, optimizer = make(), an.Adam(0.01)
    net.fit(X, T, epochs=1, batch_size=8, optimizer=optimizer)
    twin, twins = copied((net, optimizer))
    for each, rule in ((net, optimizer), (twin, twins)):
        each.fit(X, T, epochs=2, batch_size=8, optimizer=rule)
    np.testing.assert_array_equal(twin.params.flat, net.params.flat)
    twin.params.flat[:] = 0
    assert net.params.flat.all()
    for key, array in twin.params.items():
        path, _, name = key.rpartition(".")
        assert getattr(dict(walk(twin.layers))[path], name) is array


def test_a_checkpoint_goes_on_to_the_bit(tmp_path):
    path = tmp_path / "run.npz"

    def train(**options):
        net = build()
        net.layers[1]  # the block holds statistics too
        net.fit(X, T, batch_size=8, optimizer=an.Adam(0.01), **options)
        return net._arrays()

    train(epochs=2, callbacks=[an.Checkpoint(path, every_steps=5)])
    whole, resumed = train(epochs=4), train(epochs=4, resume=path)
    assert "1.3.running_mean" in whole
    for name, array in whole.items():
        np.testing.assert_array_equal(resumed[name], array)


def test_a_checkpoint_of_another_branch_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    nets = [
        an.Sequential(affine(4, 3), an.Residual(layer), loss=an.SoftmaxWithLoss())
        for layer in (an.Tanh(), an.ReLU())
    ]
    nets[0].fit(X, T, epochs=1, callbacks=[an.Checkpoint(path)])
    with pytest.raises(ValueError, match=r"layer 1\.0 is 'Tanh\(\)', in this training.*ReLU"):
        nets[1].fit(X, T, epochs=2, resume=path)


def test_early_stopping_restores_what_is_inside():
    net = build()
    best = {}

    def keep(state):
        if state.epoch == 1:
            best.update({name: array.copy() for name, array in state.net._arrays().items()})

    stop = an.EarlyStopping("loss", patience=1, mode="max")
    net.fit(X, T, epochs=9, batch_size=8, optimizer=an.Adam(0.02), callbacks=[keep, stop])
    for name, array in net._arrays().items():
        np.testing.assert_array_equal(array, best[name])


def test_masks_inside_fit_are_those_of_seed_path_and_step():
    """The numbers (seed, *path) make the key; for a layer of the network itself as ever."""
    assert dropout_key(5, "2") == int(
        np.random.SeedSequence([5, 2]).generate_state(1, np.uint64)[0]
    )
    assert dropout_key(5, "2.1") == int(
        np.random.SeedSequence([5, 2, 1]).generate_state(1, np.uint64)[0]
    )
    seen = []

    class Watch(an.Dropout):
        def forward(self, x, train=True):
            if train:
                seen.append(self.position)
            return super().forward(x, train)

    net = an.Sequential(
        affine(4, 3), an.Residual(an.Tanh(), Watch(0.5, rng=0)), loss=an.SoftmaxWithLoss()
    )
    net.fit(X, T, steps=2, batch_size=8, seed=5)
    assert seen == [(dropout_key(5, "1.1"), step, 0) for step in (0, 1)]
    assert net.layers[1].layers[1].calls == 0


def test_summary_indents_what_a_layer_holds():
    block = an.Residual(affine(3, 2), an.Tanh(), an.Residual(an.ReLU()), affine(2, 3))
    assert an.Sequential(affine(4, 3), block).summary().splitlines() == [
        "0          Affine(4 -> 3)  15 parameters",
        "1          Residual",
        "  1.0      Affine(3 -> 2)  8 parameters",
        "  1.1      Tanh()",
        "  1.2      Residual",
        "    1.2.0  ReLU()",
        "  1.3      Affine(2 -> 3)  9 parameters",
        "32 parameters, float64",
    ]


def test_monitor_watches_the_layers_inside():
    net = build()
    watch = Monitor(every=2, verbose=False)
    net.fit(X, T, epochs=3, batch_size=8, callbacks=[watch])
    assert watch.layers == [repr(dict(walk(net.layers))[path]) for path in dict.fromkeys(
        key.rpartition(".")[0] for key in KEYS
    )]  # fmt: skip
    assert np.isfinite(watch.gradient_norms).all()
    assert (watch.gradient_norms > 0).all()
    assert watch.dead_shares.shape[1] == 1


def test_dead_units_of_a_relu_inside():
    first = an.Affine(np.eye(2), np.array([1.0, -9.0]))
    net = an.Sequential(an.Residual(first, an.ReLU()), an.ReLU())
    dead = dead_units(net, np.abs(np.random.default_rng(0).standard_normal((20, 2))))
    assert [units.tolist() for units in dead] == [[False, True], [False, False]]


def test_outputs_of_every_layer_by_path():
    net = build()
    found = dict(predictions(net, X))
    assert sorted(found) == sorted(PATHS)
    np.testing.assert_allclose(found["2"], net.predict(X), rtol=1e-12)
    np.testing.assert_allclose(found["1"], found["1.4"] + found["0"], rtol=1e-12)
    np.testing.assert_allclose(found["1.2"], found["1.2.1"] + found["1.2.2"], rtol=1e-12)


def test_a_batch_followed_number_by_number():
    found = three_steps(build(), X[:4], T[:4], optimizer=an.SGD(0.001))
    assert list(found.layers[1].gradients) == [k.removeprefix("1.") for k in KEYS[2:12]]
    assert found.loss_after < found.loss


def test_one_layer_twice_and_a_layer_of_another_network_are_refused_by_path():
    layer = affine(3, 3)
    with pytest.raises(ValueError, match=r"layer 1\.0 .*stands in the network twice"):
        an.Sequential(layer, an.Residual(layer))
    net = an.Sequential(an.Residual(layer))
    with pytest.raises(ValueError, match=r"layer 1\.0\.0 .*belongs to another network"):
        an.Sequential(affine(3, 3), an.Residual(an.Residual(layer)))
    assert layer.W is net.params["0.0.W"]


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((affine(2, 4), an.Residual(affine(5, 5))), "layer 1 takes 5 .*gives 4"),
        ((an.Residual(affine(4, 4)), affine(5, 2)), "layer 1 takes 5 .*gives 4"),
        ((affine(2, 4), an.Residual(an.ReLU()), affine(5, 2)), "layer 2 takes 5 .*gives 4"),
    ],
)
def test_widths_that_do_not_fit(layers, message):
    with pytest.raises(ValueError, match=message):
        an.Sequential(*layers)


def test_widths_inside_that_were_changed_before_the_network_was_built():
    block = an.Residual(affine(4, 4), an.Tanh(), affine(4, 4, 1))
    block.layers[2].W = np.zeros((3, 4))
    with pytest.raises(ValueError, match=r"layer 0\.2 takes 3 .*gives 4"):
        an.Sequential(block)


def test_rows_of_another_width_are_refused_before_training():
    net = an.Sequential(an.Residual(affine(4, 4)), affine(4, 3), loss=an.SoftmaxWithLoss())
    with pytest.raises(ValueError, match=r"^x has shape \(24, 3\): 3 numbers a row, wanted 4"):
        net.fit(X[:, :3], T)


def test_a_batch_of_one_row_names_the_norm_inside():
    with pytest.raises(ValueError, match=r"layer 1\.3, BatchNorm"):
        build().fit(X, T, batch_size=1)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["layers"][1].pop("children"),
        lambda d: d["layers"][1].update(children={}),
        lambda d: d["layers"][1].update(children=[]),
        lambda d: d["layers"][1]["children"].append({"type": "ReLU", "children": 3}),
        lambda d: d["layers"][1]["children"][2].update(projection=False),
        lambda d: d["layers"][1]["children"][0].update(type="SGD"),
    ],
)
def test_damaged_descriptions_of_branches(tmp_path, change):
    from model_files import entries, refused, rewrite

    path = tmp_path / "model.npz"
    build().save(path)
    description, arrays = entries(path)
    change(description)
    rewrite(path, description, arrays)
    refused(path)
