"""Every step of an encoding, as ONNX Runtime computes it, beside the encoding itself."""

import copy

import numpy as np
import pytest

from affinet.tables import (
    CategoryColumn,
    ClassTarget,
    CodeColumn,
    DateColumn,
    Encoding,
    MissingColumn,
    NumberColumn,
    OneHotColumn,
    QuantileScaling,
    RobustScaling,
    ScaledColumn,
    ScaledDateColumn,
    SignColumn,
    StandardScaling,
    Table,
)
from onnx_tables import encoded, encoded_as_far_as_known

INF, NAN = np.inf, np.nan
TARGET = ClassTarget("target", ("no", "yes"))
NUMBERS = np.array(
    [0.0, -0.0, 1.0, -1.5, 2.5, 3.0, 1e-300, 1e6, -1e9, 1e300, -1.7e308, NAN, INF, -INF]
)


def assert_alike(columns, values, dtype="float64", decimal=".", **options):
    """Compare all rows; values by the names of the columns."""
    encoding = Encoding(tuple(columns), TARGET, (*values, "target"), decimal=decimal)
    with np.errstate(all="ignore"):
        wanted, is_wanted = encoded_as_far_as_known(encoding, values, dtype)
    rows, known = encoded(encoding, values, dtype, **options)
    np.testing.assert_array_equal(known, is_wanted)
    np.testing.assert_allclose(
        rows, wanted, rtol=20 * np.finfo(dtype).eps, atol=20 * np.finfo(dtype).eps
    )
    return rows, known


