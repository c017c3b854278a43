"""A model in integers: int8 or int16 weights and activations, and no float between them.

The scales of activations are those of the rows of a calibration. Jacob et al., "Quantization and
training of neural networks for efficient integer-arithmetic-only inference", CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.export.integer_columns import (
    embedding_scale,
    embedding_step,
    input_scale,
    periodic_step,
    piecewise_step,
)
from affinet.export.integer_ensembles import (
    Mixture,
    balanced,
    limits,
    member_affine_step,
    member_scale_step,
    mixture_of,
    shared_affine_step,
)
from affinet.export.integer_layers import (
    Made,
    add_step,
    affine_step,
    blend_step,
    increasing_step,
    layer_norm_step,
    map_step,
    relu_step,
    scale_step,
)
from affinet.export.models import Subject
from affinet.export.nodes import Node, nodes_of
from affinet.export.real import EMBEDDINGS, blocks, columns_of, counts_of, inputs_of, real_ranges
from affinet.export.scales import KINDS, Kind, Scale, scale_between
from affinet.export.steps import Chain, Step

Run = tuple[Callable[[list[Array]], Array], ...]
Ranges = list[tuple[Array, Array]]
BUILDERS: dict[str, Callable[[Node, list[Scale], Scale, Kind], Made]] = {
    "affine": affine_step,
    "scale": scale_step,
    "layer_norm": layer_norm_step,
    "add": add_step,
    "blend": blend_step,
    "map": map_step,
    "increasing": increasing_step,
    "embedding": embedding_step,
    "piecewise_embedding": piecewise_step,
    "periodic_embedding": periodic_step,
    "member_scale": member_scale_step,
    "shared_affine": shared_affine_step,
    "member_affine": member_affine_step,
}


@dataclass(frozen=True)
class IntegerModel:
    """A network, or several that answer together, in integers.

    Attributes
    ----------
    kind : Kind
    chains : list of Chain
        The C of each network.
    runs : list of tuple of callable
        Its steps in NumPy, each from a list of earlier outputs, the input first.
    given, returned : Scale
        Of the inputs and the outputs.
    mixed : Mixture or None
        How several answers become one.
    """

    kind: Kind
    chains: list[Chain]
    runs: list[Run]
    given: Scale
    returned: Scale
    mixed: Mixture | None

    @property
    def per_step(self) -> Any:
        """1 / step of the inputs, float32, as C multiplies by it."""
        return np.float32(1.0 / self.given.step)

    def quantize(self, x: Array) -> Array:
        """Rows of numbers as integers, int64."""
        with np.errstate(over="ignore"):
            v = np.asarray(x, np.float32) * self.per_step
        v = np.where(v > -70000.0, np.where(v < 70000.0, v, 70000.0), -70000.0).astype(np.float32)
        half = np.float32(0.5)
        n = np.where(v < 0, v - half, v + half).astype(np.int64) + self.given.zero
        return np.asarray(np.clip(n, self.kind.low, self.kind.high))

    def outputs(self, q: Array) -> Array:
        """The outputs for integer rows, int64."""
        members = max(chain.members for chain in self.chains)
        return np.concatenate([self._outputs(q[rows]) for rows in blocks(len(q), members)])

    def _outputs(self, q: Array) -> Array:
        ends = []
        for run in self.runs:
            known = [q]
            for step in run:
                known.append(step(known))
            ends.append(known[-1])
        if self.mixed is None:
            return ends[0]
        return self.mixed.run(np.concatenate([y.reshape(-1, len(q), y.shape[-1]) for y in ends]))

    def dequantize(self, q: Array) -> Array:
        """Outputs as numbers, float32."""
        step = np.float32(self.returned.step)
        return np.asarray((q - self.returned.zero).astype(np.float32) * step)


def quantized(subject: Subject, kind_name: str, rows: Array) -> IntegerModel:
    """The integer model with the scales of these rows."""
    kind, members = KINDS[kind_name], subject.members
    nets = [nodes_of(net, kind_name)[0] for net in subject.nets]
    x = np.asarray(rows, np.float64).reshape(len(rows), -1)
    if x.shape[1] != subject.n_inputs or not len(x):
        wanted = f"wanted rows of {subject.n_inputs} numbers"
        raise ValueError(f"calibrate has shape {np.shape(rows)}, {wanted}")
    if not all(nets):
        raise ValueError("the network has no layer that computes anything")
    given = scale_of_inputs(nets, x, kind)
    ranges = [real_ranges(nodes, x, members) for nodes in nets]
    several = len(nets) * members > 1
    last = None
    if several:  # on one scale
        lows, highs = zip(*(own[-1] for own in ranges), strict=True)
        last = scale_between(np.min(lows), np.max(highs), kind)
    made = [
        chain_of(nodes, own, (given, last), kind, subject.n_inputs, members)
        for nodes, own in zip(nets, ranges, strict=True)
    ]
    chains, runs, ends = map(list, zip(*made, strict=True))
    returned, mixed = ends[0], None
    if several:
        assert last is not None
        least, most = limits(subject.mixture, subject.predict(x))
        returned = scale_between(least, most, kind)
        weights = np.repeat(subject.weights, subject.members)
        n = chains[0].n_outputs
        mixed = mixture_of(subject.mixture, weights, n, last, returned, kind)
    return IntegerModel(kind, chains, runs, given, returned, mixed)


def scale_of_inputs(nets: list[list[Node]], x: Array, kind: Kind) -> Scale:
    """One scale for all inputs, or for each its own, which embeddings need.

    Raises
    ------
    TypeError
        If one network of an ensemble needs the latter and another one has no form for it.
    ValueError
        If a code of ``x`` is not one.
    """
    apart = [any(-1 in node.sources for node in own if node.kind in EMBEDDINGS) for own in nets]
    if not any(apart):
        return scale_between(x.min(), x.max(), kind)
    if not all(apart):
        raise TypeError(
            f"some networks of the ensemble begin with an embedding and some do not, so their "
            f"inputs have no common form in {kind.name}; write float32"
        )
    codes = np.zeros(x.shape[1], bool)
    for nodes in nets:
        for node in nodes:
            if node.kind != "embedding":
                continue
            taken = inputs_of(nodes, node.sources[0], x.shape[1])[columns_of(node)]
            codes[taken] = True
            for column, count in zip(taken, counts_of(node), strict=True):
                wrong = (x[:, column] < 0) | (x[:, column] >= count) | (x[:, column] % 1 != 0)
                if wrong.any():
                    raise ValueError(
                        f"calibrate has {x[wrong, column][0]:g} in column {column}, wanted a code "
                        f"from 0 to {count - 1}"
                    )
    return input_scale(codes, x.min(axis=0), x.max(axis=0), kind)


def chain_of(
    nodes: list[Node],
    ranges: Ranges,
    ends: tuple[Scale, Scale | None],
    kind: Kind,
    n_inputs: int,
    members: int,
) -> tuple[Chain, Run, Scale]:
    """The steps of a network in C and in NumPy, and the scale of its outputs.

    ``ends`` are the scales of the inputs and, if it is given, of the outputs.
    """
    steps: list[Step] = []
    run: list[Callable[[list[Array]], Array]] = []
    scales: list[Scale] = []
    for i, (node, found) in enumerate(zip(nodes, ranges, strict=True)):
        sources = [ends[0] if s < 0 else scales[s] for s in node.sources]
        builder = BUILDERS[node.kind]
        own = ends[1] if i == len(nodes) - 1 else None
        if own is None:
            own = scale_of(node, sources, found, kind)
            builder = relu_step if is_relu(node) else builder
        step, function = builder(node, sources, own, kind)
        scales.append(own)
        steps.append(step)
        run.append(located(function, node.sources))
    return Chain(steps, n_inputs, members), tuple(run), scales[-1]


def is_relu(node: Node) -> bool:
    """True for a relu that could not become part of what it follows."""
    return node.kind == "map" and node.function == "relu"


def scale_of(node: Node, sources: list[Scale], found: tuple[Array, Array], kind: Kind) -> Scale:
    """The scale of a node's outputs."""
    if is_relu(node):
        return sources[0]
    if node.kind in EMBEDDINGS:
        return embedding_scale(node, sources[0], *found, kind)
    if node.kind == "member_scale":
        return balanced(node, sources[0], *found, kind)
    return scale_between(found[0].min(), found[1].max(), kind)


def located(f: Callable[..., Array], sources: tuple[int, ...]) -> Callable[[list[Array]], Array]:
    """``f`` of earlier outputs, the input first."""
    return lambda known: f(*(known[s + 1] for s in sources))
