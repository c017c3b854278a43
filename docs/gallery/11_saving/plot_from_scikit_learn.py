"""
Continue what scikit-learn began
================================

You will see a network that scikit-learn trained become an affinet network with the same
predictions, and train on. ``from_sklearn`` takes fitted ``MLPClassifier`` and ``MLPRegressor``.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

import affinet as an

(x, t), (x_test, t_test) = an.datasets.load_digits()
x, x_test = x.astype(float), x_test.astype(float)
model = MLPClassifier((32,), max_iter=10, random_state=0, learning_rate_init=0.003)
with warnings.catch_warnings():  # it stops early on purpose
    warnings.simplefilter("ignore", ConvergenceWarning)
    model.fit(x, t)

net = an.from_sklearn(model)
difference = np.abs(net.predict_proba(x_test) - model.predict_proba(x_test)).max()
print(f"largest difference of a probability {difference:.1e}")

history = net.fit(x, t, epochs=20, optimizer=an.Adam(0.003), validation_data=(x_test, t_test))

fig, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
ax.plot(range(1, 11), model.loss_curve_, "o-", label="scikit-learn")
ax.plot(range(11, 31), history["loss"], "s-", label="affinet, from there on")
ax.set(xlabel="epoch", ylabel="training loss", yscale="log")
ax.legend()
print(f"test accuracy {model.score(x_test, t_test):.3f}, then {history['val_accuracy'][-1]:.3f}")
plt.show()
