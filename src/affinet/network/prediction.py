"""Prediction: the fast path for control loops, the compiled path, and layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from affinet._validation import (
    Array,
    in_files,
    number_array,
    require_finite,
    require_output,
    rows_array,
    whole_number,
)
from affinet.layers import Embedding, LeakyReLU, Parametric
from affinet.layers.tree import walk
from affinet.network.attributes import NetworkAttributes
from affinet.network.operations import compile_operations, describe_layers, first_width
from affinet.network.sampling import Sampler

PREDICT_ROWS = 1024  # predict works in blocks of rows, so its memory does not grow with the rows


class Prediction(NetworkAttributes):
    """The part of a :class:`affinet.Sequential` that turns inputs into outputs."""

    _operations: Any = None  # the compiled forward pass, if it covers all layers
    _n_inputs: int | None = None  # values per row that it takes
    _n_outputs: int = 0  # values per row that it returns
    _coded: Embedding | None = None  # the first layer, if it takes codes, which are checked
    _indirect: bool = False  # slopes may have changed, or inputs are to be checked
    _leaky: list[LeakyReLU]
    _slopes: tuple[float, ...]

    def _input(self, x: ArrayLike, first_row: int = 0) -> Array:
        """x in the network's dtype, scaled; the caller's array is never changed."""
        array = number_array("x", x)
        if self._check_finite:
            require_finite("x", array, first_row)
        if array.ndim == 0:
            raise ValueError("x has shape (), wanted (B, ...) or (I,)")
        array = array.astype(self._dtype, copy=False)
        if self._input_scale is not None:
            array = array * self._dtype.type(self._input_scale)
        return array

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Hold the network for reading, as a prediction does."""
        readers = self._usage.readers
        readers.append(None)
        try:
            if self._usage.writer is not None:
                self._usage.require_own_thread()
            yield
        finally:
            readers.pop()

    def _predict_directly(self, x: Array, out: Array | None) -> Array | None:
        """The fast path for a few rows that need no conversion; None means: use the general path.

        It serves control loops, where every microsecond of checks matters. The compiled function
        rejects arguments that do not fit; the general path then names the error.
        """
        operations = self._operations
        if (
            operations is None
            or self._indirect
            or self._check_finite
            or self._input_scale is not None
            or len(x) > PREDICT_ROWS
            or (out is not None and np.may_share_memory(x, out))
        ):
            return None
        try:
            result = np.empty((len(x), self._n_outputs), self._dtype) if out is None else out
            operations.forward(x, result)
        except (TypeError, ValueError):
            return None
        return result

    def _predict(self, x: ArrayLike, out: Array | None = None) -> Array:
        rows = rows_array("x", x)
        # An ensemble's members are found by the place of their rows among all.
        at_once = PREDICT_ROWS if self._members == 1 else max(len(rows) if rows.ndim else 1, 1)
        first = self._predict_block(rows[:at_once] if rows.ndim > 1 else rows)
        whole = rows.ndim < 2 or len(rows) <= at_once
        if out is not None and not whole and not in_files(rows) and np.may_share_memory(rows, out):
            rows = rows.copy()  # a block's result must not overwrite rows still to be read
        if whole and out is None:
            return first
        shape = first.shape if whole else (len(rows), *first.shape[1:])
        if out is None:
            out = np.empty(shape, first.dtype)
        require_output("out", out, shape, first.dtype)
        out[: len(first)] = first
        for start in range(PREDICT_ROWS, 0 if whole else len(rows), PREDICT_ROWS):
            block = slice(start, start + PREDICT_ROWS)
            out[block] = self._predict_block(rows[block], start)
        return out

    def _predict_samples(
        self, x: ArrayLike, out: Array | None, samples: int | None, seed: int | None
    ) -> Array:
        """Predictions with random masks, (samples, B, O), block by block."""
        if samples is None:
            raise ValueError("seed was given without samples, which it makes the masks of")
        n = whole_number("samples", samples, 1)
        sampler = Sampler(self.layers, whole_number("seed", 0 if seed is None else seed, 0))
        rows = rows_array("x", x)
        whole = rows.ndim < 2 or self._members > 1 or len(rows) == 0
        size = max(len(rows), 1) if whole and rows.ndim else PREDICT_ROWS
        parts = []
        for start in range(0, 1 if whole else len(rows), size):
            block = self._input(rows if rows.ndim < 2 else rows[start : start + size], start)
            if self._coded is not None:
                self._coded.require_inputs(block, first_row=start)
            parts.append(np.stack(list(sampler.outputs(block, n, start))))
        result = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        if out is None:
            return result
        require_output("out", out, result.shape, result.dtype)
        out[...] = result
        return out

    def _predict_block(self, x: Array, first_row: int = 0) -> Array:
        out = self._input(x, first_row)
        if self._coded is not None:
            self._coded.require_inputs(out, first_row=first_row)
        if self._n_inputs is not None and out.shape[-1] == self._n_inputs and out.ndim <= 2:
            return self._predict_compiled(out)
        *_, out = self._chain.outputs(out, None)
        return out

    def _predict_compiled(self, x: Array) -> Array:
        """The outputs for one row or a block of them, in one compiled call."""
        slopes = tuple(layer.slope for layer in self._leaky)
        if slopes != self._slopes:
            self._compile()
        rows = x.reshape(1, -1) if x.ndim == 1 else x
        operations = self._operations
        out = np.empty((len(rows), self._n_outputs), self._dtype)
        operations.forward(np.require(rows, requirements=["C", "A"]), out)
        return out[0] if x.ndim == 1 and self._n_inputs != 1 else out

    def _compile(self) -> None:
        """Build the compiled forward pass if it covers all layers."""
        members = (getattr(layer, "members", 1) for _, layer in walk(self.layers))
        self._members = max((n for n in members if isinstance(n, int)), default=1)
        self._n_inputs = first_width(self.layers)
        inside = [layer for _, layer in walk(self.layers)]
        inside += [layer.activation for layer in inside if isinstance(layer, Parametric)]
        self._leaky = [layer for layer in inside if type(layer) is LeakyReLU]
        self._coded = self.layers[0] if isinstance(self.layers[0], Embedding) else None
        self._indirect = bool(self._leaky) or self._coded is not None
        self._slopes = tuple(layer.slope for layer in self._leaky)
        self._operations: Any = (
            None
            if self._n_inputs is None
            else compile_operations(
                self._params.flat, describe_layers(self.layers), self._n_inputs, self._precision
            )
        )
        self._n_outputs = 0 if self._operations is None else self._operations.n_outputs
