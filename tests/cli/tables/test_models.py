"""``affinet train --model``: models for tables, their options, files and figures."""

import argparse
import json
import os
import re

import numpy as np
import pytest

import affinet as an
import affinet.cli.train
from affinet.cli.choices import OF_PLAIN
from affinet.cli.sources import split
from affinet.tables import Encoding, read_table
from affinet.tabular import Recipe, calibrated, outputs
from shell_tables import NAMES, people, prices, write_csv

METHODS = ("realmlp", "realmlp-s", "tabm")
SHORT = ("--epochs", "3", "--quiet", "--plot", "c.svg")


@pytest.fixture
def classes_file():
    return str(write_csv("people.csv", NAMES, people()))


@pytest.fixture
def numbers_file():
    return str(write_csv("prices.csv", ["size", "town", "price"], prices(120)))


def kept(name="people-model.npz"):
    return an.load(name).metadata


# What is trained, and what is said ---------------------------------------------------------------


def test_a_table_trains_realmlp_and_says_what_and_why(shell, classes_file):
    out, err = shell("train", classes_file, "--target", "group", "--epochs", "4")
    line = err[0]
    for part in (
        "96 rows to train on, 24 to select the epoch with, 30 to validate with",
        "classification of 'group', because its values are texts (--task changes it)",
        "RealMLP because it is a table (--model changes it): 2 numbers, "
        "1 category (1 one-hot, 0 embedded)",
        "1 column dropped: column 'constant': 7 in every row",
        "4 epochs of 1 step",
    ):
        assert part in line
    assert re.fullmatch(r"validation accuracy \d\.\d{4}", out[-1])
    table = [line.split("  ")[0] for line in out]
    for model in ("RealMLP", "logistic regression", "most frequent class"):
        assert model in table
    metadata = kept()
    assert metadata["options"]["model"] == metadata["recipe"]["method"] == "realmlp"
    assert list(metadata["results"]) == ["train", "selection", "validation"]
    assert 0 < metadata["temperature"] < 20
    assert metadata["best_epoch"] <= 4


def test_json_has_everything(shell, numbers_file):
    out, _ = shell("train", numbers_file, "--target", "price", "--json", *SHORT)
    result = json.loads(out[0])
    assert result["method"] == "realmlp"
    assert Recipe.from_json(result["recipe"]).epochs == 3
    assert list(result["baselines"]) == ["ridge regression", "mean"]
    assert result["baselines"]["ridge regression"]["r2"] > 0.95
    assert abs(result["baselines"]["mean"]["r2"]) < 0.3
    assert {"train", "selection", "validation", "best_epoch", "dropped"} <= result.keys()
    assert kept("prices-model.npz")["baselines"] == result["baselines"]


@pytest.mark.usefixtures("curves")
@pytest.mark.parametrize("method", METHODS)
def test_every_model_predicts_what_python_does(shell, classes_file, method):
    shell("train", classes_file, "--target", "group", "--model", method, *SHORT)
    net = an.load("people-model.npz")
    recipe = Recipe.from_json(net.metadata["recipe"])
    encoding = Encoding.from_json(net.metadata["table"])
    table = read_table("people.csv")
    z = outputs(recipe, net, encoding.inputs(table))
    p = calibrated(z, net.metadata["temperature"])
    t = encoding.targets(table)
    found = json.loads(shell("predict", "people-model.npz", "people.csv", "--json")[0][0])
    np.testing.assert_allclose([row["probability"] for row in found["rows"]], p.max(axis=1))
    result = json.loads(shell("evaluate", "people-model.npz", "people.csv", "--json")[0][0])
    assert result["accuracy"] == np.mean(p.argmax(axis=1) == t)
    assert result["loss"] == pytest.approx(-np.log(p[np.arange(len(t)), t]).mean())
    assert sum(part["rows"] for part in result["classes"]) == len(t)


