"""Directives that document the shell's commands from the options of its own parser."""

import argparse

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from affinet.cli.parser import COMMANDS, EXIT_CODES, make_parser


def command_parser(name: str) -> argparse.ArgumentParser:
    """The parser of one command, with all its arguments."""
    parser = make_parser()
    commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    command = commands.choices[name]
    command.add_own_arguments()
    return command


def heading(action: argparse.Action) -> str:
    """What a user types for an argument, as the literal heading of its description."""
    if not action.option_strings:
        return f"``{action.metavar or action.dest}``"
    if action.nargs == 0:
        return ", ".join(f"``{name}``" for name in action.option_strings)
    formatter = argparse.HelpFormatter("affinet")
    values = formatter._format_args(action, (action.metavar or action.dest.upper()))
    return ", ".join(f"``{name} {values}``" for name in action.option_strings)


def help_text(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """The help of an argument with its default filled in, as reStructuredText."""
    text = parser._get_formatter()._expand_help(action) if action.help else ""
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("`", "\\`").replace("|", "\\|")


def lines_of(name: str) -> list[str]:
    """A command's usage, description, arguments and epilogue, as lines of reStructuredText."""
    parser = command_parser(name)
    usage = parser.format_usage().removeprefix("usage: ").rstrip()
    lines = [parser.description or "", "", ".. code-block:: text", ""]
    lines += ["   " + line for line in usage.splitlines()] + [""]
    for group in parser._action_groups:
        shown = [a for a in group._group_actions if a.help != argparse.SUPPRESS]
        if not shown:
            continue
        lines += [f".. rubric:: {group.title.capitalize()}", ""]
        for action in shown:
            lines += [heading(action), f"   {help_text(parser, action)}", ""]
    if parser.epilog:
        lines += ["::", "", *("   " + line for line in parser.epilog.splitlines()), ""]
    return lines


class ShellCommand(Directive):
    """``.. shell-command:: train``."""

    required_arguments = 1

    def run(self):
        node = nodes.container(classes=["shell-command"])
        lines = StringList(lines_of(self.arguments[0]), source="affinet.cli")
        self.state.nested_parse(lines, self.content_offset, node)
        return node.children


class ShellCommands(Directive):
    """``.. shell-commands::``, all commands with what each is for, and the exit codes."""

    def run(self):
        lines = []
        for name, summary in COMMANDS.items():
            lines += [f":doc:`{name}`", f"   {summary}", ""]
        lines += [EXIT_CODES[0].upper() + EXIT_CODES[1:] + "."]
        node = nodes.container()
        self.state.nested_parse(StringList(lines, source="affinet.cli"), self.content_offset, node)
        return node.children


def setup(app):
    app.add_directive("shell-command", ShellCommand)
    app.add_directive("shell-commands", ShellCommands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
