"""Files are written whole or not at all, in the place, mode and owner that the old one had."""

import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import affinet as an
from affinet import atomic
from affinet.atomic import MARK, write_atomically

posix = pytest.mark.skipif(os.name != "posix", reason="links, modes and signals are POSIX's")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


def build(value=1.0, n=4):
    return an.Sequential(an.Affine(np.full((n, n), float(value)), np.zeros(n)))


def value_in(path):
    return an.load(path).params.flat[0]


def write(text):
    return lambda file: file.write(text.encode())


# Links, modes and owners -------------------------------------------------------------------------


@posix
def test_a_symbolic_link_stays_one(tmp_path, path):
    folder = tmp_path / "real"
    folder.mkdir()
    build(1).save(folder / "target.npz")
    path.symlink_to("real/target.npz")
    build(2).save(path)
    assert path.is_symlink()
    assert os.readlink(path) == "real/target.npz"
    assert value_in(folder / "target.npz") == value_in(path) == 2
    assert sorted(os.listdir(tmp_path)) == ["model.npz", "real"]
    assert os.listdir(folder) == ["target.npz"]


@posix
def test_a_link_to_a_link_and_one_to_nothing(tmp_path, path):
    (tmp_path / "middle.npz").symlink_to(tmp_path / "end.npz")
    path.symlink_to("middle.npz")
    build(3).save(path)  # creates what the links lead to, as open would
    assert path.is_symlink()
    assert (tmp_path / "middle.npz").is_symlink()
    assert not (tmp_path / "end.npz").is_symlink()
    assert value_in(tmp_path / "end.npz") == 3


@posix
def test_links_in_a_circle_are_refused(tmp_path, path):
    path.symlink_to("other.npz")
    (tmp_path / "other.npz").symlink_to(path)
    with pytest.raises(OSError, match=r"model\.npz") as caught:
        build().save(path)
    assert caught.value.errno == errno.ELOOP
    assert path.is_symlink()


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755, 0o444])
def test_the_mode_stays(path, mode):
    build(1).save(path)
    path.chmod(mode)
    build(2).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert value_in(path) == 2


@posix
def test_nobody_else_may_read_a_private_file_while_it_is_written(path):
    path.touch(mode=0o600)
    modes = []

    def look(file):
        modes.append(stat.S_IMODE(os.fstat(file.fileno()).st_mode))

    write_atomically(path, look)
    assert modes == [0o600]


@posix
@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root gives files away")
def test_the_owner_stays(path):
    build(1).save(path)
    os.chown(path, 1234, 2345)
    path.chmod(0o6640)
    build(2).save(path)
    status = path.stat()
    assert (status.st_uid, status.st_gid) == (1234, 2345)
    assert stat.S_IMODE(status.st_mode) == 0o6640


@posix
def test_an_owner_that_may_not_be_given_does_not_matter(path, monkeypatch):
    """As for a user who may replace another's file but not own it in his name."""
    build(1).save(path)
    path.chmod(0o640)
    asked = []

    def refuse(descriptor, uid, gid):
        asked.append((uid, gid))
        raise PermissionError(errno.EPERM, "Operation not permitted")

    before, fstat = path.stat(), os.fstat

    def other_owner(descriptor):
        found = list(fstat(descriptor))
        found[stat.ST_UID] = before.st_uid + 1
        return os.stat_result(found)

    monkeypatch.setattr("os.fchown", refuse)
    monkeypatch.setattr("os.fstat", other_owner)
    write_atomically(path, write("new"))
    monkeypatch.undo()
    assert asked == [(before.st_uid, before.st_gid), (-1, before.st_gid)]
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@posix
def test_a_device_is_written_to_and_stays(tmp_path):
    path = tmp_path / "model.npz"
    path.symlink_to(os.devnull)
    build().save(path)
    assert path.is_symlink()
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


@posix
def test_a_pipe_is_written_to(tmp_path):
    path, found = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: found.append(path.read_text()))
    reader.start()
    write_atomically(path, write("through"))
    reader.join(10)
    assert found == ["through"]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_names_as_long_as_a_file_system_allows(tmp_path):
    for name in ("n" * 251 + ".npz", "ü" * 125 + ".npz"):
        build(4).save(tmp_path / name)
        assert value_in(tmp_path / name) == 4
    assert len(os.listdir(tmp_path)) == 2


def test_the_umask_is_never_touched(path, monkeypatch):
    """It belongs to the process: another thread's files would get the wrong mode."""
    monkeypatch.setattr("os.umask", lambda mask: pytest.fail("umask was set"))
    build().save(path)
    build().save(path)


# Orphans of killed processes ---------------------------------------------------------------------

WRITER = """
import sys, time
from pathlib import Path
from affinet.atomic import write_atomically

def write(file):
    file.write(b"half of it")
    file.flush()
    print("writing", flush=True)
    sys.stdin.readline()

write_atomically(Path(sys.argv[1]), write)
print("written", flush=True)
"""


def start(path):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "writing\n"
    return process


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()


