"""Optimizers: update rules over arrays, dicts of arrays, or a network's flat buffer."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping
from typing import Any, ClassVar, Self

import numpy as np

from affinet import _dispatch
from affinet._attributes import KnownAttributes
from affinet._foreign_names import require_known_names
from affinet._validation import (
    Array,
    compute_dtype,
    number_array,
    positive_in_single,
    ready,
    real_number,
    require_plain,
    require_shape,
)
from affinet.optimizer_state import State, States
from affinet.parameters import Parameters

# As the shell and the pictures list them: from the simplest rule on.
__all__ = ["SGD", "Momentum", "Nesterov", "AdaGrad", "RMSprop", "Adam", "AdamW", "Lion"]  # noqa: RUF022

FLOATS = (float, np.floating)
# Rules hand over their numbers and averages with a star, which no type checker can count.
kernels: Any = _dispatch.kernels


class Optimizer(KnownAttributes, ABC):
    """An update rule; its state is kept for each parameter array as long as that array lives.

    Copied, pickled or sent to another process together with the parameters, it keeps their states.
    Parameters that travel separately keep theirs if their numbers are the same on arrival.

    Parameters
    ----------
    lr : float
        Learning rate, 0 or more. May be changed between updates.

    Attributes
    ----------
    kernel : str or None
        The rule is the kernels' ``<kernel>_update``; None has no compiled form, so a training
        with it goes layer by layer. A subclass does not inherit it: its rule may be another.
    n_averages : int
        Arrays that the rule keeps for each parameter.
    counts_steps : bool
        True if the kernel takes the number of the step.
    shell_name : str
        Its name in the shell.
    shell_lr, picture_lr : float
        Learning rates that suit it by default: in the shell, and on the error functions of
        :func:`affinet.diagnostics.descent`, whose curvature is about 1.

    Examples
    --------
    A custom rule works on flat arrays:

    >>> import numpy as np, affinet as an
    >>> class SignDescent(an.Optimizer):
    ...     def _apply(self, dW, W, state):
    ...         W -= self.lr * np.sign(dW)
    >>> W = np.array([1.0, 2.0])
    >>> SignDescent(lr=0.5).update(W, np.array([0.1, -9.0]))
    >>> W
    array([0.5, 2.5])
    """

    kernel: ClassVar[str | None] = None
    n_averages: ClassVar[int] = 0
    counts_steps: ClassVar[bool] = False
    shell_name: ClassVar[str] = ""
    shell_lr: ClassVar[float] = 0.01
    picture_lr: ClassVar[float] = 0.1

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the object, or say affinet's name for another library's argument."""
        if kwargs:
            require_known_names(cls.__name__, kwargs, inspect.signature(cls.__init__).parameters)
        return super().__new__(cls)

    def __init__(self, lr: float) -> None:
        self.lr = real_number("lr", lr, 0.0)
        self._states = States()
        self._scalar_states: dict[Any, State] = {}

    def update(self, params: Any, grads: Any) -> None:
        """One step, in place.

        Parameters
        ----------
        params : array, or mapping of names to arrays or Python floats
            Changed in place; a Python float is replaced in the mapping. An array's own state
            (averages, steps) belongs to the array, a float's to its name.
        grads : array, or mapping with an entry of the same shape for every name
            Only read.

        Raises
        ------
        KeyError
            If a parameter has no gradient.
        TypeError, ValueError
            If a parameter is read-only or not of floats, or a gradient's shape differs; then
            nothing has been changed.
        """
        if isinstance(params, Mapping):
            if not isinstance(grads, Mapping):
                raise TypeError(f"grads is {type(grads).__name__}, wanted a mapping as params is")
            if isinstance(params, Parameters):
                require_parameter("params.flat", params.flat)
                self._update_array(params.flat, params.gather(grads))
            else:
                self._update_mapping(params, grads)
        else:
            require_parameter("params", params)
            self._update_array(params, require_gradient("grads", grads, params))

    def config(self) -> dict[str, float]:
        """The rule's numbers, by the names of the constructor's arguments."""
        return {"lr": self.lr}

    def rule_numbers(self) -> tuple[float, ...]:
        """The rule's numbers in the order in which its kernel takes them."""
        return tuple(self.config().values())

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({arguments})"

    @abstractmethod
    def _apply(self, dW: Array, W: Array, state: State) -> None:
        """The rule on flat contiguous arrays of one dtype; ``state.step`` counts this step."""

    def _update_mapping(self, params: Mapping[Any, Any], grads: Mapping[Any, Any]) -> None:
        checked = {}
        for name, parameter in params.items():  # look at all of them before any is changed
            if name not in grads:
                raise KeyError(f"grads has no entry for {name!r}")
            if not isinstance(parameter, FLOATS):
                require_parameter(f"params[{name!r}]", parameter)
            elif not isinstance(params, MutableMapping):
                raise TypeError("params holds Python floats but does not let them be replaced")
            checked[name] = require_gradient(f"grads[{name!r}]", grads[name], parameter)
        for name, gradient in checked.items():
            if isinstance(params[name], FLOATS):
                self._update_float(params, name, gradient)  # type: ignore[arg-type]
            else:
                self._update_array(params[name], gradient)

    def _update_array(self, W: Array, dW: Array) -> None:
        dtype = compute_dtype(W)
        state = self.state_of(W)
        flat = ready(W, dtype).reshape(-1)  # W itself unless it is strided, float16 or swapped
        state.step += 1
        self._apply(ready(dW, dtype).reshape(-1), flat, state)
        if not np.may_share_memory(flat, W):
            W[...] = flat.reshape(W.shape)

    def _update_float(self, params: MutableMapping[Any, Any], name: Any, dW: Array) -> None:
        W = np.array([params[name]], np.float64)
        state = self._scalar_states.setdefault(name, State(1, W.dtype, self.n_averages))
        state.step += 1
        self._apply(ready(dW, W.dtype).reshape(-1), W, state)
        params[name] = float(W[0])

    def state_of(self, W: Array) -> State:
        """The state of this very array; a new one, all zeros, at the first call."""
        return self._states.of(W, self.n_averages)

    def __getstate__(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "_states": self._states.copy(),  # of its own: copy.copy copies no deeper than this
            "_scalar_states": {key: s.copy() for key, s in self._scalar_states.items()},
        }

    def __setstate__(self, saved: dict[str, Any]) -> None:
        states = saved["_states"]
        if isinstance(states, list):  # pickled by an earlier version: arrays and their states
            saved = saved | {"_states": States.of_pairs(states)}
        self.__dict__.update(saved)