@pytest.mark.parametrize("method", METHODS)
def test_numbers_in_their_unit(shell, numbers_file, method):
    shell("train", numbers_file, "--target", "price", "--model", method, *SHORT)
    rows = [row[2] for row in prices(120)]
    found = [float(line) for line in shell("predict", "prices-model.npz", "prices.csv")[0]]
    assert "temperature" not in kept("prices-model.npz")
    if method != "tabm":  # clamped to the rows trained on
        assert min(rows) * (1 - 1e-5) <= min(found)
        assert max(found) <= max(rows) * (1 + 1e-5)
    result = json.loads(shell("evaluate", "prices-model.npz", "prices.csv", "--json")[0][0])
    assert result["mae"] == pytest.approx(np.abs(np.subtract(found, rows)).mean(), rel=1e-4)
    shell("evaluate", "prices-model.npz", "prices.csv", "--plot", "p.svg")


def test_rows_held_out_change_nothing_but_their_figures(shell):
    rows = people()
    write_csv("a.csv", NAMES, rows)
    groups = np.unique([row[-1] for row in rows], return_inverse=True)[1]
    train, held_out = split(len(rows), 0.2, np.random.default_rng(0), groups)
    for place in held_out:
        rows[place] = [1e9, -1e9, "Atlantis", 8, rows[place][-1]]
    write_csv("b.csv", NAMES, rows)
    for name in "ab":
        shell("train", f"{name}.csv", "--target", "group", *SHORT)
    one, two = an.load("a-model.npz"), an.load("b-model.npz")
    np.testing.assert_array_equal(one.params.flat, two.params.flat)
    assert one.metadata["temperature"] == two.metadata["temperature"]
    assert one.metadata["best_epoch"] == two.metadata["best_epoch"]
    results = one.metadata["results"], two.metadata["results"]
    assert results[0]["train"] == results[1]["train"]
    assert results[0]["validation"] != results[1]["validation"]
    assert results[0]["train"]["rows"] + results[0]["selection"]["rows"] == len(train)


def test_validation_0_leaves_the_selection_rows_for_the_last_line(shell, classes_file):
    out, _ = shell("train", classes_file, "--target", "group", "--validation", "0", *SHORT)
    assert out[-1].startswith("selection accuracy ")


# Missing values and categories -------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_missing_and_unknown_values_need_no_option(shell, refused, method):
    rows = people(100)
    rows[3][0] = rows[5][2] = rows[8][1] = ""
    write_csv("people.csv", NAMES, rows)
    _, err = shell("train", "people.csv", "--target", "group", "--model", method, *SHORT)
    assert err == []
    write_csv("new.csv", NAMES[:4], [["", "", "", 9], [30, 3e6, "Atlantis", 7], [30, 3e6, "Ys", 7]])
    out, err = shell("predict", "people-model.npz", "new.csv")
    assert len(out) == 3
    (line,) = err
    assert "note: 2 categories unseen in training, taken as unknown: column 'town': " in line
    line = refused("predict", "people-model.npz", "new.csv", "--unknown", "error")
    assert "Atlantis" in line
    assert "--unknown" in line
    write_csv("known.csv", NAMES[:4], [row[:4] for row in people(6)])
    out, err = shell("predict", "people-model.npz", "known.csv", "--unknown", "error")
    assert (len(out), err) == (6, [])


# Options -----------------------------------------------------------------------------------------

VALUES = {"optimizer": "sgd", "l2": "1", "init": "auto", "input_dropout": "0", "steps": "3",
          "impute": "mean", "data_parallel": None}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_options_of_the_plain_network_are_refused_by_name(refused, classes_file, method):
    assert VALUES.keys() == OF_PLAIN.keys()
    for name, value in [*VALUES.items(), ("dtype", "float64")]:
        option = [f"--{name.replace('_', '-')}", *([] if value is None else [value])]
        arguments = ("train", classes_file, "--target", "group", *option)
        line = refused(*arguments, "--model", method)
        assert f"argument {option[0]}: the model {method} " in line
        assert "--model mlp takes this option" in line
    assert "the model realmlp" in refused(*arguments)  # the default, too
    assert sorted(os.listdir()) == ["people.csv"]


