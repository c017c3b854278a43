"""DataFrames of pandas and polars, and arrays, as tables; the same encoding as of a file."""

import datetime as dt
import decimal
import subprocess
import sys
import time

import numpy as np
import pytest

from affinet.tables import Encoding, Table, read_table

MODERN = {"scaling": "quantile", "one_hot": 3, "missing": "indicator", "clamp": True}
NOON = dt.datetime(2024, 1, 31, 12)
NOON_TEXTS = ["2024-01-31T12:00:00.000000", ""]


@pytest.fixture
def pd():
    return pytest.importorskip("pandas", reason="needs pandas")


@pytest.fixture
def pl():
    return pytest.importorskip("polars", reason="needs polars")


def what_of(table, name="a"):
    """How a column would be learned, and its cells."""
    kind = "category" if name in table.categorical else table.kind(name)
    return kind, table.texts(name)


# The same data in all forms ----------------------------------------------------------------------


def life(n=200):
    """Columns as lists, None where a value is missing."""
    rng = np.random.default_rng(3)

    def gaps(values):
        return [
            None if gap else value for value, gap in zip(values, rng.random(n) < 0.2, strict=True)
        ]

    days = [dt.date(2023, 1, 1) + dt.timedelta(int(day)) for day in rng.integers(0, 700, n)]
    micros = rng.integers(0, 10**13, n).tolist()
    times = [dt.datetime(2023, 1, 1) + dt.timedelta(microseconds=m) for m in micros]
    return {
        # Eighths and quarters, which no parser rounds.
        "number": gaps((rng.integers(-999, 999, n) / 8).tolist()),
        "whole": rng.integers(-9, 99, n).tolist(),
        "town": gaps(rng.choice(["Ulm", "Bonn", "Kiel", "Bad Ems"], n).tolist()),
        "sex": gaps(rng.choice(["m", "f"], n).tolist()),
        "smoker": gaps([bool(value) for value in rng.random(n) < 0.4]),
        "member": [bool(value) for value in rng.random(n) < 0.4],
        "day": gaps(days),
        "time": times,
        "id": [f"n{place}" for place in range(n)],
        "seven": [7] * n,
        "t": (rng.integers(-999, 999, n) / 4).tolist(),
    }


def test_pandas_polars_and_files_of_the_same_data_have_the_same_encoding(pd, pl, tmp_path):
    data = life()
    polars = pl.DataFrame(data)
    polars.write_csv(tmp_path / "polars.csv")
    pandas = pd.DataFrame(data)
    pandas.to_csv(tmp_path / "pandas.csv", index=False)
    typed = pandas.astype({"town": "category", "whole": "Int16", "member": "boolean"})
    typed["day"] = pd.to_datetime(typed["day"])
    tables = {
        "pandas": Table.from_frame(pandas),
        "typed": Table.from_frame(typed),
        "objects": Table.from_frame(pandas.astype(object)),
        "read": Table.from_frame(pd.read_csv(tmp_path / "pandas.csv")),
        "polars": Table.from_frame(polars),
        "file": read_table(tmp_path / "pandas.csv"),
        "polars file": read_table(tmp_path / "polars.csv"),
    }
    rows = np.arange(0, 200, 3)
    fitted = {name: Encoding.fit(t, "t", rows=rows, **MODERN) for name, t in tables.items()}
    first = fitted["pandas"]
    assert [column.kind for column in first.columns] == [
        *("scaled number", "scaled number", "codes", "sign", "sign", "sign"),
        *("scaled date", "scaled date"),
    ]
    assert len(first.drops) == 2
    x = first.inputs(tables["pandas"], np.float64)
    for name, encoding in fitted.items():
        if name != "polars file":  # whose truth values are called false and true
            assert encoding.columns == first.columns, name
        assert encoding.drops == first.drops
        assert encoding.target == first.target
        for other in tables.values():
            assert encoding.inputs(other, np.float64).tobytes() == x.tobytes()


