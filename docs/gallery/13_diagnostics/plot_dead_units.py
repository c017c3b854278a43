"""
Dead units: affinet plot dead-relu
==================================

You will see the fraction of units that are active for no row, during a training, for two causes,
with ReLU and with LeakyReLU; then how to count dead units in your own network.
"""

import matplotlib.pyplot as plt
import numpy as np

import affinet as an

study = an.diagnostics.dead_relu()
fig, axes = plt.subplots(2, 2, figsize=(9.5, 6.2), layout="constrained")
an.plotting.dead_relu(study, axes)
for row in study.rows():
    print(*(text.ljust((24, 21)[k] if k < 2 else 13) for k, text in enumerate(row)))

# %%
# ``dead_units`` names the units of each ReLU layer that no row activates.

(x, t), _ = an.datasets.load_digits()
bias = np.full(32, -3.0, np.float32)
net = an.Sequential(
    an.Affine(an.Affine.init(64, 32, rng=0).W, bias),
    an.ReLU(),
    an.Affine.init(32, 10, rng=1),
    loss=an.SoftmaxWithLoss(),
)
print("dead units:", [int(np.sum(layer)) for layer in an.diagnostics.dead_units(net, x)])
plt.show()
