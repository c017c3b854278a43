"""The files that are written, in Python and in the shell, and the C functions' errors."""

import ctypes
import itertools
import json
import shutil

import numpy as np
import pytest

import affinet as an
from affinet.cli import main
from affinet.export.files import named
from affinet.export.sections import functions
from affinet.export.steps import Step
from affinet.export.text import placed
from affinet.layers.activations import activation_classes
from compiled_c import AS_C, AS_CPP, WARNINGS


def net():
    return an.Sequential(
        an.Affine.init(4, 6, rng=0), an.GELU(), an.Affine.init(6, 3, rng=1),
        loss=an.SoftmaxWithLoss(),
    )  # fmt: skip


X = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)


@pytest.mark.parametrize("compiler", [AS_C, AS_CPP])
@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_one_header(c, compiler, kind):
    found = c.write(net(), single_header=True, test=X, type=kind, calibrate=X)
    assert found["files"] == ["m.h", "m_test.c"]
    assert c.run(*WARNINGS, compiler=compiler, files=("m_test.c",))[0] == 0


def test_a_library_for_arduino(c):
    found = c.write(net(), arduino=True)
    assert found["files"] == [
        "examples/m/m.ino", "library.json", "library.properties", "src/m.c", "src/m.h",
    ]  # fmt: skip
    assert json.loads((c.folder / "library.json").read_text())["headers"] == "m.h"
    assert "includes=m.h\n" in (c.folder / "library.properties").read_text()
    assert "#include <m.h>" in (c.folder / "examples/m/m.ino").read_text()
    c.build("-c", *WARNINGS, files=("src/m.c",), out="m.o")


def test_libm(c):
    model = an.Sequential(
        an.PeriodicEmbedding(4, rng=0), an.Affine.init(16, 4, rng=0), an.LayerNorm(4),
        *(cls() for cls in activation_classes().values()),
    )  # fmt: skip
    c.write(model, libm=True, test=X)
    assert "#include <math.h>" in (c.folder / "m.c").read_text()
    assert c.run(*WARNINGS)[0] == 0


def test_the_same_model_gives_the_same_files_and_nothing_else_is_left(c):
    c.write(net())
    first = {path.name: path.read_bytes() for path in c.folder.iterdir()}
    c.write(net())
    assert {path.name: path.read_bytes() for path in c.folder.iterdir()} == first
    assert set(first) == {"m.c", "m.h"}
    source = first["m.c"].decode()
    assert "malloc" not in source
    assert source.count("#include") == 2  # its header, and AVR's flash


def test_buffers_of_outputs_that_are_alive_together_do_not_overlap():
    def step(width, *sources, in_place=False):
        return Step("", sources, (), width, in_place)

    chain = [step(10, -1), step(20, 0), step(30, 1), step(5, 2)]
    assert placed(chain)[-1] == 50
    places, _, size = placed([step(32, -1), step(32, 0, in_place=True), step(10, 1)])
    assert (places, size) == ([0, 0, None], 32)
    branch = [step(8, -1), step(4, 0), step(8, 1), step(8, 2, 0, in_place=True), step(1, 3)]
    places, _, size = placed(branch)
    assert size == 20
    assert places[2] == places[3]
    spans = [(places[0], places[0] + 8), (places[1], places[1] + 4), (places[2], places[2] + 8)]
    spans.sort()
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
    working = [step(8, -1), Step("", (0,), (), 4, work=6), step(2, 1)]
    places, works, size = placed(working)
    assert size == 18
    assert works[1] == 8


def ulps(value, exact):
    return np.abs(value - exact) / np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)


def test_the_functions_that_no_kernel_has(tmp_path):
    if shutil.which("gcc") is None:
        pytest.skip("no gcc here")
    from compiled_c import Compiled

    text = named(functions(["log", "sqrt"]), "m").replace("static ", "")
    (tmp_path / "f.c").write_text(f"#include <stdint.h>\n{text}")
    library = ctypes.CDLL(
        str(Compiled(tmp_path).build("-shared", "-fPIC", files=("f.c",), out="f.so"))
    )
    library.m_log.argtypes, library.m_log.restype = [ctypes.c_float], ctypes.c_float
    library.m_sqrt.argtypes, library.m_sqrt.restype = [ctypes.c_double], ctypes.c_double
    x = np.exp(np.linspace(-87, 88, 20001)).astype(np.float32)
    x = np.concatenate([x, 1 + np.linspace(-0.3, 0.5, 20000, dtype=np.float32)])
    got = np.array([library.m_log(value) for value in x.tolist()], np.float64)
    exact = np.log(x.astype(np.float64))
    assert ulps(got, exact)[exact != 0].max() <= 2
    got = np.array([library.m_sqrt(value) for value in x.tolist()])
    assert np.abs(got / np.sqrt(x.astype(np.float64)) - 1).max() < 3e-16
    assert library.m_log(0.0) < -87


