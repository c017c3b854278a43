"""
One training step in numbers: affinet plot three-steps
======================================================

You will see every matrix of one training step, forward, backward and update, of a network with two
inputs, three hidden units and two classes; then the same for your own network and batch.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

study = an.diagnostics.three_steps()
fig = plt.figure(figsize=(11, 5.6), layout="constrained")
an.plotting.three_steps(study, fig.subplots(3, 6))

# %%
# The numbers as a table:

for name, values in study.rows():
    print(name.ljust(28), values)

# %%
# A regression with one hidden unit, and a larger step:

net = an.Sequential(
    an.Affine(np.array([[0.5], [-1.0]]), np.array([0.1])),
    an.Tanh(),
    an.Affine(np.array([[2.0]]), np.zeros(1)),
    loss=an.MeanSquaredError(),
)
x, t = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0], [-1.0]])
study = an.diagnostics.three_steps(net, x, t, optimizer=an.SGD(0.2))
fig = plt.figure(figsize=(11, 5.6), layout="constrained")
an.plotting.three_steps(study, fig.subplots(3, 6))
print(f"loss {study.loss:.4f}, after the update {study.loss_after:.4f}")
plt.show()
