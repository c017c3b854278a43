"""The C functions that a program needs, in the order of their definitions."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from importlib import resources

from affinet.export.steps import PARAMETRIC
from affinet.layers.activations import activation_classes

FILES = ("activations", "layers", "libm", "integers", "mixtures", "encoding")
OWN_LOOPS = ("relu", "leaky_relu")
MAP = """static void @{0}(const float *x, size_t n, float *y) {{
    size_t i;
    for (i = 0; i < n; i++) {{ y[i] = @{0}_of(x[i]); }}
}}
"""
BLEND = """/* x + a (f(x) - x) */
static void @{2}{0}(const float *x, const float *a,{1} size_t n, float *y) {{
    size_t i;
    for (i = 0; i < n; i++) {{
        const float f = {3};
        y[i] = @FLOAT(&a[i]) * (f - x[i]) + x[i];
    }}
}}
"""
LEAKY = "x[i] < 0.0f ? slope * x[i] : x[i]"


@functools.cache
def sections() -> dict[str, tuple[tuple[str, ...], str]]:
    """What each section needs, and its text, by name."""
    found = {}
    for file in FILES:
        text = (resources.files("affinet.export") / f"{file}.c").read_text("utf-8")
        _, *parts = re.split(r"^//= (.*)\n", text, flags=re.MULTILINE)
        for head, body in zip(parts[::2], parts[1::2], strict=True):
            name, _, needs = head.partition(":")
            found[name] = tuple(needs.split()), body.strip() + "\n"
    for f in (cls.kernel for cls in activation_classes().values()):
        assert f is not None  # activations name their kernels
        if f not in OWN_LOOPS:
            found[f] = (f"{f}_of",), MAP.format(f)
        leaky = f == "leaky_relu"
        value = LEAKY if leaky else f"@{f}_of(x[i])"
        blend = BLEND.format(f, " float slope," if leaky else "", PARAMETRIC, value)
        found[PARAMETRIC + f] = () if leaky else (f"{f}_of",), blend
    return found


def functions(names: Iterable[str], libm: bool = False) -> str:
    """The C text of these functions and of all that they need."""
    known, done, texts = sections(), set(), []

    def add(name: str) -> None:
        if name in done:
            return
        done.add(name)
        needs, text = known.get(f"libm {name}", known[name]) if libm else known[name]
        for needed in needs:
            add(needed)
        texts.append(text)

    for name in names:
        add(name)
    return "\n".join(texts)
