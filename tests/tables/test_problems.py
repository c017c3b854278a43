"""What is wrong with a table: all columns in one error, each with the option that helps."""

import numpy as np
import pytest

from affinet.tables import Encoding, Table, folds, split


def table_of(**columns):
    n = len(next(iter(columns.values())))
    return Table("t.csv", columns, lines=list(range(2, n + 2)))


def test_all_bad_columns_are_reported_at_once():
    n = 40
    table = table_of(
        a=["", *["1"] * (n - 1)],
        good=[str(place) for place in range(n)],
        b=["x", "", *["y"] * (n - 2)],
        mixed=["1", "2", "3+", *["4"] * (n - 3)],
        name=[f"n{place}" for place in range(n)],
        huge=["1", "inf", *["2"] * (n - 2)],
        t=["0.5", "1.5", "", *["2.5"] * (n - 3)],
    )
    with pytest.raises(ValueError, match="'a'") as error:
        Encoding.fit(table, "t")
    text = str(error.value)
    for part in (
        "line 2, column 'a': the value is missing; line 3, column 'b': the value is missing; fill",
        "impute='median' (--impute median)",
        "line 4, column 'mixed': '3+' is not a number",
        "--categorical mixed",
        "column 'name' has 40 different values in 40 rows, too many for categories",
        "--ignore name",
        "line 3, column 'huge': inf, wanted a finite number",
        "line 4, column 't': the target is missing",
        "--drop-missing",
    ):
        assert part in text, text
    assert "good" not in text
    assert text.count("t.csv") == 1
    assert "\n" not in text


def test_of_very_many_bad_columns_the_first_ones_are_named():
    table = table_of(**{f"c{place}": ["", "1"] for place in range(50)}, t=["0.5", "1"])
    with pytest.raises(ValueError, match=r"\(50 columns in all\)") as error:
        Encoding.fit(table, "t")
    assert "'c11'" in str(error.value)
    assert "'c12'" not in str(error.value)


def test_unknown_categories_of_all_columns_are_reported_at_once():
    encoding = Encoding.fit(table_of(a=["x", "y"], b=["u", "v"], t=["0.5", "1"]), "t")
    later = table_of(a=["x", "z", "w"], b=["q", "u", "u"])
    with pytest.raises(ValueError, match="--unknown zero") as error:
        encoding.inputs(later)
    text = str(error.value)
    assert (
        "line 3, column 'a': 'z' is not one of the categories of the training rows (x, y)" in text
    )
    assert "nor are 1 more" in text
    assert "line 2, column 'b': 'q'" in text


def test_rows_without_a_target_can_be_dropped():
    table = table_of(a=["1", "2", "3", "4"], t=["x", "", "NA", "y"])
    kept = table.drop_missing("t")
    assert (len(kept), kept.texts("a"), kept.lines) == (2, ["1", "4"], [2, 5])
    assert table.drop_missing("a") is table
    array = Table("t.npy", {"a": np.arange(3.0), "t": np.array([1.0, np.nan, 2.0])})
    assert array.drop_missing("t").numbers("a").tolist() == [0.0, 2.0]


@pytest.mark.parametrize("values", [["1e300", "1"], ["-1e200", "1"]])
def test_targets_whose_squares_overflow_are_refused(values):
    with pytest.raises(ValueError, match=r"'t' reaches 1e\+\d00, .*rescale it"):
        Encoding.fit(table_of(a=["1", "2"], t=values), "t", task="regression")


def test_a_near_name_is_suggested():
    table = table_of(price=["1"], town=["x"])
    with pytest.raises(ValueError, match="did you mean 'price'"):
        table.resolve("prise")
    bare = Table("t.csv", {"column 1": ["1"]}, named=False, lines=[1])
    with pytest.raises(ValueError, match="--header"):
        bare.resolve("price")


def test_a_split_is_public():
    train, held_out = split(10, 0.5, np.random.default_rng(0))
    assert sorted([*train, *held_out]) == list(range(10))
    with pytest.raises(ValueError, match="1 row is too few"):
        split(1, 0.5, np.random.default_rng(0))


@pytest.mark.parametrize("groups", [None, np.repeat([0, 1, 2], [40, 13, 4])])
def test_folds_share_out_every_row_and_group(groups):
    found = folds(57, 4, np.random.default_rng(1), groups)
    held = np.concatenate([own for _, own in found])
    np.testing.assert_array_equal(np.sort(held), np.arange(57))
    for others, own in found:
        np.testing.assert_array_equal(np.setdiff1d(np.arange(57), own), others)
        assert len(own) in (14, 15)
        if groups is not None:
            assert set(np.bincount(groups[own])) <= {10, 3, 4, 1}
    for k in (1, 58):
        with pytest.raises(ValueError, match=f"{k} folds of 57 rows, wanted 2 to 57"):
            folds(57, k, np.random.default_rng(0))
