"""
Are the probabilities right?
============================

You will see how often a prediction of "80 %" is right, before and after calibration. A network
that is trained long becomes too sure; ``CalibratedClassifierCV`` of scikit-learn corrects that,
here even a little too much. The log loss says that the probabilities became better.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss

from affinet.estimators import MLPClassifier

# The number of epochs is fixed here, so "not converged yet" is no news.
warnings.simplefilter("ignore", ConvergenceWarning)

x, t = make_classification(
    4000, 20, n_informative=6, n_redundant=4, flip_y=0.15, class_sep=0.7, random_state=0
)
train, test = slice(0, 1500), slice(1500, None)
network = MLPClassifier((64,), max_iter=80, learning_rate_init=0.005, tol=0, random_state=0)
models = {
    "network": network,
    "calibrated": CalibratedClassifierCV(network, method="sigmoid", cv=3),
}

fig, ax = plt.subplots(figsize=(5.4, 4.8), layout="constrained")
ax.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="perfect")
for (name, model), style in zip(models.items(), ("o--", "s-"), strict=True):
    p = model.fit(x[train], t[train]).predict_proba(x[test])[:, 1]
    found, predicted = calibration_curve(t[test], p, n_bins=8)
    ax.plot(predicted, found, style, label=name)
    accuracy = np.mean((p > 0.5) == t[test])
    print(f"{name:10} log loss {log_loss(t[test], p):.3f}, accuracy {accuracy:.3f}")
ax.set(xlabel="predicted probability", ylabel="fraction of rows of class 1", title="2500 new rows")
ax.legend()
plt.show()
