"""Compiles and runs exported C on the processors whose tools are installed, and checks its size.

Each part that a machine lacks is skipped by name. The digits network as int8 must fit into 4 KB of
flash and 200 bytes of RAM beside the stack on a Cortex-M0, and agree with the emulation in every
row; as float32 and int16 it must run there too, and on a Cortex-M4 and an AVR.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

import affinet as an
from affinet.tables import Encoding, Table
from affinet.tabular import build, encode, recipe_for

FLASH, RAM = 4096, 200  # bytes
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
SCRIPT = """MEMORY {{ flash (rx) : ORIGIN = 0, LENGTH = {flash}K
  ram (rwx) : ORIGIN = 0x20000000, LENGTH = 16K }}
SECTIONS {{
  .text : {{ KEEP(*(.vectors)) *(.text*) *(.rodata*) . = ALIGN(4); etext = .; }} > flash
  .data : AT (etext) {{ sdata = .; *(.data*) . = ALIGN(4); edata = .; }} > ram
  .bss : {{ sbss = .; *(.bss*) *(COMMON) . = ALIGN(4); ebss = .; }} > ram
  /DISCARD/ : {{ *(.ARM.exidx*) *(.comment) }}
}}
"""
START = """#include <stdint.h>
extern uint32_t etext, sdata, edata, sbss, ebss;
int main(void);
void start(void);
__attribute__((section(".vectors"), used)) void *const vectors[2] = {
    (void *)0x20004000, (void *)start };
