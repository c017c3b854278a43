"""
Decision regions by shape: affinet plot regions
===============================================

You will see what a network without hidden layers, a wide one and a deep one can separate, on three
problems. The wide and the deep network have about the same number of parameters.
"""

import matplotlib.pyplot as plt

import affinet as an

study = an.diagnostics.network_regions()
fig, axes = plt.subplots(3, 3, figsize=(9, 8.6), layout="constrained")
an.plotting.network_regions(study, axes)
for row in study.rows():
    print(*(text.ljust(14) for text in row))

# %%
# Shapes of your own: how many hidden units does the spiral need?

study = an.diagnostics.network_regions(
    ["spiral"], widths={"4 units": [4], "16 units": [16], "64 units": [64]}
)
fig, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
an.plotting.network_regions(study, axes)
plt.show()
