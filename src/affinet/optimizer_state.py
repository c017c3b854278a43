"""Optimizer state per parameter array: its lifetime, and how it survives copies and pickling."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from affinet._validation import Array, compute_dtype
from affinet.parameters import Parameters, flat_zeros, in_memory, owner_of


class State:
    """An optimizer's state for one array: its update count and its averages."""

    def __init__(self, size: int, dtype: np.dtype[Any], n_averages: int) -> None:
        self.step = 0
        self.averages = [flat_zeros(size, dtype) for _ in range(n_averages)]

    def copy(self) -> State:
        """A deep copy."""
        twin = State.__new__(State)
        twin.step, twin.averages = self.step, [average.copy() for average in self.averages]
        return twin

    def part(self, start: int, end: int) -> State:
        """The state of elements ``start`` to ``end``, as views."""
        own = State.__new__(State)
        own.step, own.averages = self.step, [average[start:end] for average in self.averages]
        return own

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self.step, self.averages = saved["step"], [in_memory(a) for a in saved["averages"]]


class States:
    """The states of arrays, each kept until its array is garbage-collected.

    Within a process, an array is identified by its id. States reach a copy or another process as
    follows. pickle and copy preserve object identity within one call, so the arrays stored beside
    the states are the parameters themselves afterwards. joblib and loky store large arrays
    separately: these lose their identity while other objects keep it, so a network's buffer is
    found through the Parameters that own it. Arrays found neither way, such as plain arrays
    through joblib or parameters sent in another call, are matched by their values at their first
    update.

    Examples
    --------
    >>> import copy
    >>> states, W = States(), np.ones(3)
    >>> states.of(W, 0).step = 5
    >>> twin, V = copy.deepcopy((states, W))
    >>> twin.of(V, 0).step, twin.of(np.zeros(3), 0).step
    (5, 0)
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Array], State]] = {}
        # After a copy or a load: fingerprints of the arrays that came with the states, until these
        # are first used, and the states of arrays that were freed before that.
        self._arrived: dict[int, bytes] = {}
        self._unclaimed: list[tuple[bytes, State]] = []

    @classmethod
    def of_pairs(cls, pairs: list[tuple[Array, State]]) -> States:
        """States that arrived with their arrays."""
        states = cls.__new__(cls)
        states.__setstate__({"pairs": pairs, "unclaimed": []})
        return states

    def __len__(self) -> int:
        return len(self._known)

    def of(self, W: Array, n_averages: int) -> State:
        """The state of this array object; a new one, all zeros, on the first call."""
        known = self._known.get(id(W))
        if known is not None and known[0]() is W:
            if self._arrived:
                self._arrived.pop(id(W), None)
            return known[1]
        state = self._claim(W) if self._unclaimed else None
        if state is None:
            state = State(W.size, compute_dtype(W), n_averages)
        self._remember(W, state)
        return state

    def copy(self) -> States:
        """Copies of the states, for the same arrays."""
        twin = States()
        for W, state in self._living():
            twin._remember(W, state)
        twin._arrived = dict(self._arrived)
        twin._unclaimed = [(mark, state.copy()) for mark, state in self._unclaimed]
        return twin

    def _claim(self, W: Array) -> State | None:
        """The state of an array with exactly these values that was freed on arrival."""
        mark = fingerprint(W)
        for place, (own, state) in enumerate(self._unclaimed):
            if own == mark:
                del self._unclaimed[place]
                return state
        return None

    def _remember(self, W: Array, state: State) -> None:
        # A strong reference to the States would leave optimizers to the cyclic garbage collector.
        known, arrived, unclaimed, key = self._known, self._arrived, self._unclaimed, id(W)

        def forget(reference: weakref.ref[Array]) -> None:
            if key in known and known[key][0] is reference:  # pragma: no branch - a race of threads
                del known[key]
                mark = arrived.pop(key, None)
                if mark is not None:
                    unclaimed.append((mark, state))

        known[key] = (weakref.ref(W, forget), state)

    def _living(self) -> list[tuple[Array, State]]:
        """The live arrays, with copies of their states."""
        pairs = [(reference(), state) for reference, state in list(self._known.values())]
        return [(W, state.copy()) for W, state in pairs if W is not None]

    def __getstate__(self) -> dict[str, Any]:
        pairs = []
        for W, state in self._living():
            owner = owner_of(W)
            pairs.append((W if owner is None else owner, state))
        return {
            "pairs": pairs,
            "unclaimed": [(mark, state.copy()) for mark, state in self._unclaimed],
        }

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self._known, self._arrived, self._unclaimed = {}, {}, list(saved["unclaimed"])
        for place, state in saved["pairs"]:
            W = place.flat if isinstance(place, Parameters) else place
            self._remember(W, state)
            self._arrived[id(W)] = fingerprint(W)


def fingerprint(W: Array) -> bytes:
    """A digest of an array's values, shape and dtype, independent of its memory and byte order."""
    import hashlib  # slow to import, and few programs move optimizers

    content = np.ascontiguousarray(W, W.dtype.newbyteorder("<"))
    dtype = W.dtype.newbyteorder("=")
    digest = hashlib.blake2b(f"{dtype} {W.shape}".encode(), digest_size=16)
    digest.update(content.reshape(-1).view(np.uint8).data)
    return digest.digest()
