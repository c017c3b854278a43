"""``affinet train`` with several networks, folds and averages of weights."""

import json
import re

import numpy as np
import pytest

import affinet as an
import affinet.cli.train
from affinet.cli.models import load_model
from affinet.cli.sources import split
from affinet.ensemble.tables import outputs
from affinet.tables import Encoding, folds, read_table
from affinet.tabular import Recipe, build, calibrated, fit_temperature, train
from shell_tables import NAMES, people, prices, write_csv

SHORT = ("--epochs", "3", "--quiet", "--plot", "c.svg")
METHODS = ("realmlp", "tabm", "mlp")


@pytest.fixture
def table():
    """Options for a small network and a file of classes without missing values."""
    write_csv("people.csv", NAMES, people(120))
    return "train", "people.csv", "--target", "group", "--hidden", "8,8", *SHORT


def splits(n_rows, groups, seed=0):
    """Training rows, and those held out, as the shell divides them."""
    return split(n_rows, 0.2, np.random.default_rng(seed), groups)


def rows_of(ensemble, name="people.csv"):
    """All rows of a table as the model takes them, and their targets."""
    encoding = Encoding.from_json(ensemble.metadata["table"])
    found = read_table(name)
    return encoding.inputs(found, unknown="zero"), encoding.targets(found)


# Several seeds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_the_networks_are_one_model_whose_first_is_the_single_one(shell, table, method):
    model = ("--model", method)
    shell(*table, *model, "--out", "one.npz", "--dropout", "0.1")
    out, err = shell(*table, *model, "--n-estimators", "3", "--dropout", "0.1")
    assert err == []
    assert re.fullmatch(r"validation accuracy \d\.\d{4}", out[-1])
    ensemble, one = an.Ensemble.load("people-model.npz"), an.load("one.npz")
    flats = [net.params.flat for net in ensemble.members]
    np.testing.assert_array_equal(flats[0], one.params.flat)
    assert (flats[1] != flats[0]).any()
    assert (flats[2] != flats[1]).any()
    x, t = rows_of(ensemble)
    record = ensemble.metadata.get("recipe")
    recipe = None if record is None else Recipe.from_json(record)
    y = outputs(recipe, ensemble, x)
    p = calibrated(y, ensemble.metadata.get("temperature", 1.0))
    own = [calibrated(outputs(recipe, net, x), 1.0) for net in ensemble.members]
    np.testing.assert_allclose(calibrated(y, 1.0), np.mean(own, axis=0), rtol=1e-5)
    _, held = splits(120, t)
    figures = ensemble.metadata["results"]["validation"]
    assert figures["accuracy"] == np.mean(p[held].argmax(axis=1) == t[held])
    assert figures["loss"] == pytest.approx(-np.log(p[held, t[held]]).mean(), rel=1e-4)
    out, _ = shell("predict", "people-model.npz", "people.csv", "--json", "--probabilities")
    shown = [list(row["probabilities"].values()) for row in json.loads(out[0])["rows"]]
    np.testing.assert_allclose(shown, p, rtol=1e-5)
    out, _ = shell("evaluate", "people-model.npz", "people.csv")
    assert out[-1] == f"accuracy {np.mean(p.argmax(axis=1) == t):.4f}"
    before = [flat.copy() for flat in flats]
    with an.num_threads(1):
        shell(*table, *model, "--n-estimators", "3", "--dropout", "0.1")
    again = an.Ensemble.load("people-model.npz")
    for net, flat in zip(again.members, before, strict=True):
        np.testing.assert_array_equal(net.params.flat, flat)


def test_the_temperature_is_that_of_all_networks_as_one(shell, table):
    shell(*table, "--n-estimators", "2")
    ensemble = an.Ensemble.load("people-model.npz")
    x, t = rows_of(ensemble)
    trained, _ = splits(120, t)
    inner, selection = splits(len(trained), t[trained])
    assert ensemble.metadata["results"]["selection"]["rows"] == len(selection)
    assert ensemble.metadata["results"]["train"]["rows"] == len(inner)
    own = trained[selection]
    wanted = fit_temperature(ensemble.predict(x[own]), t[own])
    assert ensemble.metadata["temperature"] == wanted


def test_bootstrap_samples_differ_and_are_repeatable(shell, table):
    flats = []
    for options in ([], ["--bootstrap"], ["--bootstrap"]):
        shell(*table, "--n-estimators", "2", *options)
        ensemble = an.Ensemble.load("people-model.npz")
        flats.append(np.concatenate([net.params.flat for net in ensemble.members]))
    assert (flats[0] != flats[1]).any()
    np.testing.assert_array_equal(flats[1], flats[2])


