"""What a training step would cost on more cores than this machine has, by the cost model.

It counts the arithmetic of each thread, the meetings, and the cache lines that one thread writes
and another reads. Nothing is timed; kernels/team_size.pyx holds the model and its constants.

    python benchmarks/team_model.py
    python benchmarks/team_model.py --threads 2 8 32
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence

import affinet as an
from affinet._dispatch import kernels

NETS = {
    "tiny": ((8, 64, 64, 4), 32),
    "tiny, 128 rows": ((8, 64, 64, 4), 128),
    "seed": ((784, 50, 10), 100),
    "table": ((50, 256, 256, 256, 1), 256),
    "mid": ((784, 512, 512, 10), 128),
    "big": ((1024, 1024, 1024, 1024, 10), 1024),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 0."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 4, 16, 64])
    threads = parser.parse_args(arguments).threads
    print("| net | rows | threads | meetings | KB from other threads | times one thread |")
    print("|---|---|---|---|---|---|")
    for name, (widths, rows) in NETS.items():
        for most in threads:
            size, costs, lines, _, cuts = kernels.team_plan(operations(widths), rows, most)
            meetings = 2 + 4 * sum(together for _, _, together in cuts) if size > 1 else 0
            print(
                f"| {name} | {rows} | {size} of {most} | {meetings} | "
                f"{lines[size - 1] * 64 / 1024:,.0f} | {costs[0] / costs[size - 1]:.1f} |"
            )
    return 0


def operations(widths: tuple[int, ...]) -> object:
    """The compiled network of these widths, with ReLU in between."""
    layers: list[an.Layer] = []
    for n_inputs, n_outputs in itertools.pairwise(widths):
        layers += [an.Affine.init(n_inputs, n_outputs, rng=0), an.ReLU()]
    return an.Sequential(*layers[:-1])._operations


if __name__ == "__main__":
    raise SystemExit(main())
