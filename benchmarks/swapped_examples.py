"""Programs written for scikit-learn's multilayer perceptrons, with the import swapped.

Each program runs with ``sklearn.neural_network`` as it is and with affinet's estimators in its
place, for several random states, and every return value of ``score`` is recorded. A program is a
file, such as an example in scikit-learn's gallery; without one the script runs built-in programs
that resemble those examples and need no download. Ends with exit code 1 if
affinet's mean score of a program is lower by more than two standard errors, or the number of
scores differs.

    python benchmarks/swapped_examples.py
    python benchmarks/swapped_examples.py plot_mlp_alpha.py plot_mlp_training_curves.py
"""

from __future__ import annotations

import argparse
import functools
import io
import os
import runpy
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from report import table

import affinet as an
from affinet import estimators

try:
    from sklearn import datasets, neural_network
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler
except ImportError:
    sys.exit('this script needs scikit-learn: pip install "affinet[sklearn]"')

KINDS = ("MLPClassifier", "MLPRegressor")
ROOMS = {"affinet": estimators, "scikit-learn": neural_network}
STATES = 5
ROUNDING = 1e-3  # of a score's mean, for deterministic programs


# The programs ------------------------------------------------------------------------------------


def training_curves() -> None:
    """Six solver settings on four small sets, scored on the training rows."""
    from sklearn.neural_network import MLPClassifier

    ways: list[dict[str, Any]] = [
        {"momentum": 0, "learning_rate_init": 0.2},
        {"nesterovs_momentum": False, "learning_rate_init": 0.2},
        {"learning_rate_init": 0.2},
        {"learning_rate": "invscaling", "momentum": 0, "learning_rate_init": 0.2},
        {"learning_rate": "invscaling", "learning_rate_init": 0.2},
        {"solver": "adam", "learning_rate_init": 0.01},
    ]
    sets = [
        (*datasets.load_iris(return_X_y=True), 400),
        (*datasets.load_digits(return_X_y=True), 15),
        (*datasets.make_circles(noise=0.2, factor=0.5, random_state=1), 400),
        (*datasets.make_moons(noise=0.3, random_state=0), 400),
    ]
    for X, y, max_iter in sets:
        scaled = MinMaxScaler().fit_transform(X)
        for way in ways:
            model = MLPClassifier(**{"solver": "sgd", "random_state": 0} | way, max_iter=max_iter)
            model.fit(scaled, y).score(scaled, y)


def varying_alpha() -> None:
    """Penalties from weak to strong on three two-dimensional problems, with L-BFGS."""
    from sklearn.neural_network import MLPClassifier

    for X, y in plane():
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=42)
        for alpha in np.logspace(-1, 1, 5):
            mlp = MLPClassifier(
                [10, 10], solver="lbfgs", alpha=alpha, random_state=1, max_iter=2000
            )
            make_pipeline(StandardScaler(), mlp).fit(X_train, y_train).score(X_test, y_test)


def beside_other_classifiers() -> None:
    """The same problems with Adam and a strong penalty."""
    from sklearn.neural_network import MLPClassifier

    for X, y in plane():
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=42)
        model = make_pipeline(
            StandardScaler(), MLPClassifier(alpha=1, max_iter=1000, random_state=42)
        )
        model.fit(X_train, y_train).score(X_test, y_test)


def exclusive_or() -> None:
    """Whether two numbers have the same sign."""
    from sklearn.neural_network import MLPClassifier

    X = np.random.default_rng(0).standard_normal((400, 2))
    y = X[:, 0] * X[:, 1] > 0
    for activation in ("relu", "tanh", "logistic"):
        model = MLPClassifier(
            (16,), activation=activation, learning_rate_init=0.02, max_iter=300, random_state=0
        )
        model.fit(X[:200], y[:200]).score(X[200:], y[200:])


def filters() -> None:
    """A few epochs of gradient descent on images: MNIST's where its files are, else digits."""
    from sklearn.neural_network import MLPClassifier

    loader = an.datasets.load_mnist if "AFFINET_DATA_DIR" in os.environ else an.datasets.load_digits
    (X_train, y_train), (X_test, y_test) = loader()
    mlp = MLPClassifier(
        (40,), max_iter=8, alpha=1e-4, solver="sgd", random_state=1, learning_rate_init=0.2
    )
    mlp.fit(X_train, y_train)
    mlp.score(X_train, y_train)
    mlp.score(X_test, y_test)


def numbers() -> None:
    """A regression with early stopping, its targets standardised."""
    from sklearn.neural_network import MLPRegressor

    for X, y in (
        datasets.make_friedman1(n_samples=600, noise=0.5, random_state=0),
        datasets.load_diabetes(return_X_y=True),
    ):
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
        mlp = MLPRegressor(
            hidden_layer_sizes=(30, 15),
            learning_rate_init=0.01,
            early_stopping=True,
            random_state=0,
        )
        scaled = TransformedTargetRegressor(mlp, transformer=StandardScaler())
        model = make_pipeline(StandardScaler(), scaled).fit(X_train, y_train)
        # The wrapper predicts and scores by itself: the network's own score is in its own unit.
        inner = model[-1].regressor_
        standard = model[-1].transformer_.transform(y_test.reshape(-1, 1)).ravel()
        inner.score(model[0].transform(X_test), standard)


