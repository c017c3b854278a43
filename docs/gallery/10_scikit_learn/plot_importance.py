"""
Which columns matter?
=====================

You will see by how much the score of a network falls when one column is shuffled, for the ten
columns of the diabetes set. A column that the network does not need can be shuffled without harm.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import permutation_importance
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from affinet.estimators import MLPRegressor

# The number of epochs is fixed here, so "not converged yet" is no news.
warnings.simplefilter("ignore", ConvergenceWarning)

data = load_diabetes()
x, x_test, t, t_test = train_test_split(data.data, data.target, random_state=0)
network = MLPRegressor(
    hidden_layer_sizes=(32,), alpha=10.0, learning_rate_init=0.01, max_iter=40, random_state=0
)
model = TransformedTargetRegressor(  # scales the targets too
    make_pipeline(StandardScaler(), network), transformer=StandardScaler()
)
model.fit(x, t)
print(f"R² on new rows {model.score(x_test, t_test):.2f}")
found = permutation_importance(model, x_test, t_test, n_repeats=20, random_state=0)

order = np.argsort(found.importances_mean)
fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
ax.barh(
    np.array(data.feature_names)[order],
    found.importances_mean[order],
    xerr=found.importances_std[order],
    color="C0",
    error_kw={"ecolor": "0.3"},
)
ax.set(xlabel="fall of R² when the column is shuffled", title="111 new patients, 20 shuffles")
plt.show()