@posix
def test_orphans_of_killed_processes_are_removed_at_the_next_save(tmp_path, path):
    for process in [start(path), start(path), start(path), start(tmp_path / "other.npz")]:
        kill(process)
    assert len(os.listdir(tmp_path)) == 4
    assert all(name.endswith(MARK) for name in os.listdir(tmp_path))
    build().save(path)
    left = os.listdir(tmp_path)
    assert len(left) == 2
    assert "model.npz" in left
    assert any(name.startswith(".other.npz.") for name in left)


@posix
def test_a_file_that_another_process_writes_right_now_stays(path):
    other, dead = start(path), start(path)
    kill(dead)
    build(2).save(path)
    assert len(os.listdir(path.parent)) == 2  # the file, and the living writer's
    other.stdin.write("\n")
    other.stdin.flush()
    assert other.stdout.readline() == "written\n"
    other.wait()
    other.stdin.close()
    other.stdout.close()
    assert os.listdir(path.parent) == [path.name]
    assert path.read_bytes() == b"half of it"


@posix
def test_behind_a_link_orphans_are_removed_too(tmp_path, path):
    folder = tmp_path / "real"
    folder.mkdir()
    path.symlink_to("real/target.npz")
    kill(start(path))
    assert len(os.listdir(folder)) == 1
    build().save(path)
    assert os.listdir(folder) == ["target.npz"]


def test_files_that_only_look_alike_stay(tmp_path, path):
    names = [
        f".model.npz.0123456789abcdef{MARK}.bak",
        f".model.npz.0123456789abcdeg{MARK}",
        f".model.npz{MARK}",
        f"model.npz.0123456789abcdef{MARK}",
        ".model.npz.0123456789abcdef",
        f".model_npz.0123456789abcdef{MARK}",
    ]
    for name in names:
        (tmp_path / name).touch()
    build().save(path)
    assert sorted(os.listdir(tmp_path)) == sorted([*names, "model.npz"])


@posix
def test_links_and_folders_with_an_orphans_name_stay(tmp_path, path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    link = tmp_path / f".model.npz.{'0' * 16}{MARK}"
    link.symlink_to(victim)
    (tmp_path / f".model.npz.{'1' * 16}{MARK}").mkdir()
    build().save(path)
    assert victim.read_text() == "mine"
    assert link.is_symlink()


# Errors ------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("limit", [0, 300, 5000, 500_000, 722_000])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path, limit, suffix):
    """By the limit of a file's size, which the system enforces as it does a full disk."""
    resource = pytest.importorskip("resource")
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"model{suffix}"
    build(1).save(path)
    big = build(2, n=300)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(OSError, match="model") as caught:
            big.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert caught.value.filename == str(path)
    assert os.listdir(tmp_path) == [path.name]
    assert value_in(path) == 1


@pytest.mark.parametrize("where", ["write", "os.fsync", "os.replace", "os.open"])
def test_no_space_left_names_the_file(path, monkeypatch, where):
    path.write_text("old")

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device", *arguments[:1])

    def write(file):
        if where == "write":
            raise OSError(errno.ENOSPC, "No space left on device")
        file.write(b"new")

    if where == "os.replace":
        monkeypatch.setattr(
            where, lambda a, b: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full", a, None, b))
        )
    elif where == "os.fsync":
        monkeypatch.setattr(where, lambda d: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    elif where == "os.open":
        monkeypatch.setattr(where, full)
    with pytest.raises(OSError, match=r"model\.npz'$") as caught:
        write_atomically(path, write)
    monkeypatch.undo()
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == [path.name]


def test_errors_about_other_files_keep_their_names(path):
    def write(file):
        open(path.with_name("font.ttf"), "rb")  # noqa: SIM115

    with pytest.raises(FileNotFoundError, match=r"font\.ttf"):
        write_atomically(path, write)
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_folder_that_takes_no_file_is_named(tmp_path, suffix):
    with pytest.raises(FileNotFoundError) as caught:
        write_atomically(tmp_path / "nowhere" / f"model{suffix}", write("x"))
    assert caught.value.filename == str(tmp_path / "nowhere" / f"model{suffix}")


# Several writers ---------------------------------------------------------------------------------


def test_threads_may_save_to_one_name_at_once(path):
    """Whoever reads meanwhile finds a whole file of one of them."""
    nets = [build(value, n=60) for value in range(1, 5)]
    nets[0].save(path)
    umask = os.umask(0o022)
    os.umask(umask)
    failures, done = [], threading.Event()

    def save(net):
        try:
            for _ in range(25):
                net.save(path)
        except BaseException as error:
            failures.append(error)

    def look():
        while not done.is_set():
            flat = an.load(path).params.flat[: 60 * 60]
            if not (flat == flat[0]).all():
                failures.append(flat)
            time.sleep(0.001)

    reader = threading.Thread(target=look)
    writers = [threading.Thread(target=save, args=(net,)) for net in nets]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert not failures
    assert os.listdir(path.parent) == [path.name]
    after = os.umask(umask)
    assert after == umask


def test_an_orphan_that_another_process_has_replaced_stays(tmp_path, monkeypatch):
    path = tmp_path / f".model.npz.{'0' * 16}{atomic.MARK}"
    path.write_bytes(b"another's")
    monkeypatch.setattr(os.path, "samestat", lambda *_: False)
    atomic.remove_if_orphan(str(path))
    assert path.read_bytes() == b"another's"
