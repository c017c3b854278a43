"""Activation layers: y = f(x), elementwise, for inputs of any shape."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from affinet._dispatch import kernels
from affinet._validation import Array, compute_dtype, ready, real_number
from affinet.layers.base import Layer, gradient_array, input_array
from affinet.layers.operation import OnnxGraph

__all__ = [  # noqa: RUF022 - in the order in which the shell and the docs show them
    "ReLU",
    "LeakyReLU",
    "Sigmoid",
    "Tanh",
    "GELU",
    "SiLU",
    "Mish",
    "SELU",
    "Softplus",
]

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # lambda and alpha
GELU_OPSET = 20  # the first ONNX opset that has the operator


class Activation(Layer):
    """An elementwise function whose backward needs one array: its input or its output.

    To add one, write a class here that sets the attributes below, a branch in
    ``kernels/activations.pyx`` and a function in :mod:`affinet.reference`. The shell, estimators,
    files, ONNX and tests read everything else from the class.

    Attributes
    ----------
    needs_input : bool
        True if backward needs the input, False if it needs the output.
    kernel : str
        Prefix of its kernels, ``<kernel>_forward`` and ``<kernel>_backward``.
    shell_name : str
        Its name in the shell, in estimators and in :meth:`Affine.init`.
    sklearn_name : str
        Scikit-learn's name for it, if there is one; the estimators then use this name.
    initializer : str
        Initialization of the weights before it: "he", "xavier" or "lecun".
    onnx_operator : str
        The ONNX operator that computes it.
    onnx_gate : tuple of str
        For a function that is x times a chain of operators on x: the operators of that chain.
    """

    keeps: ClassVar[tuple[str, ...]] = ("_needed",)
    needs_input: ClassVar[bool] = False
    shell_name: ClassVar[str]
    sklearn_name: ClassVar[str] = ""
    initializer: ClassVar[str] = "xavier"
    onnx_operator: ClassVar[str]
    onnx_gate: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self._needed: Array | None = None

    def forward(self, x: ArrayLike) -> Array:
        """f(x); keeps the array that backward needs.

        Parameters
        ----------
        x : array of any shape

        Returns
        -------
        array of the shape of x, in its dtype, at least float32
        """
        x = input_array(x)
        y = self._values(x)
        # Bypasses __setattr__, which checks every name first.
        self.__dict__["_needed"] = x if self.needs_input else y
        return y

    def predict(self, x: ArrayLike) -> Array:
        """f(x); keeps nothing. Shapes as in :meth:`forward`."""
        return self._values(input_array(x))

    def _values(self, x: Array) -> Array:
        y = np.empty_like(x)
        self._apply(x.reshape(-1), y.reshape(-1))
        return y

    def backward(self, dout: ArrayLike) -> Array:
        """``dout f'(x)`` for the x of the last forward.

        Parameters
        ----------
        dout : array of the shape of x
            Gradient of the loss with respect to the output; not modified.

        Returns
        -------
        array of the shape of x
        """
        needed = self._kept(self._needed)
        dout = gradient_array(dout, needed.shape)
        dtype = compute_dtype(dout, needed)
        dx = np.empty(needed.shape, dtype)
        self._apply_backward(
            ready(needed, dtype).reshape(-1), ready(dout, dtype).reshape(-1), dx.reshape(-1)
        )
        return dx

    def _apply(self, x: Array, out: Array) -> None:
        """Write f(x) into out; both are flat."""
        kernel_pair(self.kernel)[0](x, *self.numbers(), out)

    def _apply_backward(self, needed: Array, dout: Array, dx: Array) -> None:
        """Write dout f'(x) into dx, given x or y = f(x), all flat."""
        kernel_pair(self.kernel)[1](needed, dout, *self.numbers(), dx)

    def numbers(self) -> tuple[float, ...]:
        """Empty: most activation kernels take no scalar."""
        return ()

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add the activation's ONNX operator."""
        graph.add(self.onnx_operator)

    @classmethod
    def from_onnx(cls, attributes: Mapping[str, Any]) -> Activation:
        """The activation that a node of this operator represents.

        Parameters
        ----------
        attributes : mapping
            The node's attributes, with numbers as originally set rather than as single precision
            stores them: 0.2, not 0.20000000298.

        Raises
        ------
        ValueError
            If the attributes describe a different function.
        """
        return cls()


