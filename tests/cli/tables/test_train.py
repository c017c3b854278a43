"""``affinet train`` on the user's tables."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import affinet as an
import affinet.cli.train
from affinet.cli import recipes
from affinet.cli.sources import split
from affinet.tables import Encoding, read_table
from affinet.tables.columns import IMPUTATIONS
from affinet.tables.encoding import UNKNOWN
from affinet.tables.reading import TABLE_FILES
from affinet.tables.targets import TASKS
from shell_tables import NAMES, people, write_csv

PNG = b"\x89PNG\r\n\x1a\n"


# Training ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("curves")
def test_classes_are_learned_from_a_csv(classes):
    out, err = classes
    assert sorted(os.listdir()) == ["people-curve.png", "people-model.npz", "people.csv"]
    assert out[-1].startswith("validation accuracy 0.9") or out[-1].endswith("1.0000")
    assert "'group', the task classification: its values are texts" in err[0]
    assert "120 rows to train on, 30 to validate with; 6-32-3 relu" in err[1]
    kept = an.load("people-model.npz").metadata
    assert kept["classes"] == ["old", "roman", "young"]
    assert (kept["dataset"], kept["task"]) == ("people.csv", "classification")
    assert kept["results"]["validation"]["rows"] == 30
    assert kept["epochs"][-1]["val_accuracy"] == kept["results"]["validation"]["accuracy"]
    assert Path("people-curve.png").read_bytes().startswith(PNG)


@pytest.mark.usefixtures("curves")
def test_numbers_are_learned_and_measured_in_their_own_unit(numbers):
    out, err = numbers
    assert "the task regression: its values are numbers, not all whole" in err[0]
    assert out[-1].startswith("validation R2 0.9")
    net = an.load("prices-model.npz")
    encoding = Encoding.from_json(net.metadata["table"])
    table = read_table("prices.csv")
    y = encoding.target.restore(net.predict(encoding.inputs(table)))
    t = table.numbers("price")
    results = net.metadata["results"]
    n = [results[name]["rows"] for name in ("train", "validation")]
    assert n == [160, 40]
    whole = sum(results[name]["mae"] * rows for name, rows in zip(results, n, strict=True)) / 200
    assert whole == pytest.approx(float(np.abs(y - t).mean()), rel=1e-5)
    assert 1000 < results["validation"]["mae"] < 50_000
    assert [line.split()[0] for line in out if "MAE" in line or "0.9" in line] == [
        *("split", "train", "validation", "validation", "plain", "ridge", "train", "validation"),
    ]


def test_statistics_come_from_the_rows_trained_on_alone(shell):
    rows = [[float(place), place % 2] for place in range(40)]
    write_csv("a.csv", ["a", "t"], rows)
    shell(
        *("train", "a.csv", "--target", "t", "--quiet", "--epochs", "1", "--validation", "0.5"),
        *("--model", "mlp"),
    )
    column = an.load("a-model.npz").metadata["table"]["columns"][0]
    groups = np.array([row[1] for row in rows])
    train, held_out = split(40, 0.5, np.random.default_rng(0), groups)
    assert column["mean"] == np.mean([rows[place][0] for place in train])
    assert column["mean"] != np.mean([row[0] for row in rows])
    assert len(held_out) == 20


def test_validation_0_trains_on_all_rows(shell):
    write_csv("people.csv", NAMES, people(60))
    out, _ = shell(
        *("train", "people.csv", "--target", "-1", "--validation", "0", "--json"),
        *("--epochs", "2", "--quiet", "--model", "mlp"),
    )
    result = json.loads(out[-1])
    assert result["train"]["rows"] == 60
    assert "validation" not in result
    out, _ = shell(
        *("train", "people.csv", "--target", "5", "--validation", "0", "--quiet", "--model", "mlp")
    )
    assert out[-1].startswith("train accuracy ")


def test_quiet_prints_the_last_line_alone(shell):
    write_csv("people.csv", NAMES, people(60))
    out, err = shell("train", "people.csv", "--target", "group", "--quiet", "--epochs", "1")
    assert (len(out), err) == (1, [])


@pytest.mark.parametrize("name", ["people.tsv", "people.csv.gz", "people.txt"])
def test_other_text_files(shell, name):
    write_csv(name, NAMES, people(60), delimiter="\t" if name.endswith("tsv") else ";")
    out, _ = shell("train", name, "--target", "group", "--epochs", "1", "--quiet")
    assert out[-1].startswith("validation accuracy")
    assert Path("people-model.npz").is_file()


def test_npz_npy_and_a_file_of_targets(shell):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (90, 4, 4), dtype=np.uint8)
    t = (x[:, 0, 0] > x[:, 3, 3]).astype(np.int64)
    np.savez("a.npz", x=x, t=t)
    np.savez("named.npz", pixels=x, labels=t, other=np.zeros(2))
    np.save("b.npy", np.column_stack([x.reshape(90, 16), t]))
    np.save("x.npy", x)
    write_csv("t.csv", ["label"], t[:, None].tolist())
    common = ("--quiet", "--epochs", "3", "--out", "m.npz", "--plot", "c.png", "--model", "mlp")
    flats = []
    for arguments in (
        ("a.npz",),
        ("named.npz", "--inputs", "pixels", "--target", "labels"),
        ("b.npy",),
        ("x.npy", "--target-file", "t.csv"),
    ):
        shell("train", *arguments, *common)
        net = an.load("m.npz")
        flats.append(net.params.flat.copy())
        out, _ = shell("evaluate", "m.npz", "a.npz", "--json")
        encoding = Encoding.from_json(net.metadata["table"])
        right = net.predict(encoding.inputs(read_table("a.npz"))).argmax(axis=1) == t
        assert json.loads(out[0])["accuracy"] == pytest.approx(right.mean())
        out, _ = shell("predict", "m.npz", "x.npy")
        assert len(out) == 90
    assert all(np.array_equal(flats[0], flat) for flat in flats[1:])
    assert net.metadata["classes"] == ["0", "1"]


def test_the_task_can_be_said(shell):
    write_csv("a.csv", ["a", "t"], [[place, place % 3] for place in range(60)])
    for task, figure in (("classification", "accuracy"), ("regression", "R2")):
        out, err = shell(
            *("train", "a.csv", "--target", "t", "--task", task, "--epochs", "1"),
            *("--out", "m.npz"),
        )
        assert out[-1].split()[1] == figure
        assert not any("the task" in line for line in err)


def test_the_penalty_follows_from_the_task_and_the_rows(shell):
    """Regression has a penalty by default, so that it does not overfit a few noisy rows."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((150, 8))
    rows = np.c_[x, x @ rng.standard_normal(8) + 2 * rng.standard_normal(150)]
    write_csv("a.csv", [*"abcdefgh", "t"], [[*map("{:.9f}".format, row)] for row in rows])
    found = {}
    for name, options in {"default": [], "none": ["--l2", "0"]}.items():
        out, _ = shell(
            *("train", "a.csv", "--target", "t", "--seed", "1", "--json", "--model", "mlp"),
            *options,
        )
        found[name] = json.loads("".join(out))["validation"]["r2"]
        kept = an.load("a-model.npz").metadata["options"]["l2"]
        assert kept == (10 * 32 / 120 if name == "default" else 0.0)
    assert found["default"] > found["none"] + 0.05
    write_csv("c.csv", ["a", "t"], [[place, "ab"[place % 2]] for place in range(60)])
    for options, wanted in (([], 0.0), (["--l2", "0.5"], 0.5)):
        shell(
            *("train", "c.csv", "--target", "t", "--epochs", "1", "--quiet", "--model", "mlp"),
            *options,
        )
        assert an.load("c-model.npz").metadata["options"]["l2"] == wanted


