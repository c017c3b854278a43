"""The numbers of the layers in a record: their places in the network, as in the key ``"8.W"``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

RECTIFIED = ("ReLU(", "LeakyReLU(")


def layer_places(record: Mapping[str, Any]) -> list[str]:
    """The place of each layer with parameters.

    Records of earlier versions lack them: there, they are found by the layers' names.

    Examples
    --------
    >>> layers = ["Affine(2 -> 3)", "ReLU()", "Affine(3 -> 2)"]
    >>> layer_places({"net": layers, "layers": layers[::2]})
    ['0', '2']
    """
    if "places" in record:
        return list(map(str, record["places"]))
    names = list(record.get("net", []))
    places: list[int] = []
    for name in record["layers"]:
        start = places[-1] + 1 if places else 0
        if name not in names[start:]:
            return [str(k) for k in range(len(record["layers"]))]
        places.append(names.index(name, start))
    return list(map(str, places))


def dead_places(record: Mapping[str, Any]) -> list[str]:
    """For each layer of rectified units the place of the layer that feeds it.

    That is the last one with parameters before it, or itself if there is none.
    """
    if "dead_places" in record:
        return list(record["dead_places"])
    places = layer_places(record)
    own = [str(k) for k, name in enumerate(record.get("net", [])) if name.startswith(RECTIFIED)]
    pairs = zip(record["rectified"], own or ["0"] * len(record["rectified"]), strict=False)
    return [places[count - 1] if count else place for count, place in pairs]


def advice_of(record: Mapping[str, Any]) -> list[str]:
    """The advice stored in a record; earlier versions counted only layers with parameters, from 1.

    Examples
    --------
    >>> old = {"net": ["ReLU()", "Affine(2 -> 3)"], "layers": ["Affine(2 -> 3)"],
    ...        "advice": ["layer 1: dead"]}
    >>> advice_of(old)
    ['layer 1: dead']
    """
    if "places" in record:
        return list(record["advice"])
    numbers = dict(enumerate(layer_places(record), 1))

    def renumbered(found: re.Match[str]) -> str:
        number = int(found[1])
        return f"layer {numbers.get(number, number)}"

    return [re.sub(r"\blayer (\d+)\b", renumbered, sentence) for sentence in record["advice"]]
