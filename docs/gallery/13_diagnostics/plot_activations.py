"""
Activation functions: affinet plot activations
==============================================

You will see all activation functions with their derivatives, and the largest slope of each. At a
unit, backpropagation multiplies the gradient by this slope. (Softplus approaches a slope of 1
without reaching it.)
"""

import matplotlib.pyplot as plt

import affinet as an

curves = an.diagnostics.activation_functions()
fig, axes = plt.subplots(3, 3, figsize=(10, 9), layout="constrained")
an.plotting.activation_functions(curves, axes)
for curve in curves:
    print(f"{curve.name:24} largest slope {curve.greatest:.4f} at {curve.at:.2f}")

# %%
# Only some, from closer up:

fig, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
an.plotting.activation_functions([an.GELU(), an.LeakyReLU(0.2), an.Softplus()], axes, reach=2)
plt.show()
