"""peers.py runs with what is installed, verifies before it times, and reports what it found."""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

LIBRARIES = ("numpy", "torch", "jax", "sklearn", "thinc", "onnxruntime")
QUICK = ("--quick", "--repeats", 1, "--nets", "tiny", "--cores", 1)
NUMPY = {"NumPy book", "NumPy in place"}
CONTENDERS = {
    "step": NUMPY | {"affinet fit", "affinet Sequential"},
    "predict": NUMPY | {"affinet predict", "affinet predict out="},
}


@pytest.fixture(scope="module")
def quick_run(
    run_script: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("peers")
    path, chart = folder / "new" / "peers.json", folder / "new" / "peers.png"
    only = ("--only", "step", "predict", "memory")
    files = ("--json", path, "--chart", chart)
    done = run_script("peers.py", *QUICK, *only, "--peers", "numpy", *files)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(path.read_text()), chart


def test_quick_run_writes_json(quick_run: Any) -> None:
    _, content, _ = quick_run
    assert set(content["libraries"]) == {"affinet", "numpy"}
    assert content["skipped"] == {}
    assert content["machine"]["processor"]
    (run,) = content["runs"]
    assert run["cores"] == 1
    if hasattr(os, "sched_setaffinity"):
        assert len(run["pinned_to"]) == 1
    cases = {(group["measure"], group["title"]) for group in run["groups"]}
    rows = ("1 row", "32 rows", "1,000 rows")
    assert cases == {
        ("step", "tiny 8-64-64-4, batch 32"),
        *(("predict", f"tiny, {r}") for r in rows),
    }
    for group in run["groups"]:
        assert set(group["contenders"]) == CONTENDERS[group["measure"]]
        assert group["flops"] > 0
        assert group["ceiling_gflops"] == run["ceiling"]["gflops"] > 0
        tolerance = content["tolerances"][
            "training" if group["measure"] == "step" else "prediction"
        ]
        for found in group["contenders"].values():
            assert found["best_threads"] == 1
            figures = found["by_threads"]["1"]
            assert 0 <= figures["deviation"] <= tolerance
            assert 0 < figures["quartile_1_us"] <= figures["median_us"] <= figures["quartile_3_us"]
            assert figures["samples"] == 1
    step = run["groups"][0]["contenders"]["affinet fit"]["by_threads"]["1"]
    assert step["note"] == "steps run fused"
    assert step["pieces_a_sample"] % 200 == 0  # whole epochs


def test_quick_run_prints_tables(quick_run: Any) -> None:
    text, content, chart = quick_run
    assert content["machine"]["processor"] in text
    for wanted in (
        "ceiling of 1 core",
        "misses",
        "floor",
        "affinet fit",
        "NumPy book",
        "getrusage",
    ):
        assert wanted in text
    if importlib.util.find_spec("matplotlib") is None:
        assert "matplotlib is not installed" in text
    else:
        assert chart.read_bytes().startswith(b"\x89PNG")


def test_memory_does_not_grow_with_the_data(quick_run: Any) -> None:
    small, large = quick_run[1]["memory"]
    assert large["rows"] == 4 * small["rows"]
    assert small["steps_run"] == "fused"
    if small["private_peak_mb"] is None:
        pytest.skip("this system does not tell private memory")
    grown = large["private_peak_mb"] - small["private_peak_mb"]
    assert grown < (large["data_mb"] - small["data_mb"]) / 10


# Where nobody looks at the ceiling; measuring it takes most of the time of a quick run.
KNOWN_CEILING = """run.measure_ceiling = lambda cores: {
    "cores": cores, "gflops": 100.0, "how": "known", "misses": "nothing", "loops": {},
    "product_gflops": 100.0,
}
"""


def test_absent_library_is_named_and_skipped(run_script: Any, tmp_path: Path, load: Any) -> None:
    benchmarks = str(Path(load("nets").__file__).parent)
    script, path = tmp_path / "without.py", tmp_path / "peers.json"
    script.write_text(
        f"import sys\nsys.path.insert(0, {benchmarks!r})\nsys.modules['torch'] = None\n"
        f"from peers import run\n{KNOWN_CEILING}"
        "if __name__ == '__main__':\n    sys.exit(run.main())\n"
    )
    arguments = (*QUICK, "--only", "step", "--peers", "torch", "--json", path)
    done = run_script(script, *arguments, "--chart", tmp_path / "peers.png")
    assert done.returncode == 0, done.stderr
    assert "skipped: torch (import of torch halted" in done.stdout
    content = json.loads(path.read_text())
    assert list(content["skipped"]) == ["torch"]
    assert set(content["libraries"]) == {"affinet"}


WRONG_SCRIPT = """
import sys
sys.path.insert(0, {benchmarks!r})
import numpy_networks
from peers import run
{ceiling}

right = numpy_networks.InPlaceNetwork.backward

def forgets_the_last_bias(network, x):
    right(network, x)
    network.gradients[-1][:] = 0

numpy_networks.InPlaceNetwork.backward = forgets_the_last_bias
if __name__ == "__main__":
    sys.exit(run.main())
"""


def spoiled(text: str, load: Any) -> str:
    """A script of the benchmark with a spoiled network."""
    return text.format(benchmarks=str(Path(load("nets").__file__).parent), ceiling=KNOWN_CEILING)


def test_wrong_peer_ends_with_exit_code_1(run_script: Any, tmp_path: Path, load: Any) -> None:
    script, path = tmp_path / "wrong.py", tmp_path / "peers.json"
    script.write_text(spoiled(WRONG_SCRIPT, load))
    arguments = (*QUICK, "--only", "step", "--peers", "numpy", "--json", path)
    done = run_script(script, *arguments, "--chart", tmp_path / "peers.png")
    assert done.returncode == 1
    for wanted in ("verification failed", "NumPy in place", "b3"):
        assert wanted in done.stderr
    assert "timing" not in done.stderr
    assert not path.exists()


def test_broken_peer_ends_with_exit_code_1(run_script: Any, tmp_path: Path, load: Any) -> None:
    script, path = tmp_path / "broken.py", tmp_path / "peers.json"
    text = WRONG_SCRIPT.replace("    right(network, x)\n", "    raise OSError('broken')\n")
    script.write_text(spoiled(text, load))
    arguments = (*QUICK, "--only", "step", "--peers", "numpy", "--json", path)
    done = run_script(script, *arguments, "--chart", tmp_path / "peers.png")
    assert done.returncode == 1
    for wanted in (
        "OSError: broken",
        "stopped: the process of peers.numpy_contenders ended",
        "--peers",
    ):
        assert wanted in done.stderr
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--cores", 0), "--cores"),
        (("--cores", 1_000_000), "--cores"),
        (("--repeats", 0), "--repeats"),
        (("--nets", "none"), "--nets"),
        (("--only", "none"), "--only"),
        (("--peers", "none"), "--peers"),
    ],
)
def test_bad_options_are_named(
    load: Any, capsys: pytest.CaptureFixture[str], arguments: tuple[Any, ...], named: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        load("peers.run").parse([str(argument) for argument in arguments])
    assert caught.value.code == 2
    assert named in capsys.readouterr().err


def contenders(library: str, load: Any) -> Any:
    """The module of a library's contenders; skips where the library is absent."""
    if library != "affinet":
        pytest.importorskip(library)
    return load(f"peers.{library}_contenders")


@pytest.mark.filterwarnings("ignore")  # other libraries' warnings
@pytest.mark.parametrize("library", ["affinet", *LIBRARIES])
def test_every_installed_library_computes_the_same(load: Any, library: str) -> None:
    module, measures = contenders(library, load), load("peers.cases")
    small = {
        "step": measures.StepCase("tiny"),
        "precision": measures.PrecisionCase("tiny"),
        "fit": measures.FitCase("digits", 1),
        "predict": measures.PredictCase("tiny", 5),
        "product": measures.ProductCase("tn", 7, 50, 33),
    }
    for measure, case in small.items():
        for name, kind in module.CONTENDERS.get(measure, {}).items():
            if "compiled" not in name:  # takes many seconds
                assert case.check(kind) >= 0, name


def wrong_kinds(load: Any) -> dict[str, type[Any]]:
    right = load("peers.numpy_contenders").BookTraining

    class OtherBatch(right):  # type: ignore[misc, valid-type]
        def __init__(self, task: Any) -> None:
            super().__init__(task)
            self.batches[1] = self.batches[0]

    class OtherRate(right):  # type: ignore[misc, valid-type]
        def __init__(self, task: Any) -> None:
            super().__init__(replace(task, lr=1.1 * task.lr))

    class OtherLoss(right):  # type: ignore[misc, valid-type]
        def run(self, count: int) -> None:
            super().run(count)
            self.losses[-1] += 0.1

    class NotANumber(right):  # type: ignore[misc, valid-type]
        def run(self, count: int) -> None:
            super().run(count)
            self.network.parameters[3][0] = np.nan

    class NoReset(right):  # type: ignore[misc, valid-type]
        def reset(self) -> None:
            pass

    kinds = (OtherBatch, OtherRate, OtherLoss, NotANumber, NoReset)
    return {kind.__name__: kind for kind in kinds}


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("OtherBatch", "W1"),
        ("OtherRate", "W1"),
        ("OtherLoss", "loss 2"),
        ("NotANumber", "b2"),
        ("NoReset", "reset: W1"),
    ],
)
def test_verification_finds_wrong_training(load: Any, name: str, named: str) -> None:
    case, error = load("peers.cases").StepCase("tiny"), load("verification").VerificationError
    kind = wrong_kinds(load)[name]
    with pytest.raises(error, match=named):
        case.check(kind)


