"""What other systems lack: every function that does without it, with it taken away here."""

import os
import sys

import pytest

import affinet
from affinet import _dispatch, _forks, _process, atomic, precision, threads
from affinet.bench import machine


def test_without_a_processor_mask_all_processors_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert threads.available_processors() == 3
    assert machine.cores() == [0, 1, 2]
    with machine.pinned(2) as chosen:
        assert chosen is None
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert threads.available_processors() == 1
    assert machine.cores() == [0]


def test_what_the_system_does_not_report_is_none(monkeypatch):
    monkeypatch.delattr(os, "getloadavg", raising=False)
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    assert machine.load() is None
    assert machine.blas_threads() is None
    assert _process.peak_memory() is None


def test_names_that_are_imported_at_their_first_use_are_listed():
    assert {"Sequential", "onnx", "estimators"} <= {*dir(affinet)}


def test_without_forks_nothing_is_registered(monkeypatch):
    monkeypatch.delattr(os, "register_at_fork", raising=False)
    _forks.in_forked_child(lambda: pytest.fail("there is no fork"))


def test_without_locks_only_old_files_are_orphans(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "fcntl", None)
    target = tmp_path / "model.npz"
    old, new = (tmp_path / f".model.npz.{digit * 16}{atomic.MARK}" for digit in "01")
    for part in (old, new):
        part.write_bytes(b"a part")
    os.utime(old, (0, 0))
    atomic.write_atomically(target, lambda file: file.write(b"whole"))
    assert target.read_bytes() == b"whole"
    assert {path.name for path in tmp_path.iterdir()} == {target.name, new.name}


def test_without_posix_neither_mode_nor_folder_is_touched(tmp_path, monkeypatch):
    with open(tmp_path / "file", "wb") as file:
        mode = os.fstat(file.fileno()).st_mode
        other = os.stat_result((mode ^ 0o7, *os.fstat(file.fileno())[1:]))
        with monkeypatch.context() as patch:
            patch.setattr(os, "name", "nt")
            atomic.keep_owner_and_mode(file.fileno(), other)
            atomic.sync_folder("no such folder")
        assert os.fstat(file.fileno()).st_mode == mode


def test_without_proc_sys_and_git_the_machine_has_plain_words(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr("pathlib.Path.read_text", missing)
    monkeypatch.setattr("subprocess.run", missing)
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "s390x")
    assert machine.processor() == "s390x"
    assert machine._siblings(3) == "3"
    assert machine.commit() is None


def test_a_matrix_unit_needs_no_warning(monkeypatch):
    monkeypatch.setattr(precision, "precisions", lambda: {"bfloat16x3": "by the matrix unit"})
    monkeypatch.setattr(precision, "_warned", set())
    precision.warn_if_slow("bfloat16x3", 1)  # a warning would be an error
    assert not precision._warned


def test_a_compiled_module_that_is_missing_is_named():
    with pytest.raises(
        ImportError, match=r"affinet\._kernels\.none is missing .*reinstall affinet"
    ):
        _dispatch._load("none")
