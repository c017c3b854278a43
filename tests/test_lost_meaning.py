"""Arrays that mean more than their numbers: refused by name or kept whole, at every door."""

import numpy as np
import pytest

import affinet as an
from affinet import metrics
from affinet._validation import number_array, require_plain

pd = pytest.importorskip("pandas", reason="needs pandas")
sparse = pytest.importorskip("scipy.sparse", reason="needs SciPy")

X = np.arange(12.0).reshape(4, 3)
T = np.array([0, 1, 1, 0])


class Quantity:
    """Numbers with a unit, as pint has them: NumPy takes the numbers and drops the unit."""

    def __init__(self, magnitude):
        self.magnitude = np.asarray(magnitude)

    @property
    def units(self):
        return "metre"

    def __array__(self, dtype=None, copy=None):
        return np.array(self.magnitude, dtype)


class UnitArray(np.ndarray):
    """An array with a unit, as astropy has it."""

    unit = "km / s"


def masked(values=X):
    mask = np.zeros(np.shape(values), bool)
    mask.flat[-2] = True
    return np.ma.MaskedArray(values, mask)


def nullable(missing):
    frame = pd.DataFrame(X, columns=list("abc")).convert_dtypes()
    if missing:
        frame.loc[2, "b"] = pd.NA
    return frame


REFUSED = {
    "mask": (masked(), ValueError, r"has 1 masked elements, the first at \[3, 1\]: fill them"),
    "mask in a list": ([masked()[3], X[0]], ValueError, r"x\[0\] has 1 masked .*at \[1\]"),
    "masked constant": ([[1.0, np.ma.masked, 2.0]], ValueError, r"x\[0\]\[1\] has 1 masked"),
    "unit": (Quantity(X), TypeError, "x has the unit metre, which an array .*magnitude"),
    "unit of a subclass": (X.view(UnitArray), TypeError, "x has the unit km / s"),
    "units in a list": ([[Quantity(1.0)] * 3], TypeError, r"x\[0\]\[0\] has the unit metre"),
    "categories": (
        pd.DataFrame({"a": X[:, 0], "b": pd.Categorical([3, 1, 2, 3]), "c": X[:, 2]}),
        TypeError,
        "x: column 'b' holds categories, wanted numbers: .*get_dummies",
    ),
    "category series": (
        pd.Series([1, 2, 3], dtype="category"), TypeError, r"x holds categories.*cat\.codes"
    ),
    "missing": (nullable(True), ValueError, "x in column 'b', row 2 is missing: .*fillna"),
    "missing in a series": (
        pd.Series([1, None], dtype="Int64"), ValueError, r"x\[1\] is missing"
    ),
    "sparse": (sparse.csr_matrix(X), TypeError, r"x is a sparse csr_matrix.*x\.toarray\(\)"),
    "objects": (
        np.array([[1.0, None]], object), TypeError, r"x has dtype object.*at \[0, 1\] is None"
    ),
    "number objects": (np.ones((2, 3), object), TypeError, r"dtype object.*astype\(float\)"),
    "text": (np.array([["1", "2"]]), TypeError, r"x has dtype <U1.*convert text with astype"),
    "complex": (X + 1j, TypeError, r"x has dtype complex128.*pass x\.real"),
    "dates": (np.zeros((2, 3), "datetime64[s]"), TypeError, "x has dtype datetime64.*days since"),
    "date index": (pd.date_range("2020", periods=3), TypeError, "x has dtype datetime64"),
    "structure": (np.zeros(3, [("a", "f4")]), TypeError, "structured_to_unstructured"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_by_name(kind):
    value, error, match = REFUSED[kind]
    with pytest.raises(error, match=match):
        number_array("x", value)


def test_kept_whole():
    """A mask that hides nothing, nullable numbers of which none is missing, plain subclasses."""
    frame = nullable(False)
    assert {str(dtype) for dtype in frame.dtypes} == {"Int64"}
    bools = pd.DataFrame({"a": pd.array([True, False], "boolean"), "b": pd.array([1, 2], "Int8")})
    for value, expected in (
        (np.ma.MaskedArray(X, False), X),
        (np.ma.MaskedArray(X), X),
        (frame, X),
        (frame["a"], X[:, 0]),
        (frame.assign(d=0.5), np.c_[X, np.full(4, 0.5)]),
        (bools, [[1, 1], [0, 2]]),
        (pd.DataFrame(X), X),
        (pd.arrays.SparseArray([0.0, 1.0]), [0.0, 1.0]),
        ([[True, 2, 3.5], [np.float32(1), np.int8(2), 3]], [[1, 2, 3.5], [1, 2, 3]]),
        ([X[0], tuple(X[1])], X[:2]),
    ):
        found = number_array("x", value)
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, expected)
        assert found.dtype.kind in "biuf"
    with_nan = X.copy()
    with_nan[1, 1] = np.nan
    assert number_array("x", pd.DataFrame(with_nan)).dtype == np.float64


def test_categories_of_targets_may_be_allowed():
    require_plain("y", pd.Series(["a", "b"], dtype="category"), categories=True)
    require_plain("y", pd.DataFrame({"a": pd.Categorical(["a"])}), categories=True)
    with pytest.raises(TypeError, match="y holds categories"):
        require_plain("y", pd.Series(["a", "b"], dtype="category"))
    with pytest.raises(ValueError, match=r"y\[0\] is missing"):
        require_plain("y", pd.Series([None, 1], dtype="Int64"), categories=True)


# At the doors ------------------------------------------------------------------------------------


def network():
    return an.Sequential(an.Affine.init(3, 2, rng=0), loss=an.SoftmaxWithLoss())


INPUTS = {
    "Affine": lambda x: network().layers[0].forward(x),
    "ReLU": lambda x: an.ReLU().forward(x),
    "BatchNorm": lambda x: an.BatchNorm(3).forward(x, True),
    "predict": lambda x: network().predict(x),
    "predict_proba": lambda x: network().predict_proba(x),
    "forward": lambda x: network().forward(x, T),
    "evaluate": lambda x: network().evaluate(x, T),
    "fit": lambda x: network().fit(x, T, epochs=1),
    "validation": lambda x: network().fit(X, T, epochs=1, validation_data=(x, T)),
    "loss": lambda x: an.MeanSquaredError().forward(x, X),
    "loss's targets": lambda x: an.MeanSquaredError().forward(X, x),
    "metric": lambda x: metrics.r2_score(x, X),
    "metric's targets": lambda x: metrics.r2_score(X, x),
    "confusion": lambda x: metrics.confusion_matrix(x, T),
    "gradient": lambda x: an.SGD(0.1).update(X.copy(), x),
    "fit's targets": lambda x: an.Sequential(
        an.Affine.init(3, 3, rng=0), loss=an.MeanSquaredError()
    ).fit(X, x, epochs=1),
}
WEIGHTS = {
    "evaluate": lambda w: network().evaluate(X, T, sample_weight=w),
    "fit": lambda w: network().fit(X, T, epochs=1, sample_weight=w),
    "forward": lambda w: network().forward(X, T, True, w),
    "metric": lambda w: metrics.accuracy(T, T, sample_weight=w),
}


@pytest.mark.parametrize("door", INPUTS)
@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (masked(), ValueError, "masked elements"),
        (Quantity(X), TypeError, "has the unit metre"),
        (X.view(UnitArray), TypeError, "has the unit km"),
        (nullable(True), ValueError, "is missing"),
        (pd.DataFrame(X).astype("category"), TypeError, "holds categories"),
        (sparse.csr_matrix(X), TypeError, "is a sparse csr_matrix"),
    ],
    ids=["mask", "unit", "subclass", "missing", "categories", "sparse"],
)
def test_every_door_of_inputs(door, value, error, match):
    with pytest.raises(error, match=match):
        INPUTS[door](value)


