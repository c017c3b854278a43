"""The update rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from affinet._validation import positive_in_single, real_number
from affinet.optimizers.base import CompiledOptimizer
from affinet.optimizers.groups import Group

# In the order of the shell and the plots: simplest rule first.
__all__ = ["SGD", "Momentum", "Nesterov", "AdaGrad", "RMSprop", "Adam", "AdamW", "Lion"]  # noqa: RUF022


class SGD(CompiledOptimizer):
    """Stochastic gradient descent: ``W -= lr (dW + weight_decay W)``.

    Parameters
    ----------
    lr : float
        Learning rate.
    weight_decay : float
        Shrinks every parameter towards 0; 0 or more. To add a penalty on weights to the loss, use
        ``l2`` of :meth:`Sequential.fit`.
    decay_bias : bool
        False exempts biases and normalizations from the decay; see :class:`Optimizer`.
    groups : sequence of Group, optional
        Parameters whose learning rate and weight decay are multiplied, see :class:`Group`.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> params, grads = {"W": np.array([1.0])}, {"W": np.array([2.0])}
    >>> an.SGD(lr=0.1).update(params, grads)
    >>> params["W"]
    array([0.8])
    """

    kernel = "sgd"
    shell_name = "sgd"
    shell_lr = 0.1
    picture_lr = 0.15

    def __init__(
        self,
        lr: float = 0.01,
        weight_decay: float = 0.0,
        *,
        decay_bias: bool = True,
        groups: Sequence[Group] | None = None,
    ) -> None:
        super().__init__(lr, groups)
        self.weight_decay = real_number("weight_decay", weight_decay, 0.0)
        self.decay_bias = bool(decay_bias)

    def config(self) -> dict[str, float]:
        """Learning rate and weight decay."""
        return {"lr": self.lr, "weight_decay": self.weight_decay}


class Momentum(CompiledOptimizer):
    """Heavy ball: ``v = momentum v - lr dW; W += v``. Polyak (1964).

    Parameters
    ----------
    lr : float
        Learning rate.
    momentum : float
        Fraction of the previous step that is kept, 0 <= momentum < 1.
    groups : sequence of Group, optional
        Parameters whose learning rate is multiplied, see :class:`Group`.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> W, optimizer = np.array([1.0]), an.Momentum(lr=0.1, momentum=0.5)
    >>> for _ in range(2):
    ...     optimizer.update(W, np.array([1.0]))
    >>> W.round(6)
    array([0.75])
    """

    kernel = "momentum"
    shell_name = "momentum"
    shell_lr = 0.01
    picture_lr = 0.02
    n_averages = 1

    def __init__(
        self,
        lr: float = 0.01,
        momentum: float = 0.9,
        *,
        groups: Sequence[Group] | None = None,
    ) -> None:
        super().__init__(lr, groups)
        self.momentum = real_number("momentum", momentum, 0.0, 1.0)

    def config(self) -> dict[str, float]:
        """Learning rate and momentum."""
        return {"lr": self.lr, "momentum": self.momentum}


class Nesterov(Momentum):
    """Nesterov's momentum: ``v = momentum v - lr dW; W += momentum v - lr dW``.

    As in scikit-learn's ``MLPClassifier``: W is the point where the gradient is taken, one
    look-ahead step from the parameters of Sutskever et al., "On the importance of initialization
    and momentum in deep learning", ICML 2013, equations 3 and 4. Nesterov (1983).

    Parameters
    ----------
    lr : float
        Learning rate.
    momentum : float
        Fraction of the previous step that is kept, 0 <= momentum < 1.
    groups : sequence of Group, optional
        Parameters whose learning rate is multiplied, see :class:`Group`.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> W, optimizer = np.array([1.0]), an.Nesterov(lr=0.1, momentum=0.5)
    >>> optimizer.update(W, np.array([1.0]))
    >>> W.round(6)
    array([0.85])
    """

    kernel = "nesterov"
    shell_name = "nesterov"
    shell_lr = 0.01
    picture_lr = 0.02


class AdaGrad(CompiledOptimizer):
    """``h += dW^2; W -= lr dW / (sqrt(h) + 1e-7)``. Duchi, Hazan, Singer, JMLR 12 (2011).

    Parameters
    ----------
    lr : float
        Learning rate.
    groups : sequence of Group, optional
        Parameters whose learning rate is multiplied, see :class:`Group`.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> W = np.array([1.0])
    >>> an.AdaGrad(lr=0.1).update(W, np.array([5.0]))
    >>> W.round(6)
    array([0.9])
    """

    kernel = "adagrad"
    shell_name = "adagrad"
    shell_lr = 0.05
    picture_lr = 1.0
    n_averages = 1
    eps: ClassVar[float] = 1e-7

    def __init__(self, lr: float = 0.01, *, groups: Sequence[Group] | None = None) -> None:
        super().__init__(lr, groups)

    def rule_numbers(self) -> tuple[float, ...]:
        """Learning rate and epsilon."""
        return (self.lr, self.eps)


class RMSprop(CompiledOptimizer):
    """``h = decay h + (1 - decay) dW^2; W -= lr dW / (sqrt(h) + eps)``, as in PyTorch.

    Tieleman and Hinton, Neural Networks for Machine Learning (2012), lecture 6.5.

    Parameters
    ----------
    lr : float
        Learning rate.
    decay : float
        Fraction of the average kept at each step, 0 <= decay < 1.
    eps : float
        Added outside the root, above 0.
    groups : sequence of Group, optional
        Parameters whose learning rate is multiplied, see :class:`Group`.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> W = np.array([1.0])
    >>> an.RMSprop(lr=0.1, decay=0.75).update(W, np.array([5.0]))
    >>> W.round(6)
    array([0.8])
    """

    kernel = "rmsprop"
    shell_name = "rmsprop"
    shell_lr = 0.001
    picture_lr = 0.1
    n_averages = 1

    def __init__(
        self,
        lr: float = 0.01,
        decay: float = 0.99,
        eps: float = 1e-8,
        *,
        groups: Sequence[Group] | None = None,
    ) -> None:
        super().__init__(lr, groups)
        self.decay = real_number("decay", decay, 0.0, 1.0)
        self.eps = positive_in_single("eps", eps)

    def config(self) -> dict[str, float]:
        """Learning rate, decay and epsilon."""
        return {"lr": self.lr, "decay": self.decay, "eps": self.eps}


class Adam(CompiledOptimizer):
    """Adam: steps scaled by running averages of the gradient and of its square.

    ``m = beta1 m + (1 - beta1) dW; v = beta2 v + (1 - beta2) dW^2;
    W -= lr m' / (sqrt(v') + eps)`` with ``m' = m / (1 - beta1^step)`` and
    ``v' = v / (1 - beta2^step)``. Kingma, Ba, ICLR 2015, algorithm 1.

    Parameters
    ----------
    lr : float
        Learning rate.
    beta1, beta2 : float
        Decay of the two averages, 0 <= beta < 1.
    eps : float
        Added outside the root, above 0.
    groups : sequence of Group, optional
        Parameters whose learning rate is multiplied, see :class:`Group`.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> W = np.array([1.0])
    >>> an.Adam(lr=0.1).update(W, np.array([5.0]))
    >>> W.round(6)
    array([0.9])
    """

    kernel = "adam"
    counts_steps = True
    shell_name = "adam"
    shell_lr = 0.001
    picture_lr = 0.3
    n_averages = 2

    def __init__(
        self,
        lr: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        *,
        groups: Sequence[Group] | None = None,
    ) -> None:
        super().__init__(lr, groups)
        self.beta1 = real_number("beta1", beta1, 0.0, 1.0)
        self.beta2 = real_number("beta2", beta2, 0.0, 1.0)
        self.eps = positive_in_single("eps", eps)

    def config(self) -> dict[str, float]:
        """Learning rate, decays and epsilon."""
        return {"lr": self.lr, "beta1": self.beta1, "beta2": self.beta2, "eps": self.eps}


class AdamW(Adam):
    """Adam with decoupled weight decay: ``W -= lr weight_decay W``, then Adam's step.

    The decay bypasses Adam's averages, so it is the same for all parameters, including biases
    unless ``decay_bias=False``.
    Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2; the
    decay is multiplied by the learning rate, as in PyTorch.

    Parameters
    ----------
    lr : float
        Learning rate.
    beta1, beta2 : float
        Decay of the two averages, 0 <= beta < 1.
    eps : float
        Added outside the root, above 0.
    weight_decay : float
        Strength of the decay, 0 or more.
    decay_bias : bool
        False exempts biases and normalizations from the decay; see :class:`Optimizer`.
    groups : sequence of Group, optional
        Parameters whose learning rate and weight decay are multiplied, see :class:`Group`.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> W = np.array([1.0])
    >>> an.AdamW(lr=0.1, weight_decay=0.5).update(W, np.array([5.0]))
    >>> W.round(6)
    array([0.85])
    """

    kernel = "adamw"
    shell_name = "adamw"
    shell_lr = 0.001
    picture_lr = 0.3

    def __init__(
        self,
        lr: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        *,
        decay_bias: bool = True,
        groups: Sequence[Group] | None = None,
    ) -> None:
        super().__init__(lr, beta1, beta2, eps, groups=groups)
        self.weight_decay = real_number("weight_decay", weight_decay, 0.0)
        self.decay_bias = bool(decay_bias)

    def config(self) -> dict[str, float]:
        """Learning rate, decays of the averages, epsilon and weight decay."""
        return super().config() | {"weight_decay": self.weight_decay}


class Lion(CompiledOptimizer):
    """Equal-sized steps for all parameters, by the sign of a running mean of the gradient.

    ``W -= lr (sign(beta1 m + (1 - beta1) dW) + weight_decay W); m = beta2 m + (1 - beta2) dW``.
    Chen et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023, algorithm 2. It
    keeps one average where Adam keeps two; a good learning rate is 3 to 10 times smaller than
    Adam's, and a good weight decay larger than AdamW's by the same factor.

    Parameters
    ----------
    lr : float
        Learning rate: the size of a step.
    beta1, beta2 : float
        Decay of the average that sets the step's direction, and of the stored one, 0 <= beta < 1.
    weight_decay : float
        Strength of the decay, 0 or more.
    decay_bias : bool
        False exempts biases and normalizations from the decay; see :class:`Optimizer`.
    groups : sequence of Group, optional
        Parameters whose learning rate and weight decay are multiplied, see :class:`Group`.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> W = np.array([1.0, 1.0])
    >>> an.Lion(lr=0.1).update(W, np.array([5.0, -0.01]))
    >>> W.round(6)
    array([0.9, 1.1])
    """

    kernel = "lion"
    shell_name = "lion"
    shell_lr = 0.0003
    picture_lr = 0.1
    n_averages = 1

    def __init__(
        self,
        lr: float = 0.0001,
        beta1: float = 0.9,
        beta2: float = 0.99,
        weight_decay: float = 0.0,
        *,
        decay_bias: bool = True,
        groups: Sequence[Group] | None = None,
    ) -> None:
        super().__init__(lr, groups)
        self.decay_bias = bool(decay_bias)
        self.beta1 = real_number("beta1", beta1, 0.0, 1.0)
        self.beta2 = real_number("beta2", beta2, 0.0, 1.0)
        self.weight_decay = real_number("weight_decay", weight_decay, 0.0)

    def config(self) -> dict[str, float]:
        """Learning rate, decays of the averages and weight decay."""
        return {
            "lr": self.lr,
            "beta1": self.beta1,
            "beta2": self.beta2,
            "weight_decay": self.weight_decay,
        }
