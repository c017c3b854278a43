"""C that is compiled and run."""

import ctypes
import re
import shutil
import subprocess

import numpy as np
import pytest

import affinet as an
from affinet._dispatch import baseline_level

WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")
EXACT = () if baseline_level().build_level()[1] else ("-DM_EXACT",)  # where nothing is fused
AS_C, AS_CPP = ("gcc", "-std=c99"), ("g++", "-x", "c++")


class Compiled:
    """Writes a model and compiles it; ``run`` is the exit code and the output of its test."""

    def __init__(self, folder):
        self.folder = folder

    def write(self, model, **options):
        self.found = an.export.c(model, self.folder, name="m", **options)
        return self.found

    def build(self, *flags, compiler=AS_C, files=("m.c", "m_test.c"), out="program"):
        if shutil.which(compiler[0]) is None:
            pytest.skip(f"no {compiler[0]} here")
        paths = [self.folder / name for name in files]
        command = [*compiler, "-O0", "-ffp-contract=off", *flags, *paths, "-o", self.folder / out]
        done = subprocess.run([*map(str, command), "-lm"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[:3000]
        return self.folder / out

    def run(self, *flags, **options):
        done = subprocess.run([self.build(*flags, **options)], capture_output=True, text=True)
        return done.returncode, done.stdout

    def library(self):
        """The C as functions that Python calls."""
        return ctypes.CDLL(str(self.build("-shared", "-fPIC", files=("m.c",), out="m.so")))

    def loops(self, rows):
        """Iterations of all loops of ``predict``, or ``run``, for a row, by counting them."""
        source = self.folder / "m.c"
        text = source.read_text()
        counted = re.sub(r"(\bfor \([^{]*\) \{)", r"\1 loops++;", text)
        counted = counted.replace('#include "m.h"', '#include "m.h"\nunsigned long loops;', 1)
        (self.folder / "counted.c").write_text(counted)
        library = ctypes.CDLL(
            str(self.build("-shared", "-fPIC", files=("counted.c",), out="counted.so"))
        )
        y = (ctypes.c_double * 1000)()
        found = set()
        for row in rows:
            loops = ctypes.c_ulong.in_dll(library, "loops")
            loops.value = 0
            function = library.m_run if row.dtype.kind == "i" else library.m_predict
            function(np.ascontiguousarray(row).ctypes.data_as(ctypes.c_void_p), y)
            found.add(loops.value)
        return found
