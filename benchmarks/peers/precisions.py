"""Steps at several precisions: how exact each one's products are, and the table of both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from nets import Array
from report import table
from verification import VerificationError

SHAPE = (256, 1024, 256)  # rows, depth and columns of the product that errors are measured on
# A bfloat16 number is off by up to 2^-9. In three layers, that share of the ReLUs' inputs is close
# enough to 0 to switch sides, and a share s of switched units moves gradients by sqrt(s) of their
# norm: 0.08. A wrong formula or batch moves them by their whole norm.
STEP_TOLERANCES = {"bfloat16": 2 * math.sqrt(3 * 2.0**-9)}
# Of the product, relative to its norm. bfloat16 gives sqrt(2) 2^-9 at most; the others are sums of
# parts (Henry, Tang and Heinecke, ARITH 2019) or float32's own.
PRODUCT_TOLERANCES = {"bfloat16": 2.0**-8, "bfloat16x3": 2.0**-16, "bfloat16x6": 2.0**-20}
PRODUCT_TOLERANCE = 2.0**-20  # of float32: sums of 1,024 terms round a few times

Product = Callable[[Array, Array], Array]


def product_error(precision: str, product: Product) -> float:
    """The Frobenius error of a product of normal random numbers, relative to its norm.

    Raises
    ------
    VerificationError
        If it is larger than the precision explains.
    """
    rng = np.random.default_rng(5)
    rows, depth, columns = SHAPE
    A = rng.standard_normal((rows, depth), np.float32)
    B = rng.standard_normal((depth, columns), np.float32)
    wanted = A.astype(np.float64) @ B
    error = float(np.linalg.norm(product(A, B) - wanted) / np.linalg.norm(wanted))
    tolerance = PRODUCT_TOLERANCES.get(precision, PRODUCT_TOLERANCE)
    if not error <= tolerance:  # true for NaN as well
        raise VerificationError(
            f"a product in {precision} is off by {error:.2g} of its norm, tolerance {tolerance:.1g}"
        )
    return error


def contests(
    cores: Sequence[int],
    groups_of_runs: Sequence[Sequence[dict[str, Any]]],
    cells: Callable[[dict[str, Any], str], list[str]],
) -> str:
    """For each net a line for each contender, the most exact first: error, time and ratio.

    ``cells`` returns a contender's time and ratio.
    """
    header = ["", "error", *(name for n in cores for name in (f"{n} core{'s' * (n > 1)}", "×"))]
    rows: list[list[str]] = []
    for groups in zip(*groups_of_runs, strict=True):
        rows.append([groups[0]["title"], *[""] * (1 + 2 * len(cores))])
        errors = {name: error for group in groups for name, error in errors_of(group).items()}
        for name in sorted(errors, key=lambda name: errors[name]):
            found = [cell for group in groups for cell in cells(group, name)]
            rows.append([f"  {name}", f"{errors[name]:.1e}", *found])
    explained = (
        f"error: of a product of {SHAPE[0]} x {SHAPE[1]} by {SHAPE[1]} x {SHAPE[2]} normal "
        "numbers, relative to its norm,\nmeasured against float64 in this run; "
        "×: time relative to affinet's in float32"
    )
    return "\n".join([table(header, rows), explained])


def errors_of(group: dict[str, Any]) -> dict[str, float]:
    """The largest error of each contender of a case."""
    return {
        name: max(figures["error"] for figures in found["by_threads"].values())
        for name, found in group["contenders"].items()
    }
