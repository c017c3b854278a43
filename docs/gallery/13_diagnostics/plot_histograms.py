"""
Outputs by layer: affinet plot vanishing-gradient --histograms
==============================================================

You will see how the outputs of five layers of a deep network are distributed before any training.
Each panel gives their spread over the rows: where it is nearly 0, the layers after it have nothing
to tell rows apart.
"""

import matplotlib.pyplot as plt

import affinet as an

study = an.diagnostics.vanishing_gradient()
for place, name in enumerate(study.initializations[:2]):
    fig, axes = plt.subplots(4, 5, figsize=(11, 8), layout="constrained")
    an.plotting.activation_histograms(study, axes, initialization=place)
    fig.suptitle(f"initial weights: {name}")
plt.show()
