"""time_to_accuracy.py verifies, stops the clock for evaluation, chooses settings and resumes."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

QUICK = ("--quick", "--cores", "1", "--seeds", "1")
SCRIPT = """
import sys
sys.path.insert(0, {benchmarks!r})
from time_to_accuracy import affinet_trainers
from time_to_accuracy.run import main

right = affinet_trainers.Fit.epoch

def trains_too_fast(trainer, lr, shuffle=True):
    right(trainer, 1.1 * lr, shuffle)

affinet_trainers.Fit.epoch = trains_too_fast
if __name__ == "__main__":
    sys.exit(main())
"""


def test_quick_run(run_script: Any, tmp_path: Path) -> None:
    path, chart = tmp_path / "new" / "a.json", tmp_path / "new" / "a.png"
    files = ("--json", path, "--chart", chart)
    done = run_script("time_to_accuracy.py", *QUICK, "--only", "affinet-bfloat16", *files)
    assert done.returncode == 0, done.stderr
    content = json.loads(path.read_text())
    assert content["settings"]["data"] == "digits"
    assert content["failed"] == []
    (one,) = content["summaries"]
    seconds, right = np.transpose(one["curve"])
    assert (np.diff(seconds) > 0).all()
    assert right[-1] >= 0.92
    assert one["goals"]["0.92"]["reached"] == one["runs"] == 1
    # the table shows seconds at the end of an epoch of the curve
    assert one["goals"]["0.92"]["median_us"] == pytest.approx(1e6 * seconds[-1])
    assert one["goals"]["0.92"]["epochs"] == len(seconds)
    assert 0 < one["deviations"]["loss_deviation"] < 2.0**-6
    for wanted in ("1 core, 1 seed", "90.0%", "affinet bfloat16", "compilation s"):
        assert wanted in done.stdout
    if importlib.util.find_spec("matplotlib") is None:
        assert "needs matplotlib" in done.stdout
    else:
        assert chart.read_bytes().startswith(b"\x89PNG")
    assert {file.name for file in path.parent.iterdir()} <= {path.name, chart.name}


def test_a_wrong_trainer_ends_with_exit_code_1(run_script: Any, tmp_path: Path, load: Any) -> None:
    script, path = tmp_path / "wrong.py", tmp_path / "a.json"
    script.write_text(SCRIPT.format(benchmarks=str(Path(load("nets").__file__).parent)))
    done = run_script(script, *QUICK, "--only", "affinet", "--json", path)
    assert done.returncode == 1
    assert "verification failed: affinet: one step moves" in done.stderr
    assert not path.exists()


def test_an_absent_library_is_named(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trainers = load("time_to_accuracy.trainers")
    monkeypatch.setitem(sys.modules, "jax", None)
    assert trainers.missing(["affinet", "jax"]) == {"jax": "jax is not installed"}


@pytest.fixture
def digits(load: Any) -> Any:
    """What a verification or a race on the digits needs."""
    task = load("time_to_accuracy.task")

    class Digits:
        widths = task.WIDTHS["digits"]
        data = task.load("digits", None)
        setting = task.Setting(32, 0.002, 0.8)
        first = task.first_parameters(widths, 0)

    return Digits


@pytest.mark.filterwarnings("ignore")  # other libraries' warnings
@pytest.mark.parametrize("library", ["affinet", "torch", "jax", "sklearn"])
def test_every_installed_library_computes_the_same(load: Any, digits: Any, library: str) -> None:
    if library != "affinet":
        pytest.importorskip(library)
    module = load(f"time_to_accuracy.{library}_trainers")
    verify = load("time_to_accuracy.checks").verify
    for name, kind in module.TRAINERS.items():
        if "compiled" in name:  # takes many seconds
            continue
        trainer = kind(digits.widths, digits.setting)
        trainer.start(digits.first, 0)
        trainer.warm_up(*digits.data.whole_batches(32))
        found = verify(name, trainer, digits.widths, digits.first, digits.data)
        assert found["moved_apart"] < (0.1 if trainer.precision == "bfloat16" else 0.01)


def wrong_kinds(load: Any) -> dict[str, type[Any]]:
    right = load("time_to_accuracy.affinet_trainers").Fit

    class OtherRate(right):  # type: ignore[misc, valid-type]
        def epoch(self, lr: float, shuffle: bool = True) -> None:
            super().epoch(1.1 * lr, shuffle)

    class OtherBytes(right):  # type: ignore[misc, valid-type]
        def load(self, images: Any, classes: Any) -> None:
            super().load(images // 2, classes)

    class NotANumber(right):  # type: ignore[misc, valid-type]
        def epoch(self, lr: float, shuffle: bool = True) -> None:
            super().epoch(lr, shuffle)
            self.losses[-1] = np.nan

    class OtherBias(right):  # type: ignore[misc, valid-type]
        def parameters(self) -> list[Any]:
            return [*super().parameters()[:-1], np.ones(10, np.float32)]

    class OtherClasses(right):  # type: ignore[misc, valid-type]
        def predict(self, images: Any) -> Any:
            return super().predict(images // 2)

    kinds = (OtherRate, OtherBytes, NotANumber, OtherBias, OtherClasses)
    return {kind.__name__: kind for kind in kinds}


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("OtherRate", "one step moves .* of W1 to other places"),
        ("OtherBytes", "loss 0 is"),
        ("NotANumber", "loss 0 is nan"),
        ("OtherBias", "of test images get another class"),
        ("OtherClasses", "of test images get another class"),
    ],
)
def test_verification_finds_wrong_trainers(load: Any, digits: Any, name: str, named: str) -> None:
    checks, error = load("time_to_accuracy.checks"), load("verification").VerificationError
    trainer = wrong_kinds(load)[name](digits.widths, digits.setting)
    with pytest.raises(error, match=named):
        checks.verify("peer", trainer, digits.widths, digits.first, digits.data)


class Slow:
    """A trainer that knows one more class of ten after each epoch, on a separate clock."""

    def __init__(self, setting: Any) -> None:
        self.setting = setting
        self.now = 0.0
        self.rates: list[float] = []

    def start(self, first: list[Any], seed: int) -> None:
        self.now += 100.0

    def load(self, images: Any, classes: Any) -> None:
        assert len(images) % self.setting.batch == 0
        self.now += 0.5

    def epoch(self, lr: float, shuffle: bool = True) -> None:
        self.rates.append(lr)
        self.now += 2.0

    def predict(self, images: Any) -> Any:
        self.now += 50.0
        return np.eye(10)[np.minimum(np.arange(10), len(self.rates))]


@pytest.fixture
def raced(load: Any, digits: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Races ``Slow``; returns what the race found, and the trainer."""
    module, task = load("time_to_accuracy.race"), load("time_to_accuracy.task")
    data = task.Data(digits.data.images, digits.data.classes, np.zeros((10, 64)), np.arange(10))

    def run(**options: Any) -> Any:
        trainer = Slow(task.Setting(32, 0.1, 0.5))
        monkeypatch.setattr(module.time, "perf_counter", lambda: trainer.now)
        options = {"seed": 0, "epochs": 9, "goals": [0.3, 0.5], "limit": 99.0} | options
        return module.race(trainer, [], data, **options), trainer

    return run


