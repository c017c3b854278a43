"""Labels: the text of a cell unless it is plainly a number; nothing merges unnoticed."""

import numpy as np
import pytest

from affinet.tables import ClassTarget, Encoding, Table, guess_task, read_table
from affinet.tables.cells import number_label


def column(cells, decimal="."):
    return Table("t.csv", {"t": cells}, lines=list(range(2, len(cells) + 2)), decimal=decimal)


@pytest.mark.parametrize(
    ("cells", "classes", "numeric"),
    [
        (["9007199254740992", "9007199254740993"], ("9007199254740992", "9007199254740993"), True),
        (["1" * 40 + "1", "1" * 40 + "2"], ("1" * 41, "1" * 40 + "2"), True),
        (["01234", "1234", "02345"], ("01234", "02345", "1234"), False),
        (["007", "7"], ("007", "7"), False),
        (["+1", "1"], ("+1", "1"), False),
        (["1e5", "100000"], ("100000", "1e5"), False),
        (["1E5", "1e5"], ("1E5", "1e5"), False),
        ([".5", "0.5"], (".5", "0.5"), False),
        (["True", "true", "TRUE"], ("TRUE", "True", "true"), False),
        (["1", "1.0", "2.50", "2.5"], ("1", "2.5"), True),
        (["1.0000e+00", "2.0000e+00"], ("1", "2"), True),
        (["-0", "0", "-1"], ("-1", "0"), True),
        (["10", "9", "a"], ("10", "9", "a"), False),
        (["0.1", "0.10000000000000001"], ("0.1", "0.10000000000000001"), True),
        (["1_0", "10"], ("10", "1_0"), False),
        (["a b", "a  b"], ("a  b", "a b"), False),
    ],
)
def test_classes_of_cells(cells, classes, numeric):
    target = ClassTarget.fit(column(cells), "t")
    assert (target.classes, target.numeric) == (classes, numeric)
    found = [target.classes[place] for place in target.values(column(cells), "t")]
    wanted = [number_label(cell) for cell in cells] if numeric else cells
    assert found == wanted


def test_a_decimal_comma_is_part_of_a_plain_number():
    target = ClassTarget.fit(column(["0,5", "0,50", "2"], decimal=","), "t")
    assert target.classes == ("0.5", "2")
    assert target.values(column(["2.0", "0.5"]), "t").tolist() == [1, 0]


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (np.array([2**53, 2**53 + 1, 2**53 + 3]), ("9007199254740992", "9007199254740993")),
        (np.array([2**64 - 1, 2**64 - 2], np.uint64), ("18446744073709551614",)),
        (np.array([-(2**53) - 1, -(2**53)]), ("-9007199254740993", "-9007199254740992")),
        (np.array([True, False]), ("0", "1")),
        (np.array([1.0, 0.5]), ("0.5", "1")),
        (np.array([" a", "a"]), (" a", "a")),
    ],
)
def test_classes_of_arrays_are_exact(tmp_path, values, classes):
    np.savez(tmp_path / "a.npz", x=np.zeros((len(values), 1)), t=values)
    table = read_table(tmp_path / "a.npz", target="t")
    target = ClassTarget.fit(table, "t")
    assert len(target.classes) == len(values)
    assert target.classes[: len(classes)] == classes
    assert sorted(target.values(table, "t").tolist()) == list(range(len(values)))


def test_numbers_of_a_model_do_not_take_codes_for_them():
    target = ClassTarget.fit(column(["7", "8"]), "t")
    for cell in ("007", "+7", "7e0"):
        with pytest.raises(ValueError, match="is not one of the classes 7, 8"):
            target.values(column([cell]), "t")


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        ([f"{place % 30:05d}" for place in range(90)], "classification"),
        ([str(2**53 + place % 3) for place in range(9)], "classification"),
        ([str(2**53 + place) for place in range(9)], "regression"),
    ],
)
def test_the_task_is_guessed_from_exact_labels(cells, task):
    assert guess_task(column(cells), "t")[0] == task


# Columns of inputs -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "named"),
    [
        (["01234", "1234", "5"], "01234 and 1234"),
        (["9007199254740992", "9007199254740993", "5"], "9007199254740992 and 9007199254740993"),
        (np.array([2**53, 2**53 + 1, 5]), "9007199254740992 and 9007199254740993"),
    ],
)
def test_codes_that_would_become_one_number_are_refused(cells, named):
    table = Table("t.csv", {"id": cells, "t": ["0.5", "1", "2"]})
    with pytest.raises(ValueError, match=rf"column 'id': {named} would become the same number"):
        Encoding.fit(table, "t")
    encoding = Encoding.fit(table, "t", categorical=["id"])
    assert len(set(encoding.columns[0].categories)) == 3
    assert (encoding.inputs(table).sum(axis=1) == 1).all()


@pytest.mark.parametrize(
    "cells",
    [["01", "02", "3"], ["1", "1.0", "1.00"], ["9007199254740992", "9007199254740994", "5"]],
)
def test_other_numbers_stay_numbers(cells):
    table = Table("t.csv", {"a": cells, "t": ["0.5", "1", "2"]})
    assert Encoding.fit(table, "t").columns[0].kind == "number"
