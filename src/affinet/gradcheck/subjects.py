"""A float64 copy of the checked object, as one scalar function of arrays that can be perturbed.

The user's object is copied and not changed. Every evaluation starts from the same state: counters
and random generators are reset, so a dropout mask stays the same.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array
from affinet.gradcheck.numerical import scalar
from affinet.gradcheck.states import States
from affinet.layers import Layer
from affinet.losses import Loss
from affinet.network import Sequential
from affinet.network.inner import call_forward, children_of, parameter_names, set_dtype, walk

INPUT = "x"


class Subject(ABC):
    """The scalar function of x and of all parameters, and its analytic gradient.

    Attributes
    ----------
    layers : tuple
        Copies of the layers, in the order of the forward.
    loss : loss object or None
    prefixes : tuple of str
        Prefix of each layer's parameter names.
    x : array
        A copy of the input, which is perturbed; float64, or integers.
    t : targets, or None
    states : States
        The state restored before every forward.
    """

    def __init__(
        self, layers: tuple[Any, ...], loss: Any, prefixes: tuple[str, ...], x: ArrayLike, t: Any
    ) -> None:
        x = number_array("x", x)
        self.x = x.astype(np.float64) if x.dtype.kind == "f" else x.copy()
        self.t = copy.deepcopy(t)
        self.layers, self.loss, self.prefixes = layers, loss, prefixes
        self.parts = list(nested(layers, prefixes))
        self.states = States((*layers, loss))
        self._found: dict[int, tuple[str, ...]] = {}
        # Codes of categories do not move: the value does not depend on small changes to them.
        codes = [c for layer in layers[:1] for c in getattr(layer, "code_columns", ())]
        self._codes = codes, self.x[..., codes].copy() if codes else None

    @property
    def moves_input(self) -> bool:
        """True if x has a derivative, that is, if it does not hold integers."""
        return self.x.dtype.kind == "f"

    def value(self) -> float:
        """The function at the arrays' current values; a backward may follow."""
        self.states.put_back()
        x = self.x.copy()
        codes, unmoved = self._codes
        if codes:
            x[..., codes] = unmoved
        value = self._forward(x, copy.deepcopy(self.t))
        return float(scalar(value, "the loss"))

    def gradients(self) -> dict[str, Any]:
        """What a backward returns for each array, by name; may be any object if a layer is wrong.

        A pass with another dout runs first, and its gradients are then filled with NaN: this
        reveals gradients that a backward keeps from an earlier call, omits or adds to.
        """
        self.value()
        self._backward(-2.0)
        for layer, name in self._owners().values():
            gradient = getattr(layer, f"d{name}", None)
            if is_float_array(gradient) and gradient.flags.writeable:
                gradient[...] = np.nan
        self.value()
        dx = self._backward(1.0)
        found = {
            key: copy.deepcopy(getattr(layer, f"d{name}", None))
            for key, (layer, name) in self._owners().items()
        }
        return found | {INPUT: copy.deepcopy(dx)} if self.moves_input else found

    def arrays(self) -> dict[str, Array]:
        """The arrays to perturb, by name: parameters, and x if it has a derivative."""
        found = {key: getattr(layer, name) for key, (layer, name) in self._owners().items()}
        return found | {INPUT: self.x} if self.moves_input else found

    def parameters_of(self, layer: Any) -> tuple[str, ...]:
        """Names of a layer's parameters, declared or detected."""
        return self._found.get(id(layer), parameter_names(layer))

    def find_parameters(self) -> None:
        """Detect parameters in layers that do not declare any, with a forward and a backward.

        An array ``W`` that a forward does not replace and that has a ``dW`` is a parameter.
        """
        silent = [layer for _, layer in self.parts if not hasattr(layer, "parameters")]
        if not silent:
            return
        before = [float_arrays(layer) for layer in silent]
        self.value()
        self._backward(-2.0)
        for layer, arrays in zip(silent, before, strict=True):
            self._found[id(layer)] = tuple(
                name
                for name, array in arrays.items()
                if vars(layer).get(name) is array and hasattr(layer, f"d{name}")
            )

    def first_input(self) -> Array:
        """A copy of x as the first layer receives it."""
        return self.x.copy()

    def last_dout(self) -> Any:
        """The dout that a backward starts with: 1 for a loss, a random array for a single layer."""
        return 1.0

    def _owners(self) -> dict[str, tuple[Any, str]]:
        return {
            f"{prefix}{name}": (layer, name)
            for prefix, layer in self.parts
            for name in self.parameters_of(layer)
        }

    @abstractmethod
    def _forward(self, x: Array, t: Any) -> Any:
        """The value at x for targets t, in the current state."""

    @abstractmethod
    def _backward(self, factor: float) -> Any:
        """dx of factor times the value; layers store the parameters' gradients."""


