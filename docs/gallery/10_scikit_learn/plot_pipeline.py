"""
In a pipeline, with cross-validation
====================================

You will see ten folds of a cross-validation of ``MLPClassifier`` in a pipeline, next to a logistic
regression. The scaler is fitted in each fold on its training rows only, which is what a pipeline
is for.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from affinet.estimators import MLPClassifier

# The number of epochs is fixed here, so "not converged yet" is no news.
warnings.simplefilter("ignore", ConvergenceWarning)

x, t = load_wine(return_X_y=True)
models = {
    "logistic regression": LogisticRegression(),
    "MLPClassifier": MLPClassifier((32,), max_iter=60, learning_rate_init=0.01, random_state=0),
    "MLPClassifier, unscaled": None,
}
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for row, (name, model) in enumerate(models.items()):
    pipeline = make_pipeline(StandardScaler(), model) if model else models["MLPClassifier"]
    scores = cross_val_score(pipeline, x, t, cv=10)
    print(f"{name:24} {scores.mean():.3f} ± {scores.std():.3f}")
    ax.plot(scores, [row + 0.04 * (k - 4.5) for k in range(10)], "o", alpha=0.6)
    ax.plot(scores.mean(), row, "k|", markersize=30, markeredgewidth=2)
ax.set_yticks(range(3), models)
ax.set(xlabel="accuracy", title="178 wines, ten folds; bars are means", ylim=(2.6, -0.6))
plt.show()
