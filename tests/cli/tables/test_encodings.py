"""The shell with models whose encodings have more than standardised numbers and one-hot inputs."""

import json

import numpy as np
import pytest

import affinet as an
from affinet.tables import Encoding, Table, read_table
from shell_tables import write_csv

N = 60
COLUMNS = {
    "id": [f"n{place}" for place in range(N)],
    "size": [str(place % 7) if place % 5 else "" for place in range(N)],
    "town": [["Ulm", "Bonn", "Kiel", "Rom", ""][place % 5] for place in range(N)],
    "sex": ["mf"[place % 3 == 0] for place in range(N)],
    "day": [f"2024-01-{1 + place % 28:02}" for place in range(N)],
    "rare": ["7" if place % 3 else "" for place in range(N)],
    "color": [["red", "blue", "green"][place % 3] for place in range(N)],
    "price": [f"{place}.5" for place in range(N)],
}


@pytest.fixture
def model():
    """An untrained network with the encoding of a table; its inputs and predictions."""
    write_csv("rows.csv", list(COLUMNS), list(zip(*COLUMNS.values(), strict=True)))
    encoding = Encoding.fit(
        Table("t", COLUMNS), "price", scaling="robust", one_hot=3, missing="indicator", clamp=True
    )
    net = an.Sequential(an.Affine.init(encoding.width, 1, rng=0), loss=an.MeanSquaredError())
    net.metadata["table"] = encoding.to_json()
    net.metadata["task"] = "regression"
    net.save("model.npz")
    return net, encoding


def test_predictions_are_those_of_python(shell, model):
    net, encoding = model
    write_csv(
        "later.csv",
        ["town", "size", "sex", "day", "rare", "color"],
        [
            ("Atlantis", "", "f", "", "7", "red"),
            ("Ulm", "9", "", "2025-02-03", "", "mauve"),
        ],
    )
    note = "affinet: note: 2 categories unseen in training, taken as unknown: "
    note += "column 'town': Atlantis, column 'color': mauve"
    for file, n, said in (("rows.csv", N, []), ("later.csv", 2, [note])):
        out, err = shell("predict", "model.npz", file, "--json")
        x = encoding.inputs(read_table(file))
        found = json.loads(out[0])["rows"]
        assert len(found) == n
        np.testing.assert_array_equal(np.ravel(found), encoding.target.restore(net.predict(x)))
        assert err == said


def test_inspect_says_what_becomes_of_every_column(shell, model):
    out, _ = shell("inspect", "model.npz")
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in out if line.strip()}
    assert rows["size"] == "2 - - 3, indicated robust scaling"
    assert rows["town"] == "1 - - code 0 codes: Bonn, Kiel, Rom, Ulm"
    assert rows["sex"] == "1 - - zeros f, m"
    assert rows["day"].endswith("dates YYYY-MM-DD, in days, robust scaling")
    assert rows["rare"] == "1 - - 1, else 0 -"
    assert rows["color"] == "3 - - zeros blue, green, red"
    assert "id" not in rows
    assert "not used: column 'id': every value differs, as in IDs, names and remarks" in out