def test_it_is_said_in_one_line_and_reported(shell):
    write_csv("prices.csv", ["size", "town", "price"], prices(120))
    out, err = shell(
        *("train", "prices.csv", "--target", "price", "--n-estimators", "2", "--cv", "3"),
        *("--epochs", "2", "--bootstrap", "--average", "ema", "--plot", "c.svg"),
    )
    (line,) = [line for line in err if "to train on" in line]
    assert "3 folds of 2 networks, rows drawn with replacement, averaged by ema, RealMLP" in line
    assert "2 epochs of 1 step" in line
    assert any(line.startswith("networks        6, of which epochs") for line in out)
    out, _ = shell("inspect", "prices-model.npz")
    assert "6 networks, of which this is the first" in out
    header = next(line for line in out if line.startswith("network "))
    assert header.split() == ["network", "weight", "seed", "fold", "best_epoch", "val_loss",
                              "val_rmse"]  # fmt: skip
    out, _ = shell("inspect", "prices-model.npz", "--json")
    found = json.loads(out[0])
    assert [net["fold"] for net in found["networks"]] == [0, 0, 1, 1, 2, 2]
    assert sum(found["weights"]) == pytest.approx(1)
    assert len(found["metadata"]["epochs"]) == 2
    shell("plot", "prices-model.npz", "--save", "d.svg")
    shell("plot", "history", "prices-model.npz", "--html", "page.html")


# Folds -------------------------------------------------------------------------------------------


def test_each_fold_is_predicted_by_a_network_of_the_other_rows(shell, table):
    out, _ = shell(*table, "--cv", "4", "--json")
    results = json.loads(out[0])
    ensemble = an.Ensemble.load("people-model.npz")
    assert len(ensemble) == 4
    assert list(ensemble.metadata["results"]) == ["train", "out-of-fold", "validation"]
    recipe = Recipe.from_json(ensemble.metadata["recipe"])
    encoding = Encoding.from_json(ensemble.metadata["table"])
    x, t = rows_of(ensemble)
    trained, _ = splits(120, t)
    x, t = x[trained], t[trained]
    y, places = [], []
    parts = folds(len(t), 4, np.random.default_rng(0), t)
    for net, (others, held) in zip(ensemble.members, parts, strict=True):
        seed = net.metadata["seed"]
        twin = build(recipe, encoding, x[others], t[others], seed)
        history = train(
            twin, recipe, x[others], t[others], validation=(x[held], t[held]), seed=seed
        )
        np.testing.assert_array_equal(twin.params.flat, net.params.flat)
        assert net.metadata["best_epoch"] == history.best_epoch
        y.append(net.predict(x[held]))
        places.append(held)
    y, t = np.concatenate(y), t[np.concatenate(places)]
    found = results["out-of-fold"]
    assert found["rows"] == len(t) == len(trained)
    assert found["accuracy"] == np.mean(y.argmax(axis=1) == t)
    assert ensemble.metadata["temperature"] == pytest.approx(fit_temperature(y, t), rel=1e-5)


def test_without_rows_held_out_the_folds_are_the_last_line(shell):
    write_csv("prices.csv", ["size", "town", "price"], prices(100))
    for model in ("realmlp", "mlp"):
        out, _ = shell(
            *("train", "prices.csv", "--target", "price", "--cv", "3", "--validation", "0"),
            *("--model", model, *SHORT),
        )
        assert re.fullmatch(r"out-of-fold R2 -?\d\.\d{4}", out[-1])
        metadata = an.Ensemble.load("prices-model.npz").metadata
        assert "baselines" not in metadata
        assert metadata["results"]["out-of-fold"]["rows"] == 100


def test_images_and_time_limits(shell):
    out, _ = shell(
        *("train", "digits", "--n-estimators", "2", "--cv", "2", "--time-limit", "0.4", "--quiet"),
        *("--hidden", "16", "--epochs", "4", "--average", "swa", "--plot", "c.svg"),
    )
    assert out[-1].startswith("test accuracy 0.")
    out, _ = shell("evaluate", "digits-model.npz", "digits", "--json")
    found = an.Ensemble.load("digits-model.npz")
    wanted = json.loads(out[0])["test"]["accuracy"]
    assert wanted == found.metadata["results"]["test"]["accuracy"]
    (x, t) = an.datasets.load_digits(scaled=False)[1]
    assert found.evaluate(x, t)["accuracy"] == wanted
    assert found.metadata["options"]["epochs"] <= 4


# Averages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ema", "swa"])
def test_the_network_is_the_average_of_its_updates(shell, table, name):
    options = ("--model", "mlp", "--dropout", "0.1", "--average", name, "--epochs", "8")
    shell(*table, *options)
    own = an.load("people-model.npz")
    shell(*table, *options[:4], "--epochs", "8", "--out", "plain.npz")
    plain = an.load("plain.npz")
    assert (own.params.flat != plain.params.flat).any()
    assert own.metadata["epochs"] != []
    shell(*table, *options, "--n-estimators", "2")
    first = an.Ensemble.load("people-model.npz").members[0]
    np.testing.assert_array_equal(first.params.flat, own.params.flat)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stopping", [[], ["--early-stopping", "4"]])
