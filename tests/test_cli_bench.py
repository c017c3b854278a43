"""``affinet bench``: verified before it is timed, readable, and harmless when it is interrupted."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from affinet.bench import contests, machine, measure
from affinet.bench.nets import NETS
from affinet.bench.verification import VerificationError
from affinet.cli import main

QUICK = ["bench", "--nets", "tiny", "--threads", "1", "--seconds", "0.2"]
CONTENDERS = [contests.BOOK, contests.IN_PLACE, contests.FIT]


def test_it_prints_a_table_and_writes_json(tmp_path, capfd):
    path = tmp_path / "results.json"
    assert main([*QUICK, "--json", str(path)]) == 0
    out, err = capfd.readouterr()
    assert "tiny, 1 thread: equal results, largest deviation" in err
    assert machine.processor() in out
    assert np.__version__ in out
    (line,) = [line for line in out.splitlines() if line.startswith("tiny 8-64-64-4, batch 32")]
    results = json.loads(path.read_text())
    assert results["settings"] == {
        "nets": ["tiny"], "threads": [1], "seconds": 0.2, "dtype": "float32"
    }  # fmt: skip
    (run,) = results["runs"]
    assert run["threads"] == 1
    assert set(run["machine"]["environment"].values()) == {"1"}
    if hasattr(os, "sched_setaffinity"):
        assert run["machine"]["cores_allowed"] == run["pinned_to"]
        assert f"1 thread pinned to core {run['pinned_to'][0]}" in out
    (group,) = run["groups"]
    assert list(group["contenders"]) == CONTENDERS
    assert max(group["deviations"].values()) <= results["tolerance"]
    medians = []
    for found in group["contenders"].values():
        assert set(found) == {"median_us", "quartile_1_us", "quartile_3_us", "samples"}
        assert found["samples"] >= 3
        assert 0 < found["quartile_1_us"] <= found["median_us"] <= found["quartile_3_us"]
        medians.append(found["median_us"])
    cells = line.split()[4:]  # after the net, its batch and the threads
    assert [cells[2], cells[4]] == [f"{medians[k] / medians[2]:.2f}" for k in (0, 1)]
    assert list(tmp_path.iterdir()) == [path]


def test_it_draws(tmp_path, capfd):
    pytest.importorskip("matplotlib", reason="needs matplotlib, the extra cli")
    path = tmp_path / "bench.png"
    words = ["--nets", "tiny", "seed", "--quiet", "--dtype", "float64", "--plot", str(path)]
    assert main(["bench", "--threads", "1", "--seconds", "0.05", *words]) == 0
    out, err = capfd.readouterr()
    assert path.read_bytes().startswith(b"\x89PNG")
    assert "in float64" in out
    assert "equal results" not in err


def test_the_picture_shows_medians_and_names_every_run():
    pytest.importorskip("matplotlib", reason="needs matplotlib, the extra cli")
    from affinet.bench import picture

    figures = {"median_us": 20.0, "quartile_1_us": 19.0, "quartile_3_us": 30.0}
    group = {
        "net": "tiny", "title": NETS["tiny"].title, "dtype": "float32",
        "contenders": {name: {**figures, "median_us": 20.0 + k} for k, name in
                       enumerate(CONTENDERS)},
    }  # fmt: skip
    panels = picture.open_panels(1)
    picture.draw([{"threads": n, "groups": [group]} for n in (1, 2)], "a machine", panels)
    marks = [line for line in panels[0].lines if line.get_marker() != "None"]
    assert [float(line.get_xdata()[0]) for line in marks] == [20, 21, 22] * 2
    assert [label.get_text() for label in panels[0].get_yticklabels()] == CONTENDERS
    (legend,) = panels[0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["1 thread", "2 threads"]
    assert "a machine" in panels[0].figure.get_suptitle()


def test_a_wrong_step_is_not_timed(monkeypatch):
    right = contests.numpy_networks.InPlaceNetwork.backward

    def without_last_bias(network, x):
        right(network, x)
        network.gradients[-1][:] = 0

    monkeypatch.setattr(contests.numpy_networks.InPlaceNetwork, "backward", without_last_bias)
    monkeypatch.setattr(measure, "interleaved", lambda *_: pytest.fail("timed"))
    request = {"threads": 1, "nets": ["tiny"], "dtype": "float32", "seconds": 0.1, "quiet": True}
    assert measure.main(request) == measure.DIFFERENT


@pytest.mark.parametrize(
    ("code", "printed", "error"),
    [
        (measure.DIFFERENT, "tiny: b3 deviates", VerificationError),
        (1, "", measure.BenchError),
        (measure.INTERRUPTED, "", KeyboardInterrupt),
    ],
)
def test_what_a_measuring_process_reports(monkeypatch, capsys, code, printed, error):
    done = subprocess.CompletedProcess([], code, stdout=printed)
    monkeypatch.setattr(measure.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(error, match=printed or None):
        measure.run_threads(1, ["tiny"], "float32", 0.1)
    assert main(QUICK) == (130 if error is KeyboardInterrupt else 1)
    assert printed in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--json", "nowhere/a.json"], "cannot write in nowhere"),
        (["--json", "."], "is a directory"),
        (["--plot", "a.tiger"], "wanted a name that ends in .png"),
        (["--threads", "100000"], "argument --threads: got 100000, wanted at most"),
        (["--threads", "0"], "--threads"),
        (["--nets", "huge"], "--nets"),
        (["--seconds", "-1"], "--seconds"),
    ],
)
def test_bad_options_are_refused_before_anything_is_measured(
    words, problem, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(measure.subprocess, "run", lambda *_, **__: pytest.fail("measured"))
    assert main(["bench", *words]) == 2
    assert problem in capsys.readouterr().err


def test_without_matplotlib_it_measures_but_does_not_draw(capsys, monkeypatch, tmp_path):
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.chdir(tmp_path)
    assert main([*QUICK, "--plot", "a.png"]) == 2
    assert 'pip install "affinet[cli]"' in capsys.readouterr().err
    assert main(QUICK) == 0
    assert "tiny 8-64-64-4" in capsys.readouterr().out


@pytest.mark.skipif(os.name != "posix", reason="sends a signal as a terminal does")
def test_ctrl_c_ends_it_in_one_line():
    command = [sys.executable, "-m", "affinet", "bench", "--nets", "mid", "--seconds", "600"]
    shell = subprocess.Popen(
        [*command, "--threads", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    said = shell.stderr.readline()  # the measuring process is at work
    assert "mid, 1 thread: equal results" in said
    os.killpg(shell.pid, signal.SIGINT)  # to both processes, as a terminal does
    out, err = shell.communicate(timeout=60)
    assert shell.returncode == 130
    assert err.splitlines() == ["affinet: interrupted"]
    assert out == ""
    for _ in range(100):  # and no process is left
        try:
            os.killpg(shell.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("a process was left behind")


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_an_interrupted_measuring_process_prints_no_traceback():
    request = {"threads": 1, "nets": ["tiny"], "dtype": "float32", "seconds": 600, "quiet": False}
    command = [sys.executable, "-m", "affinet.bench.measure", json.dumps(request)]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=measure.environment(1),
    )  # fmt: skip
    assert "equal results" in child.stderr.readline()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err) == (measure.INTERRUPTED, "", "")


def test_the_commit_is_that_of_affinet_and_of_no_other_project(monkeypatch, tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    monkeypatch.setattr(machine, "__file__", str(tmp_path / "machine.py"))
    assert machine.commit() is None


def test_a_figure_of_three_nets_has_an_empty_place():
    pytest.importorskip("matplotlib", reason="needs matplotlib, the extra cli")
    from affinet.bench import picture

    panels = picture.open_panels(3)
    assert len(panels) == 3
    assert [ax.axison for ax in panels[0].figure.axes] == [True, True, True, False]


@pytest.mark.parametrize(("low", "high", "most"), [(1.013, 1.0135, 0), (10.0, 10.4, 2)])
def test_a_narrow_axis_has_the_round_numbers_that_there_are(low, high, most):
    from affinet.bench import picture

    found = picture.round_numbers(low, high)
    assert len(found) <= most
    assert all(low <= value <= high for value in found)


@pytest.mark.parametrize("load", [None, 0.0, 7.5])
def test_a_busy_machine_is_told(monkeypatch, capfd, load):
    monkeypatch.setattr(machine, "load", lambda: load)
    assert main([*QUICK[:-1], "0.02", "--quiet"]) == 0
    note = "note: other programs were running (load 7.5): do not quote these numbers"
    assert (note in capfd.readouterr().err) == (load == 7.5)
