"""No kernel without a reference, no reference without a kernel, neither without tests."""

import inspect
import re

from affinet import reference
from affinet._kernels import baseline
from kernel_table import IN_PARTS, KERNELS, NOT_KERNELS


def public_functions(module):
    public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    return {
        name for name, value in public.items() if callable(value) and not inspect.isclass(value)
    }


def test_every_kernel_has_a_reference_and_a_row_in_the_table(kernels):
    compiled = public_functions(kernels) - NOT_KERNELS
    assert compiled == set(reference.__all__) - {"bfloat16_parts"}  # what gemm_in_parts rests on
    assert compiled == {kernel.name for kernel in KERNELS.values()} | IN_PARTS


def test_every_module_knows_its_level(kernels, level):
    built_as, fuses = kernels.build_level()
    assert built_as == level
    assert fuses or level not in ("avx2", "avx512")


def test_the_reference_declares_all_its_public_functions():
    own = {
        name
        for name in public_functions(reference)
        if getattr(reference, name).__module__.startswith("affinet.reference.")
    }
    assert own == set(reference.__all__)


def test_the_reference_takes_what_the_table_says():
    for name, kernel in KERNELS.items():
        parameters = list(inspect.signature(getattr(reference, kernel.name)).parameters)
        inputs = [argument.name for argument in kernel.inputs]
        assert parameters == [*inputs, *kernel.scalars, *kernel.states], name


def test_every_kernel_says_what_its_arguments_are():
    for name, kernel in KERNELS.items():
        words = set(re.findall(r"\w+", getattr(baseline, kernel.name).__doc__ or ""))
        missing = {argument.name for argument in kernel.arrays} - words
        assert not missing, f"{name} says nothing about {missing}"
