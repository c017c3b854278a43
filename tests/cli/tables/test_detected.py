"""What a training detects in a file is remembered: decimal marks, encodings, dates; and streams."""

import gzip
import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import affinet as an
from shell_tables import NAMES, people, prices, write_csv


def german(n=60, seed=0):
    """Rows of a German spreadsheet, in bytes: decimal commas, semicolons, umlauts, dates."""
    rng = np.random.default_rng(seed)
    lines = ["Stadt;Größe;Tag;Preis"]
    for place in range(n):
        town = ("Köln", "München")[place % 2]
        size = rng.uniform(20, 200)
        day = f"{place % 28 + 1:02d}.{place % 12 + 1:02d}.2024"
        price = 5 * size + 100 * (place % 2) + 0.25
        lines.append(f"{town};{size:.2f};{day};{price:.2f}".replace(".", ","))
        lines[-1] = lines[-1].replace(day.replace(".", ","), day)
    return ("\n".join(lines) + "\n").encode("latin-1")


@pytest.fixture
def model(shell, tmp_path):
    (tmp_path / "de.csv").write_bytes(german())
    _, err = shell("train", "de.csv", "--target", "Preis", "--epochs", "60", "--model", "mlp")
    assert any(
        "note: de.csv has the encoding latin-1" in line
        and "the decimal mark ','" in line
        and "dates in Tag" in line
        for line in err
    )
    return "de-model.npz"


def test_both_are_remembered_by_the_model(shell, model, tmp_path):
    record = an.load(model).metadata["table"]
    assert (record["decimal"], record["charset"]) == (",", "latin-1")
    out, err = shell("evaluate", model, "de.csv")
    assert err == []
    assert out[-1].startswith("R2 0.9")
    # A few rows in which the mark could not be detected, and where Latin-1 is UTF-8's rest.
    rows = "Stadt;Größe;Tag\nKöln;1,500;01.02.2024\nMünchen;80;02.03.2024\n"
    found = []
    for encoding in ("latin-1", "utf-8", "utf-16"):
        (tmp_path / "few.csv").write_bytes(rows.encode(encoding))
        out, err = shell("predict", model, "few.csv")
        assert err == []
        found.append(out)
    assert found[0] == found[1] == found[2]
    (tmp_path / "point.csv").write_bytes(rows.replace("1,500", "1.5").encode())
    out, _ = shell("predict", model, "point.csv", "--decimal", ".")
    assert out[0] == found[0][0]


def test_another_mark_than_the_remembered_one_is_refused(refused, model, tmp_path):
    (tmp_path / "point.csv").write_text("Stadt;Größe;Tag\nKöln;1.5;01.02.2024\n")
    assert "'1.5' is not a number" in (line := refused("predict", model, "point.csv"))
    assert "--decimal ." in line


def test_inspect_shows_dates(shell, model):
    out, _ = shell("inspect", model)
    (line,) = (line for line in out if line.startswith("Tag"))
    assert line.split()[1] == "5"
    assert line.endswith("dates DD.MM.YYYY, in days")


def test_an_encoding_that_was_given_is_remembered(shell, refused, tmp_path):
    rows = "miasto,a,t\n" + "".join(f"{'ŁóŻ'[k % 3]}ódź,{k},{k % 3}\n" for k in range(30))
    (tmp_path / "pl.csv").write_bytes(rows.encode("cp1250"))
    shell("train", "pl.csv", "--target", "t", "--encoding", "cp1250", "--quiet", "--epochs", "1")
    shell("evaluate", "pl-model.npz", "pl.csv")
    categories = an.load("pl-model.npz").metadata["table"]["columns"][0]["categories"]
    assert sorted(categories) == sorted(["Łódź", "óódź", "Żódź"])
    assert "--encoding" in refused("train", "pl.csv", "--target", "t", "--encoding", "hex")


# Rows and columns --------------------------------------------------------------------------------


def test_all_bad_columns_and_their_options(shell, refused):
    rows = people(60)
    rows[3][0] = rows[5][2] = ""
    rows[7][4] = ""
    named = [[f"id{place}", *row] for place, row in enumerate(rows)]
    write_csv("a.csv", ["id", *NAMES], named)
    line = refused("train", "a.csv", "--target", "group", "--model", "mlp")
    for part in ("'id'", "--ignore id", "'age'", "'town'", "--impute median", "--drop-missing"):
        assert part in line
    _, err = shell(
        *("train", "a.csv", "--target", "group", "--ignore", "id", "--impute", "median"),
        *("--drop-missing", "--epochs", "1", "--model", "mlp"),
    )
    assert any("1 of 60 rows have no target and are left out" in line for line in err)
    assert an.load("a-model.npz").metadata["results"]["train"]["rows"] == 47
    assert "--drop-missing" in refused("evaluate", "a-model.npz", "a.csv")
    out, err = shell("evaluate", "a-model.npz", "a.csv", "--drop-missing", "--json")
    assert json.loads(out[0])["rows"] == 59