@pytest.mark.parametrize("door", INPUTS)
def test_every_door_takes_nullable_numbers_and_open_masks(door):
    INPUTS[door](nullable(False))
    INPUTS[door](np.ma.MaskedArray(X))


@pytest.mark.parametrize("door", WEIGHTS)
def test_every_door_of_weights(door):
    with pytest.raises(ValueError, match="masked elements"):
        WEIGHTS[door](masked(np.ones(4)))
    with pytest.raises(TypeError, match="has the unit"):
        WEIGHTS[door](Quantity(np.ones(4)))
    WEIGHTS[door](pd.Series(np.ones(4)).convert_dtypes())


def test_arrays_that_are_changed_in_place():
    for bad, error in ((masked(), ValueError), (X.copy().view(UnitArray), TypeError)):
        with pytest.raises(error, match=r"params (has 1 masked|has the unit)"):
            an.SGD(0.1).update(bad, np.ones_like(X))
        with pytest.raises(error, match=r"x (has 1 masked|has the unit)"):
            an.numerical_gradient(lambda a: float((a * a).sum()), bad)
        net = network()
        with pytest.raises(error, match=r"0\.W (has 1 masked|has the unit)"):
            net.params["0.W"] = bad[:3, :2] if error is TypeError else masked(np.ones((3, 2)))


def test_hits_of_a_loss():
    for loss in (an.SoftmaxWithLoss(), an.SigmoidWithLoss()):
        with pytest.raises(ValueError, match="t has 1 masked"):
            loss.hits(X, masked(np.eye(3)[[0, 1, 2, 0]]))


def test_parameters_of_a_layer():
    with pytest.raises(ValueError, match="W has 1 masked"):
        an.Affine(masked(), np.zeros(3))
    with pytest.raises(TypeError, match="b has the unit"):
        an.Affine(X, Quantity(np.zeros(3)))


def test_nullable_numbers_beside_texts_are_refused_as_texts():
    frame = nullable(False).assign(town=["Ulm", "Ulm", "Rom", "Ulm"])
    with pytest.raises((TypeError, ValueError), match=r"town|Ulm"):
        an.Sequential(an.Affine.init(4, 2, rng=0)).predict(frame)
