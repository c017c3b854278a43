"""C text: numbers, arrays and the calls of a chain's steps."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.export.steps import Chain, Member, placed, single

TYPES = {  # of arrays: their name in C
    "float32": "float", "int8": "int8_t", "int16": "int16_t", "int32": "int32_t",
    "int64": "int64_t", "uint8": "uint8_t", "uint32": "uint32_t", "float64": "double",
}  # fmt: skip


def literal(value: Any) -> str:
    """A number of NumPy's as C."""
    if isinstance(value, np.float32):
        return single(float(value))
    if isinstance(value, np.float64):
        return repr(float(value))
    if isinstance(value, np.int64):
        return f"INT64_C({value})" if value > -(2**63) else "(-INT64_C(9223372036854775807) - 1)"
    if isinstance(value, np.int32) and value == -(2**31):
        return "(-2147483647 - 1)"
    return f"{value}u" if isinstance(value, np.unsignedinteger) else str(value)


def array_text(name: str, array: Array) -> str:
    """The definition of a constant array."""
    values = textwrap.fill(", ".join(map(literal, array.reshape(-1))), 98)
    kind = TYPES[array.dtype.name]
    return f"static const {kind} {name}[{array.size}] @FLASH = {{\n{values}\n}};\n"


def quoted(text: str) -> str:
    """A text as a C string, in UTF-8 by octal escapes."""
    safe = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?@' else f"\\{byte:03o}"
        for byte in text.encode()
    )
    return f'"{safe}"'


def comment(text: str) -> str:
    """Text that cannot end a comment, in ASCII."""
    text = text.encode("ascii", "replace").decode()
    return text.replace("*/", "* /").replace("/*", "/ *").replace("\n", " ").replace("@", "(at)")


class Writer:
    """Collects the arrays and the functions of chains."""

    def __init__(self) -> None:
        self.arrays: list[str] = []
        self.bodies: list[str] = []
        self.used: dict[str, None] = {}
        self.flash = 0
        self.scratch = 0
        self._names: dict[tuple[str, bytes], str] = {}

    def array(self, array: Array) -> str:
        """The name of a constant array; equal ones are written once."""
        array = np.ascontiguousarray(array)
        key = array.dtype.name, array.tobytes()
        if key not in self._names:
            self._names[key] = f"@a{len(self._names)}"
            self.arrays.append(array_text(self._names[key], array))
            self.flash += array.nbytes
        return self._names[key]

    def argument(self, value: Any) -> str:
        """An argument of a call."""
        if isinstance(value, Member) and len(value.array) == 1:
            return self.array(value.array)
        if isinstance(value, Member):
            each = value.array[0].size
            return f"{self.array(value.array)} + member * {each}u"
        return self.array(value) if isinstance(value, np.ndarray) else str(value)

    def chain(self, name: str, chain: Chain, itemsize: int) -> None:
        """Add the function ``name(x, y)``, or ``name(x, member, y)``, of a chain's steps."""
        places, size = placed(chain.steps)
        self.scratch = max(self.scratch, size * itemsize)
        lines = [f"    @value scratch[{size}];"] if size else []

        def buffer(step: int) -> str:
            if step < 0:
                return "x"
            place = places[step]
            return "y" if place is None else f"scratch + {place}" if place else "scratch"

        for i, step in enumerate(chain.steps):
            self.used[step.function] = None
            given = [*map(buffer, step.sources), *map(self.argument, step.arguments), buffer(i)]
            lines.append(f"    @{step.function}({', '.join(given)});")
        member = ", size_t member" if chain.members > 1 else ""
        head = f"static void @{name}(const @value *x{member}, @value *y) {{"
        self.bodies.append("\n".join([head, *lines, "}", ""]))

    def uses(self, names: Iterable[str]) -> None:
        """Note functions that other text calls."""
        self.used |= dict.fromkeys(names)
