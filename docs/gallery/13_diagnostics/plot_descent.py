"""
Gradient descent: affinet plot descent
======================================

You will see descent with a small, a good and a large learning rate on three errors: a parabola, one
that is flat around its minimum, and one with two minima.
"""

import matplotlib.pyplot as plt

import affinet as an

names = ("convex", "flat", "two-valley")
studies = [an.diagnostics.descent(name, name=name) for name in names]
fig, axes = plt.subplots(3, 3, figsize=(10, 9), layout="constrained")
an.plotting.descent(studies, axes)

# %%
# The numbers, and how each path ended.

for study in studies:
    print(f"{study.error.name}: E = {study.error.formula}")
    for row in study.rows():
        print("   ", *(text.ljust(12) for text in row))

# %%
# Your own function works too, in one or two parameters.


def error(w):
    """A narrow valley that bends."""
    return 0.5 * (w[0] - 1) ** 2 + 2 * (w[1] - w[0] ** 2) ** 2


study = an.diagnostics.descent(error, [-1.0, 1.5], rates=[0.01, 0.05, 0.15], steps=60)
fig, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
an.plotting.descent(study, axes)
plt.show()
