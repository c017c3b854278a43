"""Ensembles, estimators and models of tables as C, and what is refused."""

import ctypes
import warnings
from dataclasses import replace

import numpy as np
import pytest

import affinet as an
from affinet.export.models import network_of
from affinet.tables import Encoding, Table
from affinet.tabular import build, encode, recipe_for
from compiled_c import EXACT, WARNINGS


def mlp(seed, loss, n_inputs=5, n_outputs=3):
    return an.Sequential(
        an.Affine.init(n_inputs, 8, rng=seed), an.Tanh(),
        an.Affine.init(8, n_outputs, rng=seed + 9), loss=loss,
    )  # fmt: skip


@pytest.mark.parametrize("loss", ["SoftmaxWithLoss", "SigmoidWithLoss", "Poisson", "Huber"])
def test_ensembles(c, loss):
    nets = [mlp(seed, getattr(an, loss)()) for seed in range(3)]
    model = an.Ensemble(nets, weights=[1, 2, 1])
    x = np.random.default_rng(0).standard_normal((20, 5)).astype(np.float32)
    c.write(model, test=x)
    assert c.run(*WARNINGS) == (0, "0 of 60 outputs differ\n")
    assert c.loops(x[:2]) == {c.found["iterations"]}
    assert "#error" in (c.folder / "m_test.c").read_text()  # its bits are not promised


@pytest.mark.parametrize("options", [{"n_estimators": 3}, {"cv": 2}])
def test_estimators_with_several_networks(c, options):
    pytest.importorskip("sklearn")
    x = np.random.default_rng(0).standard_normal((30, 5)).astype(np.float32)
    given = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0, **options}
    model = an.estimators.MLPClassifier(**given)
    with warnings.catch_warnings(action="ignore"):  # two epochs do not converge
        model.fit(x, np.arange(30) % 3)
    c.write(model, test=x)
    assert c.run(*WARNINGS) == (0, "0 of 90 outputs differ\n")
    mean = network_of(model).predict_proba(x)  # what was compared with the C
    np.testing.assert_allclose(mean, model.predict_proba(x), atol=1e-6)


@pytest.mark.parametrize("kind", ["int8", "int16"])
@pytest.mark.parametrize("loss", ["SoftmaxWithLoss", "SigmoidWithLoss", "Poisson", "Huber"])
def test_ensembles_in_integers(c, loss, kind):
    model = an.Ensemble([mlp(seed, getattr(an, loss)()) for seed in range(3)], weights=[1, 2, 1])
    x = np.random.default_rng(0).standard_normal((20, 5)).astype(np.float32)
    found = c.write(model, type=kind, calibrate=x, test=3 * x, report=x)
    assert c.run(*WARNINGS) == (0, "0 of 60 outputs differ\n")
    assert c.loops(x[:2].astype(kind)) == {found["iterations"]}
    y = model.predict(x)
    assert found["largest_difference"] < (0.03 if kind == "int8" else 2e-4) * np.abs(y).max()


def test_an_ensemble_of_distributions_is_refused(tmp_path):
    """Its variance is not a mean of the members'."""
    model = an.Ensemble([mlp(seed, an.Gaussian(), n_outputs=2) for seed in range(2)])
    with pytest.raises(TypeError, match=r"the loss Gaussian\(.*has no form in C"):
        an.export.c(model, tmp_path)


@pytest.mark.parametrize("kind", ["float32", "int8", "int16"])
@pytest.mark.parametrize("loss", ["SoftmaxWithLoss", "SigmoidWithLoss"])
def test_probabilities_and_classes(c, kind, loss):
    binary = loss == "SigmoidWithLoss"
    net = mlp(0, getattr(an, loss)(), n_outputs=1 if binary else 3)
    net.metadata["classes"] = ['a"?', "é@"] if binary else ['a"?', "é@", "*/"]
    x = np.random.default_rng(0).standard_normal((20, 5)).astype(np.float32)
    c.write(net, type=kind, calibrate=x)
    library = c.library()
    library.m_classify.restype = ctypes.c_size_t
    names = (ctypes.c_char_p * len(net.metadata["classes"])).in_dll(library, "m_classes")
    assert [name.decode() for name in names] == net.metadata["classes"]
    wanted = net.predict_proba(x)
    for row, p in zip(x, wanted, strict=True):
        out = np.zeros(len(p), np.float32)
        library.m_predict_proba(pointer(row), pointer(out))
        assert np.abs(out - p).max() < (1e-6 if kind == "float32" else 0.03)
        place = library.m_classify(pointer(row))
        assert place == (int(out[0] > 0.5) if binary else out.argmax())


def pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


