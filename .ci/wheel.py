"""Build wheels from an sdist, for this machine and others: ``wheel.py SDIST FOLDER [TAG ...]``.

The clang in the package ziglang brings the headers and the symbol lists of every glibc and of
musl: a wheel built on a new system runs on an old one, and any machine builds for the others.
Without a tag it is the oldest manylinux for this machine. .ci/tools.txt is what it needs, not
isolated: pip would fetch Cython for the platform that is built for, which does not run here.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import zopfli
from headers import python_headers

ZIG = f"{sys.executable} -m ziglang cc -target"
COMPILERS = {  # by platform tag
    "manylinux_2_17_x86_64": f"{ZIG} x86_64-linux-gnu.2.17",
    "manylinux_2_17_aarch64": f"{ZIG} aarch64-linux-gnu.2.17",
    "musllinux_1_2_x86_64": f"{ZIG} x86_64-linux-musl",
    "musllinux_1_2_aarch64": f"{ZIG} aarch64-linux-musl",
    # gcc's own atomics hold newer instructions too, behind a question to the processor; left out,
    # floor.py sees that there are no others.
    "linux_aarch64": "aarch64-linux-gnu-gcc -mno-outline-atomics",
    # For the distributions' own Pythons; .ci/platforms runs them.
    "linux_i686": "i686-linux-gnu-gcc",
    "linux_armv7l": "arm-linux-gnueabihf-gcc",
    "linux_riscv64": "riscv64-linux-gnu-gcc",
    "linux_s390x": "s390x-linux-gnu-gcc",
}
BITS = {"i686": 32, "armv7l": 32}  # of a pointer; the others have 64
# Every warning is an error; Cython's own C leaves parameters unused.
WARNINGS = "-Wall -Wextra -Wno-unused-parameter -Werror"
NARROW = " -Wno-type-limits"  # Cython compares a long with 2^53, which it always is below there
# clang makes a module a sixth smaller without copies of loops and of helpers that are not declared
# inline. What is fast is written as vectors and unrolled by constant bounds: no step takes longer.
# zig's clang keeps frame pointers unless told not to; Cython marks what runs once, at import; and a
# wheel is compressed as a whole, where strings that Cython has compressed before take more room.
SMALL = "-fno-slp-vectorize -mllvm -unroll-runtime=0 -mllvm -force-vector-interleave=1"
SMALL += " -mllvm -inline-threshold=-20 -fomit-frame-pointer"
# The last numbers of a loop need no separate vectors, and a jump needs no copy of its target.
SMALL += " -mllvm -enable-epilogue-vectorization=false"
SMALL += " -mllvm -tail-dup-size=1 -mllvm -tail-dup-placement-threshold=1"
SMALL += " -fno-plt"  # a call through the table of addresses itself needs no stub
SMALL += " -DCYTHON_SMALL_CODE=__attribute__((cold,minsize,unused)) -DCYTHON_COMPRESS_STRINGS=0"


def build(sdist: Path, folder: Path, tag: str) -> Path:
    """Compile the wheel for a platform; its tag is still the general one of Linux."""
    machine = re.sub("^(many|musl)?linux_([0-9]+_[0-9]+_)?", "", tag)
    bits = BITS.get(machine, 64)
    include = python_headers(folder / "include", bits, machine == "s390x")
    warnings = WARNINGS if bits == 64 else WARNINGS + NARROW
    environment = {
        **os.environ,
        "CC": COMPILERS[tag],
        # Debian's has an option that zig has not; loaders since glibc 2.5 read GNU's hash table.
        "LDSHARED": f"{COMPILERS[tag]} -shared -Wl,--hash-style=gnu",
        "CFLAGS": " ".join([warnings, *([SMALL] if ZIG in COMPILERS[tag] else []), f"-I{include}"]),
        "_PYTHON_HOST_PLATFORM": f"linux-{machine}",
    }
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-cache-dir"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(sdist)]
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        raise SystemExit(done.stdout)
    return next(folder.glob("*.whl"))


def squeeze(wheel: Path) -> None:
    """Compress a wheel's files once more, with the patience that zlib has not: 4 % less."""
    small = wheel.with_suffix(".small")
    with (
        zipfile.ZipFile(wheel) as old,
        zopfli.ZipFile(small, "w", zipfile.ZIP_DEFLATED, block_splitting_max=0) as new,
    ):
        for file in old.infolist():
            if file.is_dir():  # what unpacks a wheel makes the folders of its files
                continue
            new.writestr(file, old.read(file), zipfile.ZIP_DEFLATED)
    small.replace(wheel)


def label(wheel: Path, folder: Path, tag: str) -> None:
    """Put the wheel into the folder under its platform tag, once it has shown to deserve it."""
    audit = [sys.executable, "-m", "auditwheel"]
    if tag == f"manylinux_2_17_{platform.machine()}":
        # Refuses a symbol of a newer glibc, and a library that is not on every system.
        tools = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        command = [*audit, "repair", "--plat", tag, "--wheel-dir", str(folder), str(wheel)]
        subprocess.run(command, check=True, env=tools)
        return
    if tag.startswith("manylinux"):  # it repairs this machine's wheels only
        shown = subprocess.check_output([*audit, "show", str(wheel)], text=True)
        if f'"{tag}"' not in shown:
            raise SystemExit(shown)
    # Of musl it can judge in its own containers only: here it finds this system's libraries.
    command = [sys.executable, "-m", "wheel", "tags", "--platform-tag", tag, str(wheel)]
    subprocess.run(command, check=True)
    (labelled,) = wheel.parent.glob(f"*{tag}.whl")
    shutil.move(labelled, folder)


def main() -> None:
    sdist, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for tag in sys.argv[3:] or [f"manylinux_2_17_{platform.machine()}"]:
        with tempfile.TemporaryDirectory() as scratch:
            before = {*folder.glob("*.whl")}
            label(build(sdist, Path(scratch), tag), folder, tag)
            for wheel in {*folder.glob("*.whl")} - before:
                squeeze(wheel)


if __name__ == "__main__":
    main()
