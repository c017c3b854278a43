"""Two tables as CSV files: people in groups, and prices of houses."""

import csv
import gzip

import numpy as np

TOWNS = ("Bonn", "Oslo", "Rome")


def write_csv(path, names, rows, delimiter=","):
    opened = gzip.open if str(path).endswith(".gz") else open
    with opened(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        if names:
            writer.writerow(names)
        writer.writerows(rows)
    return path


def people(n=150, seed=0):
    """Rows (age, income, town, constant, group): the group follows from the town and the age."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        age, town = round(float(rng.uniform(20, 80)), 2), TOWNS[rng.integers(3)]
        group = "old" if age > 50 else "roman" if town == "Rome" else "young"
        rows.append([age, round(float(rng.normal(3e6, 1e6))), town, 7, group])
    return rows


NAMES = ["age", "income", "town", "constant", "group"]


def prices(n=200, seed=0):
    """Rows (size, town, price): the price is a line in the size, in thousands, and the town's."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        size, town = round(float(rng.uniform(20, 200)), 1), int(rng.integers(3))
        price = 5000 * size + 100_000 * town + rng.normal(0, 10_000)
        rows.append([size, TOWNS[town], round(float(price), 2)])
    return rows
