"""
An ensemble within one network
==============================

You will see eight members that share most of their weights disagree where there are no data.
Layers for members train all of them in one network: each has its own factors and offsets, and they
share the large matrices (Wen, Tran, Ba, "BatchEnsemble", ICLR 2020).
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

members = 8
rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, (400, 1))
x = x[(x[:, 0] < 0) | (x[:, 0] > 1.5)]  # a gap
t = np.sin(2 * x) + 0.1 * rng.standard_normal(x.shape)
grid = np.linspace(-3.5, 3.5, 300)[:, np.newaxis]

net = an.Sequential(
    an.BatchEnsemble(members, 1, 64, rng=0, first=True, dtype="float64"),
    an.ReLU(),
    an.BatchEnsemble(members, 64, 64, rng=1, dtype="float64"),
    an.ReLU(),
    an.MemberAffine(members, 64, 1, rng=2, dtype="float64"),
    loss=an.MeanSquaredError(),
)
print(net.summary())

# %%
# In a batch, the first eighth of the rows belongs to the first member, and so on.
# ``MemberBatches`` draws them: 32 rows for each member in every step.

sampler = an.samplers.MemberBatches(members, 32)
net.fit(
    x,
    t,
    epochs=200,
    batch_size=32 * members,
    optimizer=an.Adam(),
    schedule=an.schedules.Cosine(0.01),
    sampler=sampler,
)
y = net(np.tile(grid, (members, 1))).reshape(members, -1)
mean, spread = y.mean(axis=0), y.std(axis=0)

fig, (top, bottom) = plt.subplots(
    2, 1, figsize=(7.5, 5.4), layout="constrained", sharex=True, height_ratios=[2, 1]
)
top.plot(x, t, ".", color="0.75", label="data")
top.plot(grid, y.T, color="C0", linewidth=0.6, alpha=0.7)
top.plot(grid, mean, color="C1", linewidth=2, label="mean of eight members")
top.set(ylabel="y", ylim=(-2, 2))
top.legend(loc="upper right")
bottom.plot(grid, spread)
bottom.set(xlabel="x", ylabel="spread of the members", ylim=(0, None))
inside = ((grid > 0) & (grid < 1.5))[:, 0]
known = ((grid > -3) & (grid < 3))[:, 0] & ~inside
print(f"spread near data {spread[known].mean():.3f}, in the gap {spread[inside].mean():.3f}")
plt.show()
