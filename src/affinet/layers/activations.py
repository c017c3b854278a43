"""Activation layers: y = f(x), element by element, for inputs of any shape."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from affinet._dispatch import kernels
from affinet._validation import Array, compute_dtype, ready, real_number
from affinet.layers.base import Layer, gradient_array, input_array


class Activation(Layer):
    """An elementwise function whose backward needs one array.

    Attributes
    ----------
    needs_input : bool
        Which one: the input if True, else the output.
    """

    needs_input: ClassVar[bool] = False

    def __init__(self) -> None:
        self._needed: Array | None = None

    def forward(self, x: ArrayLike) -> Array:
        """f(x), keeping for the backward what that needs.

        Parameters
        ----------
        x : array of any shape

        Returns
        -------
        array of the shape of x, in its dtype, at least float32
        """
        x = input_array(x)
        y = self._values(x)
        self._needed = x if self.needs_input else y
        return y

    def predict(self, x: ArrayLike) -> Array:
        """f(x), keeping nothing; shapes as in :meth:`forward`."""
        return self._values(input_array(x))

    def _values(self, x: Array) -> Array:
        y = np.empty_like(x)
        self._apply(x.reshape(-1), y.reshape(-1))
        return y

    def backward(self, dout: ArrayLike) -> Array:
        """dout f'(x) for the x of the last forward.

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

    @abstractmethod
    def _apply(self, x: Array, out: Array) -> None:
        """Write f(x) into out, both flat."""

    @abstractmethod
    def _apply_backward(self, needed: Array, dout: Array, dx: Array) -> None:
        """Write dout f'(x) into dx, given x or y = f(x), all flat."""


class ReLU(Activation):
    """Rectified linear unit, ``max(x, 0)``; NaN stays NaN.

    The gradient passes where the output is above zero and is 0 elsewhere, at 0 too.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> relu = an.ReLU()
    >>> relu.forward(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    >>> relu.backward(np.ones(3))
    array([0., 0., 1.])
    """

    def _apply(self, x: Array, out: Array) -> None:
        kernels.relu_forward(x, out)

    def _apply_backward(self, needed: Array, dout: Array, dx: Array) -> None:
        kernels.relu_backward(needed, dout, dx)


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

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__()
        self.slope = real_number("slope", slope, 0.0)

    def config(self) -> dict[str, Any]:
        """The slope, for a model file."""
        return {"slope": self.slope}

    def _apply(self, x: Array, out: Array) -> None:
        kernels.leaky_relu_forward(x, self.slope, out)

    def _apply_backward(self, needed: Array, dout: Array, dx: Array) -> None:
        kernels.leaky_relu_backward(needed, dout, self.slope, dx)


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

    def _apply(self, x: Array, out: Array) -> None:
        kernels.sigmoid_forward(x, out)

    def _apply_backward(self, needed: Array, dout: Array, dx: Array) -> None:
        kernels.sigmoid_backward(needed, dout, dx)


class Tanh(Activation):
    """Hyperbolic tangent; its derivative is ``1 - y^2``.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> tanh = an.Tanh()
    >>> tanh.forward(np.zeros(1)), tanh.backward(np.ones(1))
    (array([0.]), array([1.]))
    """

    def _apply(self, x: Array, out: Array) -> None:
        kernels.tanh_forward(x, out)

    def _apply_backward(self, needed: Array, dout: Array, dx: Array) -> None:
        kernels.tanh_backward(needed, dout, dx)


class GELU(Activation):
    """Gaussian error linear unit, ``x Phi(x)`` with Phi the normal distribution's function.

    Hendrycks & Gimpel, arXiv 1606.08415, 2016; exact, not by way of tanh. Its derivative is
    ``Phi(x) + x phi(x)`` with ``phi(x) = exp(-x^2 / 2) / sqrt(2 pi)``. The function falls, then
    rises, so its output does not tell x: the layer keeps its input for the backward.

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

    def _apply(self, x: Array, out: Array) -> None:
        kernels.gelu_forward(x, out)

    def _apply_backward(self, needed: Array, dout: Array, dx: Array) -> None:
        kernels.gelu_backward(needed, dout, dx)


class SiLU(Activation):
    """Sigmoid linear unit, ``x s(x)`` with ``s(x) = 1 / (1 + exp(-x))``; also called swish.

    Elfwing, Uchibe & Doya, Neural Networks 107, 2018. Its derivative is
    ``s(x) (1 + x (1 - s(x)))``. The layer keeps its input for the backward, as :class:`GELU`.

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

    def _apply(self, x: Array, out: Array) -> None:
        kernels.silu_forward(x, out)

    def _apply_backward(self, needed: Array, dout: Array, dx: Array) -> None:
        kernels.silu_backward(needed, dout, dx)
