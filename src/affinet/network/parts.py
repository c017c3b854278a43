"""What a network is made of: layers and a loss that fit together, and the names of their arrays."""

from __future__ import annotations

import inspect
import threading
import weakref
from typing import Any

import numpy as np

from affinet._validation import Array, parameter_array
from affinet.layers.base import ParameterLayer
from affinet.network.operations import keeps_any_width, layer_widths

_NETWORKS: weakref.WeakSet[Any] = weakref.WeakSet()  # the living ones
_LOCK = threading.Lock()


def remember(network: Any) -> None:
    """Count a network among those whose layers no other one may take."""
    with _LOCK:
        _NETWORKS.add(network)


def require_layers(layers: tuple[Any, ...]) -> None:
    """Raise unless these are layers, each of them once, that fit each other."""
    if not layers:
        raise ValueError("Sequential wants at least one layer")
    if len(layers) == 1 and isinstance(layers[0], list | tuple):
        raise TypeError("Sequential takes layers one by one: Sequential(*layers)")
    width: int | None = None
    for place, layer in enumerate(layers):
        if isinstance(layer, type) or not has_methods(layer):
            raise TypeError(f"layer {place} is {layer!r}, wanted an object such as ReLU()")
        if any(layer is earlier for earlier in layers[:place]):
            raise ValueError(f"layer {place} ({layer!r}) stands in the network twice")
        if in_another_network(layer):
            raise ValueError(
                f"layer {place} ({layer!r}) belongs to another network: "
                "build a new one, or pass copy.deepcopy(layer)"
            )
        widths = layer_widths(layer)
        if widths is not None:
            if width is not None and widths[0] != width:
                raise ValueError(
                    f"layer {place} takes {widths[0]} numbers a row, "
                    f"the layer before it gives {width}"
                )
            width = widths[1]
        elif not keeps_any_width(layer):
            width = None  # a layer of the user's own may change the width


def require_loss(loss: Any) -> None:
    """Raise unless ``loss`` is None or has the methods of a loss."""
    if isinstance(loss, type) or (loss is not None and not has_methods(loss)):
        raise TypeError(f"loss is {loss!r}, wanted an object such as SoftmaxWithLoss()")


def has_methods(part: Any) -> bool:
    """True if ``part`` has the two methods of a layer or a loss."""
    return all(callable(getattr(part, name, None)) for name in ("forward", "backward"))


def in_another_network(layer: Any) -> bool:
    """True if the layer's parameters are views of a living network's buffer."""
    if isinstance(layer, ParameterLayer):
        return layer.in_network
    bases = [getattr(getattr(layer, name, None), "base", None) for name in parameter_names(layer)]
    if all(base is None for base in bases):
        return False
    with _LOCK:
        buffers = [network.params.flat for network in _NETWORKS]
    return any(
        np.may_share_memory(base, flat) for base in bases if base is not None for flat in buffers
    )


def parameter_names(layer: Any) -> tuple[str, ...]:
    """Names of a layer's parameters; a user's own layer may have none."""
    return tuple(getattr(layer, "parameters", ()))


def buffer_names(layer: Any) -> tuple[str, ...]:
    """Names of the arrays that a layer changes while training without being parameters."""
    return tuple(getattr(layer, "buffers", ()))


def named_arrays(layers: tuple[Any, ...]) -> dict[str, Array]:
    """Every parameter under its name in the network, ``"<place>.<name>"``."""
    return {
        f"{place}.{name}": parameter_array(f"layer {place}: {name}", getattr(layer, name))
        for place, layer in enumerate(layers)
        for name in parameter_names(layer)
    }


def common_dtype(arrays: dict[str, Array]) -> np.dtype[Any]:
    """The one dtype of all parameters, at least float32; float32 if there are none."""
    dtypes = {array.dtype.newbyteorder("=") for array in arrays.values()}
    if len(dtypes) > 1:
        named = ", ".join(f"{name} {array.dtype}" for name, array in arrays.items())
        raise ValueError(f"parameters have different dtypes ({named}), wanted one")
    return np.result_type(np.float32, *dtypes)


def takes_train(layer: Any) -> bool:
    """True if ``layer.forward`` has a second positional argument: the train flag."""
    try:
        parameters = inspect.signature(layer.forward).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) >= 2
