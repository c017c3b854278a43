"""Evaluate, predict, inspect, gradcheck and plot with models trained on tables."""

import csv
import gzip
import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

import affinet as an
import affinet.cli.train
from affinet.cli.inspect import SHOWN_COLUMNS
from affinet.cli.labelled import drop_missing, raw_rows
from affinet.cli.training_report import inputs_in_words
from affinet.tables import Encoding, Table, read_table
from shell_tables import NAMES, people, prices, write_csv

PNG = b"\x89PNG\r\n\x1a\n"


# Evaluating --------------------------------------------------------------------------------------


def test_evaluate_classes(shell, classes):
    write_csv("more.csv", NAMES[::-1], [row[::-1] for row in people(90, seed=1)])
    out, err = shell("evaluate", "people-model.npz", "more.csv", "--json", "--plot", "m.png")
    assert err == []
    result = json.loads(out[0])
    net = an.load("people-model.npz")
    encoding = Encoding.from_json(net.metadata["table"])
    table = read_table("more.csv")
    found = net.predict(encoding.inputs(table)).argmax(axis=1)
    t = np.array([encoding.target.classes.index(text) for text in table.texts("group")])
    counts = [[int(np.sum((t == i) & (found == j))) for j in range(3)] for i in range(3)]
    assert result["confusion"] == counts
    assert result["accuracy"] == pytest.approx(np.mean(found == t))
    assert result["rows"] == 90
    assert [part["class"] for part in result["classes"]] == ["old", "roman", "young"]
    assert Path("m.png").read_bytes().startswith(PNG)
    out, _ = shell("evaluate", "people-model.npz", "more.csv")
    assert out[-1] == f"accuracy {result['accuracy']:.4f}"
    lines = [line.split() for line in out]
    assert ["true", "/", "found", "old", "roman", "young"] in lines
    assert ["old", *map(str, counts[0])] in lines


def test_evaluate_numbers(shell, numbers):
    write_csv("more.csv", ["size", "town", "price"], prices(50, seed=1))
    out, _ = shell("evaluate", "prices-model.npz", "more.csv", "--json", "--plot", "m.svg")
    result = json.loads(out[0])
    out, _ = shell("predict", "prices-model.npz", "more.csv", "--json")
    y = np.array(json.loads(out[0])["rows"]).reshape(-1)
    t = np.array([row[2] for row in prices(50, seed=1)])
    assert result["mae"] == pytest.approx(np.abs(y - t).mean(), rel=1e-5)
    assert result["rmse"] == pytest.approx(np.sqrt(np.mean((y - t) ** 2)), rel=1e-5)
    assert result["r2"] == pytest.approx(1 - np.sum((y - t) ** 2) / np.sum((t - t.mean()) ** 2))
    assert Path("m.svg").read_text().startswith("<?xml")
    out, _ = shell("evaluate", "prices-model.npz", "more.csv")
    assert out[-1] == f"R2 {result['r2']:.4f}"


def test_evaluate_with_a_target_of_another_name(shell, numbers):
    write_csv("more.csv", ["size", "town", "cost"], prices(50, seed=1))
    out, _ = shell("evaluate", "prices-model.npz", "more.csv", "--target", "cost")
    assert out[-1].startswith("R2 0.9")


def test_evaluate_a_network_of_one_s_own_on_raw_columns(shell, refused):
    x = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0]])
    net = an.Sequential(an.Affine(np.eye(2), np.zeros(2)), loss=an.SoftmaxWithLoss())
    net.metadata["classes"] = ["left", "right"]
    net.save("own.npz")
    write_csv(
        "a.csv",
        ["a", "b", "t"],
        [[*row, t] for row, t in zip(x, ["right", "left", "right"], strict=True)],
    )
    out, _ = shell("evaluate", "own.npz", "a.csv", "--target", "t", "--json")
    result = json.loads(out[0])
    assert result["confusion"] == [[1, 0], [1, 1]]
    assert result["loss"] == pytest.approx(net.evaluate(x, [1, 0, 1])["loss"])
    assert "--target" in refused("evaluate", "own.npz", "a.csv")
    np.savez("a.npz", x=x, t=[1.0, 2.0, 4.0])
    an.Sequential(an.Affine([[1.0], [1.0]], [0.0]), loss=an.MeanSquaredError()).save("line.npz")
    out, _ = shell("evaluate", "line.npz", "a.npz", "--json")
    assert json.loads(out[0])["mae"] == 1.0
    assert "a.npz" in refused("evaluate", "own.npz", "a.npz")  # 4 is not one of its classes


