"""Columns of dates: notations, the numbers they become, and what is refused."""

import json
from datetime import UTC, date, datetime

import numpy as np
import pytest

from affinet.tables import DateColumn, Encoding, Table
from affinet.tables.dates import date_format, days_of


def table_of(cells, n=None):
    n = len(cells)
    columns = {"day": cells, "t": [f"{place}.5" for place in range(n)]}
    return Table("t.csv", columns, lines=list(range(2, n + 2)))


@pytest.mark.parametrize(
    ("cell", "notation", "moment"),
    [
        ("2024-02-29", "YYYY-MM-DD", datetime(2024, 2, 29)),
        ("2024/2/9", "YYYY/MM/DD", datetime(2024, 2, 9)),
        ("31.12.1999", "DD.MM.YYYY", datetime(1999, 12, 31)),
        ("12/31/1999", "MM/DD/YYYY", datetime(1999, 12, 31)),
        ("31/12/1999", "DD/MM/YYYY", datetime(1999, 12, 31)),
        ("2024-02-29T13:30", "YYYY-MM-DD", datetime(2024, 2, 29, 13, 30)),
        ("2024-02-29 9:30:15.25", "YYYY-MM-DD", datetime(2024, 2, 29, 9, 30, 15, 250000)),
        ("2024-02-29T01:00:00+02:00", "YYYY-MM-DD", datetime(2024, 2, 28, 23)),
        ("2024-02-29 01:00:00Z", "YYYY-MM-DD", datetime(2024, 2, 29, 1)),
        ("1.2.1900 00:00", "DD.MM.YYYY", datetime(1900, 2, 1)),
    ],
)
def test_notations(cell, notation, moment):
    assert date_format([cell]) == notation or cell == "1.2.1900 00:00"
    wanted = moment.replace(tzinfo=UTC).timestamp() / 86400
    assert days_of(cell, notation) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    "cell", ["2023-02-29", "2024-13-01", "2024-01-01x", "24-01-01", "2024-01", "", "٢٠٢٤-01-01"]
)
def test_what_is_not_a_date(cell):
    assert date_format([cell]) is None
    assert np.isnan(days_of(cell, "YYYY-MM-DD"))


def test_the_inputs_by_hand():
    days = ["2024-03-01", "2024-03-04", "2024-06-30"]
    table = table_of(days)
    encoding = Encoding.fit(table, "t")
    (column,) = encoding.columns
    assert (column.kind, column.notation, column.timed, column.width) == (
        *("date", "YYYY-MM-DD", False, 5),
    )
    x = encoding.inputs(table, np.float64)
    number = np.array([(date.fromisoformat(day) - date(1970, 1, 1)).days for day in days], float)
    assert x[:, 0] == pytest.approx((number - number.mean()) / number.std())
    year = 2 * np.pi * (number % 365.2425) / 365.2425
    week = 2 * np.pi * np.array([date.fromisoformat(day).weekday() for day in days]) / 7
    assert x[:, 1] == pytest.approx(np.sin(year))
    assert x[:, 2] == pytest.approx(np.cos(year))
    assert x[:, 3] == pytest.approx(np.sin(week))
    assert x[:, 4] == pytest.approx(np.cos(week))


def test_times_of_day_have_a_cycle_too():
    table = table_of(["2024-03-01T00:00", "2024-03-01T06:00", "2024-03-01T18:00"])
    encoding = Encoding.fit(table, "t")
    assert encoding.width == 7
    x = encoding.inputs(table, np.float64)
    assert x[:, 5] == pytest.approx([0, 1, -1], abs=1e-9)
    assert x[:, 6] == pytest.approx([1, 0, 0], abs=1e-9)


def test_the_notation_is_remembered():
    encoding = Encoding.fit(table_of(["31/1/2024", "1/2/2024"]), "t")
    again = Encoding.from_json(json.loads(json.dumps(encoding.to_json(), allow_nan=False)))
    assert again == encoding
    assert isinstance(again.columns[0], DateColumn)
    later = table_of(["2/3/2024"])
    wanted = Encoding.fit(table_of(["2024-01-31", "2024-02-01"]), "t")
    assert again.inputs(later).tolist() == wanted.inputs(table_of(["2024-03-02"])).tolist()
    with pytest.raises(ValueError, match=r"line 2, column 'day': '1/31/2024' is not a date of the"):
        again.inputs(table_of(["1/31/2024"]))


def test_missing_dates():
    table = table_of(["2024-03-01", "", "2024-03-03"])
    with pytest.raises(ValueError, match=r"line 3, column 'day': the value is missing.*--impute"):
        Encoding.fit(table, "t")
    x = Encoding.fit(table, "t", impute="mean").inputs(table, np.float64)
    assert (
        x[1].tolist()
        == Encoding.fit(table, "t", impute="mean")
        .inputs(table_of(["2024-03-02"]), np.float64)[0]
        .tolist()
    )


def test_what_may_be_month_or_day_first_is_refused():
    table = table_of(["1/2/2024", "3/4/2024"])
    with pytest.raises(ValueError, match=r"month or the day first.*YYYY-MM-DD"):
        Encoding.fit(table, "t")
    assert Encoding.fit(table, "t", categorical=["day"]).width == 2
    assert Encoding.fit(table_of(["1/1/2024", "2/2/2024"]), "t").columns[0].kind == "date"


def test_a_mistake_among_dates_is_named():
    cells = ["2024-01-01", "2024-01-02", "2024-02-30", "2024-01-03"]
    with pytest.raises(ValueError, match=r"line 4, column 'day': '2024-02-30' is not a date"):
        Encoding.fit(table_of(cells), "t")


@pytest.mark.parametrize(
    ("name", "value"),
    [("notation", "YYYY"), ("std", 0), ("mean", None), ("fill", "x"), ("fill", float("inf"))],
)
def test_a_damaged_record_is_refused(name, value):
    record = Encoding.fit(table_of(["2024-01-01", "2024-01-02"]), "t").to_json()
    record["columns"][0][name] = value
    with pytest.raises(ValueError, match="not the record of an encoding"):
        Encoding.from_json(record)
