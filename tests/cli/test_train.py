"""``affinet train``: the network it builds, the files it writes, what it prints."""

import gzip
import json
import os
import re
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import affinet as an
import affinet.cli.train
from affinet.cli import main
from affinet.cli.models import load_named
from affinet.cli.parser import make_parser
from affinet.cli.recipes import ACTIVATIONS, LEARNING_RATES, OPTIMIZER, RECIPES
from affinet.cli.training_report import summary
from affinet.layers.activations import Activation

LAST_LINE = re.compile(r"test accuracy [01]\.\d{4}")
PNG = b"\x89PNG\r\n\x1a\n"
FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def train(capsys):
    """Runs ``affinet train``; gives the lines of standard output, and those of standard error."""

    def run(*arguments, code=0):
        assert main(["train", *arguments]) == code
        printed = capsys.readouterr()
        return printed.out.splitlines(), printed.err.splitlines()

    return run


@pytest.fixture
def mnist_folder(tmp_path):
    """Four small files with the official names: each label inks its own column."""
    rng = np.random.default_rng(0)
    for images, labels, n_rows in ((*FILES[:2], 300), (*FILES[2:], 100)):
        t = rng.integers(0, 10, n_rows)
        x = rng.integers(0, 60, (n_rows, 28, 28))
        x[np.arange(n_rows), :, 2 * t] = 255
        write_idx(tmp_path / f"{images}-ubyte.gz", x)
        write_idx(tmp_path / f"{labels}-ubyte.gz", t)
    return tmp_path


def write_idx(path, array):
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


def accuracy_in(line):
    assert LAST_LINE.fullmatch(line)
    return float(line.split()[-1])


def without_modules(monkeypatch, *names):
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


# The main job ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_digits_without_options_are_learned(train, seed):
    out, _ = train("digits", "--quiet", "--seed", str(seed))
    assert accuracy_in(out[-1]) >= 0.97


@pytest.mark.usefixtures("curves")
def test_files_go_to_the_current_folder_and_the_accuracy_comes_last(train):
    out, err = train("digits", "--epochs", "2")
    assert sorted(os.listdir()) == ["digits-curve.png", "digits-model.npz"]
    _, (x, t) = an.datasets.load_digits(scaled=False)
    right = np.mean(an.load("digits-model.npz").predict(x).argmax(axis=1) == t)
    assert accuracy_in(out[-1]) == round(right, 4)
    assert [line for line in err if line.startswith("epoch")] == err[-2:]
    assert all(word in err[-1] for word in ("epoch 2/2", "loss", "val_accuracy"))


@pytest.mark.usefixtures("curves")
def test_the_curve_is_a_picture(train):
    train("digits", "--epochs", "2", "--plot", "my.png")
    content = Path("my.png").read_bytes()
    assert content.startswith(PNG)
    assert len(content) > 10_000
    width, height = struct.unpack(">II", content[16:24])
    assert width > 1000
    assert height > 400


