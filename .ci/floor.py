"""Hold a wheel's modules to the instructions that their level allows: ``floor.py WHEEL``.

Each module is taken apart with objdump, and each of its instructions is handed back to GNU's
assembler, which was told of the level's instructions and no others: it refuses what a processor of
that level could not run. (clang's assembler takes every instruction, whatever it is told.)
"""

import platform
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

AVX2 = "generic64+avx2+fma"
# What setup.py's LEVELS allow, as GNU's assembler spells it; the probe stays on the floor.
ALLOWED = {
    "x86_64": {
        "cpu": "generic64+xsave",  # for xgetbv, asked only where the processor has it
        "baseline": "generic64",
        "avx2": AVX2,
        # The matrix unit's instructions too, used where processor and system both grant them.
        "avx512": AVX2 + "+avx512f+avx512vl+avx512bw+avx512dq+xsave+amx_tile+amx_bf16",
    },
    "aarch64": {"cpu": "armv8-a", "baseline": "armv8-a"},
}
# Seen before anything is judged: each of these must be refused to the module.
MUST_REFUSE = {
    ("x86_64", "baseline"): ["pshufb %xmm1,%xmm0", "popcnt %eax,%eax", "vaddps %xmm0,%xmm1,%xmm2"],
    ("x86_64", "avx2"): [
        "shlx %eax,%ebx,%ecx",
        "vaddps %zmm0,%zmm1,%zmm2",
        "vaddps %xmm16,%xmm1,%xmm2",
    ],
    ("x86_64", "avx512"): [
        "vpdpbusd %zmm0,%zmm1,%zmm2",
        "vpermb %zmm0,%zmm1,%zmm2",
        "tdpbssd %tmm0,%tmm1,%tmm2",
    ],
    ("aarch64", "baseline"): ["ldadd w0, w1, [x2]", "fmlal v0.4s, v1.4h, v2.4h", "ptrue p0.s"],
}
HERE = platform.machine()
INSTRUCTION = re.compile(r"^ *[0-9a-f]+:\t(.+)$")
COMMENT = re.compile(r"\s*(# |//|<).*")
JUMP = re.compile(r"^((?:bnd |notrack )?(?:j|call|b|cb|tb|adr)[a-z.]*\s+(?:.*,\s*)?)[0-9a-f]+$")
PADDING = re.compile(r"^((data16|cs) )*nop[wl]? |^endbr64$")  # nothing is done, on every x86-64
AT = re.compile(r":(\d+): Error: (.*)")


def tool(name: str, machine: str) -> str:
    """Name of a program of binutils: Debian's cross tools where the machine is not this one."""
    return name if machine == HERE else f"{machine}-linux-gnu-{name}"


def instructions(module: Path, machine: str) -> list[str]:
    """Each instruction of a module once, with addresses of jumps made the same."""
    command = [tool("objdump", machine), "-d", "--no-show-raw-insn", str(module)]
    text = subprocess.check_output(command, text=True)
    found = {
        JUMP.sub(r"\1.", COMMENT.sub("", match[1]).strip())
        for match in map(INSTRUCTION.match, text.splitlines())
        if match
    }
    return sorted(line for line in found if line and not PADDING.match(line))


def refused(lines: list[str], machine: str, allowed: str) -> Iterator[str]:
    """The instructions that an assembler for these features does not take, and why."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "all.s")
        source.write_text("\n".join(lines) + "\n")
        command = [tool("as", machine), f"-march={allowed}", "-o", "/dev/null", str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    complaints = AT.findall(done.stderr)
    if done.returncode != 0 and not complaints:
        raise SystemExit(f"the assembler failed:\n{done.stderr}")
    for number, reason in {int(line): reason for line, reason in complaints}.items():
        yield f"{lines[number - 1]}: {reason}"


def check_the_check(machine: str) -> None:
    """An assembler that takes everything would find nothing."""
    for (at, name), lines in MUST_REFUSE.items():
        if at == machine:
            taken = len(lines) - len(list(refused(lines, machine, ALLOWED[machine][name])))
            if taken:
                raise SystemExit(f"the assembler takes {taken} of {lines}, not to be in {name}")


def main() -> int:
    """Return 1 if a module holds an instruction that its level does not allow."""
    wheel = Path(sys.argv[1])
    machine = next(machine for machine in ALLOWED if wheel.stem.endswith(machine))
    check_the_check(machine)
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        modules = {
            module.name.partition(".")[0]: module
            for module in Path(folder, "affinet", "_kernels").glob("*.so")
        }
        if modules.keys() != ALLOWED[machine].keys():
            raise SystemExit(f"{wheel.name} has the modules {', '.join(modules)}")
        for name, allowed in ALLOWED[machine].items():
            lines = instructions(modules[name], machine)
            problems = list(refused(lines, machine, allowed))
            print(f"{name}: {len(lines)} instructions, {len(problems)} beyond {allowed}")
            for problem in problems[:20]:
                print(f"  {problem}")
            bad += len(problems)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
