"""
The derivative: affinet plot derivative
=======================================

You will see secants approach a tangent, and why their step must not be too small: below some step
the rounding error of f, divided by the step, is larger than what the smaller step gains.
"""

import math

import matplotlib.pyplot as plt

import affinet as an

study = an.diagnostics.derivative(math.sin, 1.0, df=math.cos, name="sin x")
fig, axes = plt.subplots(1, 2, figsize=(10, 4.7), layout="constrained")
an.plotting.derivative(study, axes)

# %%
# The numbers: slopes of the secants by width, and where the two difference quotients are best. The
# central one, ``an.numerical_gradient``, has a larger best step and a smaller smallest error.

for row in study.rows():
    print(*(text.ljust(14) for text in row))
for name, errors in (("forward", study.forward_errors), ("central", study.central_errors)):
    best = errors.argmin()
    print(f"{name}: smallest error {errors[best]:.1e} at a step of {study.steps[best]:.0e}")
plt.show()
