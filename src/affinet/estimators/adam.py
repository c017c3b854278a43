"""Adam as scikit-learn's MLPs compute it."""

from __future__ import annotations

from affinet.optimizers import Adam


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

    kernel = "scikit_learn_adam"
