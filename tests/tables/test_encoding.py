"""Columns as inputs and targets: statistics, categories, missing, unknown and too many values."""

import json

import numpy as np
import pytest

from affinet.tables import (
    CategoryColumn,
    ClassTarget,
    Encoding,
    NumberColumn,
    NumberTarget,
    Table,
    guess_task,
)
from tolerance import assert_close


def table_of(named=True, target=None, **columns):
    n = len(next(iter(columns.values())))
    return Table("t.csv", columns, named=named, target=target, lines=list(range(2, n + 2)))


@pytest.fixture
def pets():
    return table_of(
        age=["1", "3", "8", "4"],
        fur=["grey", "brown", "grey", "black"],
        legs=["4", "4", "4", "4"],
        kind=["cat", "dog", "cat", "dog"],
    )


def test_inputs_by_hand(pets):
    encoding = Encoding.fit(pets, "kind")
    age = (np.array([1.0, 3, 8, 4]) - 4) / np.sqrt(26 / 4)
    fur = np.array([[0, 0, 1], [0, 1, 0], [0, 0, 1], [1, 0, 0]])  # black, brown, grey
    x = encoding.inputs(pets, np.float64)
    assert x.dtype == np.float64
    assert_close(x, np.column_stack([age, fur, np.zeros(4)]), reduction=4, scale=4.0)
    assert encoding.width == 5
    assert encoding.inputs(pets).dtype == np.float32
    assert encoding.targets(pets).tolist() == [0, 1, 0, 1]


def test_statistics_come_from_the_rows_that_are_trained_on(pets):
    encoding = Encoding.fit(pets, "kind", rows=[0, 1])
    age, fur, legs = encoding.columns
    assert (age.mean, age.std) == (2.0, 1.0)
    assert fur.categories == ("brown", "grey")
    assert (legs.mean, legs.std) == (4.0, 1.0)
    assert encoding.unknown(pets) == ["column 'fur': black"]
    assert encoding.inputs(pets, unknown="zero")[3].tolist() == [2.0, 0.0, 0.0, 0.0]
    with pytest.raises(
        ValueError, match=r"line 5, column 'fur': 'black' is not one of .*brown, grey"
    ):
        encoding.inputs(pets)


def test_numbers_are_standardised_to_mean_0_and_deviation_1():
    values = np.random.default_rng(0).normal(1e6, 1e-2, 1000)
    x = Encoding.fit(table_of(a=values, t=values), "t").inputs(table_of(a=values, t=values), float)
    assert abs(x.mean()) < 1e-6
    assert x.std() == pytest.approx(1)


@pytest.mark.parametrize(
    "values", [[0.1] * 7, [0.0, -0.0], [1e300, 1e300], [5e-324, 0.0], [1e-200, 2e-200]]
)
def test_constant_and_tiny_columns_do_not_divide_by_zero(values):
    table = table_of(a=np.array(values), t=np.arange(len(values)) / 3)
    x = Encoding.fit(table, "t").inputs(table)
    assert np.isfinite(x).all()
    if len(set(values)) == 1:
        assert not x.any()


def test_huge_numbers_do_not_overflow():
    table = table_of(a=np.array([1e308, -1e308]), t=np.array([0.5, 1.0]))
    assert Encoding.fit(table, "t").inputs(table, float).ravel().tolist() == [1.0, -1.0]


def test_numbers_far_beyond_the_training_s_are_refused():
    encoding = Encoding.fit(table_of(a=["1", "2"], t=["0.5", "1"]), "t")
    with pytest.raises(ValueError, match=r"line 2, column 'a': .*too large"):
        encoding.inputs(table_of(a=["1e300", "2"], t=["1", "1"]))


# What is missing ---------------------------------------------------------------------------------


@pytest.fixture
def gaps():
    return table_of(a=["1", "", "10", "4"], b=["x", "y", "?", "y"], t=["1.5", "2.5", "3.5", "1.0"])


@pytest.mark.parametrize(("impute", "fill"), [("mean", 5.0), ("median", 4.0)])
def test_missing_values_are_imputed_on_request(gaps, impute, fill):
    encoding = Encoding.fit(gaps, "t", impute=impute)
    a, b = encoding.columns
    assert (a.mean, a.fill, b.fill) == (5.0, fill, "y")
    assert a.std == np.std([1, 10, 4])
    x = encoding.inputs(gaps, float)
    assert x[1, 0] == (fill - 5) / a.std
    assert x[2, 1:].tolist() == [0.0, 1.0]
    later = encoding.inputs(table_of(a=["NA"], b=[""]), float)
    assert later.tolist() == [[(fill - 5) / a.std, 0.0, 1.0]]


def test_of_equally_frequent_texts_the_first_of_the_alphabet_is_imputed():
    table = table_of(a=["z", "b", "z", "b", ""], t=["1", "2", "3.5", "4", "5"])
    assert Encoding.fit(table, "t", impute="mean").columns[0].fill == "b"