class ReLU(Activation):
    """Rectified linear unit, ``max(x, 0)``; NaN stays NaN.

    The gradient is passed through where the output is above 0; elsewhere, including at 0, it is 0.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> relu = an.ReLU()
    >>> relu.forward(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    >>> relu.backward(np.ones(3))
    array([0., 0., 1.])
    """

    kernel = "relu"
    shell_name = "relu"
    sklearn_name = "relu"
    initializer = "he"
    onnx_operator = "Relu"


class LeakyReLU(Activation):
    """``x`` where x is positive, ``slope * x`` where it is negative.

    Parameters
    ----------
    slope : float
        Slope for negative x, 0 or more. Maas, Hannun, Ng, ICML 2013 used 0.01.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> an.LeakyReLU(0.1).forward(np.array([-1.0, 2.0]))
    array([-0.1,  2. ])
    """

    kernel = "leaky_relu"
    shell_name = "leaky_relu"
    initializer = "he"
    onnx_operator = "LeakyRelu"

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__()
        self.slope = real_number("slope", slope, 0.0)

    def config(self) -> dict[str, Any]:
        """The slope, for the model file."""
        return {"slope": self.slope}

    def numbers(self) -> tuple[float, ...]:
        """The slope."""
        return (self.slope,)

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add a LeakyRelu, whose slope is single precision; in double precision a choice."""
        if graph.dtype != np.float64:
            graph.add(self.onnx_operator, alpha=self.slope)
            return
        x = graph.tensor
        scaled = graph.add("Mul", x, graph.constant("slope", self.slope))
        graph.add("Where", graph.add("Less", x, graph.constant("zero", 0)), scaled, x)
        graph.describe(self, x, {})

    @classmethod
    def from_onnx(cls, attributes: Mapping[str, Any]) -> LeakyReLU:
        """A LeakyReLU with the node's slope."""
        return cls(attributes.get("alpha", 0.01))


class Sigmoid(Activation):
    """Logistic function ``1 / (1 + exp(-x))``; its derivative is ``y (1 - y)``.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> sigmoid = an.Sigmoid()
    >>> sigmoid.forward(np.array([0.0, 1000.0]))
    array([0.5, 1. ])
    >>> sigmoid.backward(np.ones(2))
    array([0.25, 0.  ])
    """

    kernel = "sigmoid"
    shell_name = "sigmoid"
    sklearn_name = "logistic"
    onnx_operator = "Sigmoid"


class Tanh(Activation):
    """Hyperbolic tangent; its derivative is ``1 - y^2``.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> tanh = an.Tanh()
    >>> tanh.forward(np.zeros(1)), tanh.backward(np.ones(1))
    (array([0.]), array([1.]))
    """

    kernel = "tanh"
    shell_name = "tanh"
    sklearn_name = "tanh"
    onnx_operator = "Tanh"


