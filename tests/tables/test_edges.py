"""Values at the edges of tables: empty, single, undecodable, in another notation."""

from datetime import date

import numpy as np
import pytest

from affinet.tables import Encoding, Table, read_table
from affinet.tables.arrays import array_table
from affinet.tables.cells import foreign_number, number_label
from affinet.tables.columns import CategoryColumn
from affinet.tables.dates import date_format
from affinet.tables.objects import label_of
from affinet.tables.splitting import split
from affinet.tables.targets import target_from_json
from affinet.tables.text import charset_of


def test_labels_in_other_notations():
    assert number_label("1.5", ",") is None  # a point groups digits there, or ends nothing
    assert number_label("1,50", ",") == "1.5"
    assert label_of(date(2024, 1, 31)) == "2024-01-31"
    assert date_format([]) is None


def test_numbers_in_another_notation_among_numbers():
    assert foreign_number(["1.5", "2,5", "3,5"], ".") == "2,5"
    assert foreign_number(["1.5", "cat"], ".") is None
    assert foreign_number(["1.5", "2"], ".") is None


def test_bytes_that_no_character_set_has_are_refused():
    with pytest.raises(ValueError, match=r"neither UTF-8 nor Latin-1 text: .*--encoding"):
        charset_of(b"\x80 \x81", None)


def test_a_number_is_no_table_and_a_decimal_mark_is_one_of_two(tmp_path):
    with pytest.raises(ValueError, match="a single number, wanted rows"):
        array_table("t", np.float64(3))
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")
    with pytest.raises(ValueError, match=r"decimal is ';', wanted '\.' or ','"):
        read_table(path, decimal=";")


def test_a_target_without_a_spread_is_refused():
    value = {"task": "regression", "name": "t", "mean": 0.0, "std": 0.0}
    with pytest.raises(ValueError, match=r"mean 0\.0 and std 0\.0"):
        target_from_json(value)


def test_rows_that_are_held_out():
    rng = np.random.default_rng(0)
    for rows, held in (split(5, 0.0, rng), split(5, 0.0, rng, np.arange(5))):
        assert (rows.tolist(), held.tolist()) == ([0, 1, 2, 3, 4], [])
    for seed in range(20):  # of the largest group, whatever the seed
        rows, held = split(4, 1e-9, np.random.default_rng(seed), np.array([0, 1, 1, 1]))
        assert (len(held), 0 in held, len(rows)) == (1, False, 3)
    with pytest.raises(ValueError, match=r"every class has a single row; 0 holds none"):
        split(4, 0.5, rng, np.arange(4))


@pytest.mark.parametrize("options", [{}, {"one_hot": 4}])
def test_a_column_of_missing_texts_is_refused_or_dropped(options):
    table = Table("t", {"a": ["", ""], "b": ["x", "y"], "t": np.arange(2.0)})
    with pytest.raises(ValueError, match="column 'a'"):
        Encoding.fit(table, "t", impute="median", **options)
    encoding = Encoding.fit(table, "t", missing="indicator", **options)
    assert [drop.name for drop in encoding.drops] == ["a"]


def test_categories_of_rows_without_any_are_refused():
    table = Table("t", {"a": ["", "x"]})
    with pytest.raises(ValueError, match="column 'a'"):
        CategoryColumn.fit(table, "a", np.arange(1), "mode")
