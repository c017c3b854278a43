"""Propagation: the forward and backward pass that store what training needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array, number_array
from affinet.losses import loss_of
from affinet.network.figures import require_loss
from affinet.network.kept import Kept
from affinet.network.prediction import Prediction


class Propagation(Prediction):
    """The part of a :class:`affinet.Sequential` that computes gradients of parameters."""

    _kept: Kept
    # Per layer, the gradients that its backward stores elsewhere: key, owner, attribute.
    _elsewhere: list[list[tuple[str, Any, str]]]

    @overload
    def forward(
        self, x: ArrayLike, t: None = None, train: bool = True, weights: None = None
    ) -> Array: ...

    @overload
    def forward(
        self, x: ArrayLike, t: ArrayLike, train: bool = True, weights: ArrayLike | None = None
    ) -> float: ...

    def forward(
        self,
        x: ArrayLike,
        t: ArrayLike | None = None,
        train: bool = True,
        weights: ArrayLike | None = None,
    ) -> float | Array:
        """The loss of the outputs for x against the targets t, or without t the outputs.

        Parameters
        ----------
        x : array of shape (B, ...)
            B >= 1 rows. With targets the layers store x itself, which must not change before the
            backward; without targets they store a copy.
        t : array, optional
            Targets, in the form that the loss takes. Without them no loss is needed, and
            :meth:`backward` takes the gradient with respect to the outputs.
        train : bool
            True for training, False for evaluation.
        weights : array of shape (B,), optional
            Weights of the rows, each 0 or more; see :class:`Loss`.

        Returns
        -------
        float, or without t an array of shape (B, O)
            The array is a copy, which the caller may change.

        Examples
        --------
        >>> import numpy as np, affinet as an
        >>> net = an.Sequential(an.Affine(np.array([[2.0]]), np.zeros(1)))
        >>> y = net.forward([[3.0]])
        >>> net.backward(np.ones_like(y), need_dx=True)
        array([[2.]])
        """
        if t is None and weights is not None:
            raise ValueError("weights came without targets t: weigh the rows of dout instead")
        loss = None if t is None else require_loss(self)
        self._kept.enter(loss)
        rows = self._input(x)
        self._require_rows(rows)
        out = self._chain.forward(rows.copy() if t is None else rows, bool(train))
        value = np.array(out) if t is None else loss_of(loss, out, t, weights)
        self._kept.note(out)
        return value

    def backward(self, dout: ArrayLike = 1.0, need_dx: bool = False) -> Array | None:
        """Write the gradients of the last forward's result to ``grads``; no parameter changes.

        Parameters
        ----------
        dout : float, or array of the shape of the outputs
            Gradient of the objective with respect to the result of forward: one number for the
            loss; after a forward without targets an array of the shape of the outputs. It is not
            modified.
        need_dx : bool
            True also computes the gradient with respect to x, which costs one more product.

        Returns
        -------
        array of the shape of x, or None
            The gradient with respect to x after multiplication by ``input_scale``.

        Raises
        ------
        RuntimeError
            If there was no forward, or a custom layer or loss was used elsewhere since.
        ValueError
            If dout has another shape.
        """
        gradient = self._chain.backward(self._gradient_of_outputs(dout), need_dx)
        for places in filter(None, self._elsewhere):
            for key, layer, name in places:
                self._grads[key] = getattr(layer, name)
        self._kept.note_again()
        return gradient if need_dx else None

    def _gradient_of_outputs(self, dout: ArrayLike) -> Any:
        """The gradient with respect to the last forward's outputs."""
        kept = self._kept
        kept.put_back()
        if kept.loss is not None:
            if type(dout) is not float and np.size(dout) != 1:
                raise ValueError(
                    f"dout has shape {np.shape(dout)}, wanted one number, for the last forward had "
                    "targets and returned the loss; forward(x) without targets takes the gradient "
                    "of the outputs"
                )
            return kept.loss.backward(dout)
        gradient = number_array("dout", dout)
        if gradient.shape != kept.shape:
            raise ValueError(
                f"dout has shape {gradient.shape}, wanted {kept.shape}, that of the outputs which "
                "the last forward returned; forward(x, t) with targets needs no dout"
            )
        return gradient.astype(self._dtype)  # a copy: a custom layer may write into it

    def _gradients(self, dout: Any) -> Iterator[Any]:
        """The gradient of the input of each layer, the last layer first; collects ``grads``."""
        for place, dx in self._chain.gradients(dout):
            for key, layer, name in self._elsewhere[place]:
                self._grads[key] = getattr(layer, name)
            yield dx
        self._kept.note_again()

    def _outputs(self, x: ArrayLike, train: bool) -> Iterator[Any]:
        """The output of each layer for x, as in a forward without targets."""
        self._kept.enter()
        out: Any = None
        for out in self._chain.outputs(self._input(x), train):
            yield out
        self._kept.note(out)

    def _forget_forward(self) -> None:
        self._kept.forget()

    def _require_rows(self, x: Array) -> None:
        if x.ndim > 0 and x.shape[0] == 0:
            raise ValueError(f"x has shape {x.shape}, wanted at least one row")
