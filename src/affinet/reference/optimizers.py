"""Optimizers: the new state, then the new parameters."""

from __future__ import annotations

import math

import numpy as np

from affinet.reference._arrays import Array, require_shape

__all__ = [
    "adagrad_update",
    "adam_update",
    "adamw_update",
    "blend",
    "lion_update",
    "momentum_update",
    "nesterov_update",
    "rmsprop_update",
    "scikit_learn_adam_update",
    "sgd_update",
]


def sgd_update(dW: Array, lr: float, weight_decay: float, W: Array) -> Array:
    """Gradient descent, ``W - lr (dW + weight_decay W)``.

    Parameters
    ----------
    dW : array of any shape
        The gradient of the loss with respect to W.
    lr : float
        Learning rate.
    weight_decay : float
        Strength of the weight decay; 0 disables it, whatever W is.
    W : array shaped as dW

    Returns
    -------
    array shaped as dW
        The new W.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Sources: DL, section 8.3.1, algorithm 8.1; for the decay section 7.1.1, equation 7.4.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import sgd_update
    >>> sgd_update(np.array([2.0]), 0.25, 0.0, np.array([1.0]))
    array([0.5])
    >>> sgd_update(np.array([2.0]), 0.25, 0.5, np.array([1.0]))
    array([0.375])
    """
    require_shape("W", W, dW.shape)
    if weight_decay:
        dW = dW + float(weight_decay) * W
    return W - float(lr) * dW


def momentum_update(
    dW: Array, lr: float, momentum: float, v: Array, W: Array
) -> tuple[Array, Array]:
    """Gradient descent with momentum, ``v = momentum v - lr dW``, then ``W = W + v``.

    Parameters
    ----------
    dW : array of any shape
        The gradient of the loss with respect to W.
    lr, momentum : float
        Learning rate, and the share of the velocity that is kept.
    v, W : arrays shaped as dW
        Velocity (zeros at first) and parameters.

    Returns
    -------
    v, W : arrays shaped as dW

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Sources: Polyak, 1964; Sutskever et al., ICML 2013, equations 1 and 2; DL, algorithm 8.2.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import momentum_update
    >>> momentum_update(np.array([2.0]), 0.25, 0.5, np.array([1.0]), np.array([1.0]))
    (array([0.]), array([1.]))
    """
    require_shape("v", v, dW.shape)
    require_shape("W", W, dW.shape)
    v = float(momentum) * v - float(lr) * dW
    return v, W + v


def nesterov_update(
    dW: Array, lr: float, momentum: float, v: Array, W: Array
) -> tuple[Array, Array]:
    """Nesterov's momentum, ``v = momentum v - lr dW``, then ``W = W + momentum v - lr dW``.

    Parameters
    ----------
    dW : array of any shape
        The gradient of the loss with respect to W.
    lr, momentum : float
        Learning rate, and the share of the velocity that is kept.
    v, W : arrays shaped as dW
        Velocity (zeros at first) and parameters.

    Returns
    -------
    v, W : arrays shaped as dW

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    W is one look-ahead step, ``momentum v``, from the parameters of Sutskever et al., ICML 2013,
    equations 3 and 4, so that dW is taken at W itself, as in scikit-learn's ``MLPClassifier``.
    Source: Nesterov, 1983; Bengio, Boulanger-Lewandowski & Pascanu, ICASSP 2013, equations 6 and 7.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import nesterov_update
    >>> nesterov_update(np.array([2.0]), 0.25, 0.5, np.array([2.0]), np.array([1.0]))
    (array([0.5]), array([0.75]))
    """
    require_shape("v", v, dW.shape)
    require_shape("W", W, dW.shape)
    lr, momentum = float(lr), float(momentum)
    v = momentum * v - lr * dW
    return v, W + momentum * v - lr * dW


def adagrad_update(dW: Array, lr: float, eps: float, h: Array, W: Array) -> tuple[Array, Array]:
    """AdaGrad, ``h = h + dW^2``, then ``W = W - lr dW / (sqrt(h) + eps)``.

    Parameters
    ----------
    dW : array of any shape
        The gradient of the loss with respect to W.
    lr, eps : float
        Learning rate, and a small constant that keeps the quotient finite where h is 0.
    h, W : arrays shaped as dW
        Sum of the squared gradients (zeros at first) and parameters.

    Returns
    -------
    h, W : arrays shaped as dW

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Source: Duchi, Hazan & Singer, JMLR 12, 2011, in its diagonal form; DL, algorithm 8.4.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import adagrad_update
    >>> adagrad_update(np.array([4.0]), 0.5, 1.0, np.array([9.0]), np.array([1.0]))
    (array([25.]), array([0.66666667]))
    """
    require_shape("h", h, dW.shape)
    require_shape("W", W, dW.shape)
    h = h + dW * dW
    return h, W - float(lr) * dW / (np.sqrt(h) + float(eps))


