"""How several threads would share a training step: the compiled code's cost model in words."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from affinet._dispatch import kernels
from affinet._validation import whole_number

if TYPE_CHECKING:
    from affinet.network.sequential import Sequential


def plan_values(net: Sequential, batch_size: int) -> dict[str, Any]:
    """The plan of a step as plain values; without compiled form only a ``reason``.

    It holds for every optimizer but Muon, whose updates are worth more threads.
    ``threads`` of ``most_threads`` share it; ``expected_microseconds`` are the model's for one
    thread, two, ...; ``batch`` and ``weights`` say where each thread's rows start, and where they
    end. Layers of the weights in ``together`` are computed for the whole batch by all threads, each
    with some of the columns.
    """
    whole_number("batch_size", batch_size, 1)
    if net._operations is None:
        return {"batch_size": batch_size, "reason": "the network trains layer by layer"}
    most = int(kernels.threads()[0])
    size, costs, _, rows, cuts = kernels.team_plan(net._operations, batch_size, most)
    names = names_by_start(net)
    return {
        "batch_size": batch_size,
        "threads": size,
        "most_threads": most,
        "expected_microseconds": costs,
        "batch": [*rows, batch_size],
        "weights": {names[place]: [*cut, len(net.params[names[place]])] for place, cut, _ in cuts},
        "together": [names[place] for place, _, together in cuts if together],
    }


def names_by_start(net: Sequential) -> dict[int, str]:
    """The name of the parameter that starts at each place of the flat buffer."""
    starts = accumulate((array.size for array in net.params.values()), initial=0)
    return dict(zip(starts, net.params, strict=False))


def plan_lines(net: Sequential, batch_size: int) -> list[str]:
    """The threads of a step, what the model expects of each number, and where work is cut."""
    plan = plan_values(net, batch_size)
    if "reason" in plan:
        return [f"no plan: {plan['reason']}"]
    size, most = plan["threads"], plan["most_threads"]
    shared = "1 thread" if size == 1 else f"{size} threads"
    costs = plan["expected_microseconds"]
    expected = ", ".join(f"{costs[n - 1]:,.1f} on {n}" for n in sorted({1, size, most}))
    lines = [f"a step of {batch_size:,} rows: {shared} of {most}"]
    lines.append(f"  expected microseconds, but more with Muon: {expected}")
    if size > 1:
        lines.append(f"  rows of the batch: {parts(plan['batch'])}")
        lines += [f"  rows of {name}: {parts(cut)}" for name, cut in plan["weights"].items()]
        if plan["together"]:
            lines.append(f"  all rows together, by columns: {', '.join(plan['together'])}")
    return lines


def parts(cut: list[int]) -> str:
    """Consecutive parts, such as ``0-47, 48-99``; a part may be empty.

    Examples
    --------
    >>> parts([0, 48, 100]), parts([0, 0, 8])
    ('0-47, 48-99', '-, 0-7')
    """
    return ", ".join(f"{a}-{b - 1}" if b > a else "-" for a, b in pairwise(cut))
