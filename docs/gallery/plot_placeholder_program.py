"""
Placeholder
===========

Replaced by the real programs.
"""

import matplotlib.pyplot as plt

plt.plot([0, 1])
