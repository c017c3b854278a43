"""A model as C text: declarations, definitions, a test and what they cost."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet._version import __version__
from affinet.export.integer_api import integer_functions
from affinet.export.integers import IntegerModel, quantized
from affinet.export.models import Subject
from affinet.export.sections import functions
from affinet.export.steps import Chain, float_chain, single
from affinet.export.tables import write_encoding
from affinet.export.text import Writer, comment, quoted

FLASH = """#if defined(__AVR__)
#include <avr/pgmspace.h>
#define @FLASH PROGMEM
#define @FLOAT(p) pgm_read_float(p)
#define @DOUBLE(p) ((double)pgm_read_float(p))
#define @BYTE(p) pgm_read_byte(p)
#define @SHORT(p) ((int16_t)pgm_read_word(p))
#define @LONG(p) pgm_read_dword(p)
#define @INDEX(p) ((size_t)pgm_read_dword(p))
#define @VALUE(p) ((@value)@READ_VALUE(p))
#define @TOTAL(p) @READ_TOTAL(p)
#define @WIDE(p) ((int64_t)(pgm_read_dword(p) | \\
    ((uint64_t)pgm_read_dword((const char *)(p) + 4) << 32)))
#else
#define @FLASH
#define @FLOAT(p) (*(p))
#define @DOUBLE(p) (*(p))
#define @BYTE(p) (*(p))
#define @SHORT(p) (*(p))
#define @LONG(p) (*(p))
#define @INDEX(p) ((size_t)*(p))
#define @VALUE(p) (*(p))
#define @TOTAL(p) (*(p))
#define @WIDE(p) (*(p))
#endif
"""
READS = {"int8": ("pgm_read_byte", "(int32_t)pgm_read_dword"), "int16": ("pgm_read_word", "@WIDE")}


@dataclass
class Program:
    """The text of a header and a source, with @ for the prefix, and their figures.

    Attributes
    ----------
    header, source : str
    figures : dict
        Bytes of constant arrays (``flash``) and of the scratch on the stack (``scratch``),
        ``multiply_adds`` and ``iterations`` of loops for a row.
    subject : Subject
    integers : IntegerModel or None
    """

    header: str
    source: str
    figures: dict[str, int]
    subject: Subject
    integers: IntegerModel | None
    chains: list[Chain]


def program_of(model: Any, kind: str, calibrate: Array | None, libm: bool) -> Program:
    """The C of a model; see :func:`affinet.export.c` for errors."""
    subject = Subject.of(model)
    writer = Writer()
    integers = None
    if kind == "float32":
        chains = [float_chain(net, f"network {i}") for i, net in enumerate(subject.nets)]
    else:
        if calibrate is None:
            raise ValueError(f"{kind} needs calibrate, rows from which it takes its scales")
        integers = quantized(subject, kind, calibrate)
        chains = integers.chains
    size = {"float32": 4, "int8": 1, "int16": 2}[kind]
    for i, chain in enumerate(chains):
        writer.chain(f"net{i}", chain, size)
    declared, defined = api(subject, chains, writer, integers, libm)
    if subject.encoding is not None:
        more = write_encoding(writer, subject.encoding, subject.temperature)
        declared, defined = declared + more[0], defined + more[1]
    figures = figures_of(subject, chains, writer, integers)
    source = "\n".join([
        source_head(kind, libm, integers), *writer.arrays,
        functions(writer.used, libm), *writer.bodies, defined,
    ])  # fmt: skip
    header = header_of(subject, chains, kind, figures, declared)
    return Program(header, source, figures, subject, integers, chains)


def figures_of(
    subject: Subject, chains: list[Chain], writer: Writer, integers: IntegerModel | None
) -> dict[str, int]:
    """Bytes and counts."""
    times, n = subject.members, chains[0].n_outputs
    answers = times * len(chains)
    scratch, mixing = writer.scratch, 0
    if integers is not None and integers.mixed is not None:
        scratch += answers * n * integers.kind.dtype.itemsize
        scratch += 4 * n if subject.mixture == "softmax" else 0
        mixing = integers.mixed.loops + (answers if times > 1 else 0)
    elif answers > 1:
        each = {"": 0, "softmax": 3 * n + 3, "sigmoid": n, "exp": n}[subject.mixture]
        mixing = (2 if subject.mixture else 1) * n + answers * (1 + each + n)
    return {
        "flash": writer.flash,
        "scratch": scratch,
        "multiply_adds": times * sum(s.products for c in chains for s in c.steps),
        "iterations": times * sum(s.loops for c in chains for s in c.steps) + mixing,
    }


def source_head(kind: str, libm: bool, integers: IntegerModel | None) -> str:
    """Includes, types and macros."""
    lines = ['#include "@HEADER"', *(["#include <math.h>"] if libm else []), ""]
    if integers is None:
        lines.append("typedef float @value;")
        lines.append("#define @NAN @from_bits(0x7FC00000u)")
    else:
        value, total = READS[integers.kind.name]
        lines += [
            f"typedef {integers.kind.name}_t @value;",
            f"typedef {integers.kind.total}_t @total;",
            f"#define @MOST {integers.kind.high}",
            f"#define @READ_VALUE(p) {value}(p)",
            f"#define @READ_TOTAL(p) {total}(p)",
        ]
    return "\n".join([*lines, FLASH])


def header_of(
    subject: Subject, chains: list[Chain], kind: str, figures: dict[str, int], declared: str
) -> str:
    """The header's text."""
    of_run = "" if kind == "float32" else " in run, to which predict adds a row and its outputs"
    counts = (
        f"/* {comment(textwrap.shorten(repr(subject.net), 300))} in {kind}, written by affinet "
        f"{__version__}: {figures['flash']} bytes of constants, {figures['scratch']} bytes of "
        f"scratch on the stack{of_run}, {figures['multiply_adds']} multiply-adds and "
        f"{figures['iterations']} iterations of loops for a row, whatever its values. Nothing is "
        "allocated or kept between calls. x and y must not overlap. */"
    )
    return "\n".join([
        textwrap.fill(counts, 96, subsequent_indent="   "),
        "#ifndef @H", "#define @H", "#include <stddef.h>", "#include <stdint.h>",
        "#ifdef __cplusplus", 'extern "C" {', "#endif", "",
        f"#define @INPUTS {chains[0].n_inputs}", f"#define @OUTPUTS {chains[0].n_outputs}",
        f"#define @SCRATCH_BYTES {figures['scratch']}", "",
        declared, "#ifdef __cplusplus", "}", "#endif", "#endif", "",
    ])  # fmt: skip


