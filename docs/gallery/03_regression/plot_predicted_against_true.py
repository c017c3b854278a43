"""
Predicted against true
======================

You will see a regression judged in the unit of its target: predictions against truth, and how the
error compares with always predicting the mean. The data are the 442 patients of scikit-learn's
diabetes set, the target is the progress of the disease after a year.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

import affinet as an

x, t = load_diabetes(return_X_y=True)
order = np.random.default_rng(0).permutation(len(x))
train, test = order[:350], order[350:]
mean, std = t[train].mean(), t[train].std()
x = (x - x[train].mean(axis=0)) / x[train].std(axis=0)

# %%
# Standardise the target as well: a network starts with outputs near 0, and would need many steps
# to reach 150.

net = an.Sequential(
    an.Affine.init(10, 32, rng=0, activation="tanh"),
    an.Tanh(),
    an.Affine.init(32, 1, rng=1, activation="linear"),
    loss=an.MeanSquaredError(),
)
net.fit(x[train], (t[train, None] - mean) / std, epochs=40, optimizer=an.Adam(0.003), l2=3.0)
y = net.predict(x[test])[:, 0] * std + mean

fig, ax = plt.subplots(figsize=(5.4, 5), layout="constrained")
an.plotting.predicted_against_true(t[test], y, "progress after a year", ax)
constant = an.metrics.root_mean_squared_error(np.full(len(test), mean)[:, None], t[test, None])
print(f"network:  RMSE {an.metrics.root_mean_squared_error(y[:, None], t[test, None]):.1f}")
print(f"constant: RMSE {constant:.1f}")
print(f"R² {an.metrics.r2_score(y[:, None], t[test, None]):.2f}")
plt.show()
