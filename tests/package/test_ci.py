"""The scripts in .ci find the faults that they look for."""

import hashlib
import importlib.util
import sysconfig
import zipfile
from pathlib import Path

import pytest

CI = Path(__file__).parents[2] / ".ci"
pytestmark = pytest.mark.skipif(not CI.is_dir(), reason="the repository's .ci is not here")


def script(name):
    spec = importlib.util.spec_from_file_location(name, CI / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("passed", [None, "wheel", "installed", "import"])
def test_every_limit_is_printed_and_one_that_is_passed_fails(passed, tmp_path, monkeypatch, capsys):
    limits = script("limits")
    wheel, module = tmp_path / "a.whl", tmp_path / "module.py"
    wheel.write_bytes(b" " * (1_500_001 if passed == "wheel" else 1_500_000))
    module.write_bytes(b" " * (7_600_001 if passed == "installed" else 7_600_000))

    class File:
        def locate(self):
            return module

    monkeypatch.setattr(limits, "files", lambda name: [File()] if name == "affinet" else None)
    ours = 0.1001 if passed == "import" else 0.1
    monkeypatch.setattr(limits, "import_seconds", lambda: (0.2, ours))
    monkeypatch.setattr(limits.sys, "argv", ["limits.py", str(wheel)])
    assert limits.main() == (passed is not None)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "wheel", "installed", "import affinet, of NumPy's time",
    ]  # fmt: skip


def test_an_installation_without_files_is_no_small_one(tmp_path, monkeypatch):
    limits = script("limits")
    wheel = tmp_path / "a.whl"
    wheel.write_bytes(b"")
    monkeypatch.setattr(limits, "files", lambda name: None)
    monkeypatch.setattr(limits, "import_seconds", lambda: pytest.fail("timed"))
    monkeypatch.setattr(limits.sys, "argv", ["limits.py", str(wheel)])
    with pytest.raises(SystemExit, match="not installed"):
        limits.main()


CHANGES = "# Changelog\n\n## [Unreleased]\n\n- later\n\n## [1.2.0] - 2026-01-02\n\n### Added\n\n- a\n\n## [1.1.0] - 2025-01-02\n\n- b\n"  # fmt: skip # noqa: E501


def test_a_release_is_told_by_its_entry_in_the_changelog():
    entry = script("release").entry
    assert entry("1.2.0", CHANGES) == "### Added\n\n- a"
    assert entry("1.1.0", CHANGES) == "- b"
    for version in ("1.0.0", "1.2", "1x2.0", "Unreleased"):
        with pytest.raises(SystemExit, match="no heading"):
            entry(version, CHANGES)


def test_a_tag_that_is_not_the_version_is_refused(monkeypatch):
    release = script("release")
    monkeypatch.setattr(release.sys, "argv", ["release.py", "v999.0.0"])
    with pytest.raises(SystemExit, match="so the tag must be v"):
        release.main()


def test_each_instruction_is_taken_from_its_line():
    floor = script("floor")
    lines = [
        "    9290:\tcall   92a0 <PyErr_Clear@plt>",
        "    9295:\tjne    9290 <.text+0x10>",
        "    9297:\tvmovaps 0x10(%rip),%zmm0        # 92f0 <x>",
        "    929d:\tcs nopw 0x0(%rax,%rax,1)",
        "    92a7:\tendbr64",
        "   1a2b0:\tb.eq\t1a2c0 <x+0x10>  // b.none",
        "   1a2b4:\tadd\tx0, x1, #0x8",
        "   1a2b8:\ttbz\tw0, #3, 1a2c0 <x>",
    ]
    found = [floor.INSTRUCTION.match(line)[1] for line in lines]
    plain = [floor.JUMP.sub(r"\1.", floor.COMMENT.sub("", text).strip()) for text in found]
    assert plain == [
        "call   .", "jne    .", "vmovaps 0x10(%rip),%zmm0", "cs nopw 0x0(%rax,%rax,1)", "endbr64",
        "b.eq\t.", "add\tx0, x1, #0x8", "tbz\tw0, #3, .",
    ]  # fmt: skip
    assert [bool(floor.PADDING.match(text)) for text in plain] == [0, 0, 0, 1, 1, 0, 0, 0]


HEADERS = Path(sysconfig.get_path("include"))


@pytest.mark.skipif(not (HEADERS / "Python.h").is_file(), reason="Python's headers are not here")
@pytest.mark.parametrize(("bits", "big_endian"), [(32, False), (64, True)])
def test_headers_are_those_of_the_machine(bits, big_endian, tmp_path):
    place = script("headers").python_headers(tmp_path / "new", bits, big_endian)
    assert (place / "Python.h").read_bytes() == (HEADERS / "Python.h").read_bytes()
    lines = (place / "pyconfig.h").read_text().splitlines()
    for name in ("LONG", "SIZE_T", "VOID_P"):
        assert f"#define SIZEOF_{name} {bits // 8}" in lines
    assert ("#define WORDS_BIGENDIAN 1" in lines) == big_endian
    assert "#define SIZEOF_LONG_LONG 8" in lines


def test_the_site_takes_only_files_that_pyodide_names(tmp_path):
    site = script("browser_site")
    packages = {"a-b": {"depends": ["c"]}, "c": {"depends": ["a-b"]}, "d": {"depends": []}}
    assert site.with_dependencies(("a_b",), packages) == ["a-b", "c"]
    wanted = {"file_name": "c.whl", "sha256": hashlib.sha256(b"right").hexdigest()}
    for content in (b"right", b"wrong"):
        with zipfile.ZipFile(tmp_path / "carrier.whl", "w") as archive:
            archive.writestr("x/pyodide/c.whl", content)
        with zipfile.ZipFile(tmp_path / "carrier.whl") as archive:
            if content == b"right":
                assert site.checked(archive, wanted) == content
            else:
                with pytest.raises(SystemExit, match="not the file that Pyodide names"):
                    site.checked(archive, wanted)
