"""Networks that begin with an Embedding: codes are checked once, and every step agrees."""

import pickle

import numpy as np
import pytest

import affinet as an
from affinet.gradcheck import gradient_check


class Layered(an.SoftmaxWithLoss):
    """A subclass has no compiled form: training goes layer by layer."""


def network(loss=None, dtype="float64", **options):
    table = an.Embedding(4, {2: 2, 0: 3}, outputs=3, rng=0, dtype=dtype)
    n = table.n_outputs
    return an.Sequential(
        table,
        an.PeriodicEmbedding(n, [3, 7], 4, 2, rng=1, sigma=0.5, dtype=dtype),
        an.Affine.init(n + 4, 6, rng=2, dtype=dtype),
        an.Tanh(),
        an.NTKAffine.init(6, 2, rng=3, dtype=dtype),
        loss=an.SoftmaxWithLoss() if loss is None else loss,
        **options,
    )


def data(n=90):
    rng = np.random.default_rng(5)
    x = rng.standard_normal((n, 4))
    x[:, 0], x[:, 2] = rng.integers(0, 3, n), rng.integers(0, 2, n)
    return x, (x[:, 0] == 1).astype(int) ^ x[:, 2].astype(int)


def spoiled(x, row, column=2, code=2.0):
    x = x.copy()
    x[row, column] = code
    return x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_kinds_of_step_agree(dtype):
    x, t = data()
    fused, layered = network(dtype=dtype), network(Layered(), dtype)
    options = {"epochs": 40, "batch_size": 16, "verbose": 0}
    records = [net.fit(x, t, optimizer=an.Adam(0.02), **options) for net in (fused, layered)]
    assert [record.step_kind for record in records] == ["fused", "layer by layer"]
    np.testing.assert_array_equal(fused.params.flat, layered.params.flat)
    assert fused.evaluate(x, t)["accuracy"] > 0.9


def test_a_network_that_learns_its_tables_passes_the_gradient_check():
    x, t = data(6)
    report = gradient_check(network(), x, t)
    assert report.passed, str(report)


WORDS = r"has 2 in row {}, column 2, wanted a code: a whole number from 0 to 1"


@pytest.mark.parametrize("loss", [None, Layered()])
@pytest.mark.parametrize("form", ["array", "float32", "list", "cube", "Fortran"])
def test_every_call_checks(loss, form):
    net, (x, t) = network(loss), data()
    wrong = spoiled(x, 57)
    before = net.params.flat.tobytes()
    wrong = {
        "array": lambda x: x,
        "float32": lambda x: x.astype("f"),
        "list": lambda x: x.tolist(),
        "cube": lambda x: x.reshape(-1, 2, 2),
        "Fortran": np.asfortranarray,
    }[form](wrong)
    words = "^x " + WORDS.format(57)
    for call in (
        lambda: net.fit(wrong, t, epochs=1, verbose=0),
        lambda: net.predict(wrong),
        lambda: net(wrong),
        lambda: net.predict_proba(wrong),
        lambda: net.evaluate(wrong, t),
        lambda: net.forward(wrong, t),
        lambda: net.forward(wrong),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    with pytest.raises(ValueError, match="^validation_data: x " + WORDS.format(57)):
        net.fit(x, t, validation_data=(wrong, t), epochs=1, verbose=0)
    assert net.params.flat.tobytes() == before


def test_a_row_far_down_is_named():
    net, (x, _) = network(), data(5000)
    wrong = spoiled(x, 4321)
    for n in (wrong, wrong.astype("f")):
        with pytest.raises(ValueError, match=WORDS.format(4321)):
            net.predict(n)
    out = np.empty((5000, 2))
    with pytest.raises(ValueError, match=WORDS.format(4321)):
        net.predict(wrong, out)


def test_one_row():
    net, (x, _) = network(), data()
    alone = [net.predict(row) for row in x]
    np.testing.assert_array_equal(alone, net.predict(x))
    np.testing.assert_array_equal(net.predict(x[:1]), net.predict(x)[:1])
    with pytest.raises(ValueError, match=WORDS.format(0)):
        net.predict(spoiled(x, 0)[0])
    with pytest.raises(ValueError, match=WORDS.format(0)):
        net.predict(spoiled(x, 0)[:1])


def test_codes_are_checked_behind_input_scale():
    x, t = data()
    net = network(input_scale=0.5)
    np.testing.assert_array_equal(net.predict(2 * x), network().predict(x))
    net.fit(2 * x, t, epochs=1, verbose=0)
    with pytest.raises(ValueError, match=r"has 0\.5 in row"):
        net.predict(x)
    with pytest.raises(ValueError, match=r"has 0\.5 in row"):
        net.fit(x, t, epochs=1, verbose=0)


def test_codes_behind_another_layer_become_nan():
    """Compiled code does not check there; layer by layer, the layer itself does."""
    table = an.Embedding(2, {0: 2}, outputs=1, rng=0)
    net = an.Sequential(an.Dropout(0.0), table)
    x = np.array([[1, 5], [2, 5]], "f")
    out = net.predict(x)
    assert np.isfinite(out[0]).all()
    assert np.isnan(out[1, 0])
    assert out[1, 1] == 5
    with pytest.raises(ValueError, match="has 2 in row 1, column 0"):
        net.forward(x)


def test_files_copies_and_summaries(tmp_path):
    net, (x, t) = network(), data()
    net.fit(x, t, epochs=2, verbose=0)
    net.save(tmp_path / "m.npz")
    for twin in (an.load(tmp_path / "m.npz"), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(twin.predict(x), net.predict(x))
        with pytest.raises(ValueError, match=WORDS.format(3)):
            twin.predict(spoiled(x, 3))
    assert "0  Embedding(n_inputs=4, sizes={0: 3, 2: 2}, outputs=3)" in net.summary(plan=True)
