"""What is stated of the integers' errors, and which values and models they refuse."""

import copy

import numpy as np
import pytest

import affinet as an
from affinet.export.integer_columns import embedding_scale, quarter, wave
from affinet.export.integer_ensembles import exp_table, log, log_table, mixture_of
from affinet.export.integers import quantized
from affinet.export.models import Subject
from affinet.export.nodes import nodes_of
from affinet.export.real import embedded
from affinet.export.scales import KINDS, scale_between
from compiled_c import WARNINGS

KIND = pytest.mark.parametrize("kind", ["int8", "int16"])


def emulated(net, x, kind, calibrate=None):
    return an.export.emulate(net, x, type=kind, calibrate=x if calibrate is None else calibrate)


# Parts -------------------------------------------------------------------------------------------


@KIND
def test_a_wave_is_within_its_error(kind):
    u = np.random.default_rng(0).integers(0, 2**32, 100_000)
    u = np.concatenate([u, [0, 2**30, 2**31, 3 * 2**30, 2**30 - 1, 2**32 - 1]])
    high = KINDS[kind].high
    exact = high * np.sin(u / 2**31 * np.pi)
    error = np.abs(wave(u, quarter(KINDS[kind]), KINDS[kind]) - exact).max()
    assert error < (0.52 if kind == "int8" else 1.7)


@pytest.mark.parametrize(("bits", "step"), [(4, 0.1), (8, 0.0005)])
def test_exponentials_and_logarithms_are_within_their_errors(bits, step):
    table, d = exp_table(step, bits).astype(object), np.arange(2 ** (2 * bits))
    found = table[d >> bits] * table[2**bits + (d & (2**bits - 1))] / 2.0**62
    assert np.abs(found.astype(float) - np.exp(-d * step)).max() < 2.0**-30
    v = np.unique(np.geomspace(1, 2**31 - 1, 100_000).astype(np.int64))
    assert np.abs(log(v, log_table()) / 2**20 - np.log2(v / 2**30)).max() < 5e-5
    assert log(np.array([0]), log_table()) == -30 * 2**20


@KIND
@pytest.mark.parametrize(
    ("name", "loss"),
    [("", "Huber"), ("softmax", "SoftmaxWithLoss"), ("sigmoid", "SigmoidWithLoss"),
     ("exp", "Poisson")],
)  # fmt: skip
def test_a_mixture_is_within_a_step_of_the_exact_one(name, loss, kind):
    kind, rng = KINDS[kind], np.random.default_rng(0)
    real = rng.standard_normal((5, 300, 3)) * 3
    weights = rng.dirichlet(np.ones(5))
    given = scale_between(real.min(), real.max(), kind)
    q = np.rint(real / given.step).astype(np.int64) + given.zero
    exact = getattr(an, loss)().combined(given.real(q), weights)
    out = scale_between(exact.min(), exact.max(), kind)
    found = mixture_of(name, weights, 3, given, out, kind).run(q)
    assert np.abs(out.real(found) - exact).max() < out.step


# Columns -----------------------------------------------------------------------------------------


def coded(kind="int8", rows=200):
    """A network that embeds codes and numbers, and rows for it."""
    net = an.Sequential(
        an.Embedding(3, {1: KINDS[kind].codes if kind == "int8" else 5000}, 2, rng=0),
        an.PiecewiseEmbedding(4, {0: (-1.0, 0.0, 0.5, 2.0), 3: (0.0, 900.0)}, 2, rng=0),
        an.Affine.init(6, 3, rng=1),
    )
    net.layers[1].w = [[0.5, -0.5], [0.001, -0.002]]
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.standard_normal(rows), rng.integers(0, 254, rows),
                         1000 * rng.random(rows)])  # fmt: skip
    return net, x.astype(np.float32)


@KIND
def test_every_code_is_its_own_and_what_is_none_has_zeros(c, kind):
    net, x = coded(kind)
    rows = np.repeat(x[:1], 258, axis=0)
    rows[:254, 1] = np.arange(254)
    x = rows[:254].copy()
    y = emulated(net, x, kind)
    assert np.abs(y - net.predict(rows[:254])).max() < (0.1 if kind == "int8" else 1e-3)
    assert len(np.unique(y, axis=0)) > 200
    rows[254:, 1] = [-1, -1000, 5000, 1e6]
    none = emulated(net, rows[254:], kind, x)
    assert (none == none[0]).all()
    net.layers[0].E = np.concatenate([net.layers[0].E[:-1], np.zeros((1, 2))])
    rows[0, 1] = len(net.layers[0].E) - 1
    assert np.abs(none[0] - net.predict(rows[:1])).max() < (0.1 if kind == "int8" else 1e-3)
    rows[254, 1] = np.nan
    c.write(net, type=kind, calibrate=x, test=rows[:254])
    assert c.run(*WARNINGS)[0] == 0


@KIND
def test_columns_have_scales_of_their_own(c, kind):
    """A column of thousands beside one of units loses nothing of it."""
    net, x = coded(kind)
    assert np.abs(emulated(net, x, kind) - net.predict(x)).max() < (
        (0.02 if kind == "int8" else 1e-4) * np.abs(net.predict(x)).max()
    )
    c.write(net, type=kind, calibrate=x)
    header = (c.folder / "m.h").read_text()
    assert f"1.0, {KINDS[kind].low + 1};" in " ".join(header.split())  # a code is itself