def test_evaluate_refusals(refused, classes):
    rows = people(3)
    write_csv("cow.csv", NAMES, [[*rows[0][:4], "cow"]])
    assert "'cow' is not one of the classes" in refused("evaluate", "people-model.npz", "cow.csv")
    write_csv("short.csv", NAMES[1:], [row[1:] for row in rows])
    assert "no column age" in refused("evaluate", "people-model.npz", "short.csv")
    assert "trained on the table people.csv" in refused("evaluate", "people-model.npz", "digits")
    assert "--plot" in refused("evaluate", "people-model.npz", "people.csv", "--plot", "x.txt")


def test_evaluate_named_sets_draws_too(shell):
    shell("train", "spiral", "--epochs", "1", "--quiet")
    out, _ = shell("evaluate", "spiral-model.npz", "spiral", "--plot", "s.png")
    assert Path("s.png").read_bytes().startswith(PNG)
    assert any(line.split()[:3] == ["true", "/", "found"] for line in out)


# Predicting --------------------------------------------------------------------------------------


def read_out(name):
    with open(name, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_predict_classes_to_a_csv(shell, classes):
    rows = people(20, seed=2)
    write_csv("with.csv", NAMES, rows)
    write_csv("without.csv", NAMES[:4], [row[:4] for row in rows])
    write_csv("bare.csv", None, [row[:4] for row in rows])
    for name in ("with.csv", "without.csv", "bare.csv"):
        out, err = shell("predict", "people-model.npz", name, "--out", f"{name}-out.csv")
        assert (out, err) == ([f"{name}-out.csv: 20 rows"], [])
    header, *found = read_out("with.csv-out.csv")
    assert header == ["class", *(f"probability of {name}" for name in ("old", "roman", "young"))]
    assert read_out("without.csv-out.csv") == read_out("bare.csv-out.csv") == [header, *found]
    net = an.load("people-model.npz")
    encoding = Encoding.from_json(net.metadata["table"])
    p = net.predict_proba(encoding.inputs(read_table("with.csv")))
    np.testing.assert_allclose(np.array([row[1:] for row in found], float), p, rtol=1e-5)
    assert [row[0] for row in found] == [encoding.target.classes[k] for k in p.argmax(axis=1)]
    out, _ = shell("predict", "people-model.npz", "with.csv")
    assert [line.split("\t")[0] for line in out] == [row[0] for row in found]


def test_predict_numbers_in_their_unit(shell, numbers):
    write_csv("new.csv", ["town", "size"], [["Oslo", 100.0], ["Rome", 50.0]])
    shell("predict", "prices-model.npz", "new.csv", "--out", "out.csv.gz")
    with gzip.open("out.csv.gz", "rt") as file:
        header, *values = file.read().split()
    assert header == "price"
    assert float(values[0]) == pytest.approx(600_000, rel=0.1)
    assert float(values[1]) == pytest.approx(450_000, rel=0.1)
    out, _ = shell("predict", "prices-model.npz", "new.csv")
    assert [float(line) for line in out] == pytest.approx([float(v) for v in values], rel=1e-5)


def test_unknown_categories(shell, refused, numbers):
    write_csv("new.csv", ["size", "town"], [[100.0, "Oslo"], [100.0, "Paris"]])
    line = refused("predict", "prices-model.npz", "new.csv", "--out", "out.csv")
    assert "line 3, column 'town': 'Paris' is not one of the categories" in line
    assert not Path("out.csv").exists()
    out, _ = shell("predict", "prices-model.npz", "new.csv", "--unknown", "zero")
    assert len(out) == 2


def test_predict_refusals(refused, numbers):
    write_csv("few.csv", None, [[1.0]])
    assert "1 columns, wanted 2" in refused("predict", "prices-model.npz", "few.csv")
    assert "gives no probabilities" in refused(
        "predict", "prices-model.npz", "prices.csv", "--probabilities"
    )
    assert "--out" in refused("predict", "prices-model.npz", "prices.csv", "--out", "a.txt")
    net = an.load("prices-model.npz")
    net.metadata["table"] = {"columns": 3}
    net.save("bad.npz")
    assert "bad.npz: its metadata 'table'" in refused("predict", "bad.npz", "prices.csv")


def test_images_go_to_a_csv_too(shell):
    shell("train", "spiral", "--epochs", "1", "--quiet")
    np.save("x.npy", np.zeros((2, 2)))
    shell("predict", "spiral-model.npz", "x.npy", "--out", "out.csv")
    assert read_out("out.csv")[0][0] == "class"
    assert len(read_out("out.csv")) == 3


# Looking at it -----------------------------------------------------------------------------------


def test_inspect_shows_the_columns(shell, classes, numbers):
    out, _ = shell("inspect", "people-model.npz")
    lines = [line.split() for line in out]
    columns = {line[0]: line for line in lines if line and line[0] in NAMES}
    assert columns["town"][1:] == ["3", "-", "-", "refused", "Bonn,", "Oslo,", "Rome"]
    assert columns["constant"][1:5] == ["1", "7", "1", "refused"]
    assert columns["group"][-3:] == ["old,", "roman,", "young"]
    assert not any("columns (" in line for line in out)
    out, _ = shell("inspect", "prices-model.npz", "--json")
    assert json.loads(out[0])["metadata"]["table"]["target"]["name"] == "price"
    out, _ = shell("inspect", "prices-model.npz")
    assert any(line.split()[:2] == ["price", "(target)"] for line in out)


def test_gradcheck_on_rows_of_a_file(shell, classes, numbers):
    for name in ("people", "prices"):
        out, _ = shell("gradcheck", f"{name}-model.npz", f"{name}.csv", "--rows", "5", "--json")
        assert json.loads(out[0])["passed"] is True
        shell("gradcheck", f"{name}-model.npz")


def test_plot_draws_the_record_again(shell, numbers):
    out, _ = shell("plot", "prices-model.npz", "--out", "again.png")
    assert out == ["again.png"]


def test_rows_without_missing_targets_need_no_note(capsys):
    table = Table("t.csv", {"a": ["1", "2"], "t": ["3", "4"]})
    assert len(drop_missing(table, "t", Namespace(drop_missing=True))) == 2
    assert capsys.readouterr().err == ""


def test_a_table_of_targets_alone_has_no_inputs():
    table = Table("t.csv", {"t": ["3", "4"]}, target="t")
    options = Namespace(drop_missing=False)
    with pytest.raises(ValueError, match="no column of inputs beside the target 't'"):
        raw_rows(an.Sequential(an.Affine.init(1, 1)), table, options)


def test_dates_and_missing_values_are_counted_in_words():
    days = [f"2024-01-0{day}" for day in (1, 2, 4, 5)]
    columns = {"day": days, "flag": ["7", "", "7", ""], "t": ["1.5", "2", "3", "4"]}
    encoding = Encoding.fit(Table("t.csv", columns), "t", missing="indicator")
    words = "0 numbers, 1 date, 1 column of which only missing values count"
    assert inputs_in_words(encoding) == words


def test_inspect_shows_the_first_columns_of_many(shell):
    names = [f"c{i}" for i in range(SHOWN_COLUMNS + 5)]
    rows = np.random.default_rng(0).random((30, len(names) + 1)).round(3).tolist()
    write_csv("wide.csv", [*names, "t"], rows)
    shell("train", "wide.csv", "--target", "t", "--epochs", "1", "--quiet", "--plot", "c.svg")
    out, _ = shell("inspect", "wide-model.npz")
    text = f"({SHOWN_COLUMNS} of {len(names)} columns; --json has all of them)"
    assert text in out
    assert len(json.loads("".join(shell("inspect", "wide-model.npz", "--json")[0]))) > 0
