"""A network as a table of its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from affinet.layers import Affine, BatchEnsemble, MemberAffine, NTKAffine
from affinet.layers.tree import children_of, parameter_names, walk
from affinet.precision import layer_precision

if TYPE_CHECKING:
    from affinet.network.sequential import Sequential

INDENT = "  "


def summary_of(net: Sequential) -> str:
    """Each layer with its path and parameters; nested layers are indented below it."""
    shown = [(path, short_name(layer), layer) for path, layer in walk(net.layers)]
    places = [INDENT * path.count(".") + path for path, _, _ in shown]
    place_width = max(map(len, places)) if len(shown) > len(net.layers) else 0
    width = max(len(name) for _, name, _ in shown)
    lines = []
    for place, (path, name, layer) in zip(places, shown, strict=True):
        n = sum(net.params[f"{path}.{own}"].size for own in parameter_names(layer))
        count = f"  {n:,} parameters" if parameter_names(layer) else ""
        count += products_of(net, layer)
        lines.append(f"{place.ljust(place_width)}  {name:{width}}{count}".rstrip())
    if net.loss is not None:
        lines.append(f"loss {net.loss!r}")
    last = f"{net.params.flat.size:,} parameters, {net.dtype}"
    lines.append(last if net.precision is None else f"{last}, products in {net.precision}")
    return "\n".join(lines)


def products_of(net: Sequential, layer: Any) -> str:
    """The precision of a layer's products, if its network has one and the layer multiplies."""
    if net.precision is None or not isinstance(
        layer, Affine | NTKAffine | BatchEnsemble | MemberAffine
    ):
        return ""
    return f", products in {layer_precision(net.precision, *layer.widths()) or net.dtype}"


def short_name(layer: Any) -> str:
    """A layer's ``repr``; only the class name if its nested layers follow."""
    return type(layer).__name__ if children_of(layer) else repr(layer)