void *memcpy(void *to, const void *from, unsigned n) {
    char *a = to; const char *b = from;
    while (n--) { *a++ = *b++; }
    return to;
}
void *memset(void *to, int value, unsigned n) {
    char *a = to;
    while (n--) { *a++ = (char)value; }
    return to;
}
int printf(const char *format, ...) { return format == 0; }
void start(void) {
    uint32_t *from = &etext, *to = &sdata;
    while (to < &edata) { *to++ = *from++; }
    for (to = &sbss; to < &ebss;) { *to++ = 0; }
    {   /* semihosting: SYS_EXIT */
        register uint32_t r1 __asm__("r1") = main() == 0 ? 0x20026u : 0x20023u;
        register uint32_t r0 __asm__("r0") = 0x18u;
        __asm__ volatile("bkpt 0xAB" : : "r"(r0), "r"(r1) : "memory");
    }
    for (;;) { }
}
"""
ALONE = """#include "digits.h"
volatile int8_t x[1], y[1];
int main(void) { digits_run((const int8_t *)x, (int8_t *)y); return 0; }
"""
AVR = """#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/interrupt.h>
#include <stdio.h>
#define main test_main
#include "digits_test.c"
#undef main
static int put(char c, FILE *f) {
    (void)f;
    while (!(UCSR0A & (1 << UDRE0))) { }
    UDR0 = (uint8_t)c;
    return 0;
}
int main(void) {
    static FILE out = FDEV_SETUP_STREAM(put, NULL, _FDEV_SETUP_WRITE);
    UCSR0B = 1 << TXEN0;
    stdout = &out;
    printf("%s\\n", test_main() == 0 ? "agrees" : "differs");
    cli();
    sleep_enable();
    sleep_cpu();
    return 0;
}
"""
# Deviations from MISRA C:2012 as cppcheck 2.10 counts them; docs/guides/microcontrollers.md has the
# reason of each.
DEVIATIONS = (
    *("2.5", "4.1", "8.7", "8.9", "10.1", "10.3", "10.4", "10.8"),
    *("12.1", "12.3", "15.5", "17.8", "18.4", "19.2"),
)


def run(*command: object, timeout: float = 100.0) -> str:
    """Run a command; its output, or an error with it."""
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=timeout, check=False
    )
    if done.returncode:
        shown = " ".join(map(str, command))
        raise SystemExit(f"{shown}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def compiles(compiler: str, source: str) -> bool:
    """Whether this compiler, with the headers that it finds, takes these lines of C."""
    command = [compiler, "-fsyntax-only", "-x", "c", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    return done.returncode == 0


def network() -> an.Sequential:
    """The digits network."""
    net = an.Sequential(
        *(an.Affine.init(64, 32, rng=0), an.ReLU(), an.Affine.init(32, 10, rng=1)),
        loss=an.SoftmaxWithLoss(),
    )
    (x, t), _ = an.datasets.load_digits()
    net.fit(x, t, epochs=30, optimizer=an.Adam(0.005), seed=0)
    return net


def write(folder: Path, net: an.Sequential, kind: str, rows: np.ndarray) -> Path:
    """The C of the network in this type, with a test of these rows."""
    (x, _), test = an.datasets.load_digits()
    place = folder / kind
    found = an.export.c(net, place, name="digits", type=kind, calibrate=x, test=rows, report=test)
    lost = found["accuracy_float32"] - found["accuracy"]
    print(f"{kind}: accuracy {found['accuracy']:.4f}, in float32 {found['accuracy_float32']:.4f}")
    if lost > 0.005:
        raise SystemExit(f"{kind}: the accuracy is {lost:.4f} below that of float32")
    return place


def every_layer(folder: Path) -> Path:
    """The C of a network of many kinds of layers."""
    net = an.Sequential(
        an.PeriodicEmbedding(6, [1, 2], rng=0),
        *(an.NTKAffine.init(12, 12, rng=0), an.Parametric(12, "mish"), an.LayerNorm(12)),
        an.Residual(an.Affine.init(12, 12, rng=1), an.GELU(), an.BatchNorm(12), an.Scale(12)),
        *(an.Tanh(), an.SELU(), an.Sigmoid(), an.SiLU(), an.LeakyReLU(), an.Increasing(3)),
        loss=an.SoftmaxWithLoss(),
    )
    an.export.c(net, folder, name="digits")
    return folder


def rows_of_a_table() -> Table:
    """Numbers, categories and dates, with missing ones among them."""
    names = ["grey", 'br"own', "white", ""] * 10
    numbers = np.arange(40.0)
    columns = {"size": numbers % 7, "weight": np.where(numbers % 9, numbers, np.nan), "fur": names}
    columns["born"] = [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d} {i % 24:02d}:30" for i in range(40)]
    columns["kind"] = ["cat", "dog"] * 20
    return Table("t", columns, lines=list(range(1, 41)))


def table(folder: Path) -> Path:
    """The C of a model of a table."""
    options = {"scaling": "quantile", "one_hot": 2, "missing": "indicator"}
    encoding = Encoding.fit(rows_of_a_table(), "kind", **options)
    net = an.Sequential(
        an.Embedding(encoding.width, dict(encoding.code_inputs), 2, rng=0),
        an.Affine.init(encoding.width + len(encoding.code_inputs), 2, rng=0),
        loss=an.SoftmaxWithLoss(),
    )
    net.metadata |= {"table": encoding.to_json(), "classes": ["cat", "dog"]}
    an.export.c(net, folder, name="digits")
    return folder


def of_tables(folder: Path) -> None:
    """The C of what models of tables are made of, in integers."""
    table = rows_of_a_table()
    made = {}
    for method, options in (
        ("realmlp", {}),
        ("tabm", {"members": 4, "number_embedding": "piecewise", "number_size": 4}),
    ):
        recipe = recipe_for(method, "default", "classification", n_rows=40)
        recipe = replace(recipe, hidden=(16, 16), **options)
        encoding = encode(recipe, table, "kind")
        x = encoding.inputs(table)
        net = build(recipe, encoding, x, encoding.targets(table), seed=0)
        for key, array in net.params.items():  # some start at 0 or 1
            array[...] += 0.1 * np.random.default_rng(len(key)).standard_normal(array.shape)
        net.metadata |= {"table": encoding.to_json(), "recipe": recipe.to_json()}
        made[method] = net, x
    rng = np.random.default_rng(0)
    nets = [
        an.Sequential(
            an.PeriodicEmbedding(4, frequencies=4, outputs=2, kind="plr", rng=seed),
            an.Affine.init(8, 6, rng=seed), an.LayerNorm(6), an.Tanh(),
            an.Affine.init(6, 3, rng=seed), an.Increasing(3), loss=an.Quantile([0.1, 0.5, 0.9]),
        )
        for seed in range(2)
    ]  # fmt: skip
    made["ensemble"] = an.Ensemble(nets), rng.standard_normal((40, 4))
    for name, (model, x) in made.items():
        for kind in ("int8", "int16"):
            place = folder / f"{name}-{kind}"
            an.export.c(model, place, name="digits", type=kind, calibrate=x, test=x[:10])


def clang(folder: Path) -> None:
    """Without a warning by clang, as C and as C++, and with the right outputs."""
    if importlib.util.find_spec("ziglang") is None:
        print("skipped: clang, the package ziglang is not installed")
        return
    for place in sorted(folder.iterdir()):
        zig, source, check = [sys.executable, "-m", "ziglang"], place / "digits.c", place / "clang"
        # Only compiled as C++: zig would build its C++ library first.
        run(*zig, "c++", "-x", "c++", *WARNINGS, "-c", source, "-o", place / "clang.o")
        options = ["-std=c99", "-O2", "-ffp-contract=off", *WARNINGS]
        run(*zig, "cc", *options, source, place / "digits_test.c", "-o", check)
        print(f"clang {place.name}: {run(check).strip()}")


def cortex(folder: Path, processor: str, machine: str) -> None:
    """All types on a Cortex-M in qemu."""
    if not (shutil.which("arm-none-eabi-gcc") and shutil.which("qemu-system-arm")):
        print(f"skipped: {processor}, no arm-none-eabi-gcc and qemu-system-arm")
        return
    if not compiles("arm-none-eabi-gcc", "#include <stdio.h>\n"):
        print(f"skipped: {processor}, arm-none-eabi-gcc finds no stdio.h (libnewlib-dev has it)")
        return
    for place in sorted(folder.iterdir()):
        (place / "start.c").write_text(START)
        (place / "map.ld").write_text(SCRIPT.format(flash=256))
        image = place / f"{processor}.elf"
        options = [f"-mcpu={processor}", "-mthumb", "-Os", "-ffunction-sections",
                   "-fdata-sections", "-fno-builtin", "-ffp-contract=off", "-nostdlib",
                   "-Wl,--gc-sections", f"-T{place / 'map.ld'}"]  # fmt: skip
        gcc = ["arm-none-eabi-gcc", *options]
        run(*gcc, *WARNINGS, "-c", place / "digits.c", "-o", place / "digits.o")
        files = [place / "start.c", place / "digits.o", place / "digits_test.c"]
        run(*gcc, *files, "-lgcc", "-o", image)
        run("qemu-system-arm", "-M", machine, "-nographic", "-monitor", "none",
            "-semihosting-config", "enable=on,target=native", "-kernel", image)  # fmt: skip
        print(f"{processor} {place.name}: all outputs agree")
        if place.name == "int8":
            sizes(place, processor, gcc)


def sizes(place: Path, processor: str, gcc: list[str]) -> None:
    """Flash and RAM of the network alone."""
    (place / "alone.c").write_text(ALONE)
    (place / "empty.c").write_text("int main(void) { return 0; }\n")
    found = []
    for source in ("alone", "empty"):
        image = place / f"{source}.elf"
        files = [place / "start.c", place / "digits.o", place / f"{source}.c"]
        run(*gcc, *files, "-lgcc", "-o", image)
        text, data, bss = run("arm-none-eabi-size", image).splitlines()[1].split()[:3]
        found.append((int(text) + int(data), int(data) + int(bss)))
    flash, ram = (a - b for a, b in zip(*found, strict=True))
    print(f"{processor} int8: {flash} bytes of flash, {ram} of RAM beside the stack")
    if processor == "cortex-m0" and (flash > FLASH or ram > RAM):
        raise SystemExit(f"wanted at most {FLASH} and {RAM}")


def avr(folder: Path) -> None:
    """All types on an ATmega1284 in simavr."""
    if not (shutil.which("avr-gcc") and shutil.which("simavr")):
        print("skipped: AVR, no avr-gcc and simavr")
        return
    if not compiles("avr-gcc", "#include <avr/io.h>\n#include <stdio.h>\n"):
        print("skipped: AVR, avr-gcc finds no stdio.h (avr-libc has it)")
        return
    for place in sorted(folder.iterdir()):
        (place / "avr.c").write_text(AVR)
        image = place / "avr.elf"
        require_flash(place)
        run("avr-gcc", "-mmcu=atmega1284p", "-DF_CPU=16000000UL", "-Os", "-std=gnu99",
            *WARNINGS[:3], "-Werror", place / "digits.c", place / "avr.c", "-o", image)  # fmt: skip
        done = subprocess.run(
            ["simavr", "-m", "atmega1284p", "-f", "16000000", str(image)],
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        if "agrees" not in done.stdout + done.stderr:
            raise SystemExit(f"AVR {place.name}: {done.stdout[-500:]}{done.stderr[-500:]}")
        print(f"AVR {place.name}: all outputs agree")


def require_flash(place: Path) -> None:
    """All constant arrays lie in flash on an AVR, and nothing but class names in its RAM."""
    compiled = place / "avr.o"
    run(
        "avr-gcc",
        "-mmcu=atmega1284p",
        "-Os",
        "-std=gnu99",
        "-c",
        place / "digits.c",
        "-o",
        compiled,
    )
    lines = [line.split() for line in run("avr-size", "-A", compiled).splitlines()]
    sizes = {parts[0]: int(parts[1]) for parts in lines if parts and parts[0].startswith(".")}
    flash = sum(size for name, size in sizes.items() if name.startswith(".progmem"))
    ram = sum(size for name, size in sizes.items() if name.startswith((".data", ".rodata", ".bss")))
    if flash == 0 or ram > 32:
        raise SystemExit(f"AVR {place.name}: {flash} bytes of arrays in flash, {ram} bytes in RAM")
    print(f"AVR {place.name}: {flash} bytes of arrays in flash, {ram} bytes in RAM")


def misra(folder: Path) -> None:
    """cppcheck with its MISRA add-on, but for the deviations."""
    if not shutil.which("cppcheck"):
        print("skipped: MISRA, no cppcheck")
        return
    places = sorted(folder.iterdir())
    places += [every_layer(folder.parent / "layers"), table(folder.parent / "table")]
    for place in places:
        hidden = [f"--suppress=misra-c2012-{rule}" for rule in DEVIATIONS]
        done = subprocess.run(
            ["cppcheck", "--addon=misra", "--std=c99", "--quiet", "--enable=style",
             "--error-exitcode=3",
             "--suppress=missingIncludeSystem", "--suppress=unusedFunction",
             "--suppress=variableScope", *hidden,
             str(place / "digits.c")],
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"MISRA {place.name}:\n{done.stdout}{done.stderr}")
        print(f"MISRA {place.name}: clean but for {len(DEVIATIONS)} listed rules")


def main() -> None:
    """All of it."""
    net = network()
    (x, _), (x_test, _) = an.datasets.load_digits()
    rows = np.concatenate([x, x_test])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "digits"
        write(folder, net, "int8", rows)
        for kind in ("float32", "int16"):
            write(folder, net, kind, rows[::100])
        of_tables(folder)
        clang(folder)
        misra(folder)
        cortex(folder, "cortex-m0", "microbit")
        cortex(folder, "cortex-m4", "mps2-an386")
        write(folder, net, "int8", rows[:50])  # an AVR holds fewer rows
        avr(folder)


if __name__ == "__main__":
    main()