@KIND
def test_bins_are_within_a_step_but_beside_their_ends(kind):
    edges = np.array([-2.0, -0.3, 0.011, 0.4, 2.0])
    net = an.Sequential(an.PiecewiseEmbedding(1, {0: edges}, 3, rng=0))
    net.layers[0].W = np.random.default_rng(0).standard_normal((1, 4, 3))
    model = quantized(Subject.of(net), kind, np.array([[-2.5], [2.1]]))
    bins, q = model.chains[0].steps[0], np.arange(KINDS[kind].low, KINDS[kind].high + 1)
    assert bins.function == "q_piecewise"
    x = model.given.real(q[:, np.newaxis])
    node = nodes_of(net, kind)[0][0]
    out = embedding_scale(node, model.given, *[np.zeros(3)] * 2, KINDS[kind])
    found = out.real(model.runs[0][0]([q[:, np.newaxis]]))
    exact = embedded(node, x)
    slopes = np.diff(exact, axis=0) / model.given.step
    bend = np.abs(np.diff(slopes, axis=0)).max(axis=0)
    steps = 1.01 if kind == "int8" else 3
    most = steps * out.step + bend * model.given.step / 2
    assert (bend > 0.5).all()
    assert (np.abs(found - exact).max(axis=0) <= most).all()


@KIND
def test_an_embedding_may_end_a_network_or_have_any_layer_behind_it(c, kind):
    for layers in ([], [an.LayerNorm(6)], [an.Tanh()], [an.Residual(an.Affine.init(6, 6, rng=0))]):
        net = an.Sequential(an.PeriodicEmbedding(2, frequencies=4, outputs=2, rng=0), *layers)
        x = np.random.default_rng(0).standard_normal((50, 2)).astype(np.float32)
        y = net.predict(x)
        most = (0.06 if kind == "int8" else 0.002) * np.abs(y).max()
        assert np.abs(emulated(net, x, kind) - y).max() < most
        c.write(net, type=kind, calibrate=x, test=3 * x)
        assert c.run(*WARNINGS)[0] == 0


@KIND
def test_quantiles_never_cross(kind):
    net = an.Sequential(
        an.Affine.init(4, 9, rng=0),
        an.Increasing(9),
        loss=an.Quantile([i / 10 for i in range(1, 10)]),
    )
    x = 5 * np.random.default_rng(0).standard_normal((500, 4))
    q = an.export.emulate(net, 3 * x, type=kind, calibrate=x, quantized=True)
    assert (np.diff(q.astype(int), axis=1) >= 0).all()


def test_waves_of_high_frequencies_keep_their_phase():
    """Whole turns drop out of 32 bits, however many they are."""
    waves = an.PeriodicEmbedding(1, frequencies=16, outputs=4, kind="plr", sigma=30.0, rng=0)
    net = an.Sequential(waves, an.Affine.init(4, 2, rng=0))
    x = np.random.default_rng(0).integers(-128, 128, (500, 1)) / 64
    ends = [[-512.0], [511.984375]]  # a step of 1 / 64, so the inputs have no error
    y = net.predict(x)
    found = emulated(net, x, "int16", np.concatenate([x, ends]))
    assert np.abs(found - y).max() < 1e-3 * np.abs(y).max()


@KIND
def test_a_column_of_small_values_costs_others_nothing_of_their_factors(kind):
    first = an.Affine.init(4, 6, rng=0)
    first.W[:, 2] *= 1e-4
    net = an.Sequential(
        first, an.ReLU(), an.BatchEnsemble(1, 6, 5, rng=1), an.MemberAffine(1, 5, 2, rng=2)
    )
    x = np.random.default_rng(0).standard_normal((200, 4))
    y = net.predict(x)
    most = (0.04 if kind == "int8" else 2e-4) * np.abs(y).max()
    assert np.abs(emulated(net, x, kind) - y).max() < most


# Refusals ----------------------------------------------------------------------------------------


def test_codes_that_have_no_form_are_refused():
    x = np.zeros((4, 2), np.float32)
    many = an.Sequential(an.Embedding(2, {0: 255}, rng=0))
    with pytest.raises(
        TypeError, match=r"layer 0, Embedding, has a column of 255 .* int8 tells 254"
    ):
        emulated(many, x, "int8")
    assert emulated(many, x, "int16").shape == (4, 9)
    behind = an.Sequential(an.ReLU(), an.Embedding(2, {0: 3}, rng=0))
    with pytest.raises(TypeError, match="layer 1, Embedding, takes codes that another layer makes"):
        emulated(behind, x, "int8")
    x[2, 0] = 1.5
    with pytest.raises(
        ValueError, match=r"calibrate has 1.5 in column 0, wanted a code from 0 to 2"
    ):
        emulated(an.Sequential(an.Embedding(2, {0: 3}, rng=0)), x, "int8")


def test_networks_of_an_ensemble_take_one_form_of_inputs():
    nets = [
        an.Sequential(an.PeriodicEmbedding(2, outputs=1, rng=0), an.Affine.init(4, 1, rng=0)),
        an.Sequential(an.Affine.init(2, 1, rng=0)),
    ]
    with pytest.raises(TypeError, match="some networks of the ensemble begin with an embedding"):
        emulated(an.Ensemble(nets), np.ones((3, 2)), "int8")
    pair = an.Ensemble([nets[0], copy.deepcopy(nets[0])])
    x = np.random.default_rng(0).standard_normal((20, 2))
    assert np.abs(emulated(pair, x, "int16") - pair.predict(x)).max() < 1e-3
