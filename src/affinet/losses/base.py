"""The base of all losses: the scalar to minimize, and its gradient."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from affinet._attributes import KnownAttributes
from affinet._dispatch import kernels
from affinet._foreign_names import require_known_names
from affinet._validation import Array, fold_rows, number_array, ready, require_shape, row_weights
from affinet.layers.base import input_array
from affinet.layers.operation import OnnxGraph
from affinet.losses import mixtures


class Loss(KnownAttributes, ABC):
    """A scalar function of outputs x and targets t, and its gradient with respect to x.

    Rows may be weighted. A mean is then a weighted mean, divided by the sum of the weights. Rows
    of weight 0 are ignored, whatever they contain; a batch whose weights are all 0 has loss 0
    and gradient 0. Weights that are all 1 leave the gradient bit-identical.

    Attributes
    ----------
    kernel : str or None
        The kernel function that computes it. None means no compiled form: training with it runs
        layer by layer. Subclasses do not inherit it, as they may compute something else.
    is_sum : bool
        True for a sum over the rows, False for a mean over them.
    takes_labels : bool
        True if targets may be class indices.
    several_labels : bool
        True if two or more outputs are independent labels.
    estimator_name : str
        Its name as ``MLPRegressor(loss=...)``, if it has one.
    onnx_operator : str or None
        The ONNX operator that turns its logits into probabilities.
    keeps : tuple of str or None
        Names of all attributes in which forward stores what backward needs, as in :class:`Layer`.

    Examples
    --------
    >>> import affinet as an
    >>> isinstance(an.MeanSquaredError(), an.Loss)
    True
    """

    kernel: ClassVar[str | None] = None
    is_sum: ClassVar[bool] = False
    takes_labels: ClassVar[bool] = False
    several_labels: ClassVar[bool] = False
    estimator_name: ClassVar[str] = ""
    onnx_operator: ClassVar[str | None] = None
    keeps: ClassVar[tuple[str, ...] | None] = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Create the object; translate another library's argument name in the error message."""
        if kwargs:
            require_known_names(cls.__name__, kwargs, inspect.signature(cls.__init__).parameters)
        return super().__new__(cls)

    def __init__(self) -> None:
        self._dx: Array | None = None

    @abstractmethod
    def forward(self, x: ArrayLike, t: ArrayLike, weights: ArrayLike | None = None) -> float:
        """The loss; keeps its gradient for the backward."""

    def backward(self, dout: float = 1.0) -> Array:
        """The gradient with respect to x, times ``dout``.

        Parameters
        ----------
        dout : float
            Gradient of the minimized objective with respect to this loss.

        Returns
        -------
        array of the shape of x, a new one on every call

        Raises
        ------
        RuntimeError
            If there was no forward.
        """
        if self._dx is None:
            raise RuntimeError(f"{type(self).__name__}.backward came before forward")
        factor: Any = dout
        if type(dout) is not float:
            array = number_array("dout", dout)
            if array.size != 1:
                raise ValueError(f"dout has shape {array.shape}, wanted one number")
            factor = array.reshape(-1)[0]
        gradient: Array = self._dx * self._dx.dtype.type(factor)
        return gradient

    def config(self) -> dict[str, Any]:
        """The constructor arguments that matter, as plain values for the model file."""
        return {}

    def values(self, x: Array) -> Array:
        """Predictions for outputs x, in the units of the targets."""
        return x

    def combined(self, outputs: Array, weights: Array) -> Array:
        """The outputs of an ensemble: here the weighted mean of its members' outputs.

        A loss whose predictions are a function of the outputs averages the predictions.

        Parameters
        ----------
        outputs : array of shape (K, B, O)
        weights : array of shape (K,), of sum 1

        Returns
        -------
        array of shape (B, O) of float64
        """
        return mixtures.mean(outputs, weights)

    def write_onnx_combined(
        self, graph: OnnxGraph, outputs: Sequence[str], weights: Sequence[float]
    ) -> None:
        """Add the nodes of :meth:`combined` to an ONNX graph; ``outputs`` are its tensors."""
        mixtures.write_mean(graph, outputs, weights)

    def number(self) -> float | tuple[float, ...]:
        """The kernel's scalar argument, or several; 0 if it takes none."""
        return float(next(iter(self.config().values()), 0.0))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({arguments})"


class ClassLoss(Loss):
    """A loss on logits, which defines probabilities and whether a row is classified correctly."""

    @abstractmethod
    def probabilities(self, x: ArrayLike) -> Array:
        """Probabilities for the logits x, in the shape of x."""

    @abstractmethod
    def hits(self, x: ArrayLike, t: ArrayLike) -> Array:
        """For each row, whether the logits x predict the target."""

    @property
    @abstractmethod
    def judged(self) -> Array | None:
        """Outputs of the last forward in a form :meth:`hits` takes; None before a forward."""


