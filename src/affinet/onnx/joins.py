"""Where the paths of a graph split: for a sum, the tensor where both of its branches start."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Joins:
    """For every tensor, the last one before it through which all paths from the input pass.

    These form the dominator tree of the graph. The tensor where the branches of a sum start is the
    lowest common ancestor of its two inputs; a second link per tensor, which skips ancestors, finds
    it in O(log n) steps: E. W. Myers, "An applicative random-access stack",
    Information Processing Letters 17, 1983.

    Parameters
    ----------
    start : str
        The graph's input.
    nodes : iterable of nodes
        In topological order.
    """

    def __init__(self, start: str, nodes: Iterable[Any]) -> None:
        # For every tensor that depends on the input; constants are excluded.
        self._parents, self._skips, self._depths = {start: start}, {start: start}, {start: 0}
        for node in nodes:
            known = [name for name in node.input if name in self._depths]
            if known:
                parent = self.last_common(known)
                for name in node.output:
                    self._add(name, parent)

    def last_common(self, tensors: Iterable[str]) -> str:
        """The last tensor through which all paths to any of these pass; it may be one of them.

        Raises
        ------
        KeyError
            If one of them does not depend on the input.
        """
        first, *others = tensors
        for other in others:
            first = self._common(first, other)
        return first

    def depends_on_input(self, tensor: str) -> bool:
        """True unless the tensor is a constant."""
        return tensor in self._depths

    def is_behind(self, tensor: str, start: str) -> bool:
        """True if more tensors precede ``tensor`` in the tree than precede ``start``."""
        return self._depths.get(tensor, -1) > self._depths[start]

    def _add(self, tensor: str, parent: str) -> None:
        skip = self._skips[parent]
        equal = self._depths[parent] - self._depths[skip] == (
            self._depths[skip] - self._depths[self._skips[skip]]
        )
        self._parents[tensor] = parent
        self._skips[tensor] = self._skips[skip] if equal else parent
        self._depths[tensor] = self._depths[parent] + 1

    def _common(self, one: str, other: str) -> str:
        if self._depths[one] < self._depths[other]:
            one, other = other, one
        while self._depths[one] > self._depths[other]:
            skip = self._skips[one]
            one = skip if self._depths[skip] >= self._depths[other] else self._parents[one]
        while one != other:
            if self._skips[one] == self._skips[other]:
                one, other = self._parents[one], self._parents[other]
            else:
                one, other = self._skips[one], self._skips[other]
        return one
