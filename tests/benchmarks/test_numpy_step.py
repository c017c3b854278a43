"""numpy_step.py verifies, measures and reports; a wrong contender stops it before any timing."""

from __future__ import annotations

import json
import os
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

QUICK = ("--quick", "--repeats", 1, "--nets", "tiny")
NUMPY = {"NumPy book", "NumPy in place"}
CONTENDERS = {
    "step": NUMPY | {"affinet classic", "affinet Sequential"},
    "fit": NUMPY | {"affinet fit"},
}


def test_quick_run_writes_table_and_json(run_script: Any, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "results.json"
    done = run_script("numpy_step.py", *QUICK, "--threads", 1, "--json", path)
    assert done.returncode == 0, done.stderr
    assert "affinet" in done.stdout.splitlines()[1]
    for wanted in ("tiny", "float32", "float64", "Sequential", "fit", "×in place"):
        assert wanted in done.stdout

    results = json.loads(path.read_text())
    assert results["settings"]["nets"] == ["tiny"]
    (run,) = results["runs"]
    assert run["threads"] == 1
    assert set(run["machine"]["environment"].values()) == {"1"}
    assert run["machine"]["level"]
    if hasattr(os, "sched_setaffinity"):
        assert run["machine"]["cores_allowed"] == run["pinned_to"]
        assert len(run["pinned_to"]) == 1
    found = {(group["dtype"], group["mode"]): group for group in run["groups"]}
    assert set(found) == set(product(("float32", "float64"), ("step", "fit")))
    for (dtype, mode), group in found.items():
        assert set(group["contenders"]) == CONTENDERS[mode]
        assert group["fit_runs"]
        assert set(group["deviations"]) == CONTENDERS[mode] - {"NumPy book"}
        assert max(group["deviations"].values()) <= results["tolerances"][dtype]
        for figures in group["contenders"].values():
            assert 0 < figures["quartile_1_us"] <= figures["median_us"] <= figures["quartile_3_us"]
            assert figures["samples"] == 1


def test_every_number_of_threads_has_its_own_run(
    run_script: Any, load: Any, tmp_path: Path
) -> None:
    n_cores = len(load("machine").cores())
    if n_cores < 2:
        pytest.skip("needs two cores")
    path = tmp_path / "results.json"
    done = run_script(
        "numpy_step.py", *QUICK, "--dtypes", "float32", "--threads", 1, 2, "--json", path
    )
    assert done.returncode == 0, done.stderr
    runs = json.loads(path.read_text())["runs"]
    assert [run["threads"] for run in runs] == [1, 2]
    assert [run["machine"]["environment"]["OMP_NUM_THREADS"] for run in runs] == ["1", "2"]


WRONG_SCRIPT = """
import sys
sys.path.insert(0, {benchmarks!r})
import numpy_networks, numpy_step

right = numpy_networks.InPlaceNetwork.backward

def forgets_the_last_bias(network, x):
    right(network, x)
    network.gradients[-1][:] = 0

numpy_networks.InPlaceNetwork.backward = forgets_the_last_bias
if __name__ == "__main__":
    sys.exit(numpy_step.main())
"""


def test_wrong_opponent_ends_with_exit_code_1(run_script: Any, tmp_path: Path, load: Any) -> None:
    benchmarks = str(Path(load("numpy_step").__file__).parent)
    script, path = tmp_path / "wrong.py", tmp_path / "results.json"
    script.write_text(WRONG_SCRIPT.format(benchmarks=benchmarks))
    done = run_script(script, *QUICK, "--threads", 1, "--json", path)
    assert done.returncode == 1
    for wanted in ("verification failed", "tiny float32", "NumPy in place", "b3"):
        assert wanted in done.stderr
    assert "timing" not in done.stderr
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--threads", 0), "--threads"),
        (("--threads", 1_000_000), "--threads"),
        (("--repeats", 0), "--repeats"),
        (("--nets", "none"), "--nets"),
    ],
)
def test_bad_options_are_named(
    load: Any, capsys: pytest.CaptureFixture[str], arguments: tuple[Any, ...], named: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        load("numpy_step").parse([str(argument) for argument in arguments])
    assert caught.value.code == 2
    assert named in capsys.readouterr().err


def wrong_sign(network: Any, right: Any, x: Any, t: Any) -> float:
    loss = right(network, x, t)
    network.parameters[0] -= 2 * (network.parameters[0] - network.first)
    return loss


def wrong_learning_rate(network: Any, right: Any, x: Any, t: Any) -> float:
    network.lr *= 1.01
    return right(network, x, t)


def wrong_loss(network: Any, right: Any, x: Any, t: Any) -> float:
    return right(network, x, t) + 0.1


def without_number(network: Any, right: Any, x: Any, t: Any) -> float:
    loss = right(network, x, t)
    network.parameters[2][3, 4] = np.nan
    return loss


@pytest.mark.parametrize("mode", ["step", "fit"])
@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (wrong_sign, "W1"),
        (wrong_learning_rate, "W1"),
        (wrong_loss, "loss 0"),
        (without_number, "W1|W2"),
    ],
)
def test_verification_finds_what_differs(
    load: Any, monkeypatch: pytest.MonkeyPatch, mode: str, wrong: Any, named: str
) -> None:
    numpy_step, opponents = load("numpy_step"), load("numpy_networks")
    net, error = numpy_step.NETS["tiny"], load("verification").VerificationError
    first = numpy_step.first_parameters(net, "float64")
    data = numpy_step.training_data(net, "float64", 3)
    verify = {"step": numpy_step.verify_steps, "fit": numpy_step.verify_fit}[mode]
    assert max(verify(net, first, *data).values()) < 1e-12

    right = opponents.InPlaceNetwork.step
    monkeypatch.setattr(opponents.InPlaceNetwork, "first", first[0], raising=False)
    monkeypatch.setattr(
        opponents.InPlaceNetwork, "step", lambda network, x, t: wrong(network, right, x, t)
    )
    with pytest.raises(error, match=f"{mode}, NumPy in place: .*({named})"):
        verify(net, first, *data)


def test_the_order_of_fit_is_that_of_its_seed(load: Any) -> None:
    fit_order = load("affinet_networks").fit_order
    order = fit_order(50, 8, seed=1)
    assert [len(batch) for batch in order] == [8, 8, 8, 8, 8, 8, 2]
    assert sorted(np.concatenate(order)) == list(range(50))
    np.testing.assert_array_equal(np.concatenate(fit_order(50, 8, seed=1)), np.concatenate(order))
    assert not np.array_equal(np.concatenate(fit_order(50, 8, seed=2)), np.concatenate(order))


def test_operations_of_a_step(load: Any) -> None:
    net = load("nets").NETS["tiny"]
    in_products = 32 * (2 * 8 * 64 + 3 * 64 * 64 + 3 * 64 * 4)
    assert net.step_flops == 2 * in_products
    assert net.parameter_names == ["W1", "b1", "W2", "b2", "W3", "b3"]


def test_parameters_and_data_are_the_same_in_both_dtypes(load: Any) -> None:
    nets = load("nets")
    net = nets.NETS["tiny"]
    single, double = (nets.first_parameters(net, dtype) for dtype in ("float32", "float64"))
    for a, b in zip(single, double, strict=True):
        assert (a.dtype, b.dtype) == (np.float32, np.float64)
        np.testing.assert_array_equal(a, b.astype(np.float32))
    x, t = nets.training_data(net, "float32", 3)
    assert (x.shape, x.dtype, t.shape, t.dtype) == ((96, 8), np.float32, (96,), np.int64)
