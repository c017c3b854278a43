"""The shell ``affinet``: train, evaluate, predict, inspect, gradcheck, plot, bench, info.

Each command is a module of its own with a function ``run(options) -> int``; it is imported when
it is called, so that ``--help`` stays quick.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from affinet.cli.output import CommandError, say
from affinet.cli.parser import UsageError, make_parser

__all__ = ["main"]

FAILED, REFUSED, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141  # the last two as shells count signals
BAD_INPUT = (ValueError, TypeError, OSError, ImportError, OverflowError, MemoryError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the shell and return its exit code.

    Results go to standard output; progress, notes and errors, one line each, to standard error.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the program's name; ``sys.argv[1:]`` if left out.

    Returns
    -------
    int
        0: done. 1: the work was done and failed (a wrong gradient, a training that diverged).
        2: the arguments or files cannot be used. 130: interrupted. 141: nobody reads the output.

    Examples
    --------
    >>> from affinet.cli import main
    >>> main(["train", "digits", "--lr", "nan"])
    2
    """
    try:
        with warnings_as_lines():
            code = dispatch(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt as interrupt:
        return refuse(str(interrupt) or "interrupted", INTERRUPTED)
    except BrokenPipeError:
        silence(sys.stdout)
        silence(sys.stderr)
        return BROKEN_PIPE
    except CommandError as error:
        return refuse(str(error), FAILED)
    except (UsageError, *BAD_INPUT) as error:
        return refuse(in_words(error), REFUSED)


def dispatch(arguments: Sequence[str] | None) -> int:
    """Read the arguments and run the command that they name."""
    try:
        options = make_parser().parse_args(arguments)
    except SystemExit as end:  # --help and --version have printed all there is to say
        return int(end.code or 0)
    command = importlib.import_module(f"affinet.cli.{options.command}")
    return int(command.run(options))


def refuse(problem: str, code: int) -> int:
    """Tell the problem in one line; returns the exit code."""
    try:
        say(f"error: {problem}" if code != INTERRUPTED else problem)
    except BrokenPipeError:
        silence(sys.stderr)
    silence(sys.stdout)
    return code


def in_words(error: BaseException) -> str:
    """What went wrong, without the class and the number of the error."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}".removesuffix(": ")
    return str(error) or type(error).__name__


def silence(stream: TextIO) -> None:
    """Flush ``stream``; if nobody can take it, point it at nothing, or Python complains at exit."""
    try:
        stream.flush()
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Show affinet's warnings as lines of the shell, without a place in the source."""

    def show(message: Warning | str, *rest: object, **more: object) -> None:
        say(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.filterwarnings("always", module=r"affinet\b")
        warnings.showwarning = show
        yield
