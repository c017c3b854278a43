"""Columns of dates in the C of a table's encoding."""

import ctypes
import math

import numpy as np
import pytest

import affinet as an
from affinet.tables import Encoding, Table
from affinet.tables.cells import missing_spellings
from affinet.tables.dates import FORMATS, days_of
from compiled_c import WARNINGS

SHAPES = {
    "YYYY-MM-DD": "{y}-{m}-{d}", "YYYY/MM/DD": "{y}/{m}/{d}", "DD.MM.YYYY": "{d}.{m}.{y}",
    "MM/DD/YYYY": "{m}/{d}/{y}", "DD/MM/YYYY": "{d}/{m}/{y}",
}  # fmt: skip
TIMES = (
    *("", " 7:05", "T07:05:59", " 23:59:59.5", "T00:00:00.123456Z", " 12:00 Z", "T12:00+02:00"),
    *(" 12:00-0930", "T24:00", " 12:60", " 12:5", " 12:00:60", " 12:00:01.", " 12:00+24:00"),
    *(" 12:00  Z", " 12:00:00.1234567", "T", " ", " 12", " 12:00 +02:00", "x", " 12:00+2:00"),
)


def written(c, columns, **options):
    """The C of a network for a table with a target, its encoding and its library."""
    n = len(next(iter(columns.values())))
    table = Table("t", columns | {"t": np.arange(float(n))}, lines=list(range(1, n + 1)))
    encoding = Encoding.fit(table, "t", task="regression", **options)
    net = an.Sequential(an.Affine.init(encoding.width, 1, rng=0), loss=an.MeanSquaredError())
    net.metadata["table"] = encoding.to_json()
    c.write(net)
    flags = "-shared", "-fPIC", *WARNINGS
    return table, encoding, ctypes.CDLL(str(c.build(*flags, files=("m.c",), out="m.so")))


@pytest.mark.parametrize("notation", FORMATS)
def test_texts_are_read_as_python_reads_them(c, notation):
    shape = SHAPES[notation]
    first = [shape.format(y=2023, m=12, d=31), shape.format(y=2024, m="01", d=30)]
    if "/" in notation and not notation.startswith("Y"):
        first.append(shape.format(y=2024, m=2, d=20))
    _, encoding, library = written(c, {"when": first})
    assert encoding.columns[0].notation == notation
    library.m_days_when.restype = ctypes.c_double
    years = ("2024", "1900", "2000", "0001", "9999", "0000", "24", "20245")
    days = ((2, 29), (2, 28), (12, 31), (4, 31), (1, 1), (0, 1), (13, 1), (3, 0))
    texts = [shape.format(y=y, m=m, d=d) for y in years for m, d in days]
    texts += [shape.format(y=2024, m="03", d="07") + time for time in TIMES]
    texts += ["soon", "-", "2024", "2024-03", first[0] + " ", "3-2024-1"]
    for text in texts:
        wanted = days_of(text, notation)
        got = library.m_days_when(text.encode())
        if math.isnan(wanted):
            assert got == 1e30, text
        else:
            assert abs(got - wanted) <= 1e-11 * max(abs(wanted), 1.0), text
    for text in missing_spellings():
        assert math.isnan(library.m_days_when(text.encode()))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"impute": "mean"},
        {"missing": "indicator", "scaling": "robust"},
        {"scaling": "quantile"},
    ],
)
def test_days_and_cycles_are_those_of_the_encoding(c, options):
    rng = np.random.default_rng(0)
    days = rng.integers(-20_000, 40_000, 60)
    dates = np.array(days, "datetime64[D]").astype(str).tolist()
    times = [f"{date} {hour:02d}:30" for date, hour in zip(dates, days % 24, strict=True)]
    if options.get("impute") or options.get("missing"):
        times[7] = times[9] = ""
    table, encoding, library = written(c, {"date": dates, "time": times}, **options)
    library.m_days_date.restype = library.m_days_time.restype = ctypes.c_double
    x, out = encoding.inputs(table), np.zeros(encoding.width, np.float32)
    assert encoding.width >= 12
    for i in range(len(table)):
        row = (ctypes.c_double * 2)(
            library.m_days_date(dates[i].encode()), library.m_days_time(times[i].encode())
        )
        assert library.m_encode(row, out.ctypes.data_as(ctypes.c_void_p)) == 0
        assert np.abs(out - x[i]).max() < 1e-6
    for value in (1e30, -1e30, np.inf, *([] if {"impute", "missing"} & {*options} else [np.nan])):
        row[0] = value
        assert library.m_encode(row, out.ctypes.data_as(ctypes.c_void_p)) == 1