def test_an_interrupted_average_goes_on_to_the_same_bits(
    shell, monkeypatch, table, method, stopping
):
    options = (*table, "--model", method, "--average", "ema", *stopping, "--epochs", "5")
    shell(*options, "--out", "whole.npz", "--dropout", "0.1")

    def interrupt(state):
        if state.epoch == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(affinet.cli.train, "refuse_divergence", interrupt)
        shell(*options, "--checkpoint", "c.npz", "--dropout", "0.1", code=130)
    shell(*options, "--resume", "c.npz", "--out", "resumed.npz", "--dropout", "0.1")
    one, two = an.load("whole.npz"), an.load("resumed.npz")
    np.testing.assert_array_equal(one.params.flat, two.params.flat)
    assert one.metadata["results"] == two.metadata["results"]


# Ends --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["realmlp", "mlp"])
def test_ctrl_c_keeps_the_networks_that_had_ended(shell, monkeypatch, table, method):
    calls = []

    def interrupt(state):
        calls.append(state.epoch)
        if len(calls) == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(affinet.cli.train, "refuse_divergence", interrupt)
    options = (*table, "--model", method, "--dropout", "0.1")
    with an.num_threads(1):
        out, err = shell(*options, "--cv", "4", code=130)
    assert err == ["affinet: interrupted; 2 of 4 networks are in people-model.npz"]
    assert out[-1].startswith("validation accuracy")
    ensemble = an.Ensemble.load("people-model.npz")
    assert len(ensemble) == 2
    assert ensemble.metadata["results"]["out-of-fold"]["rows"] == 48
    calls[:] = [0] * 6
    with an.num_threads(1):
        _, err = shell(*options, "--n-estimators", "2", "--out", "none.npz", code=130)
    assert err == ["affinet: interrupted before a network was trained; no file was written"]


def test_a_diverging_network_ends_the_command(shell, table):
    _, err = shell(
        *table, "--model", "mlp", "--lr", "1e30", "--optimizer", "sgd", "--n-estimators", "2",
        code=1,
    )  # fmt: skip
    assert "the training diverges; try a smaller --lr" in err[-1]


REFUSED = {
    "one network drawn": (["--bootstrap"], "--bootstrap: it wants --n-estimators of 2 or more"),
    "one fold": (["--cv", "1"], "argument --cv: '1' is not a whole number, 2 or more"),
    "no network": (["--n-estimators", "0"], "argument --n-estimators: '0' is not"),
    "more folds than rows": (["--cv", "97"], "argument --cv: 97 folds of 96 rows, wanted 2 to 96"),
    "a checkpoint": (["--cv", "2", "--checkpoint", "c.npz"], "--checkpoint: a checkpoint holds"),
    "a checkpoint's end": (["--cv", "2", "--resume", "c.npz"], "--resume: a checkpoint holds"),
    "a page": (["--n-estimators", "2", "--live", "0"], "argument --live: the page shows one"),
    "a monitor": (["--n-estimators", "2", "--monitor"], "argument --monitor: it watches one"),
    "an unknown average": (["--average", "mean"], "mean"),
    "swa that ends early": (
        ["--average", "swa", "--early-stopping"],
        "--average: --early-stopping",
    ),
    "swa of tabm": (["--average", "swa", "--model", "tabm"], "--average: the model tabm may end"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_training(refused, monkeypatch, table, case):
    monkeypatch.setattr(affinet.cli.train, "train_members", lambda *_: pytest.fail("it trained"))
    options, named = REFUSED[case]
    assert named in refused(*table, *options)


# What takes the file -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_exports_hold_all_networks(shell, refused, table, method):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    shell(*table, "--model", method, "--n-estimators", "2", "--dropout", "0.1")
    shell("export", "people-model.npz")
    out, _ = shell("predict", "people-model.npz", "people.csv", "--json", "--probabilities")
    rows = json.loads(out[0])["rows"]
    session = runtime.InferenceSession("people-model.onnx")
    found = read_table("people.csv")
    given = {}
    for part in session.get_inputs():
        values = found.columns[part.name]
        texts = np.array([[str(value)] for value in values], object)
        given[part.name] = texts.astype(float) if "double" in part.type else texts
    label, p = session.run(["label", "probabilities"], given)
    assert label.ravel().tolist() == [row["class"] for row in rows]
    shown = [list(row["probabilities"].values()) for row in rows]
    np.testing.assert_allclose(p, shown, rtol=1e-4, atol=1e-6)
    out, _ = shell("export", "people-model.npz", "--to", "c", "--calibrate", "people.csv",
                   "--report")  # fmt: skip
    assert "same class  1" in out
    if method == "tabm":
        line = refused("export", "people-model.npz", "--no-encoding")
        assert "each of its networks has members itself" in line
    shell("export", "people-model.npz", "--to", "safetensors")
    again = load_model("people-model.safetensors")
    assert again.metadata == load_model("people-model.npz").metadata


def test_what_wants_one_network_says_so(shell, refused, table):
    shell(*table, "--n-estimators", "2")
    line = refused("gradcheck", "people-model.npz")
    assert line.endswith("people-model.npz: it holds 2 networks, gradcheck wants one")
    with open("people-model.npz", "r+b") as file:
        file.truncate(200)
    assert "people-model.npz" in refused("predict", "people-model.npz", "people.csv")
