"""swapped_examples.py runs programs with both imports, and finds a library that scores worse."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

from affinet import estimators

PROGRAM = """
from sklearn import neural_network
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier

X, y = load_iris(return_X_y=True)
for kind in MLPClassifier, neural_network.MLPClassifier:
    mlp = kind((6,), solver="lbfgs", alpha=1.0, max_iter=500, random_state=4).fit(X, y)
    print(kind.__module__.partition(".")[0], mlp.random_state, mlp.score(X, y))
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "iris.py"
    path.write_text(PROGRAM)
    return path


def test_a_file_with_both_imports(load: Any, program: Path, capsys: Any) -> None:
    module = load("swapped_examples")
    assert module.main([str(program), "--states", "2"]) == 0
    header, row, verdict = capsys.readouterr().out.splitlines()
    assert header.split()[:4] == ["program", "scores", "affinet", "scikit-learn"]
    name, scores, ours, theirs, *_ = row.split()
    assert (name, scores, verdict) == ("iris.py", "2", "no program scores worse")
    assert float(ours) == pytest.approx(float(theirs), abs=2e-3)
    assert float(ours) > 0.95


def test_the_import_is_swapped_for_a_while(load: Any) -> None:
    module = load("swapped_examples")
    neural_network, seen = module.neural_network, []
    before, score = neural_network.MLPClassifier, estimators.MLPClassifier.score
    with module.swapped(estimators, 3) as scores:
        model = neural_network.MLPClassifier(
            random_state=1, max_iter=1, callbacks=[lambda state: seen.append(model.random_state)]
        )
        with pytest.warns(UserWarning, match="Maximum iterations"):
            model.fit([[0.0], [1.0]], [0, 1])
        model.score([[0.0], [1.0]], [0, 1])
    assert type(model) is estimators.MLPClassifier
    assert (seen, model.random_state, len(scores)) == ([4], 1, 1)
    assert neural_network.MLPClassifier is before
    assert estimators.MLPClassifier.score is score


class Lazy(estimators.MLPClassifier):
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        return super().fit(X[:5], y[:5])


def test_a_worse_library_is_found(load: Any, program: Path, monkeypatch: Any, capsys: Any) -> None:
    module = load("swapped_examples")
    worse = SimpleNamespace(MLPClassifier=Lazy, MLPRegressor=estimators.MLPRegressor)
    monkeypatch.setitem(module.ROOMS, "affinet", worse)
    assert module.main([str(program), "--states", "2"]) == 1
    assert "iris.py: 0.3333 is worse than 0.9" in capsys.readouterr().out


def test_a_program_without_scores_is_found(load: Any, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "none.py"
    path.write_text("pass")
    assert load("swapped_examples").main([str(path)]) == 1
    assert "none.py: numbers of scores: 0" in capsys.readouterr().out


def test_own_programs(load: Any, capsys: Any) -> None:
    """The quickest of them, as all are run where no file is named."""
    module = load("swapped_examples")
    module.main(["--only", "numbers", "--states", "2"])
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["numbers", "2"]


@pytest.mark.parametrize("arguments", [["gone.py"], ["--states", "1"]])
def test_bad_options_are_named(load: Any, capsys: Any, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        load("swapped_examples").main(arguments)
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err
