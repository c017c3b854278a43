"""The shell's parser: its commands, and errors that suggest the nearest name."""

from __future__ import annotations

import argparse
import difflib
import importlib
import re
import textwrap
from collections.abc import Iterable
from typing import Any, NoReturn

from affinet._version import __version__

# A command's module declares its arguments. It is imported only when the command is called, so
# that --help stays fast.
COMMANDS = {
    "train": "train a network and write it to a file",
    "evaluate": "measure a saved network on a data set",
    "predict": "apply a saved network to the rows of a file",
    "inspect": "show what a model file contains",
    "export": "write a model as an ONNX file",
    "gradcheck": "compare a network's gradients with numerical ones",
    "plot": "draw how networks learn and fail, or the learning curve of a saved network",
    "bench": "time a training step against pure NumPy",
    "info": "show what affinet runs on",
}
EXIT_CODES = (
    "exit codes: 0 success, 1 the work was done and failed (a wrong gradient, a training that "
    "diverged), 2 the arguments or files cannot be used, 130 interrupted, 141 the reader of the "
    "output has gone"
)
CHOICE = re.compile(r"invalid choice: '(?P<came>[^']*)' \(choose from (?P<known>.*)\)")


class UsageError(Exception):
    """The arguments are invalid."""


class Formatter(argparse.HelpFormatter):
    """Help that never breaks a line inside a name such as fashion-mnist or --input-dropout."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return textwrap.indent("\n".join(self._split_lines(text, width - len(indent))), indent)


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError, and takes a command's arguments from its module.

    Attributes
    ----------
    command : str or None
        The command whose arguments have yet to be added.
    """

    command: str | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; a command refuses unknown arguments itself, because it knows similar ones."""
        is_command = self.command is not None
        self.add_own_arguments()
        found, unknown = super().parse_known_args(args, namespace)
        if unknown and is_command:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def add_own_arguments(self) -> None:
        """Import the command's module and let it declare its arguments."""
        if self.command is None:
            return
        module = importlib.import_module(f"affinet.cli.{self.command}")
        self.command = None
        self.description = module.DESCRIPTION
        module.add_arguments(self)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError, with the nearest valid name if there is one."""
        raise UsageError(f"{message}{self.suggestion(message)} (see {self.prog} --help)")

    def suggestion(self, message: str) -> str:
        """The valid names that are nearest to the unknown ones in an error message."""
        choice = CHOICE.search(message)
        if choice is not None:
            return did_you_mean([choice["came"]], re.findall(r"[\w-]+", choice["known"]))
        _, unrecognized, words = message.partition("unrecognized arguments: ")
        if not unrecognized:
            return ""
        options = [word.partition("=")[0] for word in words.split() if word.startswith("-")]
        return did_you_mean(options, self._option_string_actions)


def did_you_mean(unknown: Iterable[str], known: Iterable[str]) -> str:
    """A hint at the nearest known names; empty if none is near.

    Examples
    --------
    >>> did_you_mean(["--epoch"], ["--epochs", "--lr"])
    '; did you mean --epochs?'
    >>> did_you_mean(["--colour"], ["--epochs", "--lr"])
    ''
    """
    words = {name.lstrip("-"): name for name in known}
    near = [difflib.get_close_matches(name.lstrip("-"), words, 1) for name in unknown]
    names = [words[word] for found in near for word in found]
    return f"; did you mean {' and '.join(names)}?" if names else ""


def make_parser() -> Parser:
    """The parser of the whole shell."""
    parser = Parser(
        prog="affinet",
        formatter_class=Formatter,
        description="Train and use multilayer perceptrons on the CPU.",
        epilog=EXIT_CODES,
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action="version", version=f"affinet {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, formatter_class=Formatter, allow_abbrev=False
        )
        command.command = name
    return parser
