"""
Confusion matrix and scores by class
====================================

You will see which digits are taken for which, and precision and recall of each class. One accuracy
for all classes can hide that one of them is always wrong.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, t), (x_test, t_test) = an.datasets.load_digits()
net = an.Sequential(
    an.Affine.init(64, 24, rng=0),
    an.ReLU(),
    an.Affine.init(24, 10, rng=1),
    loss=an.SoftmaxWithLoss(),
)
net.fit(x, t, epochs=8, optimizer=an.Adam(0.003))
y = net.predict(x_test)

counts = an.metrics.confusion_matrix(y, t_test)
fig, ax = plt.subplots(figsize=(6.8, 5.6), layout="constrained")
an.plotting.confusion_matrix(counts, ax=ax)

# %%
# Recall is the part of a true class that is found, precision the part of a prediction that is
# right.

recall = np.diag(counts) / counts.sum(axis=1)
precision = np.diag(counts) / counts.sum(axis=0)
fig, ax = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
places = np.arange(10)
ax.bar(places - 0.2, recall, 0.38, label="recall")
ax.bar(places + 0.2, precision, 0.38, label="precision", hatch="//", edgecolor="w")
ax.set(xlabel="digit", ylim=(0.7, 1.08), title=f"{len(t_test)} test images")
ax.set_xticks(places)
ax.legend(loc="upper center", ncols=2)
print(f"accuracy {an.metrics.accuracy(y, t_test):.3f}")
print(f"macro F1 {an.metrics.f1_score(y, t_test):.3f}")
print(f"top 2    {an.metrics.top_k_accuracy(y, t_test, k=2):.3f}")
plt.show()
