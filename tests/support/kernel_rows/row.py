"""The type of a row in the table of kernels, and what several topics build rows by."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from kernel_values import normal


@dataclass(frozen=True)
class Argument:
    """An array argument: its name, the letters of its dimensions, its dtype if that is fixed.

    ``optional`` says that None is allowed.
    """

    name: str
    dims: tuple[str, ...]
    fixed_dtype: str | None
    optional: bool = False

    def dtype(self, real):
        return np.dtype(self.fixed_dtype or real)

    def shape(self, sizes):
        return tuple(sizes[letter] for letter in self.dims)


def arguments(text):
    """``"x[B,C] t[B]:int64"`` as Arguments; a question mark after one: None is allowed."""
    found = re.findall(r"(\w+)\[([\w,]+)\](?::(\w+))?(\?)?", text)
    return tuple(
        Argument(name, tuple(dims.split(",")), kind or None, bool(mark))
        for name, dims, kind, mark in found
    )


@dataclass(frozen=True)
class Kernel:
    """One row of the table: a kernel, or one with an optional array and one without it.

    ``inputs``, ``scalars`` (name to a function that draws one) and ``outputs`` stand in the order
    of the call. ``states`` names the outputs that are read before they are overwritten, ``loss``
    says that a float is returned, ``any_size`` that it is returned for no elements too. ``values``
    says how to draw an array other than by `normal`, ``terms`` how large the terms of the
    results are (a result that is missing has nothing that cancels), ``aliases`` which output may
    be which input. ``exact`` results involve one rounding or none, so that they have to be equal
    to the bit. ``rooms`` holds the sizes that a dimension may have, where it cannot have any, and
    ``derived`` how a dimension follows from the others (``s``) and the scalars (``a``). ``finite``
    names inputs that may hold no special value.
    """

    name: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    scalars: dict[str, Callable] = field(default_factory=dict)
    states: tuple[str, ...] = ()
    loss: bool = False
    any_size: bool = False
    values: dict[str, Callable] = field(default_factory=dict)
    terms: Callable | None = None
    aliases: tuple[tuple[str, str], ...] = ()
    exact: tuple[str, ...] = ()
    rooms: dict[str, tuple[int, ...]] = field(default_factory=dict)
    derived: dict[str, Callable] = field(default_factory=dict)
    finite: tuple[str, ...] = ()

    @property
    def key(self):
        """Its name in the table."""
        optional = [argument.name for argument in self.inputs if argument.optional]
        return " with ".join([self.name, *optional])

    @property
    def arrays(self):
        return self.inputs + self.outputs

    @property
    def dimensions(self):
        """Letters of the dimensions whose sizes may be chosen."""
        letters = dict.fromkeys(letter for a in self.arrays for letter in a.dims)
        return tuple(letter for letter in letters | self.rooms if letter not in self.derived)

    def sized(self, size, **given):
        """Sizes: ``given`` or else ``size``, or what comes nearest among a dimension's rooms."""
        sizes = dict.fromkeys(self.dimensions, size) | given
        return {
            letter: min(self.rooms.get(letter, [n]), key=lambda room, n=n: abs(room - n))
            for letter, n in sizes.items()
        }

    def all_sizes(self, sizes, scalars):
        """Sizes and those that follow from them."""
        for letter, derive in self.derived.items():
            sizes = sizes | {letter: derive(SimpleNamespace(**sizes), SimpleNamespace(**scalars))}
        return sizes

    @property
    def results(self):
        return ("loss",) * self.loss + tuple(output.name for output in self.outputs)


def elementwise(name, inputs, output, *, value=normal, **more):
    """A kernel of n elements each on its own; the output may be the last input."""
    inputs, outputs = arguments(inputs), arguments(output)
    aliases = ((outputs[0].name, inputs[-1].name),)
    return Kernel(name, inputs, outputs, values={inputs[0].name: value}, aliases=aliases, **more)
