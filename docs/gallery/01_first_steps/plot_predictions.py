"""
Looking at predictions
======================

You will see images with the predicted class and its probability, first at random, then the ones the
network gets wrong. A look at mistakes often says more than an accuracy.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

(x, t), (x_test, t_test) = an.datasets.load_digits()
net = an.Sequential(
    an.Affine.init(64, 32, rng=0),
    an.ReLU(),
    an.Affine.init(32, 10, rng=1),
    loss=an.SoftmaxWithLoss(),
)
net.fit(x, t, epochs=15, optimizer=an.Adam(0.003))
p = net.predict_proba(x_test)

fig, axes = plt.subplots(2, 5, figsize=(8, 3.9), layout="constrained")
an.plotting.predictions(x_test[:10], p[:10], t_test[:10], ax=axes)

# %%
# The mistakes, the most confident ones first.

wrong = np.flatnonzero(p.argmax(axis=1) != t_test)
wrong = wrong[np.argsort(-p[wrong].max(axis=1))][:10]
print(f"{np.count_nonzero(p.argmax(axis=1) != t_test)} of {len(t_test)} test images are wrong")
fig, axes = plt.subplots(2, 5, figsize=(8, 3.9), layout="constrained")
an.plotting.predictions(x_test[wrong], p[wrong], t_test[wrong], ax=axes)

# %%
# What the first layer looks at: each square holds the 64 weights of one hidden unit.

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
an.plotting.first_layer_weights(net, n=32, ax=ax)
plt.show()
