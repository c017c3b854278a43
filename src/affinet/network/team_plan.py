"""How several threads would share a training step: the compiled code's cost model in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from affinet._dispatch import kernels
from affinet._validation import whole_number

if TYPE_CHECKING:
    from affinet.network.sequential import Sequential


def plan_lines(net: Sequential, batch_size: int) -> list[str]:
    """The threads of a step, what the model expects of each number, and where work is cut."""
    whole_number("batch_size", batch_size, 1)
    if net._operations is None:
        return ["no plan: the network trains layer by layer"]
    threads = int(kernels.threads()[0])
    size, costs, _, rows, cuts = kernels.team_plan(net._operations, batch_size, threads)
    shared = "1 thread" if size == 1 else f"{size} threads"
    lines = [f"a step of {batch_size:,} rows: {shared} of {threads}"]
    shown = sorted({1, size, threads})
    expected = ", ".join(f"{costs[n - 1]:,.1f} on {n}" for n in shown)
    lines.append(f"  expected microseconds: {expected}")
    if size > 1:
        lines.append(f"  rows of the batch: {starts(rows, batch_size)}")
        lines += [f"  rows of {name}: {starts(cut, n)}" for name, cut, n in named(net, cuts)]
    return lines


def named(net: Sequential, cuts: list[Any]) -> list[tuple[str, list[int], int]]:
    """The weights with their cuts and their number of rows."""
    places, start = {}, 0
    for name, array in net.params.items():
        places[start] = name, len(array)
        start += array.size
    return [(places[place][0], cut, places[place][1]) for place, cut in cuts]


def starts(cut: list[int], n: int) -> str:
    """Consecutive parts of n, such as ``0-47, 48-99``; a part may be empty."""
    ends = [*cut[1:], n]
    return ", ".join(f"{a}-{b - 1}" if b > a else "-" for a, b in zip(cut, ends, strict=True))
