"""The base of all layers: a forward, a backward, and parameters that a network can bind."""

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
from affinet.precision import layer_precision

Saved = TypeVar("Saved")


class Layer(KnownAttributes, ABC):
    """A function with a backward.

    Attributes
    ----------
    parameters : tuple of str
        Names of the attributes that hold parameters; the gradient of ``W`` is ``dW``.
    buffers : tuple of str
        Names of the attributes that hold the model's other arrays, such as running statistics:
        saved with the model but not trained.
    children : tuple of layers
        The layers inside this one, as in :class:`affinet.Residual`. Paths name their parameters:
        ``"2.0.W"`` belongs to the first child of a network's third layer.
    kernel : str or None
        The layer's name in the compiled code. None means no compiled form: a network with it
        trains layer by layer. Subclasses do not inherit it, as they may compute something else.
    penalized : tuple of str
        Names of the parameters to which ``fit`` applies the ``l2`` penalty.
    keeps : tuple of str or None
        Names of all attributes in which forward stores what backward needs. A network restores
        them before its backward, so a layer without parameters may be in several networks.
        None means undeclared: a backward after the forward of another network then raises. A
        custom layer without this base class may declare it too.

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
        """Create the object; translate another library's argument name in the error message."""
        if kwargs:
            require_known_names(cls.__name__, kwargs, inspect.signature(cls.__init__).parameters)
        return super().__new__(cls)

    @abstractmethod
    def forward(self, x: ArrayLike) -> Array:
        """The output for ``x``; stores what backward needs."""

    @abstractmethod
    def predict(self, x: ArrayLike) -> Array:
        """The output in evaluation mode; stores nothing, so several threads may call it at once."""

    @abstractmethod
    def backward(self, dout: ArrayLike) -> Array:
        """The gradient with respect to the input, given the gradient ``dout`` of the output."""

    def config(self) -> dict[str, Any]:
        """Constructor arguments except the parameters, as plain values for the model file."""
        return {}

    def numbers(self) -> tuple[float, ...]:
        """The layer's scalars, in the kernel's argument order."""
        return tuple(self.config().values())

    def widths(self) -> tuple[int, int] | None:
        """Input and output width of the layer; None if it accepts rows of any width."""
        return None

    def operation(self, starts: tuple[int, ...], key: int) -> Operation:
        """The layer as an operation of the compiled code.

        Parameters
        ----------
        starts : tuple of int
            Offset of each parameter in the network's flat buffer.
        key : int
            Key of the layer's random numbers, if it draws any.
        """
        if self.kernel is None:
            raise TypeError(f"{self!r} has no compiled form")
        return Operation(self.kernel, starts=starts, numbers=self.numbers())

    def operations(self, starts: tuple[int, ...], key: int) -> list[Operation]:
        """The layer as one operation or more, each reading the previous one's output.

        Parameters as in :meth:`operation`, which most layers are.
        """
        return [self.operation(starts, key)]

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add the layer, in evaluation mode, to an ONNX graph."""
        raise TypeError(f"{self!r} has no form in ONNX")

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({arguments})"

    def _kept(self, value: Saved | None) -> Saved:
        """What forward stored for backward; RuntimeError if there was no forward."""
        if value is None:
            raise RuntimeError(f"{type(self).__name__}.backward came before forward")
        return value


class Parameter:
    """An array attribute of a layer.

    On a standalone layer, assigning stores the array itself. Inside a network the attribute is a
    view into the network's flat buffer, and assigning copies into it.
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

    Binding also copies the buffers, in the parameters' dtype: a compiled plan reads and writes
    them in place, so assigning to them copies too.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}
        self._gradients: Mapping[str, Array] = {}
        self._owner: weakref.ref[Parameters] | None = None

    _precision: str | None = None  # of the products of the network that the layer is in

    @property
    def in_network(self) -> bool:
        """True while a live network owns this layer's parameters."""
        return self._owner is not None and self._owner() is not None

    def bind(
        self, owner: Parameters, arrays: Mapping[str, Array], gradients: Mapping[str, Array]
    ) -> None:
        """Make the parameters and their gradients views for the lifetime of their owner."""
        dtype = owner.flat.dtype
        self._arrays = {name: np.array(self._arrays[name], dtype) for name in self.buffers}
        self._arrays |= arrays
        self._gradients = dict(gradients)
        self._owner = weakref.ref(owner)
        for name, gradient in gradients.items():
            setattr(self, f"d{name}", gradient)

    def multiply_in(self, precision: str | None) -> None:
        """Compute products in the precision of the network that binds the layer."""
        self._precision = precision

    def _product_precision(self, W: Array) -> str | None:
        """The precision of products with these weights; None for that of the arrays."""
        if self._precision is None or W.dtype != np.float32 or not self.in_network:
            return None
        return layer_precision(self._precision, *W.shape[-2:])

    def _gradient_target(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """The array that backward writes to: the network's view if it fits, else a new array."""
        view = self._gradients.get(name)
        if self.in_network and view is not None and view.dtype == dtype:
            return view
        return np.empty(shape, dtype)

    def _keep_gradient(self, name: str, gradient: Array) -> None:
        view = self._gradients.get(name)
        if gradient is view:  # the network's own, which _gradient_target returned
            return
        if not self.in_network or view is None:
            setattr(self, f"d{name}", gradient)
        else:
            view[...] = gradient

    def __getstate__(self) -> dict[str, Any]:
        # A copy is standalone; a copied network binds its layers again.
        return {
            **self.__dict__,
            "_arrays": dict(self._arrays),
            "_gradients": {},
            "_owner": None,
        }


def input_array(x: ArrayLike) -> Array:
    """A layer's input as a contiguous array in the layer's compute dtype."""
    array = number_array("x", x)
    rows = ready(array, compute_dtype(array))
    return rows if array.ndim else rows.reshape(())


def gradient_array(dout: ArrayLike, shape: tuple[int, ...]) -> Array:
    """An incoming gradient, checked against the shape of the output."""
    array = number_array("dout", dout)
    require_shape("dout", array, shape)
    return array
