"""The files of an exported program: plain, as one header, as a library for Arduino."""

from __future__ import annotations

from affinet._validation import Array
from affinet._version import __version__
from affinet.export.program import Program
from affinet.export.vectors import test_text

SKETCH = """#include <{name}.h>

static float x[{NAME}_INPUTS], y[{NAME}_OUTPUTS];

void setup() {{ Serial.begin(115200); }}

void loop() {{
  {name}_predict(x, y);
  for (size_t i = 0; i < {NAME}_OUTPUTS; i++) {{ Serial.println(y[i]); }}
  delay(1000);
}}
"""
PROPERTIES = """name={name}
version=1.0.0
author=affinet {version}
maintainer=affinet {version}
sentence=A neural network written by affinet.
paragraph={figures}
category=Data Processing
url=https://github.com/
architectures=*
includes={name}.h
"""
PLATFORMIO = """{{
  "name": "{name}",
  "version": "1.0.0",
  "description": "A neural network written by affinet {version}: {figures}",
  "frameworks": "*",
  "platforms": "*",
  "headers": "{name}.h"
}}
"""


def files_of(
    program: Program, name: str, tests: Array | None, single_header: bool, arduino: bool
) -> dict[str, str]:
    """Texts by their paths within the folder."""
    if single_header and arduino:
        raise ValueError("single_header and arduino exclude each other: a library has a source")
    figures = program.figures
    shown = f"{figures['flash']} bytes of constants, {figures['scratch']} of scratch"
    about = {"name": name, "NAME": name.upper(), "version": __version__, "figures": shown}
    room = "src/" if arduino else ""
    header, source = (named(text, name) for text in (program.header, program.source))
    found = {}
    if single_header:
        guard = f"{name.upper()}_IMPLEMENTATION"
        source = source.replace(f'#include "{name}.h"\n', "")
        how = f"/* In one C or C++ file, define {guard} before including this. */\n"
        found[f"{name}.h"] = f"{how}{header}\n#ifdef {guard}\n#undef {guard}\n{source}#endif\n"
    else:
        found[f"{room}{name}.h"], found[f"{room}{name}.c"] = header, source
    if tests is not None:
        text = named(test_text(program, tests), name)
        if single_header:
            text = f"#define {name.upper()}_IMPLEMENTATION\n{text}"
        found[f"{name}_test.c"] = text
    if arduino:
        found["library.properties"] = PROPERTIES.format(**about)
        found["library.json"] = PLATFORMIO.format(**about)
        found[f"examples/{name}/{name}.ino"] = SKETCH.format(**about)
    return found


def named(text: str, name: str) -> str:
    """Text with the prefix in place of @: in capitals before capitals, as macros have it."""
    text = text.replace("@HEADER", f"{name}.h")
    parts = text.split("@")
    out = [parts[0]]
    for part in parts[1:]:
        first = part[:2]
        macro = first[:1].isupper() and (not first[1:].islower())
        out.append((name.upper() if macro else name) + "_" + part)
    return "".join(out)