class ElementwiseLoss(Loss):
    """A loss that compares x and t, of the same shape, element by element."""

    keeps: ClassVar[tuple[str, ...] | None] = ("_dx",)
    target_range: ClassVar[tuple[float, float]] = (-np.inf, np.inf)  # valid targets

    @property
    def outputs_per_target(self) -> int:
        """The number of neighbouring outputs that are compared with each target."""
        return 1

    def target_width(self, n_outputs: int) -> int:
        """The number of targets a row for this number of outputs; ValueError if there is none."""
        each = self.outputs_per_target
        if n_outputs % each != 0:
            raise ValueError(
                f"{self!r} takes {each} outputs for each target, but there are {n_outputs}"
            )
        return n_outputs // each

    def for_outputs(self, t: Array) -> Array:
        """Targets (B, T), each repeated for all the outputs that are compared with it."""
        each = self.outputs_per_target
        if t.shape[1] == 1:  # without a copy
            return np.broadcast_to(t, (len(t), each))
        return t if each == 1 else np.repeat(t, each, axis=1)

    def forward(self, x: ArrayLike, t: ArrayLike, weights: ArrayLike | None = None) -> float:
        """The loss over all elements.

        Parameters
        ----------
        x : array of any shape, at least one element
            Outputs. The first axis indexes rows; a one-dimensional x is one row.
        t : array of the shape of x, or (B,) for one target a row
            Targets, converted to the dtype of x. Where several outputs belong to a target, the last
            axis is that many times shorter.
        weights : array of shape (B,), optional
            Weights of the rows, each 0 or more.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If the batch is empty, shapes differ, a target is out of the loss's range or a weight
            is negative, infinite or NaN.
        """
        x = input_array(x)
        t = number_array("t", t)
        if x.size == 0:
            raise ValueError(f"x has shape {x.shape}, wanted at least one row")
        rows, dx = fold_rows(np.atleast_1d(x)), np.empty_like(x)
        shape = x.shape
        if self.outputs_per_target > 1:
            shape = (*x.shape[:-1], self.target_width(x.shape[-1] if x.ndim else 1))
        if shape != (t.size, 1) or t.ndim != 1:
            require_shape("t", t, shape)
        self.require_range("t", t)
        w = None if weights is None else row_weights("weights", weights, len(rows))
        t = self.for_outputs(t.reshape(len(rows), -1))
        loss = self._apply(rows, ready(t, x.dtype), w, dx.reshape(rows.shape))
        self._dx = dx
        return float(loss)

    def require_range(self, name: str, t: Array, first_row: int = 0) -> None:
        """Raise ValueError if a target is outside ``target_range``; NaN is allowed."""
        low, high = self.target_range
        if (low == -np.inf and high == np.inf) or t.size == 0:
            return
        if t.min() >= low and t.max() <= high:
            return
        bad = (t < low) | (t > high)
        if bad.any():
            place = tuple(int(i) for i in np.argwhere(bad)[0])
            shown = [first_row + place[0], *place[1:]] if place else []
            wanted = f"t >= {low:g}" if high == np.inf else f"{low:g} <= t <= {high:g}"
            raise ValueError(f"{name}{shown} is {t[place]}, wanted {wanted}")

    def _apply(self, x: Array, t: Array, weights: Array | None, dx: Array) -> float:
        """The loss of x and t, both (B, O); writes the gradient into dx."""
        numbers = self.config().values()
        return float(getattr(kernels, f"{self.kernel}")(x, t, weights, *numbers, dx))


def loss_of(
    loss: Any, y: Array, t: ArrayLike, weights: ArrayLike | None, name: str = "weights"
) -> float:
    """``loss.forward``, with weights only if they are given.

    Raises
    ------
    TypeError
        If weights, called ``name`` in the message, are given but a custom loss takes none.
    """
    if weights is None:
        return float(loss.forward(y, t))
    require_takes_weights(loss, name)
    return float(loss.forward(y, t, weights=weights))


def require_takes_weights(loss: Any, name: str) -> None:
    """Raise TypeError unless the loss's forward takes an argument ``weights``."""
    try:
        parameters = inspect.signature(loss.forward).parameters.values()
    except (TypeError, ValueError):
        return  # no signature available: just call it
    if not any(p.name == "weights" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise TypeError(f"{name} came, but the forward of the loss {loss!r} takes no weights")
