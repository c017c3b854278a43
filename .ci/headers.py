"""Python's headers as another machine has them, which a cross-compiler needs."""

import shutil
import sysconfig
from pathlib import Path

# Those of the limited API differ between machines in these only: bytes, and the order of bytes.
POINTERS = {"LONG", "SIZE_T", "VOID_P", "PTHREAD_T", "UINTPTR_T"}


def python_headers(place: Path, bits: int = 64, big_endian: bool = False) -> Path:
    """This Python's headers, copied into a new folder for a machine of 32 or 64 bits.

    Debian's pyconfig.h includes another one from a folder of the machine's own, where a
    cross-compiler does not look; the copy is that other one.
    """
    own = Path(sysconfig.get_path("include"))
    shutil.copytree(own, place, dirs_exist_ok=True)
    real = own.parent / str(sysconfig.get_config_var("MULTIARCH")) / own.name / "pyconfig.h"
    lines = (real if real.exists() else own / "pyconfig.h").read_text().splitlines()
    for at, line in enumerate(lines):
        words = line.split()
        if words[:1] == ["#define"] and words[1].removeprefix("SIZEOF_") in POINTERS:
            lines[at] = f"#define {words[1]} {bits // 8}"
    if big_endian:
        lines.append("#define WORDS_BIGENDIAN 1")
    (place / "pyconfig.h").write_text("\n".join(lines) + "\n")
    return place
