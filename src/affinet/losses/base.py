"""What every loss is: a number to make small, and its gradient."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from affinet._attributes import KnownAttributes
from affinet._dispatch import kernels
from affinet._foreign_names import require_known_names
from affinet._validation import Array, fold_rows, number_array, ready, require_shape, row_weights
from affinet.layers.base import input_array


class Loss(KnownAttributes, ABC):
    """A scalar function of outputs x and targets t whose gradient comes with it.

    Every row may have a weight. A mean is then a weighted mean, which divides by the sum of the
    weights; a row of weight 0 counts nothing, whatever it holds, and a batch in which no row has
    a weight has loss 0 and gradients 0. Weights that are all 1 change no bit of the gradient.

    Attributes
    ----------
    kernel : str or None
        The function of the kernels that computes it; None has no compiled form, so a training
        with it goes layer by layer. A subclass does not inherit it: it may compute something else.
    is_sum : bool
        True for a sum over the rows, False for a mean over them.
    takes_labels : bool
        True if targets may be class indices.
    several_labels : bool
        True if each of two outputs or more is a label of its own.
    estimator_name : str
        Its name as ``MLPRegressor(loss=...)``, if it has one.
    onnx_operator : str or None
        The ONNX operator that turns its logits into probabilities.
    keeps : tuple of str or None
        Names of all attributes in which forward keeps what backward needs, as in :class:`Layer`.

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
        """Make the object, or say affinet's name for another library's argument."""
        if kwargs:
            require_known_names(cls.__name__, kwargs, inspect.signature(cls.__init__).parameters)
        return super().__new__(cls)

    def __init__(self) -> None:
        self._dx: Array | None = None

    @abstractmethod
    def forward(self, x: ArrayLike, t: ArrayLike, weights: ArrayLike | None = None) -> float:
        """The loss; its gradient is kept for the backward."""

    def backward(self, dout: float = 1.0) -> Array:
        """The gradient with respect to x, times ``dout``.

        Parameters
        ----------
        dout : float
            Gradient of what is minimised with respect to this loss.

        Returns
        -------
        array of the shape of x, a new one at every call

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
        """Constructor arguments as plain values, for a model file; those that matter."""
        return {}

    def values(self, x: Array) -> Array:
        """What outputs x predict, in the unit of the targets."""
        return x

    def number(self) -> float:
        """The one number that its kernel takes; 0 if it takes none."""
        return float(next(iter(self.config().values()), 0.0))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({arguments})"


class ClassLoss(Loss):
    """A loss of logits: it knows probabilities, and whether a row's answer is right."""

    @abstractmethod
    def probabilities(self, x: ArrayLike) -> Array:
        """What the logits x mean, in the shape of x."""

    @abstractmethod
    def hits(self, x: ArrayLike, t: ArrayLike) -> Array:
        """For each row, whether the logits x are right."""

    @property
    @abstractmethod
    def judged(self) -> Array | None:
        """What :meth:`hits` may take for the logits of the last forward; None if there was none."""


class ElementwiseLoss(Loss):
    """A loss that compares x and t, of one shape, element by element."""

    keeps: ClassVar[tuple[str, ...] | None] = ("_dx",)
    target_range: ClassVar[tuple[float, float]] = (-np.inf, np.inf)  # where targets make sense

    def forward(self, x: ArrayLike, t: ArrayLike, weights: ArrayLike | None = None) -> float:
        """The loss over all elements.

        Parameters
        ----------
        x : array of any shape, at least one element
            Outputs. The first dimension is that of the rows; a single dimension is one row.
        t : array of the shape of x; (B,) will do for x of shape (B, 1)
            Targets, converted to the dtype of x.
        weights : array of shape (B,), optional
            Weights of the rows, each 0 or more.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If the batch is empty, shapes differ, a target lies outside the range of the loss or
            a weight is negative, infinite or NaN.
        """
        x = input_array(x)
        t = number_array("t", t)
        if x.size == 0:
            raise ValueError(f"x has shape {x.shape}, wanted at least one row")
        if x.shape != (t.size, 1) or t.ndim != 1:
            require_shape("t", t, x.shape)
        self.require_range("t", t)
        rows, dx = fold_rows(np.atleast_1d(x)), np.empty_like(x)
        w = None if weights is None else row_weights("weights", weights, len(rows))
        loss = self._apply(rows, ready(t, x.dtype).reshape(rows.shape), w, dx.reshape(rows.shape))
        self._dx = dx
        return float(loss)

    def require_range(self, name: str, t: Array, first_row: int = 0) -> None:
        """Raise ValueError if a target lies outside ``target_range``; a NaN does not."""
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
        """The loss of x and t, both (B, O); the gradient goes into dx."""
        numbers = self.config().values()
        return float(getattr(kernels, f"{self.kernel}")(x, t, weights, *numbers, dx))


def loss_of(
    loss: Any, y: Array, t: ArrayLike, weights: ArrayLike | None, name: str = "weights"
) -> float:
    """``loss.forward``, with weights only where there are some.

    Raises
    ------
    TypeError
        If there are some, named ``name``, and the loss, a user's own, takes none.
    """
    if weights is None:
        return float(loss.forward(y, t))
    require_takes_weights(loss, name)
    return float(loss.forward(y, t, weights=weights))


def require_takes_weights(loss: Any, name: str) -> None:
    """Raise TypeError unless the loss's forward has an argument ``weights``."""
    try:
        parameters = inspect.signature(loss.forward).parameters.values()
    except (TypeError, ValueError):
        return  # it does not tell: let it be called
    if not any(p.name == "weights" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise TypeError(f"{name} came, but the forward of the loss {loss!r} takes no weights")
