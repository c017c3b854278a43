"""The code in the pages of the documentation: its blocks, and what running a page needs."""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from affinet.cli import main

FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>```+)(?P<kind>[^\n`]*)\n(?P<body>.*?)^(?P=indent)(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
SYNTAX = re.compile(r"""[|&;<>()$`"'*?#~=%\[\]{}\n]""")  # what a shell would look at
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
SHELL = 'affinet() { %s -m affinet "$@"; }\npython() { %s "$@"; }\nset -eo pipefail\n'


@dataclass(frozen=True)
class Block:
    """A fenced block: its language or directive, its text, and the line where it begins."""

    kind: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    """All fenced blocks of a page of Markdown, in order."""
    found = []
    for match in FENCE.finditer(page):
        line = page[: match.start()].count("\n") + 1
        found.append(Block(match["kind"].strip(), match["body"], line))
    return found


def run_python(block: Block, names: dict[str, object], path: Path) -> None:
    """Run a block in the names of its page: as an interactive session if it has prompts."""
    if ">>>" not in block.text:
        exec(compile(block.text, f"{path}:{block.line}", "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(block.text, names, path.name, str(path), block.line)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, out=said.append, clear_globs=False)
    names.update(test.globs)
    if runner.failures:
        raise AssertionError("".join(said))


def commands(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output that is shown for it."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif found and found[-1][0].endswith("\\"):
            found[-1] = (f"{found[-1][0]}\n{line}", "")
        else:
            command, shown = found[-1]
            found[-1] = (command, f"{shown}{line}\n")
    return found


def run_console(block: Block, folder: Path, path: Path) -> None:
    """Run each command in a folder; it must succeed and print what the page shows, if anything."""
    for command, shown in commands(block.text):
        own = command.startswith("affinet ") and not SYNTAX.search(command)
        code, out, err = (in_this_process if own else in_a_shell)(command, folder)
        where = f"{path}:{block.line}: {command}"
        assert code == 0, f"{where}\n{out}{err}"
        if shown.strip():
            agrees = doctest.OutputChecker().check_output(shown, out, FLAGS)
            assert agrees, f"{where}\n{out}\nwanted\n{shown}"


def in_a_shell(command: str, folder: Path) -> tuple[int, str, str]:
    """The exit code, standard output and standard error of a command for bash."""
    done = subprocess.run(
        ["bash", "-c", SHELL % (sys.executable, sys.executable) + command],
        cwd=folder, env=os.environ | {"MPLBACKEND": "Agg", "COLUMNS": "80"},
        capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def in_this_process(command: str, folder: Path) -> tuple[int, str, str]:
    """The same of a plain call of affinet, without the start of an interpreter."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main(shlex.split(command)[1:])
    return code, out.getvalue(), err.getvalue()
