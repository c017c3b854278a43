"""Through a network's layers one by one, keeping what passes between them."""

from __future__ import annotations

from collections.abc import Iterator

from numpy.typing import ArrayLike

from affinet._validation import Array
from affinet.layers import Layer
from affinet.network import Sequential


def outputs(net: Sequential, x: ArrayLike, train: bool = False) -> list[Array]:
    """What every layer makes of x, the first layer's output first.

    The layers keep what a backward needs, as after ``net.forward``.

    Examples
    --------
    >>> import affinet as an
    >>> net = an.Sequential(an.Affine.init(2, 3, rng=0), an.ReLU())
    >>> [out.shape for out in outputs(net, [[1.0, 2.0]])]
    [(1, 3), (1, 3)]
    """
    out, kept = net._input(x), []
    for layer, two_modes in zip(net.layers, net._takes_train, strict=True):
        out = layer.forward(out, train) if two_modes else layer.forward(out)
        kept.append(out)
    return kept


def predicted(net: Sequential, x: ArrayLike) -> Iterator[Array]:
    """The same in evaluation mode, layer by layer on demand, without a trace in affinet's own.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> net = an.Sequential(an.Affine(np.array([[2.0]]), np.zeros(1)), an.Dropout(0.5))
    >>> list(predicted(net, [[1.0]]))
    [array([[2.]]), array([[2.]])]
    """
    out = net._input(x)
    for layer, two_modes in zip(net.layers, net._takes_train, strict=True):
        if isinstance(layer, Layer):
            out = layer.predict(out)
        else:
            out = layer.forward(out, False) if two_modes else layer.forward(out)
        yield out


def errors(net: Sequential, gradient: Array) -> list[Array]:
    """The gradient at x and behind every layer: one array more than there are layers.

    It comes after :func:`outputs`; ``gradient`` is that of the loss with respect to the last
    layer's output. The gradients of the parameters end in ``net.grads``.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> net = an.Sequential(an.Affine(np.array([[2.0]]), np.zeros(1)), an.ReLU())
    >>> out = outputs(net, [[1.0]])
    >>> errors(net, np.array([[0.5]]))
    [array([[1.]]), array([[0.5]]), array([[0.5]])]
    """
    kept = [gradient]
    for place in reversed(range(len(net.layers))):
        layer = net.layers[place]
        gradient = layer.backward(gradient)
        net._collect_gradients(place, layer)
        kept.append(gradient)
    return kept[::-1]
