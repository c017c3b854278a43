"""Many trainings at once, of which Ctrl-C keeps what it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from affinet._validation import Array
from affinet.network import Sequential
from affinet.training.finite import warn_caller
from affinet.training.history import History
from affinet.training.many import fit_many
from affinet.training.many_options import of_calls

INTERRUPTED = KeyboardInterrupt.__name__  # of a history


def fit_kept(
    nets: Sequence[Sequential],
    x: Any,
    t: Any,
    calls: Sequence[Mapping[str, Any]],
    *,
    rows: Sequence[Array] | None = None,
    verbose: int | None = 0,
    keep_interrupted: bool = True,
) -> list[History | None]:
    """Train networks by :func:`fit_many`, given the options of each one's ``fit``.

    After Ctrl-C, of which it warns, the history is None of a network without a whole epoch, and
    unless ``keep_interrupted`` of one that has not ended. If all are None, it raises.
    """
    before = [net.history for net in nets]
    interrupt = None
    try:
        fit_many(nets, x, t, rows=rows, verbose=verbose, **of_calls(calls))
    except KeyboardInterrupt as error:
        interrupt = error
    found = [net.history for net in nets]
    for place, history in enumerate(found):
        begun = history is not None and history is not before[place] and history.epochs
        ended = history is not None and history.stopped_by != INTERRUPTED
        if not begun or not (ended or keep_interrupted):
            found[place] = None
    if interrupt is not None:
        count = sum(history is not None for history in found)
        if not count:
            raise interrupt
        warn_caller(
            f"training was interrupted; {count} of {len(nets)} networks are kept", UserWarning
        )
    return found
