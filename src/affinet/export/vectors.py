"""The test of an exported program: rows, the outputs that they have, and a main()."""

from __future__ import annotations

from typing import Any

import numpy as np

from affinet._dispatch import baseline_level
from affinet._validation import Array
from affinet.export.program import Program
from affinet.export.steps import operations_of, single
from affinet.export.text import array_text
from affinet.network import Sequential
from affinet.network.inner import describe_layers

FLOAT_BOUND = 1e-5  # of a float32 test, relative to the largest output, or to 1


def without_fma(net: Sequential, x: Array) -> Array | None:
    """``predict`` in single precision without fused multiply-adds; None where no level is so."""
    baseline = baseline_level()
    if baseline.build_level()[1]:
        return None  # pragma: no cover - a baseline with fused multiply-adds, as on aarch64
    _, n_inputs = operations_of(net)
    operations = baseline.make_operations(
        np.array(net.params.flat, np.float32),
        [as_single(op) for op in describe_layers(net.layers)],
        n_inputs,
    )
    rows = np.ascontiguousarray(x, np.float32)
    if net.input_scale is not None:
        rows = rows * np.float32(net.input_scale)
    out = np.empty((len(rows), operations.n_outputs), np.float32)
    operations.forward(rows, out)
    return out


def as_single(op: Any) -> Any:
    """An operation with its float arrays in single precision."""
    return op._replace(
        arrays=tuple(a.astype(np.float32) if a.dtype.kind == "f" else a for a in op.arrays)
    )


def test_text(program: Program, rows: Array) -> str:
    """A main() that returns 0 only if all outputs for these rows agree."""
    subject, integers, exact = program.subject, program.integers, None
    x = np.ascontiguousarray(np.reshape(rows, (len(rows), -1)), np.float32)
    if integers is not None:
        q = integers.quantize(x)
        kind = np.dtype(integers.kind.name)
        given, wanted = q.astype(kind), integers.outputs(q).astype(kind)
        value, call, compare = f"{kind.name}_t", "run", "y[j] != @wanted[i * @OUTPUTS + j]"
    else:
        if len(subject.nets) == 1 and subject.members == 1:
            exact = without_fma(subject.nets[0], x)
        wanted = subject.predict(x).astype(np.float32) if exact is None else exact
        given, value, call = x, "float", "predict"
        bound = single(FLOAT_BOUND * max(1.0, float(np.abs(wanted).max(initial=0.0))))
        compare = f"!(d <= {bound} && d >= -{bound})"
    lines = [
        '#include "@HEADER"', "#include <stdio.h>", "#define @FLASH", "",
        array_text("@given", given), array_text("@wanted", wanted),
        "int main(void) {", "    size_t i, j, wrong = 0;", f"    {value} y[@OUTPUTS];",
        f"    for (i = 0; i < {len(x)}; i++) {{", f"        @{call}(&@given[i * @INPUTS], y);",
        "        for (j = 0; j < @OUTPUTS; j++) {",
    ]  # fmt: skip
    if integers is None:
        test = "if (d < 0.0f || d > 0.0f || d - d < 0.0f || d - d > 0.0f) { wrong++; }"
        refusal = '#error "the outputs here are not those of the order of sums in C, to the bit"'
        lines += [
            "            const float d = y[j] - @wanted[i * @OUTPUTS + j];",
            "#ifdef @EXACT",
            refusal if exact is None else f"            {test}",
            "#endif",
        ]
    lines += [
        f"            if ({compare}) {{ wrong++; }}", "        }", "    }",
        '    printf("%lu of %lu outputs differ\\n", (unsigned long)wrong,',
        f"           (unsigned long){wanted.size});",
        "    return wrong == 0 ? 0 : 1;", "}", "",
    ]  # fmt: skip
    return "\n".join(lines)
