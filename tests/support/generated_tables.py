"""Ten generated tables, clean and noisy, to measure the shell's defaults with."""

import numpy as np

from shell_tables import TOWNS, write_csv

LETTERS = "abcdefghij"


def line(rng, n):
    """A price per square metre, without noise."""
    a = rng.uniform(0, 10, n)
    return a[:, None], 1e7 * a


def noisy_line(rng, n):
    """Eight numbers, a linear target, and as much noise as signal or more."""
    x = rng.standard_normal((n, 8))
    weights = np.random.default_rng(42).standard_normal(8)
    return x, x @ weights + 3 * rng.standard_normal(n)


def wave(rng, n):
    """A smooth curve of three numbers, without noise."""
    x = rng.uniform(-2, 2, (n, 3))
    return x, 100 + 10 * np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2]


def noisy_wave(rng, n):
    """The same, with noise as large as the signal."""
    x, t = wave(rng, n)
    return x, t + 7 * rng.standard_normal(n)


def friedman(rng, n):
    """Friedman's first problem: five of ten numbers count, noise of standard deviation 1."""
    x = rng.uniform(0, 1, (n, 10))
    t = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    return x, t + 10 * x[:, 3] + 5 * x[:, 4] + rng.standard_normal(n)


def nothing(rng, n):
    """Numbers that say nothing about the target."""
    return rng.standard_normal((n, 5)), rng.standard_normal(n)


def towns(rng, n):
    """A number and a category whose product counts, without noise."""
    size, town = rng.uniform(20, 200, n), rng.integers(0, 3, n)
    return [[a, TOWNS[k]] for a, k in zip(size, town, strict=True)], 5000.5 * size * (1 + town)


def sides(rng, n):
    """Two classes on the sides of a plane, without noise."""
    x = rng.standard_normal((n, 4))
    return x, np.where(x @ [1.0, -2.0, 0.5, 0.0] > 0, "yes", "no")


def noisy_ring(rng, n):
    """A ring and its outside; a fifth of the labels is random."""
    x = rng.uniform(-1, 1, (n, 6))
    inside = (x[:, :2] ** 2).sum(axis=1) < 0.64
    inside ^= rng.random(n) < 0.2
    return x, np.where(inside, "in", "out")


def noisy_groups(rng, n):
    """Three groups by age and town; a tenth of them is random."""
    age, town = rng.uniform(20, 80, n), rng.integers(0, 3, n)
    group = np.where(age > 50, "old", np.where(town == 2, "roman", "young"))
    random = rng.random(n) < 0.1
    group[random] = rng.choice(["old", "roman", "young"], random.sum())
    return [[a, TOWNS[k], b] for a, k, b in zip(age, town, rng.normal(size=n), strict=True)], group


TABLES = {
    make.__name__: make
    for make in (
        *(line, noisy_line, wave, noisy_wave, friedman, nothing, towns),
        *(sides, noisy_ring, noisy_groups),
    )
}


def write_table(path, name, n=300, seed=0):
    """Write n rows of a generated table; its target is the column t."""
    x, t = TABLES[name](np.random.default_rng([seed, len(name)]), n)
    rows = [[*(_cell(v) for v in row), _cell(y)] for row, y in zip(x, t, strict=True)]
    return write_csv(path, [*LETTERS[: len(rows[0]) - 1], "t"], rows)


def _cell(value):
    return value if isinstance(value, str) else f"{value:.9f}"
