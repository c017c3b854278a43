"""
Saving and loading
==================

You will see that a network read from a file predicts the same to the last bit, and how the size of
the file grows with the network. A model file is an ordinary ``.npz`` of NumPy, with no code
inside.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

folder = Path(tempfile.mkdtemp())
(x, t), (x_test, t_test) = an.datasets.load_digits()


def network(units, dtype="float32"):
    """64-units-10."""
    return an.Sequential(
        an.Affine.init(64, units, rng=0, dtype=dtype),
        an.ReLU(),
        an.Affine.init(units, 10, rng=1, dtype=dtype),
        loss=an.SoftmaxWithLoss(),
    )


net = network(64)
net.fit(x, t, epochs=10)
net.metadata["classes"] = [str(digit) for digit in range(10)]  # anything that JSON can hold
net.save(folder / "digits.npz")

again = an.load(folder / "digits.npz")
np.testing.assert_array_equal(again.predict(x_test), net.predict(x_test))
print(again.summary())
print("classes", again.metadata["classes"])
with np.load(folder / "digits.npz") as file:
    print("arrays in the file:", sorted(file.files))

# %%
# The file holds the parameters and about 2.5 kB beside them.

units = np.array([8, 32, 128, 512])
sizes = {}
for dtype in ("float32", "float64"):
    sizes[dtype] = []
    for n in units:
        network(n, dtype).save(folder / "one.npz")
        sizes[dtype].append((folder / "one.npz").stat().st_size / 1000)
fig, ax = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
for (dtype, kilobytes), style in zip(sizes.items(), ("o-", "s--"), strict=True):
    ax.loglog(units, kilobytes, style, label=dtype)
ax.set(xlabel="hidden units", ylabel="kB", title="size of the file of 64-units-10")
ax.set_xticks(units, units)
ax.minorticks_off()
ax.legend()
print("kB:", {dtype: [round(size, 1) for size in row] for dtype, row in sizes.items()})
plt.show()