class LayerSubject(Subject):
    """sum(R * layer.forward(x)) with a fixed random R."""

    def __init__(self, layer: Any, x: ArrayLike, rng: np.random.Generator) -> None:
        super().__init__((in_float64(layer),), None, ("",), x, None)
        self._rng = rng
        self._R: Array | None = None

    def last_dout(self) -> Any:
        return np.array(self._R)

    def _forward(self, x: Array, t: Any) -> Any:
        out = np.asarray(call_forward(self.layers[0], x))
        if self._R is None:
            self._R = self._rng.standard_normal(out.shape)
        return np.sum(self._R * out)

    def _backward(self, factor: float) -> Any:
        return self.layers[0].backward(factor * self.last_dout())


class LossSubject(Subject):
    """loss.forward(x, t)."""

    def __init__(self, loss: Any, x: ArrayLike, t: Any) -> None:
        super().__init__((), copy.deepcopy(loss), (), x, t)

    def _forward(self, x: Array, t: Any) -> Any:
        return self.loss.forward(x, t)

    def _backward(self, factor: float) -> Any:
        return self.loss.backward(factor)


class NetworkSubject(Subject):
    """net.forward(x, t) of the network rebuilt around float64 copies of its layers."""

    def __init__(self, net: Sequential, x: ArrayLike, t: Any) -> None:
        self.net = net = network_in_float64(net)
        prefixes = tuple(f"{place}." for place in range(len(net.layers)))
        super().__init__(net.layers, net.loss, prefixes, x, t)

    def gradients(self) -> dict[str, Any]:
        # An optimizer reads net.grads, so these must be right, not only the layers' gradients.
        found = super().gradients()
        return found | {name: gradient.copy() for name, gradient in self.net.grads.items()}

    def first_input(self) -> Array:
        x = self.x.astype(np.float64)
        return x if self.net.input_scale is None else x * self.net.input_scale

    def _forward(self, x: Array, t: Any) -> Any:
        return self.net.forward(x, t, True)

    def _backward(self, factor: float) -> Any:
        dx = self.net.backward(factor, need_dx=self.moves_input)
        scale = self.net.input_scale
        # The network's dx belongs to the scaled input.
        return dx if dx is None or scale is None else scale * dx


def make_subject(net_or_layer: Any, x: ArrayLike, t: Any, rng: np.random.Generator) -> Subject:
    """The function to check for a network, a layer or a loss.

    Raises
    ------
    TypeError
        If the object has no forward and backward, or is a class.
    ValueError
        If targets are missing, or given with a layer.
    """
    if isinstance(net_or_layer, type) or not all(
        callable(getattr(net_or_layer, name, None)) for name in ("forward", "backward")
    ):
        raise TypeError(
            f"net_or_layer is {net_or_layer!r}, wanted an object with forward and backward"
        )
    is_network = isinstance(net_or_layer, Sequential)
    if is_network and net_or_layer.loss is None:
        raise ValueError("net_or_layer is a Sequential without a loss, wanted one with a loss")
    if t is None and (is_network or isinstance(net_or_layer, Loss)):
        raise ValueError(f"t is None, wanted targets for {net_or_layer!r}")
    if t is not None and isinstance(net_or_layer, Layer):
        raise ValueError(f"t came with the single layer {net_or_layer!r}, wanted t=None")
    if is_network:
        return NetworkSubject(net_or_layer, x, t)
    return LayerSubject(net_or_layer, x, rng) if t is None else LossSubject(net_or_layer, x, t)


def network_in_float64(net: Sequential) -> Sequential:
    """A copy of a network, of the same class, rebuilt with float64 copies of its layers."""
    net = copy.deepcopy(net)
    Sequential.__init__(
        net,
        *(in_float64(layer) for layer in net.layers),
        loss=net.loss,
        input_scale=net.input_scale,
        check_finite=net.check_finite,
    )
    set_dtype(net, np.float64)  # also if there are no parameters
    return net


def in_float64(layer: Any) -> Any:
    """A deep copy of a layer with all parameters, including nested ones, in float64."""
    layer = copy.deepcopy(layer)
    for _, part in walk((layer,)):
        names = getattr(part, "parameters", None)
        for name in float_arrays(part) if names is None else names:
            value = getattr(part, name)
            if not is_float_array(value) or value.dtype != np.float64:
                setattr(part, name, np.array(value, np.float64))
    return layer


def nested(layers: tuple[Any, ...], prefixes: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """The layers and all nested layers, each with the prefix of its parameters' names."""
    for layer, prefix in zip(layers, prefixes, strict=True):
        yield prefix, layer
        for path, inner in walk(children_of(layer), prefix):
            yield f"{path}.", inner


def float_arrays(layer: Any) -> dict[str, Array]:
    """A layer's attributes that are arrays of floats."""
    attributes = getattr(layer, "__dict__", {})
    return {name: value for name, value in attributes.items() if is_float_array(value)}


def is_float_array(value: Any) -> TypeGuard[Array]:
    """True for a NumPy array of floats."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"