# The shell ---------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "my-net.npz"
    net().save(path)
    np.save(tmp_path / "x.npy", X)
    return str(path)


def test_the_shell_writes_c(model, tmp_path, capsys):
    assert main(["export", model, "--to", "c", "--test"]) == 0
    lines = capsys.readouterr().out.splitlines()
    folder = tmp_path / "my_net-c"
    assert lines[:3] == [str(folder / f"my_net{end}") for end in (".c", ".h", "_test.c")]
    assert "bytes of scratch" in lines[3]
    rows = str(tmp_path / "x.npy")
    out = str(tmp_path / "out")
    assert main(
        ["export", model, "--to", "c", "--type", "int8", "--calibrate", rows, "--report",
         "--out", out, "--name", "thing", "--single-header"]
    ) == 0  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(tmp_path / "out" / "thing.h")
    assert lines[2] == "rows  20"
    assert lines[4].startswith("same class  ")


@pytest.mark.parametrize("to", ["npz", "safetensors"])
def test_the_shell_writes_model_files(model, tmp_path, capsys, to):
    if to == "safetensors":
        pytest.importorskip("safetensors")
    out = str(tmp_path / f"other.{to}")
    assert main(["export", model, "--to", to, "--out", out]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert (an.load(out).predict(X) == net().predict(X)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "c", "--opset", "17"], "--opset: it applies to --to onnx"),
        (["--to", "c", "--no-encoding"], "--no-encoding: it applies to --to onnx"),
        (["--arduino"], "--arduino: it applies to --to c"),
        (["--to", "npz", "--type", "int8"], "--type: it applies to --to c"),
        (["--to", "c", "--type", "int8"], "int8 needs --calibrate"),
        (["--to", "c", "--report"], "--report: it needs --calibrate"),
        (["--to", "c", "--name", "2"], "name is '2'"),
        (["--to", "c", "--calibrate", "missing.npy"], "missing.npy"),
        (["--to", "npz", "--out", "x.onnx"], "wanted a name that ends in .npz"),
        (["--to", "java"], "java"),
    ],
)
def test_the_shell_refuses(model, tmp_path, capsys, options, message):
    before = {*tmp_path.iterdir()}
    try:
        code = main(["export", model, *options])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert message in capsys.readouterr().err
    assert {*tmp_path.iterdir()} == before


def test_the_shell_calibrates_by_a_data_set_and_tests_its_rows(tmp_path, capsys):
    path = tmp_path / "digits.npz"
    an.Sequential(an.Affine.init(64, 10, rng=0), loss=an.SoftmaxWithLoss()).save(path)
    options = ["--type", "int8", "--calibrate", "digits", "--report", "--test"]
    assert main(["export", str(path), "--to", "c", *options]) == 0
    out = capsys.readouterr().out
    assert "accuracy_float32".replace("_", " ") in out
    assert "#define" in (tmp_path / "digits-c" / "digits_test.c").read_text()


def test_the_shell_refuses_what_a_model_cannot_take(model, tmp_path, capsys):
    codes, table = tmp_path / "codes.npz", tmp_path / "table.npz"
    first = an.Embedding(3, {0: 4}, 2, rng=0)
    an.Sequential(first, an.Affine.init(first.n_outputs, 2, rng=0)).save(codes)
    other = net()
    other.metadata["table"] = {}
    other.save(table)
    (tmp_path / "file").write_text("")
    for path, options, message in (
        (codes, ["--test"], "argument --test: the network takes codes, so it needs --calibrate"),
        (table, ["--calibrate", "digits"], "digits does not have the model's columns"),
        (model, ["--out", str(tmp_path / "file")], "is a file, wanted a folder"),
    ):
        assert main(["export", str(path), "--to", "c", *options]) == 2
        assert message in capsys.readouterr().err


def test_the_shell_cannot_measure_without_a_loss(tmp_path, capsys):
    path = tmp_path / "plain.npz"
    an.Sequential(an.Affine.init(64, 10, rng=0)).save(path)
    assert main(["evaluate", str(path), "digits"]) == 2
    assert "the network has no loss, so it cannot be measured" in capsys.readouterr().err