def test_digits_in_int8_on_all_rows(c):
    """The emulation, C and float32 on all 1,797 rows; its flash is measured in .ci."""
    (x, t), (x_test, t_test) = an.datasets.load_digits()
    net = an.Sequential(
        *(an.Affine.init(64, 32, rng=0), an.ReLU(), an.Affine.init(32, 10, rng=1)),
        loss=an.SoftmaxWithLoss(),
    )
    net.fit(x, t, epochs=20, optimizer=an.Adam(0.005), seed=0)
    rows = np.concatenate([x, x_test])
    found = c.write(net, type="int8", calibrate=x, test=rows, report=(x_test, t_test))
    assert c.run(*WARNINGS) == (0, "0 of 17970 outputs differ\n")
    assert found["accuracy"] > found["accuracy_float32"] - 0.005
    assert found["scratch"] == 32
    assert found["multiply_adds"] == 64 * 32 + 32 * 10
    assert found["flash"] == 2368 + 42 * (4 + 4 + 1)
    assert found["same_class"] > 0.98


# Tables ------------------------------------------------------------------------------------------


def table(n=200, numbers=2):
    rng = np.random.default_rng(0)
    size = rng.standard_normal(n) * 5
    gaps = np.where(rng.random(n) < 0.1, np.nan, np.round(rng.random(n), 1))
    fur = rng.choice(["grey", 'br"own@', "*/"], n).tolist()
    town = rng.choice([f"t{i}" for i in range(12)], n).tolist()
    yes = rng.choice(["yes", "no", ""], n).tolist()
    target = np.where(size + [5 * (f == "grey") for f in fur] > 0, "cat", "dog").tolist()
    columns = {"size": size, "int": gaps, "fur": fur, "town": town, "2 jå": yes}
    return Table("t", columns | {"pet": target, "weight": size * 2 + 1})


OPTIONS = [
    {"scaling": scaling, "one_hot": one_hot, "missing": "indicator", "scale_categories": scaled}
    for scaling, one_hot, scaled in (
        ("standard", 9, False), ("robust", 9, True), ("quantile", 2, False), ("robust", 20, True),
    )
]  # fmt: skip


@pytest.mark.parametrize("target", ["pet", "weight"])
@pytest.mark.parametrize("options", [*OPTIONS, {"impute": "mean"}])
def test_the_encoding_and_the_answer_of_a_table(c, options, target):
    rows = table()
    ignore = ["weight" if target == "pet" else "pet"]
    encoding = Encoding.fit(rows, target, ignore=ignore, clamp=True, **options)
    classes = target == "pet"
    loss = an.SoftmaxWithLoss() if classes else an.MeanSquaredError()
    sizes = dict(encoding.code_inputs)
    first = [an.Embedding(encoding.width, sizes, 3, rng=0)] if sizes else []
    width = first[0].n_outputs if first else encoding.width
    net = an.Sequential(*first, an.Affine.init(width, 2 if classes else 1, rng=0), loss=loss)
    net.metadata |= {"table": encoding.to_json(), "temperature": 2.0}
    if classes:
        net.metadata["classes"] = ["cat", "dog"]
    c.write(net)
    library = c.build(*WARNINGS, "-shared", "-fPIC", files=("m.c",), out="m.so")
    library = ctypes.CDLL(str(library))
    x = encoding.inputs(rows)
    y = net.predict(x)
    wanted = net.loss.probabilities(y / 2) if classes else encoding.target.restore(y).reshape(-1, 1)
    for i in range(len(rows)):
        row = Row(library, encoding, rows, i)
        got_x, got = np.zeros(x.shape[1], np.float32), np.zeros(wanted.shape[1], np.float32)
        assert library.m_encode(row, pointer(got_x)) == 0
        assert np.abs(got_x - x[i]).max() <= (1e-6 if options.get("scaling") == "quantile" else 0)
        assert library.m_answer(row, pointer(got)) == 0
        np.testing.assert_allclose(got, wanted[i], rtol=2e-5, atol=2e-6)


def Row(library, encoding, rows, i):
    names = {"size": "size", "int": "c_int", "fur": "fur", "town": "town", "2 jå": "c_2_j_"}
    columns = [column.name for column in encoding.columns]
    numeric = [column.kind in ("number", "scaled number") for column in encoding.columns]
    fields = [
        (f"f{place}", ctypes.c_double if number else ctypes.c_int32)
        for place, number in enumerate(numeric)
    ]
    row = type("Row", (ctypes.Structure,), {"_fields_": fields})()
    for place, (name, number) in enumerate(zip(columns, numeric, strict=True)):
        value = rows.columns[name][i]
        if not number:
            text = rows.texts(name)[i] if isinstance(value, str) else str(value)
            value = getattr(library, f"m_find_{names[name]}")(text.encode())
        setattr(row, f"f{place}", value)
    return ctypes.byref(row)


def test_a_row_that_predict_refuses_is_refused_by_the_number_of_its_field(c):
    rows = Table("t", {"a": [1.0, 2.0, 4.0], "b": ["x", "y", "x"], "t": [1.0, 2.0, 5.0]})
    rows = Table("t", {k: np.array(v) if k != "b" else v for k, v in rows.columns.items()})
    encoding = Encoding.fit(rows, "t", task="regression")
    net = an.Sequential(an.Affine.init(encoding.width, 1, rng=0))
    net.metadata["table"] = encoding.to_json()
    c.write(net)
    library = c.library()

    class Row(ctypes.Structure):
        _fields_ = (("a", ctypes.c_double), ("b", ctypes.c_int32))

    y = np.zeros(3, np.float32)
    x = library.m_find_b(b"x")
    for row, wanted in (
        (Row(1.0, x), 0), (Row(np.nan, x), 1), (Row(np.inf, x), 1), (Row(-1e300, x), 1),
        (Row(1.0, library.m_find_b(b"z")), 2), (Row(1.0, library.m_find_b(b"")), 2),
    ):  # fmt: skip
        assert library.m_answer(ctypes.byref(row), pointer(y)) == wanted


