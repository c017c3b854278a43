"""A network's parts: layers and a loss that fit together, and the names of their arrays."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from affinet._forks import ForkSafeLock
from affinet._validation import Array, parameter_array
from affinet.layers.base import ParameterLayer
from affinet.layers.tree import (
    has_methods,
    parameter_names,
    require_each_once,
    require_widths,
    walk,
)

_NETWORKS: weakref.WeakSet[Any] = weakref.WeakSet()  # all that are alive
_LOCK = ForkSafeLock()


def remember(network: Any) -> None:
    """Register a network, so that no other network may take its layers."""
    with _LOCK:
        _NETWORKS.add(network)


def require_layers(layers: tuple[Any, ...]) -> None:
    """Raise unless these are distinct layers of no other network, with matching widths."""
    if not layers:
        raise ValueError("Sequential wants at least one layer")
    if len(layers) == 1 and isinstance(layers[0], list | tuple):
        raise TypeError("Sequential takes layers one by one: Sequential(*layers)")
    require_each_once(layers, "network")
    for path, layer in walk(layers):
        if in_another_network(layer):
            raise ValueError(
                f"layer {path} ({layer!r}) belongs to another network: "
                "build a new one, or pass copy.deepcopy(layer)"
            )
    require_widths(layers)


def require_loss_object(loss: Any) -> None:
    """Raise unless ``loss`` is None or has the methods of a loss."""
    if isinstance(loss, type) or (loss is not None and not has_methods(loss)):
        raise TypeError(f"loss is {loss!r}, wanted an object such as SoftmaxWithLoss()")


def in_another_network(layer: Any) -> bool:
    """True if the layer's parameters are views of an existing network's buffer."""
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


def named_arrays(layers: tuple[Any, ...]) -> dict[str, Array]:
    """Every parameter by its name in the network, ``"<path>.<name>"``."""
    return {
        f"{path}.{name}": parameter_array(f"layer {path}: {name}", getattr(layer, name))
        for path, layer in walk(layers)
        for name in parameter_names(layer)
    }


def penalized_names(layers: tuple[Any, ...]) -> list[str]:
    """The parameters that their layers name in ``penalized``."""
    return [
        f"{path}.{name}" for path, layer in walk(layers) for name in getattr(layer, "penalized", ())
    ]


def common_dtype(arrays: dict[str, Array]) -> np.dtype[Any]:
    """The common dtype of all parameters, at least float32; float32 if there are none."""
    dtypes = {array.dtype.newbyteorder("=") for array in arrays.values()}
    if len(dtypes) > 1:
        named = ", ".join(f"{name} {array.dtype}" for name, array in arrays.items())
        raise ValueError(f"parameters have different dtypes ({named}), wanted one")
    return np.result_type(np.float32, *dtypes)
