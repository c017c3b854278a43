"""Row 21: mutants of the compiled kernels, each built at one level and given to their tests.

A mutant is one small change of one line that someone could make by mistake: a bound that is off by
one, a sign, a tail that is dropped, an accumulator that does not start at 0, swapped sizes. What
does not compile is not counted. The tests kill a mutant if one fails, the process dies, or it takes
far longer than the unchanged kernels do.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from evidence import Row

ROOT = Path(__file__).parents[2]
COPIED = ("kernels", "src", "tests", "setup.py", "pyproject.toml", "README.md", "LICENSE")
LEVEL, SECONDS, TRIES = "baseline", 1200, 20
# Entry points check and lock; what they compute is in other files. A matrix unit's instructions
# are not compiled at this level.
LEFT_OUT = ("core.pyx", "cpu.pyx", "common.pyx", "doors.pyx", "plan_checks.pyx", "pool.pyx")
LEFT_OUT += ("matrix_unit.pyx", "unit_products.pyx")
# They compare every kernel with its reference, so most mutants need no other tests.
FIRST = ("test_values.py", "test_plan.py", "test_plan_rules.py", "test_plan_losses.py")
TEAMS = "tests/training/test_teams.py"  # how threads share a step is tested there alone


def mutations(line):
    """The mutants of a line: (what it is, the changed line)."""
    rules = [
        ("bound", r"range\(([^,()]+)\)", r"range(\1 - 1)"),
        ("bound", r" < ", " <= "),
        ("bound", r" <= ", " < "),
        ("bound", r" > 0", " > 1"),
        ("sign", r" \+ ", " - "),
        ("sign", r" - ", " + "),
        ("sign", r" \+= ", " -= "),
        ("accumulator", r"vnumber\((&?\w+), 0\)", r"vnumber(\1, 1)"),
        ("accumulator", r"= 0$", "= 1"),
        ("accumulator", r" \+= ", " = "),
        ("sizes", r"\((\w+), (\w+)(?=[,)])", r"(\2, \1"),
        ("tail", r"^(\s+)(vstore|_add|_store|_accumulate)\w*\(.*\)$", r"\1pass"),
        ("factor", r" \* ", " + "),
    ]
    found = []
    for name, pattern, other in rules:
        for match in re.finditer(pattern, line):
            changed = line[: match.start()] + match.expand(other) + line[match.end() :]
            if changed != line:
                found.append((name, changed))
    return found


def candidates(folder):
    """(file, number of the line, what, the changed line) of every mutant there is."""
    found = []
    for path in sorted(folder.glob("*.pyx")):
        if path.name in LEFT_OUT:
            continue
        inside, quoted = False, False
        for number, line in enumerate(path.read_text().splitlines()):
            if line.count('"""') % 2:
                quoted = not quoted
                continue
            if quoted or '"""' in line or line.lstrip().startswith(("#", "def ", "cdef ", "raise")):
                inside = inside or line.startswith(("cdef inline", "cdef void", "cdef double"))
                continue
            if line and not line[0].isspace():
                inside = False
            if inside and line.strip():
                found += [(path, number, what, changed) for what, changed in mutations(line)]
    return found


def prepare(folder):
    """A copy of the sources that builds one level, without much optimisation."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("*.so", "*.pyc"))
        elif source.exists():
            shutil.copy(source, folder / name)
    setup = folder / "setup.py"
    text = setup.read_text()
    text = text.replace("in LEVELS.items()", f'in [("{LEVEL}", [])]').replace('"-O3"', '"-O1"')
    setup.write_text(text)


def build(folder):
    """Whether it compiles."""
    return run(folder, "setup.py", "build_ext", "--inplace") == 0


def run(folder, *arguments):
    """The return code of Python with these arguments there, or None after too long."""
    paths = [str(folder / "src"), *[path for path in sys.path if "site-packages" in path]]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "AFFINET_ISA": LEVEL}
    try:
        return subprocess.run(
            [sys.executable, *arguments], cwd=folder, env=environment, timeout=SECONDS,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
        ).returncode  # fmt: skip
    except subprocess.TimeoutExpired:
        return None


def batch(b):
    """One mutant that compiles; batch 0 shows that the tests pass without one."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder)
        if b.index == 0:
            passed = build(folder) and tests(folder) == 0
            b.expect(passed, "the kernel tests fail without a mutant")
            return
        everything = candidates(folder / "kernels")
        for _ in range(TRIES):
            path, number, what, changed = everything[b.rng.integers(len(everything))]
            sound = path.read_text()
            lines = sound.splitlines()
            before, lines[number] = lines[number], changed
            path.write_text("\n".join(lines) + "\n")
            if build(folder):
                break
            path.write_text(sound)
        else:
            return
        b.case()
        b.expect(
            tests(folder) != 0,
            f"survivor, {what}: {path.name}:{number + 1}: {before.strip()} -> {changed.strip()}",
        )


def tests(folder):
    """The return code of the tests of kernels and of teams, which end at the first failure."""
    names = sorted(path.name for path in (folder / "tests" / "kernels").glob("test_*.py"))
    names.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    files = [*(f"tests/kernels/{name}" for name in names), TEAMS]
    return run(folder, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:randomly", *files)


ROW = Row(
    number=21,
    title="Mutants of the compiled kernels, built at one level, against their tests",
    holds="at least 90 % are killed; the survivors are listed",
    aim=150,
    batch=batch,
    cases="mutants",
    quick=0,
    also=("tests/kernels/test_mutants.py",),
    available=lambda: (ROOT / "setup.py").exists(),
    needs=("Cython",),
    allowed=0.1,
)
