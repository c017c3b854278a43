"""Row 17: saving is killed, or fails, at every system call.

strace counts the calls that a child makes on files while it replaces a sound file. One child each
is killed before the n-th of them, or the n-th fails with ENOSPC or EIO; afterwards the old file or
the new one is there, whole. A process that saves is also killed at random moments, and the recorded
calls of an undisturbed save are replayed into what a power cut may leave (`power_cut`).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import affinet as an
from evidence import Row
from power_cut import Recording, after_cut

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
    found = check(b, path, what)
    failed = done.returncode != 0
    if not failed:
        b.expect(found == 2, f"{what}: no error, but the old file")
    elif action.startswith("error"):
        b.expect("OSError" in done.stderr, f"{what}: {done.stderr[-200:]}")
    remains(b, folder, suffix, what)


ACTIONS = ("signal=KILL", *(f"error={name}" for name in ERRORS))
POINTS = {}


def injected(b, folder, suffix, index):
    """The next ten attacks at a system call; nothing behind the last one."""
    if suffix not in POINTS:
        POINTS[suffix] = points(folder, suffix)
    todo = [
        (name, number, action)
        for name, number in POINTS[suffix]
        for action in ACTIONS
        if action.startswith("signal") or name in FAILING.split(",")
    ]
    for name, number, action in todo[10 * index : 10 * index + 10]:
        attack(b, folder, suffix, name, number, action)
    b.measure(f"attacks at a system call in a whole round, {suffix}", len(todo))


def timed(b, folder, suffix, _):
    """A process that saves ones and twos by turns is killed at a random moment, 20 times."""
    path = sound(folder, suffix)
    net = an.load(path)
    for _ in range(20):
        child = os.fork()
        if child == 0:
            while True:  # until it is killed
                net.params.flat[...] = 3 - net.params.flat[0]
                net.save(path)
        time.sleep(b.rng.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        b.case()
        check(b, path, f"{suffix}, killed at a random moment")
    remains(b, folder, suffix, f"{suffix}, timed kills")


def cut(b, folder, suffix, _):
    """50 cuts of the power in a recorded save; without its syncs, they must do harm."""
    path = sound(folder, suffix)
    names, contents = {str(path): 0}, {0: path.read_bytes()}
    _, lines = traced(folder, path, "-xx", "-s", "1000000")
    save = Recording(names=dict(names))
    for line in lines:
        save.add(line)
    synced = sum(change[0].startswith("sync") for change in save.changes)
    b.expect(synced >= 2, f"{suffix}: {synced} syncs in a save")
    for _ in range(50):
        b.case()
        at = int(b.rng.integers(len(save.changes) + 1))
        left = after_cut(save.changes, names, contents, at, b.rng)[str(path)]
        path.write_bytes(left)
        check(b, path, f"{suffix}, power cut before change {at} of {len(save.changes)}")
    whole = after_cut(save.changes, names, contents, len(save.changes), b.rng)[str(path)]
    path.write_bytes(whole)
    b.expect(holds(path) == 2, f"{suffix}: the recording does not lead to the new file")
    unsafe = [change for change in save.changes if not change[0].startswith("sync")]
    harm = after_cut(unsafe, names, contents, len(unsafe), Half())[str(path)]
    b.expect(harm not in (contents[0], whole), f"{suffix}: the replay loses nothing")


class Half:
    """In place of a generator: names are kept, every second sector is."""

    def __init__(self):
        self.calls = 0

    def choice(self, _):
        return 0.5

    def random(self):
        self.calls += 1
        return 0.9 * (self.calls % 3 == 0)


def check(b, path, what):
    """That the old or the new file is there."""
    try:
        found = holds(path)
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
    b.expect(found in (1, 2), f"{what}: {found}")
    return found


def remains(b, folder, suffix, what):
    """That a later save works and leaves nothing, whatever remained."""
    sound(folder, suffix)
    rest = [p.name for p in folder.iterdir() if p.name.endswith(".affinet-part")]
    b.expect(not rest, f"{what}: {rest} remains after another save")


KINDS = (injected, timed, cut)


def batch(b):
    """One kind of attack on one kind of file, by turns."""
    index, kind = divmod(b.index, len(KINDS))
    index, suffix = divmod(index, len(SUFFIXES))
    with tempfile.TemporaryDirectory() as place:
        KINDS[kind](b, Path(place), SUFFIXES[suffix], index)


def available():
    """Whether strace is here and may trace."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], check=False).returncode == 0


ROW = Row(
    number=17,
    title="Saving: killed at every system call or at random moments; ENOSPC and EIO at every "
    "open, write, sync, rename; power cuts",
    holds="the old or the new file loads, equal to the bit, errors are OSErrors, and a later save "
    "leaves nothing behind; 1,000 of the attacks are timed kills, 2,500 power cuts",
    aim=3680,
    batch=batch,
    cases="attacks",
    quick=0,
    also=("tests/files/test_atomic_files.py",),
    available=available,
    needs=("safetensors",),
)
