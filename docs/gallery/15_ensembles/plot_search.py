"""
A search that ends with an ensemble
===================================

You will see thirty-two networks of random hyper-parameters compete for a table. After each rung
half of them stop; the learning rate falls to almost 0 before, so that all are compared at rest. The
ensemble of the best is beside them, and beside a single network of default hyper-parameters.
"""

import matplotlib.pyplot as plt
import numpy as np

from affinet import tuning
from affinet.estimators import SearchRegressor, TabularRegressor

rng = np.random.default_rng(0)
x = rng.uniform(0, 1, (1500, 6))
y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
y += rng.normal(0, 1, len(y))  # Friedman's first function: the last column means nothing
train, held_out, test = slice(0, 500), slice(500, 700), slice(700, None)
options = {"validation_data": (x[held_out], y[held_out]), "epochs": 40, "random_state": 0}

one = TabularRegressor(batch_size=64, **options).fit(x[train], y[train])
space = tuning.table_space("regression") | {"batch_size": 64}
many = SearchRegressor(space, n_iter=32, rungs=4, **options).fit(x[train], y[train])

# %%
# ``trials_`` has the hyper-parameters and the history of every network.


def rmse(model):
    return np.sqrt(np.mean((model.predict(x[test]) - y[test]) ** 2))


print(f"test RMSE: one network {rmse(one):.3f}, the search {rmse(many):.3f}; noise alone 1.0")
print(f"the ensemble has {len(many.ensemble_)} members; the best network alone:")
print({name: many.best_params_[name] for name in ("layers", "width", "activation", "lr")})

fig, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for trial in many.trials_:
    losses = trial.history["val_loss"]
    color, z = ("C0", 3) if trial.stopped == "epochs" else ("0.75", 2)
    ax.plot(np.arange(1, len(losses) + 1), losses, color=color, linewidth=1, zorder=z)
ax.plot([], [], color="0.75", label="networks that fell behind")
ax.plot([], [], color="C0", label="networks of the last rung")
ax.axhline(many.validation_loss_, color="C1", label="the ensemble")
ax.set(xscale="log", yscale="log", xlabel="epoch", ylabel="validation loss")
ax.set_ylim(0.7 * many.validation_loss_, 3)
ax.legend()
plt.show()
