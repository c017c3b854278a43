"""The base of all optimizers: a rule over arrays, dicts of arrays, or a network's flat buffer."""

from __future__ import annotations

import copy
import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, ClassVar, Self

import numpy as np

from affinet import _dispatch
from affinet._attributes import KnownAttributes
from affinet._foreign_names import require_known_names
from affinet._validation import (
    Array,
    compute_dtype,
    number_array,
    ready,
    real_number,
    require_plain,
    require_shape,
)
from affinet.optimizer_state import State, States
from affinet.optimizers.groups import (
    Factors,
    Group,
    Segment,
    factors_of,
    require_groups,
    segments_of,
)
from affinet.parameters import Parameters

FLOATS = (float, np.floating)
# Rules pass their scalars and averages with *, whose length no type checker knows.
kernels: Any = _dispatch.kernels


class Optimizer(KnownAttributes, ABC):
    """An update rule, with a state per parameter array that lives as long as the array.

    An optimizer keeps its states when it is copied, pickled or sent to another process together
    with the parameters. Parameters sent separately keep theirs if their values are unchanged.

    Parameters
    ----------
    lr : float
        Learning rate, 0 or more. May be changed between updates.
    groups : sequence of Group, optional
        Parameters whose learning rate and weight decay are multiplied. A custom rule is applied to
        each group by a copy of the optimizer that has the group's numbers.

    Attributes
    ----------
    decay_bias : bool
        False exempts from weight decay all parameters but those that the layers name in
        ``penalized``; in a mapping other than ``net.params``, all arrays of fewer than two
        dimensions.
    kernel : str or None
        The kernel function is ``<kernel>_update``. None means no compiled form: training with it
        runs layer by layer. Subclasses do not inherit it, as their rule may differ.
    n_averages : int
        Number of arrays that the rule keeps per parameter array.
    counts_steps : bool
        True if the kernel takes the step number.
    shell_name : str
        Its name in the shell.
    shell_lr, picture_lr : float
        Default learning rates: in the shell, and on the error functions of
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

    _groups: tuple[Group, ...] = ()
    decay_bias: bool = True
    kernel: ClassVar[str | None] = None
    n_averages: ClassVar[int] = 0
    counts_steps: ClassVar[bool] = False
    shell_name: ClassVar[str] = ""
    shell_lr: ClassVar[float] = 0.01
    picture_lr: ClassVar[float] = 0.1

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Create the object; translate another library's argument name in the error message."""
        if kwargs:
            require_known_names(cls.__name__, kwargs, inspect.signature(cls.__init__).parameters)
        return super().__new__(cls)

    def __init__(self, lr: float, groups: Iterable[Group] | None = None) -> None:
        self.lr = real_number("lr", lr, 0.0)
        self.groups = groups
        self._states = States()
        self._scalar_states: dict[Any, State] = {}

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups of parameters; may be changed between updates."""
        return self._groups

    @groups.setter
    def groups(self, groups: Iterable[Group] | None) -> None:
        self._groups = require_groups(groups)

    def update(self, params: Any, grads: Any) -> None:
        """One step, in place.

        Parameters
        ----------
        params : array, or mapping of names to arrays or Python floats
            Changed in place; a Python float is replaced in the mapping. State
            (averages, steps) is kept per array or, for floats, per name.
        grads : array, or mapping with an entry of the same shape for every name
            Not modified.

        Raises
        ------
        KeyError
            If a parameter has no gradient.
        TypeError, ValueError
            If a parameter is read-only or not of a float dtype, or a gradient's shape differs; if
            an optimizer with groups, or with ``decay_bias=False``, gets an array without a name, or
            a group matches no name. Nothing is changed then.
        """
        if isinstance(params, Mapping):
            if not isinstance(grads, Mapping):
                raise TypeError(f"grads is {type(grads).__name__}, wanted a mapping as params is")
            if isinstance(params, Parameters):
                require_parameter("params.flat", params.flat)
                self._update_parameters(params, params.gather(grads))
            else:
                self._update_mapping(params, grads)
        else:
            require_parameter("params", params)
            if self.groups or not self.decay_bias:
                what = "groups" if self.groups else "decay_bias=False"
                raise TypeError(
                    f"params is an array, but {type(self).__name__} has {what}, which depends on "
                    "the names of parameters: wanted a mapping such as net.params or {'W': W}"
                )
            self._update_array(params, require_gradient("grads", grads, params))

    def segments(self, params: Parameters) -> tuple[Segment, ...]:
        """The ranges of ``params.flat`` with different factors; none if all have the factor 1.

        Raises
        ------
        ValueError
            If a group matches no parameter, or multiplies a weight decay that the rule lacks.
        """
        factors = self._factors(params)
        if factors is None:
            return ()
        return segments_of((array.size for array in params.values()), factors)

    def _factors(self, params: Mapping[Any, Any]) -> tuple[Factors, ...] | None:
        """Each parameter's factors; None without groups."""
        if not self.groups and self.decay_bias:
            return None
        if not hasattr(self, "weight_decay"):
            for group in self.groups:
                if group.weight_decay != 1:
                    raise ValueError(
                        f"groups has {group!r}, but {type(self).__name__} has no weight decay to "
                        "multiply: wanted weight_decay=1.0, or an optimizer such as AdamW"
                    )
        exempt: frozenset[str] = frozenset()
        if not self.decay_bias and isinstance(params, Parameters):
            exempt = frozenset(params) - params.penalized
        elif not self.decay_bias:
            exempt = frozenset(f"{name}" for name, W in params.items() if np.ndim(W) < 2)
        return factors_of(tuple(f"{name}" for name in params), self.groups, exempt)

    def _scaled(self, factors: Factors) -> Self:
        """This rule with its learning rate and weight decay multiplied; the states are shared."""
        if factors == Factors():
            return self
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.lr = self.lr * factors.lr
        if hasattr(self, "weight_decay"):
            twin.weight_decay = self.weight_decay * factors.weight_decay
        return twin

    def sharing_states(self) -> Self:
        """A copy with its own settings, whose states are those of this optimizer.

        Each of several networks can be trained with such a copy: no rate or other number that one
        training sets reaches another, and this optimizer continues from the states of them all.

        Examples
        --------
        >>> import numpy as np, affinet as an
        >>> adam, W = an.Adam(lr=0.1), np.ones(2)
        >>> twin = adam.sharing_states()
        >>> twin.lr = 0.5
        >>> twin.update(W, np.ones(2))
        >>> adam.lr, adam.state_of(W).step
        (0.1, 1)
        """
        shared = ("_states", "_scalar_states")
        own = {name: value for name, value in self.__dict__.items() if name not in shared}
        twin = object.__new__(type(self))
        twin.__dict__.update(copy.deepcopy(own))
        twin.__dict__.update({name: getattr(self, name) for name in shared})
        return twin

    def config(self) -> dict[str, float]:
        """The rule's hyperparameters, by the names of the constructor's arguments."""
        return {"lr": self.lr}

    def rule_numbers(self) -> tuple[float, ...]:
        """The rule's scalars, in the kernel's argument order."""
        return tuple(self.config().values())

    def __repr__(self) -> str:
        arguments: dict[str, Any] = {**self.config()}
        if not self.decay_bias:
            arguments["decay_bias"] = False
        if self.groups:
            arguments["groups"] = list(self.groups)
        shown = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        return f"{type(self).__name__}({shown})"

    @abstractmethod
    def _apply(self, dW: Array, W: Array, state: State) -> None:
        """The rule on flat contiguous arrays of one dtype; ``state.step`` counts this step."""

    def _update_parameters(self, params: Parameters, dW: Array) -> None:
        self._update_array(params.flat, dW, self.segments(params))

    def _update_mapping(self, params: Mapping[Any, Any], grads: Mapping[Any, Any]) -> None:
        factors = self._factors(params)
        checked = {}
        for name, parameter in params.items():  # check all of them before changing any
            if name not in grads:
                raise KeyError(f"grads has no entry for {name!r}")
            if not isinstance(parameter, FLOATS):
                require_parameter(f"params[{name!r}]", parameter)
            elif not isinstance(params, MutableMapping):
                raise TypeError("params holds Python floats but does not let them be replaced")
            checked[name] = require_gradient(f"grads[{name!r}]", grads[name], parameter)
        each = factors or [Factors()] * len(checked)
        for (name, gradient), own in zip(checked.items(), each, strict=True):
            rule = self._scaled(own)
            if isinstance(params[name], FLOATS):
                rule._update_float(params, name, gradient)  # type: ignore[arg-type]
            else:
                rule._update_named(name, params[name], gradient)

    def _update_named(self, name: Any, W: Array, dW: Array) -> None:
        self._update_array(W, dW)

    def _update_array(self, W: Array, dW: Array, segments: tuple[Segment, ...] = ()) -> None:
        dtype = compute_dtype(W)
        state = self.state_of(W)
        flat = ready(W, dtype).reshape(-1)  # W itself unless it is strided, float16 or byte-swapped
        dW = ready(dW, dtype).reshape(-1)
        state.step += 1
        if not segments:
            self._apply(dW, flat, state)
        for segment in segments:
            own = slice(segment.start, segment.end)
            self._apply_to_segment(segment, dW[own], flat[own], state.part(own.start, own.stop))
        if not np.may_share_memory(flat, W):
            W[...] = flat.reshape(W.shape)

    def _apply_to_segment(self, segment: Segment, dW: Array, W: Array, state: State) -> None:
        """The rule on one of the ranges from ``segments``."""
        self._scaled(segment.factors)._apply(dW, W, state)

    def _update_float(self, params: MutableMapping[Any, Any], name: Any, dW: Array) -> None:
        W = np.array([params[name]], np.float64)
        state = self._scalar_states.setdefault(name, State(1, W.dtype, self.n_averages))
        state.step += 1
        self._apply(ready(dW, W.dtype).reshape(-1), W, state)
        params[name] = float(W[0])

    def state_of(self, W: Array) -> State:
        """The state of this array object; a new one, all zeros, on the first call."""
        return self._states.of(W, self.n_averages)

    def __getstate__(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "_states": self._states.copy(),  # not shared: copy.copy is shallow
            "_scalar_states": {key: s.copy() for key, s in self._scalar_states.items()},
        }

    def __setstate__(self, saved: dict[str, Any]) -> None:
        states = saved["_states"]
        if isinstance(states, list):  # pickled by an earlier version: arrays and their states
            saved = saved | {"_states": States.of_pairs(states)}
        self.__dict__.update(saved)


class CompiledOptimizer(Optimizer):
    """A rule computed by one kernel."""

    def _apply(self, dW: Array, W: Array, state: State) -> None:
        step = (state.step,) if self.counts_steps else ()
        update_of(self.kernel)(dW, *self.rule_numbers(), *step, *state.averages, W)


@functools.cache
def update_of(kernel: str | None) -> Callable[..., None]:
    """The kernel of a rule."""
    update: Callable[..., None] = getattr(kernels, f"{kernel}_update")
    return update


def require_parameter(name: str, value: Any) -> None:
    """Raise unless ``value`` is a writable array of floats."""
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