def plane() -> list[tuple[Any, Any]]:
    """Moons, circles, and two classes that a line nearly separates."""
    X, y = datasets.make_classification(
        n_features=2, n_redundant=0, n_informative=2, random_state=0, n_clusters_per_class=1
    )
    X += 2 * np.random.default_rng(2).uniform(size=X.shape)
    return [
        datasets.make_moons(noise=0.3, random_state=0),
        datasets.make_circles(noise=0.2, factor=0.5, random_state=1),
        (X, y),
    ]


OWN = (training_curves, varying_alpha, beside_other_classifiers, exclusive_or, filters, numbers)


# Running and judging them ------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every program with both imports; 0, or 1 if affinet's scores are worse."""
    options = parse(arguments)
    programs = {path.name: functools.partial(run_file, path) for path in options.files}
    if not programs:
        programs = {own.__name__: own for own in OWN}
    rows, problems = [], []
    for name, program in programs.items():
        if options.only is not None and name not in options.only:
            continue
        print(name, file=sys.stderr, flush=True)
        found = {room: run(program, kinds, options.states) for room, kinds in ROOMS.items()}
        row, problem = judge(name, *found.values())
        rows.append(row)
        problems += [problem] if problem else []
    print(table(["program", "scores", *ROOMS, "two errors", "seconds", ""], rows))
    print("\n".join(problems) if problems else "no program scores worse")
    return 1 if problems else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, with defaults filled in."""
    parser = argparse.ArgumentParser(description="scikit-learn's examples with another import.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="programs to run")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of the programs, those to run")
    parser.add_argument(
        "--states",
        type=int,
        default=STATES,
        metavar="N",
        help=f"random states to run with, from a program's own on (default: {STATES})",
    )
    options = parser.parse_args(arguments)
    if options.states < 2:
        parser.error(f"--states is {options.states}, wanted 2 or more: one shows no error")
    for path in options.files:
        if not path.is_file():
            parser.error(f"there is no file {path}")
    return options


def run_file(path: Path) -> None:
    """A file as a program, with its pictures drawn off screen."""
    os.environ["MPLBACKEND"] = "agg"
    with redirect_stdout(io.StringIO()):
        runpy.run_path(str(path), run_name="__main__")


def run(program: Callable[[], None], room: Any, states: int) -> tuple[list[list[float]], float]:
    """The scores with each random state, and the seconds that all took."""
    started = time.perf_counter()
    scores = []
    for shift in range(states):
        with swapped(room, shift) as found, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program()
        scores.append(found)
    return scores, time.perf_counter() - started


@contextmanager
def swapped(room: Any, shift: int) -> Iterator[list[float]]:
    """``sklearn.neural_network`` with the classes of ``room``, recording their scores.

    Integer random states are increased by ``shift``.
    """
    scores: list[float] = []
    with ExitStack() as stack:
        for name in KINDS:
            kind = getattr(room, name)
            stack.enter_context(mock.patch.object(neural_network, name, kind))
            stack.enter_context(mock.patch.object(kind, "score", noting(kind.score, scores)))
            stack.enter_context(mock.patch.object(kind, "fit", shifting(kind.fit, shift)))
        yield scores


def noting(score: Callable[..., float], scores: list[float]) -> Callable[..., float]:
    """The method ``score``, recording what it returns."""

    @functools.wraps(score)
    def noted(*arguments: Any, **more: Any) -> float:
        scores.append(float(score(*arguments, **more)))
        return scores[-1]

    return noted


def shifting(fit: Callable[..., Any], shift: int) -> Callable[..., Any]:
    """The method ``fit``, with a shifted random state."""

    @functools.wraps(fit)
    def shifted(model: Any, *arguments: Any, **more: Any) -> Any:
        state = model.random_state
        if isinstance(state, int):
            model.random_state = state + shift
        try:
            return fit(model, *arguments, **more)
        finally:
            model.random_state = state

    return shifted


def judge(
    name: str, own: tuple[list[list[float]], float], other: tuple[list[list[float]], float]
) -> tuple[list[str], str]:
    """A row of the table, and a sentence if affinet's scores are worse."""
    (a, a_seconds), (b, b_seconds) = own, other
    counts = {len(scores) for scores in (*a, *b)}
    if len(counts) > 1 or counts == {0}:
        numbers = ", ".join(map(str, sorted(counts)))
        return [name, numbers, *[""] * 5], f"{name}: numbers of scores: {numbers}"
    means = [np.mean(scores, axis=1) for scores in (a, b)]  # one for each random state
    ours, theirs = (float(found.mean()) for found in means)
    # Two standard errors of the difference of the means.
    errors = 2 * float(np.sqrt(sum(found.var(ddof=1) / len(found) for found in means)))
    row = [
        *(name, str(counts.pop()), f"{ours:.4f}", f"{theirs:.4f}", f"{errors:.4f}"),
        *(f"{a_seconds:.1f}", f"{b_seconds:.1f}"),
    ]
    worse = not ours >= theirs - errors - ROUNDING
    return row, f"{name}: {ours:.4f} is worse than {theirs:.4f}" if worse else ""


if __name__ == "__main__":
    sys.exit(main())
