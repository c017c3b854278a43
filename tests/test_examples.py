"""Every example in a docstring and in the README runs and shows what it says."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import affinet

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
MODULES = ["affinet"] + [
    module.name
    for module in pkgutil.walk_packages(affinet.__path__, "affinet.")
    if "._kernels" not in module.name and not module.name.endswith("__main__")
]
NEEDS = {  # modules whose examples want a package from an extra
    "affinet.conversion": "sklearn",
    "affinet.estimators": "sklearn",
    **{name: "onnx" for name in MODULES if name.startswith("affinet.onnx")},
    "affinet.onnx.pipelines": "skl2onnx",
}
README = Path(__file__).parents[1] / "README.md"


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"{name} needs {NEEDS[name]}")
    result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert result.failed == 0


def test_readme_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(README), module_relative=False, optionflags=FLAGS)
    assert result.failed == 0
    assert result.attempted > 0