def test_the_defaults_take_frames_too(pd):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [NOON, NOON], "t": [0.5, 1.0]})
    encoding = Encoding.fit(Table.from_frame(frame), "t")
    assert [column.kind for column in encoding.columns] == ["number", "category", "date"]
    declared = Encoding.fit(Table.from_frame(frame, categorical=["a"]), "t")
    assert declared.columns[0].categories == ("1", "2")


# pandas ------------------------------------------------------------------------------------------

PANDAS = {  # a column's values, its dtype, and what they become
    "int64": ([3, -4], "int64", "number", ["3", "-4"]),
    "uint64": ([2**64 - 1, 0], "uint64", "number", ["18446744073709551615", "0"]),
    "float32": ([0.5, None], "float32", "number", ["0.5", ""]),
    "Int64": ([3, None], "Int64", "number", ["3", ""]),
    "Float64": ([0.5, None], "Float64", "number", ["0.5", ""]),
    "bool": ([True, False], "bool", "text", ["True", "False"]),
    "boolean": ([True, None], "boolean", "text", ["True", ""]),
    "string": ([" a b ", None], "string", "text", ["a b", ""]),
    "str": (["", "NA"], "str", "number", ["", ""]),
    "texts of numbers": (["1", " "], "object", "number", ["1", ""]),
    "texts of dates": (["2024-01-31", None], "object", "date", ["2024-01-31", ""]),
    "objects": ([True, None], "object", "text", ["True", ""]),
    "whole objects": ([3, 2**60], "object", "number", ["3", str(2**60)]),
    "decimals": ([decimal.Decimal("0.25"), None], "object", "number", ["0.25", ""]),
    "NaN among texts": (["a", float("nan")], "object", "text", ["a", ""]),
    "numbers and texts": ([1.0, "a"], "object", "mixed", ["1", "a"]),
    "dates": ([NOON.date(), None], "object", "date", ["2024-01-31", ""]),
    "times": ([NOON, None], "object", "date", NOON_TEXTS),
    "zoned": (
        [NOON.replace(tzinfo=dt.timezone(dt.timedelta(hours=0))), None],
        "object",
        "date",
        NOON_TEXTS,
    ),
    "datetime64": ([NOON, None], "datetime64[ns]", "date", NOON_TEXTS),
    "days": ([NOON.date(), None], "datetime64[s]", "date", ["2024-01-31", ""]),
    "UTC": ([NOON, None], "datetime64[ns, UTC]", "date", NOON_TEXTS),
    "timedelta64": ([dt.timedelta(1.5), None], "timedelta64[ns]", "number", ["1.5", ""]),
    "period": (["2024-01", None], "period[M]", "date", ["2024-01-01", ""]),
    "sparse": ([0, 1], "Sparse[int]", "number", ["0", "1"]),
    "category": (["b", None], "category", "category", ["b", ""]),
    "numbers as category": ([3.0, None], "category", "category", ["3", ""]),
    "truths as category": ([True, None], "category", "category", ["True", ""]),
    "nothing": ([None, None], "object", "number", ["", ""]),
}


@pytest.mark.parametrize("case", PANDAS)
def test_columns_of_pandas(pd, case):
    values, dtype, kind, texts = PANDAS[case]
    frame = pd.DataFrame({"a": pd.Series(values, dtype=dtype)}).set_index(np.array([5, 5]))
    table = Table.from_frame(frame)
    assert what_of(table) == (kind, texts)
    assert table.row_name(1) == "row 2"


def test_times_with_a_zone_are_converted_to_utc(pd, pl):
    zone = dt.timezone(dt.timedelta(hours=2))
    local = NOON.replace(hour=14, tzinfo=zone)
    for frame in (
        pd.DataFrame({"a": pd.to_datetime([local])}),
        pd.DataFrame({"a": pd.Series([local], dtype=object)}),
        pl.DataFrame({"a": [NOON]}).select(
            pl.col("a").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
        ),
    ):
        assert Table.from_frame(frame).texts("a") == NOON_TEXTS[:1]


# polars ------------------------------------------------------------------------------------------


