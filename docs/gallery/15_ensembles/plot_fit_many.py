"""
Many networks at once
=====================

You will see sixty-four networks of several widths and learning rates trained in one call, and an
ensemble of a few of them, chosen one by one with repeats, beside the network that alone was best on
the same held-out rows. Every network ends with the same bits as after its own ``fit``.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, t), (x_test, t_test) = an.datasets.load_digits()
x, t, x_held_out, t_held_out = x[:700], t[:700], x[700:], t[700:]
rng = np.random.default_rng(0)
widths = rng.choice([4, 8, 16, 32], 64)
nets = [
    an.Sequential(
        an.Affine.init(64, width, rng=seed),
        an.ReLU(),
        an.Affine.init(width, 10, rng=seed + 1000),
        loss=an.SoftmaxWithLoss(),
    )
    for seed, width in enumerate(widths.tolist())
]
bootstrap = [rng.integers(len(x), size=len(x)) for _ in nets]
an.fit_many(
    nets,
    x,
    t,
    rows=bootstrap,
    epochs=30,
    optimizers=[an.Adam(lr) for lr in 10 ** rng.uniform(-3.5, -1.5, 64)],
    seeds=range(64),
)

# %%
# The greedy choice looks at rows that no network was trained on.

chosen = an.Ensemble(nets).pruned(16, x_held_out, t_held_out)
held_out = np.array([net.evaluate(x_held_out, t_held_out)["loss"] for net in nets])
single = np.array([net.evaluate(x_test, t_test)["accuracy"] for net in nets])
everyone = an.Ensemble(nets).evaluate(x_test, t_test)["accuracy"]
best = chosen.evaluate(x_test, t_test)["accuracy"]
print(f"single networks {single.min():.3f} to {single.max():.3f}")
print(f"the one that is best on held-out rows {single[held_out.argmin()]:.3f}")
print(f"all together {everyone:.3f}, the chosen {len(chosen.members)} {best:.3f}")

fig, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
ax.plot(widths * rng.uniform(0.93, 1.07, 64), single, "o", alpha=0.6, label="one network")
ax.axhline(single[held_out.argmin()], color="C3", linestyle=":", label="the best on held-out rows")
ax.axhline(everyone, color="C1", linestyle="--", label="all together")
ax.axhline(best, color="C2", label=f"the chosen {len(chosen.members)}")
ax.set(xscale="log", xlabel="hidden units", ylabel="test accuracy")
ax.set_xticks([4, 8, 16, 32], ["4", "8", "16", "32"])
ax.minorticks_off()
ax.legend(loc="lower right")
plt.show()
