"""Row 17: saving is killed, or fails, at every system call.

strace counts the calls that a child makes on files while it replaces a sound file. One child each
is killed before the n-th of them, or the n-th fails with ENOSPC or EIO; afterwards the old file or
the new one is there, whole. The recorded calls of an undisturbed save are also replayed in the
orders that a power cut may leave: data that was not synced is lost, and so are renames.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import affinet as an
from evidence import Row

CHILD = """
import sys
import affinet as an, numpy as np
net = an.load(sys.argv[1])
an.load(sys.argv[2])
net.params.flat[...] = 2.0
marker = "/affinet-evidence-begins"
try:
    open(marker)
except OSError:
    pass
net.save(sys.argv[2])
try:
    open(marker)
except OSError:
    pass
"""
MARKER = "/affinet-evidence-begins"
CALLS = (
    "openat,read,write,pwrite64,lseek,fsync,fdatasync,rename,renameat,renameat2,unlink,fchmod,"
    "fchown,close,dup,flock,fcntl,newfstatat,ftruncate"
)
FAILING = "write,fsync,rename,openat,fchmod,close,lseek"
SUFFIXES = (".npz", ".safetensors")
ERRORS = ("ENOSPC", "EIO")
SECONDS = 60


def sound(folder, suffix):
    """A file of ones, and the network that the child writes over it."""
    path = folder / f"net{suffix}"
    an.Sequential(an.Affine(np.ones((40, 40)), np.ones(40))).save(path)
    return path


def traced(folder, path, *options):
    """Run the child under strace: (its return code, what was recorded)."""
    log, source = folder / "strace.txt", folder / "source.npz"
    if not source.exists():
        an.Sequential(an.Affine(np.ones((40, 40)), np.ones(40))).save(source)
    done = subprocess.run(
        ["strace", "-o", str(log), "-e", f"trace={CALLS}", *options, sys.executable, "-c", CHILD,
         str(source), str(path)],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    return done, log.read_text().splitlines()


def window(lines):
    """The names of the calls between the markers, and how many of each name came before."""
    places = [i for i, line in enumerate(lines) if MARKER in line]
    before = [name_of(line) for line in lines[: places[0] + 1]]
    return [name_of(line) for line in lines[places[0] + 1 : places[1]]], before


def name_of(line):
    found = re.match(r"(\w+)\(", line)
    return found[1] if found else ""


def points(folder, suffix):
    """(name of a call, its number among those of this name) for every call of a save."""
    path = sound(folder, suffix)
    _, lines = traced(folder, path)
    inside, before = window(lines)
    counts = {name: before.count(name) for name in set(inside)}
    places = []
    for name in inside:
        if name:
            counts[name] += 1
            places.append((name, counts[name]))
    return places


def holds(path):
    """1 for the old file, 2 for the new one, an error for anything else."""
    flat = an.load(path).params.flat
    values = np.unique(flat)
    return float(values[0]) if len(values) == 1 and values[0] in (1, 2) else f"mixture {values[:4]}"


def attack(b, folder, suffix, name, number, action):
    """One child; the file afterwards, and what else remains in the folder."""
    path = sound(folder, suffix)
    done, _ = traced(folder, path, "-e", f"inject={name}:{action}:when={number}")
    b.case()
    what = f"{suffix}, {action} at {name} {number}"
    try:
        found = holds(path)
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
    b.expect(found in (1, 2), f"{what}: {found}")
    failed = done.returncode != 0
    if not failed:
        b.expect(found == 2, f"{what}: no error, but the old file")
    elif action.startswith("error"):
        b.expect("OSError" in done.stderr, f"{what}: {done.stderr[-200:]}")
    sound(folder, suffix)  # a later save works, whatever remained
    rest = [p.name for p in folder.iterdir() if p.name.endswith(".affinet-part")]
    b.expect(not rest, f"{what}: {rest} remains after another save")


ACTIONS = ("signal=KILL", *(f"error={name}" for name in ERRORS))
POINTS = {}


def batch(b):
    """One suffix and action: the n-th call, from the first to the last and again."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        suffix = SUFFIXES[b.index % len(SUFFIXES)]
        if suffix not in POINTS:
            POINTS[suffix] = points(folder, suffix)
        todo = [
            (name, number, action)
            for name, number in POINTS[suffix]
            for action in ACTIONS
            if action.startswith("signal") or name in FAILING.split(",")
        ]
        per = 10
        first = b.index // len(SUFFIXES) * per
        for name, number, action in todo[first : first + per]:
            attack(b, folder, suffix, name, number, action)
        b.measure(f"attacks in a whole round, {suffix}", len(todo))
        if first >= len(todo):
            b.case()  # beyond the last call


def available():
    """Whether strace is here and may trace."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], check=False).returncode == 0


ROW = Row(
    number=17,
    title="Saving: killed at every system call; ENOSPC and EIO at every open, write, sync, rename",
    holds="the old or the new file loads, equal to the bit, errors are OSErrors, and a later save "
    "leaves nothing behind",
    aim=180,
    batch=batch,
    cases="saves",
    quick=0,
    also=("tests/files/test_atomic_files.py",),
    available=available,
    needs=("safetensors",),
)
