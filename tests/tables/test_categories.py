"""Categories as signs, one-hot inputs and codes: missing, unknown, rare and very many ones."""

import time
import tracemalloc

import numpy as np
import pytest

from affinet.tables import CodeColumn, Encoding, OneHotColumn, SignColumn, Table
from affinet.tables.fitting import Options, fit_input
from affinet.tables.records import column_from_json

TOLERANT = {"one_hot": 3, "missing": "indicator"}


def table_of(**columns):
    n = len(next(iter(columns.values())))
    return Table("t.csv", columns, lines=list(range(2, n + 2)))


def fitted(cells, **options):
    return fit_input(table_of(a=cells), "a", Options(**{**TOLERANT, **options}))


def made_of(column, *cells):
    return column.transform(table_of(b=list(cells)), "b").tolist()


def test_two_categories_are_one_input_of_both_signs():
    column = fitted(["yes", "no", "yes", ""])
    assert column == SignColumn("a", ("no", "yes"))
    assert made_of(column, "no", "yes", "?", "perhaps") == [[-1], [1], [0], [0]]


@pytest.mark.parametrize("n", [3, 4])
def test_up_to_one_hot_categories_are_one_hot_and_more_are_codes(n):
    names = [f"c{place}" for place in range(n)]
    column = fitted(names[::-1])
    assert column.categories == tuple(names)
    if n == 3:
        assert isinstance(column, OneHotColumn)
        assert column.width == 3
        assert column.code_inputs == ()
        assert made_of(column, "c1", "", "new") == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    else:
        assert isinstance(column, CodeColumn)
        assert column.width == 1
        assert column.code_inputs == ((0, 5),)
        assert made_of(column, "c0", "c3", "", "new") == [[1], [4], [0], [0]]


def test_inputs_of_categories_can_be_scaled_like_numbers():
    """By hand: median 0 and quartiles 0 and 1 of "b", 0 and 0 of the others, whose range is 1."""
    column = fitted(["b", "a", "c", "b", "", "", "", "b"], scale_categories=True)
    rare, common = 2 / np.hypot(1, 2 / 3), 1 / np.hypot(1, 1 / 3)
    assert [scaling.spread for scaling in column.scalings] == [0.5, 1.0, 0.5]
    made = made_of(column, "a", "b", "c", "", "new")
    np.testing.assert_allclose(
        made, [[rare, 0, 0], [0, common, 0], [0, 0, rare], [0, 0, 0], [0, 0, 0]], rtol=1e-15
    )
    assert column_from_json(column.to_json()) == column


def test_the_sign_of_two_categories_can_be_scaled():
    """Most rows have the second one, 1, which is the median; the first and "missing" are below."""
    column = fitted(["yes"] * 8 + ["no"], scale_categories=True)
    made = made_of(column, "yes", "no", "")
    np.testing.assert_allclose(
        np.ravel(made), [0, -2 / np.hypot(1, 2 / 3), -1 / np.hypot(1, 1 / 3)], rtol=1e-15
    )


def test_records_without_scalings_are_read_and_wrong_ones_are_not():
    plain = fitted(["a", "b", "c"])
    record = plain.to_json()
    del record["scalings"]
    assert column_from_json(record) == plain
    record["scalings"] = [{"kind": "robust", "center": 0.0, "spread": 1.0}] * 2
    with pytest.raises(ValueError, match="2 scalings, wanted 3"):
        column_from_json(record)


def test_scaling_categories_wants_one_hot():
    with pytest.raises(ValueError, match="scale_categories is True, but one_hot is None"):
        Options(scale_categories=True)
    with pytest.raises(TypeError, match="scale_categories is 1, wanted True or False"):
        Options(one_hot=9, scale_categories=1)


def test_one_hot_0_makes_codes_of_everything():
    column = fitted(["x", "y"], one_hot=0)
    assert column == CodeColumn("a", ("x", "y"))
    assert fitted(["x", ""], one_hot=0) == CodeColumn("a", ("x",))


def test_without_one_hot_all_categories_are_one_hot():
    assert fitted(["x", "y"], one_hot=None) == OneHotColumn("a", ("x", "y"))
    names = [f"c{place}" for place in range(30)] + ["c0"]
    with pytest.raises(ValueError, match=r"30 different values in 31 rows.*one_hot=9"):
        fitted(names, one_hot=None)


def test_one_category_that_is_missing_in_some_rows_is_an_input():
    column = fitted(["x", "", "x"])
    assert made_of(column, "x", "", "new") == [[1], [0], [0]]
    assert fitted(["x", "x"]).reason == "x in every row"


