"""Layers: the type of a row, and a row each; those of the activations come from theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

import affinet as an
from array_forms import draw
from parts.activations import ACTIVATIONS


@dataclass(frozen=True)
class LayerRow:
    """One layer.

    Attributes
    ----------
    make : callable
        Returns the layer for rows of n numbers in a dtype, with settings other than the defaults
        and parameters that nothing cancels in; it returns rows of n numbers too. Variants may
        return others.
    least_rows : int
        Rows that training needs.
    variants : dict
        Further settings by name, each a callable like ``make``.
    codes : int
        Number of the codes that the layer takes in the first column, if it does not take any
        numbers.
    """

    make: Callable
    least_rows: int = 0
    variants: dict[str, Callable] = field(default_factory=dict)
    codes: int = 0

    def inputs(self, x):
        """x, or a copy with codes in the first column, where the layer takes them.

        Twice a code and 1 more is a code too.
        """
        if not self.codes:
            return x
        x = np.array(x)
        x[..., 0] = np.floor(abs(7 * x[..., 0])) % (self.codes // 2)
        return x


def affine(n, dtype):
    return an.Affine(draw("float64", (n, n), 1).astype(dtype), draw("float64", n, 2).astype(dtype))


def moved(layer):
    """The layer with a gamma and a beta that nothing cancels in."""
    rng = np.random.default_rng(3)
    for name, centre in (("gamma", 1.0), ("beta", 0.0)):
        old = getattr(layer, name)
        values = centre + 0.3 * rng.standard_normal(len(old))
        setattr(layer, name, values.astype(old.dtype))
    return layer


def ntk(n, dtype):
    return an.NTKAffine(
        2 * draw("float64", (n, n), 1).astype(dtype), draw("float64", n, 2).astype(dtype)
    )


def learned(layer):
    """A layer whose ones are moved apart."""
    (name,) = layer.parameters
    old, rng = getattr(layer, name), np.random.default_rng(4)
    setattr(layer, name, (old + 0.3 * rng.standard_normal(len(old))).astype(old.dtype))
    return layer


def waves(n, dtype, **options):
    """Waves of the last two columns, or fewer."""
    columns = range(max(n - 2, 0), n)
    return an.PeriodicEmbedding(n, columns, rng=5, sigma=0.3, dtype=dtype, **options)


def table(n, dtype, sizes=None, outputs=1):
    return an.Embedding(n, sizes or {0: CODES}, outputs, rng=6, dtype=dtype)


CODES = 8


def apart(layer):
    """A layer with random parameters, which differ between the members of an ensemble."""
    rng = np.random.default_rng(7)
    for name in layer.parameters:
        old = getattr(layer, name)
        setattr(layer, name, (0.5 * rng.standard_normal(old.shape)).astype(old.dtype))
    return layer


def bins(n, dtype, outputs=1):
    """Bins of the last two columns, or fewer: two and three of them."""
    edges = {n - 1: (-0.7, 0.1, 0.6, 0.9)} | ({n - 2: (-0.3, 0.2, 0.4)} if n > 1 else {})
    return apart(an.PiecewiseEmbedding(n, edges, outputs, dtype=dtype))


def with_modes(n, dtype):
    """A branch whose layers act otherwise in training, beside a projection."""
    return an.Residual(
        moved(an.BatchNorm(n, dtype=dtype)),
        affine(n, dtype),
        an.Dropout(0.1, rng=2),
        projection=affine(n, dtype),
    )


def activation(row):
    """The same for an activation, which takes rows of any width."""
    variants = {name: (lambda n, dtype, make=make: make()) for name, make in row.variants.items()}
    return LayerRow(lambda n, dtype: row.make(), variants=variants)


LAYERS = {
    "Affine": LayerRow(affine),
    "Dropout": LayerRow(
        lambda n, dtype: an.Dropout(0.4, rng=0),
        variants={"nothing dropped": lambda n, dtype: an.Dropout(0.0, rng=0)},
    ),
    "BatchNorm": LayerRow(
        lambda n, dtype: moved(an.BatchNorm(n, momentum=0.2, eps=1e-3, dtype=dtype)), least_rows=2
    ),
    "NTKAffine": LayerRow(ntk),
    "Increasing": LayerRow(
        lambda n, dtype: an.Increasing(n),
        variants={"groups of one": lambda n, dtype: an.Increasing(1)},
    ),
    "Scale": LayerRow(lambda n, dtype: learned(an.Scale(n, dtype=dtype))),
    "Parametric": LayerRow(
        lambda n, dtype: learned(an.Parametric(n, "mish", dtype=dtype)),
        variants={
            "of LeakyReLU": lambda n, dtype: learned(an.Parametric(n, an.LeakyReLU(0.2), dtype)),
            "of the output": lambda n, dtype: learned(an.Parametric(n, "tanh", dtype)),
        },
    ),
    # One output in place of x keeps the width.
    "PeriodicEmbedding": LayerRow(
        lambda n, dtype: waves(n, dtype, frequencies=5, outputs=1, kind="plr"),
        variants={
            "pbld": lambda n, dtype: waves(n, dtype, frequencies=7, outputs=2),
            "plr": lambda n, dtype: waves(n, dtype, frequencies=2, outputs=3, kind="plr"),
        },
    ),
    "Embedding": LayerRow(
        table,
        variants={"of three": lambda n, dtype: table(n, dtype, outputs=3)},
        codes=CODES,
    ),
    # One output in place of x keeps the width.
    "PiecewiseEmbedding": LayerRow(
        bins, variants={"of three": lambda n, dtype: bins(n, dtype, outputs=3)}
    ),
    # One member takes any number of rows; ensembles.py has more members.
    "MemberScale": LayerRow(lambda n, dtype: apart(an.MemberScale(1, n, dtype=dtype))),
    "BatchEnsemble": LayerRow(lambda n, dtype: apart(an.BatchEnsemble(1, n, n, dtype=dtype))),
    "MemberAffine": LayerRow(lambda n, dtype: apart(an.MemberAffine(1, n, n, dtype=dtype))),
    "LayerNorm": LayerRow(lambda n, dtype: moved(an.LayerNorm(n, eps=1e-4, dtype=dtype))),
    "Residual": LayerRow(
        lambda n, dtype: an.Residual(affine(n, dtype), an.Tanh()),
        variants={"of layers with two modes": with_modes},
    ),
} | {name: activation(row) for name, row in ACTIVATIONS.items()}

# Every layer in every setting: callables like ``make``, by name.
SETTINGS = {name: row.make for name, row in LAYERS.items()} | {
    f"{name}, {variant}": make
    for name, row in LAYERS.items()
    for variant, make in row.variants.items()
}


def inputs(setting, x):
    """Rows that the layer of a setting takes, from rows of any numbers."""
    return LAYERS[setting.partition(",")[0]].inputs(x)


def make(name, n=3, dtype="float64"):
    """The layer of this name, for rows of n numbers."""
    return LAYERS[name].make(n, dtype)
