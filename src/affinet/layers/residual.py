"""Residual connections: layers whose input is added to their output."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import Array
from affinet.layers.affine import Affine
from affinet.layers.base import Layer, gradient_array, input_array
from affinet.layers.chain import Chain, predicts
from affinet.layers.operation import OnnxGraph
from affinet.layers.tree import (
    keeps_any_width,
    require_each_once,
    require_widths,
    width_returned,
    width_taken,
)


class Residual(Layer):
    """A branch of layers whose input is added to its output: ``out = branch(x) + x``.

    A projection P maps the input to the branch's width: ``out = branch(x) + P(x)``.
    Backward, for ``dout`` the gradient of the loss with respect to ``out``::

        dx = branch.backward(dout) + dout        or  branch.backward(dout) + P.backward(dout)

    He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.

    Parameters
    ----------
    *layers : Layer, or any object with ``forward(x)`` and ``backward(dout)``
        The branch, one layer or more; Residuals may be nested. Without a projection, its output
        width must equal its input width.
    projection : Affine, optional
        Applied to the input; needed where the branch changes the width.

    Attributes
    ----------
    layers : tuple
        The branch.
    projection : Affine or None
    children : tuple
        The branch's layers, then the projection. Their indices form their paths: if the Residual
        is layer 2 of a network, its first layer's weights are ``"2.0.W"`` and, after a branch of
        three layers, the projection's are ``"2.3.W"``.

    Raises
    ------
    TypeError
        If an argument is not a layer, or the projection is not an Affine.
    ValueError
        If there is no layer, a layer occurs twice, or widths do not match.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> half = an.Affine(0.5 * np.eye(2), np.zeros(2))
    >>> block = an.Residual(half, an.ReLU())
    >>> block.forward(np.array([[2.0, -2.0]]))
    array([[ 3., -2.]])
    >>> block.backward(np.array([[1.0, 1.0]]))
    array([[1.5, 1. ]])
    >>> net = an.Sequential(an.Affine.init(4, 8, rng=0), an.Residual(an.Affine.init(8, 8, rng=1)))
    >>> list(net.params)
    ['0.W', '0.b', '1.0.W', '1.0.b']
    """

    kernel: ClassVar[str] = "add"
    keeps: ClassVar[tuple[str, ...]] = ("_shapes",)

    def __init__(self, *layers: Any, projection: Affine | None = None) -> None:
        if not layers:
            raise ValueError("Residual wants at least one layer")
        if len(layers) == 1 and isinstance(layers[0], list | tuple):
            raise TypeError("Residual takes layers one by one: Residual(*layers)")
        if projection is not None and not isinstance(projection, Affine):
            raise TypeError(f"projection is {projection!r}, wanted an Affine or None")
        require_each_once(layers if projection is None else (*layers, projection), "Residual")
        self._branch, self._projection = Chain(layers), projection
        self.require_own_widths()
        self._shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None  # shapes of x and out

    @property
    def layers(self) -> tuple[Any, ...]:
        """The branch. It is fixed: for other layers, create a new Residual."""
        return self._branch.layers

    @property
    def projection(self) -> Affine | None:
        """The projection applied to the input before the addition."""
        return self._projection

    @property
    def children(self) -> tuple[Any, ...]:  # type: ignore[override]
        """The branch's layers, then the projection."""
        return self.layers if self.projection is None else (*self.layers, self.projection)

    def forward(self, x: ArrayLike, train: bool = True) -> Array:
        """The branch's output plus the input or its projection.

        Parameters
        ----------
        x : array of shape (B, ...)
            B rows of I numbers each; a one-dimensional x of I numbers is one row.
        train : bool
            The mode of layers that have two.

        Returns
        -------
        array of the shape that the branch returns, (B, O)
        """
        *_, (_, out) = self.traced(x, train)
        return out

    def predict(self, x: ArrayLike) -> Array:
        """The output in evaluation mode; affinet's own layers keep nothing."""
        *_, (_, out) = self.traced(x, None)
        return out

    def traced(
        self, x: ArrayLike, train: bool | None, path: str = ""
    ) -> Iterator[tuple[str, Array]]:
        """The outputs of the child layers, each with its path, then the Residual's own.

        ``train`` is the mode of a forward, or None for a prediction.
        """
        x = input_array(x)
        if train is not None:
            self._shapes = None
        prefix = f"{path}." if path else ""
        for inner, out in self._branch.traced(x, train, prefix):
            yield inner, out
        skip = x
        if self.projection is not None:
            predict = train is None and predicts(self.projection)
            skip = self.projection.predict(x) if predict else self.projection.forward(x)
            yield f"{prefix}{len(self.layers)}", skip
        total = added(out, skip)
        if train is not None:
            self._shapes = x.shape, total.shape
        yield path, total

    def backward(self, dout: ArrayLike) -> Array:
        """The gradient with respect to the input; the layers store those of their parameters.

        Parameters
        ----------
        dout : array of the shape that forward returned
            Gradient of the loss with respect to that output; not modified.

        Returns
        -------
        array of the shape of x
        """
        x_shape, out_shape = self._kept(self._shapes)
        dout = input_array(gradient_array(dout, out_shape))
        # A custom layer may write into its dout.
        *_, (_, dx) = self._branch.gradients(dout.copy())
        skip = dout if self.projection is None else self.projection.backward(dout)
        return added(np.reshape(dx, x_shape), skip)

    def numbers(self) -> tuple[float, ...]:
        """Empty: the kernel takes no scalar."""
        return ()

    def config(self) -> dict[str, Any]:
        """Whether there is a projection, for the model file, which stores the layers separately."""
        return {"projection": self.projection is not None}

    @classmethod
    def from_children(cls, children: tuple[Any, ...], projection: bool = False) -> Residual:
        """The Residual with these children, the last of which may be its projection."""
        if not projection:
            return cls(*children)
        return cls(*children[:-1], projection=children[-1] if children else None)

    def write_onnx(self, graph: OnnxGraph) -> None:
        """Add the nodes of the branch and the projection, and an Add."""
        x = graph.tensor
        for place, layer in enumerate(self.layers):
            graph.write(place, layer)
        out = graph.tensor
        graph.tensor = x
        if self.projection is not None:
            graph.write(len(self.layers), self.projection)
        graph.add("Add", out, graph.tensor)

    def widths(self) -> tuple[int, int] | None:
        """Input and output width; None if nothing in the Residual fixes them."""
        if self.projection is not None:
            n_inputs, n_outputs = self.projection.W.shape
            return n_inputs, n_outputs
        width = width_taken(self.layers) or width_returned(self.layers)
        return None if width is None else (width, width)

    def require_own_widths(self, path: str | None = None) -> None:
        """Raise unless the widths of the branch's layers and of the skip connection match."""
        name = "Residual" if path is None else f"layer {path} (Residual)"
        require_widths(self.layers, "" if path is None else f"{path}.")
        taken, returned = width_taken(self.layers), width_returned(self.layers)
        if self.projection is None:
            if None not in (taken, returned) and taken != returned:
                raise ValueError(
                    f"{name}: its layers take {taken} numbers a row and give {returned}, wanted "
                    f"the same, or projection=Affine.init({taken}, {returned})"
                )
            return
        n_inputs, n_outputs = self.projection.W.shape
        if all(map(keeps_any_width, self.layers)):
            taken = returned = n_inputs
        if taken not in (None, n_inputs) or returned not in (None, n_outputs):
            raise ValueError(
                f"{name}: its layers take {taken} numbers a row and give {returned}, its "
                f"projection takes {n_inputs} and gives {n_outputs}"
            )

    def __copy__(self) -> Residual:
        """Shallow copies of the layers: each copy keeps its own forward state."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._branch = Chain(tuple(map(copy.copy, self.layers)))
        twin._projection = copy.copy(self.projection)
        return twin

    def __repr__(self) -> str:
        inside = [repr(layer) for layer in self.layers]
        if self.projection is not None:
            inside.append(f"projection={self.projection!r}")
        return f"Residual({', '.join(inside)})"


def added(out: Any, skip: Array) -> Array:
    """The sum of two arrays of equal size, in the shape of the first."""
    out = np.asarray(out)
    if out.size != skip.size or out.shape[:1] != skip.shape[:1]:
        raise ValueError(
            f"Residual: its layers give shape {out.shape}, which cannot be added to {skip.shape}"
        )
    total: Array = out + skip.reshape(out.shape)
    return total
