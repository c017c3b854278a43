"""evaluate, predict, inspect, gradcheck, plot, info: the commands that use what was saved."""

import gzip
import json
import struct

import numpy as np
import pytest

import affinet as an
from affinet.cli import main
from affinet.cli.formulas import Formula
from affinet.cli.info import VARIABLES
from affinet.cli.recipes import NAMED_PICTURES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model that knows the digits passably."""
    path = tmp_path_factory.mktemp("models")
    arguments = ["train", "digits", "--epochs", "4", "--hidden", "32", "--quiet"]
    assert main([*arguments, "--out", f"{path}/m.npz", "--plot", f"{path}/m.png"]) == 0
    return path


@pytest.fixture
def model(folder):
    return str(folder / "m.npz")


@pytest.fixture
def net(model):
    return an.load(model)


@pytest.fixture(scope="module")
def digits():
    """Raw test rows of the digits, x (359, 64) and t."""
    return an.datasets.load_digits(scaled=False)[1]


@pytest.fixture
def shell(capsys):
    """Runs a command; gives standard output as text, and the lines of standard error."""

    def run(*arguments, code=0):
        assert main([str(argument) for argument in arguments]) == code
        printed = capsys.readouterr()
        return printed.out, printed.err.splitlines()

    return run


@pytest.fixture
def refused(shell):
    """Runs a command that must be refused; gives its one line."""

    def run(*arguments):
        out, err = shell(*arguments, code=2)
        assert out == ""
        (line,) = err
        assert line.startswith("affinet: error: ")
        return line

    return run


@pytest.fixture
def regression(tmp_path):
    """A model without classes and without metadata."""
    net = an.Sequential(an.Affine.init(3, 2, rng=0), loss=an.MeanSquaredError())
    net.save(tmp_path / "regression.npz")
    return tmp_path / "regression.npz"


# evaluate ----------------------------------------------------------------------------------------


def test_evaluate_prints_what_the_network_says(shell, model, net, digits):
    out, err = shell("evaluate", model, "digits")
    assert err == []
    figures = net.evaluate(*digits)
    lines = [line.split() for line in out.splitlines()]
    assert ["test", "359", f"{figures['loss']:.4f}", f"{figures['accuracy']:.4f}"] in lines
    assert out.splitlines()[-1] == f"test accuracy {figures['accuracy']:.4f}"


def test_evaluate_counts_every_class(shell, model, net, digits):
    out, _ = shell("evaluate", model, "digits", "--json")
    classes = json.loads(out)["test"]["classes"]
    x, t = digits
    found = net.predict(x).argmax(axis=1)
    assert [part["class"] for part in classes] == [str(digit) for digit in range(10)]
    for digit, part in enumerate(classes):
        assert part["rows"] == np.count_nonzero(t == digit)
        assert part["correct"] == np.count_nonzero((t == digit) & (found == digit))
        assert part["accuracy"] == pytest.approx(part["correct"] / part["rows"])


def test_evaluate_json_has_both_splits(shell, model, net):
    out, _ = shell("evaluate", model, "digits", "--json")
    result = json.loads(out)
    train, test = an.datasets.load_digits(scaled=False)
    for name, split in (("train", train), ("test", test)):
        figures = net.evaluate(*split)
        assert result[name]["rows"] == len(split[1])
        assert result[name]["loss"] == pytest.approx(figures["loss"])
        assert result[name]["accuracy"] == pytest.approx(figures["accuracy"])


def test_evaluate_gives_scaled_pixels_to_a_network_that_does_not_scale(shell, tmp_path):
    (x, t), test = an.datasets.load_digits()
    net = an.Sequential(an.Affine.init(64, 10, activation="linear"), loss=an.SoftmaxWithLoss())
    net.fit(x, t, epochs=3, optimizer=an.Adam(0.01))
    net.save(tmp_path / "own.npz")
    out, _ = shell("evaluate", tmp_path / "own.npz", "digits", "--json")
    assert json.loads(out)["test"]["accuracy"] == pytest.approx(net.evaluate(*test)["accuracy"])


def test_evaluate_on_another_data_set_says_so(shell, model, net, tmp_path):
    net.metadata["dataset"] = "mnist"
    net.save(tmp_path / "m.npz")
    _, err = shell("evaluate", tmp_path / "m.npz", "digits")
    assert err == [f"affinet: note: {tmp_path / 'm.npz'} was trained on mnist"]


def test_evaluate_refusals(refused, model, regression, tmp_path):
    assert "spiral has 2 numbers a row" in refused("evaluate", model, "spiral")
    assert "gone.npz" in refused("evaluate", tmp_path / "gone.npz", "digits")
    assert "MeanSquaredError" in refused("evaluate", regression, "digits")
    (tmp_path / "text.npz").write_text("no model")
    assert "text.npz" in refused("evaluate", tmp_path / "text.npz", "digits")
    assert "--data-dir" in refused("evaluate", model, "digits", "--data-dir", tmp_path)


# predict -----------------------------------------------------------------------------------------


def as_npy(path, x):
    np.save(path.with_suffix(".npy"), x)
    return path.with_suffix(".npy")


def as_npz(path, x):
    np.savez(path.with_suffix(".npz"), x=x, t=np.zeros(3))
    return path.with_suffix(".npz")


def as_npz_of_one(path, x):
    np.savez_compressed(path.with_suffix(".npz"), anything=x)
    return path.with_suffix(".npz")


def as_csv(path, x, header="", suffix=".csv"):
    text = header + "".join(",".join(map(str, row)) + "\n" for row in x)
    packed = gzip.compress(text.encode()) if suffix.endswith("gz") else text.encode()
    path.with_suffix(suffix).write_bytes(packed)
    return path.with_suffix(suffix)


def as_csv_with_names(path, x):
    return as_csv(path, x, header=",".join(f"pixel {i}" for i in range(x.shape[1])) + "\r\n\n")


def as_packed_csv(path, x):
    return as_csv(path, x, suffix=".csv.gz")


def as_csv_with_byte_order_mark(path, x):
    return as_csv(path, x, header="\ufeff")


def as_idx(path, x, packed=False):
    content = struct.pack(">4B3I", 0, 0, 8, 3, len(x), 8, 8) + x.tobytes()
    path = path.with_name("images-idx3-ubyte" + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def as_packed_idx(path, x):
    return as_idx(path, x, packed=True)


WRITERS = [
    *(as_npy, as_npz, as_npz_of_one, as_csv, as_csv_with_names, as_packed_csv),
    *(as_csv_with_byte_order_mark, as_idx, as_packed_idx),
]


@pytest.mark.parametrize("write", WRITERS)
def test_predict_reads_raw_pixels_from(shell, model, net, digits, tmp_path, write):
    x = digits[0][:7]
    out, err = shell("predict", model, write(tmp_path / "rows", x))
    assert err == []
    p = net.predict_proba(x)
    assert out == "".join(f"{row.argmax()}\t{row.max():.4f}\n" for row in p)


def test_predict_probabilities(shell, model, net, digits, tmp_path):
    x = digits[0][:3]
    out, _ = shell("predict", model, as_npy(tmp_path / "x", x), "--probabilities")
    header, *rows = [line.split("\t") for line in out.splitlines()]
    assert header == ["class", *map(str, range(10))]
    p = net.predict_proba(x)
    assert [int(row[0]) for row in rows] == p.argmax(axis=1).tolist()
    np.testing.assert_allclose(np.array([row[1:] for row in rows], float), p, atol=6e-5)


def test_predict_json(shell, model, net, digits, tmp_path):
    x = digits[0][:3]
    path = as_npy(tmp_path / "x", x)
    p = net.predict_proba(x)
    rows = json.loads(shell("predict", model, path, "--json")[0])["rows"]
    assert [row["index"] for row in rows] == p.argmax(axis=1).tolist()
    assert all(row["class"] == str(row["index"]) for row in rows)
    assert all("probabilities" not in row for row in rows)
    rows = json.loads(shell("predict", model, path, "--json", "--probabilities")[0])["rows"]
    np.testing.assert_allclose([list(row["probabilities"].values()) for row in rows], p)


@pytest.mark.parametrize("shape", [(64,), (8, 8), (1, 64), (1, 8, 8)])
def test_one_row_in_its_forms(shell, model, net, digits, tmp_path, shape):
    x = digits[0][0]
    out, _ = shell("predict", model, as_npy(tmp_path / "x", x.reshape(shape)))
    assert out.split("\t")[0] == str(net.predict(x).argmax())
    assert len(out.splitlines()) == 1


def test_class_names_come_from_the_metadata(shell, net, digits, tmp_path):
    x = digits[0][:1]
    net.metadata["classes"] = [f"the {digit}" for digit in "0123456789"]
    net.save(tmp_path / "named.npz")
    out, _ = shell("predict", tmp_path / "named.npz", as_npy(tmp_path / "x", x))
    assert out.startswith(f"the {net.predict(x).argmax()}\t")


@pytest.mark.parametrize("metadata", [{}, {"classes": 3, "input_shape": "x", "input_range": [1]}])
def test_a_model_with_little_or_odd_metadata_predicts(shell, net, digits, tmp_path, metadata):
    net.metadata = metadata
    net.save(tmp_path / "m.npz")
    x = digits[0][:1]
    out, err = shell("predict", tmp_path / "m.npz", as_npy(tmp_path / "x", x))
    assert out.startswith(f"{net.predict(x).argmax()}\t")
    assert err == []


@pytest.mark.parametrize(("factor", "told"), [(1 / 16, "raw pixels"), (255 / 16, "0 to 16")])
def test_pixels_on_another_scale_are_warned_of(shell, model, digits, tmp_path, factor, told):
    path = as_npy(tmp_path / "x", digits[0][:5] * np.float32(factor))
    out, err = shell("predict", model, path)
    assert len(out.splitlines()) == 5
    (line,) = err
    assert line.startswith("affinet: warning: ")
    assert told in line


def test_predict_values_of_a_network_without_classes(shell, refused, regression, tmp_path):
    x = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    path = as_npy(tmp_path / "x", x)
    y = an.load(regression).predict(x)
    out, _ = shell("predict", regression, path)
    printed = np.array([line.split("\t") for line in out.splitlines()], float)
    np.testing.assert_allclose(printed, y, rtol=1e-5)
    rows = json.loads(shell("predict", regression, path, "--json")[0])["rows"]
    np.testing.assert_allclose(rows, y)
    assert "no probabilities" in refused("predict", regression, path, "--probabilities")


BAD_ROWS = {
    "a column too few": ("x.csv", ",".join("1" * 63), "63 numbers a row"),
    "a text": ("x.csv", ",".join(["1"] * 63 + ["one"]), "line 1, column 64: 'one'"),
    "a missing value": ("x.csv", ",".join(["1"] * 63 + [""]), "line 1, column 64: ''"),
    "rows of two lengths": ("x.csv", "1,2\n1,2,3", "line 2 has 3 columns, wanted 2"),
    "names alone": ("x.csv", "a,b,c\n", "no rows"),
    "nothing": ("x.csv", "", "no rows"),
    "not a number": ("x.csv", ",".join(["1"] * 63 + ["nan"]), "x[0, 63] is nan"),
    "text as .npy": ("x.npy", "hello", "not a NumPy file"),
    "nothing as .npy": ("x.npy", "", "x.npy"),
    "text as .npz": ("x.npz", "hello", "not a NumPy file"),
    "text as .csv.gz": ("x.csv.gz", "1,2", "x.csv.gz"),
    "text as images": ("x-ubyte", "hello", "magic number"),
    "text as packed images": ("x-idx3-ubyte.gz", "hello", "gzip data"),
    "another kind": ("x.jpg", "hello", "wanted .npy"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_files_are_refused_by_name(refused, model, tmp_path, case):
    name, text, problem = BAD_ROWS[case]
    path = tmp_path / name
    path.write_text(text)
    line = refused("predict", model, path)
    assert str(path) in line
    assert problem in line


BAD_ARRAYS = {
    "complex": (np.zeros((2, 64), complex), "complex128"),
    "text": (np.array([["a"] * 64]), "<U1"),
    "a single number": (np.array(3.0), "at least one row"),
    "no rows": (np.zeros((0, 64)), "at least one row"),
    "another width": (np.zeros((2, 65)), "65 numbers a row"),
    "infinite": (np.full((1, 64), np.inf), "is inf"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_bad_arrays_are_refused(refused, model, tmp_path, case):
    array, problem = BAD_ARRAYS[case]
    assert problem in refused("predict", model, as_npy(tmp_path / "x", array))


def test_no_pickle_is_read(refused, model, tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "not a NumPy file of numbers" in refused("predict", model, tmp_path / "x.npy")


def test_several_arrays_without_an_x_are_refused(refused, model, tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(64), b=np.zeros(64))
    assert "arrays a, b" in refused("predict", model, tmp_path / "x.npz")


def test_a_truncated_archive_is_refused(refused, model, digits, tmp_path):
    path = as_npz_of_one(tmp_path / "x", digits[0])
    content = bytearray(path.read_bytes())
    content[200:230] = bytes(30)
    path.write_bytes(content)
    assert str(path) in refused("predict", model, path)


def test_missing_files_and_folders_are_refused(refused, model, tmp_path):
    assert "gone.npy: No such file" in refused("predict", model, tmp_path / "gone.npy")
    (tmp_path / "folder.npy").mkdir()
    assert "folder.npy" in refused("predict", model, tmp_path / "folder.npy")


# inspect -----------------------------------------------------------------------------------------


def test_inspect_shows_layers_metadata_and_record(shell, model, net):
    out, _ = shell("inspect", model)
    assert net.summary() in out
    assert "inputs are multiplied by 0.0625" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["dataset", "digits"] in lines
    assert ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"] in lines
    for epoch in net.metadata["epochs"]:
        figures = [epoch[name] for name in ("loss", "accuracy", "val_loss", "val_accuracy")]
        assert [str(epoch["epoch"]), *(f"{value:.4f}" for value in figures)] in lines


def test_inspect_json(shell, model, net):
    result = json.loads(shell("inspect", model, "--json")[0])
    assert result["metadata"] == net.metadata
    assert result["parameters"] == net.params.flat.size
    assert result["shapes"]["1.W"] == [64, 32]
    assert [layer["type"] for layer in result["layers"]][:2] == ["Dropout", "Affine"]
    assert result["input_scale"] == 1 / 16


def test_a_long_record_is_thinned_and_ends_with_the_last_epoch(shell, net, tmp_path):
    net.metadata["epochs"] = [{"epoch": n, "loss": 1 / n} for n in range(1, 101)]
    net.save(tmp_path / "long.npz")
    out, _ = shell("inspect", tmp_path / "long.npz")
    *_, last, note = out.splitlines()
    assert last.split() == ["100", "0.0100"]
    assert "1 epoch in 5" in note


def test_inspect_a_model_without_metadata(shell, regression):
    out, _ = shell("inspect", regression)
    assert out == an.load(regression).summary() + "\n"
    assert json.loads(shell("inspect", regression, "--json")[0])["loss"] == "MeanSquaredError"


def test_predict_several_labels(shell, tmp_path):
    """Each output is a yes or no of its own: what is printed are their probabilities."""
    net = an.Sequential(an.Affine.init(3, 2, rng=0), loss=an.SigmoidWithLoss())
    net.save(tmp_path / "labels.npz")
    x = np.random.default_rng(0).standard_normal((4, 3))
    path, p = as_npy(tmp_path / "x", x), net.predict_proba(x)
    for options in ((), ("--probabilities",)):
        out, _ = shell("predict", tmp_path / "labels.npz", path, *options)
        np.testing.assert_allclose(
            [list(map(float, line.split("\t"))) for line in out.splitlines()], p, rtol=1e-5
        )


# gradcheck ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [[], ["digits"], ["digits", "--rows", "3"], ["--seed", "4"]])
def test_gradcheck_passes(shell, model, rows):
    out, _ = shell("gradcheck", model, *rows)
    assert out.startswith("gradient check passed")
    assert all(name in out for name in ("1.W", "1.b", "4.W", "4.b", "x"))


@pytest.mark.parametrize(
    "loss",
    [an.SigmoidWithLoss(), an.Poisson(), an.Huber(), an.Quantile(0.1), an.MeanAbsoluteError()],
    ids=repr,
)
def test_gradcheck_of_every_kind_of_loss(shell, tmp_path, loss):
    an.Sequential(an.Affine.init(3, 2, rng=0), loss=loss).save(tmp_path / "m.npz")
    assert json.loads(shell("gradcheck", tmp_path / "m.npz", "--json")[0])["passed"] is True


def test_gradcheck_of_a_network_without_classes(shell, regression):
    assert json.loads(shell("gradcheck", regression, "--json")[0])["passed"] is True


def test_gradcheck_fails_on_a_wrong_backward(shell, model, monkeypatch):
    right = an.ReLU.backward
    monkeypatch.setattr(an.ReLU, "backward", lambda layer, dout: -right(layer, dout))
    out, err = shell("gradcheck", model, "digits", code=1)
    assert out.startswith("gradient check FAILED")
    assert err == []
    assert json.loads(shell("gradcheck", model, "--json", code=1)[0])["passed"] is False


def test_gradcheck_refusals(refused, model, tmp_path):
    assert "--tolerance" in refused("gradcheck", model, "--tolerance", "0")
    assert "--rows" in refused("gradcheck", model, "--rows", "0")
    an.Sequential(an.Affine.init(2, 2)).save(tmp_path / "plain.npz")
    assert "no loss" in refused("gradcheck", tmp_path / "plain.npz")


# plot, info --------------------------------------------------------------------------------------


def test_plot_draws_the_record_again(shell, folder, model, tmp_path):
    out, _ = shell("plot", model, "--out", tmp_path / "c.png")
    assert out == f"{tmp_path / 'c.png'}\n"
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    out, _ = shell("plot", model)
    assert out == f"{folder / 'm-curve.png'}\n"
    assert (folder / "m-curve.png").stat().st_size > 10_000


def test_plot_refusals(refused, model, regression, tmp_path):
    assert "no training record" in refused("plot", regression, "--out", tmp_path / "c.png")
    assert "c.gif" in refused("plot", model, "--out", tmp_path / "c.gif")


@pytest.mark.parametrize("name", NAMED_PICTURES)
def test_plot_draws_pictures_by_name(shell, tmp_path, name):
    target = tmp_path / "a.png"
    out, err = shell("plot", name, "--save", target)
    assert err == []
    *figures, last = out.splitlines()
    assert last == str(target)
    assert len(figures) >= 3
    assert target.read_bytes().startswith(b"\x89PNG")
    assert target.stat().st_size <= 64_000


def test_plot_by_name_writes_beside_you(shell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shell("plot", "three-steps")[0].endswith("\nthree-steps.png\n")
    assert [path.name for path in tmp_path.iterdir()] == ["three-steps.png"]
    shell("plot", "activations", "--reach", "2", "--out", "a.svg")
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")


def test_plot_takes_formulas(shell, tmp_path):
    target = tmp_path / "a.png"
    out, _ = shell("plot", "derivative", "--function", "x**3 - x", "--at", "-1", "--save", target)
    assert ["tangent", "2"] in [line.split()[:2] for line in out.splitlines()]
    words = ("--function", "3*w**2", "--start", "1", "--steps", "1", "--rates", "0.1,0.4")
    out, _ = shell("plot", "descent", *words, "--save", target)
    first, second = out.splitlines()[1:3]  # w = 1 - 0.1 * 6 and 1 - 0.4 * 6
    assert [float(line.split()[-2]) for line in (first, second)] == [0.48, 5.88]
    words = ("--function", "w1**2 + w2**2", "--start=-1,2", "--rates", "0.5", "--steps", "1")
    out, _ = shell("plot", "descent", *words, "--save", target)
    assert abs(float(out.splitlines()[1].split()[-2])) < 1e-9


def test_plot_compares_optimizers_and_shows_histograms(shell, tmp_path):
    target = tmp_path / "a.png"
    out, _ = shell("plot", "descent", "--optimizers", "--parameters", "2", "--save", target)
    assert all(name in out for name in ("SGD", "Nesterov", "AdaGrad", "RMSprop", "AdamW"))
    shell("plot", "vanishing-gradient", "--histograms", "--save", target)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nothing"], "neither a file nor one of the pictures derivative, descent"),
        (["derivative", "--rates", "1"], "--rates: derivative has no such option, only --function"),
        (["regions", "--optimizers"], "--optimizers: regions has no such option"),
        (["derivative", "--function", "x +"], "--function: 'x +' is no formula"),
        (["derivative", "--function", "y"], "--function: 'y' has 'y'"),
        (["derivative", "--function", "abs(x)", "--at", "0"], "kink"),
        (["derivative", "--at", "nan"], "--at"),
        (["descent", "--function", "w**2"], "--start: got nothing"),
        (["descent", "--function", "w1*w2", "--start", "1"], "--start: got 1 numbers"),
        (["descent", "--function", "w*w1", "--start", "1"], "wanted w1 and w2"),
        (["descent", "--function", "3", "--start", "1"], "neither w nor w1 and w2"),
        (["descent", "--rates", "1", "--optimizers"], "one of them at a time"),
        (["descent", "--rates", "1,x"], "--rates"),
        (["descent", "--rates", "-1"], "rates has -1"),
        (["overfitting", "--label-noise", "1"], "--label-noise"),
        (["overfitting", "--data-dir", "."], "--data-dir"),
    ],
)
def test_plot_refuses_what_makes_no_picture(refused, tmp_path, arguments, problem):
    assert problem in refused("plot", *arguments, "--save", tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_plot_looks_at_the_place_before_it_works(refused, tmp_path):
    assert "--save" in refused("plot", "regions", "--save", tmp_path / "a.txt")
    assert "--save" in refused("plot", "regions", "--save", tmp_path / "gone" / "a.png")


def test_formulas():
    f = Formula("-2 * x**2 + exp(y) / 4 - pi", ("x", "y"))
    assert f.names == ("x", "y")
    assert f(x=3.0, y=0.0) == -18 + 0.25 - np.pi
    for bad in ("__import__('os')", "x.real", "x if x else 1", "[x]", "x and x", "lambda: x",
                "True", "'a'", "sin(x, x)", "sin", "x @ x", "9e", "", "x(1)"):  # fmt: skip
        with pytest.raises(ValueError, match=r"formula|known are"):
            Formula(bad, ("x", "y"))


def test_info_tells_the_level_and_why(shell):
    out, _ = shell("info")
    info = an.runtime_info()
    lines = [line.split(maxsplit=1) for line in out.splitlines()]
    assert ["level", info["level"]] in lines
    assert ["reason", info["reason"]] in lines
    assert ", ".join(info["compiled_levels"]) in out
    starts = {line.index(line.split("  ")[-1].strip()) for line in out.splitlines()}
    assert len(starts) == 1  # aligned


def test_info_json(shell, monkeypatch):
    monkeypatch.setenv("AFFINET_DATA_DIR", "somewhere")
    result = json.loads(shell("info", "--json")[0])
    assert result["level"] == an.runtime_info()["level"]
    assert result["affinet"] == an.__version__
    assert set(result["packages"]) == {"tqdm", "matplotlib", "pooch", "safetensors", "mpi4py"}
    assert set(result["environment"]) == set(VARIABLES)
    assert result["environment"]["AFFINET_DATA_DIR"] == "somewhere"


def test_info_names_the_extra_of_a_missing_package(shell, monkeypatch):
    monkeypatch.setattr("affinet.cli.info.installed_version", lambda name: None)
    out, _ = shell("info")
    assert 'pip install "affinet[data]"' in out


# The whole ---------------------------------------------------------------------------------------


def test_version(shell):
    assert shell("--version") == (f"affinet {an.__version__}\n", [])


def test_help_lists_the_commands(shell):
    out, _ = shell("--help")
    commands = ("train", "evaluate", "predict", "inspect", "gradcheck", "plot", "info")
    assert all(any(line.split()[:1] == [name] for line in out.splitlines()) for name in commands)


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "inspect", "gradcheck"])
def test_every_command_has_help(shell, command):
    out, _ = shell(command, "--help")
    assert out.startswith(f"usage: affinet {command}")


def test_no_command_and_unknown_commands_are_refused(refused):
    assert "COMMAND" in refused()
    assert "'bake'" in refused("bake")
    assert "--colour" in refused("info", "--colour")


def test_names_of_files_may_hold_line_breaks_and_the_error_is_still_one_line(refused, tmp_path):
    refused("inspect", tmp_path / "a\nb.npz")