@pytest.mark.parametrize("wrong", [1.0001, np.nan])
def test_verification_finds_wrong_predictions_and_products(load: Any, wrong: float) -> None:
    measures, error = load("peers.cases"), load("verification").VerificationError
    numpy = load("peers.numpy_contenders")

    class Prediction(numpy.BookPrediction):  # type: ignore[misc, name-defined]
        def output(self) -> Any:
            return wrong * super().output()

    class Product(numpy.Product):  # type: ignore[misc, name-defined]
        def run(self, count: int) -> None:
            super().run(count)
            self.out *= wrong

    for case, kind in (
        (measures.PredictCase("seed", 3), Prediction),
        (measures.ProductCase("nt", 3, 4, 5), Product),
    ):
        with pytest.raises(error, match="deviates"):
            case.check(kind)


def test_a_classifier_that_is_less_accurate_is_found(load: Any) -> None:
    verification = load("verification")
    theirs = {"affinet fit": [], "theirs": [0.9, 0.95]}
    verification.require_as_accurate({"ours": [0.92, 0.925]} | theirs)
    verification.require_as_accurate({"ours": []} | theirs)
    for wrong, text in ((0.918, r"0\.9190, theirs has 0\.9250"), (np.nan, "nan")):
        with pytest.raises(verification.VerificationError, match=f"ours: accuracy {text}"):
            verification.require_as_accurate({"ours": [0.92, wrong]} | theirs)


