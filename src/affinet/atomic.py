"""Atomic file writes: under a temporary name, flushed to disk, then renamed."""

from __future__ import annotations

import errno
import io
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows; there an open file cannot be deleted anyway
    fcntl = None  # type: ignore[assignment]

MARK = ".affinet-part"  # ends the name of a file that is being written
NAME_LETTERS = 50  # of the target's name used in the temporary name: file systems allow 255 bytes
OLD = 24 * 3600.0  # seconds; without locks, a newer file may still be in use by its writer
FLAGS = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def write_atomically(target: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Let ``write`` fill a temporary file, sync it, rename it to ``target``, sync the folder.

    Readers see either the old file or the new one, even after a crash. A symbolic link is kept:
    its target is replaced. An existing file keeps its mode and, where the system permits, its
    owner and group; a new file gets the mode that ``open`` would give it. Temporary files left
    behind for this name by killed processes are removed. Several threads and processes may write
    the same target at once; the last rename wins. Devices and pipes are written to directly.

    Raises
    ------
    OSError
        If the file cannot be written, for example because the disk is full; it names ``target``.
    """
    with errors_about(target):
        place = followed(target)
        before = status(place)
        if before is not None and not stat.S_ISREG(before.st_mode):
            with open(place, "wb") as device:  # IsADirectoryError for a folder
                content = io.BytesIO()  # formats such as zip need to seek, which devices cannot
                write(content)
                device.write(content.getbuffer())
            return
        remove_orphans(place)
        replace(place, before, write)
        sync_folder(place.parent)


def replace(place: Path, before: os.stat_result | None, write: Callable[[IO[bytes]], None]) -> None:
    """Replace the file whose status was ``before`` with a new one."""
    # No one else may read the new file until it has the old file's mode.
    descriptor, name = create(place, 0o666 if before is None else 0o600)
    # A lock lasts as long as any duplicate of its descriptor: this one outlives the rename.
    lock = os.dup(descriptor) if fcntl is not None else None
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            if before is not None:
                keep_owner_and_mode(file.fileno(), before)
            os.fsync(file.fileno())
        os.replace(name, place)
    except BaseException:
        with suppress(OSError):  # it was renamed at this moment
            os.unlink(name)
        raise
    finally:
        if lock is not None:
            os.close(lock)


def create(place: Path, mode: int) -> tuple[int, str]:
    """Create a temporary file beside ``place``, locked by this process: descriptor and name."""
    while True:
        name = place.with_name(f".{place.name[:NAME_LETTERS]}.{secrets.token_hex(8)}{MARK}")
        try:
            descriptor = os.open(name, FLAGS | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            continue
        if fcntl is not None:
            with suppress(OSError):  # some network file systems have no locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.path.lexists(name):
            return descriptor, str(name)
        os.close(descriptor)  # another process treated it as an orphan before it was locked


def remove_orphans(place: Path) -> None:
    """Remove temporary files for this name whose writers are gone.

    A live writer holds a lock on its file, so a file that can be locked is an orphan.
    """
    pattern = re.compile(rf"\.{re.escape(place.name[:NAME_LETTERS])}\.[0-9a-f]{{16}}{MARK}")
    with suppress(OSError):  # an unlistable folder may still be writable
        with os.scandir(place.parent) as entries:
            found = [entry.path for entry in entries if pattern.fullmatch(entry.name)]
        for path in found:
            with suppress(OSError):  # locked, already gone, or owned by another user
                remove_if_orphan(path)


def remove_if_orphan(path: str) -> None:
    """Remove a temporary file; OSError if its writer still holds it."""
    if fcntl is None:
        if time.time() - os.stat(path).st_mtime > OLD:
            os.unlink(path)
        return
    descriptor = os.open(path, FLAGS | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.stat(path), os.fstat(descriptor)):
            os.unlink(path)
    finally:
        os.close(descriptor)


def followed(target: Path) -> Path:
    """``target`` with symbolic links resolved, whether or not the result exists yet."""
    place = Path(os.path.realpath(target)) if target.is_symlink() else target
    if place.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(target))
    return place


def status(place: Path) -> os.stat_result | None:
    """The status of a file; None if it does not exist."""
    try:
        return os.stat(place)
    except FileNotFoundError:
        return None


def keep_owner_and_mode(descriptor: int, before: os.stat_result) -> None:
    """Copy owner, group and mode from an earlier file to an open one."""
    if os.name != "posix":
        return
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        try:
            os.fchown(descriptor, before.st_uid, before.st_gid)
        except OSError:  # only root may change the owner; the group may still be permitted
            with suppress(OSError):
                os.fchown(descriptor, -1, before.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))  # after fchown, which clears some mode bits


def sync_folder(folder: Path) -> None:
    """Flush a rename in this folder to disk, on systems that support it."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a writable but unreadable folder
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems cannot sync folders
            raise
    finally:
        os.close(descriptor)


@contextmanager
def errors_about(target: Path) -> Iterator[None]:
    """Make OSErrors name the file that the caller requested, not the temporary one."""
    try:
        yield
    except OSError as error:
        name = error.filename
        if error.errno is None or not (name is None or str(name).endswith((MARK, target.name))):
            raise
        raise OSError(error.errno, error.strerror, str(target)) from error