@pytest.mark.usefixtures("curves")
@pytest.mark.parametrize(("suffix", "start"), [(".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_the_curve_comes_in_other_formats(train, suffix, start):
    train("digits", "--epochs", "1", "--plot", f"my{suffix}")
    assert Path(f"my{suffix}").read_bytes().startswith(start)


def test_quiet_prints_the_last_line_alone(train):
    out, err = train("digits", "--epochs", "1", "--quiet")
    assert len(out) == 1
    assert LAST_LINE.fullmatch(out[0])
    assert err == []


def test_json_is_the_whole_output(train):
    out, _ = train("digits", "--epochs", "2", "--json")
    (line,) = out
    result = json.loads(line)
    assert result["dataset"] == "digits"
    assert (result["model"], result["plot"]) == ("digits-model.npz", "digits-curve.png")
    assert (result["epochs"], result["steps"]) == (2, 90)
    assert (result["train"]["rows"], result["test"]["rows"]) == (1438, 359)
    assert 0.5 < result["test"]["accuracy"] <= 1


def test_the_model_file_tells_what_it_was_trained_on(train):
    out, _ = train("digits", "--epochs", "2", "--hidden", "12,7", "--seed", "3", "--out", "m.npz")
    net = an.load("m.npz")
    kept = net.metadata
    assert kept["dataset"] == "digits"
    assert kept["classes"] == [str(digit) for digit in range(10)]
    assert (kept["input_shape"], kept["input_range"]) == ([8, 8], [0, 16])
    assert kept["options"]["hidden"] == [12, 7]
    assert (kept["options"]["seed"], kept["options"]["lr"]) == (3, 0.05)
    assert [epoch["epoch"] for epoch in kept["epochs"]] == [1, 2]
    assert kept["epochs"][-1]["val_accuracy"] == kept["results"]["test"]["accuracy"]
    assert round(kept["results"]["test"]["accuracy"], 4) == accuracy_in(out[-1])
    assert kept["steps"] == 90
    assert net.input_scale == 1 / 16


# Data sets ---------------------------------------------------------------------------------------


def test_spiral(train):
    out, _ = train("spiral", "--epochs", "30")
    assert accuracy_in(out[-1]) > 0.9
    net = an.load("spiral-model.npz")
    assert net.input_scale is None
    assert net.metadata["input_range"] is None


@pytest.mark.parametrize("dataset", ["mnist", "fashion-mnist"])
def test_image_files(train, mnist_folder, dataset):
    out, err = train(
        *(dataset, "--data-dir", str(mnist_folder), "--hidden", "20", "--optimizer", "sgd"),
        *("--lr", "0.1", "--batch-size", "50", "--steps", "40", "--dtype", "float64"),
    )
    assert accuracy_in(out[-1]) > 0.9
    assert [line.split()[1] for line in err if line.startswith("epoch")][-1] == "7/7"
    net = an.load(f"{dataset}-model.npz")
    assert net.dtype == np.float64
    assert net.input_scale == 1 / 255
    assert [repr(layer) for layer in net.layers] == [
        "Affine(784 -> 20)",
        "ReLU()",
        "Affine(20 -> 10)",
    ]
    assert net.metadata["classes"] == list(RECIPES[dataset].classes)
    assert net.metadata["steps"] == 40


def test_the_classic_program_on_mnist(train):
    folder = os.environ.get("AFFINET_DATA_DIR")
    if not folder:
        pytest.skip("AFFINET_DATA_DIR does not name the folder of MNIST's files")
    out, _ = train(
        *("mnist", "--data-dir", folder, "--hidden", "50", "--optimizer", "sgd", "--lr", "0.1"),
        *("--batch-size", "100", "--steps", "1200", "--init", "0.01", "--quiet"),
    )
    assert abs(accuracy_in(out[-1]) - 0.9238) < 0.008  # the published figure of its second epoch


# Options -----------------------------------------------------------------------------------------


def untrained(train, *options):
    """The network of ``train digits``, practically untrained."""
    train(
        *("digits", "--steps", "1", "--optimizer", "sgd", "--lr", "1e-30", "--hidden", "400"),
        *("--out", "m.npz", "--quiet", *options),
    )
    return an.load("m.npz")


def test_automatic_initial_weights_follow_the_activation(train):
    he = untrained(train)
    xavier = untrained(train, "--activation", "tanh")
    assert he.params["1.W"].std() == pytest.approx((2 / 64) ** 0.5, rel=0.03)
    assert xavier.params["1.W"].std() == pytest.approx((2 / 464) ** 0.5, rel=0.03)
    for net in (he, xavier):
        assert net.params["4.W"].std() == pytest.approx((2 / 410) ** 0.5, rel=0.05)
        assert abs(net.params["1.b"]).max() < 1e-20


def test_initial_weights_of_a_given_size(train):
    net = untrained(train, "--init", "0.01")
    assert net.params["1.W"].std() == pytest.approx(0.01, rel=0.03)
    assert net.params["4.W"].std() == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize(
    ("options", "layers"),
    [
        ([], ["Dropout", "Affine", "ReLU", "Dropout", "Affine"]),
        (["--dropout", "0"], ["Affine", "ReLU", "Affine"]),
        (["--dropout", "0", "--input-dropout", "0.2"], ["Dropout", "Affine", "ReLU", "Affine"]),
        (["--input-dropout", "0"], ["Affine", "ReLU", "Dropout", "Affine"]),
        (["--hidden", "", "--dropout", "0"], ["Affine"]),
        (["--hidden", "0", "--dropout", "0"], ["Affine"]),
        (["--hidden", "3,4", "--dropout", "0"], ["Affine", "ReLU", "Affine", "ReLU", "Affine"]),
        (["--activation", "leaky_relu", "--dropout", "0"], ["Affine", "LeakyReLU", "Affine"]),
        (["--activation", "sigmoid", "--dropout", "0"], ["Affine", "Sigmoid", "Affine"]),
        (["--activation", "gelu", "--dropout", "0"], ["Affine", "GELU", "Affine"]),
        (["--activation", "silu", "--dropout", "0"], ["Affine", "SiLU", "Affine"]),
    ],
)
def test_layers(train, options, layers):
    train("digits", "--steps", "1", "--quiet", *options)
    net = an.load("digits-model.npz")
    assert [type(layer).__name__ for layer in net.layers] == layers


@pytest.mark.parametrize("optimizer", list(LEARNING_RATES))
def test_every_optimizer_learns_at_its_default_rate(train, optimizer):
    out, err = train("digits", "--epochs", "4", "--optimizer", optimizer)
    assert accuracy_in(out[-1]) > 0.85
    assert f"{optimizer} at {LEARNING_RATES[optimizer]:g}" in err[0]


def test_one_seed_one_network(train):
    for name, seed in (("a.npz", "5"), ("b.npz", "5"), ("c.npz", "6")):
        train("digits", "--epochs", "1", "--seed", seed, "--out", name, "--quiet")
    a, b, c = (an.load(name).params.flat for name in ("a.npz", "b.npz", "c.npz"))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_help_tells_the_defaults(capsys):
    assert main(["train", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for wanted in (
        "256 for digits; 128 for mnist, fashion-mnist; 64,64 for spiral",
        "80 for digits; 10 for mnist, fashion-mnist; 100 for spiral",
        f"update rule (default: {OPTIMIZER})",
        "0.1 for sgd, 0.01 for momentum, 0.01 for nesterov, 0.05 for adagrad, 0.001 for rmsprop, "
        "0.001 for adam, 0.001 for adamw",
        "(default: 10 * batch size / rows for numbers, 0 for classes;",
        "(default: relu;",
        "(default: float32)",
        "(default: auto)",
        "(default: DATASET-model.npz)",
    ):
        assert wanted in text


def test_the_parser_offers_every_activation_and_optimizer():
    named = {
        cls.shell_name
        for cls in vars(affinet).values()
        if isinstance(cls, type)
        and issubclass(cls, Activation | affinet.Optimizer)
        and cls is not affinet.Optimizer
    }
    assert named == {*ACTIVATIONS, *LEARNING_RATES}


# What may be missing, what may go wrong ----------------------------------------------------------


def test_without_matplotlib_training_goes_on_and_says_so(train, monkeypatch):
    without_modules(monkeypatch, "matplotlib", "matplotlib.figure")
    out, err = train("digits", "--epochs", "1", "--quiet")
    assert LAST_LINE.fullmatch(out[-1])
    (line,) = err
    assert 'pip install "affinet[cli]"' in line
    assert os.listdir() == ["digits-model.npz"]
    out, _ = train("digits", "--epochs", "1", "--json")
    assert json.loads(out[0])["plot"] is None


def test_without_tqdm_a_terminal_gets_a_line_an_epoch(train, monkeypatch):
    without_modules(monkeypatch, "tqdm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    _, err = train("digits", "--epochs", "3")
    assert [line.split()[1] for line in err[-3:]] == ["1/3", "2/3", "3/3"]


def test_a_training_that_diverges_is_told_in_one_line_and_leaves_no_file(train):
    out, err = train("digits", "--lr", "1e30", "--optimizer", "sgd", "--quiet", code=1)
    assert out == []
    (line,) = err
    assert "diverges" in line
    assert "--lr" in line
    assert os.listdir() == []


def test_an_interruption_tells_the_epoch_and_leaves_no_file(train, monkeypatch):
    def interrupt(state):
        if state.epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(affinet.cli.train, "refuse_divergence", interrupt)
    out, err = train("digits", "--quiet", code=130)
    assert (out, err) == ([], ["affinet: interrupted in epoch 3; no file was written"])
    assert os.listdir() == []


def test_a_model_that_comes_back_different_is_found_out(train, monkeypatch):
    def load(path):
        net = an.load(path)
        net.params.flat[-1] += 1  # the first one belongs to a pixel that is always 0
        return net

    monkeypatch.setattr(affinet.cli.train, "load_model", load)
    _, err = train("digits", "--epochs", "1", "--quiet", code=1)
    (line,) = err
    assert "digits-model.npz" in line


def test_an_old_model_is_replaced_only_by_a_whole_one(train):
    train("digits", "--epochs", "1", "--quiet")
    before = Path("digits-model.npz").read_bytes()
    train("digits", "--lr", "1e30", "--optimizer", "sgd", "--quiet", code=1)
    assert Path("digits-model.npz").read_bytes() == before
    train("digits", "--epochs", "1", "--seed", "1", "--quiet")
    assert Path("digits-model.npz").read_bytes() != before


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_an_interrupted_training_goes_on_from_its_checkpoint(train, monkeypatch, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    options = ("digits", "--epochs", "5", "--quiet")
    whole, _ = train(*options, "--out", f"whole{suffix}")

    def interrupt(state):
        if state.epoch == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(affinet.cli.train, "refuse_divergence", interrupt)
        _, err = train(*options, "--checkpoint", f"c{suffix}", code=130)
    assert err == [f"affinet: interrupted in epoch 4; to continue: --resume c{suffix}"]
    resumed, _ = train(*options, "--out", f"resumed{suffix}", "--resume", f"c{suffix}")
    assert resumed == whole
    one, two = an.load(f"whole{suffix}"), an.load(f"resumed{suffix}")
    np.testing.assert_array_equal(one.params.flat, two.params.flat)
    assert len(two.metadata["epochs"]) == 5


def test_a_checkpoint_of_another_training_is_refused_by_name(train):
    train("digits", "--epochs", "1", "--quiet", "--checkpoint", "c.npz")
    before = sorted(os.listdir())
    for option, value, named in (
        ("--batch-size", "7", "batch_size"),
        ("--seed", "1", "seed"),
        ("--hidden", "9", "1.W"),
        ("--optimizer", "sgd", "optimizer"),
    ):
        _, err = train(
            *("digits", "--epochs", "2", "--quiet", "--resume", "c.npz", option, value), code=2
        )
        assert "c.npz" in err[-1]
        assert named in err[-1]
    _, err = train("digits", "--quiet", "--resume", "gone.npz", code=2)
    assert "gone.npz" in err[-1]
    assert sorted(os.listdir()) == before


REFUSED = {
    "no data set": ([], "DATASET"),
    "unknown data set": (["cifar"], "'cifar'"),
    "rate not a number": (["digits", "--lr", "nan"], "--lr"),
    "rate of zero": (["digits", "--lr", "0"], "--lr"),
    "negative rate": (["digits", "--lr", "-1"], "--lr"),
    "infinite rate": (["digits", "--lr", "inf"], "--lr"),
    "rate in words": (["digits", "--lr", "fast"], "'fast'"),
    "hidden in words": (["digits", "--hidden", "64,many"], "'64,many'"),
    "hidden with a zero": (["digits", "--hidden", "64,0"], "'64,0'"),
    "hidden negative": (["digits", "--hidden=-3"], "--hidden"),
    "hidden beyond memory": (["digits", "--hidden", "9" * 12], "memory"),
    "hidden beyond all": (["digits", "--hidden", "9" * 30], "dimension"),
    "dropout of one": (["digits", "--dropout", "1"], "--dropout"),
    "dropout negative": (["digits", "--dropout", "-0.1"], "--dropout"),
    "input dropout not a number": (["digits", "--input-dropout", "nan"], "--input-dropout"),
    "penalty negative": (["digits", "--l2", "-0.1"], "--l2"),
    "penalty infinite": (["digits", "--l2", "inf"], "--l2"),
    "no epochs": (["digits", "--epochs", "0"], "--epochs"),
    "half an epoch": (["digits", "--epochs", "0.5"], "--epochs"),
    "epochs and steps": (["digits", "--epochs", "1", "--steps", "1"], "not allowed with"),
    "empty batches": (["digits", "--batch-size", "0"], "--batch-size"),
    "negative seed": (["digits", "--seed", "-1"], "--seed"),
    "initial weights of zero": (["digits", "--init", "0"], "--init"),
    "unknown optimizer": (["digits", "--optimizer", "lamb"], "lamb"),
    "unknown activation": (["digits", "--activation", "nothing-like-it"], "nothing-like-it"),
    "unknown dtype": (["digits", "--dtype", "float16"], "float16"),
    "unknown option": (["digits", "--epoch", "3"], "--epoch"),
    "model of another suffix": (["digits", "--out", "model.h5"], "model.h5"),
    "model is a directory": (["digits", "--out", "here"], "here is a directory"),
    "model in no directory": (["digits", "--out", "gone/m.npz"], "gone"),
    "model below a file": (["digits", "--out", "file/m.npz"], "file"),
    "checkpoint of another suffix": (["digits", "--checkpoint", "c.pkl"], "c.pkl"),
    "checkpoint in no directory": (["digits", "--checkpoint", "gone/c.npz"], "gone"),
    "picture of another suffix": (["digits", "--plot", "curve.txt"], "curve.txt"),
    "picture in no directory": (["digits", "--plot", "gone/c.png"], "--plot"),
    "a folder for what needs none": (["digits", "--data-dir", "here"], "--data-dir"),
    "no such folder": (["mnist", "--data-dir", "gone"], "gone"),
    "a folder without the files": (["mnist", "--data-dir", "here"], "train-images-idx3-ubyte.gz"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line_before_training(train, monkeypatch, case):
    arguments, named = REFUSED[case]
    Path("here").mkdir()
    Path("file").touch()
    monkeypatch.setattr(affinet.cli.train, "fit", lambda *_: pytest.fail("it trained"))
    out, err = train(*arguments, code=2)
    assert out == []
    (line,) = err
    assert line.startswith("affinet: error: ")
    assert named in line
    assert sorted(os.listdir()) == ["file", "here"]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind this user"
)
def test_a_read_only_directory_is_refused(train, tmp_path):
    tmp_path.chmod(0o555)
    try:
        _, err = train("digits", code=2)
    finally:
        tmp_path.chmod(0o755)
    (line,) = err
    assert "cannot write" in line


def test_the_precision_of_products(train):
    train("digits", "--epochs", "1", "--precision", "bfloat16", "--out", "model.npz")
    net = an.load("model.npz")
    assert net.precision == "bfloat16"
    assert net.metadata["options"]["precision"] == "bfloat16"


def test_a_precision_wants_float32(train):
    _, errors = train("digits", "--precision", "bfloat16", "--dtype", "float64", code=2)
    assert "argument --precision: it wants --dtype float32" in errors[-1]


class Rank:
    """In place of a reducer whose ranks agree on an error, or of one that fails alone."""

    size = 2

    def __init__(self, rank=0):
        self.rank = rank


@pytest.mark.parametrize("rank", [0, 1])
def test_ranks_that_agree_on_an_error_say_it_once(monkeypatch, capsys, rank):
    agreed = RuntimeError("a callback of rank 1 failed\nTraceback: ...\nKeyError: 'x'")
    agreed._affinet_agreed = True

    def fails(options, reducer):
        raise agreed

    monkeypatch.setattr("affinet.distributed.MPIReducer", lambda: Rank(rank))
    monkeypatch.setattr(affinet.cli.train, "train", fails)
    code, err = main(["train", "digits", "--data-parallel"]), capsys.readouterr().err
    if rank:
        assert (code, err) == (0, "")
    else:
        assert code == 1
        assert err == "affinet: error: a callback of rank 1 failed KeyError: 'x'\n"


def test_an_error_that_only_one_rank_knows_goes_on(monkeypatch):
    def fails(options, reducer):
        raise KeyError("of this rank")

    monkeypatch.setattr("affinet.distributed.MPIReducer", Rank)
    monkeypatch.setattr(affinet.cli.train, "train", fails)
    with pytest.raises(KeyError, match="of this rank"):
        affinet.cli.train.run(make_parser().parse_args(["train", "spiral", "--data-parallel"]))


def test_a_system_that_tells_no_memory_and_a_picture_that_is_missing_leave_their_lines_out():
    net = an.Sequential(an.Affine.init(2, 1, rng=0), loss=an.MeanSquaredError())
    history = net.fit(np.ones((4, 2)), np.ones(4), epochs=1)
    outcome = SimpleNamespace(
        history=history, predictor=SimpleNamespace(net=net, temperature=1), memory=[]
    )
    lines = summary(SimpleNamespace(out="m.npz", plot="c.png"), outcome, plotted=False)
    assert list(lines) == ["model", "training"]


def test_the_systems_own_words_are_not_changed(monkeypatch):
    """A file's name may contain the argument's."""

    def fails(folder, scaled):
        raise PermissionError(13, "Permission denied", "data_dir/t10k-images")

    monkeypatch.setattr(an.datasets, "load_mnist", fails)
    with pytest.raises(PermissionError, match="'data_dir/t10k-images'"):
        load_named("mnist", "data_dir", raw=True)
