"""The plain network's defaults on generated tables, clean and noisy."""

import json

import pytest

import affinet as an
from generated_tables import TABLES, write_table

# At 150 rows the settings are this far apart; on the tables left out they differ by chance.
FAR_APART = ("line", "noisy_line", "wave", "friedman", "nothing", "towns")


def error(shell, *options):
    shell(
        *("train", "a.csv", "--target", "t", "--model", "mlp", "--quiet", "--plot", "c.svg"),
        *options,
    )
    out, _ = shell("evaluate", "a-model.npz", "test.csv", "--json")
    return json.loads(out[0])["rmse"]


@pytest.mark.parametrize("name", FAR_APART)
def test_defaults_neither_flatten_clean_data_nor_fit_noise(shell, name):
    write_table("a.csv", name, 150)
    write_table("test.csv", name, 2000, seed=100)
    on = error(shell, "--dropout", "0.1")
    off = error(shell, "--dropout", "0", "--l2", "0")
    assert error(shell) <= 1.05 * min(on, off)


@pytest.mark.parametrize("name", TABLES)
def test_the_choice_is_reported_and_kept(shell, name):
    write_table("a.csv", name, 60)
    out, err = shell(
        *("train", "a.csv", "--target", "t", "--model", "mlp", "--epochs", "3"),
        *("--plot", "c.svg"),
    )
    (line,) = (line for line in err if "cross-validation" in line)
    options = an.load("a-model.npz").metadata["options"]
    assert f"dropout {options['dropout']:g} and l2 {options['l2']:.3g}, because" in line
    assert any(line.startswith("plain network ") for line in out)
    assert (options["dropout"], options["l2"] > 0) in (
        *((0.0, False), (0.1, "task regression" in err[0])),
    )


def test_what_is_given_is_not_chosen(shell):
    write_table("a.csv", "line", 60)
    common = ("train", "a.csv", "--target", "t", "--model", "mlp", "--epochs", "2")
    for options, wanted in (
        (["--dropout", "0.1"], (0.1, 10 * 32 / 48)),
        (["--l2", "0.5"], (0.1, 0.5)),
        (["--dropout", "0", "--l2", "0"], (0.0, 0.0)),
    ):
        _, err = shell(*common, *options, "--plot", "c.svg")
        found = an.load("a-model.npz").metadata["options"]
        assert (found["dropout"], found["l2"]) == wanted
        assert not any("cross-validation" in line for line in err)
    write_table("a.csv", "line", 20)  # too few to choose by
    _, err = shell(*common, "--plot", "c.svg")
    assert not any("cross-validation" in line for line in err)
