"""
Overfitting: affinet plot overfitting
=====================================

You will see the training and test accuracy of a network that learns 300 digits, a fifth of them
with wrong labels: without help, with weight decay, with dropout, and with both. Bands show three
seeds.
"""

import matplotlib.pyplot as plt

import affinet as an

study = an.diagnostics.overfitting()
fig, axes = plt.subplots(2, 2, figsize=(9.5, 6.6), layout="constrained")
an.plotting.overfitting(study, axes)
for row in study.rows():
    print(*(text.ljust(26 if k == 0 else 10) for k, text in enumerate(row)))
plt.show()
