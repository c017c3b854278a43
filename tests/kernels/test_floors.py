"""The kernels' files stand on floors: none uses what stands below it in core.pyx."""

import functools
import io
import re
import tokenize
from pathlib import Path

import pytest

from parts.activations import ACTIVATIONS
from parts.losses import ELEMENTWISE
from parts.optimizers import OPTIMIZERS

KERNELS = Path(__file__).parents[2] / "kernels"
pytestmark = pytest.mark.skipif(not KERNELS.is_dir(), reason="the kernels' sources are not here")
SKIPPED = (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT)
MOST_LINES = 300
LINES_A_PART = 60
PARTS = {"activations": ACTIVATIONS, "elementwise_losses": ELEMENTWISE, "optimizers": OPTIMIZERS}


def included():
    """The files that core.pyx includes, in order."""
    text = (KERNELS / "core.pyx").read_text(encoding="utf-8")
    return re.findall(r'^include "(\w+)\.pyx"$', text, re.MULTILINE)


def tokens_of(text):
    """Lines of code as lists of tokens, without comments and with strings as ``""``."""
    line, lines = [], []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            lines.append(line)
            line = []
        elif token.type == tokenize.STRING:
            line.append('""')
        elif token.type not in SKIPPED:
            line.append(token.string)
    return lines


def indents_of(text):
    """The same lines' indentation."""
    found, depth = [], 0
    fresh = True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.INDENT:
            depth += 1
        elif token.type == tokenize.DEDENT:
            depth -= 1
        elif token.type == tokenize.NEWLINE:
            fresh = True
        elif fresh and token.type not in SKIPPED:
            found.append(depth)
            fresh = False
    return found[: len(tokens_of(text))]


@functools.cache
def defined(text):
    """The names that a file gives to the files below it."""
    names, members, block = set(), False, 0
    for indent, line in zip(indents_of(text), tokens_of(text), strict=True):
        if indent == 0:
            members = line[:2] == ["cdef", "enum"] or line[:3] == ["cdef", "extern", "from"]
            block = 1
        if line[:2] in (["cdef", "enum"], ["cdef", "struct"], ["cdef", "class"]):
            names |= {name for name in line[2:3] if name != ":"}
        elif line[:2] == ["ctypedef", "fused"]:
            names.add(line[2])
        elif line[0] == "ctypedef" and "(" in line:
            names.add(line[line.index("(") + 2] if "*" in line else line[line.index("(") - 1])
        elif line[0] == "ctypedef" or (members and indent == block and '""' in line):
            names |= {line[i - 1] for i, word in enumerate(line) if word == '""'} or {line[-1]}
        elif (line[0] in ("cdef", "def") and indent == 0) or (members and "(" in line):
            opened = line.index("(") if "(" in line else len(line)
            equals = line.index("=") if "=" in line else len(line)
            names.add([word for word in line[: min(opened, equals)] if word != '""'][-1])
        elif (indent == 0 and line[1:2] == ["="]) or (members and indent == block):
            names.add(line[0])
    return {name for name in names if re.fullmatch(r"\w+", name)}


@functools.cache
def used(text):
    """All names in a file's code but those behind a dot and of arguments by keyword."""
    found = set()
    for line in tokens_of(text):
        if line[0] in ("from", "include", "import"):
            continue
        found |= {w for before, w in zip(["", *line], line, strict=False) if before != "."}
    return {name for name in found if re.fullmatch(r"[A-Za-z_]\w*", name)}


@functools.cache
def imported(text):
    """The names that a file cimports, by module."""
    found = {}
    for line in tokens_of(text):
        if line[0] == "from" and "cimport" in line:
            at = line.index("cimport")
            for name in line[at + 1 :]:
                if re.fullmatch(r"\w+", name):
                    found[name] = "".join(line[1:at])
    return found


@functools.cache
def read(name):
    return (KERNELS / f"{name}.pyx").read_text(encoding="utf-8")


def below(order, name):
    """What the files below this one define, each name with its file, and no file before them."""
    mine = order.index(name)
    above = set().union(*(defined(read(other)) for other in order[: mine + 1]))
    return {thing: other for other in order[mine + 1 :] for thing in defined(read(other)) - above}


def test_every_file_is_included_once():
    files = {path.stem for path in KERNELS.glob("*.pyx")} - {"core", "cpu"}
    assert len(included()) == len(set(included()))
    assert set(included()) == files


@pytest.mark.parametrize("name", included() if KERNELS.is_dir() else [])
def test_no_file_uses_what_stands_below_it(name):
    later = below(included(), name)
    assert not {thing: later[thing] for thing in used(read(name)) & set(later)}


@pytest.mark.parametrize("name", included() if KERNELS.is_dir() else [])
def test_every_file_imports_for_itself_what_it_uses_of_c(name):
    known = {}
    for other in included():
        known |= imported(read(other))
    missing = (used(read(name)) & set(known)) - set(imported(read(name)))
    assert not {thing: known[thing] for thing in missing}
    assert not set(imported(read(name))) - used(read(name)), "imported and not used"


@pytest.mark.parametrize("name", included() if KERNELS.is_dir() else [])
def test_files_are_short(name):
    """Files of parts grow with each of them: a part stands in one file."""
    most = LINES_A_PART * len(PARTS[name]) if name in PARTS else MOST_LINES
    assert len(read(name).splitlines()) <= most


def test_what_files_define_is_found():
    files = ("common", "threads", "vectors", "reductions", "operations", "graph")
    names = set().union(*(defined(read(name)) for name in files))
    assert names >= {"_pool_run", "MAX_THREADS", "part_function", "_cut", "set_threads", "vfloat"}
    assert names >= {"vector", "vload_or", "vsum", "inlined_void", "VECTOR_BYTES", "LINE", "real"}
    assert names >= {"Operation", "Graph", "_KINDS", "MAX_OPERATIONS", "_fill_graph", "AFFINE"}
    assert not names & {"readers", "cdef", "n_outputs", "i", "work"}


def test_a_use_from_below_is_found():
    order = ["operations", "sums"]
    assert "SUMS" in below(order, "operations")
    assert "SUMS" in used("cdef double[SUMS] sums\n")
    assert "SUMS" not in used('"""SUMS"""\ncdef int x = op.SUMS  # SUMS\n')
