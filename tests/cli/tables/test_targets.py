"""Targets that cannot be learned, or hardly, are warned of or refused; formulas in a CSV."""

import csv
from pathlib import Path

import numpy as np
import pytest

import affinet as an
from shell_tables import write_csv


def warnings_of(err):
    return [line for line in err if line.startswith("affinet: warning: ")]


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ([5] * 20, "the target 't' is 5 in all training rows"),
        ([1e15 + (place % 2) / 8 for place in range(20)], "subtract an offset"),
    ],
)
def test_numbers_that_cannot_be_learned_are_warned_of(shell, values, part):
    write_csv("a.csv", ["a", "t"], [[place, repr(t)] for place, t in enumerate(values)])
    for quiet in ([], ["--quiet"]):
        _, err = shell(
            "train", "a.csv", "--target", "t", "--task", "regression", "--epochs", "1", *quiet
        )
        (line,) = warnings_of(err)
        assert part in line


def test_ordinary_targets_are_not_warned_of(shell):
    write_csv("a.csv", ["a", "t"], [[place, 1e12 + place / 2] for place in range(20)])
    _, err = shell("train", "a.csv", "--target", "t", "--epochs", "1")
    assert warnings_of(err) == []


def test_huge_targets_and_a_single_class_are_refused(refused):
    write_csv("a.csv", ["a", "t"], [[place, place * 1e200] for place in range(20)])
    assert "rescale it" in refused("train", "a.csv", "--target", "t", "--task", "regression")
    write_csv("a.csv", ["a", "t"], [[place, "x"] for place in range(20)])
    assert "wanted at least two classes" in refused("train", "a.csv", "--target", "t")


def shards(t, x=None):
    folder = Path("rows")
    folder.mkdir(exist_ok=True)
    np.save(folder / "x.npy", np.arange(len(t), dtype=float)[:, None] if x is None else x)
    np.save(folder / "t.npy", t)
    return "rows"


@pytest.mark.parametrize(
    ("t", "part"),
    [
        (np.zeros(20, np.int64), "the target is 0 in every row, wanted at least two classes"),
        (np.arange(20) * 10**9, "but there are only 20 rows"),
        (np.arange(20) - 1, "a target is -1"),
    ],
)
def test_class_indices_of_a_folder_are_checked(refused, t, part):
    assert part in refused("train", shards(t))


@pytest.mark.parametrize(
    ("t", "part"),
    [
        (np.full(20, 2.5), "the target is 2.5 in all training rows"),
        (np.linspace(0, 1e6, 20), "not standardised, and these reach 1e+06"),
    ],
)
def test_numbers_of_a_folder_are_warned_of(shell, t, part):
    _, err = shell("train", shards(t), "--epochs", "1", "--lr", "1e-30", "--optimizer", "sgd")
    (line,) = warnings_of(err)
    assert part in line


def test_class_indices_and_numbers_of_a_folder_are_learned(shell, refused):
    shell("train", shards(np.arange(20) % 3), "--epochs", "1", "--validation", "0.2")
    assert an.load("rows-model.npz").metadata["classes"] == ["0", "1", "2"]
    floats = shards(np.linspace(0, 1, 20))
    assert "targets of dtype float64 are not class indices" in refused(
        "train", floats, "--task", "classification"
    )
    assert "rows is a folder itself" in refused("train", floats, "--data-dir", ".")
    shell("train", floats, "--epochs", "1", "--validation", "0")
    assert an.load("rows-model.npz").metadata["task"] == "regression"


# Formulas ----------------------------------------------------------------------------------------


@pytest.fixture
def formulas():
    names = ["=1+1", "@SUM(A1)", "-1", "+x", "plain", "'quoted"]
    net = an.Sequential(an.Affine(np.eye(6), np.zeros(6)), loss=an.SoftmaxWithLoss())
    net.metadata["classes"] = names
    net.save("m.npz")
    np.save("x.npy", 9 * np.eye(6))
    return names


def read_classes(name):
    with open(name, newline="", encoding="utf-8") as file:
        return [row[0] for row in csv.reader(file)][1:]


def test_formulas_are_written_as_they_are_or_escaped(shell, refused, formulas):
    shell("predict", "m.npz", "x.npy", "--out", "plain.csv")
    assert read_classes("plain.csv") == formulas
    shell("predict", "m.npz", "x.npy", "--out", "safe.csv", "--escape-formulas")
    safe = ["'=1+1", "'@SUM(A1)", "-1", "'+x", "plain", "'quoted"]
    assert read_classes("safe.csv") == safe
    assert "--out" in refused("predict", "m.npz", "x.npy", "--escape-formulas")
