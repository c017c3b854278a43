"""A chain of layers: the one place that runs its forward and backward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from affinet._validation import Array
from affinet.layers.affine import Affine
from affinet.layers.base import Layer
from affinet.layers.tree import takes_train


class Chain:
    """A chain of layers, affinet's own or custom ones with ``forward`` and ``backward``.

    Parameters
    ----------
    layers : tuple of layers
    """

    def __init__(self, layers: tuple[Any, ...]) -> None:
        self.layers = layers
        self._takes_train = tuple(map(takes_train, layers))
        self._predicts = tuple(map(predicts, layers))
        self._steps = tuple(zip(layers, self._takes_train, self._predicts, strict=True))

    def forward(self, x: Array, train: bool) -> Array:
        """The last layer's output for x, using every layer's forward."""
        for layer, two_modes, _ in self._steps:
            x = layer.forward(x, train) if two_modes else layer.forward(x)
        return x

    def outputs(self, x: Array, train: bool | None) -> Iterator[Array]:
        """The output of each layer in turn, for input x.

        ``train`` sets the mode of layers that have two; layers store what backward needs. None
        means prediction: affinet's own layers then store nothing.
        """
        for layer, two_modes, own in self._steps:
            x = output(layer, two_modes, own, x, train)
            yield x

    def traced(self, x: Array, train: bool | None, prefix: str = "") -> Iterator[tuple[str, Array]]:
        """The same with the layers' paths; outputs inside a layer come before its own."""
        for place, (layer, two_modes, own) in enumerate(self._steps):
            path = f"{prefix}{place}"
            if not goes_with_forward(layer, "traced"):
                x = output(layer, two_modes, own, x, train)
                yield path, x
                continue
            for inner, out in layer.traced(x, train, path):
                yield inner, out
            x = out

    def backward(self, dout: Any, need_dx: bool = True) -> Any:
        """The gradient with respect to the first layer's input.

        Without ``need_dx``, a first layer that is an Affine skips that gradient.
        """
        for place in range(len(self.layers) - 1, -1, -1):
            layer = self.layers[place]
            if place == 0 and not need_dx and type(layer).backward is Affine.backward:
                layer.backward(dout, need_dx=False)
            else:
                dout = layer.backward(dout)
        return dout

    def gradients(self, dout: Any) -> Iterator[tuple[int, Any]]:
        """From the last layer to the first: its index, and the gradient of its input."""
        for place in reversed(range(len(self.layers))):
            dout = self.layers[place].backward(dout)
            yield place, dout


def output(layer: Any, two_modes: bool, own: bool, x: Array, train: bool | None) -> Array:
    """A layer's output; see :meth:`Chain.outputs`. ``own`` is :func:`predicts` of the layer."""
    if train is None and own:
        prediction: Array = layer.predict(x)
        return prediction
    result: Array = layer.forward(x, bool(train)) if two_modes else layer.forward(x)
    return result


def predicts(layer: Any) -> bool:
    """True if ``layer.predict`` is its forward in evaluation mode.

    A subclass may override forward but inherit a predict that does not match it.

    Examples
    --------
    >>> import affinet as an
    >>> class Twice(an.ReLU):
    ...     def forward(self, x):
    ...         return 2 * super().forward(x)
    >>> predicts(an.ReLU()), predicts(Twice())
    (True, False)
    """
    return isinstance(layer, Layer) and goes_with_forward(layer, "predict")


def goes_with_forward(layer: Any, method: str) -> bool:
    """True if the layer has this method and no further derived class overrides forward."""
    if "forward" in getattr(layer, "__dict__", ()):
        return method in vars(layer)
    for cls in type(layer).__mro__:
        if method in vars(cls):
            return True
        if "forward" in vars(cls):
            return False
    return False
