"""Nested layers: how to traverse them, and which arrays each of them has.

A layer may contain others, in ``layer.children``. A layer's path gives its position: ``"2"`` is
the third layer of a network, ``"2.0"`` the first child of that layer. Array names begin with the
path: ``"2.0.W"``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from affinet.layers.operation import is_compiled


def children_of(layer: Any) -> tuple[Any, ...]:
    """A layer's children; a custom layer lists them in a tuple ``children``."""
    children = getattr(layer, "children", ())
    return children if isinstance(children, tuple) else ()


def walk(layers: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every layer with its path, in pre-order: each layer before its children.

    Examples
    --------
    >>> import affinet as an
    >>> layers = an.Affine.init(2, 3), an.Residual(an.Affine.init(3, 3), an.Tanh())
    >>> [path for path, _ in walk(layers)]
    ['0', '1', '1.0', '1.1']
    """
    for place, layer in enumerate(layers):
        path = f"{prefix}{place}"
        yield path, layer
        yield from walk(children_of(layer), f"{path}.")


def parameter_names(layer: Any) -> tuple[str, ...]:
    """Names of a layer's own parameters; a custom layer may have none."""
    return tuple(getattr(layer, "parameters", ()))


def buffer_names(layer: Any) -> tuple[str, ...]:
    """Names of the arrays other than parameters that a layer changes during training."""
    return tuple(getattr(layer, "buffers", ()))


def has_methods(part: Any) -> bool:
    """True if ``part`` has the two methods of a layer or a loss."""
    return all(callable(getattr(part, name, None)) for name in ("forward", "backward"))


def takes_train(layer: Any) -> bool:
    """True if ``layer.forward`` has a second positional argument: the train flag."""
    try:
        parameters = inspect.signature(layer.forward).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) >= 2


def require_each_once(layers: tuple[Any, ...], whole: str) -> None:
    """Raise unless these and all their descendants are layers, none of which occurs twice."""
    seen: set[int] = set()
    for path, layer in walk(layers):
        if isinstance(layer, type) or not has_methods(layer):
            raise TypeError(f"layer {path} is {layer!r}, wanted an object such as ReLU()")
        if id(layer) in seen:
            raise ValueError(f"layer {path} ({layer!r}) stands in the {whole} twice")
        seen.add(id(layer))


def call_forward(layer: Any, x: Any, train: bool = True) -> Any:
    """Call a layer's forward, with the train flag if it takes one."""
    return layer.forward(x, train) if takes_train(layer) else layer.forward(x)


# Row widths -------------------------------------------------------------------------------------


def layer_widths(layer: Any) -> tuple[int, int] | None:
    """Input and output width of a layer; None if its parameters do not fix them."""
    widths: tuple[int, int] | None = layer.widths() if hasattr(layer, "widths") else None
    return widths


def keeps_any_width(layer: Any) -> bool:
    """True for affinet's own layers that take rows of any width and return the same width.

    A subclass or a custom layer may change the width without declaring it.
    """
    if not is_compiled(layer) or layer_widths(layer) is not None:
        return False
    return all(map(keeps_any_width, children_of(layer)))


def width_taken(layers: Iterable[Any]) -> int | None:
    """Input width of a chain of layers; None if nothing fixes it."""
    for layer in layers:
        widths = layer_widths(layer)
        if widths is not None:
            return widths[0]
        if not keeps_any_width(layer):
            return None
    return None


def width_returned(layers: tuple[Any, ...]) -> int | None:
    """Output width of a chain of layers; None if nothing fixes it."""
    for layer in reversed(layers):
        widths = layer_widths(layer)
        if widths is not None:
            return widths[1]
        if not keeps_any_width(layer):
            return None
    return None


def require_widths(layers: Iterable[Any], prefix: str = "") -> None:
    """Raise unless each layer's input width equals the previous layer's output width."""
    width: int | None = None
    for place, layer in enumerate(layers):
        path = f"{prefix}{place}"
        if hasattr(layer, "require_own_widths"):
            layer.require_own_widths(path)
        widths = layer_widths(layer)
        if widths is not None:
            if width is not None and widths[0] != width:
                raise ValueError(
                    f"layer {path} takes {widths[0]} numbers a row, "
                    f"the layer before it gives {width}"
                )
            width = widths[1]
        elif not keeps_any_width(layer):
            width = None  # a custom layer may change the width
