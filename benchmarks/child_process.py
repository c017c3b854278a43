"""A job in a separate process that hands one record back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import machine

MARK = "@@"  # in front of the record; libraries print what they like before
ERROR_CHARACTERS = 300


def record_of(
    command: Sequence[str], environment: Mapping[str, str], cores: int, limit: float
) -> dict[str, Any]:
    """What the command's process hands over; its ``failed`` says why that is nothing.

    Parameters
    ----------
    command : sequence of str
    environment : mapping of str to str
    cores : int
        To which the process is pinned.
    limit : float
        Seconds of wall-clock time after which it is ended.
    """
    with machine.pinned(cores):
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, encoding="utf-8",
                timeout=limit, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"failed": f"longer than {limit:g} s"}
    if done.returncode or MARK not in done.stdout:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {"failed": lines[-1][:ERROR_CHARACTERS]}
    found: dict[str, Any] = json.loads(done.stdout.rsplit(MARK, 1)[1])
    return found


def hand_over(record: Mapping[str, Any]) -> None:
    """Print the record for the process that waits for it."""
    print(f"\n{MARK}{json.dumps(record)}", flush=True)