@pytest.mark.parametrize("one_hot", [0, 3])
def test_missing_and_unknown_categories_are_refused_by_default(one_hot):
    with pytest.raises(ValueError, match=r"line 3, column 'a': the value is missing"):
        fitted(["x", "", "y"], one_hot=one_hot, missing="error")
    encoding = Encoding.fit(table_of(a=["x", "y"], t=["0.5", "1"]), "t", one_hot=one_hot)
    with pytest.raises(ValueError, match=r"line 3, column 'a': the value is missing"):
        encoding.inputs(table_of(a=["x", ""]))
    later = table_of(a=["x", "v", "w", "v"])
    with pytest.raises(
        ValueError, match=r"line 3, column 'a': 'v' is not one .*\(x, y\), nor are 1 m"
    ):
        encoding.inputs(later)
    assert encoding.inputs(later, unknown="zero")[1:].tolist() == [[0.0]] * 3
    assert encoding.unknown(later) == ["column 'a': v, w"]


def test_missing_categories_are_imputed_on_request():
    column = fitted(["x", "y", "", "y"], one_hot=0, missing="error", impute="mean")
    assert column.fill == "y"
    assert made_of(column, "", "x") == [[2], [1]]


# Other notations of a category -------------------------------------------------------------------


@pytest.mark.parametrize("categories", [("False", "True"), ("false", "true")])
def test_truth_values_are_found_in_any_notation(categories):
    column = SignColumn("a", categories)
    cells = ("False", "true", "FALSE", "0", "1", "1.0", "2")
    assert [value for (value,) in made_of(column, *cells)] == [-1, 1, -1, -1, 1, 1, 0]
    assert column.unseen(table_of(b=list(cells)), "b") == ["2"]
    numbers = Table("t", {"b": np.array([0.0, 1.0, np.nan])})
    assert column.transform(numbers, "b").tolist() == [[-1], [1], [0]]


def test_numbers_are_found_in_any_notation_unless_two_categories_are_the_same_number():
    column = OneHotColumn("a", ("1", "2.0", "v"))
    assert made_of(column, "1.0", "2", "v") == np.eye(3).tolist()
    both = OneHotColumn("a", ("1", "1.0"))
    assert made_of(both, "1", "1.0", "1.00") == [[1, 0], [0, 1], [0, 0]]
    assert made_of(SignColumn("a", ("no", "true")), "True", "1") == [[0], [0]]


# Many categories ---------------------------------------------------------------------------------


def test_a_text_that_differs_in_every_row_is_dropped_and_named():
    names = [f"n{place}" for place in range(21)]
    assert fitted([*names, ""]).reason == "every value differs, as in IDs, names and remarks"
    assert isinstance(fitted(names[:20]), CodeColumn)
    with pytest.raises(ValueError, match="'a' has 21 different values in 21 rows"):
        fitted(names, missing="error")


def test_where_most_values_differ_the_single_ones_share_a_code():
    repeated = ["b", "a", "b", "a", "b"]
    column = fitted([*repeated, *(f"n{place}" for place in range(30)), ""])
    assert column == CodeColumn("a", ("a", "b"), others=True)
    assert column.code_inputs == ((0, 4),)
    assert made_of(column, "a", "b", "n7", "new", "") == [[1], [2], [3], [3], [0]]
    assert column.unseen(table_of(b=["new"]), "b") == []
    half = [f"n{place % 30}" for place in range(60)]
    assert fitted(half) == CodeColumn("a", tuple(sorted({*half})))


def test_the_most_frequent_10000_categories_have_codes_of_their_own():
    cells = [f"c{place:05}" for place in range(10_002)] * 2 + ["c10001"]
    column = fitted(cells)
    assert column.others
    assert column.code_inputs == ((0, 10_002),)
    assert made_of(column, "c00000", "c09998", "c10001", "c09999", "") == [
        *([1], [9999], [10_000], [10_001], [0])
    ]


def test_100_000_categories_take_neither_memory_nor_time():
    n = 100_000
    rng = np.random.default_rng(0)
    user = np.char.add("user ", rng.integers(0, n, n).astype(str)).tolist()
    table = Table("t", {"user": user, "t": rng.normal(size=n)})
    start = time.process_time()
    tracemalloc.start()
    encoding = Encoding.fit(table, "t", one_hot=9, missing="indicator")
    x = encoding.inputs(table)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert x.shape == (n, 1)
    assert encoding.code_inputs == ((0, 10_002),)
    assert x.max() == 10_001
    assert peak < 60e6
    assert time.process_time() - start < 20  # seconds here, traced; an hour if cells are compared
    assert Encoding.from_json(encoding.to_json()) == encoding
