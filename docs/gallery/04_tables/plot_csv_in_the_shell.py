"""
From a CSV file to predictions, in the shell
============================================

You will see two commands turn a CSV file into a model, an error in the target's unit and a CSV
file of predictions. This program writes a small file first, then runs the commands as a shell
would.
"""

import contextlib
import csv
import io
import runpy
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)


def write(name, n, with_target):
    """A CSV of cars: kilometres, age, fuel and, if wanted, the price."""
    with open(folder / name, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["km", "age", "fuel", *(["price"] if with_target else [])])
        for _ in range(n):
            km, age, fuel = (
                rng.integers(0, 200_000),
                rng.integers(0, 15),
                rng.choice(["e", "petrol"]),
            )
            new = 30_000 if fuel == "e" else 24_000
            price = new * 0.88**age - 0.03 * km + rng.normal(0, 400) + 8000
            writer.writerow([km, age, fuel, *([round(price)] if with_target else [])])


def shell(*words):
    """Run an affinet command as the shell does, and show it with its output."""
    print("$ affinet", *words)
    sys.argv = ["affinet", *words]
    # Progress goes to standard error, and is left out here.
    with contextlib.chdir(folder), contextlib.redirect_stderr(io.StringIO()) as messages:
        try:
            runpy.run_module("affinet", run_name="__main__")
        except SystemExit as end:
            if end.code:
                raise RuntimeError(messages.getvalue()) from end
    print()


write("cars.csv", 600, True)
write("new.csv", 100, False)

# %%
# The first command detects the delimiter, the header, the types of the columns and the task, and
# holds out a fifth of the rows for testing.

shell("train", "cars.csv", "--target", "price", "--preset", "fast")
shell("predict", "cars-model.npz", "new.csv", "--out", "prices.csv")
print((folder / "prices.csv").read_text()[:120])

# %%
# The predictions for the new cars, by age:

with open(folder / "new.csv") as cars, open(folder / "prices.csv") as prices:
    rows = list(csv.DictReader(cars))
    price = [float(next(reversed(row.values()))) for row in csv.DictReader(prices)]
fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
for fuel, mark in (("e", "o"), ("petrol", "^")):
    these = [k for k, row in enumerate(rows) if row["fuel"] == fuel]
    ax.plot([int(rows[k]["age"]) for k in these], [price[k] for k in these], mark, label=fuel)
ax.set(xlabel="age in years", ylabel="predicted price", title="100 cars without a price")
ax.legend()
plt.show()
