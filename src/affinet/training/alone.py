"""A team of one process: what ``fit`` asks of a team where there is no other process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol


class AnyTeam(Protocol):
    """What ``fit`` asks of a team; :class:`affinet.training.team.Team` has several processes."""

    rank: int
    size: int

    def part(self, n: int) -> tuple[int, int]:
        """From which of n things in a row to which they are this process's."""

    def setting_up(self) -> AbstractContextManager[None]:
        """A block in which an error of one process ends all of them."""

    def agree(self, facts: Mapping[str, Any]) -> None:
        """Raise unless all processes have the same facts."""

    def abort(self, error: BaseException) -> None:
        """End the other processes, for this one fails."""


class Alone:
    """The only process."""

    rank, size = 0, 1

    def part(self, n: int) -> tuple[int, int]:
        """All of n things."""
        return 0, n

    def setting_up(self) -> AbstractContextManager[None]:
        """Nothing around it."""
        return nullcontext()

    def agree(self, facts: Mapping[str, Any]) -> None:
        """Nothing: there is nobody to disagree."""

    def abort(self, error: BaseException) -> None:
        """Nothing: there is nobody to end."""
