"""What can be exported: networks and estimators, and the steps that a graph cannot represent."""

from __future__ import annotations

from typing import Any

import numpy as np

from affinet.ensemble import Ensemble
from affinet.export.models import network_of, of_affinet, weighted_singles
from affinet.network import Sequential
from affinet.onnx.ensembles import ALONE, Members, require_members
from affinet.onnx.table_writer import Part, Parts
from affinet.onnx.tables import TableModel, ensemble_of, recipe_of
from affinet.onnx.writer import widths
from affinet.tables import Encoding, NumberTarget
from affinet.tables.table import listing

SHOWN = 6  # column names to show
STEPS = {  # effect of an encoding on columns, by kind
    "number": "the standardisation",
    "date": "the days and cycles",
    "category": "the one-hot inputs",
    "scaled number": "the scaling",
    "scaled date": "the days, scaled, and cycles",
    "missing": "the indicators of missing values",
    "one-hot": "the one-hot inputs",
    "sign": "the inputs of -1 and 1",
    "codes": "the codes",
}


def table_parts(model: Any) -> Parts | None:
    """The models of a table that a model averages, often one; None if it has no table.

    Raises
    ------
    ValueError
        If there is an encoding that cannot be written.
    """
    found = averaged(model)
    nets = [network_of(single) for single, _ in found]
    models = [table_model(single, net) for (single, _), net in zip(found, nets, strict=True)]
    parts = [
        Part(net, own, weight)
        for net, own, (_, weight) in zip(nets, models, found, strict=True)
        if own is not None
    ]
    if not parts:
        return None
    if len(parts) == 1:
        return Parts(parts, parts[0].model.classes, nets[0].metadata)
    classes, metadata = parts[0].model.classes, {}
    if classes is not None and hasattr(model, "classes_"):
        labels = np.asarray(model.classes_).tolist()
        known = {
            label: name
            for single, _ in found
            for label, name in zip(
                single.classes_.tolist(), single.encoding_.target.classes, strict=True
            )
        }
        classes, metadata = tuple(known[label] for label in labels), {"classes": labels}
    elif isinstance(model, Ensemble):
        metadata = model.metadata
    return Parts(parts, classes, metadata)


def averaged(model: Any) -> list[tuple[Any, float]]:
    """The models whose answers a model averages, and their weights; often itself alone."""
    if isinstance(model, Ensemble):
        if all("table" in net.metadata for net in model.members):
            return list(zip(model.members, model.weights.tolist(), strict=True))
    elif of_affinet(model) and "estimators_" in vars(model):
        singles = [single for single, _ in weighted_singles(model)]
        if hasattr(singles[0], "encoding_"):
            return [(single, 1 / len(singles)) for single in singles]
    return [(model, 1.0)]


def table_model(model: Any, net: Sequential | Ensemble) -> TableModel | None:
    """What stands around the network of a table's model; None if it is not one."""
    missing = left_out(model, net)
    if missing is None:
        return None
    try:
        if "table" in net.metadata:
            return TableModel.of(net.metadata)
        reason = "of which affinet does not know the steps"
    except ValueError as error:
        reason = f"which cannot be read: {error}"
    raise ValueError(
        f"an ONNX file would lack {missing}, {reason}; encoding=False writes the network alone, "
        "for rows that are encoded already"
    )


def ensemble_in(net: Sequential | Ensemble) -> Members:
    """The ensemble inside a network of a table, as its recipe in the metadata says."""
    if "table" not in net.metadata or ensemble_of(recipe_of(net.metadata)).members == 1:
        return ALONE
    if isinstance(net, Ensemble):
        raise ValueError(
            "each of its networks has members itself, whose rows are written with the encoding only"
        )
    model = TableModel.of(net.metadata)
    model.require_fitting(net, widths(net))
    require_members(net, model.ensemble.members)
    return model.ensemble


def left_out(model: Any, net: Sequential | Ensemble) -> str | None:
    """The steps before and after the network that its graph would lack; None if there are none."""
    if "table" in net.metadata:
        return encoding_in_words(net.metadata["table"])
    encoding = getattr(model, "encoding_", None)
    if encoding is None:
        return None
    return in_words(encoding) if isinstance(encoding, Encoding) else "its encoding of columns"


def encoding_in_words(record: Any) -> str:
    """The steps of a model's table record, as far as it can be read."""
    try:
        return in_words(Encoding.from_json(record))
    except (ValueError, TypeError, LookupError, AttributeError):
        return "its encoding of a table's columns"


def in_words(encoding: Encoding) -> str:
    """The effect of an encoding on inputs and outputs."""
    steps = []
    for kind, step in STEPS.items():
        names = [column.name for column in encoding.columns if column.kind == kind]
        if names:
            steps.append(f"{step} of {listing(names, SHOWN)}")
    if encoding.decimal != ".":
        steps.append(f"the decimal mark {encoding.decimal!r}")
    if encoding.charset not in (None, "utf-8"):
        steps.append(f"the character encoding {encoding.charset}")
    target = encoding.target
    if isinstance(target, NumberTarget):
        unit = f"the output times {target.std:.6g} plus {target.mean:.6g}"
        steps.append(f"the unit of {target.name!r} ({unit})")
    return ", ".join(steps) or "its encoding of a table's columns"
