"""The tools of the site: formulas, the picture of a batch's way, the steps of a product, checks."""

import importlib.util
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import affinet as an
from affinet import layers, losses, optimizers

DOCS = Path(__file__).parents[1] / "docs"
if not DOCS.is_dir():
    pytest.skip("the documentation is not here", allow_module_level=True)


def script(name, path, monkeypatch):
    spec = importlib.util.spec_from_file_location(name, DOCS / path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_every_layer_loss_and_optimizer_has_a_typeset_formula():
    formulas = tomllib.loads((DOCS / "reference" / "formulas.toml").read_text(encoding="utf-8"))
    for room, base in ((layers, an.Layer), (losses, an.Loss), (optimizers, an.Optimizer)):
        known = [getattr(room, name) for name in room.__all__]
        parts = {
            part.__name__
            for part in known
            if isinstance(part, type) and issubclass(part, base) and hasattr(an, part.__name__)
        }
        assert formulas[room.__name__].keys() == parts - {base.__name__}


def test_the_picture_of_a_batch_is_true_to_the_code(monkeypatch):
    if not (DOCS.parent / "kernels").is_dir():
        pytest.skip("the kernels' sources are not here")
    path = script("draw_path", "inside/draw_path.py", monkeypatch)
    assert path.untrue_arrows() == []
    monkeypatch.setattr(path, "ARROWS", {"_gemm": ["_batch_loss"]})
    assert path.untrue_arrows() == ["_gemm -> _batch_loss"]
    assert path.function("gemm.pyx:_gemm").file == "gemm.pyx"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="the steps of a product need gcc")
def test_the_five_steps_of_a_product_agree_to_the_bit(tmp_path, monkeypatch):
    import numpy as np

    if "avx2" not in an.runtime_info()["supported_levels"]:
        pytest.skip("without a fused multiply-add the steps round differently")
    monkeypatch.setenv("CC", "gcc")
    measure = script("measure", "inside/product/measure.py", monkeypatch)
    found = measure.results(measure.build(tmp_path), (12, 300, 272))
    rng = np.random.default_rng(0)
    A = rng.standard_normal((12, 300), np.float32)
    B = rng.standard_normal((300, 272), np.float32)
    np.testing.assert_allclose(found["triple_loop"], A @ B, rtol=1e-3, atol=1e-4)
    for name, out in found.items():
        assert (out == found["triple_loop"]).all(), name


def test_a_broken_link_and_a_foreign_host_are_found(tmp_path):
    page = '<a href="b.html#x">b</a><a href="https://a.org">a</a><img src="c.png"><p id="top">'
    (tmp_path / "index.html").write_text(page)
    (tmp_path / "b.html").write_text('<script src="https://cdn.org/a.js"></script>')
    command = [sys.executable, str(DOCS / "check_site.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "b.html loads https://cdn.org/a.js",
        "index.html: b.html#x has no such anchor",
        "index.html: c.png leads nowhere",
    ]
    (tmp_path / "c.png").touch()
    (tmp_path / "b.html").write_text('<p id="x">')
    assert subprocess.run(command, capture_output=True).returncode == 0