def rmsprop_update(
    dW: Array, lr: float, decay: float, eps: float, h: Array, W: Array
) -> tuple[Array, Array]:
    """RMSprop, ``h = decay h + (1 - decay) dW^2``, then ``W = W - lr dW / (sqrt(h) + eps)``.

    Parameters
    ----------
    dW : array of any shape
        The gradient of the loss with respect to W.
    lr : float
        Learning rate.
    decay : float
        Fraction of the running mean that is kept, 0 <= decay < 1.
    eps : float
        Added outside the root.
    h, W : arrays shaped as dW
        Running mean of the squared gradient (zeros at first) and parameters.

    Returns
    -------
    h, W : arrays shaped as dW

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Source: Tieleman & Hinton, Neural Networks for Machine Learning, 2012, lecture 6.5; eps is
    placed as in PyTorch's ``RMSprop``.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import rmsprop_update
    >>> rmsprop_update(np.array([4.0]), 0.5, 0.75, 1.0, np.array([0.0]), np.array([1.0]))
    (array([4.]), array([0.33333333]))
    """
    require_shape("h", h, dW.shape)
    require_shape("W", W, dW.shape)
    h = float(decay) * h + (1 - float(decay)) * dW * dW
    return h, W - float(lr) * dW / (np.sqrt(h) + float(eps))


def adam_update(
    dW: Array,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    step: int,
    m: Array,
    v: Array,
    W: Array,
) -> tuple[Array, Array, Array]:
    """Adam: a step along the mean gradient, divided by the root of the mean squared gradient.

    Parameters
    ----------
    dW : array of any shape
        The gradient of the loss with respect to W.
    lr : float
        Learning rate.
    beta1, beta2 : float
        Fractions of the two running means that are kept, 0 <= beta < 1.
    eps : float
        Added outside the root.
    step : int
        Number of this update: 1 for the first.
    m, v, W : arrays shaped as dW
        Running means of the gradient and of its square (zeros at first), and parameters.

    Returns
    -------
    m, v, W : arrays shaped as dW
        ``m = beta1 m + (1 - beta1) dW``, ``v = beta2 v + (1 - beta2) dW^2`` and
        ``W = W - lr m^ / (sqrt(v^) + eps)`` with bias-corrected means,
        ``m^ = m / (1 - beta1^step)`` and ``v^ = v / (1 - beta2^step)``.

    Raises
    ------
    ValueError
        If the shapes differ or step is less than 1.

    Notes
    -----
    Source: Kingma & Ba, ICLR 2015, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import adam_update
    >>> zero = np.zeros(1)
    >>> m, v, W = adam_update(np.array([5.0]), 0.1, 0.9, 0.999, 1e-8, 1, zero, zero, zero)
    >>> W
    array([-0.1])
    """
    if step < 1:
        raise ValueError(f"step is {step!r}, wanted 1 or more")
    for name, state in (("m", m), ("v", v), ("W", W)):
        require_shape(name, state, dW.shape)
    beta1, beta2 = float(beta1), float(beta2)
    m = beta1 * m + (1 - beta1) * dW
    v = beta2 * v + (1 - beta2) * dW * dW
    m_hat = m / (1 - beta1**step)
    v_hat = v / (1 - beta2**step)
    return m, v, W - float(lr) * m_hat / (np.sqrt(v_hat) + float(eps))


def lion_update(
    dW: Array, lr: float, beta1: float, beta2: float, weight_decay: float, m: Array, W: Array
) -> tuple[Array, Array]:
    """Lion: a step of the same size for every parameter, in the direction of a mean gradient.

    Parameters
    ----------
    dW : array of any shape
        The gradient of the loss with respect to W.
    lr : float
        Learning rate.
    beta1, beta2 : float
        Weights of the running mean in the step's direction, and in the stored mean.
    weight_decay : float
        Strength of the decay, multiplied by lr.
    m, W : arrays shaped as dW
        Running mean of the gradient (zeros at first), and parameters.

    Returns
    -------
    m, W : arrays shaped as dW
        ``W = W - lr (sign(beta1 m + (1 - beta1) dW) + weight_decay W)`` with the old m, and
        ``m = beta2 m + (1 - beta2) dW``.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Source: Chen et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023, algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import lion_update
    >>> lion_update(np.array([5.0]), 0.1, 0.9, 0.75, 0.0, np.zeros(1), np.ones(1))
    (array([1.25]), array([0.9]))
    """
    for name, state in (("m", m), ("W", W)):
        require_shape(name, state, dW.shape)
    beta1, beta2, lr = float(beta1), float(beta2), float(lr)
    direction = np.sign(beta1 * m + (1 - beta1) * dW)
    W = W - lr * (direction + float(weight_decay) * W)
    return beta2 * m + (1 - beta2) * dW, W


