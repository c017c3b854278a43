"""What every layer is: a forward, a backward, and parameters that a network can bind."""

from __future__ import annotations

import inspect
import weakref
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from affinet._attributes import KnownAttributes
from affinet._foreign_names import require_known_names
from affinet._validation import (
    Array,
    compute_dtype,
    number_array,
    parameter_array,
    ready,
    require_shape,
)
from affinet.layers.operation import OnnxGraph, Operation
from affinet.parameters import Parameters

Saved = TypeVar("Saved")


class Layer(KnownAttributes, ABC):
    """A function with a backward.

    Attributes
    ----------
    parameters : tuple of str
        Names of the attributes that hold parameters; the gradient of ``W`` is ``dW``.
    buffers : tuple of str
        Names of the attributes that hold other arrays which belong to the model, such as running
        statistics: they are saved with it and not trained.
    children : tuple of layers
        The layers that it holds, if it is made of layers, as :class:`affinet.Residual` is. Their
        parameters are named by their places: ``"2.0.W"`` in the third layer of a network.
    kernel : str or None
        The layer's name in the compiled code; None has no compiled form, so a network with it
        trains layer by layer. A subclass does not inherit it: it may compute something else.
    penalized : tuple of str
        Names of the parameters that the penalty ``l2`` of a training holds small.
    keeps : tuple of str or None
        Names of all attributes in which forward keeps what backward needs. A network puts them
        back before its backward, so a layer without parameters may be in several networks.
        None, for a subclass that does not declare them, lets a backward after the forward of
        another network raise. A custom layer without this base class may declare it too.

    Examples
    --------
    >>> import affinet as an
    >>> isinstance(an.ReLU(), an.Layer), an.Affine.parameters
    (True, ('W', 'b'))
    """

    parameters: ClassVar[tuple[str, ...]] = ()
    buffers: ClassVar[tuple[str, ...]] = ()
    children: tuple[Any, ...] = ()
    kernel: ClassVar[str | None] = None
    penalized: ClassVar[tuple[str, ...]] = ()
    keeps: ClassVar[tuple[str, ...] | None] = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the object, or say affinet's name for another library's argument."""
        if kwargs:
            require_known_names(cls.__name__, kwargs, inspect.signature(cls.__init__).parameters)
        return super().__new__(cls)

    @abstractmethod
    def forward(self, x: ArrayLike) -> Array:
        """The output for ``x``; keeps what the backward needs."""

    @abstractmethod
    def predict(self, x: ArrayLike) -> Array:
        """The output in evaluation mode; keeps nothing, so threads may call it side by side."""

    @abstractmethod
    def backward(self, dout: ArrayLike) -> Array:
        """The gradient of the input, for the gradient ``dout`` of the output."""

    def config(self) -> dict[str, Any]:
        """Constructor arguments apart from the parameters, as plain values for a model file."""
        return {}

    def numbers(self) -> tuple[float, ...]:
        """The layer's numbers, in the order in which its kernel takes them."""
        return tuple(self.config().values())

    def widths(self) -> tuple[int, int] | None:
        """Numbers a row that the layer takes and returns; None if it takes rows of any width."""
        return None

    def operation(self, starts: tuple[int, ...], key: int) -> Operation:
        """The layer as the compiled code runs it.

        Parameters
        ----------
        starts : tuple of int
            Where each of its parameters starts in the network's flat buffer.
        key : int
            Of the random numbers that it draws, if it draws any.
        """
        if self.kernel is None:
            raise TypeError(f"{self!r} has no compiled form")
        return Operation(self.kernel, starts=starts, numbers=self.numbers())

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add the layer, in evaluation mode, to an ONNX graph."""
        raise TypeError(f"{self!r} has no form in ONNX")

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({arguments})"

    def _kept(self, value: Saved | None) -> Saved:
        """What forward kept for backward, or a RuntimeError if there was no forward."""
        if value is None:
            raise RuntimeError(f"{type(self).__name__}.backward came before forward")
        return value


class Parameter:
    """An array attribute of a layer.

    On a layer by itself assigning keeps the very array; inside a network the attribute is a view
    into the network's flat buffer and assigning copies into it.
    """

    def __init__(self, ndim: int) -> None:
        self.ndim = ndim

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, layer: Any, owner: type | None = None) -> Any:
        if layer is None:
            return self
        return layer._arrays[self.name]

    def __set__(self, layer: ParameterLayer, value: ArrayLike) -> None:
        array = parameter_array(self.name, value, self.ndim)
        if layer.in_network:
            view = layer._arrays[self.name]
            require_shape(self.name, array, view.shape)
            view[...] = array
        else:
            layer._arrays[self.name] = array


class ParameterLayer(Layer):
    """A layer with parameters: keeps its arrays, and lets one network bind them to views.

    States become the layer's own copies then, of the parameters' dtype: a compiled plan reads and
    writes them where they lie, so assigning to them copies too.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}
        self._gradients: Mapping[str, Array] = {}
        self._owner: weakref.ref[Parameters] | None = None

    @property
    def in_network(self) -> bool:
        """True while a living network holds this layer's parameters."""
        return self._owner is not None and self._owner() is not None

    def bind(
        self, owner: Parameters, arrays: Mapping[str, Array], gradients: Mapping[str, Array]
    ) -> None:
        """Make the parameters and their gradients views, for as long as their owner lives."""
        dtype = owner.flat.dtype
        self._arrays = {name: np.array(self._arrays[name], dtype) for name in self.buffers}
        self._arrays |= arrays
        self._gradients = dict(gradients)
        self._owner = weakref.ref(owner)
        for name, gradient in gradients.items():
            setattr(self, f"d{name}", gradient)

    def _gradient_target(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Where a backward writes: the network's view if it fits, else a new array."""
        view = self._gradients.get(name)
        if self.in_network and view is not None and view.dtype == dtype:
            return view
        return np.empty(shape, dtype)

    def _keep_gradient(self, name: str, gradient: Array) -> None:
        view = self._gradients.get(name)
        if not self.in_network or view is None:
            setattr(self, f"d{name}", gradient)
        elif gradient is not view:
            view[...] = gradient

    def __getstate__(self) -> dict[str, Any]:
        # A copy stands by itself; a network that is copied binds its layers anew.
        return {
            **self.__dict__,
            "_arrays": dict(self._arrays),
            "_gradients": {},
            "_owner": None,
        }


def input_array(x: ArrayLike) -> Array:
    """A layer's input as a contiguous array of the dtype that the layer computes in."""
    array = number_array("x", x)
    rows = ready(array, compute_dtype(array))
    return rows if array.ndim else rows.reshape(())


def gradient_array(dout: ArrayLike, shape: tuple[int, ...]) -> Array:
    """An incoming gradient, checked against the shape of the output that it belongs to."""
    array = number_array("dout", dout)
    require_shape("dout", array, shape)
    return array
