"""Build logic of affinet: one Cython source, one abi3 module per instruction-set level.

All other package metadata is in pyproject.toml.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

if sys.platform == "darwin":
    # One architecture per build, as the levels differ; set before anything reads Python's flags.
    os.environ.setdefault("ARCHFLAGS", f"-arch {platform.machine()}")
WINDOWS = sys.platform == "win32"
KERNELS = Path("kernels")
DEBUG = os.environ.get("AFFINET_DEBUG_KERNELS", "0") not in ("", "0")
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def target_machine():
    """The target architecture, which may differ from this machine's."""
    if sys.platform == "darwin":
        return os.environ["ARCHFLAGS"].split()[-1]
    return sysconfig.get_platform().rpartition("-")[2]  # uses _PYTHON_HOST_PLATFORM if set


MACHINE = target_machine()
X86_64 = MACHINE in ("x86_64", "amd64")
WASM = MACHINE.endswith("wasm32")

# What a platform's baseline needs beyond the compiler's defaults. WebAssembly has no levels to
# choose from at run time: a browser without simd128 runs no module. An i386 without SSE2 rounds
# twice, first to 80 bits. For s390x, gcc follows a C standard by computing floats as doubles.
if WASM:
    FLOOR = ["-msimd128"]
elif MACHINE in ("i386", "i486", "i586", "i686"):
    FLOOR = ["-msse2", "-mfpmath=sse"]
elif MACHINE == "s390x":
    FLOOR = ["-fexcess-precision=fast"]
else:
    FLOOR = []

# The probe in kernels/cpu.pyx checks for exactly these instructions.
LEVELS = {"baseline": FLOOR}
if X86_64:
    LEVELS["avx2"] = ["-mavx2", "-mfma"]
    LEVELS["avx512"] = [
        *LEVELS["avx2"],
        *("-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", "-mprefer-vector-width=512"),
    ]

# -ffp-contract=off: the source decides where a multiply-add is fused, not the compiler, so that
# levels and compilers give the same bits. -fno-math-errno compiles sqrt to one instruction, and
# -fno-wrapv reverts a flag of many Python builds that halves the speed of the register tiles.
COMPILE_FLAGS = ["-std=c11", "-ffp-contract=off", "-fno-math-errno", "-fno-wrapv"]
COMPILE_FLAGS += ["-O1", "-g"] if DEBUG else ["-O3", "-g0"]
if DEBUG and not WINDOWS:
    # An out-of-bounds read or write, an overflow or a null pointer stops the process; uninitialised
    # memory holds implausible numbers. Rows may start at any address: alignment is not checked.
    COMPILE_FLAGS += ["-fsanitize=undefined", "-fno-sanitize=alignment"]
    COMPILE_FLAGS += ["-fsanitize-undefined-trap-on-error", "-ftrivial-auto-var-init=pattern"]
if not WINDOWS:
    COMPILE_FLAGS += ["-fvisibility=hidden", *([] if WASM else ["-pthread"])]
if not DEBUG and not WINDOWS:  # no exceptions pass through C; unwind tables are 1/30 of a module
    COMPILE_FLAGS += ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]
COMPILER = os.environ.get("CC") or sysconfig.get_config_var("CC") or ""
if not DEBUG and sys.platform == "linux" and "gcc" in Path(COMPILER.partition(" ")[0]).name:
    # Entry points consist mostly of helpers that gcc inlines at -O3: with -O2's limit for helpers
    # not declared inline, a module is a twentieth smaller.
    COMPILE_FLAGS += ["--param", "max-inline-insns-auto=15", "-fno-ipa-cp-clone"]
    COMPILE_FLAGS += ["-fno-unswitch-loops"]
    # A product's tile stays in registers if all loops over its elements are unrolled; the longest,
    # which includes a ReLU's gradient, has more instructions than gcc's limit of 200.
    COMPILE_FLAGS += ["--param", "max-completely-peeled-insns=800"]
if DEBUG or WINDOWS:
    LINK_FLAGS = []
elif WASM:
    LINK_FLAGS = ["-Wl,--strip-debug"]
else:
    LINK_FLAGS = ["-pthread", "-Wl,-x" if sys.platform == "darwin" else "-Wl,-s"]

MACROS = [] if FREE_THREADED else [("Py_LIMITED_API", "0x030B0000")]
if DEBUG:
    MACROS.append(("AFFINET_DEBUG_KERNELS", "1"))  # fills workspaces with NaN
