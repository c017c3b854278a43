"""Adam as scikit-learn's MLPs compute it."""

from __future__ import annotations

import math

from affinet._dispatch import kernels
from affinet._validation import Array
from affinet.optimizers import Adam, State


class ScikitLearnAdam(Adam):
    """Adam with an epsilon that is not corrected for the step.

    ``W -= lr sqrt(1 - beta2^step) / (1 - beta1^step) m / (sqrt(v) + eps)``, the efficient form at
    the end of section 2 of Kingma, Ba, ICLR 2015, as scikit-learn's ``MLPClassifier`` has it.
    :class:`affinet.Adam` is algorithm 1 of the paper, which adds eps to the root of the corrected
    average: here that epsilon is ``eps / sqrt(1 - beta2^step)``, 32 times as large at the first
    step with beta2 = 0.999, and the same in the end.

    Examples
    --------
    >>> import numpy as np
    >>> W = np.array([1.0])
    >>> ScikitLearnAdam(lr=0.1, beta2=0.75, eps=1.5).update(W, np.array([3.0]))
    >>> W  # 1 - 0.1 * 0.5 / 0.1 * 0.3 / (1.5 + 1.5)
    array([0.95])
    """

    kernel = "adam"

    def _apply(self, dW: Array, W: Array, state: State) -> None:
        left = -math.expm1(state.step * math.log(self.beta2)) if self.beta2 > 0 else 1.0
        eps = self.eps / math.sqrt(left)  # left is 1 - beta2^step
        m, v = state.averages
        kernels.adam_update(dW, self.lr, self.beta1, self.beta2, eps, state.step, m, v, W)
