"""Lists of parts for readers: what ``affinet info`` prints, and the table of the documentation."""

import inspect
import json
import re
from pathlib import Path

import pytest

import affinet as an
from affinet.cli import main
from affinet.layers.activations import Activation

CONTENTS = Path(__file__).parents[2] / "docs" / "contents.md"


def public(kind):
    found = [getattr(an, name) for name in an.__all__]
    return {
        part.__name__
        for part in found
        if inspect.isclass(part) and issubclass(part, kind) and not inspect.isabstract(part)
    }


def test_info_lists_every_part_once(capsys):
    assert main(["info", "--json"]) == 0
    parts = json.loads(capsys.readouterr().out)["parts"]
    assert set(parts["activations"]) == public(Activation)
    assert set(parts["layers"]) == public(an.Layer) - public(Activation)
    assert set(parts["losses"]) == public(an.Loss)
    assert set(parts["optimizers"]) == public(an.Optimizer)
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert all(", ".join(names) in text for names in parts.values())


@pytest.mark.skipif(not CONTENTS.is_file(), reason="the documentation is not here")
@pytest.mark.parametrize(
    ("row", "kind"), [("layers", an.Layer), ("losses", an.Loss), ("optimizers", an.Optimizer)]
)
def test_the_table_names_every_part(row, kind):
    """Of activations it gives examples, and says how to list them."""
    (line,) = re.findall(rf"^\| {row} \|.*$", CONTENTS.read_text(encoding="utf-8"), re.M)
    named = {name for name in re.findall(r"`~?(?:affinet\.)?(\w+)`", line) if hasattr(an, name)}
    assert named >= public(kind) - public(Activation)
    assert named <= public(kind)
