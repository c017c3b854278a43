"""Encodings for modern networks for tables: missing values, drops, places of inputs, records."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affinet.tables import (
    Encoding,
    MissingColumn,
    NumberTarget,
    RobustScaling,
    ScaledColumn,
    ScaledDateColumn,
    StandardScaling,
    Table,
)
from affinet.tables.dates import cycles

MODERN = {"scaling": "robust", "one_hot": 3, "missing": "indicator", "clamp": True}
SCALINGS = ("standard", "robust", "quantile")


def table_of(named=True, **columns):
    n = len(next(iter(columns.values())))
    return Table("t.csv", columns, named=named, lines=list(range(2, n + 2)))


@pytest.fixture
def life():
    """A table of real life, in the order of whose columns the inputs come."""
    return table_of(
        id=[f"n{place}" for place in range(24)],
        town=["Ulm", "Bonn", "", "Kiel", "Ulm", "Rom"] * 4,
        size=["1", "2", "", "4", "100", "3"] * 4,
        sex=["m", "f", "f", "", "m", "m"] * 4,
        day=["2024-01-01", "", "2024-01-03 12:00", "2024-02-01"] * 6,
        zone=["7"] * 24,
        void=["", "NA"] * 12,
        promo=["1", "", ""] * 8,
        color=["red", "green", "blue", ""] * 6,
        t=[f"{place}.5" for place in range(24)],
    )


def test_the_inputs_of_a_table_of_real_life(life):
    encoding = Encoding.fit(life, "t", **MODERN)
    kinds = [(column.name, column.kind, column.width) for column in encoding.columns]
    assert kinds == [
        ("town", "codes", 1),
        ("size", "scaled number", 2),
        ("sex", "sign", 1),
        ("day", "scaled date", 8),
        ("promo", "missing", 1),
        ("color", "one-hot", 3),
    ]
    assert encoding.width == 16
    assert encoding.number_inputs == (1, 4)
    assert encoding.code_inputs == ((0, 5),)
    assert encoding.dropped == (
        "column 'id': every value differs, as in IDs, names and remarks",
        "column 'zone': 7 in every row",
        "column 'void': no value in any row",
    )
    x = encoding.inputs(life, np.float64)
    assert x[:6, 0].tolist() == [4, 1, 0, 2, 4, 3]  # Bonn, Kiel, Rom, Ulm
    assert x[:6, 2].tolist() == [0, 0, 1, 0, 0, 0]
    assert x[:6, 3].tolist() == [1, -1, -1, 0, 1, 1]
    assert x[:4, 11].tolist() == [0, 1, 0, 0]
    assert x[:3, 12].tolist() == [0, 1, 1]
    assert x[:4, 13:].tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0]]
    again = Encoding.from_json(json.loads(json.dumps(encoding.to_json(), allow_nan=False)))
    assert again == encoding
    assert again.dropped == encoding.dropped
    assert again.inputs(life, np.float64).tobytes() == x.tobytes()


@pytest.mark.parametrize("scaling", SCALINGS)
def test_missing_numbers_and_dates_become_the_median(life, scaling):
    encoding = Encoding.fit(life, "t", **{**MODERN, "scaling": scaling})
    (size,) = (column for column in encoding.columns if column.name == "size")
    (day,) = (column for column in encoding.columns if column.name == "day")
    assert (size.scaling.kind, size.fill, size.indicator) == (scaling, 3.0, True)
    days = 19723.0 + np.array([0, 2.5, 31])
    assert (day.fill, day.timed, day.indicator) == (days[1], True, True)
    x = encoding.inputs(life, np.float64)
    assert x[2, 1] == x[5, 1]  # 3, the median
    np.testing.assert_array_equal(x[1, 4:11], x[2, 4:11])
    np.testing.assert_array_equal(x[[0, 2, 3], 5:11], cycles(days, True))
    np.testing.assert_array_equal(x[[0, 2, 3], 4], day.scaling.apply(days))


def test_without_missing_training_values_there_is_no_indicator():
    encoding = Encoding.fit(table_of(a=["1", "2", "4"], t=["0.5", "1", "2"]), "t", **MODERN)
    assert encoding.columns == (ScaledColumn("a", RobustScaling(2.0, 1.5), 2.0),)
    assert encoding.inputs(table_of(a=["", "2"])).tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize("scaling", SCALINGS)
def test_missing_values_are_refused_by_default_and_imputed_on_request(scaling):
    table = table_of(a=["1", "", "10", "4"], t=["1.5", "2.5", "3.5", "1.0"])
    with pytest.raises(ValueError, match=r"line 3, column 'a': the value is missing"):
        Encoding.fit(table, "t", scaling=scaling, one_hot=9)
    full = Encoding.fit(table, "t", rows=[0, 2, 3], scaling=scaling, one_hot=9)
    with pytest.raises(ValueError, match=r"line 3, column 'a': the value is missing"):
        full.inputs(table)
    for impute, fill in (("mean", 5.0), ("median", 4.0)):
        encoding = Encoding.fit(table, "t", scaling=scaling, one_hot=9, impute=impute)
        assert encoding.columns[0].fill == fill
        assert encoding.width == 1


def test_standard_scaling_is_that_of_the_default(life):
    columns = {"a": life.columns["t"], "day": ["2024-01-01", "2024-03-01"] * 12}
    table = table_of(**columns, t=life.columns["t"])
    classic = Encoding.fit(table, "t")
    modern = Encoding.fit(table, "t", missing="indicator")
    assert isinstance(modern.columns[0].scaling, StandardScaling)
    assert modern.inputs(table).tobytes() == classic.inputs(table).tobytes()
    assert modern.number_inputs == classic.number_inputs == (0, 1)
    assert classic.code_inputs == classic.dropped == ()


def test_a_value_far_out_is_refused_where_it_overflows_and_clipped_by_robust_scaling():
    table = table_of(a=["1", "2", "4"], t=["0.5", "1", "2"])
    far = table_of(a=["1e300"])
    with pytest.raises(ValueError, match=r"line 2, column 'a': 1e300 is too large .* mean 2.33333"):
        Encoding.fit(table, "t", missing="indicator").inputs(far)
    assert Encoding.fit(table, "t", **MODERN).inputs(far).tolist() == [[3.0]]
    infinite = table_of(a=["1", "-inf", "2"], t=["0.5", "1", "2"])
    for options in (MODERN, {"scaling": "quantile"}):
        with pytest.raises(ValueError, match=r"line 3, column 'a': -inf, wanted a finite number"):
            Encoding.fit(infinite, "t", **options)


# Columns that say nothing ------------------------------------------------------------------------


def test_constant_columns_are_dropped_if_anything_but_the_default_is_asked_for():
    table = table_of(a=["7", "7"], b=["1", "2"], c=["x", "x"], t=["0.5", "1"])
    assert Encoding.fit(table, "t").dropped == ()
    for options in ({"scaling": "robust"}, {"one_hot": 9}, {"missing": "indicator"}):
        encoding = Encoding.fit(table, "t", **options)
        assert encoding.dropped == ("column 'a': 7 in every row", "column 'c': x in every row")
        assert encoding.width == 1


def test_if_all_columns_are_dropped_one_sentence_says_so():
    table = table_of(a=["7", "7"], b=["", ""], t=["0.5", "1"])
    with pytest.raises(
        ValueError, match=r"all of them were dropped: column 'a': 7 in every row, c"
    ):
        Encoding.fit(table, "t", **MODERN)
    text = table_of(a=["long " * 20] * 2, b=["1", "2"], t=["0.5", "1"])
    (dropped,) = Encoding.fit(text, "t", **MODERN).dropped
    assert dropped == "column 'a': long long long long long long long lo... in every row"
    with pytest.raises(ValueError, match="no training rows"):
        Encoding.fit(table, "t", rows=[], task="regression", **MODERN)
    with pytest.raises(ValueError, match="'b' has no value to learn from"):
        Encoding.fit(table, "t", scaling="robust", impute="mean")


def test_categories_without_a_value_are_dropped_or_refused():
    table = table_of(a=["", "NA"], b=["1", "2"], t=["0.5", "1"])
    dropped = Encoding.fit(table, "t", categorical=["a"], **MODERN).dropped
    assert dropped == ("column 'a': no value in any row",)
    with pytest.raises(ValueError, match="'a' has no value to learn from"):
        Encoding.fit(table, "t", categorical=["a"], one_hot=9, impute="mean")


def test_a_number_that_is_only_sometimes_there_is_an_input():
    table = table_of(a=["7", "", "7"], t=["0.5", "1", "2"])
    encoding = Encoding.fit(table, "t", **MODERN)
    assert encoding.columns == (MissingColumn("a"),)
    assert encoding.inputs(table).tolist() == [[0.0], [1.0], [0.0]]
    assert (encoding.number_inputs, encoding.code_inputs) == ((), ())
    assert Encoding.from_json(encoding.to_json()) == encoding


def test_a_date_that_is_only_sometimes_there_is_known_as_one():
    table = table_of(a=["2024-01-31", "", "2024-01-31"], t=["0.5", "1", "2"])
    (column,) = Encoding.fit(table, "t", **MODERN).columns
    assert column == MissingColumn("a", dated=True)
    assert MissingColumn.from_json(column.to_json()) == column
    assert MissingColumn("a").to_json() == {"kind": "missing", "name": "a"}  # as in older files
    with pytest.raises(TypeError, match="dated 1, wanted true or false"):
        MissingColumn.from_json(column.to_json() | {"dated": 1})


def test_dropped_columns_may_be_absent_by_name_and_keep_their_place_without_names():
    columns = {"a": ["1", "2"], "b": ["7", "7"], "c": ["3", "5"], "t": ["0.5", "1"]}
    encoding = Encoding.fit(table_of(**columns), "t", **MODERN)
    wanted = encoding.inputs(table_of(c=["3", "5"], a=["1", "2"])).tolist()
    for names in ("abct", "abc"):
        bare = table_of(named=False, **{name: columns[name] for name in names})
        assert encoding.inputs(bare).tolist() == wanted
    with pytest.raises(ValueError, match="2 columns, wanted 3 of inputs or all 4"):
        encoding.inputs(table_of(named=False, a=["1", "2"], c=["3", "5"]))


# Numbers and texts in one column -----------------------------------------------------------------


def test_numbers_and_texts_are_categories_unless_the_texts_look_like_mistakes():
    numbers = [str(place) for place in range(57)]
    t = ["0.5", "1", "2"] * 20
    mistakes = table_of(a=[*numbers, "12a", "1 2", "l2"], t=t)
    with pytest.raises(ValueError, match=r"line 59, column 'a': '12a' is not a number"):
        Encoding.fit(mistakes, "t", **MODERN)
    few = table_of(a=["0", "1", "2", "3+"] * 15, t=t)
    assert Encoding.fit(few, "t", **MODERN).columns[0].categories == ("0", "1", "2", "3+")
    with pytest.raises(ValueError, match=r"line 5, column 'a': '3\+' is not a number"):
        Encoding.fit(few, "t", one_hot=9)
    tickets = table_of(a=[*numbers[:28], *numbers[:28], "A/5", "SC", "LINE", "PC"], t=t)
    encoding = Encoding.fit(tickets, "t", **MODERN)
    assert encoding.columns[0].categories == tuple(sorted(numbers[:28]))
    assert encoding.inputs(tickets)[-1].tolist() == [29.0]


def test_dates_and_numbers_in_another_notation_among_texts_are_still_refused():
    t = ["0.5", "1", "2"]
    for cells, what in (
        (["2024-01-01", "2024-01-02", "soon"], "'soon' is not a date"),
        (["1,5", "2,5", "3,5"], "numbers such as '1,5'"),
        (["1/2/2024", "1/3/2024", "2/3/2024"], "month or the day first"),
        (["9007199254740993", "9007199254740992", "1"], "the same number"),
    ):
        with pytest.raises(ValueError, match=what):
            Encoding.fit(table_of(a=cells, t=t), "t", **MODERN)


# Training rows only ------------------------------------------------------------------------------

CELLS = st.sampled_from(
    ["", "1", "2.5", "-7", "1e9", "inf", "x", "y", "2024-01-05", "3/4/2024", "?"]
)


@pytest.mark.parametrize("scaling", SCALINGS)
@given(others=st.lists(st.tuples(*[CELLS] * 4), min_size=0, max_size=8))
@settings(deadline=None, max_examples=40)
def test_only_training_rows_are_learned_from(scaling, others):
    train = [
        *[("1", "x", "2024-01-01", "red"), ("2", "y", "", "blue"), ("", "", "2024-01-09", "3")],
        *[("5", "z", "2024-03-01", "red"), ("9", "v", "2024-01-02", "4")],
    ]
    t = [0.5, 1.0, 7.0, 3.0, 2.5]
    options = {**MODERN, "scaling": scaling}
    alone = Encoding.fit(of_rows(train, t), "t", **options)
    assert alone.width == 2 + 1 + 6 + 1
    mixed = of_rows([*others[::2], *train, *others[1::2]], None, -9.0, len(others[::2]), t)
    rows = len(others[::2]) + np.arange(len(train))
    assert Encoding.fit(mixed, "t", rows=rows, **options) == alone


def of_rows(rows, t, other=0.0, start=0, known=()):
    target = [other] * len(rows) if t is None else t
    target[start : start + len(known)] = known
    columns = dict(zip("abcd", map(list, zip(*rows, strict=True)), strict=True))
    return Table("t", {**columns, "t": np.array(target)})


def test_an_error_in_a_training_row_names_the_row_of_the_table():
    table = Table("t.npy", {"a": np.array([1, 2, np.inf, 3]), "t": np.arange(4) / 3})
    for rows in ([0, 2, 3], np.array([True, False, True, True])):
        with pytest.raises(ValueError, match=r"row 3, column 'a': inf"):
            Encoding.fit(table, "t", rows=rows, **MODERN)
    twice = table.select(np.array([3, 2])).select(np.array([1]))
    assert twice.row_name(0) == "row 3"


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_tiny_tables(n, scaling):
    table = table_of(
        a=["1", "4", "2", "", "9"][:n],
        b=["x", "", "y", "z", "v"][:n],
        c=["2024-01-01", "2024-01-05", "", "2024-01-05", "2024-01-01"][:n],
        t=["1.5", "2.5", "2.5", "7", "8"][:n],
    )
    options = {**MODERN, "scaling": scaling}
    if n == 1:
        with pytest.raises(ValueError, match="all of them were dropped"):
            Encoding.fit(table, "t", **options)
        return
    encoding = Encoding.fit(table, "t", **options)
    x = encoding.inputs(table)
    assert x.shape == (n, encoding.width)
    assert np.isfinite(x).all()
    later = encoding.inputs(table_of(a=["", "8"], b=["q", ""], c=["", "1999-12-31"]))
    assert np.isfinite(later).all()


# Targets -----------------------------------------------------------------------------------------


def test_predictions_are_clamped_to_the_range_of_the_training_rows():
    table = table_of(a=["1", "2", "3"], t=["10", "20", "900.5"])
    target = Encoding.fit(table, "t", rows=[0, 1], clamp=True).target
    assert target == NumberTarget("t", 15.0, 5.0, 10.0, 20.0)
    assert target.restore(np.array([-3.0, 0.5, 3.0, np.nan])).tolist()[:3] == [10.0, 17.5, 20.0]
    assert np.isnan(target.restore(np.array([np.nan]))).all()
    assert Encoding.fit(table, "t").target.restore(np.array([99.0])) > 1000


def test_a_constant_target_is_learned():
    table = table_of(a=["1", "2"], t=["4.5", "4.5"])
    encoding = Encoding.fit(table, "t", **MODERN)
    assert encoding.targets(table).tolist() == [0.0, 0.0]
    assert encoding.target.restore(np.array([7.0])).tolist() == [4.5]


# Records -----------------------------------------------------------------------------------------

OLD = """{"columns": [{"kind": "number", "name": "a", "mean": 2.5, "std": 1.5, "fill": null},
{"kind": "category", "name": "b", "categories": ["x", "y"], "fill": null},
{"kind": "date", "name": "c", "notation": "YYYY-MM-DD", "mean": 19724.0, "std": 1.0,
"timed": false, "fill": null}],
"target": {"task": "regression", "name": "t", "mean": 2.0, "std": 1.0},
"names": ["a", "b", "c", "t"], "named": true, "decimal": ".", "charset": null}"""


def test_records_of_the_default_are_those_of_earlier_versions():
    table = table_of(a=["1", "4"], b=["y", "x"], c=["2024-01-01", "2024-01-03"], t=["1", "3"])
    encoding = Encoding.fit(table, "t", task="regression")
    assert json.dumps(encoding.to_json()) == OLD.replace("\n", " ")
    old = json.loads(OLD)
    assert Encoding.from_json(old) == encoding
    del old["decimal"], old["charset"]
    assert Encoding.from_json(old) == encoding


def test_damaged_records_are_refused(life):
    good = Encoding.fit(life, "t", **MODERN).to_json()
    town, size, sex, day, promo = range(5)
    for place, value in (
        (("columns", town, "categories"), []),
        (("columns", town, "categories"), ["a", "a"]),
        (("columns", town, "categories"), ["a", ""]),
        (("columns", town, "categories"), "abc"),
        (("columns", town, "fill"), "Atlantis"),
        (("columns", town, "others"), 1),
        (("columns", town, "tolerant"), None),
        (("columns", size, "scaling"), None),
        (("columns", size, "scaling", "spread"), float("nan")),
        (("columns", size, "fill"), float("inf")),
        (("columns", size, "indicator"), "yes"),
        (("columns", sex, "categories"), ["f", "m", "x"]),
        (("columns", day, "notation"), "DD-MM"),
        (("columns", day, "timed"), 1),
        (("columns", promo), {"kind": "missing"}),
        (("dropped",), 3),
        (("dropped", 0), {"name": "id"}),
        (("target", "low"), 1e9),
        (("target", "high"), None),
        (("target", "high"), float("inf")),
    ):
        bad = json.loads(json.dumps(good))
        inner = bad
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = value
        with pytest.raises(ValueError, match="not the record of an encoding"):
            Encoding.from_json(bad)
    del good["target"]["low"]
    with pytest.raises(ValueError, match="not the record of an encoding"):
        Encoding.from_json(good)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scaling": "log"}, "scaling is 'log', wanted one of 'standard', 'robust', 'quantile'"),
        ({"missing": "zero"}, "missing is 'zero', wanted one of 'error', 'indicator'"),
        ({"one_hot": -1}, "one_hot is -1, wanted None or a non-negative integer"),
        ({"one_hot": 2.5}, "one_hot is 2.5"),
        ({"one_hot": True}, "one_hot is True"),
        ({"impute": "mean", "missing": "indicator"}, "impute is 'mean', but missing='indicator'"),
    ],
)
def test_options_are_checked_by_name(life, options, message):
    with pytest.raises(ValueError, match=message):
        Encoding.fit(life, "t", **options)


def test_scaled_dates_are_found_in_other_notations_only_as_dates():
    column = ScaledDateColumn("a", "DD.MM.YYYY", StandardScaling(0.0, 1.0))
    assert column.transform(table_of(a=["03.01.1970"]), "a")[0, 0] == 2.0
    dates = Table("t", {"a": np.array(["1970-01-03", "1970-01-04"], "datetime64[D]")})
    assert column.transform(dates, "a")[:, 0].tolist() == [2.0, 3.0]
    with pytest.raises(ValueError, match=r"line 2, column 'a': '1970-01-03' is not a date"):
        column.transform(table_of(a=["1970-01-03"]), "a")
    with pytest.raises(ValueError, match=r"row 1, column 'a': the value is missing"):
        column.transform(Table("t", {"a": np.array(["NaT"], "datetime64[D]")}), "a")