def test_missing_values_are_refused_by_line_and_column(gaps):
    with pytest.raises(ValueError, match=r"line 3, column 'a': the value is missing; .*impute"):
        Encoding.fit(gaps, "t")
    with pytest.raises(ValueError, match=r"line 4, column 'b': the value is missing"):
        Encoding.fit(gaps, "t", ignore=["a"])
    with pytest.raises(ValueError, match=r"line 3, column 'a'"):  # held out, and yet to be used
        Encoding.fit(gaps, "t", rows=[0, 3])
    encoding = Encoding.fit(table_of(a=["1", "2"], b=["x", "y"], t=["1", "2.5"]), "t")
    with pytest.raises(ValueError, match=r"line 2, column 'a': the value is missing"):
        encoding.inputs(table_of(a=[""], b=["x"]))
    with pytest.raises(ValueError, match=r"line 2, column 'b': the value is missing"):
        encoding.inputs(table_of(a=["1"], b=["?"]))


def test_missing_targets_are_always_refused():
    for t in (["1.5", ""], ["x", "NA"]):
        with pytest.raises(ValueError, match=r"line 3, column 't': the target is missing"):
            Encoding.fit(table_of(a=["1", "2"], t=t), "t", impute="mean")
    np_table = Table("t.npz", {"a": np.zeros(2), "t": np.array([1.0, np.nan])})
    with pytest.raises(ValueError, match=r"t\.npz: row 2, column 't': the target is missing"):
        Encoding.fit(np_table, "t")


def test_a_column_without_any_value_is_refused():
    table = table_of(a=["", "", "1"], t=["1", "2", "3.5"])
    with pytest.raises(ValueError, match="'a' has no value to learn from"):
        Encoding.fit(table, "t", rows=[0, 1], impute="mean")


# What is mixed, ignored, categorical -------------------------------------------------------------


def test_texts_among_numbers_are_refused_unless_declared_categorical():
    table = table_of(a=["0", "1", "3+", "1"], t=["1", "2", "3.5", "4"])
    with pytest.raises(ValueError, match=r"line 4, column 'a': '3\+' is not a number.*categorical"):
        Encoding.fit(table, "t")
    encoding = Encoding.fit(table, "t", categorical=["a"])
    assert encoding.columns == (CategoryColumn("a", ("0", "1", "3+")),)


def test_numbers_of_arrays_may_be_categories_too():
    table = Table("a.npy", {"a": np.array([3.0, 1, 3]), "t": np.array([0.5, 1, 2])}, named=False)
    encoding = Encoding.fit(table, "t", categorical=["a"])
    assert encoding.columns[0].categories == ("1", "3")
    assert encoding.inputs(table).tolist() == [[0, 1], [1, 0], [0, 1]]


def test_columns_that_are_ignored_may_hold_anything(pets):
    encoding = Encoding.fit(pets, "kind", ignore=["fur", "legs"])
    assert [column.name for column in encoding.columns] == ["age"]
    with pytest.raises(ValueError, match="no column is left"):
        Encoding.fit(pets, "kind", ignore=["fur", "legs", "age"])


def test_a_text_in_nearly_every_row_is_no_category():
    names = [f"name {place}" for place in range(30)]
    table = table_of(name=names, t=["1", "2"] * 15)
    with pytest.raises(ValueError, match="'name' has 30 different values in 30 rows"):
        Encoding.fit(table, "t")
    with pytest.raises(ValueError, match="'name' has 30 different values in 30 rows"):
        Encoding.fit(table, "name")


# Targets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"], "classification"),
        (["1", "b"], "classification"),
        (["0", "1", "0", "1"], "classification"),
        (["0.0", "1.0", "0.0", "1.0"], "classification"),
        (["0", "1", "2"], "regression"),  # each value once
        ([str(place % 21) for place in range(100)], "regression"),
        ([str(place % 20) for place in range(100)], "classification"),
        (["0.5", "1", "0.5", "1"], "regression"),
    ],
)
def test_the_task_is_guessed(values, task):
    assert guess_task(table_of(t=values), "t")[0] == task
    assert Encoding.fit(table_of(a=["1"] * len(values), t=values), "t").target.task == task


def test_classes_of_numbers_are_ordered_by_size_and_of_texts_by_the_alphabet():
    numbers = ClassTarget.fit(table_of(t=["10", "9", "9.0", "10.0", "2"]), "t")
    assert (numbers.classes, numbers.numeric) == (("2", "9", "10"), True)
    assert numbers.values(table_of(y=["9.0", "2"]), "y").tolist() == [1, 0]
    texts = ClassTarget.fit(table_of(t=["b", "10", "9", "b"]), "t")
    assert (texts.classes, texts.numeric) == (("10", "9", "b"), False)


def test_classes_of_arrays():
    table = Table("a.npz", {"a": np.zeros(4), "t": np.array([0, 5, 0, 5], np.uint8)})
    target = Encoding.fit(table, "t").target
    assert target.classes == ("0", "5")
    assert target.values(table, "t").tolist() == [0, 1, 0, 1]


