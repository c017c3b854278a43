"""The programs of the course and the gallery: what can be said of them without running them.

The build of the site runs them all, and stops at the first one that fails.
"""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

import affinet
from affinet.cli.recipes import NAMED_PICTURES

DOCS = Path(__file__).parents[1] / "docs"
if not (DOCS / "learn").is_dir():
    pytest.skip("the documentation is not here", allow_module_level=True)
CHAPTERS = sorted((DOCS / "learn").glob("plot_*.py"))
GALLERY = sorted((DOCS / "gallery").glob("*/plot_*.py"))
PROGRAMS = [pytest.param(path, id=path.stem) for path in CHAPTERS + GALLERY]
HEADS = {"learn": "After this chapter you ", "gallery": "You will see "}
LONGEST = 100  # lines of a program of the gallery
FIGURES = ("subplots", "figure")


def affinet_names(tree):
    """The dotted names after ``affinet`` that a program uses, such as "plotting.descent"."""
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name.split(".")[0] == "affinet":
                    modules[name.asname or "affinet"] = name.name[len("affinet.") :]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "affinet":
            prefix = node.module[len("affinet.") :]
            for name in node.names:
                yield f"{prefix}.{name.name}".lstrip(".")
                modules[name.asname or name.name] = f"{prefix}.{name.name}".lstrip(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            chain = ast.unparse(node).split(".")
            if chain[0] in modules and all(map(str.isidentifier, chain)):
                yield ".".join([modules[chain[0]], *chain[1:]]).lstrip(".")


def private_part(dotted):
    """The first part of a dotted name that affinet does not export; None if there is none."""
    owner = affinet
    for part in dotted.split("."):
        if part not in owner.__all__:
            return part
        owner = getattr(owner, part)
        if not hasattr(owner, "__all__"):  # a class or a function
            return None
    return None


def figures_of_other_blocks(source):
    """Names of figures and axes that a block uses though an earlier one made them.

    The site draws a figure after the block that makes it, and closes it.
    """
    known = set()
    for block in re.split(r"(?m)^# %%.*$", source):
        tree = ast.parse(block)
        made = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                called = ast.unparse(node.value.func)
                if called in {f"plt.{name}" for name in FIGURES}:
                    targets = ast.walk(node.targets[0])
                    made |= {part.id for part in targets if isinstance(part, ast.Name)}
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        bound = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        yield from sorted(({node.id for node in names} - bound) & known)
        known |= made


@pytest.mark.parametrize("path", PROGRAMS)
def test_it_compiles_and_says_first_what_one_will_see(path):
    source = path.read_text(encoding="utf-8")
    compile(source, str(path), "exec")
    head = ast.get_docstring(ast.parse(source)).splitlines()
    assert len(head) >= 4, "a title, a line under it, and what the reader will see"
    assert head[1] == "=" * len(head[0])
    assert head[2] == ""
    assert head[3].startswith(HEADS[path.relative_to(DOCS).parts[0]])


@pytest.mark.parametrize("path", PROGRAMS)
def test_it_uses_only_public_names(path):
    source = path.read_text(encoding="utf-8")
    if "affinet.estimators" in source:
        pytest.importorskip("sklearn", reason="the program uses scikit-learn")
    for name in affinet_names(ast.parse(source)):
        assert private_part(name) is None, f"affinet.{name} is not public"


@pytest.mark.parametrize("path", PROGRAMS)
def test_it_draws_each_figure_in_one_block_and_shows_it(path):
    source = path.read_text(encoding="utf-8")
    assert any(f"plt.{name}(" in source for name in FIGURES)
    assert source.rstrip().endswith("plt.show()")
    assert list(figures_of_other_blocks(source)) == []


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in CHAPTERS])
def test_every_exercise_of_a_chapter_has_a_solution_to_unfold(path):
    source = path.read_text(encoding="utf-8")
    exercises = re.findall(r"(?m)^# \*\*\d\.\*\*", source)
    assert len(exercises) >= 3
    assert source.count("<details class=") == len(exercises) == source.count("</details>")


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in GALLERY])
def test_a_program_of_the_gallery_is_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_there_are_nine_chapters_and_many_programs_in_folders_with_a_header():
    assert [path.stem.split("_")[1] for path in CHAPTERS] == [str(n) for n in range(1, 10)]
    assert len(GALLERY) >= 40
    for folder in {path.parent for path in GALLERY}:
        assert (folder / "GALLERY_HEADER.rst").is_file()
    names = Counter(path.name for path in CHAPTERS + GALLERY)
    assert [name for name, n in names.items() if n > 1] == []


def test_every_picture_of_the_shell_has_a_program():
    titles = [path.read_text(encoding="utf-8").splitlines()[1] for path in GALLERY]
    for name in NAMED_PICTURES:
        assert any(title.endswith(f"affinet plot {name}") for title in titles), name


def test_a_private_name_and_a_figure_of_another_block_are_found():
    tree = ast.parse("import affinet as an\nan.plotting.figures.note()\nan.Affine.init(1, 1)")
    assert [private_part(name) for name in affinet_names(tree)].count("figures") > 0
    assert private_part("Affine.init") is None
    assert list(figures_of_other_blocks("fig = plt.figure()\n# %%\nfig.legend()")) == ["fig"]
    assert list(figures_of_other_blocks("fig = plt.figure()\nfig.legend()")) == []
