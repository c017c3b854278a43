"""The stubs list everything in the compiled modules, so that mypy checks every call."""

import importlib
import inspect

import pytest

from affinet._kernels import baseline
from kernel_stub import STUB, STUBS, differences, in_module, in_stub, public

pytestmark = pytest.mark.skipif(not STUB.exists(), reason="needs the sources of the package")
ADVICE = "\npython tests/support/kernel_stub.py prints this again; mypy checks the types"


def test_the_stub_lists_what_the_module_has_with_the_same_arguments():
    problems = differences(baseline, STUB)
    assert not problems, f"in {STUB}:\n" + "\n".join(problems) + ADVICE


def test_every_level_has_the_same_names(kernels):
    assert dict(public(kernels)).keys() == dict(public(baseline)).keys()
    for name, value in public(baseline):
        if isinstance(value, type):
            members = dict(public(getattr(kernels, name)))
            assert members.keys() == dict(public(value)).keys(), name


def test_the_stub_of_the_probe():
    probe = importlib.import_module("affinet._kernels.cpu")
    wanted = {"cache_sizes": [], "supported_levels": [], "floor": None}
    assert in_stub(STUBS / "cpu.pyi") == in_module(probe) == wanted


def test_every_level_has_the_one_stub():
    for level in ("avx2", "avx512"):
        text = (STUBS / f"{level}.pyi").read_text(encoding="utf-8")
        assert text.startswith(f"from affinet._kernels.{STUB.stem} import *"), level


def test_what_is_wrong_is_found_and_said(tmp_path):
    text = STUB.read_text(encoding="utf-8")
    for old, new, wanted in (
        ("def relu_forward(x: Array, out", "def relu_forward(x: Array, y", "change  def relu_forw"),
        (
            "def relu_forward(",
            "def relu_forwards(",
            "add     def relu_forward(x: Array, out: Array",
        ),
        ("def relu_forward(", "def relu_forwards(", "remove  relu_forwards"),
        ("def update(self", "def updates(self", "add         def update(self"),
        ("def n_inputs(self)", "def inputs(self)", "add         @property\n    def n_inputs"),
    ):
        assert old in text
        wrong = tmp_path / "wrong.pyi"
        wrong.write_text(text.replace(old, new), encoding="utf-8")
        problems = differences(baseline, wrong)
        assert any(p.startswith(wanted) for p in problems), problems


def test_the_stub_has_no_defaults_and_names_its_types():
    """Kernels take all their arguments; an argument without a type would be an Any in silence."""
    namespace = {}
    source = STUB.read_text(encoding="utf-8").replace("NDArray[Any]", "Any")
    exec(compile("from __future__ import annotations\n" + source, str(STUB), "exec"), namespace)
    functions = [f for f in namespace.values() if inspect.isfunction(f)]
    assert len(functions) > 20
    for function in functions:
        signature = inspect.signature(function)
        assert signature.return_annotation is not signature.empty, function.__name__
        for parameter in signature.parameters.values():
            assert parameter.annotation is not parameter.empty, f"{function.__name__}: {parameter}"
            assert parameter.default is parameter.empty, f"{function.__name__}: {parameter}"