def test_accuracies_of_whole_fits(load: Any) -> None:
    """Five random states from their own first parameters; the contender stays as it was."""
    pytest.importorskip("sklearn")
    case = load("peers.cases").FitCase("digits", 30)
    kind = load("peers.affinet_contenders").CONTENDERS["fit"]["affinet MLPClassifier"]
    contender = kind(case.task())
    found = contender.accuracies()
    assert len(set(found)) > 1
    assert all(0.9 < accuracy < 1 for accuracy in found)
    for parameter, first in zip(contender.parameters(), contender.task.first, strict=True):
        np.testing.assert_array_equal(parameter, first)


def test_images_stand_in_for_mnist(load: Any, tmp_path: Path, monkeypatch: Any) -> None:
    measures = load("peers.cases")
    monkeypatch.setenv("AFFINET_DATA_DIR", str(tmp_path))
    images, digits = measures.cases("fit", [], quick=True)
    assert (images.net, digits.net) == ("MNIST shape", "digits")


def test_a_result_of_another_shape_is_found(load: Any) -> None:
    verification = load("verification")
    with pytest.raises(verification.VerificationError, match=r"\(2,\), wanted \(1, 2\)"):
        verification.require_close("x", np.ones(2), np.ones((1, 2)))


@pytest.mark.filterwarnings("ignore")  # other libraries' warnings
@pytest.mark.parametrize("library", ["affinet", "torch"])
def test_every_precision_names_its_error(load: Any, library: str) -> None:
    """Measured against float64, and within what a precision explains."""
    module, case = contenders(library, load), load("peers.cases").PrecisionCase("tiny")
    kinds = module.CONTENDERS["precision"]
    exact = {name: kind for name, kind in kinds.items() if "compiled" not in name}
    errors = {name: kind(case.task()).error() for name, kind in exact.items()}
    for name, error in errors.items():
        assert (
            1e-8 < error < {"bfloat16": 4e-3, "bfloat16x3": 1.6e-5}.get(exact[name].precision, 1e-6)
        )
    if library == "affinet":
        assert list(errors) == [f"affinet {name}" for name in PRECISIONS]
        six, three, one = (errors[f"affinet {name}"] for name in PRECISIONS[1:])
        assert six < errors["affinet fit"] < three / 4 < one / 400


