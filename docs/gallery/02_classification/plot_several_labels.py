"""
Several labels for one row
==========================

You will see a network answer four questions about each digit at once: is it even, is it above 4,
is it prime, does it contain a loop? Each output is a separate probability, so
``SigmoidWithLoss`` is the right loss, not a softmax, whose probabilities add up to 1.

.. index:: ! multi-label classification, ! multilabel classification, ! several labels
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, digit), (x_test, digit_test) = an.datasets.load_digits()
questions = {
    "even": [0, 2, 4, 6, 8],
    "above 4": [5, 6, 7, 8, 9],
    "prime": [2, 3, 5, 7],
    "has a loop": [0, 6, 8, 9],
}


def answers(digits):
    """A column of 0 and 1 for each question."""
    return np.stack([np.isin(digits, yes) for yes in questions.values()], axis=1).astype(float)


net = an.Sequential(
    an.Affine.init(64, 64, rng=0),
    an.ReLU(),
    an.Affine.init(64, len(questions), rng=1, activation="linear"),
    loss=an.SigmoidWithLoss(),
)
net.fit(x, answers(digit), epochs=30, optimizer=an.Adam(0.003))
p = net.predict_proba(x_test)

# %%
# The mean probability for each digit, with the right answers as squares.

fig, ax = plt.subplots(figsize=(7.6, 3.6), layout="constrained")
means = np.array([p[digit_test == d].mean(axis=0) for d in range(10)]).T
image = ax.imshow(means, cmap="Blues", vmin=0, vmax=1, aspect="auto")
for row, yes in enumerate(questions.values()):
    for d in range(10):
        colour = "w" if means[row, d] > 0.6 else "k"
        text = f"{means[row, d]:.2f}"
        ax.text(d, row, text, ha="center", va="center", color=colour, fontsize=9)
        if d in yes:
            ax.add_patch(
                plt.Rectangle((d - 0.46, row - 0.46), 0.92, 0.92, fill=False, lw=2, ec="C1")
            )
ax.set_yticks(range(len(questions)), questions)
ax.set_xticks(range(10))
ax.set(xlabel="digit", title="mean probability on test images; squares: the answer is yes")
fig.colorbar(image, ax=ax)
right = (p >= 0.5) == answers(digit_test)
for name, share in zip(questions, right.mean(axis=0), strict=True):
    print(f"{name:10} right for {share:.3f} of the test images")
print(f"all four   right for {right.all(axis=1).mean():.3f}")
plt.show()