class CompiledOptimizer(Optimizer):
    """A rule that one kernel computes."""

    def _apply(self, dW: Array, W: Array, state: State) -> None:
        step = (state.step,) if self.counts_steps else ()
        update = getattr(kernels, f"{self.kernel}_update")
        update(dW, *self.rule_numbers(), *step, *state.averages, W)


class SGD(CompiledOptimizer):
    """Stochastic gradient descent: ``W -= lr (dW + weight_decay W)``.

    Parameters
    ----------
    lr : float
        Learning rate.
    weight_decay : float
        Pulls every parameter, biases too, towards 0; 0 or more. To penalise weights alone, see
        ``l2`` of :meth:`Sequential.fit`.

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

    def __init__(self, lr: float = 0.01, weight_decay: float = 0.0) -> None:
        super().__init__(lr)
        self.weight_decay = real_number("weight_decay", weight_decay, 0.0)

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
        Share of the last step that goes on, 0 <= momentum < 1.

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

    def __init__(self, lr: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__(lr)
        self.momentum = real_number("momentum", momentum, 0.0, 1.0)

    def config(self) -> dict[str, float]:
        """Learning rate and momentum."""
        return {"lr": self.lr, "momentum": self.momentum}


class Nesterov(Momentum):
    """Nesterov's momentum: ``v = momentum v - lr dW; W += momentum v - lr dW``.

    As in scikit-learn's ``MLPClassifier``: W stands where the gradient is taken, one look ahead
    of the parameters of Sutskever et al., "On the importance of initialization and momentum in
    deep learning", ICML 2013, equations 3 and 4. Nesterov (1983).

    Parameters
    ----------
    lr : float
        Learning rate.
    momentum : float
        Share of the last step that goes on, 0 <= momentum < 1.

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

    def __init__(self, lr: float = 0.01) -> None:
        super().__init__(lr)

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
        Share of the average that is kept at each step, 0 <= decay < 1.
    eps : float
        Added outside the root, above 0.

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

    def __init__(self, lr: float = 0.01, decay: float = 0.99, eps: float = 1e-8) -> None:
        super().__init__(lr)
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
        self, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
    ) -> None:
        super().__init__(lr)
        self.beta1 = real_number("beta1", beta1, 0.0, 1.0)
        self.beta2 = real_number("beta2", beta2, 0.0, 1.0)
        self.eps = positive_in_single("eps", eps)

    def config(self) -> dict[str, float]:
        """Learning rate, decays and epsilon."""
        return {"lr": self.lr, "beta1": self.beta1, "beta2": self.beta2, "eps": self.eps}


class AdamW(Adam):
    """Adam with decoupled weight decay: ``W -= lr weight_decay W``, then Adam's step.

    The decay does not go through Adam's averages, so it is the same for all parameters, biases
    too. Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2; the
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
    ) -> None:
        super().__init__(lr, beta1, beta2, eps)
        self.weight_decay = real_number("weight_decay", weight_decay, 0.0)

    def config(self) -> dict[str, float]:
        """Learning rate, decays of the averages, epsilon and weight decay."""
        return super().config() | {"weight_decay": self.weight_decay}


class Lion(CompiledOptimizer):
    """Steps of one size for all parameters, in the direction of a running mean of the gradient.

    ``W -= lr (sign(beta1 m + (1 - beta1) dW) + weight_decay W); m = beta2 m + (1 - beta2) dW``.
    Chen et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023, algorithm 2. It
    keeps one average where Adam keeps two; a good learning rate is 3 to 10 times smaller than
    Adam's, and a weight decay as many times larger than AdamW's.

    Parameters
    ----------
    lr : float
        Learning rate: the size of a step.
    beta1, beta2 : float
        Decay of the average in the step's direction, and of the one that is kept, 0 <= beta < 1.
    weight_decay : float
        Strength of the decay, 0 or more.

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
    ) -> None:
        super().__init__(lr)
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


def require_parameter(name: str, value: Any) -> None:
    """Raise unless ``value`` is an array of floats that can be changed in place."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name} is {type(value).__name__}, wanted an array, or a float in a dict")
    if value.dtype.kind != "f" or value.dtype.itemsize > 8:
        raise TypeError(f"{name} has dtype {value.dtype}, wanted floats (float16, 32 or 64)")
    if not value.flags.writeable:
        raise ValueError(f"{name} is read-only, wanted an array that can be changed in place")
    require_plain(name, value)


def require_gradient(name: str, value: Any, parameter: Any) -> Array:
    """``value`` as an array of the parameter's shape."""
    array = number_array(name, value)
    require_shape(name, array, np.shape(parameter))
    return array


def optimizer_classes() -> dict[str, type[Optimizer]]:
    """Every public optimizer by its ``shell_name``."""
    classes = [globals()[name] for name in __all__]
    return {cls.shell_name: cls for cls in classes}