class GELU(Activation):
    """Gaussian error linear unit, ``x Phi(x)`` with Phi the standard normal CDF.

    Hendrycks & Gimpel, arXiv 1606.08415, 2016; exact, without the tanh approximation. Its
    derivative is ``Phi(x) + x phi(x)`` with ``phi(x) = exp(-x^2 / 2) / sqrt(2 pi)``. The function
    is not monotonic, so x cannot be recovered from the output: the layer keeps its input.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> gelu = an.GELU()
    >>> gelu.forward(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-0.1587,  0.    ,  0.8413])
    >>> gelu.backward(np.ones(3)).round(4)
    array([-0.0833,  0.5   ,  1.0833])
    """

    needs_input = True
    kernel = "gelu"
    shell_name = "gelu"
    initializer = "he"
    onnx_operator = "Gelu"

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add a Gelu, or before opset 20 ``x/2 (1 + erf(x / sqrt 2))``."""
        if graph.opset >= GELU_OPSET:
            graph.add(self.onnx_operator)
            return
        x = graph.tensor
        graph.add("Div", x, graph.constant("sqrt2", math.sqrt(2)))
        graph.add("Erf")
        graph.add("Add", graph.tensor, graph.constant("one", 1))
        graph.add("Mul", x, graph.tensor)
        graph.add("Mul", graph.tensor, graph.constant("half", 0.5))

    @classmethod
    def from_onnx(cls, attributes: Mapping[str, Any]) -> GELU:
        """A GELU, unless the node uses an approximation."""
        approximate = attributes.get("approximate", "none")
        if approximate not in ("none", b"none"):
            raise ValueError(f"approximate is {approximate!r}, affinet's GELU is exact")
        return cls()


class SiLU(Activation):
    """Sigmoid linear unit, ``x s(x)`` with ``s(x) = 1 / (1 + exp(-x))``; also called swish.

    Elfwing, Uchibe & Doya, Neural Networks 107, 2018. Its derivative is
    ``s(x) (1 + x (1 - s(x)))``. Like :class:`GELU`, the layer keeps its input for the backward.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> silu = an.SiLU()
    >>> silu.forward(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-0.2689,  0.    ,  0.7311])
    >>> silu.backward(np.ones(3)).round(4)
    array([0.0723, 0.5   , 0.9277])
    """

    needs_input = True
    kernel = "silu"
    shell_name = "silu"
    initializer = "he"
    onnx_operator = "Swish"
    onnx_gate = ("Sigmoid",)

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add ``x sigmoid(x)``: Swish itself needs opset 24."""
        write_gate(graph, self.onnx_gate)

    @classmethod
    def from_onnx(cls, attributes: Mapping[str, Any]) -> SiLU:
        """A SiLU, if the node's factor is 1."""
        if attributes.get("alpha", 1.0) != 1:
            raise ValueError(f"alpha is {attributes['alpha']:g}, wanted 1")
        return cls()


class Mish(Activation):
    """``x tanh(log(1 + exp(x)))``: smooth, and slightly negative for negative x.

    Misra, "Mish: A Self Regularized Non-Monotonic Activation Function", BMVC 2020. Its derivative
    is ``t + x (1 - t^2) s(x)`` with ``t = tanh(log(1 + exp(x)))`` and ``s(x) = 1 / (1 + exp(-x))``.
    Like :class:`GELU`, the layer keeps its input for the backward.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> mish = an.Mish()
    >>> mish.forward(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-0.3034,  0.    ,  0.8651])
    >>> mish.backward(np.ones(3)).round(4)
    array([0.0592, 0.6   , 1.049 ])
    """

    needs_input = True
    kernel = "mish"
    shell_name = "mish"
    initializer = "he"
    onnx_operator = "Mish"
    onnx_gate = ("Softplus", "Tanh")

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add ``x tanh(softplus(x))``: the Mish operator needs opset 18."""
        x = graph.tensor
        write_softplus(graph)
        graph.add("Mul", x, graph.add("Tanh"))
        if graph.dtype == np.float64:
            graph.describe(self, x, {})


class SELU(Activation):
    """Scaled exponential linear unit: ``lambda x``, or ``lambda alpha (exp(x) - 1)`` below 0.

    Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks", NeurIPS 2017:
    with lambda = 1.0507, alpha = 1.6733 and LeCun initialization, outputs keep mean 0 and
    variance 1 from layer to layer. The derivative is ``lambda`` above 0, else
    ``lambda alpha exp(x)``.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> selu = an.SELU()
    >>> selu.forward(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-1.1113,  0.    ,  1.0507])
    >>> selu.backward(np.ones(3)).round(4)
    array([0.6468, 1.7581, 1.0507])
    """

    needs_input = True
    kernel = "selu"
    shell_name = "selu"
    initializer = "lecun"
    onnx_operator = "Selu"

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add a Selu, whose constants are single precision; in double precision its formula.

        There ``exp(x) - 1`` is ``2 t / (1 - t)`` with ``t = tanh(x / 2)``, without cancellation.
        """
        if graph.dtype != np.float64:
            graph.add(self.onnx_operator)
            return
        x, half = graph.tensor, graph.constant("half", 0.5)
        above = graph.add("Mul", graph.add("Relu"), graph.constant("scale", SELU_SCALE))
        graph.add("Mul", graph.add("Min", x, graph.constant("zero", 0)), half)
        t = graph.add("Tanh")
        graph.add("Div", t, graph.add("Sub", graph.constant("one", 1), t))
        below = graph.constant("below", 2 * SELU_SCALE * SELU_ALPHA)
        graph.add("Add", above, graph.add("Mul", graph.tensor, below))
        graph.describe(self, x, {})

    @classmethod
    def from_onnx(cls, attributes: Mapping[str, Any]) -> SELU:
        """A SELU, if the node has SELU's two constants."""
        for name, wanted in (("alpha", SELU_ALPHA), ("gamma", SELU_SCALE)):
            value = attributes.get(name, wanted)
            if not math.isclose(value, wanted, rel_tol=1e-6):
                raise ValueError(f"{name} is {value:g}, wanted {wanted:g}")
        return cls()