@pytest.mark.parametrize("kind", ["float32", "int8", "int16"])
@pytest.mark.parametrize(
    ("method", "target", "options"),
    [
        ("tabm", "pet", {"members": 4}),
        ("tabm", "weight", {"members": 4, "number_embedding": "piecewise", "mini": True}),
        ("realmlp", "pet", {}),
    ],
)
def test_networks_of_tables(c, method, target, options, kind):
    """Embeddings and members, as they are put together."""
    rows = table()
    task = "classification" if target == "pet" else "regression"
    recipe = replace(recipe_for(method, "default", task, n_rows=200), hidden=(8, 8), **options)
    encoding = encode(recipe, rows, target)
    x = encoding.inputs(rows)
    net = build(recipe, encoding, x, encoding.targets(rows), seed=0)
    for name, array in net.params.items():  # some start at 0 or 1
        array[...] += 0.1 * np.random.default_rng(len(name)).standard_normal(array.shape)
    net.metadata |= {"table": encoding.to_json(), "recipe": recipe.to_json()}
    found = c.write(net, type=kind, calibrate=x, test=x, report=x)
    assert c.run(*WARNINGS)[0] == 0
    assert c.loops(x[:2] if kind == "float32" else x[:2].astype(kind)) == {found["iterations"]}
    assert found["largest_difference"] <= {"float32": 0.0, "int8": 0.1, "int16": 1e-3}[kind]


# Refusals ----------------------------------------------------------------------------------------


class Own:
    def forward(self, x):
        return x

    def backward(self, dout):
        return dout


def broken():
    net = mlp(0, None)
    net.layers[0].W[0, 0] = np.nan
    return net


X = np.zeros((3, 5))


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        (an.Sequential(Own()), {}, TypeError, "layer 0, Own, has no compiled form"),
        (an.Sequential(an.ReLU()), {}, ValueError, "no layer fixes"),
        (broken(), {}, ValueError, "not finite"),
        ("net", {}, TypeError, "net is str"),
        (mlp(0, None), {"name": "2x"}, ValueError, "name is '2x'"),
        (mlp(0, None), {"type": "int4"}, ValueError, "type is 'int4'"),
        (mlp(0, None), {"type": "int8"}, ValueError, "int8 needs calibrate"),
        (mlp(0, None), {"type": "int8", "calibrate": X[:0]}, ValueError, "calibrate has shape"),
        (mlp(0, None), {"type": "int8", "calibrate": X[:, :2]}, ValueError, "calibrate has shape"),
        (mlp(0, None), {"type": "int8", "calibrate": X + np.inf}, ValueError, "calibrate holds"),
        (mlp(0, None), {"test": X[:, :2]}, ValueError, "test has rows of 2 numbers, wanted 5"),
        (mlp(0, None), {"test": X[0]}, ValueError, "test has shape"),
        (mlp(0, None), {"report": (X, X, X)}, ValueError, "report has 3 parts"),
        (mlp(0, None), {"report": (X, X[:2])}, ValueError, "report has 3 rows and 2 targets"),
        (mlp(0, None), {"single_header": True, "arduino": True}, ValueError, "exclude each other"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is(
    tmp_path, model, options, error, message
):
    with pytest.raises(error, match=message):
        an.export.c(model, tmp_path / "new", **{"name": "m", **options})
    assert not (tmp_path / "new").exists()


def test_emulate_refuses_float32_and_rows_of_another_width():
    with pytest.raises(ValueError, match="wanted int8 or int16"):
        an.export.emulate(mlp(0, None), X, type="float32", calibrate=X)
    with pytest.raises(ValueError, match="x has rows of 2"):
        an.export.emulate(mlp(0, None), X[:, :2], type="int8", calibrate=X)


def test_double_precision_is_rounded(c):
    net = an.Sequential(
        an.Affine.init(5, 3, rng=0, dtype=np.float64), an.BatchNorm(3, dtype=np.float64)
    )
    x = np.random.default_rng(0).standard_normal((9, 5))
    c.write(net, test=x)
    assert c.run(*EXACT)[0] == 0


def test_products_in_parts_are_refused_before_a_file_is_written(tmp_path):
    layers = [an.Affine.init(32, 16, rng=0)]
    net = an.Sequential(*layers, loss=an.MeanSquaredError(), precision="bfloat16")
    with pytest.raises(ValueError, match="precision 'bfloat16', which C has no form of"):
        an.export.c(net, tmp_path / "model")
    assert not [*tmp_path.iterdir()]
