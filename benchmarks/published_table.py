"""The classic program on MNIST beside its published table.

784-50-10 with ReLU, batches of 100 rows drawn at random with replacement, plain gradient descent
with learning rate 0.1, 10,000 steps, W ~ 0.01 N(0, 1), b = 0, written layer by layer with affinet's
classes. Accuracy on all training and test rows right after the update of step 0, 600, 1200, ...,
which the table calls epoch 0, 1, 2, ....

Ends with exit code 1 if a row from epoch 1 on lies further than 0.008 from the published one, or
the last row further than 0.003.

    python benchmarks/published_table.py --data-dir DIR
    python benchmarks/published_table.py --data-dir DIR --dtype float64 --seeds 0 1 2 3
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import machine
import numpy as np
from affinet_networks import ClassicNetwork
from nets import Array
from report import table, write_json

import affinet as an

WIDTHS = (784, 50, 10)
BATCH = 100
LR = 0.1
STEPS = 10_000
STEPS_AN_EPOCH = 600
ROW_BOUND = 0.008  # from epoch 1 on; the first row is that of a net that has seen one batch
LAST_ROW_BOUND = 0.003
EVALUATED_ROWS = 10_000  # at a time

# fmt: off
PUBLISHED = {
    "train": (
        0.1092, 0.9019, 0.9224, 0.9353, 0.9435, 0.9522, 0.9568, 0.9598, 0.9643,
        0.9677, 0.9692, 0.9718, 0.9726, 0.9746, 0.9762, 0.9768, 0.9779,
    ),
    "test": (
        0.109, 0.9061, 0.9238, 0.9358, 0.9427, 0.9498, 0.9543, 0.9554, 0.9608,
        0.9633, 0.9647, 0.9671, 0.9665, 0.9693, 0.9686, 0.9677, 0.9694,
    ),
}
# fmt: on

Columns = dict[str, list[float]]  # accuracies by "train" and "test", one an epoch


def main(arguments: Sequence[str] | None = None) -> int:
    """Train for every seed and compare; 0, or 1 if a bound is broken."""
    options = parse(arguments)
    data = load(options.data_dir, options.dtype)
    runs = []
    for seed in options.seeds:
        started = time.perf_counter()
        columns = train(data, seed, options.steps)
        elapsed = time.perf_counter() - started
        print(f"seed {seed}: {elapsed:.1f} s with the evaluations", file=sys.stderr, flush=True)
        runs.append({"seed": seed, "seconds": elapsed, **columns})
    described = machine.description()
    deviations = largest_deviations(runs)
    problems = broken_bounds(runs)
    print(machine.heading(described))
    print(f"\n{options.dtype}, accuracy after each epoch\n{columns_table(runs)}\n")
    for name, value in deviations.items():
        print(f"largest deviation, {name}: {value:.4f}")
    print("\n".join(problems) if problems else "every bound holds")
    content = {
        "script": "published_table",
        "dtype": options.dtype,
        "steps": options.steps,
        "machine": described,
        "published": PUBLISHED,
        "bounds": {"rows": ROW_BOUND, "last row": LAST_ROW_BOUND},
        "runs": runs,
        "largest_deviations": deviations,
        "problems": problems,
    }
    write_json(options.json, f"published_table_{options.dtype}", content)
    return 1 if problems else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, with defaults filled in."""
    parser = argparse.ArgumentParser(
        description="The classic program on MNIST beside its published table."
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="folder of the four official files (default: AFFINET_DATA_DIR, else fetched)",
    )
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    parser.add_argument(
        "--steps",
        type=int,
        default=STEPS,
        metavar="N",
        help=f"fewer than {STEPS} end early and compare the rows that there are",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the results")
    options = parser.parse_args(arguments)
    if not 1 <= options.steps <= STEPS:
        parser.error(f"--steps is {options.steps}, wanted 1..{STEPS}")
    if min(options.seeds) < 0:
        parser.error(f"--seeds has {min(options.seeds)}, wanted 0 or more")
    return options


def load(data_dir: Path | None, dtype: str) -> dict[str, tuple[Array, Array]]:
    """Training and test rows, pixels 0..1 in ``dtype``, and their class indices."""
    splits = an.datasets.load_mnist(data_dir, scaled=False)
    return {
        name: (np.divide(pixels, 255, dtype=dtype), labels)
        for name, (pixels, labels) in zip(("train", "test"), splits, strict=True)
    }


def train(data: dict[str, tuple[Array, Array]], seed: int, steps: int) -> Columns:
    """The classic program; accuracies right after the update of every 600th step."""
    x, t = data["train"]
    rng = np.random.default_rng(seed)
    network = ClassicNetwork(first_parameters(rng, x.dtype), LR)
    columns: Columns = {name: [] for name in data}
    for step in range(steps):
        rows = rng.choice(len(x), BATCH)
        network.step(x[rows], t[rows])
        if step % STEPS_AN_EPOCH == 0:
            for name, (some_x, some_t) in data.items():
                columns[name].append(accuracy(network, some_x, some_t))
    return columns


def first_parameters(rng: np.random.Generator, dtype: np.dtype[Any]) -> list[Array]:
    """W ~ 0.01 N(0, 1), the same draw in every dtype, and b = 0."""
    parameters: list[Array] = []
    for n_in, n_out in pairwise(WIDTHS):
        parameters.append((0.01 * rng.standard_normal((n_in, n_out))).astype(dtype))
        parameters.append(np.zeros(n_out, dtype))
    return parameters


def accuracy(network: ClassicNetwork, x: Array, t: Array) -> float:
    """Share of the rows whose largest logit belongs to their class."""
    hits = 0
    for start in range(0, len(x), EVALUATED_ROWS):
        block = slice(start, start + EVALUATED_ROWS)
        hits += int(np.sum(network.predict(x[block]).argmax(axis=1) == t[block]))
    return hits / len(x)


def largest_deviations(runs: list[dict[str, Any]]) -> dict[str, float]:
    """Over all seeds, for train and test: from epoch 1 on, and in the last published row."""
    largest = {}
    for name, published in PUBLISHED.items():
        distances = np.array(
            [np.abs(np.subtract(run[name], published[: len(run[name])])) for run in runs]
        )
        if distances.shape[1] > 1:
            largest[f"{name}, from epoch 1 on"] = float(distances[:, 1:].max())
        if distances.shape[1] == len(published):
            largest[f"{name}, last row"] = float(distances[:, -1].max())
    return largest


def broken_bounds(runs: list[dict[str, Any]]) -> list[str]:
    """A sentence for every figure too far from the published one, NaN included."""
    problems = []
    for run in runs:
        for name, published in PUBLISHED.items():
            for epoch, (ours, theirs) in enumerate(zip(run[name], published, strict=False)):
                bound = LAST_ROW_BOUND if epoch == len(published) - 1 else ROW_BOUND
                if epoch > 0 and not abs(ours - theirs) <= bound:
                    problems.append(
                        f"seed {run['seed']}: {name} accuracy of epoch {epoch} is {ours:.4f}, "
                        f"wanted {theirs:.4f} within {bound}"
                    )
    return problems


def columns_table(runs: list[dict[str, Any]]) -> str:
    """The published columns, each followed by ours for every seed."""
    header = ["epoch"]
    for name in PUBLISHED:
        header += [f"{name}: published", *(f"seed {run['seed']}" for run in runs)]
    rows = []
    for epoch in range(len(runs[0]["train"])):
        row = [str(epoch)]
        for name, published in PUBLISHED.items():
            row += [f"{value:.4f}" for value in (published[epoch], *(r[name][epoch] for r in runs))]
        rows.append(row)
    return table(header, rows)


if __name__ == "__main__":
    sys.exit(main())