def polars_cases(pl):
    return {
        pl.Int8: ([3, None], "number", ["3", ""]),
        pl.UInt64: ([2**64 - 1, 0], "number", ["18446744073709551615", "0"]),
        pl.Float32: ([0.5, None], "number", ["0.5", ""]),
        pl.Decimal(10, 2): ([decimal.Decimal("0.25"), None], "number", ["0.25", ""]),
        pl.Boolean: ([True, None], "text", ["True", ""]),
        pl.String: ([" a ", None], "text", ["a", ""]),
        pl.Categorical: (["1", None], "category", ["1", ""]),
        pl.Enum(["1", "2"]): (["1", None], "category", ["1", ""]),
        pl.Null: ([None, None], "number", ["", ""]),
        pl.Object: ([True, None], "text", ["True", ""]),
        pl.Date: ([NOON.date(), None], "date", ["2024-01-31", ""]),
        pl.Datetime("ns"): ([NOON, None], "date", NOON_TEXTS),
        pl.Duration("ms"): ([dt.timedelta(1.5), None], "number", ["1.5", ""]),
    }


def test_columns_of_polars(pl):
    for dtype, (values, kind, texts) in polars_cases(pl).items():
        frame = pl.DataFrame([pl.Series("a", values, dtype=dtype)])
        assert what_of(Table.from_frame(frame)) == (kind, texts), dtype


# Arrays ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind", "texts"),
    [
        (np.array([[1], [2]], np.uint8), "number", ["1", "2"]),
        (np.array([[0.5], [np.nan]], np.longdouble), "number", ["0.5", ""]),
        (np.array([[True], [False]]), "text", ["True", "False"]),
        (np.array([["a "], [""]]), "text", ["a", ""]),
        (np.array([["a"], [None]], object), "text", ["a", ""]),
        (np.array([[1], [None]], object), "number", ["1", ""]),
        (np.array([["2024-01-31T12", "NaT"]], "datetime64[h]").T, "date", NOON_TEXTS),
        (np.array([[36, "NaT"]], "timedelta64[h]").T, "number", ["1.5", ""]),
    ],
)
def test_arrays(values, kind, texts):
    table = Table.from_frame(values)
    assert (table.names, table.named) == (["x0"], False)
    assert what_of(table, "x0") == (kind, texts)


def test_a_table_keeps_its_values_when_the_array_changes():
    x = np.zeros((3, 2))
    table = Table.from_frame(x)
    x[:] = 5
    assert table.numbers("x1").tolist() == [0, 0, 0]


@pytest.mark.parametrize("categorical", [["x1"], [1], [-1], "x1", np.array([1]), [False, True]])
def test_categorical_columns_by_name_place_and_mask(categorical):
    table = Table.from_frame(np.array([[1.0, 3.0], [2.0, 4.0]]), categorical=categorical)
    assert table.categorical == {"x1"}


@pytest.mark.parametrize(
    ("categorical", "message"),
    [
        (["y"], "categorical names 'y', the columns of X are x0, x1"),
        ([2], "categorical holds 2, wanted names or places below 2"),
        ([0.5], "categorical holds 0.5"),
        ([True], "categorical is a mask of 1 columns, X has 2"),
    ],
)
def test_categorical_columns_are_checked(categorical, message):
    with pytest.raises(ValueError, match=message):
        Table.from_frame(np.zeros((2, 2)), categorical=categorical)


# Names, and what is refused ----------------------------------------------------------------------


def test_names_are_those_that_a_file_would_have(pd):
    frame = pd.DataFrame([[1, 2]], columns=[" age ", ""])
    assert Table.from_frame(frame).names == ["age", "column 2"]
    assert Table.from_frame(frame, categorical=[" age "]).categorical == {"age"}
    bare = Table.from_frame(pd.DataFrame(np.eye(2)))
    assert (bare.names, bare.named) == (["x0", "x1"], False)


