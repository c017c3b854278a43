"""Activation layers: y = f(x), element by element, for inputs of any shape."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from affinet._dispatch import kernels
from affinet._validation import Array, compute_dtype, ready, real_number
from affinet.layers.base import Layer, gradient_array, input_array


class Activation(Layer):
    """An elementwise function whose backward needs its output and nothing else."""

    def __init__(self) -> None:
        self._y: Array | None = None

    def forward(self, x: ArrayLike) -> Array:
        """f(x), keeping the output for the backward.

        Parameters
        ----------
        x : array of any shape

        Returns
        -------
        array of the shape of x, in its dtype, at least float32
        """
        self._y = self.predict(x)
        return self._y

    def predict(self, x: ArrayLike) -> Array:
        """f(x), keeping nothing; shapes as in :meth:`forward`."""
        x = input_array(x)
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
        y = self._kept(self._y)
        dout = gradient_array(dout, y.shape)
        dtype = compute_dtype(dout, y)
        dx = np.empty(y.shape, dtype)
        self._apply_backward(
            ready(y, dtype).reshape(-1), ready(dout, dtype).reshape(-1), dx.reshape(-1)
        )
        return dx

    @abstractmethod
    def _apply(self, x: Array, out: Array) -> None:
        """Write f(x) into out, both flat."""

    @abstractmethod
    def _apply_backward(self, y: Array, dout: Array, dx: Array) -> None:
        """Write dout f'(x) into dx, given y = f(x), all flat."""


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

    def _apply_backward(self, y: Array, dout: Array, dx: Array) -> None:
        kernels.relu_backward(y, dout, dx)


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

    def _apply_backward(self, y: Array, dout: Array, dx: Array) -> None:
        kernels.leaky_relu_backward(y, dout, self.slope, dx)


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

    def _apply_backward(self, y: Array, dout: Array, dx: Array) -> None:
        kernels.sigmoid_backward(y, dout, dx)


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

    def _apply_backward(self, y: Array, dout: Array, dx: Array) -> None:
        kernels.tanh_backward(y, dout, dx)