PRECISIONS = ("fit", "bfloat16x6", "bfloat16x3", "bfloat16")


def test_a_precision_that_is_less_exact_is_found(load: Any) -> None:
    precisions, error = load("peers.precisions"), load("verification").VerificationError
    right = precisions.product_error("float32", lambda A, B: (A.astype(float) @ B).astype(A.dtype))
    assert right < 1e-7
    for wrong in (1.0001, np.nan):
        with pytest.raises(error, match="a product in bfloat16x3 is off by"):
            precisions.product_error("bfloat16x3", lambda A, B, wrong=wrong: wrong * (A @ B))
    module, case = load("peers.affinet_contenders"), load("peers.cases").PrecisionCase("tiny")

    class OtherRate(module.FitBfloat16):  # type: ignore[misc, name-defined]
        def __init__(self, task: Any) -> None:
            super().__init__(replace(task, lr=1.2 * task.lr))

    with pytest.raises(error, match="tolerance 2e-01"):
        case.check(OtherRate)


def test_table_of_precisions_puts_the_most_exact_first(load: Any) -> None:
    report = load("peers.tables")
    found = group(**{"affinet fit": {"1": 40.0}, "affinet half": {"1": 10.0}, "peer": {"1": 60.0}})
    errors = {"affinet fit": 1e-7, "affinet half": 2e-3, "peer": 3e-6}
    for name, contender in found["contenders"].items():
        contender["by_threads"]["1"] |= {"error": errors[name], "note": "emulated"}
    lines = [line.split() for line in report.precisions_table([2], [[found]]).splitlines()]
    assert lines[0] == ["error", "2", "cores", "×"]
    assert lines[2] == ["affinet", "fit", "1.0e-07", "40.0", "(1)", "1.00"]
    assert lines[3] == ["peer", "3.0e-06", "60.0", "(1)", "1.50*"]
    assert lines[4] == ["affinet", "half", "2.0e-03", "10.0", "(1)", "0.25"]
    assert ["peer:", "emulated"] in lines


@pytest.mark.parametrize("measure", ["step", "precision", "fit", "seed", "predict", "product"])
def test_cases_survive_json(load: Any, measure: str) -> None:
    measures, nets = load("peers.cases"), list(load("nets").NETS)
    found = measures.cases(measure, nets, quick=True)
    assert found
    assert len({case.title for case in found}) == len(found)
    for case in found:
        assert measures.CASES[measure](**json.loads(json.dumps(asdict(case)))) == case
        assert case.flops > 0
        assert case.pieces >= 1


def test_products_of_a_net(load: Any) -> None:
    measures = load("peers.cases")
    found = [
        (case.kind, case.M, case.N, case.K)
        for case in measures.product_cases(["seed"])
        if case.M not in measures.CUBES
    ]
    assert found == [
        ("nn", 100, 50, 784),
        ("tn", 784, 50, 100),
        ("nn", 100, 10, 50),
        ("nt", 100, 50, 10),
        ("tn", 50, 10, 100),
    ]
    assert measures.ProductCase("nn", 2, 3, 4).flops == 48


