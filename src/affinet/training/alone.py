"""A team of one process: the interface that ``fit`` needs when there is no other process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol


class AnyTeam(Protocol):
    """The team interface of ``fit``; :class:`affinet.training.team.Team` has several processes."""

    rank: int
    size: int

    def part(self, n: int) -> tuple[int, int]:
        """The range (start, stop) of n items that belongs to this process."""

    def setting_up(self) -> AbstractContextManager[None]:
        """A context in which an error in one process ends all of them."""

    def agree(self, facts: Mapping[str, Any]) -> None:
        """Raise unless the facts are equal on all processes."""

    def abort(self, error: BaseException) -> None:
        """End the other processes because this one fails."""


class Alone:
    """The only process."""

    rank, size = 0, 1

    def part(self, n: int) -> tuple[int, int]:
        """All n items."""
        return 0, n

    def setting_up(self) -> AbstractContextManager[None]:
        """No context needed."""
        return nullcontext()

    def agree(self, facts: Mapping[str, Any]) -> None:
        """Do nothing: there is no other process."""

    def abort(self, error: BaseException) -> None:
        """Do nothing: there is no other process to end."""
