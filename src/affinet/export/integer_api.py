"""The public functions of a model in integers, as C text."""

from __future__ import annotations

import textwrap

import numpy as np

from affinet.export.integers import IntegerModel
from affinet.export.steps import single
from affinet.export.text import Writer


def integer_functions(model: IntegerModel, writer: Writer) -> tuple[list[str], list[str]]:
    """Declarations and definitions of ``run``, ``quantize`` and ``predict``."""
    value, back = f"{model.kind.name}_t", model.returned
    declared = [
        f"/* Integers only. y stands for {back.step!r} (y - {back.zero}),",
        f"   {meaning(model)} */",
        f"void @run(const {value} *x, {value} *y);",
        "/* The nearest integers that stand for x. */",
        f"void @quantize(const float *x, {value} *q);",
    ]
    writer.uses(["quantized"])
    per_step, zero = single(float(np.min(model.per_step))), str(model.given.zero)
    if model.given.by_columns:
        per_step = f"@FLOAT(&{writer.array(model.per_step)}[i])"
        zero = f"@VALUE(&{writer.array(model.given.zero.astype(model.kind.dtype))}[i])"
    defined = [
        *run(model, writer),
        "void @quantize(const float *x, @value *q) {", "    size_t i;",
        "    for (i = 0; i < @INPUTS; i++) {",
        f"        q[i] = @quantized(x[i] * {per_step}, {zero});", "    }", "}", "",
        "void @predict(const float *x, float *y) {", "    @value q[@INPUTS], out[@OUTPUTS];",
        "    size_t i;", "    @quantize(x, q);", "    @run(q, out);",
        "    for (i = 0; i < @OUTPUTS; i++) {",
        f"        y[i] = (float)(out[i] - {back.zero}) * {single(back.step)};",
        "    }", "}", "",
    ]  # fmt: skip
    return declared, defined


def meaning(model: IntegerModel) -> str:
    """What the inputs stand for, in words."""
    given = model.given
    if not given.by_columns:
        return f"x for {given.step!r} (x - {given.zero})."
    pairs = zip(given.step.tolist(), given.zero.tolist(), strict=True)
    shown = "; ".join(f"{step!r}, {zero}" for step, zero in pairs)
    text = f"x[i] for step (x[i] - zero), with step and zero by columns: {shown}."
    return textwrap.fill(text, 96, subsequent_indent="   ")


def run(model: IntegerModel, writer: Writer) -> list[str]:
    """The networks one after another, and what they say together."""
    head = "void @run(const @value *x, @value *y) {"
    if model.mixed is None:
        return [f"{head} @net0(x, y); }}", ""]
    mixed = model.mixed
    writer.uses([mixed.function])
    count, n = sum(chain.members for chain in model.chains), model.chains[0].n_outputs
    own = "member" if n == 1 else f"member * {n}u"
    loop = (
        f"    for (member = 0; member < {{}}u; member++) {{{{ @net0(x, member, &all[{own}]); }}}}"
    )
    calls = [
        loop.format(chain.members) if chain.members > 1 else f"    @net{i}(x, &all[{i * n}]);"
        for i, chain in enumerate(model.chains)
    ]
    arguments = ", ".join(["all", *map(writer.argument, mixed.arguments), f"{count}u", "@OUTPUTS"])
    return [
        head, f"    @value all[{count * n}];",
        *(["    size_t member;"] if any(chain.members > 1 for chain in model.chains) else []),
        *calls, *textwrap.wrap(f"@{mixed.function}({arguments}, y);", 92, initial_indent="    ",
                               subsequent_indent="        "),
        "}", "",
    ]  # fmt: skip