def test_the_clock_runs_in_loading_and_training_alone(raced: Any) -> None:
    found, trainer = raced()
    assert found["load_s"] == 0.5
    assert found["curve"] == [[2.5, 0.2], [4.5, 0.3], [6.5, 0.4], [8.5, 0.5]]
    assert found["reached"] == {"0.3": 4.5, "0.5": 8.5}
    assert trainer.rates == [0.1, 0.05, 0.025, 0.0125]


@pytest.mark.parametrize(("options", "epochs"), [({"epochs": 2}, 2), ({"limit": 6.0}, 3)])
def test_epochs_and_seconds_are_limited(raced: Any, options: Any, epochs: int) -> None:
    found, _ = raced(**options)
    assert len(found["curve"]) == epochs
    assert found["reached"] == {"0.3": 4.5, "0.5": None}


@pytest.fixture
def pretend(load: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The run, whose trainings end at once; ``asked`` are the jobs, ``fail`` decides on errors."""
    run = load("time_to_accuracy.run")
    run.asked, run.fail = [], lambda job: None

    def measure(job: dict[str, Any]) -> dict[str, Any]:
        run.asked.append(job)
        run.fail(job)
        record = {name: job[name] for name in run.KEY}
        seconds = (
            1000 * job["lr"] * (2 if job["trainer"] == "affinet" else 6) * (1 + job["seed"] % 10)
        )
        reached = None if seconds > job["limit"] else seconds
        return record | {
            "version": "1", "warm_up_s": 0.0, "load_s": 0.0, "curve": [[seconds, 0.9]], "note": "",
            "reached": dict.fromkeys((f"{goal:g}" for goal in job["goals"]), reached),
            "loss_deviation": 0.0, "switched": 0.0, "moved_apart": 0.0,
        }  # fmt: skip

    monkeypatch.setattr(run, "measure", measure)
    monkeypatch.setattr(run, "missing", lambda names: {})
    names = ("processor", "cores", "system", "python", "numpy", "blas", "affinet", "level")
    machine = dict.fromkeys(names, "some") | {"commit": None}
    monkeypatch.setattr(run.machine, "description", lambda: machine)  # asks git, which takes time
    monkeypatch.setattr(run.chart, "draw", lambda path, content: "no chart")
    return run


def arguments(tmp_path: Path, *more: str) -> list[str]:
    """A quick run of two trainers whose files go into the folder."""
    files = ("--json", tmp_path / "a.json", "--chart", tmp_path / "a.png")
    return ["--quick", "--cores", "1", "--only", "affinet", "sklearn", *map(str, files), *more]


def test_the_grid_chooses_the_fastest_and_a_run_takes_it(pretend: Any, tmp_path: Path) -> None:
    path = tmp_path / "grid.json"
    options = arguments(tmp_path, "--grid-file", str(path))
    assert pretend.main([*options, "--grid", "--seeds", "2"]) == 0
    stored = json.loads(path.read_text())
    assert not path.with_name("grid.json.part").exists()
    assert [choice["trainer"] for choice in stored["choices"]] == ["affinet", "sklearn"]
    for choice in stored["choices"]:
        assert choice["chosen"] == {"batch": 32, "lr": 0.002, "decay": 0.75}
        assert [cell["lr"] for cell in choice["cells"]] == [0.002, 0.004]
        assert choice["cells"][1]["seconds"] == {"0.9": None, "0.92": None}  # stopped: too slow
    # the second seed leaves the slow cell out; none of its seeds is measured later
    assert [job["lr"] for job in pretend.asked[:3]] == [0.002, 0.004, 0.002]
    assert min(job["seed"] for job in pretend.asked) >= 1000
    pretend.asked.clear()
    assert pretend.main([*options, "--seeds", "3"]) == 0
    assert {job["lr"] for job in pretend.asked} == {0.002}
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["grid"]["processor"] == stored["machine"]["processor"]
    first, second = (one["goals"]["0.9"]["median_us"] for one in content["summaries"])
    assert (first, second) == pytest.approx((8e6, 24e6))  # the median of seeds 0, 1 and 2


def test_a_setting_that_misses_the_highest_goal_comes_second(load: Any) -> None:
    settings = load("time_to_accuracy.settings")

    def record(lr: float, low: float | None, high: float | None, seed: int = 0) -> dict[str, Any]:
        times = {"0.98": low, "0.985": high}
        return {"trainer": "a", "cores": 1, "seed": seed, "batch": 96, "lr": lr, "decay": 0.75,
                "reached": times}  # fmt: skip

    def choice(*records: dict[str, Any]) -> float | None:
        chosen = settings.choose(records, "a", 1, ["0.98", "0.985"])
        return chosen and chosen.lr

    slow, fast, faster = record(1, 4.0, 9.0), record(2, 3.0, 10.0), record(3, 2.0, None)
    assert choice(slow, fast, faster) == 2
    assert choice(record(1, 4.0, None), faster) == 3
    assert choice(record(1, None, None)) is None
    assert choice(slow, fast, record(2, 6.0, None, seed=1)) == 1  # one of its seeds missed it
    limits = [settings.limit_of(settings.setting_of(one), [slow, fast], "a", 1, ["0.98", "0.985"])
              for one in (slow, fast)]  # fmt: skip
    assert limits == [settings.SLOWER * 10.0, np.inf]


def test_an_interrupted_run_continues(pretend: Any, tmp_path: Path) -> None:
    def interrupt(job: dict[str, Any]) -> None:
        if (job["trainer"], job["seed"]) == ("affinet", 1):
            raise KeyboardInterrupt

    pretend.fail = interrupt
    options = arguments(tmp_path, "--seeds", "2")
    with pytest.raises(KeyboardInterrupt):
        pretend.main(options)
    assert len(pretend.asked) == 3
    assert (tmp_path / "a.json.part").exists()
    assert pretend.main([*options, "--epochs", "7"]) == 2  # of another run
    pretend.fail = lambda job: None
    pretend.asked.clear()
    assert pretend.main(options) == 0
    assert [(job["trainer"], job["seed"]) for job in pretend.asked] == [
        ("affinet", 1),
        ("sklearn", 1),
    ]
    assert not (tmp_path / "a.json.part").exists()


def test_what_is_missing_is_named(
    pretend: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "grid.json"
    options = arguments(tmp_path, "--grid-file", str(path))
    assert pretend.main(options) == 2
    assert f"{path} does not exist: run --grid first" in capsys.readouterr().err
    path.write_text(json.dumps({"machine": {"processor": "", "commit": ""}, "choices": []}))
    assert pretend.main(options) == 2
    assert "has no setting of affinet on 1 core(s)" in capsys.readouterr().err
    assert pretend.asked == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--quick", "--cores", 0), "--cores"),
        (("--quick", "--seeds", 0), "--seeds"),
        (("--quick", "--limit", "nan"), "--limit"),
        (("--quick", "--only", "none"), "--only"),
        ((), "--data-dir"),
    ],
)
def test_bad_options_are_named(
    load: Any, monkeypatch: Any, capsys: Any, arguments: tuple[Any, ...], named: str
) -> None:
    monkeypatch.delenv("AFFINET_DATA_DIR", raising=False)
    with pytest.raises(SystemExit) as caught:
        load("time_to_accuracy.run").parse([str(argument) for argument in arguments])
    assert caught.value.code == 2
    assert named in capsys.readouterr().err


def test_batches_of_the_grid_leave_no_row_of_mnist_out(load: Any) -> None:
    for setting in load("time_to_accuracy.settings").grid(quick=False):
        assert 60_000 % setting.batch == 0
        assert setting.batch % 16 == 0


def test_a_goal_that_some_runs_miss_has_no_median(load: Any) -> None:
    results = load("time_to_accuracy.results")
    runs = [{"reached": {"0.9": at}, "curve": [[1.0, 0.9]]} for at in (1.0, None, 1.0)]
    assert results.of_goal(runs, 0.9) == {"reached": 2}
    found = results.of_goal(runs[::2], 0.9)
    assert (found["reached"], found["median_us"], found["epochs"]) == (2, 1e6, 1)
