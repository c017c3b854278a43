"""C text: numbers, arrays and the calls of a chain's steps, and where these write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from affinet._validation import Array
from affinet.export.steps import Chain, Member, Step, single

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
    plain = array.dtype.kind == "i" and array.dtype.itemsize < 4
    values = list(map(str, array.reshape(-1).tolist()) if plain else map(literal, array.flat))
    each = 98 // (max(map(len, values)) + 2)
    lines = (", ".join(values[i : i + each]) for i in range(0, len(values), each))
    kind = TYPES[array.dtype.name]
    body = ",\n".join(lines)
    return f"static const {kind} {name}[{array.size}] @FLASH = {{\n{body}\n}};\n"


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

    def texts(self, texts: list[str]) -> str:
        """The name of a constant array of texts, each with a 0 behind it."""
        name = f"@a{len(self._names)}"
        self._names["texts", name.encode()] = name
        size = sum(len(text.encode()) + 1 for text in texts)
        lines = "\n".join(f'    {quoted(text)[:-1]}\\0"' for text in texts)
        self.arrays.append(f"static const char {name}[{size + 1}] @FLASH =\n{lines};\n")
        self.flash += size + 1
        return name

    def argument(self, value: Any) -> str:
        """An argument of a call."""
        if isinstance(value, Member) and len(value.array) == 1:
            return self.array(value.array)
        if isinstance(value, Member):
            each = value.array[0].size
            return f"&{self.array(value.array)}[member * {each}u]"
        return self.array(value) if isinstance(value, np.ndarray) else str(value)

    def chain(self, name: str, chain: Chain, itemsize: int) -> None:
        """Add the function ``name(x, y)``, or ``name(x, member, y)``, of a chain's steps."""
        places, work, size = placed(chain.steps)
        self.scratch = max(self.scratch, size * itemsize)
        lines = [f"    @value scratch[{size}];"] if size else []

        def buffer(step: int) -> str:
            if step < 0:
                return "x"
            return at(places[step])

        def at(place: int | None) -> str:
            return "y" if place is None else f"&scratch[{place}]" if place else "scratch"

        for i, step in enumerate(chain.steps):
            self.used[step.function] = None
            given = [*map(buffer, step.sources), *map(self.argument, step.arguments)]
            given += [at(work[i])] * (step.work > 0) + [buffer(i)]
            lines.append(f"    @{step.function}({', '.join(given)});")
        member = ", size_t member" if chain.members > 1 else ""
        head = f"static void @{name}(const @value *x{member}, @value *y) {{"
        self.bodies.append("\n".join([head, *lines, "}", ""]))

    def uses(self, names: Iterable[str]) -> None:
        """Note functions that other text calls."""
        self.used |= dict.fromkeys(names)


def placed(steps: Sequence[Step]) -> tuple[list[int | None], list[int], int]:
    """Where each step writes in the scratch, None for the output array, and the scratch's size.

    Between them is where each step's own work lies, 0 for those without.

    A step that may work in place does so where nothing later reads its source. The widest outputs
    are placed first, each as low as no other lies that is alive at the same time; in a network
    without branches the scratch has the size of the two widest layers that follow each other.
    """
    last_reader = {s: i for i, step in enumerate(steps) for s in step.sources}
    owner: list[int] = []  # the step whose memory each one writes to
    for i, step in enumerate(steps):
        source = step.sources[0]
        free = step.in_place and source >= 0 and last_reader[source] == i
        owner.append(owner[source] if free and step.sources.count(source) == 1 else i)
    # Of each memory, first and last step that needs it, and its size; work has places below 0.
    spans = {-1 - i: (i, i, step.work) for i, step in enumerate(steps) if step.work}
    for i, step in enumerate(steps):
        first, _, size = spans.get(owner[i], (i, i, step.width))
        spans[owner[i]] = first, last_reader.get(i, i), size
    to_output = owner[-1]
    offsets: dict[int, int] = {}
    for own in sorted(spans, key=lambda own: -spans[own][2]):
        if own == to_output:
            continue
        first, last, size = spans[own]
        place = 0
        alive = sorted(
            (offsets[o], offsets[o] + spans[o][2])
            for o in offsets
            if spans[o][0] <= last and first <= spans[o][1]
        )
        for start, end in alive:
            if place + size <= start:
                break
            place = max(place, end)
        offsets[own] = place
    total = max((offsets[own] + spans[own][2] for own in offsets), default=0)
    places = [None if own == to_output else offsets[own] for own in owner]
    return places, [offsets.get(-1 - i, 0) for i in range(len(steps))], total
