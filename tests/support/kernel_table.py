"""The arguments and results of every kernel, so that one set of tests can go through all of them.

A `Kernel` is one row of the table: its arguments with the letters of their dimensions, how to
draw sensible values for them, and how large the terms are that its results are sums of.
kernel_calls.py makes random problems of it, calls and comparisons. The rows stand by topic in
``kernel_rows``; those of activations, elementwise losses and optimizers come from the rows of these
parts, in ``parts``.
"""

from __future__ import annotations

from itertools import chain

from kernel_rows import activations, columns, ensembles, layers, losses, normalization, optimizers

NOT_KERNELS = {
    "Plan",
    "always_team",
    "assume_matrix_unit",
    "build_level",
    "known_precisions",
    "multiplies_in_parts",
    "known_losses",
    "known_operations",
    "known_optimizers",
    "make_operations",
    "make_plan",
    "matrix_unit",
    "permutations",  # NumPy's own is its reference
    "set_cache_sizes",
    "set_threads",
    "team_plan",
    "threads",
}  # public names of a kernel module that compute nothing
IN_PARTS = {"gemm_in_parts"}  # only in float32: test_products_in_parts.py

TOPICS = (layers, activations, normalization, columns, ensembles, losses, optimizers)
KERNELS = {kernel.key: kernel for kernel in chain.from_iterable(topic.ROWS for topic in TOPICS)}