def test_a_target_that_is_nowhere_is_refused(refused):
    write_csv("a.csv", ["a", "t"], [[1, ""], [2, "NA"]])
    assert "missing in every row" in refused("train", "a.csv", "--target", "t", "--drop-missing")


def test_a_small_file_that_is_large_inside_is_refused(shell, refused, tmp_path):
    content = b"a,t\n" + b"1,2\n3,4\n" * 3000
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(content))
    arguments = ("train", "a.csv.gz", "--target", "t", "--epochs", "1", "--quiet")
    assert "--max-size" in refused(*arguments, "--max-size", "0.01")
    shell(*arguments, "--max-size", "1")


def test_labels_survive_the_whole_way(shell, tmp_path):
    """Classes of codes are trained on, predicted and evaluated under their own names."""
    names = ["007", "7", "1e5", "+1"]
    rows = [[place % 4, names[place % 4]] for place in range(80)]
    write_csv("a.csv", ["a", "code"], rows)
    shell("train", "a.csv", "--target", "code", "--quiet", "--epochs", "150")
    shell("predict", "a-model.npz", "a.csv", "--out", "out.csv")
    found = (tmp_path / "out.csv").read_text().splitlines()[1:]
    assert {line.split(",")[0] for line in found} == set(names)
    out, _ = shell("evaluate", "a-model.npz", "a.csv", "--json")
    assert {part["class"] for part in json.loads(out[0])["classes"]} == set(names)
    assert json.loads(out[0])["accuracy"] == 1.0


# Standard input ----------------------------------------------------------------------------------


@pytest.fixture
def stdin(monkeypatch):
    """Puts bytes on standard input."""

    def put(content):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content), closed=False))

    return put


def test_commands_read_standard_input(shell, refused, stdin, tmp_path):
    write_csv("p.csv", ["size", "town", "price"], prices())
    content = (tmp_path / "p.csv").read_bytes()
    stdin(content)
    shell("train", "-", "--target", "price", "--quiet", "--epochs", "20")
    shell("train", "p.csv", "--target", "price", "--quiet", "--epochs", "20")
    one, two = an.load("stdin-model.npz"), an.load("p-model.npz")
    np.testing.assert_array_equal(one.params.flat, two.params.flat)
    assert one.metadata["dataset"] == "stdin"
    for arguments in (("evaluate", "p-model.npz"), ("predict", "p-model.npz")):
        stdin(content)
        piped, _ = shell(*arguments, "-")
        assert piped == shell(*arguments, "p.csv")[0]
    stdin(b"")
    assert "standard input: no rows" in refused("train", "-", "--target", "price")
    stdin(content)
    assert "--data-parallel" in refused("train", "-", "--target", "price", "--data-parallel")


def test_a_network_without_a_table_reads_it_too(shell, stdin):
    an.Sequential(an.Affine([[1.0], [2.0]], [0.0]), loss=an.MeanSquaredError()).save("line.npz")
    for content in (b"a,b\n1,2\n", b"1;2\n", b"a;b\n1,0;2\n"):
        stdin(content)
        assert shell("predict", "line.npz", "-")[0] == ["5"]
    file = io.BytesIO()
    np.save(file, np.array([[1.0, 2.0]]))
    stdin(file.getvalue())
    assert shell("predict", "line.npz", "-")[0] == ["5"]


def test_standard_input_that_is_closed(refused, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input is closed" in refused("train", "-", "--target", "a")


def test_parquet(shell, refused, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pyarrow", None)
        (tmp_path / "p.parquet").write_bytes(b"PAR1")
        line = refused("train", "p.parquet", "--target", "price")
        assert 'pip install "affinet[parquet]"' in line
    pyarrow = pytest.importorskip("pyarrow")
    files = pytest.importorskip("pyarrow.parquet")
    rows = prices()
    columns = dict(zip(("size", "town", "price"), map(list, zip(*rows, strict=True)), strict=True))
    files.write_table(pyarrow.table(columns), "p.parquet")
    write_csv("p.csv", ["size", "town", "price"], rows)
    for name in ("p.parquet", "p.csv"):
        shell(
            "train", name, "--target", "price", "--quiet", "--epochs", "5", "--out", f"{name}.npz"
        )
    one, two = an.load("p.parquet.npz"), an.load("p.csv.npz")
    np.testing.assert_array_equal(one.params.flat, two.params.flat)
    assert shell("evaluate", "p.csv.npz", "p.parquet") == shell("evaluate", "p.csv.npz", "p.csv")
