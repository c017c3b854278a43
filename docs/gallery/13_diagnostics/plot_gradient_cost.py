"""
The cost of a gradient: affinet plot gradient-cost
==================================================

You will see how many evaluations a numerical gradient needs, how long it takes and how exact it
is, next to one backward pass, on networks of growing size. The times are those of the machine that
built this page.
"""

import matplotlib.pyplot as plt

import affinet as an

study = an.diagnostics.gradient_cost()
fig, axes = plt.subplots(1, 3, figsize=(11, 3.7), layout="constrained")
an.plotting.gradient_cost(study, axes)
for row in study.rows():
    print(*(text.ljust(16) for text in row))
plt.show()