def test_ignored_and_categorical_columns(shell):
    rows = [[f"id {place}", place % 4, place % 2] for place in range(60)]
    write_csv("a.csv", ["id", "code", "t"], rows)
    shell(
        *("train", "a.csv", "--target", "t", "--ignore", "id", "--categorical", "2", "--quiet"),
        *("--epochs", "20", "--model", "mlp"),
    )
    columns = an.load("a-model.npz").metadata["table"]["columns"]
    assert [(column["name"], column["kind"]) for column in columns] == [("code", "category")]
    out, _ = shell("evaluate", "a-model.npz", "a.csv")
    assert out[-1] == "accuracy 1.0000"


def test_imputed_values_are_used_again(shell, refused):
    rows = people(80)
    rows[3][0] = rows[5][2] = ""
    write_csv("people.csv", NAMES, rows)
    line = refused("train", "people.csv", "--target", "group", "--model", "mlp")
    assert "people.csv: line 5, column 'age': the value is missing" in line
    assert sorted(os.listdir()) == ["people.csv"]
    shell(
        *("train", "people.csv", "--target", "group", "--impute", "median", "--quiet"),
        *("--epochs", "5", "--validation", "0", "--model", "mlp"),
    )
    ages = [row[0] for row in rows if row[0] != ""]
    column = an.load("people-model.npz").metadata["table"]["columns"][0]
    assert column["fill"] == np.median(ages)
    write_csv(
        "gap.csv", NAMES[:4], [["", 3e6, "Rome", 7], [float(np.median(ages)), 3e6, "Rome", 7]]
    )
    out, _ = shell("predict", "people-model.npz", "gap.csv")
    assert out[0] == out[1]


def test_categories_of_rows_held_out_alone_are_told(shell):
    rows = [[place, "common", place % 2] for place in range(40)]
    groups = np.array([row[2] for row in rows])
    held_out = split(40, 0.2, np.random.default_rng(0), groups)[1]
    rows[held_out[0]][1] = "rare"
    write_csv("a.csv", ["a", "b", "t"], rows)
    _, err = shell(
        *("train", "a.csv", "--target", "t", "--epochs", "1", "--quiet", "--model", "mlp")
    )
    (line,) = err
    assert line == (
        "affinet: warning: categories only in rows held out become zeros: column 'b': rare"
    )


