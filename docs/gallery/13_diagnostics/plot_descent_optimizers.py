"""
Paths of optimizers: affinet plot descent --optimizers
======================================================

You will see the path of each optimizer from the same start on the same error, whose two curvatures
differ by a factor of 10, and what is left of the error after 40 steps.
"""

import matplotlib.pyplot as plt

import affinet as an

optimizers = an.diagnostics.all_optimizers()
study = an.diagnostics.descent("convex", parameters=2, optimizers=optimizers, steps=40)
rows = -(-len(optimizers) // 4)
fig, axes = plt.subplots(rows, 4, figsize=(13, 2.9 * rows), layout="constrained")
an.plotting.descent(study, axes)
for row in study.rows():
    print(*(text.ljust(20 if k == 0 else 12) for k, text in enumerate(row)))
plt.show()