DIRECTIVES = {
    "boundscheck": DEBUG,
    "initializedcheck": DEBUG,
    "wraparound": False,
    "cdivision": True,
    # Plain built-in functions, a twentieth smaller and faster to call than Cython's own; their
    # signatures stand in their docstrings, which only the level "baseline" has.
    "binding": False,
    "auto_pickle": False,  # Cython's own methods only say that a class cannot be pickled
    "embedsignature": True,
    "embedsignature.format": "clinic",
    "freethreading_compatible": True,
}

COMPACT = """#if defined(__clang__)
#define COMPACT __attribute__((minsize))
#else
#define COMPACT
#endif"""
FUNCTION = re.compile(r"static .*__(pyx|Pyx)_\w+\(.*\{$")
# What each call of a kernel, a step or a prediction goes through, checks of its rows included.
EACH_CALL = re.compile(
    r"INLINE|Plan_\d+(run|gradients|regularize|update)|Operations_\d+forward|hold|enter"
    r"|good_|in_range"
)
# What a run or a network goes through once: the model of a step's cost, and who has which buffer.
ONCE = re.compile(
    r"__(team_size|step_cost|step_arithmetic|lines_crossed|batch_norms|shared|fuse|overwritten"
    r"|assign_buffers|assign_gradients|seed|take_slot|has_own_dx|new_team|free_team|call_members)\("
)


def kernel_extension(level, source, flags):
    """Extension ``affinet._kernels.<level>``, to be translated from ``source``."""
    # clang-cl takes MSVC's options; this passes clang's own through.
    prefix = "/clang:" if WINDOWS else ""
    return Extension(
        f"affinet._kernels.{level}",
        sources=[str(KERNELS / source)],
        depends=[str(path) for path in sorted(KERNELS.glob("*.pyx"))],
        define_macros=MACROS,
        py_limited_api=not FREE_THREADED,
        extra_compile_args=[prefix + flag for flag in COMPILE_FLAGS + flags],
        extra_link_args=LINK_FLAGS,
    )


def use_clang_cl(compiler, platform_name):
    """Replace MSVC's compiler by clang-cl and keep its linker."""
    named = os.environ.get("CC", "")
    clang_cl = shutil.which(named) if Path(named).stem == "clang-cl" else None
    if clang_cl is None:
        raise SystemExit(
            "affinet needs GNU vector types, which MSVC's own compiler has not: install LLVM's "
            "clang-cl and set CC=clang-cl to build on Windows"
        )
    if not compiler.initialized:
        compiler.initialize(platform_name)  # looks for cl.exe, regardless of CC
    compiler.cc = clang_cl


def compact(source):
    """Cython's C, with functions that clang compiles for size: those that handle Python's objects.

    They check arguments and prepare plans; others that do are named in ONCE. What computes has no
    such lines; what a call of a kernel or a step goes through is left as it is. A module becomes a
    thirtieth smaller. The first line stays, by which Cython knows a file that it may write again.
    """
    lines = source.split("\n")
    starts = [i for i, line in enumerate(lines) if FUNCTION.match(line)]
    for start in starts:
        body = lines[start : lines.index("}", start)]
        handles = any("__pyx_L1_error" in line or "RefNanny" in line for line in body)
        if (handles and not EACH_CALL.search(body[0])) or ONCE.search(body[0]):
            lines[start] = f"COMPACT {lines[start]}"
    return "\n".join([lines[0], COMPACT, *lines[1:]])


class BuildKernels(build_ext):
    """Translate and compile each level separately, all in parallel."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self):
        if self.compiler.compiler_type == "msvc":
            use_clang_cl(self.compiler, self.plat_name)
        super().build_extensions()

    def build_extension(self, ext):
        ext.sources = [self.translate(ext)]
        super().build_extension(ext)

    def translate(self, ext):
        """Translate Cython to C in a separate directory per level, only if something changed."""
        level = ext.name.rpartition(".")[2]
        target = Path(self.build_temp) / level / f"{level}.c"
        newest = max(Path(path).stat().st_mtime for path in [*ext.depends, __file__])
        if not self.force and target.exists() and target.stat().st_mtime > newest:
            return str(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "cython", "-3", "--module-name", ext.name]
        for name, value in DIRECTIVES.items():
            command += ["-X", f"{name}={value}"]
        if level in LEVELS and level != "baseline":
            command.append("--no-docstrings")
        subprocess.run([*command, "-o", str(target), *ext.sources], check=True)
        target.write_text(compact(target.read_text(encoding="utf-8")), encoding="utf-8")
        return str(target)


setup(
    ext_modules=[
        kernel_extension("cpu", "cpu.pyx", FLOOR),
        *(kernel_extension(level, "core.pyx", flags) for level, flags in LEVELS.items()),
    ],
    cmdclass={"build_ext": BuildKernels},
    options={} if FREE_THREADED else {"bdist_wheel": {"py_limited_api": "cp311"}},
)