def test_unknown_classes_and_a_single_one_are_refused(pets):
    encoding = Encoding.fit(pets, "kind")
    with pytest.raises(ValueError, match=r"line 2, column 'kind': 'cow' is not one of .*cat, dog"):
        encoding.targets(table_of(age=["1"], fur=["grey"], legs=["4"], kind=["cow"]))
    with pytest.raises(ValueError, match="'cat' in every row"):
        ClassTarget.fit(table_of(t=["cat", "cat"]), "t")


def test_numbers_are_standardised_inside_and_given_back_in_their_unit():
    table = table_of(a=["1", "2", "3", "4"], t=["10", "20", "30.5", "90"])
    encoding = Encoding.fit(table, "t", rows=[0, 1])
    assert encoding.target == NumberTarget("t", 15.0, 5.0)
    assert encoding.targets(table).tolist() == [-1.0, 1.0, 3.1, 15.0]
    back = encoding.target.restore(encoding.targets(table).reshape(-1, 1).astype(np.float32))
    assert back.dtype == np.float64
    assert_close(back, np.array([10.0, 20.0, 30.5, 90.0]), dtype=np.float32)


def test_text_is_no_target_of_a_regression(pets):
    with pytest.raises(ValueError, match=r"line 2, column 'kind': 'cat' is not a number"):
        Encoding.fit(pets, "kind", task="regression")


# Other tables ------------------------------------------------------------------------------------


@pytest.fixture
def encoding():
    table = table_of(a=["0", "2"], t=["1.5", "2.5"], b=["0", "20"])
    return Encoding.fit(table, "t")


def test_named_columns_are_found_in_any_order_and_among_others(encoding):
    table = table_of(b=["20"], zone=["?"], a=["0"])
    assert encoding.inputs(table).tolist() == [[-1.0, 1.0]]
    with pytest.raises(ValueError, match=r"no column 't' for the targets"):
        encoding.targets(table)
    with pytest.raises(ValueError, match=r"no column b; its columns are a, c"):
        encoding.inputs(table_of(a=["1"], c=["1"]))


def test_columns_without_names_are_taken_by_their_places(encoding):
    whole = table_of(named=False, c1=["0"], c2=["2.5"], c3=["20"])
    assert encoding.inputs(whole).tolist() == [[-1.0, 1.0]]
    assert encoding.targets(whole).tolist() == [1.0]
    assert encoding.inputs(table_of(named=False, c1=["0"], c2=["20"])).tolist() == [[-1.0, 1.0]]
    apart = table_of(named=False, target="t", c1=["0"], c2=["20"], t=["2.5"])
    assert encoding.inputs(apart).tolist() == [[-1.0, 1.0]]
    assert encoding.targets(apart).tolist() == [1.0]
    with pytest.raises(ValueError, match="4 columns, wanted 2 of inputs or all 3"):
        encoding.inputs(table_of(named=False, c1=["0"], c2=["2"], c3=["2"], c4=["2"]))


def test_a_target_may_have_another_name(encoding):
    table = table_of(target="y", a=["0"], b=["0"], y=["1.5"])
    assert encoding.targets(table).tolist() == [-1.0]


# As JSON -----------------------------------------------------------------------------------------


def test_json_brings_all_of_it_back(gaps, pets):
    for encoding in (
        Encoding.fit(gaps, "t", impute="median"),
        Encoding.fit(pets, "kind", ignore=["legs"]),
    ):
        text = json.dumps(encoding.to_json(), allow_nan=False)
        again = Encoding.from_json(json.loads(text))
        assert again == encoding
        assert isinstance(again.columns[0], NumberColumn)


def test_a_damaged_record_is_refused(pets):
    good = Encoding.fit(pets, "kind").to_json()
    for place, value in (
        (("columns", 0, "std"), 0.0),
        (("columns", 0, "mean"), "much"),
        (("columns", 0, "kind"), "image"),
        (("columns", 1, "categories"), [1]),
        (("target", "task"), "ranking"),
        (("target", "classes"), 3),
        (("names",), None),
    ):
        bad = json.loads(json.dumps(good))
        inner = bad
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = value
        with pytest.raises(ValueError, match="not the record of an encoding"):
            Encoding.from_json(bad)
    for value in (None, [], {}, "table"):
        with pytest.raises(ValueError, match="not the record of an encoding"):
            Encoding.from_json(value)


@pytest.mark.parametrize(
    "arguments",
    [{"task": "ranking"}, {"impute": "zero"}, {"ignore": ["x"]}, {"categorical": ["x"]}],
)
def test_arguments_are_checked_by_name(pets, arguments):
    with pytest.raises(ValueError, match=r"'ranking'|'zero'|no column 'x'"):
        Encoding.fit(pets, "kind", **arguments)
    with pytest.raises(ValueError, match="unknown is 'skip'"):
        Encoding.fit(pets, "kind").inputs(pets, unknown="skip")
