"""A network's internal interface: what other packages of affinet may use beyond the public one.

Packages above this one import ``affinet.network`` and this module, and use no private name of a
:class:`Sequential`; a test enforces both. Nothing here is public: users do not need it, and it may
change in any version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from affinet._validation import Array
from affinet.layers.operation import is_compiled
from affinet.layers.tree import (
    buffer_names,
    call_forward,
    children_of,
    has_methods,
    keeps_any_width,
    layer_widths,
    parameter_names,
    walk,
    width_taken,
)
from affinet.network.figures import figures, require_loss
from affinet.network.operations import (
    compile_operations,
    describe_layers,
    first_width,
    why_not_compiled,
)
from affinet.network.sequential import Sequential
from affinet.network.team_plan import plan_values
from affinet.parameters import Parameters

__all__ = [
    "arrays_of",
    "buffer_names",
    "call_forward",
    "children_of",
    "compile_operations",
    "describe_layers",
    "errors",
    "figures",
    "first_width",
    "has_methods",
    "is_compiled",
    "keeps_any_width",
    "last_outputs",
    "layer_widths",
    "least_rows",
    "outputs",
    "parameter_names",
    "plan_values",
    "predict_unguarded",
    "predictions",
    "require_codes",
    "require_loss",
    "set_arrays",
    "set_dtype",
    "set_gradients",
    "takes_codes",
    "using_alone",
    "walk",
    "why_not_compiled",
    "width_taken",
]


def using_alone(net: Sequential) -> AbstractContextManager[None]:
    """A context in which only this thread uses the network; RuntimeError if another one does."""
    return net._usage.writing()


def arrays_of(net: Sequential) -> dict[str, Array]:
    """All arrays that training changes, by path and name: parameters, then buffers.

    They are the network's own arrays, not copies.
    """
    return net._arrays()


def set_arrays(net: Sequential, arrays: Mapping[str, Array]) -> None:
    """Copy values into the parameters and buffers; nothing changes if one is refused."""
    net._set_arrays(arrays)


def set_gradients(net: Sequential, grads: Parameters) -> None:
    """Make the network's backward write into this buffer from now on."""
    net._grads = grads
    net._bind()


def set_dtype(net: Sequential, dtype: DTypeLike) -> None:
    """Set the dtype of a network without parameters, which would otherwise be float32."""
    net._dtype = np.dtype(dtype)


def predict_unguarded(net: Sequential, x: ArrayLike) -> Array:
    """The outputs for x, when this thread holds the network in :func:`using_alone`."""
    return net._predict(x)


def least_rows(net: Sequential) -> int:
    """The fewest rows that the network takes: one for each member of an ensemble."""
    return int(net._members)


def takes_codes(net: Sequential) -> bool:
    """True if the network's first layer takes codes of categories."""
    return net._coded is not None


def require_codes(net: Sequential, name: str, x: Array, first_row: int = 0) -> None:
    """Raise if rows hold what is not a code; for a network whose first layer takes codes."""
    assert net._coded is not None
    scaled = x.astype(net.dtype, copy=False)
    if net.input_scale is not None:
        scaled = scaled * net.dtype.type(net.input_scale)
    net._coded.require_inputs(scaled, name, first_row)


def outputs(net: Sequential, x: ArrayLike, train: bool = False) -> list[Array]:
    """The output of each of ``net.layers`` for x, first layer first.

    The layers store what a backward needs, as after ``net.forward``.

    Examples
    --------
    >>> import affinet as an
    >>> net = an.Sequential(an.Affine.init(2, 3), an.ReLU())
    >>> [out.shape for out in outputs(net, [[1.0, 2.0]])]
    [(1, 3), (1, 3)]
    """
    return list(net._outputs(x, train))


def last_outputs(net: Sequential) -> Any:
    """The array that the last layer returned in the last ``net.forward``, not a copy."""
    return net._kept.out


def predictions(net: Sequential, x: ArrayLike) -> Iterator[tuple[str, Array]]:
    """Yield the output of every layer for x in evaluation mode, with its path.

    The layers inside a layer come before it; affinet's own layers store nothing.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> double = an.Affine(np.array([[2.0]]), np.zeros(1))
    >>> net = an.Sequential(an.Residual(double), an.Dropout(0.5))
    >>> dict(predictions(net, [[1.0]]))
    {'0.0': array([[2.]]), '0': array([[3.]]), '1': array([[3.]])}
    """
    return net._chain.traced(net._input(x), None)


def errors(net: Sequential, gradient: Array) -> list[Array]:
    """The gradient at x and after each of ``net.layers``: one array more than there are layers.

    Call it after :func:`outputs`; ``gradient`` is that of the loss with respect to the last
    layer's output. The gradients of the parameters are written to ``net.grads``.

    Examples
    --------
    >>> import numpy as np, affinet as an
    >>> net = an.Sequential(an.Affine(np.array([[2.0]]), np.zeros(1)), an.ReLU())
    >>> out = outputs(net, [[1.0]])
    >>> errors(net, np.array([[0.5]]))
    [array([[1.]]), array([[0.5]]), array([[0.5]])]
    """
    net._kept.put_back()
    return [gradient, *net._gradients(gradient)][::-1]
