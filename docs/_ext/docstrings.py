"""What autodoc shows of affinet's classes: their own members, signatures and typeset formulas."""

import ast
import inspect
import itertools
import re
import sys
import tomllib
from pathlib import Path

import affinet
from affinet import reference

FORMULAS = Path(__file__).parents[1] / "reference" / "formulas.toml"
RELATIVES = FORMULAS.with_name("relatives.toml")


def read_formulas() -> dict[str, str]:
    """LaTeX by the full name of what it is the formula of."""
    by_room = tomllib.loads(FORMULAS.read_text(encoding="utf-8"))
    return {
        f"{room}.{name}": formula.strip()
        for room, formulas in by_room.items()
        for name, formula in formulas.items()
    }


def read_relatives() -> dict[str, list[str]]:
    """By name, the names that its page points to."""
    read = tomllib.loads(RELATIVES.read_text(encoding="utf-8"))
    found = {name: list(others) for name, others in read["from"].items()}
    for group in read["groups"]:
        for name in group:
            others = found.setdefault(name, [])
            others += [other for other in group if other != name and other not in others]
    return found


def stacked(formula: str) -> list[str]:
    """One row for each part that ends with ``\\qquad`` and a line's end: narrow for phones."""
    rows = re.split(r",? \\qquad\n", formula)
    if len(rows) == 1:
        return formula.splitlines()
    body = "\n\\\\[6pt]\n".join(rows)
    return ["\\begin{gathered}", *body.splitlines(), "\\end{gathered}"]


def public_name(obj) -> str:
    """Where a user finds a class or function: its room and name, without the file in between."""
    room = ".".join(obj.__module__.split(".")[:2])
    return f"{room}.{obj.__name__}"


def text_under(name: str) -> str:
    """The text in quotes under the assignment of a constant, in the file that makes it."""
    room, attribute = name.rsplit(".", 1)
    for module in [m for key, m in sys.modules.items() if f"{key}.".startswith(f"{room}.")]:
        body = ast.parse(inspect.getsource(module)).body
        for made, text in itertools.pairwise(body):
            targets = getattr(made, "targets", [getattr(made, "target", None)])
            if attribute in [getattr(target, "id", None) for target in targets]:
                value = getattr(text, "value", None)
                return inspect.cleandoc(getattr(value, "value", None) or "")
    return ""


def describe_constant(app, what, name, obj, options, lines):
    """Show the text under a constant, not the docstring of its type."""
    if what == "data":
        lines[:] = [*text_under(name).splitlines(), ""]


def skip_foreign(app, what, name, obj, skip, options):
    """True for what affinet does not define, None otherwise, which leaves it to autodoc."""
    function = getattr(obj, "fget", obj)
    module = getattr(function, "__module__", None) or getattr(
        getattr(obj, "__objclass__", None), "__module__", None
    )
    return True if callable(function) and module and not module.startswith("affinet") else None


def signature(app, what, name, obj, options, arguments, returns):
    """The arguments that a class's metaclass hides from autodoc, without their types."""
    if what != "class" or arguments is None or "*args" not in arguments:
        return None
    found = inspect.signature(obj)
    parameters = [p.replace(annotation=p.empty) for p in found.parameters.values()]
    return str(found.replace(parameters=parameters, return_annotation=found.empty)), returns


def add_formula(app, what, name, obj, options, lines):
    """Insert the formula after the summary."""
    if what not in ("class", "function") or not hasattr(obj, "__module__"):
        return
    known = app.affinet_formulas
    formulas = [
        known[name] for part in (obj, *parts_of(obj)) if (name := public_name(part)) in known
    ]
    if not formulas:
        return
    start = next((n for n, line in enumerate(lines) if line.strip()), 0)
    end = next((n for n in range(start, len(lines)) if not lines[n].strip()), len(lines))
    block = ["", ".. math::", "", *("   " + line for line in stacked(formulas[0])), ""]
    lines[end:end] = block


def belongs(function: str, part) -> bool:
    """True if a function of the reference computes what a layer, loss or optimizer does."""
    kernel = getattr(part, "kernel", None)
    return isinstance(kernel, str) and (function == kernel or function.startswith(f"{kernel}_"))


def parts_of(obj) -> list[type]:
    """The layers, losses and optimizers that a function of the reference computes."""
    if inspect.isclass(obj) or public_name(obj) != f"affinet.reference.{obj.__name__}":
        return []
    parts = [getattr(affinet, name) for name in affinet.__all__]
    return [part for part in parts if inspect.isclass(part) and belongs(obj.__name__, part)]


def relatives(name: str, obj, known: dict[str, list[str]]) -> list[str]:
    """Names of things like it, and of its functions of the reference, or of its parts."""
    found = list(known.get(name, ()))
    if inspect.isclass(obj):
        found += [f"affinet.reference.{name}" for name in reference.__all__ if belongs(name, obj)]
    elif inspect.isfunction(obj):
        found += [f"affinet.{part.__name__}" for part in parts_of(obj)]
    return list(dict.fromkeys(found))


def add_relatives(app, what, name, obj, options, lines):
    """Say at the end what is like it, and what computes the same in NumPy, or compiled."""
    if what in ("class", "function", "data", "exception"):
        found = relatives(name, obj, app.affinet_relatives)
        if found:
            links = ", ".join(f":obj:`{name}`" for name in found)
            lines += ["", ".. seealso::", "", f"   {links}", ""]


def setup(app):
    app.affinet_formulas = read_formulas()
    app.affinet_relatives = read_relatives()
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-process-docstring", describe_constant, priority=400)
    app.connect("autodoc-process-docstring", add_formula, priority=900)  # after numpydoc's
    app.connect("autodoc-process-docstring", add_relatives, priority=901)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
