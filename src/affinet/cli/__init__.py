"""The shell ``affinet``: train, evaluate, predict, inspect, export, gradcheck, plot, bench, info.

Each command is a module with ``DESCRIPTION``, ``add_arguments(parser)`` and ``run(options)``.
It is imported when it is called, so that ``--help`` stays fast.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from affinet.cli.output import CommandError, say
from affinet.cli.parser import UsageError, make_parser
from affinet.cli.streams import steady_streams

__all__ = ["main"]

FAILED, REFUSED, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141  # the last two as shells count signals
BAD_INPUT = (ValueError, TypeError, OSError, ImportError, OverflowError, MemoryError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the shell and return its exit code.

    Results go to standard output; progress, notes and errors, one line each, to standard error.
    Closed streams are ignored; characters that a stream cannot encode are escaped.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments after the program's name; ``sys.argv[1:]`` if left out.

    Returns
    -------
    int
        0: success. 1: the work was done and failed (a wrong gradient, a training that diverged).
        2: the arguments or files cannot be used. 130: interrupted. 141: the reader of the output
        has gone.

    Examples
    --------
    >>> from affinet.cli import main
    >>> main(["train", "digits", "--lr", "nan"])
    2
    """
    with steady_streams() as (out, err):
        code = guarded(arguments)
        if code == 0:
            code = closing(out.flush)
        out.silence()
        err.silence()
        return code


def guarded(arguments: Sequence[str] | None) -> int:
    """Run the command; errors become one line and an exit code."""
    try:
        with warnings_as_lines():
            return dispatch(arguments)
    except KeyboardInterrupt as interrupt:
        say(str(interrupt) or "interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        return BROKEN_PIPE
    except CommandError as error:
        say(f"error: {error}")
        return FAILED
    except (UsageError, *BAD_INPUT) as error:
        say(f"error: {in_words(error)}")
        return REFUSED


def closing(flush: Callable[[], None]) -> int:
    """Flush the output; the exit code that follows."""
    try:
        flush()
    except BrokenPipeError:
        return BROKEN_PIPE
    except OSError as error:  # the disk is full
        say(f"error: {in_words(error)}")
        return REFUSED
    return 0


def dispatch(arguments: Sequence[str] | None) -> int:
    """Parse the arguments and run the command that they name."""
    try:
        options = make_parser().parse_args(arguments)
    except SystemExit as end:  # --help and --version have printed everything
        return int(end.code or 0)
    command = importlib.import_module(f"affinet.cli.{options.command}")
    return int(command.run(options))


def in_words(error: BaseException) -> str:
    """What went wrong, without the class and the number of the error."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}".removesuffix(": ")
    return str(error) or type(error).__name__


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Show affinet's warnings as lines of the shell, without their place in the source."""

    def show(message: Warning | str, *rest: object, **more: object) -> None:
        say(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.filterwarnings("always", module=r"affinet\b")
        warnings.showwarning = show
        yield
