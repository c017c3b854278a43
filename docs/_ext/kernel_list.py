"""The directive ``kernel-list``: every compiled function, from the stub and its own docstring."""

import ast
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

import affinet.reference
from affinet._kernels import baseline

STUB = Path(__file__).parents[2] / "src" / "affinet" / "_kernels" / "baseline.pyi"


def sections(stub: str) -> list[tuple[str, list[ast.FunctionDef]]]:
    """The functions under each comment of the stub."""
    functions = {
        node.lineno: node for node in ast.parse(stub).body if isinstance(node, ast.FunctionDef)
    }
    found: list[tuple[str, list[ast.FunctionDef]]] = [("Which build", [])]
    for number, line in enumerate(stub.splitlines(), 1):
        if line.startswith("# "):
            found.append((line.removeprefix("# "), []))
        elif number in functions:
            found[-1][1].append(functions[number])
    return [(title, own) for title, own in found if own]


def entry(function: ast.FunctionDef) -> list[str]:
    """A kernel's signature, its docstring and a link to its NumPy twin, as reStructuredText."""
    name = function.name
    arguments = ", ".join(argument.arg for argument in function.args.posonlyargs)
    text = (getattr(baseline, name).__doc__ or "").strip().removeprefix(name).strip()
    lines = [f"``{name}({arguments})``", "   .. code-block:: text", "      :class: wrapped", ""]
    lines += [f"      {line.strip()}" for line in text.splitlines()]
    if hasattr(affinet.reference, name):
        lines += ["", f"   The same in NumPy: :func:`affinet.reference.{name}`"]
    return [*lines, ""]


class KernelList(Directive):
    """``.. kernel-list::``."""

    def run(self):
        lines: list[str] = []
        for title, functions in sections(STUB.read_text(encoding="utf-8")):
            lines += [f".. rubric:: {title}", ""]
            for function in functions:
                lines += entry(function)
        node = nodes.container()
        self.state.nested_parse(StringList(lines, source=str(STUB)), self.content_offset, node)
        return node.children


def setup(app):
    app.add_directive("kernel-list", KernelList)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
