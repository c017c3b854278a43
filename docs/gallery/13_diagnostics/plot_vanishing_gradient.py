"""
Vanishing gradients: affinet plot vanishing-gradient
====================================================

You will see the norm of dW by layer, for four activations and three ways to choose the first
weights, and how much of the gradient reaches the first layer, by depth.
"""

import matplotlib.pyplot as plt

import affinet as an

study = an.diagnostics.vanishing_gradient()
fig, axes = plt.subplots(2, 2, figsize=(10, 7.2), layout="constrained")
an.plotting.vanishing_gradient(study, axes)

# %%
# The numbers of the deepest network, with 20 hidden layers:

for row in study.rows():
    print(*(text.ljust(32 if k == 0 else 15) for k, text in enumerate(row)))

# %%
# Your own activations and scales: how large must the weights of a sigmoid network be?

study = an.diagnostics.vanishing_gradient(
    range(1, 11), layers=[an.Sigmoid()], initializations={"σ 0.1": 0.1, "σ 0.5": 0.5, "σ 1": 1.0}
)
fig, axes = plt.subplots(1, 4, figsize=(14, 3.8), layout="constrained")
an.plotting.vanishing_gradient(study, axes)
plt.show()
