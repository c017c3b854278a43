"""Every public name and every command of the shell has a page in the reference, and no other."""

import dataclasses
import importlib.util
import inspect
import itertools
import pkgutil
import re
import sys
from pathlib import Path

import pytest

import affinet
from affinet.cli.parser import COMMANDS

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
if not REFERENCE.is_dir():
    pytest.skip("the documentation is not here", allow_module_level=True)
NOT_PAGES = {
    "affinet.__version__",  # a string, on the reference's first page
    "affinet.cli.main",  # the shell, which has pages of its own
}


def listed(text):
    """The names that a page lists under ``autosummary``, in full."""
    module, names, inside = "", [], False
    for line in text.splitlines():
        if found := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = found[1]
        elif line.strip() == ".. autosummary::":
            inside = True
        elif inside and line and not line.startswith(" "):
            inside = False
        elif inside and (found := re.fullmatch(r" +(\w+)", line)):
            names.append(f"{module}.{found[1]}")
    return names


def public_names():
    """The names of every room's ``__all__`` in full, by the shortest path: that of ``affinet``."""
    names, known = {}, set()
    rooms = [module.name for module in pkgutil.iter_modules(affinet.__path__)]
    for room in ["", *sorted(room for room in rooms if not room.startswith("_"))]:
        module = importlib.import_module(f"affinet.{room}".rstrip("."))
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            is_room = value is sys.modules.get(f"affinet.{name}")
            if not is_room and (name, id(value)) not in known:
                known.add((name, id(value)))
                names[f"{module.__name__}.{name}"] = value
    return names


@pytest.fixture(scope="module")
def pages():
    return {p.name: listed(p.read_text(encoding="utf-8")) for p in REFERENCE.glob("*.rst")}


def test_every_public_name_has_a_page(pages):
    pytest.importorskip("sklearn", reason="the estimators need scikit-learn")
    names = [name for page in pages.values() for name in page]
    missing = public_names().keys() - set(names) - NOT_PAGES
    assert not missing, f"list them in a page of docs/reference: {sorted(missing)}"
    assert not set(names) - public_names().keys(), "these names are not public"
    assert len(names) == len(set(names)), "a name is listed twice"


def test_every_page_points_to_others(monkeypatch):
    """Under "see also": the names of ``relatives.toml``, and of the same computation in NumPy."""
    pytest.importorskip("sklearn", reason="the estimators need scikit-learn")
    monkeypatch.syspath_prepend(REFERENCE.parent / "_ext")
    docstrings = importlib.import_module("docstrings")
    known, public = docstrings.read_relatives(), public_names()
    named = {*known, *itertools.chain.from_iterable(known.values())}
    assert not named - public.keys(), "these names are not public"
    assert not [name for name, others in known.items() if name in others]
    alone = [name for name, value in public.items() if not docstrings.relatives(name, value, known)]
    assert set(alone) <= NOT_PAGES, f"add them to relatives.toml: {alone}"


def test_every_constant_has_a_text_of_its_own(monkeypatch):
    monkeypatch.syspath_prepend(REFERENCE.parent / "_ext")
    docstrings = importlib.import_module("docstrings")
    constants = {
        name
        for name, value in public_names().items()
        if not inspect.isclass(value) and not inspect.isfunction(value)
    } - NOT_PAGES
    assert len(constants) > 5
    assert not [name for name in constants if not docstrings.text_under(name)]


def test_the_page_of_files_has_every_kind_of_record():
    """A row for each column, scaling and target of a table, with its fields in their order."""
    page = (REFERENCE / "files.md").read_text(encoding="utf-8")
    for name in affinet.tables.__all__:
        part = getattr(affinet.tables, name)
        kind = getattr(part, "kind", getattr(part, "task", None))
        if isinstance(kind, str):
            row = re.search(
                rf"^\| `{kind}` \| {{class}}`~affinet.tables.{name}` \| (.*) \|$", page, re.M
            )
            assert row, f"{kind} has no row in docs/reference/files.md"
            fields = [field.name for field in dataclasses.fields(part)]
            assert re.findall(r"`(\w+)`", row[1]) == fields, kind


def test_the_page_of_the_environment_has_every_variable():
    if not (root := REFERENCE.parents[1] / "src").is_dir():
        pytest.skip("the sources are not here")
    page = (REFERENCE / "environment.md").read_text(encoding="utf-8")
    sources = [*root.rglob("*.py"), root.parent / "setup.py"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    names = {*re.findall(r"\"(AFFINET_[A-Z_]+)\"", text)}
    names |= {*re.findall(r"environ(?:\.get\(|\[)\"(\w+)\"", text)}
    assert len(names) >= 5, names
    assert not [name for name in names if f"| `{name}` |" not in page]


def test_every_public_room_has_its_introduction():
    text = "\n".join(page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.rst"))
    rooms = [name for name in affinet.__all__ if importlib.util.find_spec(f"affinet.{name}")]
    assert len(rooms) > 10
    for name in rooms:
        assert f".. automodule:: affinet.{name}\n" in text, name


def test_every_command_has_a_page():
    pages = {path.stem: path.read_text(encoding="utf-8") for path in REFERENCE.glob("shell/*.rst")}
    assert pages.keys() == {"index", *COMMANDS}
    for name in COMMANDS:
        assert f".. shell-command:: {name}\n" in pages[name]


def test_a_missing_name_is_found():
    text = ".. currentmodule:: a\n\n.. autosummary::\n   :toctree: x\n\n   B\n   c\n\nText\n   d\n"
    assert listed(text) == ["a.B", "a.c"]
