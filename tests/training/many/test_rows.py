"""Each network has its rows, as if they had been copied for its own fit."""

import importlib

import numpy as np
import pytest

import affinet as an
from affinet import samplers
from affinet.datasets import Shards
from affinet.training.selection import Selected
from many_networks import N, OwnReLU, build, crowd, data, require_same

X, T = data()
rng = np.random.default_rng(3)
ROWS = [
    rng.integers(len(X), size=len(X)),  # a bootstrap sample
    np.arange(20, 61),
    None,
    rng.integers(len(X), size=17).astype(np.uint8),
    [5, 5, 5, 7, 9, 11],
    np.arange(61)[::-2],
]
WEIGHTS = rng.uniform(size=len(X))


def own_fits(x, t, sample_weight=None, make=crowd, **options):
    nets = make()
    for net, rows in zip(nets, ROWS, strict=True):
        rows = np.arange(len(x)) if rows is None else np.asarray(rows)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight[rows]}
        net.fit(x[rows], t[rows], **{"epochs": 3, "batch_size": 8} | weights | options)
    return nets


OPTIONS = {
    "plain": {},
    "weights": {"sample_weight": WEIGHTS},
    "balanced": {"class_weight": "balanced"},
    "both weights": {"sample_weight": WEIGHTS, "class_weight": {0: 2.0, 2: 0.5}},
    "sampler": {"sampler": samplers.WithReplacement(30, weights="balanced")},
    "unshuffled": {"shuffle": False},
    "steps": {"epochs": None, "steps": 7},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_rows(name, threads):
    options = OPTIONS[name]
    nets = crowd()
    an.fit_many(nets, X, T, rows=ROWS, **{"epochs": 3, "batch_size": 8} | options)
    require_same(nets, own_fits(X, T, **options))


UNALIGNED = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(np.float64).reshape(X.shape)
FORMS = {
    "uint8": ((X * 40 + 100).clip(0, 255).astype(np.uint8), T),
    "float32 of one-hot rows": (X.astype(np.float32), np.eye(3)[T]),
    "int16 labels": (X, T.astype(np.int16)),
    "Fortran order": (np.asfortranarray(X), T),
    "strided": (np.repeat(X, 2, axis=0)[::2], T),
    "unaligned": (UNALIGNED, T),
    "images": (X.reshape(-1, 2, 2), T),
    "transposed images": (X.reshape(-1, 2, 2).transpose(0, 2, 1), T),
    "parts of images": (np.repeat(X, 2, axis=1).reshape(-1, 2, 4)[:, :, ::2], T),
    "integers": ((X * 9).astype(np.int64), T),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_data_of_every_form(name, three_threads):
    x, t = FORMS[name]

    def make():
        return [build(place) for place in range(N)]

    nets = make()
    an.fit_many(nets, x, t, rows=ROWS, epochs=3, batch_size=8)
    require_same(nets, own_fits(x, t, make=make))


def test_lists_are_converted_once(monkeypatch):
    made = []
    convert = np.asarray
    monkeypatch.setattr(np, "asarray", lambda *a, **o: made.append(a[0]) or convert(*a, **o))
    listed = X.tolist()
    nets = crowd()
    an.fit_many(nets, listed, T, epochs=3, batch_size=8, validation_data=(listed, T))
    assert sum(value is listed for value in made) == 2
    monkeypatch.undo()
    own = crowd()
    for net in own:
        net.fit(listed, T, epochs=3, batch_size=8, validation_data=(listed, T))
    require_same(nets, own)


@pytest.mark.parametrize("rows", [None, ROWS], ids=["all rows", "some rows"])
def test_rows_in_files(rows, three_threads):
    x, t = Shards([X[:20], X[20:]]), Shards([T[:20], T[20:]])
    nets, own = crowd(), crowd()
    an.fit_many(nets, x, t, rows=rows, epochs=3, batch_size=8)
    for place, net in enumerate(own):
        chosen = slice(None) if rows is None or rows[place] is None else np.asarray(rows[place])
        net.fit(X[chosen], T[chosen], epochs=3, batch_size=8)
    for one, other in zip(nets, own, strict=True):
        np.testing.assert_array_equal(one.params.flat, other.params.flat)
    in_memory = crowd()  # only the targets are in files
    an.fit_many(in_memory, X, t, rows=rows, epochs=3, batch_size=8)
    for one, other in zip(in_memory, own, strict=True):
        np.testing.assert_array_equal(one.params.flat, other.params.flat)


def test_no_network_copies_x(three_threads, monkeypatch):
    """Every plan gathers from the very array, and no selection reads all its rows."""
    x, seen = np.random.default_rng(0).standard_normal((4000, 4)), []
    monkeypatch.setattr(
        Selected, "__getitem__", lambda self, i: seen.append(np.size(i)) or self.array[self.rows[i]]
    )
    t = np.arange(len(x)) % 3
    rows = [np.random.default_rng(i).integers(len(x), size=len(x)) for i in range(4)]
    kept = []

    def keep(state):
        assert type(state.data[0]) is Selected
        assert state.data[0].array is x
        kept.append(state.step)

    an.fit_many([build(i) for i in range(4)], x, t, rows=rows, epochs=1, callbacks=[keep])
    assert len(kept) == 4
    assert not any(size == len(x) for size in seen)


def test_a_matrix_of_rows(threads):
    rows = np.random.default_rng(2).integers(len(X), size=(N, 30))
    nets, own = crowd(), crowd()
    an.fit_many(nets, X, T, rows=rows, epochs=2)
    for net, chosen in zip(own, rows, strict=True):
        net.fit(X[chosen], T[chosen], epochs=2)
    require_same(nets, own)


def test_only_the_network_s_rows_are_checked():
    """Rows of no fold may hold what no network could train on."""
    x, t = X.copy(), T.copy()
    x[3], t[4] = np.nan, 99
    nets = [build(0), build(1, relu=OwnReLU)]
    for net in nets:
        net.check_finite = True
    good = np.arange(5, 61)
    an.fit_many(nets, x, t, rows=[good, good], epochs=1)
    with pytest.raises(ValueError, match=r"t\[1\] is 99, wanted a class index") as caught:
        an.fit_many(nets, x, t, rows=[good, [7, 4]], epochs=1)
    assert "network 1 of 2" in caught.value.__notes__[0]


def test_all_values_are_looked_at_once_for_all_networks(monkeypatch):
    looked = []
    for module in ("checks", "crowd_data"):
        for name in ("require_finite", "require_codes"):
            look = getattr(importlib.import_module(f"affinet.training.{module}"), name)
            monkeypatch.setattr(
                f"affinet.training.{module}.{name}",
                lambda *a, name=name, look=look: looked.append(name) or look(*a),
            )

    def make(size, dtype="float32"):
        return an.Sequential(
            an.Embedding(2, {0: 3, 1: size}, 2, rng=0, dtype=dtype),
            an.Affine.init(4, 2, rng=1, dtype=dtype), loss=an.SoftmaxWithLoss(),
        )  # fmt: skip

    x = np.random.default_rng(0).integers(0, 3, (30, 2))
    nets = [make(3), make(3), make(5), make(3, "float64")]
    for net in nets:
        net.check_finite = True
    rows = [None, np.arange(9), np.arange(9), None]
    an.fit_many(nets, x, x[:, 0] % 2, rows=rows, epochs=1, validation_data=(x, x[:, 1] % 2))
    # One look at x and one at the validation data; codes also for each size and dtype.
    assert looked.count("require_finite") == 2
    assert looked.count("require_codes") == 2 * 3
    x[3, 1] = 7
    with pytest.raises(ValueError, match=r"7"):
        an.fit_many(nets, x, x[:, 0] % 2, epochs=1)
    an.fit_many(nets, x, x[:, 0] % 2, rows=[[0, 1, 2, 4]] * 4, epochs=1)  # without that row


class OwnEmbedding(an.Embedding):
    """A custom layer that takes other codes: its checks may depend on more than its config."""

    def require_inputs(self, x, name="x", first_row=0):
        if (x[:, 0] == 2).any():
            raise ValueError(f"{name}: code 2 is not for this one")


def test_a_custom_embedding_looks_at_the_codes_of_its_own_network():
    x = np.random.default_rng(0).integers(0, 3, (30, 1))
    t = np.arange(30) % 2

    def make(cls):
        return an.Sequential(
            cls(1, {0: 3}, 2, rng=0), an.Affine.init(2, 2, rng=1), loss=an.SoftmaxWithLoss()
        )

    nets, own = [make(an.Embedding), make(OwnEmbedding)], make(OwnEmbedding)
    rows = np.flatnonzero(x[:, 0] < 2)
    with pytest.raises(ValueError, match="x: code 2 is not for this one") as caught:
        an.fit_many(nets, x, t, epochs=1)
    assert "network 1 of 2" in caught.value.__notes__[0]
    an.fit_many(nets, x, t, rows=[None, rows], epochs=1, seeds=[0, 0])
    own.fit(x[rows], t[rows], epochs=1, seed=0)
    np.testing.assert_array_equal(nets[1].params.flat, own.params.flat)


@pytest.mark.parametrize("x", [X[:0], np.float64(3.0)])
def test_no_rows_are_refused(x):
    with pytest.raises(ValueError, match=r"x has shape .*, wanted at least one row"):
        an.fit_many([build(0)], x, T[: x.size // 4], epochs=1)


def test_the_warning_counts_in_the_network_s_rows():
    x = X.copy()
    x[3] = np.nan
    with pytest.warns(RuntimeWarning, match=r"network 1: .* because x\[2, 0\] is nan"):
        an.fit_many([build(0), build(1)], x, T, rows=[[4, 5], [9, 8, 3]], epochs=1)


def test_selected_rows_are_like_rows_in_files():
    rows = Selected(X, np.array([4, 4, 2]))
    assert (len(rows), rows.shape, rows.ndim, rows.dtype) == (3, (3, 4), 2, X.dtype)
    np.testing.assert_array_equal(rows[1:], X[[4, 2]])
    np.testing.assert_array_equal(rows[2], X[2])
    np.testing.assert_array_equal(np.asarray(rows, np.float32), X[[4, 4, 2]].astype(np.float32))
    np.testing.assert_array_equal(rows.select(np.array([2, 0]))[:], X[[2, 4]])
    assert repr(rows) == "Selected(3 of 61 rows)"
    with pytest.raises(ValueError, match="can only be copied"):
        rows.__array__(copy=False)