def test_one_seed_one_network(shell):
    write_csv("people.csv", NAMES, people(60))
    flats = []
    for seed in (1, 1, 2):
        shell("train", "people.csv", "--target", "group", "--seed", seed, "--epochs", 1, "--quiet")
        flats.append(an.load("people-model.npz").params.flat)
    assert np.array_equal(flats[0], flats[1])
    assert not np.array_equal(flats[0], flats[2])


def test_the_r2_of_a_constant_target_is_a_number(shell):
    write_csv("a.csv", ["a", "t"], [[place, 5] for place in range(20)])
    out, _ = shell(
        *("train", "a.csv", "--target", "t", "--task", "regression", "--epochs", "1", "--json")
    )
    result = json.loads(out[0])["validation"]
    assert result["r2"] in (0.0, 1.0)
    assert result["mae"] < 5


REFUSED = {
    "no such file": (["gone.csv", "--target", "t"], "gone.csv: No such file"),
    "neither set nor file": (["table.json"], "'table.json' is neither"),
    "no target named": (["a.csv"], "name the column to predict with --target NAME, one of a, b, t"),
    "unknown target": (["a.csv", "--target", "y"], "no column 'y', its columns are a, b, t"),
    "unknown ignored": (["a.csv", "--target", "t", "--ignore", "y"], "no column 'y'"),
    "unknown categorical": (["a.csv", "--target", "t", "--categorical", "9"], "no column '9'"),
    "nothing to learn from": (
        ["a.csv", "--target", "t", "--ignore", "a", "--ignore", "b"],
        "no column is left",
    ),
    "a share of one": (["a.csv", "--target", "t", "--validation", "1"], "--validation"),
    "one row": (["one.csv", "--target", "t", "--task", "regression"], "--validation: 1 row"),
    "one class": (["one.csv", "--target", "t", "--task", "classification"], "two classes"),
    "regression of texts": (
        ["a.csv", "--target", "b", "--task", "regression"],
        "'x' is not a number",
    ),
    "a folder of files": (["a.csv", "--target", "t", "--data-dir", "."], "--data-dir"),
    "target of a named set": (["digits", "--target", "t"], "--target: digits is not a file"),
    "imputation of a named set": (["digits", "--impute", "mean"], "--impute"),
    "ignored of a named set": (["digits", "--ignore", "x"], "--ignore"),
    "header of a named set": (["digits", "--no-header"], "--header"),
    "a long delimiter": (["a.csv", "--target", "t", "--delimiter", "::"], "--delimiter"),
    "a quote as delimiter": (["a.csv", "--target", "t", "--delimiter", '"'], "--delimiter"),
    "another decimal mark": (["a.csv", "--target", "t", "--decimal", ";"], "--decimal"),
    "no array t": (["x.npz"], "x.npz: no array 't'"),
    "targets of another length": (["a.csv", "--target-file", "one.csv"], "one.csv"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line_before_training(refused, monkeypatch, case):
    arguments, named = REFUSED[case]
    write_csv("a.csv", ["a", "b", "t"], [[1, "x", 0], [2, "y", 1], [3, "x", 0], [4, "y", 1]])
    write_csv("one.csv", ["a", "t"], [[1, 2]])
    np.savez("x.npz", x=np.zeros((3, 2)))
    monkeypatch.setattr(affinet.cli.train, "fit", lambda *_: pytest.fail("it trained"))
    assert named in refused("train", *arguments)
    assert sorted(os.listdir()) == ["a.csv", "one.csv", "x.npz"]


# The parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5, 0.75, 0.9])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_split_is_stratified_and_leaves_a_row_of_each_group(share, seed):
    groups = np.repeat([0, 1, 2, 3], [50, 20, 5, 1])[np.random.default_rng(7).permutation(76)]
    train, held_out = split(76, share, np.random.default_rng(seed), groups)
    assert sorted([*train, *held_out]) == list(range(76))
    assert abs(len(held_out) - 76 * share) <= 3
    for group, n in enumerate((50, 20, 5, 1)):
        rows = np.count_nonzero(groups[held_out] == group)
        assert abs(rows - n * share) <= 1
        assert np.count_nonzero(groups[train] == group) >= 1


def test_the_split_holds_out_a_row_of_few_and_other_rows_with_another_seed():
    train, held_out = split(3, 0.01, np.random.default_rng(0), None)
    assert (len(train), len(held_out)) == (2, 1)
    splits = {tuple(split(50, 0.2, np.random.default_rng(seed), None)[1]) for seed in range(5)}
    assert len(splits) == 5
    with pytest.raises(ValueError, match="--validation: every class has a single row"):
        split(3, 0.5, np.random.default_rng(0), np.array([0, 1, 2]))


def test_the_parser_offers_what_tables_know():
    assert set(recipes.TABLES) == set(TABLE_FILES)
    assert recipes.TASKS == TASKS
    assert recipes.IMPUTATIONS == IMPUTATIONS
    assert recipes.UNKNOWN == UNKNOWN