def api(
    subject: Subject,
    chains: list[Chain],
    writer: Writer,
    integers: IntegerModel | None,
    libm: bool,
) -> tuple[str, str]:
    """Declarations and definitions of the public functions."""
    declared = [
        "/* The outputs y[@OUTPUTS] for the inputs x[@INPUTS], as predict returns them. */",
        "void @predict(const float *x, float *y);",
    ]
    if integers is not None:
        more, defined = integer_functions(integers, writer)
        declared += more
    elif len(chains) == 1 and subject.members == 1:
        defined = ["void @predict(const float *x, float *y) { @net0(x, y); }", ""]
    else:
        defined = mixture(subject, chains, writer)
    if subject.head is not None:
        declared += ["/* Probabilities p[@OUTPUTS]. */",
                     "void @predict_proba(const float *x, float *p);"]  # fmt: skip
        writer.uses([subject.head])
        call = f"@{subject.head}(p, @OUTPUTS, p)"
        defined += ["void @predict_proba(const float *x, float *p) {", "    @predict(x, p);",
                    f"    {call};", "}", ""]  # fmt: skip
    classes(subject, chains[0].n_outputs, declared, defined)
    return "\n".join([*declared, ""]), "\n".join(defined)


def classes(subject: Subject, n_outputs: int, declared: list[str], defined: list[str]) -> None:
    """Add the place and the names of classes."""
    n = 2 if subject.head == "sigmoid" and n_outputs == 1 else n_outputs
    if subject.head == "softmax":
        test = "for (i = 1; i < @OUTPUTS; i++) { best = y[i] > y[best] ? i : best; }"
    elif subject.head == "sigmoid" and n_outputs == 1:
        test = "best = y[0] > 0.0f ? 1u : 0u;"
    else:
        return
    declared += ["/* The place of the most probable class. */",
                 "size_t @classify(const float *x);"]  # fmt: skip
    index = "    size_t i, best = 0;" if "i" in test[:6] else "    size_t best;"
    defined += ["size_t @classify(const float *x) {", "    float y[@OUTPUTS];", index,
                "    @predict(x, y);", f"    {test}", "    return best;", "}", ""]  # fmt: skip
    if len(subject.classes) == n:
        declared += ["/* Names of the classes. */",
                     f"extern const char *const @classes[{n}];"]  # fmt: skip
        names = ", ".join(map(quoted, subject.classes))
        defined += [f"const char *const @classes[{n}] = {{{names}}};", ""]