def test_forward_is_a_third_of_a_step_and_of_the_first_dx(load: Any) -> None:
    net = load("nets").NETS["seed"]
    assert net.forward_flops == 2 * 100 * (784 * 50 + 50 * 10)
    assert net.step_flops == 3 * net.forward_flops - 2 * 100 * 784 * 50


def test_images_are_learnable_bytes(load: Any) -> None:
    images, kinds = load("peers.data").random_images(200)
    assert (images.shape, images.dtype, kinds.dtype) == ((200, 784), np.uint8, np.int64)
    centres = np.array([images[kinds == kind].mean(axis=0) for kind in range(10)])
    distances = ((images[:, None] - centres) ** 2).sum(axis=2)
    np.testing.assert_array_equal(distances.argmin(axis=1), kinds)


def group(**medians: dict[str, float]) -> dict[str, Any]:
    """A case's results from medians by contender and number of threads."""
    contenders = {}
    for name, found in medians.items():
        by_threads = {n: {"median_us": time, "note": ""} for n, time in found.items()}
        best = min(found, key=lambda n: found[n])
        contenders[name] = {"best_threads": int(best), "by_threads": by_threads}
    return {
        "measure": "step",
        "title": "net",
        "cores": 2,
        "flops": 1e6,
        "ceiling_gflops": 100.0,
        "contenders": contenders,
        "skipped": {"other": "no compiler"},
    }


def test_table_compares_with_the_first_at_its_best_threads(load: Any) -> None:
    report = load("peers.tables")
    found = group(affinet={"1": 40.0, "2": 20.0}, a={"1": 60.0, "2": 90.0}, b={"1": 50.0})
    assert report.best_peer(found) == "b"
    text = report.contests([2], [[found]])
    lines = [line.split() for line in text.splitlines()]
    assert lines[2] == ["floor", "10.0"]
    assert lines[3] == ["affinet", "20.0", "(2)", "1.00", "50%"]
    assert lines[4] == ["a", "60.0", "(1)", "3.00", "17%"]
    assert lines[5] == ["b", "50.0", "(1)", "2.50*", "20%"]
    assert "skipped: other (no compiler)" in text
    assert report.products([2], [[found]]).splitlines()[1].split() == ["net", "20.0", "50%", "2.50"]


def test_without_a_peer_there_is_no_ratio(load: Any) -> None:
    report = load("peers.tables")
    alone = group(affinet={"1": 40.0})
    assert report.best_peer(alone) is None
    assert report.products([1], [[alone]]).splitlines()[1].split() == ["net", "40.0", "25%", "-"]


def test_classifiers_are_compared_with_each_other(load: Any) -> None:
    report = load("peers.tables")
    found = group(
        **{"affinet MLPClassifier": {"2": 10.0}, "scikit-learn MLPClassifier": {"1": 35.0}}
    ) | {"measure": "fit", "case": {"net": "MNIST shape", "epochs": 1}}
    for contender in found["contenders"].values():
        contender["by_threads"][str(contender["best_threads"])]["accuracies"] = []
    shape = "MNIST shape, 2 cores: 3.50 times as fast as scikit-learn (wanted: 4)"
    assert report.classifiers_line(found) == shape
    for name, accuracy in zip(report.CLASSIFIERS, (0.97, 0.96), strict=True):
        for figures in found["contenders"][name]["by_threads"].values():
            figures["accuracies"] = [accuracy, accuracy + 0.01]
    assert report.classifiers_line(found) == (
        f"{shape}; accuracy 0.9750, scikit-learn's 0.9650 (means of 2)"
    )
    assert report.classifiers_line(group(affinet={"1": 40.0})) == ""


def test_no_chart_without_steps(load: Any, tmp_path: Path) -> None:
    content = {"runs": [{"groups": []}], "machine": {}}
    assert "not measured" in load("peers.chart").draw(tmp_path / "a.png", content)
    assert not (tmp_path / "a.png").exists()