REFUSED = {
    "a named set": (["digits", "--model", "tabm"], "--model: tabm learns from tables"),
    "a folder": ([".", "--model", "realmlp"], "--model: realmlp learns from tables"),
    "time and steps": (["p.csv", "--time-limit", "3", "--steps", "5", "--model", "mlp"], "--steps"),
    "time and resume": (["p.csv", "--time-limit", "3", "--resume", "c.npz"], "--epochs"),
    "time and processes": (
        ["digits", "--time-limit", "3", "--data-parallel"],
        "--time-limit: with --data-parallel",
    ),
    "no time": (["p.csv", "--time-limit", "0"], "--time-limit"),
    "weights of numbers": (["p.csv", "--class-weight", "balanced"], "--class-weight: the task is"),
    "patience of 0": (["p.csv", "--early-stopping", "0"], "--early-stopping"),
    "few rows to stop by": (["few.csv", "--early-stopping"], "too few to set some apart"),
    "few rows to stop a plain net by": (
        ["few.csv", "--early-stopping", "--model", "mlp"],
        "too few to set some apart",
    ),
    "unknown schedule": (["p.csv", "--schedule", "wave"], "wave"),
    "unknown preset": (["p.csv", "--preset", "slow"], "slow"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_training(refused, monkeypatch, case):
    write_csv("p.csv", ["size", "town", "price"], prices(60))
    write_csv("few.csv", ["size", "town", "price"], prices(20))
    monkeypatch.setattr(affinet.cli.train, "fit", lambda *_: pytest.fail("it trained"))
    arguments, named = REFUSED[case]
    target = [] if arguments[0] in ("digits", ".") else ["--target", "price"]
    assert named in refused("train", *arguments, *target)


def test_options_that_recipes_take(shell, classes_file):
    given = {"hidden": "7,5", "activation": "silu", "dropout": "0.5", "lr": "0.01",
             "batch-size": "32", "schedule": "one-cycle"}  # fmt: skip
    for method in METHODS:
        options = [part for name, value in given.items() for part in (f"--{name}", value)]
        shell("train", classes_file, "--target", "group", "--model", method, *options, *SHORT)
        recipe = Recipe.from_json(kept()["recipe"])
        assert (recipe.hidden, recipe.activation, recipe.dropout) == ((7, 5), "silu", 0.5)
        assert (recipe.lr, recipe.batch_size, recipe.lr_schedule) == (0.01, 32, "one-cycle")
    for option in (["--dropout", "0"], ["--hidden", "0"]):
        shell("train", classes_file, "--target", "group", *option, *SHORT)
        assert not any(
            isinstance(layer, an.Dropout) for layer in an.load("people-model.npz").layers
        )


def test_presets(shell, numbers_file):
    wanted = {
        "fast": {"realmlp-s": 64, "mlp": 100},
        "best": {"realmlp-s": 512, "mlp": 400},
    }
    for preset, of_models in wanted.items():
        for model, epochs in of_models.items():
            shell(
                *("train", numbers_file, "--target", "price", "--model", model, "--quiet"),
                *("--preset", preset, "--hidden", "4", "--batch-size", "96", "--plot", "c.svg"),
                *("--early-stopping", "1", "--dropout", "0"),
            )
            assert kept("prices-model.npz")["options"]["epochs"] == epochs


def test_balanced_classes(shell):
    rows = [[place / 10, "rare" if place % 10 == 3 else "common"] for place in range(200)]
    write_csv("people.csv", ["a", "t"], rows)
    accuracy = {}
    for model in ("realmlp-s", "mlp"):
        for options in ([], ["--class-weight", "balanced"]):
            shell(
                *("train", "people.csv", "--target", "t", "--model", model, "--quiet", *options),
                *("--epochs", "30", "--plot", "c.svg"),
            )
            out, _ = shell("evaluate", "people-model.npz", "people.csv", "--json")
            rare = next(c for c in json.loads(out[0])["classes"] if c["class"] == "rare")
            accuracy[model, bool(options)] = rare["accuracy"]
    for model in ("realmlp-s", "mlp"):  # nothing separates them, but balance says "rare" at times
        assert accuracy[model, False] == 0
        assert accuracy[model, True] > 0


def test_early_stopping(shell, numbers_file):
    for arguments in (
        (numbers_file, "--target", "price"),
        (numbers_file, "--target", "price", "--model", "mlp", "--lr", "0.5"),
        ("spiral", "--lr", "3"),
    ):
        _, err = shell(
            *("train", *arguments, "--early-stopping", "2", "--epochs", "150", "--quiet"),
            *("--out", "m.npz", "--plot", "c.svg"),
        )
        (line,) = err
        assert re.search(r"after step [\d,]+: .*val_\w+ has not (decreased|become better)", line)
        metadata = kept("m.npz")
        assert metadata["best_epoch"] + 2 == len(metadata["epochs"]) < 150
        assert "selection" in metadata["results"]


def test_a_time_limit_chooses_epochs_that_give_the_same_bits(shell, numbers_file):
    flats = []
    for model in ("realmlp", "mlp"):
        common = ("train", numbers_file, "--target", "price", "--model", model, "--quiet")
        shell(*common, "--time-limit", "0.5", "--epochs", "400", "--plot", "c.svg")
        chosen = an.load("prices-model.npz")
        epochs = chosen.metadata["options"]["epochs"]
        assert 1 <= epochs <= 400
        options = chosen.metadata["options"]
        given = (
            [] if model == "realmlp" else ["--dropout", options["dropout"], "--l2", options["l2"]]
        )
        shell(*common, "--epochs", epochs, *given, "--plot", "c.svg")
        flats.append((chosen.params.flat, an.load("prices-model.npz").params.flat))
    for one, two in flats:
        np.testing.assert_array_equal(one, two)


# Interruptions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_an_interrupted_training_goes_on_to_the_same_bits(shell, monkeypatch, classes_file, method):
    common = ("train", classes_file, "--target", "group", "--model", method, "--quiet")
    options = (
        *common,
        "--epochs",
        "5",
        "--plot",
        "c.svg",
        "--early-stopping",
        "4",
        "--hidden",
        "16",
    )
    whole = shell(*options, "--out", "whole.npz")

    def interrupt(state):
        if state.epoch == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(affinet.cli.train, "refuse_divergence", interrupt)
        _, err = shell(*options, "--checkpoint", "c.npz", code=130)
    assert err == ["affinet: interrupted in epoch 4; to continue: --resume c.npz"]
    assert shell(*options, "--out", "resumed.npz", "--resume", "c.npz") == whole
    one, two = an.load("whole.npz"), an.load("resumed.npz")
    np.testing.assert_array_equal(one.params.flat, two.params.flat)
    for part in ("temperature", "best_epoch", "results"):
        assert one.metadata[part] == two.metadata[part]


def test_an_interruption_with_a_time_limit_names_the_epochs(monkeypatch):
    net = an.Sequential(an.Affine.init(2, 1, rng=0), loss=an.MeanSquaredError())
    net.save("c.npz")
    options = argparse.Namespace(checkpoint="c.npz", time_limit=3.0, epochs=17)
    text = affinet.cli.train.where_interrupted(net, options)
    assert text.endswith("to continue: --resume c.npz --epochs 17 in place of --time-limit")


# Looking at it -----------------------------------------------------------------------------------


def test_inspect_shows_the_model(shell, classes_file):
    shell("train", classes_file, "--target", "group", "--hidden", "8,7", *SHORT)
    out, _ = shell("inspect", "people-model.npz")
    lines = {line.split("  ")[0]: line for line in out}
    assert "method realmlp, hidden 8 7, activation selu" in lines["recipe"]
    assert "logistic regression (" in lines["baselines"]
    assert float(lines["temperature"].split()[-1]) > 0
    assert "not used: column 'constant': 7 in every row" in out
    assert "model realmlp" in lines["options"]
    shell("plot", "people-model.npz", "--out", "again.svg")
    out, _ = shell("gradcheck", "people-model.npz", "people.csv", "--rows", "3", "--json")
    assert json.loads(out[0])["passed"] is True


def test_damaged_records_are_refused_by_name(shell, refused, classes_file):
    shell("train", classes_file, "--target", "group", *SHORT)
    net = an.load("people-model.npz")
    for name, value in (
        ("recipe", {"method": 3}),
        ("recipe", net.metadata["recipe"] | {"members": 0}),
        ("temperature", -1),
        ("temperature", "hot"),
    ):
        damaged = an.load("people-model.npz")
        damaged.metadata[name] = value
        damaged.save("bad.npz")
        for command in ("predict", "evaluate"):
            assert f"bad.npz: its metadata '{name}'" in refused(command, "bad.npz", "people.csv")


def test_the_page_and_the_monitor_watch_it(shell, classes_file):
    _, err = shell("train", classes_file, "--target", "group", "--live", *SHORT)
    assert "live view: http://127.0.0.1:" in err[0]
    assert "monitor" in kept()
    shell("inspect", "people-model.npz")


# Arrays ------------------------------------------------------------------------------------------


def test_arrays_of_images_stay_plain_and_others_are_tables(shell):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (60, 4, 4))
    t = (x[:, 0, 0] > 127).astype(int)
    np.savez("images.npz", x=x, t=t)
    np.savez("table.npz", x=x.reshape(60, 16), t=t)
    for name, model in (("images", "mlp"), ("table", "realmlp")):
        out, _ = shell("train", f"{name}.npz", "--json", *SHORT)
        assert json.loads(out[0])["method"] == model
    shell("train", "images.npz", "--model", "realmlp", *SHORT)
    assert len(shell("predict", "images-model.npz", "images.npz")[0]) == 60


# Odd tables --------------------------------------------------------------------------------------

N = 60
ODD = {
    "a constant column": ([[k, 7, k % 2] for k in range(N)], 0),
    "nothing but constants": ([[3, 7, k % 2] for k in range(N)], 2),
    "a class of one row": ([[k, 1, "b" if k == 5 else "ac"[k % 2]] for k in range(N)], 0),
    "one class": ([[k, 1, "x"] for k in range(N)], 2),
    "a constant number": ([[k, 1, 5.5] for k in range(N)], 0),
    "five rows": ([[k, "xyz"[k % 3], k * 1.5] for k in range(5)], 0),
    "two rows": ([[k, k, k * 1.5] for k in range(2)], 2),
    "names": ([[f"n{k}", f"m{k}", k * 1.5] for k in range(N)], 2),
    "no value": ([["", "", k * 1.5] for k in range(N)], 2),
    "gaps": ([["" if k % 2 else k, "" if k % 3 else "x", k * 1.5] for k in range(N)], 0),
    "a slip": ([["oops" if k == 3 else k, 1, k * 1.5] for k in range(N)], 2),
    "huge numbers": ([[1e300 * k, 1, k * 1.5] for k in range(N)], 0),
    "huge targets": ([[k, 1, 1e200 * k] for k in range(N)], 2),
    "infinity": ([["inf" if k == 3 else k, 1, k * 1.5] for k in range(N)], 2),
    "many categories": ([[k % 7, f"c{k % 700}", k % 2] for k in range(1400)], 0),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_tables_give_a_result_or_a_sentence(shell, case):
    rows, code = ODD[case]
    write_csv("a.csv", ["a", "b", "t"], rows)
    out, err = shell("train", "a.csv", "--target", "t", *SHORT, code=code)
    if code:
        assert err[-1].startswith("affinet: error: ")
        return
    assert re.match(r"validation (accuracy|R2) ", out[-1])
    for command in ("evaluate", "predict"):
        shell(command, "a-model.npz", "a.csv")
    shell("inspect", "a-model.npz")


def test_many_columns(shell):
    x = np.random.default_rng(0).standard_normal((40, 1500)).round(3)
    rows = np.column_stack([x, np.arange(40) % 2]).tolist()
    write_csv("a.csv", [*(f"x{k}" for k in range(1500)), "t"], rows)
    out, _ = shell("train", "a.csv", "--target", "t", *SHORT)
    assert out[-1].startswith("validation accuracy ")