def scikit_learn_adam_update(
    dW: Array,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    step: int,
    m: Array,
    v: Array,
    W: Array,
) -> tuple[Array, Array, Array]:
    """Adam with an epsilon that is not bias-corrected, as in scikit-learn's MLPs.

    Parameters
    ----------
    dW, lr, beta1, beta2, eps, step, m, v, W
        See :func:`adam_update`.

    Returns
    -------
    m, v, W : arrays shaped as dW
        m and v as :func:`adam_update` returns them, and
        ``W = W - lr sqrt(1 - beta2^step) / (1 - beta1^step) m / (sqrt(v) + eps)``.

    Raises
    ------
    ValueError
        If the shapes differ or step is less than 1.

    Notes
    -----
    Source: Kingma & Ba, ICLR 2015, the end of section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import scikit_learn_adam_update
    >>> zero, one = np.zeros(1), np.ones(1)
    >>> scikit_learn_adam_update(np.array([3.0]), 0.1, 0.9, 0.75, 1.5, 1, zero, zero, one)[2]
    array([0.95])
    """
    m, v, _ = adam_update(dW, lr, beta1, beta2, eps, step, m, v, W)
    beta1, beta2 = float(beta1), float(beta2)
    rate = float(lr) * math.sqrt(1 - beta2**step) / (1 - beta1**step)
    return m, v, W - rate * m / (np.sqrt(v) + float(eps))


def adamw_update(
    dW: Array,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    step: int,
    m: Array,
    v: Array,
    W: Array,
) -> tuple[Array, Array, Array]:
    """Adam with decoupled weight decay: ``W = W - lr weight_decay W`` before Adam's step.

    Parameters
    ----------
    dW : array of any shape
        The gradient of the loss with respect to W.
    lr, beta1, beta2, eps : float
        See :func:`adam_update`.
    weight_decay : float
        Strength of the decay; with 0 the rule is Adam, whatever W is.
    step : int
        Number of this update: 1 for the first.
    m, v, W : arrays shaped as dW
        Running means of the gradient and of its square (zeros at first), and parameters.

    Returns
    -------
    m, v, W : arrays shaped as dW

    Raises
    ------
    ValueError
        If the shapes differ or step is less than 1.

    Notes
    -----
    Source: Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2,
    with the decay multiplied by the learning rate as in PyTorch's ``AdamW``.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import adamw_update
    >>> zero = np.zeros(1)
    >>> m, v, W = adamw_update(
    ...     np.array([5.0]), 0.1, 0.9, 0.999, 1e-8, 0.5, 1, zero, zero, np.ones(1)
    ... )
    >>> W
    array([0.85])
    """
    if weight_decay:
        W = W - float(lr) * float(weight_decay) * W
    return adam_update(dW, lr, beta1, beta2, eps, step, m, v, W)


def blend(x: Array, tau: float, mean: Array) -> Array:
    """A running average, ``(1 - tau) mean + tau x``, and exactly x for a tau of 1.

    Parameters
    ----------
    x : array of any shape
    tau : float
        Weight of x, 0 to 1: ``1 - decay`` for an exponential average, 1/k for the mean of k.
    mean : array shaped as x

    Returns
    -------
    array shaped as x
        The new average.

    Raises
    ------
    ValueError
        If the shapes differ, or tau is outside 0..1.

    Notes
    -----
    Source: Lillicrap et al., "Continuous control with deep reinforcement learning", ICLR 2016,
    algorithm 1, for a fixed tau; Izmailov et al., "Averaging weights leads to wider optima and
    better generalization", UAI 2018, algorithm 1, for 1/k.

    Examples
    --------
    >>> import numpy as np
    >>> from affinet.reference import blend
    >>> blend(np.array([2.0]), 0.25, np.array([6.0]))
    array([5.])
    """
    require_shape("mean", mean, x.shape)
    if not 0 <= tau <= 1:
        raise ValueError(f"tau is {tau}, wanted 0 <= tau <= 1")
    return x.copy() if tau == 1 else mean + tau * (x - mean)
