"""Parquet files, with pyarrow and without it."""

import datetime
import sys
from decimal import Decimal

import numpy as np
import pytest

from affinet.tables import Encoding, read_table


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(ImportError, match=r'pip install "affinet\[parquet\]"'):
        read_table(tmp_path / "a.parquet")


@pytest.fixture
def parquet(tmp_path):
    """Writes columns to a Parquet file and gives its path."""
    pyarrow = pytest.importorskip("pyarrow")
    files = pytest.importorskip("pyarrow.parquet")

    def write(columns):
        path = tmp_path / "a.parquet"
        files.write_table(pyarrow.table(columns), path)
        return path

    return write


def test_columns_of_every_kind(parquet):
    import pyarrow

    day = datetime.date(2024, 2, 29)
    table = read_table(
        parquet(
            {
                "whole": [1, 2, 3],
                "gaps": pyarrow.array([2**53 + 1, None, 2**53 + 3], pyarrow.int64()),
                "real": [0.5, None, float("nan")],
                "yes": [True, False, None],
                "text": ["007", None, "x"],
                "category": pyarrow.array(["a", "b", None]).dictionary_encode(),
                "money": [Decimal("1.50"), Decimal("2.00"), None],
                "day": [day, None, day],
                "moment": pyarrow.array([0, 1_500_000_000, None], pyarrow.timestamp("ns")),
                "nothing": pyarrow.nulls(3),
            }
        )
    )
    assert table.named
    assert table.numbers("whole").tolist() == [1.0, 2.0, 3.0]
    assert table.texts("gaps") == ["9007199254740993", "", "9007199254740995"]
    assert np.isnan(table.numbers("real")).tolist() == [False, True, True]
    assert table.texts("yes") == ["1", "0", ""]
    assert table.texts("text") == ["007", "", "x"]
    assert table.texts("category") == ["a", "b", ""]
    assert table.numbers("money")[:2].tolist() == [1.5, 2.0]
    assert (table.texts("day"), table.kind("day")) == (["2024-02-29", "", "2024-02-29"], "date")
    assert table.texts("moment")[1].startswith("1970-01-01T00:00:01.5")
    assert table.texts("nothing") == ["", "", ""]


def test_large_integers_are_exact(parquet):
    values = [2**53, 2**53 + 1, 2**53, 2**53 + 1]
    table = read_table(parquet({"a": [1.0, 2.0, 3.0, 4.0], "t": values}), target="t")
    assert Encoding.fit(table, "t").target.classes == tuple(map(str, sorted(set(values))))


def test_other_columns_and_damage_are_refused_by_name(parquet):
    path = parquet({"a": [[1, 2], [3]]})
    with pytest.raises(ValueError, match=r"a\.parquet: column 'a' holds list"):
        read_table(path)
    content = bytearray(path.read_bytes())
    content[-20:-8] = bytes(12)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.parquet"):
        read_table(path)
    path.write_bytes(b"no")
    with pytest.raises(ValueError, match=r"a\.parquet: not a Parquet file"):
        read_table(path)


def test_the_size_is_bounded(parquet):
    path = parquet({"a": np.random.default_rng(0).random(10_000)})
    with pytest.raises(ValueError, match="max_bytes"):
        read_table(path, max_bytes=1000)
    assert len(read_table(path)) == 10_000