def mixture(subject: Subject, chains: list[Chain], writer: Writer) -> list[str]:
    """``predict`` of several networks, or of the members of one."""
    kind = subject.mixture
    writer.uses([kind, "log"] if kind else [])
    share = {
        "": [], "softmax": ["        @softmax(one, @OUTPUTS, one);"],
        "sigmoid": ["        @sigmoid(one, @OUTPUTS, one);"],
        "exp": ["        for (i = 0; i < @OUTPUTS; i++) { one[i] = @exp(one[i]); }"],
    }[kind]  # fmt: skip
    last = {
        "": "", "softmax": "@log(y[i])", "exp": "@log(y[i])",
        "sigmoid": "@log(y[i]) - @log(1.0f - y[i])",
    }[kind]  # fmt: skip
    lines = ["void @predict(const float *x, float *y) {", "    float one[@OUTPUTS];",
             "    size_t i, member;",
             "    for (i = 0; i < @OUTPUTS; i++) { y[i] = 0.0f; }"]  # fmt: skip
    adds = "        for (i = 0; i < @OUTPUTS; i++) {{ y[i] = {} * one[i] + y[i]; }}"
    weights = [single(float(weight)) for weight in subject.weights]
    for place, _ in enumerate(chains):
        count = subject.members
        call = f"        @net{place}(x, {'member, ' if count > 1 else ''}one);"
        lines += [f"    for (member = 0; member < {count}; member++) {{", call, *share,
                  adds.format(weights[place]), "    }"]  # fmt: skip
    if kind:
        lines.append(f"    for (i = 0; i < @OUTPUTS; i++) {{ y[i] = {last}; }}")
    return [*lines, "}", ""]


# Comparison --------------------------------------------------------------------------------------


def compared(program: Program, x: Array, t: Any) -> dict[str, Any]:
    """Figures of the C beside those of ``predict``; see :func:`affinet.export.c`."""
    subject, integers = program.subject, program.integers
    y = subject.predict(x)
    own = y if integers is None else integers.dequantize(integers.outputs(integers.quantize(x)))
    found: dict[str, Any] = {"rows": len(x), "largest_difference": float(np.abs(own - y).max())}
    if subject.head == "softmax":
        found["same_class"] = float((own.argmax(axis=1) == y.argmax(axis=1)).mean())
    if t is None:
        return found
    t = np.asarray(t)
    if len(t) != len(x):
        raise ValueError(f"report has {len(x)} rows and {len(t)} targets")
    for label, outputs in (("", own), ("_float32", y)):
        if subject.head == "softmax":
            hits = outputs.argmax(axis=1) == (t.argmax(axis=1) if t.ndim == 2 else t)
            found[f"accuracy{label}"] = float(hits.mean())
        else:
            errors = outputs - t.reshape(len(x), -1)
            found[f"rms_error{label}"] = float(np.sqrt((errors.astype(np.float64) ** 2).mean()))
    return found
