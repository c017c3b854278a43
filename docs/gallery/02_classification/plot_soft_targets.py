"""
A small network learns from a large one
=======================================

You will see a network of 8 hidden units learn from the probabilities that one of 256 units
predicts, and do better than with the labels: only 200 rows have labels, but the large network can
label all of them. Rows of probabilities are targets like any others for ``SoftmaxWithLoss``. This
is distillation (Hinton, Vinyals, Dean, 2015).
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, t), (x_test, t_test) = an.datasets.load_digits()


def network(units, seed):
    """64-units-10."""
    return an.Sequential(
        an.Affine.init(64, units, rng=seed),
        an.ReLU(),
        an.Affine.init(units, 10, rng=seed + 100),
        loss=an.SoftmaxWithLoss(),
    )


teacher = network(256, 0)
teacher.fit(x[:200], t[:200], steps=2500, optimizer=an.Adam(0.002))
z = teacher.predict(x) / 2  # a temperature of 2 makes the probabilities softer
soft = np.exp(z - z.max(axis=1, keepdims=True))
soft /= soft.sum(axis=1, keepdims=True)

lessons = {
    "200 labels": (x[:200], t[:200]),
    "200 soft targets": (x[:200], soft[:200]),
    f"{len(x)} soft targets": (x, soft),
}
fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
for row, (name, (rows, targets)) in enumerate(lessons.items()):
    scores = []
    for seed in range(6):
        student = network(8, seed)
        student.fit(rows, targets, steps=2500, optimizer=an.Adam(0.005))
        scores.append(student.evaluate(x_test, t_test)["accuracy"])
    ax.plot(scores, np.full(6, row), "o", alpha=0.6)
    ax.plot(np.mean(scores), row, "k|", markersize=26, markeredgewidth=2)
    print(f"8 units, {name}: test accuracy {np.mean(scores):.3f}, mean of 6 seeds")
accuracy = teacher.evaluate(x_test, t_test)["accuracy"]
print(f"256 units, 200 labels: {accuracy:.3f}")
ax.axvline(accuracy, color="0.5", linestyle="--", label="256 units, 200 labels")
ax.set_yticks(range(3), lessons)
ax.set(ylim=(-0.6, 2.9), xlabel="test accuracy", title="8 units, 6 seeds each; bars are means")
ax.legend(loc="upper left")
plt.show()
