"""Compares the stub of the compiled kernels with the kernels: what is missing, what is too much.

``python tests/support/kernel_stub.py`` prints the lines to add to ``_kernels/baseline.pyi``. It
reads the types from the sources where they are at hand. It cannot read the return type there:
``None`` is a guess.
"""

import ast
import importlib
import inspect
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUBS = ROOT / "src" / "affinet" / "_kernels"  # a wheel has none
SOURCES = ROOT / "kernels"
STUB = STUBS / "baseline.pyi"  # the stubs of the other levels repeat this one
DEFINITION = re.compile(r"^ *def (\w+)\(([^)]*)\)", re.MULTILINE)
TYPES = {
    "bint": "bool",
    "double": "float",
    "list": "list[Any]",
    "object": "Any",
    "tuple": "tuple[Any, ...]",
}


def in_module(module):
    """The functions of a compiled module, and ``Class.method`` and ``Class.attribute``, by name.

    Each with the names of its arguments, an attribute with None.
    """
    found = {}
    for name, value in public(module):
        if not isinstance(value, type):
            found[name] = list(inspect.signature(value).parameters) if callable(value) else None
            continue
        for member, thing in public(value):
            attribute = inspect.isgetsetdescriptor(thing) or inspect.ismemberdescriptor(thing)
            arguments = None if attribute else list(inspect.signature(thing).parameters)
            found[f"{name}.{member}"] = arguments
    return found


def public(thing):
    """The names without an underscore, and their values."""
    return [(name, value) for name, value in vars(thing).items() if not name.startswith("_")]


def in_stub(path):
    """The same of a stub file."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = arguments_of(node)
        elif isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) != "TypeAlias":
            found[ast.unparse(node.target)] = None
        elif isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef):
                    value = any(ast.unparse(d) == "property" for d in member.decorator_list)
                    found[f"{node.name}.{member.name}"] = None if value else arguments_of(member)
    return found


def arguments_of(node):
    return [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]


def differences(module, stub):
    """The differences in sentences, each with the line that mends it."""
    wanted, written = in_module(module), in_stub(stub)
    types = argument_types()
    problems = [f"add     {line(n, wanted[n], types)}" for n in wanted if n not in written]
    problems += [f"remove  {name}" for name in written if name not in wanted]
    problems += [
        f"change  {line(name, wanted[name], types)}"
        for name in wanted
        if name in written and wanted[name] != written[name]
    ]
    return problems


def line(name, arguments, types):
    """The line of the stub for a function, a method or an attribute."""
    last = name.rpartition(".")[2]
    indent = "    " if "." in name else ""
    where = f"  # in class {name.partition('.')[0]}" if indent else ""
    if arguments is None:
        return f"{indent}@property\n{indent}def {last}(self) -> int: ...{where}"
    known = types.get(last, {})
    typed = [a if a == "self" else f"{a}: {known.get(a, 'Any')}" for a in arguments]
    positional = ["/"] * (typed not in ([], ["self"]))
    return f"{indent}def {last}({', '.join(typed + positional)}) -> None: ...{where}"


def argument_types():
    """Of every function in the kernels' sources its arguments' types, as a stub has them."""
    types = {}
    for source in sorted(SOURCES.glob("*.pyx")):
        for match in DEFINITION.finditer(source.read_text(encoding="utf-8")):
            types[match[1]] = dict(typed(d) for d in match[2].split(",") if d.strip(" /\n"))
    return types


def typed(declaration):
    """``double p`` is ``("p", "float")``; what has no type is an array."""
    *kind, name = re.sub(r"not None|=.*", "", declaration).split()
    kind = " ".join(kind)
    if kind not in TYPES and re.search("int|size", kind):
        return name, "int"
    return name, TYPES.get(kind, kind or "Array")


def main():
    """Print the differences; 1 if there are any."""
    problems = differences(importlib.import_module("affinet._kernels.baseline"), STUB)
    print("\n".join(problems) or f"{STUB.name} says what the kernels are")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
