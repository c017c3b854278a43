"""The script that makes the documentation's pictures."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).parents[1] / "docs"
if not DOCS.is_dir():
    pytest.skip("the documentation is not here", allow_module_level=True)
pytest.importorskip("matplotlib", reason="needs matplotlib, the extra cli")
Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("make_pictures", DOCS / "make_pictures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_knows_the_command_of_every_picture(script):
    known = script.commands((DOCS / "tour.md").read_text(encoding="utf-8"))
    assert {path.name for path in script.PICTURES.glob("*.png")} == {*known, "live.png"}
    assert known["derivative.png"] == "affinet plot derivative"
    with pytest.raises(SystemExit, match=r"unknown: nothing\.png"):
        script.main(["nothing.png"])


def test_fewer_colours_look_the_same_in_a_smaller_file(script, tmp_path):
    from affinet import diagnostics, plotting

    path = tmp_path / "a.png"
    axes = plotting.derivative(diagnostics.derivative(np.sin, 1.0, df=np.cos))
    plotting.save_figure(axes[0], path, dpi=80)
    size, whole = path.stat().st_size, np.asarray(Image.open(path).convert("RGB")).astype(int)
    script.reduce_colours(path)
    few = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert few.shape == whole.shape
    assert np.abs(few - whole).max() < 24
    assert path.stat().st_size < size / 2
