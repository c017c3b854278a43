"""Activations that are learned: a mixture of the input and a function of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from affinet._dispatch import kernels
from affinet._validation import Array, ready, whole_number
from affinet.layers.activations import Activation, activation_classes
from affinet.layers.base import Parameter
from affinet.layers.columns import ColumnLayer, float_dtype
from affinet.layers.operation import OnnxGraph, Operation


class Parametric(ColumnLayer):
    """A parametric activation: ``out = x + a (f(x) - x)``, with a learned a for each unit.

    With a = 1, where it starts, it is f; with a = 0 the identity. Holzmüller, Grinsztajn,
    Steinwart, "Better by default", NeurIPS 2024.

    Backward::

        dx = dout + a (f'(x) - 1) dout        da = sum of (f(x) - x) dout over the rows

    Parameters
    ----------
    n : int
        Row width.
    activation : str or Activation
        f: an activation's ``shell_name``, such as "selu", or an object such as LeakyReLU(0.1).
    dtype : dtype
        float16, float32 or float64, of a.

    Attributes
    ----------
    a : array of shape (n,)
        1 at first.
    da : array or None
        Its gradient after a backward.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> layer = an.Parametric(2, "relu", dtype=np.float64)
    >>> layer.a = np.array([1.0, 0.5])
    >>> layer.forward(np.array([[-2.0, -2.0]]))
    array([[ 0., -1.]])
    >>> layer.backward(np.array([[1.0, 1.0]])), layer.da
    (array([[0. , 0.5]]), array([2., 2.]))
    """

    parameters: ClassVar[tuple[str, ...]] = ("a",)
    kernel: ClassVar[str] = "parametric"
    keeps: ClassVar[tuple[str, ...]] = ("_x", "_shape", "_step")
    a = Parameter(ndim=1)
    da: Array | None = None
    _step: Array | None = None  # f(x) - x of the last forward

    def __init__(
        self, n: int, activation: str | Activation = "selu", dtype: DTypeLike = np.float32
    ) -> None:
        n = whole_number("n", n, 1)
        super().__init__(n, n)
        self._shapes = {"a": (n,)}
        self._activation = known_activation(activation)
        self.a = np.ones(n, float_dtype(dtype))
        self.da = None

    @property
    def n(self) -> int:
        """Row width."""
        return self.n_inputs

    @property
    def activation(self) -> Activation:
        """f; fixed at construction."""
        return self._activation

    def config(self) -> dict[str, Any]:
        """Width and activation, for the model file."""
        f = self.activation
        arguments = f.config()
        described = {"type": f.shell_name, **arguments} if arguments else f.shell_name
        return {"n": self.n, "activation": described}

    def numbers(self) -> tuple[float, ...]:
        """The activation's scalars."""
        return self.activation.numbers()

    def operation(self, starts: tuple[int, ...], key: int) -> Operation:
        """The layer as an operation of the compiled code; see :meth:`Layer.operation`."""
        kernel = f"{self.kernel}_{self.activation.kernel}"
        return Operation(kernel, starts=starts, numbers=self.numbers())

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add f, and what mixes it with its input."""
        x = graph.tensor
        self.activation.write_onnx(graph)
        (a,) = graph.parameters(self, "a")
        graph.add("Sub", graph.tensor, x)
        graph.add("Mul", graph.tensor, a)
        graph.add("Add", x, graph.tensor)
        graph.describe(self, x, {"a": a})

    def _apply(self, x: Array, keep: bool) -> Array:
        dtype = self._dtype_for(x)
        out, step = np.empty(x.shape, dtype), np.empty(x.shape, dtype)
        f, (a,) = self.activation, self._arrays_as(dtype)
        kernels.parametric_forward(ready(x, dtype), a, f.kernel or "", f.numbers(), out, step)
        if keep:
            self._step = step
        return out

    def _apply_backward(self, x: Array, dout: Array, gradients: Mapping[str, Array]) -> Array:
        dx, f = np.empty(x.shape, x.dtype), self.activation
        step = self._kept(self._step).astype(x.dtype)  # a copy: the kernel overwrites it
        (a,), da = self._arrays_as(x.dtype), gradients["a"]
        kernels.parametric_backward(x, dout, a, f.kernel or "", f.numbers(), dx, da, step)
        return dx


def known_activation(activation: Any) -> Activation:
    """An activation from its object, its ``shell_name`` or a model file's description."""
    if isinstance(activation, Activation) and vars(type(activation)).get("kernel") is not None:
        return activation
    classes = activation_classes()
    arguments: dict[str, Any] = {}
    if isinstance(activation, Mapping):
        arguments = {name: value for name, value in activation.items() if name != "type"}
        activation = activation.get("type")
    if not isinstance(activation, str) or activation not in classes:
        raise ValueError(
            f"activation is {activation!r}, wanted one of {', '.join(classes)}, or one of "
            "affinet's activations"
        )
    return classes[activation](**arguments)