def test_names_that_are_no_texts_or_not_different_are_refused(pd):
    for columns, message in (
        (["a", 3], "the name of column 2 is 3 of type int, wanted a text: rename"),
        ([1, 2], "the name of column 1 is 1 of type int"),
        (
            pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")]),
            r"column 1 is \('a', 'b'\) of type tu",
        ),
        (["a", "a "], "X: two columns have the name 'a'"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            Table.from_frame(pd.DataFrame([[1, 2]], columns=columns))


def test_all_columns_that_cannot_be_used_are_named(pd, pl):
    frame = pd.DataFrame({"l": [[1], [2]], "ok": [1, 2], "c": [1j, 2], "d": [None, {}]})
    with pytest.raises(ValueError, match="column 'l' holds a value of type list in row 1") as error:
        Table.from_frame(frame, source="my table")
    for part in (
        "my table: ",
        "column 'c' holds values of dtype complex128; ",
        "dict in row 2; wan",
    ):
        assert part in str(error.value)
    assert "'ok'" not in str(error.value)
    polars = pl.DataFrame({"l": [[1]], "s": [{"a": 1}], "b": [b"x"], "t": [dt.time(1)]})
    with pytest.raises(ValueError, match=r"'l' holds values of type List.*'s'.*'b'.*'t'"):
        Table.from_frame(polars)


@pytest.mark.parametrize(
    "values", [np.array([[1j]]), np.array([[b"a"]]), np.zeros((1, 1), "i4,i4")]
)
def test_arrays_of_other_things_are_refused(values):
    with pytest.raises(ValueError, match="column 'x0' holds values of dtype"):
        Table.from_frame(values)


def test_other_objects_are_refused(pd, pl):
    sparse = pytest.importorskip("scipy.sparse", reason="needs SciPy")
    for value, message in (
        ([[1, 2]], "X is of type list, wanted a DataFrame"),
        (pd.Series([1]), "of type Series"),
        (pl.DataFrame({"a": [1]}).lazy(), "LazyFrame.*collect"),
        (sparse.csr_matrix(np.eye(2)), "csr_matrix.*toarray"),
        (np.zeros(3), r"shape \(3,\), wanted rows and columns"),
        (np.zeros((3, 0)), "no columns"),
        (pd.DataFrame(), "no columns"),
        (np.ma.masked_array([[1, 2]], [[0, 1]]), "1 masked elements"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            Table.from_frame(value)


def test_infinite_numbers_are_refused_by_row_and_column(pd):
    frame = pd.DataFrame({"a": [1.0, 2.0, np.inf], "t": [0.5, 1, 2]})
    frame["b"] = pd.Series([1, 10**400, 2], dtype=object)
    with pytest.raises(ValueError, match=r"row 3, column 'a': inf.*; row 2, column 'b': inf"):
        Encoding.fit(Table.from_frame(frame), "t", **MODERN)


def test_dates_are_no_numbers(pd):
    table = Table.from_frame(pd.DataFrame({"a": [NOON], "t": [1.0]}))
    with pytest.raises(ValueError, match="column 'a' holds dates, wanted numbers"):
        table.numbers("a")


def test_an_empty_table_has_inputs(pd):
    encoding = Encoding.fit(
        Table.from_frame(pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "t": [0.5, 1]})), "t", **MODERN
    )
    assert encoding.inputs(Table.from_frame(pd.DataFrame({"a": [], "b": []}))).shape == (0, 2)


def test_neither_package_is_imported():
    code = (
        "import sys, numpy, affinet.tables as t; t.Table.from_frame(numpy.eye(2)); "
        "print({'pandas', 'polars'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_100_000_rows_take_no_second(pd):
    n, rng = 100_000, np.random.default_rng(0)
    data = {f"n{place}": rng.normal(size=n) for place in range(7)}
    data["few"] = rng.choice(["a", "b", "c"], n)
    data["more"] = np.char.add("city ", rng.integers(0, 50, n).astype(str))
    data["many"] = np.char.add("user ", rng.integers(0, 5000, n).astype(str))
    frame = pd.DataFrame({**data, "t": rng.normal(size=n)})
    frame.loc[::7, ["n0", "few"]] = np.nan
    seconds = []
    for _ in range(3):
        start = time.process_time()
        table = Table.from_frame(frame)
        x = Encoding.fit(table, "t", **MODERN).inputs(table)
        seconds.append(time.process_time() - start)
    assert x.shape == (n, 13)
    assert min(seconds) < 3  # about 0.5 s; a busy machine may take several times as long
