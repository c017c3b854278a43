"""What a power cut may leave of a recorded save (row 17).

A disk promises no order except at a sync: after a cut, data that was written and not synced is
there or not, sector by sector, and so is every change of a folder before the folder's own sync
(Pillai and others, All File Systems Are Not Created Equal, OSDI 2014, section 2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

SECTOR = 512
CALL = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+)")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


def bytes_of(text):
    """The strings of a line of ``strace -xx``."""
    return [bytes.fromhex(held.replace("\\x", "")) for held in STRING.findall(text)]


@dataclass
class Recording:
    """The changes of a folder and its files, in order.

    ``changes`` are ("write", inode, place, bytes), ("size", inode, bytes), ("sync", inode),
    ("name", name, inode or None) and ("sync folder",). An inode is the number of a file's creation.
    """

    changes: list = field(default_factory=list)
    names: dict = field(default_factory=dict)  # as a program sees them
    open: dict = field(default_factory=dict)  # descriptor: inode, or None for a folder
    places: dict = field(default_factory=dict)
    inodes: int = 0

    def add(self, line):
        """One line of ``strace -xx``; calls that failed or concern other files change nothing."""
        found = CALL.match(line)
        if found is None or int(found[3]) < 0:
            return
        name, text, result = found[1], found[2], int(found[3])
        handler = getattr(self, f"on_{name}", None)
        if handler is not None:
            handler(text, result)

    def on_openat(self, text, descriptor):
        path = bytes_of(text)[0].decode()
        self.open.pop(descriptor, None)
        if "O_CREAT" in text:
            self.inodes += 1
            self.names[path] = self.inodes
            self.changes.append(("name", path, self.inodes))
        if path in self.names:
            self.open[descriptor], self.places[descriptor] = self.names[path], 0
        elif "O_DIRECTORY" not in text and any(n.rpartition("/")[0] == path for n in self.names):
            self.open[descriptor] = None

    def on_dup(self, text, descriptor):
        if int(text) in self.open:
            self.open[descriptor], self.places[descriptor] = self.open[int(text)], 0

    def on_close(self, text, _):
        self.open.pop(int(text), None)

    def on_lseek(self, text, place):
        self.places[int(text.partition(",")[0])] = place

    def on_write(self, text, n):
        descriptor = int(text.partition(",")[0])
        if self.open.get(descriptor) is not None:
            place, data = self.places[descriptor], bytes_of(text)[0][:n]
            self.changes.append(("write", self.open[descriptor], place, data))
            self.places[descriptor] += n

    def on_ftruncate(self, text, _):
        descriptor, size = map(int, text.split(", "))
        if self.open.get(descriptor) is not None:
            self.changes.append(("size", self.open[descriptor], size))

    def on_fsync(self, text, _):
        if int(text) in self.open:
            inode = self.open[int(text)]
            self.changes.append(("sync folder",) if inode is None else ("sync", inode))

    on_fdatasync = on_fsync

    def on_rename(self, text, _):
        old, new = (path.decode() for path in bytes_of(text))
        if old in self.names:
            self.names[new] = self.names.pop(old)
            self.changes += [("name", new, self.names[new]), ("name", old, None)]

    def on_unlink(self, text, _):
        path = bytes_of(text)[0].decode()
        if self.names.pop(path, None) is not None:
            self.changes.append(("name", path, None))


def after_cut(changes, names, contents, at, rng):
    """name: bytes of every file after a cut before ``changes[at]``.

    ``names`` and ``contents`` (inode: bytes) are what was there before. Of what no sync has made
    sure, a random part is kept, from nothing to everything.
    """
    done, likely = changes[:at], rng.choice([0.0, 0.1, 0.5, 0.9, 1.0])
    names, contents = dict(names), {inode: bytearray(data) for inode, data in contents.items()}
    for i, change in enumerate(done):
        if change[0] == "name":
            if ("sync folder",) in done[i:] or rng.random() < likely:
                names[change[1]] = change[2]
        elif change[0] in ("write", "size"):
            sure = ("sync", change[1]) in done[i:]
            data = contents.setdefault(change[1], bytearray())
            _change(data, change, lambda sure=sure: sure or rng.random() < likely)
    kept = {name: inode for name, inode in names.items() if inode is not None}
    return {name: bytes(contents.get(inode, b"")) for name, inode in kept.items()}


def _change(data, change, kept):
    """Write the sectors that are kept, or set the size; what lies between is zeros."""
    if change[0] == "size":
        if kept():
            data[change[2] :] = bytes(max(0, change[2] - len(data)))
        return
    _, _, place, new = change
    while new:
        n = SECTOR - place % SECTOR
        part, new = new[:n], new[n:]
        if kept():
            data.extend(bytes(max(0, place - len(data))))
            data[place : place + len(part)] = part
        place += len(part)