SCALINGS = {
    "standard": StandardScaling(1.5, 2.5),
    "robust": RobustScaling(-0.25, 0.75),
    "robust of the smallest": RobustScaling(0.0, 5e-324),
    "quantile": QuantileScaling((-2.0, -1.0, 0.5, 1.0, 4.0)),
    "quantile of two": QuantileScaling((-1.0, 3.0)),
    "quantile of equals": QuantileScaling((0.0, 0.0, 0.0, 1.0, 1.0, 2.5, 3.0, 3.0)),
    "quantile of equal ones": QuantileScaling((1.0, 1.0)),
    "quantile of large ones": QuantileScaling((-1.7e308, 0.0, 1.0, 1e308, 1.7e308)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fill", [None, 2.5])
@pytest.mark.parametrize("name", SCALINGS)
def test_numbers(name, fill, dtype):
    column = ScaledColumn("a", SCALINGS[name], fill, indicator=fill is not None)
    rows, known = assert_alike([column], {"a": NUMBERS}, dtype)
    assert known.tolist() != [True] * len(known)
    assert known[-3] == (fill is not None)
    assert not known[-2:].any()
    assert not rows[~known].any()


@pytest.mark.parametrize("opset", [13, 17, 18, 22])
def test_all_scalings_at_once_at_any_opset(opset):
    columns = [
        ScaledColumn(f"c{place}", scaling, 1.0, indicator=place % 2 == 0)
        for place, scaling in enumerate(SCALINGS.values())
    ]
    rng = np.random.default_rng(0)
    values = {column.name: rng.permutation(NUMBERS) for column in columns}
    assert_alike([NumberColumn("m", 2.0, 3.0, 0.5), *columns], values | {"m": NUMBERS}, opset=opset)


def test_many_quantiles():
    rng = np.random.default_rng(0)
    for n in (3, 10, 300, 5000, 40_000):
        values = np.concatenate([rng.standard_normal(n), np.round(rng.standard_normal(n))])
        scaling = QuantileScaling.fit(values)
        at = np.concatenate([rng.choice(values, 50), rng.standard_normal(50), scaling.quantiles])
        assert_alike([ScaledColumn("a", scaling)], {"a": at})


def test_numbers_of_other_types():
    column = NumberColumn("a", 2.0, 3.0)
    values = np.array([1, 2, -(2**40)])
    assert_alike([column], {"a": values}, number=np.int64)
    assert_alike([column], {"a": values.astype(np.float32)}, number=np.float32)


def test_no_rows():
    columns = [
        ScaledColumn("a", SCALINGS["quantile"], 1.0, True),
        OneHotColumn("b", ("x", "y")),
        ScaledDateColumn("d", "YYYY-MM-DD", SCALINGS["robust"], True, 3.0, True),
    ]
    rows, _ = assert_alike(columns, {"a": np.empty(0), "b": [], "d": []})
    assert rows.shape == (0, 2 + 2 + 8)


# Categories --------------------------------------------------------------------------------------

TEXTS = ["cat", "dog", "größe 日本", "", "?", "NA", "n/A", "nAn", "NULL", "pig", "Cat", "c at"]


@pytest.mark.parametrize("kind", [OneHotColumn, CodeColumn])
@pytest.mark.parametrize("tolerant", [True, False])
@pytest.mark.parametrize("fill", [None, "dog"])
def test_categories(kind, fill, tolerant):
    column = kind("a", ("cat", "dog", "größe 日本"), fill, tolerant)
    _, known = assert_alike([column], {"a": TEXTS})
    assert known[:3].all()
    assert known[3:9].all() == (tolerant or fill is not None)
    assert known[9:].all() == tolerant


@pytest.mark.parametrize("tolerant", [True, False])
@pytest.mark.parametrize("fill", [None, "dog"])
def test_pairs_and_codes_of_others(fill, tolerant):
    columns = [
        SignColumn("a", ("cat", "dog"), fill, tolerant),
        CodeColumn("b", ("cat", "dog"), fill, tolerant, others=True),
        CategoryColumn("c", ("cat", "dog"), fill),
    ]
    for column in columns:
        assert_alike([column], {column.name: TEXTS})
    assert_alike(columns, dict.fromkeys("abc", TEXTS))


def test_scaled_inputs_of_categories():
    names, scaling = ("cat", "dog", "größe 日本"), RobustScaling(0.25, 0.5)
    scalings = (scaling, RobustScaling(0.0, 1e-3), RobustScaling(1.0, 2.0))
    columns = [
        OneHotColumn("a", names, scalings=scalings),
        SignColumn("b", names[:2], scalings=(scaling,)),
        SignColumn("c", names[1:], tolerant=False),
        OneHotColumn("d", names[1:], "dog", tolerant=False),
        SignColumn("e", names[::2], "cat", tolerant=False, scalings=(scalings[1],)),
        CodeColumn("f", names),
    ]
    for column in columns:
        assert_alike([column], {column.name: TEXTS})
    rows, known = assert_alike(columns[:2] + columns[5:], dict.fromkeys("abf", TEXTS))
    assert known.all()
    assert rows[0, 0] == scaling.apply(np.array([1.0]))
    assert_alike(columns, {name: ["dog", "cat", "größe 日本"] for name in "abcdef"})


def test_notations_of_numbers_and_truth_values():
    numbers = ["1", "1.0", "1.00", "2", "2.0", "1.5", "1.50", "3", "01", "1e0"]
    truths = ["True", "true", "TRUE", "1", "1.0", "0", "False", "false", "0.0", "yes"]
    assert_alike([OneHotColumn("a", ("1", "1.5", "2"))], {"a": numbers})
    assert_alike([OneHotColumn("a", ("1.0", "2", "2.0"))], {"a": numbers})
    assert_alike([SignColumn("a", ("False", "True"))], {"a": truths})
    assert_alike([SignColumn("a", ("0", "1"))], {"a": truths})
    commas = [text.replace(".", ",") for text in numbers]
    assert_alike([CodeColumn("a", ("1", "1,5", "2"))], {"a": commas}, decimal=",")


def test_many_categories():
    names = tuple(sorted(f"n{place}" for place in range(10_000)))
    values = [*np.random.default_rng(0).choice(names, 50).tolist(), "?", "other"]
    assert_alike([CodeColumn("a", names, others=True)], {"a": values})


# Missing values and dates ------------------------------------------------------------------------


def test_columns_of_which_only_missing_values_count():
    values = {"a": np.array([7, NAN, INF, -1.0]), "b": ["2024-01-01", "", "NA", "soon"]}
    _, known = assert_alike([MissingColumn("a"), MissingColumn("b", dated=True)], values)
    assert known.tolist() == [True, True, False, True]


CLOCKS = (
    *("", " 12:34", "T12:34", " 1:02", "T23:59:59", " 00:00:00.5", "T12:34:56.123456"),
    *(" 12:34Z", "T12:34 Z", "T12:34:56.5+02:00", " 12:34-0530", "T00:00+23:59", "T00:00-23:59"),
    *(" 25:00", "T12:60", "T12:34:60", "T12", " 12:34+24:00", "T12:34:56,5"),
    *("T12:34+01", "  12:34", " 12:34 +01:00", "Z", "T", " soon"),
)
DAYS = (
    *((2024, 1, 31), (2024, 2, 29), (2023, 2, 29), (1900, 2, 29), (2000, 2, 29), (1970, 1, 1)),
    *((1969, 12, 31), (1, 1, 1), (9999, 12, 31), (0, 1, 1), (2024, 13, 1), (2024, 0, 1)),
    *((2024, 4, 31), (2024, 4, 30), (2024, 1, 0), (2024, 1, 32), (1600, 3, 1)),
)
NOTATIONS = {
    "YYYY-MM-DD": "{0:04d}-{1:02d}-{2:02d}",
    "YYYY/MM/DD": "{0:04d}/{1:d}/{2:d}",
    "DD.MM.YYYY": "{2:02d}.{1:02d}.{0:04d}",
    "MM/DD/YYYY": "{1:d}/{2:d}/{0:04d}",
    "DD/MM/YYYY": "{2:02d}/{1:d}/{0:04d}",
}
WORDS = ["", "NA", "?", "null", "soon", "2024", "1.5", " 2024-01-31", "2024-01-31 ", "٢٠٢٤-01-01"]


@pytest.mark.parametrize("notation", NOTATIONS)
def test_dates(notation):
    written = [NOTATIONS[notation].format(*day) for day in DAYS]
    cells = written + [written[0] + clock for clock in CLOCKS]
    cells += [written[7] + CLOCKS[9], written[8] + CLOCKS[10]]  # the first and the last day
    cells += [cell for cell in WORDS if cell.strip() == cell]
    for fill in (None, 100.0):
        columns = [
            ScaledDateColumn("a", notation, StandardScaling(19_000.0, 50.0), True, fill, True),
            DateColumn("b", notation, 19_000.0, 50.0, False, fill),
        ]
        encoding = Encoding(tuple(columns), TARGET, ("a", "b", "target"))
        values = {"a": cells, "b": cells}
        wanted, is_wanted = encoded_as_far_as_known(encoding, values)
        rows, known = encoded(encoding, values)
        different = [cells[place] for place in np.flatnonzero(known != is_wanted)]
        assert not different
        np.testing.assert_allclose(rows, wanted, rtol=1e-12, atol=1e-9)
        assert 15 < known.sum() < len(cells) - 15


def test_dates_with_outer_spaces_are_refused():
    column = DateColumn("a", "YYYY-MM-DD", 0.0, 1.0)
    encoding = Encoding((column,), TARGET, ("a", "target"))
    _, known = encoded(encoding, {"a": [" 2024-01-31", "2024-01-31 ", "2024-01-31"]})
    assert known.tolist() == [False, False, True]


def test_dates_need_an_opset():
    encoding = Encoding((DateColumn("day", "YYYY-MM-DD", 0.0, 1.0),), TARGET, ("day", "target"))
    with pytest.raises(ValueError, match=r"opset is 19, wanted 20 or more: column 'day'"):
        encoded(encoding, {"day": []}, opset=19)


# Random tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_random_tables(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.choice([1, 2, 30, 200]))
    values = {
        "zahl": rng.standard_normal(n) * 10.0 ** rng.integers(-5, 6),
        "ganz": rng.integers(-3, 4, n).astype(float),
        "gleich": np.full(n, 3.5),
        "ärger": rng.choice(["grün", "blau", "日本", "x y"], n).tolist(),
        "viele": rng.choice([f"v{place}" for place in range(15)], n).tolist(),
        "ja": rng.choice(["True", "False"], n).tolist(),
        "tag": [f"2024-{m}-{d}" for m, d in rng.integers(1, 29, (n, 2)) % 12 + 1],
    }
    for name in ("zahl", "ärger", "viele", "tag", "gleich"):
        for row in np.flatnonzero(rng.random(n) < rng.choice([0, 0.3])):
            values[name][row] = NAN if name in ("zahl", "gleich") else str(rng.choice(["", "NA"]))
    table = Table("t", values | {"target": rng.standard_normal(n)})
    for scaling, one_hot in (("robust", 9), ("quantile", None), ("standard", 0)):
        try:
            encoding = Encoding.fit(
                table, "target", task="regression", scaling=scaling, one_hot=one_hot,
                missing="indicator",
            )  # fmt: skip
        except ValueError:
            if n < 3:
                continue  # nothing to learn from
            raise
        later = {name: copy.copy(column)[::-1] for name, column in values.items()}
        for name in ("ärger", "viele"):
            later[name][0] = "unbekannt"
        later["zahl"][-1], later["ganz"][0] = INF, NAN
        wanted, is_wanted = encoded_as_far_as_known(encoding, later, "float32")
        rows, known = encoded(encoding, later, "float32")
        np.testing.assert_array_equal(known, is_wanted)
        np.testing.assert_allclose(rows, wanted, rtol=2e-6, atol=2e-6)
