"""
Searching parameters
====================

You will see the score of 20 combinations of the penalty and the learning rate as a map. Every
parameter of the estimators can be searched, as in scikit-learn.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from affinet.estimators import MLPClassifier

# The number of epochs is fixed here, so "not converged yet" is no news.
warnings.simplefilter("ignore", ConvergenceWarning)

x, t = load_breast_cancer(return_X_y=True)
alphas, rates = [0.01, 0.1, 1.0, 10.0, 30.0], [0.0003, 0.003, 0.03, 0.3]
model = make_pipeline(StandardScaler(), MLPClassifier((32,), random_state=0, max_iter=20, tol=0))
search = GridSearchCV(
    model,
    {"mlpclassifier__alpha": alphas, "mlpclassifier__learning_rate_init": rates},
    cv=4,
)
search.fit(x, t)
print("best:", search.best_params_, f"score {search.best_score_:.3f}")

scores = search.cv_results_["mean_test_score"].reshape(len(alphas), len(rates))
fig, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
image = ax.imshow(scores, cmap="viridis", aspect="auto", vmin=0.93)
for (row, column), score in np.ndenumerate(scores):
    dark = score < 0.965
    ax.text(column, row, f"{score:.3f}", ha="center", va="center", color="w" if dark else "k")
ax.set_xticks(range(len(rates)), rates)
ax.set_yticks(range(len(alphas)), alphas)
ax.set(xlabel="learning_rate_init", ylabel="alpha", title="accuracy, mean of four folds")
fig.colorbar(image, ax=ax)
plt.show()