class Softplus(Activation):
    """``log(1 + exp(x))``, a smooth, always positive ReLU; its derivative is the logistic function.

    Dugas, Bengio, Bélisle, Nadeau, Garcia, "Incorporating Second-Order Functional Knowledge for
    Better Option Pricing", NIPS 2000. The layer keeps its input for the backward.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> softplus = an.Softplus()
    >>> softplus.forward(np.array([-1.0, 0.0, 1.0])).round(4)
    array([0.3133, 0.6931, 1.3133])
    >>> softplus.backward(np.ones(3)).round(4)
    array([0.2689, 0.5   , 0.7311])
    """

    needs_input = True
    kernel = "softplus"
    shell_name = "softplus"
    initializer = "he"
    onnx_operator = "Softplus"

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add a Softplus or, in double precision, its formula."""
        x = graph.tensor
        write_softplus(graph)
        if graph.dtype == np.float64:
            graph.describe(self, x, {})


@functools.cache
def kernel_pair(name: str | None) -> tuple[Callable[..., None], Callable[..., None]]:
    """The forward and backward kernels of an activation."""
    return getattr(kernels, f"{name}_forward"), getattr(kernels, f"{name}_backward")


def activation_classes() -> dict[str, type[Activation]]:
    """Every public activation by its ``shell_name``."""
    classes = [globals()[name] for name in __all__]
    return {cls.shell_name: cls for cls in classes}


def write_gate(graph: OnnxGraph, operators: tuple[str, ...]) -> None:
    """Add x times a chain of operators on x to an ONNX graph."""
    x = graph.tensor
    for operator in operators:
        graph.add(operator)
    graph.add("Mul", x, graph.tensor)


def write_softplus(graph: OnnxGraph) -> str:
    """Add a Softplus to an ONNX graph; in double precision, which ONNX Runtime lacks, as a formula.

    ``max(x, 0) + log(1 + u)`` with ``u = exp(-|x|)``; the logarithm is ``u log(w) / (w - 1)`` for
    the rounded ``w = 1 + u``, or u where w is 1: Goldberg, "What every computer scientist should
    know about floating-point arithmetic", ACM Computing Surveys 23, 1991, theorem 4.
    """
    if graph.dtype != np.float64:
        return graph.add("Softplus")
    x, one = graph.tensor, graph.constant("one", 1)
    above = graph.add("Relu", x)
    graph.add("Abs", x)
    graph.add("Neg")
    u = graph.add("Exp")
    w = graph.add("Add", one, u)
    product = graph.add("Mul", u, graph.add("Log", w))
    quotient = graph.add("Div", product, graph.add("Sub", w, one))
    return graph.add("Add", above, graph.add("Where", graph.add("Equal", w, one), u, quotient))
